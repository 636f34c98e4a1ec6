//! What every page has: a heading, the ways to the others, its language, and how it looks on screen, phone and paper.

use super::sign_in::form_urlencoded;
use super::tongue::Tongue;
use crate::api::{ApiState, Caller};
use crate::report::{PAGE_STYLE, escaped};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY};
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;

/// A page.
pub(super) struct Page<'a> {
    pub(super) state: &'a ApiState,
    pub(super) tongue: Tongue,
    pub(super) title: &'a str,
    /// Its own path and query.
    pub(super) here: &'a str,
    /// Who looks at it.
    pub(super) caller: Option<&'a Caller>,
    /// What stands below the heading, as HTML.
    pub(super) body: &'a str,
}

/// How the forms and the frame look, beside the style of reports; none of it is on paper.
const STYLE: &str = "\
header{display:flex;flex-wrap:wrap;gap:.3em 1.2em;align-items:baseline;border-bottom:2px solid #222;padding-bottom:.5em;margin-bottom:1em}\
header strong{margin-right:auto}header nav{display:flex;flex-wrap:wrap;gap:.2em .7em}header form{display:inline}header a[aria-current]{font-weight:600;color:#222;text-decoration:none}\
a{color:#1f5c99}button{font:inherit;padding:.35em .9em}\
form.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(15em,1fr));gap:.7em 1.2em;align-items:start;background:#f6f7f9;padding:1em;margin:1em 0}\
form.fields>p,form.fields>h2{grid-column:1/-1;margin:0}.narrow{max-width:24em}.field{display:flex;flex-direction:column;margin:.3em 0}\
.field label{font-weight:600}.field input,.field select,.field textarea{font:inherit;padding:.3em;border:1px solid #888;width:100%;box-sizing:border-box}\
.field small{color:#555;display:block}.fault{color:#a4262c;display:block}[aria-invalid]{border-color:#a4262c!important;border-width:2px!important}\
.said{border-left:4px solid #e8a33d;padding:.4em .8em;background:#fdf6e9}.plot{overflow-x:auto}.plot svg{max-height:26em}.plot>svg{min-width:680px}@media print{.plot>svg{min-width:0}}.plot text{font-size:11px;fill:#444}\
@media (max-width:40em){body{margin:1em auto;padding:0 .6em}dl{display:block}dd{margin:0 0 .5em 1em}}\
@media print{header nav,header form,header a,form.fields,.screen{display:none}header{border:0;margin:0}.said{background:none}}";

/// Nothing is fetched, run, or shown in a frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// Puts a page together.
pub(super) fn page(page: Page<'_>) -> Response {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\"><title>{title} – {site}</title>\
         <style>{PAGE_STYLE}{STYLE}</style></head><body>\n",
        page.tongue.tag(),
        title = escaped(page.title),
        site = escaped(&page.state.parts.site_name),
    );
    print_head(&page, &mut html);
    let _ = write!(
        html,
        "<main><h1>{}</h1>\n{}</main></body></html>\n",
        escaped(page.title),
        page.body
    );
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    // Of our own pages the browser must tell where a form comes from.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn print_head(page: &Page<'_>, html: &mut String) {
    let tongue = page.tongue;
    let _ = write!(
        html,
        "<header><strong>{}</strong>",
        escaped(&page.state.parts.site_name)
    );
    let path = page.here.split('?').next().unwrap_or(page.here);
    if page.caller.is_some() {
        html.push_str("<nav>");
        for (to, name) in [
            ("/reports", tongue.say("Reports", "報表")),
            ("/staffing", tongue.say("Staffing", "人力配置")),
            ("/forecast", tongue.say("Forecast", "來量預測")),
            ("/definitions", tongue.say("Definitions", "名詞定義")),
        ] {
            let current = if to == path {
                " aria-current=\"page\""
            } else {
                ""
            };
            let _ = write!(
                html,
                "<a href=\"{to}?language={}\"{current}>{name}</a> ",
                tongue.tag()
            );
        }
        html.push_str("</nav>");
    }
    let other = tongue.other();
    let _ = write!(
        html,
        "<a href=\"{}\" lang=\"{}\" hreflang=\"{1}\">{}</a>",
        escaped(&in_language(page.here, other)),
        other.tag(),
        other.say("English", "中文"),
    );
    if let Some(caller) = page.caller {
        let _ = write!(
            html,
            "<form method=\"post\" action=\"/sign_out\"><button>{} ({})</button></form>",
            tongue.say("Sign out", "登出"),
            escaped(&caller.name)
        );
    }
    html.push_str("</header>\n");
}

/// The same address in another language.
fn in_language(here: &str, tongue: Tongue) -> String {
    let (path, query) = here.split_once('?').unwrap_or((here, ""));
    let kept = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("language="));
    let mut query: Vec<String> = kept.map(str::to_owned).collect();
    query.push(format!("language={}", form_urlencoded(tongue.tag())));
    format!("{path}?{}", query.join("&"))
}
