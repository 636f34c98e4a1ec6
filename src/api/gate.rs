//! What every request passes: who asks, how often, how much, and whether it was done before.

use super::ApiState;
use super::extract::BODY_BYTES_MAX;
use super::idempotency::{Answer, Fingerprint, RequestKey, Turn};
use super::pages;
use super::problem::Problem;
use crate::config::Rights;
use crate::kept_answers::{self, KeptAnswer};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Most bytes of an answer that is kept in memory to be given again; a larger one is read from the database.
const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;

/// Paths that answer a question too long for a URL: a `POST` there changes nothing.
const QUESTIONS: [&str; 3] = ["/simulations", "/staffing", "/forecasts"];

/// Lets a request through, or answers it.
pub(super) async fn gate(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match pass(&state, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    tracing::debug!(%method, path, status = response.status().as_u16(), "api");
    response
}

async fn pass(state: &ApiState, mut request: Request, next: Next) -> Result<Response, Problem> {
    let looks = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let caller = match state.parts.tokens.identify(request.headers()) {
        // A browser sends the cookie whoever made it ask, so that it never changes anything here.
        Err(Problem::Unauthorized) if looks => pages::who_is_signed_in(state, request.headers())
            .await?
            .ok_or(Problem::Unauthorized)?,
        identified => identified?,
    };
    state.parts.tokens.admit(&caller, state.now())?;
    let changes = !looks && !QUESTIONS.contains(&request.uri().path());
    match (changes, caller.rights) {
        (false, Rights::Read | Rights::Agent | Rights::Write) | (true, Rights::Write) => {}
        (true, Rights::Agent) if is_an_agents_work(request.uri().path()) => {}
        (true, Rights::Read | Rights::Agent) => return Err(Problem::Forbidden),
    }
    if !changes {
        request.extensions_mut().insert(caller);
        return Ok(next.run(request).await);
    }
    let key = RequestKey::of(&caller, request.headers())?;
    if is_a_file(request.uri().path()) {
        // It is taken piece by piece, and its door sees to it that it is taken once.
        request.extensions_mut().insert(caller);
        if let Some(key) = key {
            request.extensions_mut().insert(key);
        }
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let too_large = Problem::TooLarge {
        bytes_max: BODY_BYTES_MAX,
    };
    let length = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        return Err(too_large);
    }
    let body = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| too_large)?;
    parts.extensions.insert(caller);
    let Some(key) = key else {
        return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
    };
    let fingerprint = Fingerprint::of(&parts.method, &parts.uri, &body);
    match state.answers.begin(key, fingerprint, state.now())? {
        Turn::Repeat(answer) => return Ok(repeated(answer)),
        Turn::Do => {}
    }
    // Whatever becomes of the client, a key that is not kept is free again.
    let claim = Claim {
        state,
        key: Some(key),
    };
    parts.extensions.insert(key);
    let mark = key.mark(fingerprint);
    match kept_answers::find(&state.parts.database, &mark, state.now()).await {
        Ok(Some(kept)) if kept.fingerprint != mark.fingerprint => {
            let sentence = "this Idempotency-Key was used for another request";
            return Err(Problem::Unprocessable(sentence.to_owned()));
        }
        Ok(Some(kept)) if kept.body.is_empty() => {
            parts.extensions.insert(DoneBefore);
        }
        Ok(Some(kept)) => {
            let answer = told_again(kept);
            claim.keep(answer.clone());
            return Ok(repeated(answer));
        }
        Ok(None) => {}
        Err(fault) => tracing::debug!(%fault, "api: kept answers cannot be read now"),
    }
    parts.extensions.insert(mark.clone());
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    // What was done is answered whatever its size: the answer to a change is made in one piece.
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Problem::Internal)?;
    let answer = Answer {
        status: parts.status,
        headers: parts.headers.clone(),
        body: body.clone(),
    };
    let mut is_in_database = false;
    if let Ok(text) = String::from_utf8(body.to_vec()) {
        let status = parts.status.as_u16();
        let kept = kept_answers::keep(&state.parts.database, &mark, (status, text), state.now());
        match kept.await {
            Ok(()) => is_in_database = true,
            Err(fault) => tracing::debug!(%fault, "api: an answer is kept in memory only"),
        }
    }
    if body.len() <= ANSWER_BYTES_MAX || !is_in_database {
        claim.keep(answer);
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Whether a path is of an agent's own work; for which agent is looked at where it is done.
fn is_an_agents_work(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let (noun, _, act) = (parts.next(), parts.next(), parts.next());
    match (noun, act) {
        (Some("agents"), Some(act)) => matches!(act, "status" | "wrap_up"),
        (Some("offers"), Some(_)) => true,
        (Some("contacts"), Some(act)) => {
            matches!(
                act,
                "answer" | "attachments" | "close" | "hand_over" | "spam"
            )
        }
        (Some("tickets"), act) => matches!(act, None | Some("merge" | "split" | "watchers")),
        _ => false,
    }
}

/// Whether a path takes a file: octets in place of JSON, and many of them.
fn is_a_file(path: &str) -> bool {
    path.starts_with("/contacts/") && path.ends_with("/attachments")
}

/// A key that is being done.
struct Claim<'a> {
    state: &'a ApiState,
    key: Option<RequestKey>,
}

impl Claim<'_> {
    fn keep(mut self, answer: Answer) {
        if let Some(key) = self.key.take() {
            self.state.answers.keep(key, answer);
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.state.answers.release(key);
        }
    }
}

/// Marks a request that was done, and whose answer is to be made anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct DoneBefore;

fn told_again(kept: KeptAnswer) -> Answer {
    let json = HeaderValue::from_static("application/json");
    Answer {
        status: StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
        body: kept.body.into(),
    }
}

fn repeated(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
        .headers_mut()
        .insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}
