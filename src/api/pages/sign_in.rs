//! Who is there: a form that takes an agent's web password or a token of the API, and a cookie that lasts a working day.
//!
//! The cookie is `HttpOnly` and `SameSite=Strict`, so that no script reads it and no other site sends it; a form from
//! elsewhere is refused by its `Origin` besides (RFC 6454 section 7). What is tried too often waits.

use super::form::Field;
use super::shell::{Page, page};
use super::tongue::Tongue;
use crate::api::serve::Peer;
use crate::api::{ApiState, Caller, Problem};
use crate::config::Rights;
use crate::report::escaped;
use crate::roster::{self, SIGNED_IN_FOR, SignedInBy, WebPassword};
use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::http::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rand::SeedableRng;
use rand::rngs::StdRng;
use ringdown_routing::ids::AgentId;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};

/// Name of the cookie.
const NAME: &str = "ringdown_sign_in";

/// Most letters of a name or password.
const LETTERS_MAX: usize = 256;

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
    language: Option<String>,
}

/// What the form says.
#[derive(Debug, Deserialize)]
pub(super) struct Given {
    #[serde(default)]
    name: String,
    #[serde(default)]
    secret: String,
    next: Option<String>,
    language: Option<String>,
}

/// Who asks by the cookie of the pages; `None` when nobody is signed in by it.
pub(in super::super) async fn who_is_signed_in(
    state: &ApiState,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Problem> {
    let Some(cookie) = cookie(headers) else {
        return Ok(None);
    };
    let parts = &state.parts;
    let by = roster::signed_in(&parts.database, cookie, state.now()).await?;
    Ok(match by {
        None => None,
        Some(SignedInBy::Token { proof }) => parts.tokens.signed_in(&proof),
        Some(SignedInBy::Agent(agent)) => Some(Caller {
            name: agent.as_str().into(),
            rights: if parts.managers.contains(&agent) {
                Rights::Read
            } else {
                Rights::Agent
            },
            agent: Some(agent),
        }),
    })
}

/// Who asks for a page, or the way to the sign-in.
pub(super) async fn must_be_signed_in(
    state: &ApiState,
    headers: &HeaderMap,
    here: &str,
) -> Result<Caller, Response> {
    match who_is_signed_in(state, headers).await {
        Ok(Some(caller)) => match state.parts.tokens.admit(&caller, state.now()) {
            Ok(()) => Ok(caller),
            Err(problem) => Err(problem.into_response()),
        },
        Ok(None) => {
            let next: String = form_urlencoded(here);
            Err(see_other(&format!("/sign_in?next={next}"), None))
        }
        Err(problem) => Err(problem.into_response()),
    }
}

/// Shows the form.
pub(super) async fn show(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let tongue = Tongue::of(asked.language.as_deref(), &headers, &state.parts.language);
    form(&state, tongue, &asked.next, "", None)
}

/// Signs in, or says why not.
pub(super) async fn sign_in(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Response {
    let tongue = Tongue::of(given.language.as_deref(), &headers, &state.parts.language);
    if !is_from_here(&headers) {
        return Problem::Forbidden.into_response();
    }
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.0);
    let name = given.name.trim();
    if name.chars().count() > LETTERS_MAX || given.secret.chars().count() > LETTERS_MAX {
        let fault = tongue.say("That is too long.", "輸入的內容過長。");
        return form(&state, tongue, &given.next, "", Some(fault));
    }
    if !state.tries.admit(name, address, state.now()) {
        tracing::warn!(%address, "pages: it was tried too often to sign in");
        let fault = tongue.say(
            "It was tried too often. Wait a quarter of an hour, then try again.",
            "嘗試次數過多，請於十五分鐘後再試。",
        );
        let mut response = form(&state, tongue, &given.next, name, Some(fault));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return response;
    }
    match check(&state, name, &given.secret).await {
        Ok(Some(cookie)) => {
            state.tries.forget(name, address);
            see_other(next(&given.next), set_cookie(&state, &cookie).as_deref())
        }
        Ok(None) => {
            let fault = tongue.say(
                "This name and password (or this token) do not go together.",
                "名稱與密碼（或權杖）不符。",
            );
            form(&state, tongue, &given.next, name, Some(fault))
        }
        Err(problem) => problem.into_response(),
    }
}

/// Signs out, here and everywhere.
pub(super) async fn sign_out(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    if !is_from_here(&headers) {
        return Problem::Forbidden.into_response();
    }
    if let Some(cookie) = cookie(&headers)
        && let Err(fault) = roster::sign_out(&state.parts.database, cookie).await
    {
        return Problem::from(fault).into_response();
    }
    see_other(
        "/sign_in",
        Some(&format!(
            "{NAME}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        )),
    )
}

/// The cookie of who may come in.
async fn check(state: &ApiState, name: &str, secret: &str) -> Result<Option<String>, Problem> {
    let (database, now) = (&state.parts.database, state.now());
    let mut random = StdRng::from_os_rng();
    if name.is_empty() {
        let Ok((caller, digest)) = state.parts.tokens.bearer_of(secret.trim()) else {
            return Ok(None);
        };
        let cookie =
            roster::sign_in_by_token(database, &mut random, &caller.name, &digest, now).await?;
        return Ok(Some(cookie));
    }
    let agent = AgentId::from(name);
    let password = roster::web_password(database, &agent).await?;
    let is_known = password.is_some();
    // Whether there is such an agent is not told by the time either.
    let password = password.unwrap_or_else(|| WebPassword::from_stored(NOBODYS.to_owned()));
    let _turn = state.tries.comparing.acquire().await;
    let (stored, secret) = (password.clone(), secret.to_owned());
    let compared = tokio::task::spawn_blocking(move || stored.is(&secret));
    let is_same = compared.await.map_err(|error| {
        tracing::error!(%error, "pages: a password was not compared");
        Problem::Internal
    })?;
    if !(is_same && is_known) {
        return Ok(None);
    }
    let cookie = roster::sign_in_by_password(database, &mut random, &agent, &password, now).await?;
    Ok(Some(cookie))
}

fn form(
    state: &ApiState,
    tongue: Tongue,
    next: &Option<String>,
    name: &str,
    fault: Option<&str>,
) -> Response {
    let mut body = format!(
        "<form method=\"post\" action=\"/sign_in\" class=\"narrow\">\
         <input type=\"hidden\" name=\"next\" value=\"{}\"><input type=\"hidden\" name=\"language\" value=\"{}\">",
        escaped(self::next(next)),
        tongue.tag(),
    );
    let label = tongue.say("Name", "名稱");
    let hint = tongue.say(
        "Your agent's name; leave it empty for a token of the API.",
        "專員名稱；使用 API 權杖時請留空。",
    );
    let field = Field::new("name", label).of(name).hint(hint);
    body += &field.autocomplete("username").to_html();
    let label = tongue.say("Password or token", "密碼或權杖");
    let field = Field::new("secret", label).password();
    body += &field.fault(fault.map(str::to_owned)).to_html();
    body += &format!(
        "<p><button>{}</button></p></form>",
        tongue.say("Sign in", "登入")
    );
    let title = tongue.say("Sign in", "登入");
    let mut response = page(Page {
        state,
        tongue,
        title,
        here: "/sign_in",
        caller: None,
        body: &body,
    });
    if fault.is_some() {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

/// Where to go: a path of ours, whatever the address says.
pub(super) fn next(next: &Option<String>) -> &str {
    let next = next.as_deref().unwrap_or("/reports");
    let is_ours = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours { next } else { "/reports" }
}

/// Whether a form was sent by a page of ours. A browser says so by `Origin`; what is no browser sends no cookie of
/// anybody else.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site".parse().unwrap_or(ORIGIN)).is_some_and(|site| site == "cross-site") {
        return false;
    }
    let Some(origin) = text(ORIGIN) else {
        return true;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(HOST)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == NAME)
        .map(|(_, value)| value)
}

fn set_cookie(state: &ApiState, cookie: &str) -> Option<String> {
    let secure = if state.parts.is_reached_by_tls {
        "; Secure"
    } else {
        ""
    };
    Some(format!(
        "{NAME}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        SIGNED_IN_FOR.as_secs()
    ))
}

pub(super) fn see_other(path: &str, cookie: Option<&str>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(path) {
        headers.insert(LOCATION, value);
    }
    if let Some(value) = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()) {
        headers.insert(SET_COOKIE, value);
    }
    response
}

/// Text as a value within an address.
pub(super) fn form_urlencoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

/// A password nobody has, with the cost of everybody's.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9i$\
                       AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_stays_on_this_site() {
        let path = |text: &str| next(&Some(text.to_owned())).to_owned();
        assert_eq!(path("/staffing?calls=3"), "/staffing?calls=3");
        for elsewhere in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "",
            "/a b",
        ] {
            assert_eq!(path(elsewhere), "/reports", "{elsewhere}");
        }
    }

    #[test]
    fn a_form_from_elsewhere_is_known_by_its_origin() {
        let from = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "desk.example:8080".parse().unwrap());
            headers.insert(ORIGIN, origin.parse().unwrap());
            is_from_here(&headers)
        };
        assert!(from("https://desk.example:8080"));
        assert!(!from("https://evil.example") && !from("null") && !from("https://desk.example"));
    }

    #[test]
    fn comparing_with_nobodys_password_takes_the_whole_time() {
        use argon2::password_hash::phc::PasswordHash;
        assert!(PasswordHash::new(NOBODYS).is_ok());
        assert!(!WebPassword::from_stored(NOBODYS.to_owned()).is("ringdown"));
    }
}
