//! `GET` and `POST /survey/{token}`: the page where people say how well it went. It needs no token of the API
//! but the signed link, and looking at it changes nothing, because mail programs look at links by themselves.

use super::ApiState;
use super::problem::Problem;
use crate::mail::work::Survey;
use axum::extract::{Form, Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

/// Most bytes of an answer.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1_024;

/// Most letters of a comment that are kept.
pub(super) const COMMENT_LETTERS_MAX: usize = 2_000;

/// What the link says beside its token.
#[derive(Debug, Deserialize)]
pub(super) struct Spoken {
    #[serde(default)]
    lang: String,
}

/// What the page's form says.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    score: u8,
    #[serde(default)]
    comment: String,
}

/// Shows the question.
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    Query(spoken): Query<Spoken>,
) -> Result<Response, Problem> {
    let words = Words::of(&spoken.lang);
    let survey = state.mails()?.survey(&token).await?;
    Ok(match survey {
        Survey::Open { number } => page(StatusCode::OK, words, &form(words, &number)),
        Survey::Answered => page(StatusCode::OK, words, words.thanks),
        Survey::Over => page(StatusCode::GONE, words, words.over),
        Survey::Unknown => page(StatusCode::NOT_FOUND, words, words.unknown),
    })
}

/// Keeps the answer; the first one stands.
pub(super) async fn answer(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    Query(spoken): Query<Spoken>,
    Form(said): Form<Said>,
) -> Result<Response, Problem> {
    let words = Words::of(&spoken.lang);
    if !(1..=5).contains(&said.score) {
        return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, words, words.choose));
    }
    let comment: String = said
        .comment
        .trim()
        .chars()
        .take(COMMENT_LETTERS_MAX)
        .collect();
    let survey = state.mails()?.judge(&token, said.score, &comment).await?;
    Ok(match survey {
        Survey::Open { .. } => page(StatusCode::OK, words, words.thanks),
        Survey::Answered => page(StatusCode::CONFLICT, words, words.once),
        Survey::Over => page(StatusCode::GONE, words, words.over),
        Survey::Unknown => page(StatusCode::NOT_FOUND, words, words.unknown),
    })
}

/// What the page says in one language.
#[derive(Clone, Copy)]
struct Words {
    tag: &'static str,
    title: &'static str,
    question: &'static str,
    badly: &'static str,
    well: &'static str,
    comment: &'static str,
    send: &'static str,
    thanks: &'static str,
    once: &'static str,
    over: &'static str,
    unknown: &'static str,
    choose: &'static str,
}

impl Words {
    fn of(language: &str) -> Self {
        if language.to_ascii_lowercase().starts_with("zh") {
            CHINESE
        } else {
            ENGLISH
        }
    }
}

const ENGLISH: Words = Words {
    tag: "en",
    title: "How did it go?",
    question: "How well did we help you with",
    badly: "badly",
    well: "very well",
    comment: "What could we do better? (need not be filled in)",
    send: "Send",
    thanks: "Thank you for your answer.",
    once: "This question was answered before; the first answer stands.",
    over: "This question can no longer be answered.",
    unknown: "There is no such question. Is the link whole?",
    choose: "Please choose a number from 1 to 5.",
};

const CHINESE: Words = Words {
    tag: "zh-TW",
    title: "滿意度調查",
    question: "您對我們處理此案件的服務滿意嗎：",
    badly: "不滿意",
    well: "非常滿意",
    comment: "我們可以如何改進？（可不填）",
    send: "送出",
    thanks: "感謝您的回覆。",
    once: "此問卷已填寫過，以第一次的回覆為準。",
    over: "此問卷已過期。",
    unknown: "找不到此問卷，請確認連結是否完整。",
    choose: "請選擇 1 到 5 分。",
};

/// A ticket's number holds letters, digits and hyphens only; nothing else of the page comes from outside.
fn form(words: Words, number: &str) -> String {
    let choices: String = (1..=5)
        .map(|score| {
            format!(
                "<label><input type=\"radio\" name=\"score\" value=\"{score}\" required> {score}</label>\n"
            )
        })
        .collect();
    format!(
        "<form method=\"post\"><fieldset><legend>{} <span>{number}</span></legend>\n\
         <div class=\"scale\">{choices}</div><p class=\"ends\"><span>1 {}</span><span>5 {}</span></p></fieldset>\n\
         <p><label>{}<br><textarea name=\"comment\" rows=\"5\" maxlength=\"{COMMENT_LETTERS_MAX}\"></textarea></label></p>\n\
         <p><button>{}</button></p></form>",
        words.question, words.badly, words.well, words.comment, words.send
    )
}

/// Large enough for a thumb, and within the width of a telephone.
const STYLE: &str = "\
body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:2rem auto;padding:0 1rem}\
fieldset{border:0;margin:0;padding:0;min-width:0}legend{font-size:1.25rem;font-weight:600;padding:0 0 1rem}\
legend span{white-space:nowrap}.scale{display:grid;grid-template-columns:repeat(5,1fr);gap:.5rem}\
.scale label{border:1px solid #767676;border-radius:.4rem;padding:.7rem 0;text-align:center}\
.scale label:has(:checked){background:#dbe9ff;border-color:#0b57d0}.ends{display:flex;justify-content:space-between;\
margin:.4rem 0 1.2rem}textarea{width:100%;box-sizing:border-box;font:inherit}\
button{font:inherit;padding:.6rem 1.4rem}";

fn page(status: StatusCode, words: Words, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\"><title>{}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>\n",
        words.tag, words.title
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The link is a secret of the two who have it.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
