//! Pages for people: server-rendered, whole without a script, behind a sign-in.
//!
//! | module | what lives here |
//! |---|---|
//! | `sign_in` | who is there: a form, a cookie, and how often it may be tried |
//! | `visitor` | who looks at a page, as a handler takes it |
//! | `shell` | what every page has: heading, ways to the others, language, style |
//! | `form` | fields with what is wrong beside them |
//! | `reports`, `staffing`, `forecast`, `definitions` | one page each |
//! | `curve` | lines and bands over an axis, as SVG |
//! | `faults` | what is wrong, in words of either language |
//! | `tongue` | English and traditional Chinese |
//!
//! Who sees what: the definitions and the calculators everybody who is signed in; what each queue and agent did (the
//! reports, and forecasts and patience from the desk's own log) only a token with the right `read` or `write`, and the
//! agents of `[web] managers`. These managers, and tokens with `write`, may order a call-back for a lost call; nothing
//! else here changes the desk. What reports and staffing are asked for stands in their
//! address, so that it can be kept and passed on.

mod curve;
mod definitions;
mod faults;
mod forecast;
mod form;
mod reports;
mod shell;
mod sign_in;
mod staffing;
mod tongue;
mod tries;
mod visitor;

pub(super) use sign_in::who_is_signed_in;
pub(super) use tries::Tries;

use super::ApiState;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::Redirect;
use axum::routing::{get, post};

/// Most bytes of a form, of which an uploaded file is the most.
const FORM_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Every page.
pub(super) fn router(state: ApiState) -> Router {
    Router::new()
        .route("/", get(async || Redirect::to("/reports")))
        .route("/sign_in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign_out", post(sign_in::sign_out))
        .route("/reports", get(reports::show))
        .route("/reports/call_back", post(reports::call_back))
        .route("/staffing", get(staffing::show))
        .route("/forecast", get(forecast::show).post(forecast::upload))
        .route("/definitions", get(definitions::show))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(state)
}
