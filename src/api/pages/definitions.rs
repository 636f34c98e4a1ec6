//! `/definitions`: every figure by its name, with its one formula.

use super::shell::{Page, page};
use super::sign_in::must_be_signed_in;
use super::tongue::Tongue;
use crate::api::ApiState;
use crate::forecast;
use crate::mail::work;
use crate::report::{Words, escaped};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use ringdown_routing::staffing;
use ringdown_routing::statistics::{DEFINITIONS, SPREAD_DEFINITIONS};
use serde::Deserialize;
use std::fmt::Write;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    language: Option<String>,
}

/// Shows them.
pub(super) async fn show(
    State(state): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let here = uri.to_string();
    let caller = match must_be_signed_in(&state, &headers, &here).await {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    let tongue = Tongue::of(asked.language.as_deref(), &headers, &state.parts.language);
    let words = Words::of(&tongue.language());
    let reports = DEFINITIONS.iter().chain(SPREAD_DEFINITIONS);
    let reports = reports.map(|it| (it.field, words.formula(it)));
    let staffing = staffing::DEFINITIONS
        .iter()
        .map(|it| (it.field, it.formula));
    let mut body = String::new();
    let mut list =
        |heading: &str, pairs: &mut dyn Iterator<Item = (&'static str, &'static str)>| {
            let _ = write!(body, "<h2>{heading}</h2><dl>");
            for (field, formula) in pairs {
                let _ = write!(body, "<dt>{field}</dt><dd>{}</dd>", escaped(formula));
            }
            body.push_str("</dl>\n");
        };
    list(tongue.say("Reports", "報表"), &mut reports.into_iter());
    list(
        tongue.say("Answers by mail", "郵件回覆"),
        &mut work::DEFINITIONS.into_iter(),
    );
    list(
        tongue.say("Staffing", "人力配置"),
        &mut staffing.into_iter(),
    );
    list(
        tongue.say("Forecast", "來量預測"),
        &mut forecast::DEFINITIONS.into_iter(),
    );
    page(Page {
        state: &state,
        tongue,
        title: tongue.say("Definitions", "名詞定義"),
        here: &here,
        caller: Some(&caller),
        body: &body,
    })
}
