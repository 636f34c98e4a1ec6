//! `GET /reports`: the report of a period as a page, a workbook, CSV or JSON.

use super::extract::{Params, parsed};
use super::problem::Problem;
use super::{ApiState, Caller, statistics};
use crate::config::Language;
use crate::report::{Asked, By, Format, Listed, Report, Shown, TableName, Wish, WishFault, Words};
use axum::Extension;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use serde::Deserialize;

/// What `GET /reports` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportParams {
    from: Option<String>,
    to: Option<String>,
    interval: Option<String>,
    compare: Option<String>,
    queue: Option<String>,
    channel: Option<Channel>,
    #[serde(default)]
    by: By,
    /// This table alone, as CSV or JSON.
    table: Option<TableName>,
    #[serde(default)]
    format: Wanted,
    language: Option<String>,
}

/// As what the report is wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Html,
    Xlsx,
    Csv,
    #[default]
    Json,
}

impl Wanted {
    /// The report's format, its content type, and how a file of it ends.
    fn of(self) -> (Format, &'static str, &'static str) {
        match self {
            Self::Html => (Format::Html, "text/html; charset=utf-8", "html"),
            Self::Xlsx => (
                Format::Xlsx,
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "xlsx",
            ),
            Self::Csv => (Format::Csv, "text/csv; charset=utf-8", "csv"),
            Self::Json => (Format::Json, "application/json", "json"),
        }
    }
}

/// The report of a period; today so far when nobody says which.
pub(super) async fn report(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Params(params): Params<ReportParams>,
) -> Result<Response, Problem> {
    caller.must_see_reports()?;
    let language = parsed("language", params.language.as_deref())?;
    let language = language.unwrap_or_else(|| spoken(&headers, &state.parts.language));
    let wish = Wish {
        from: params.from,
        to: params.to,
        interval: params.interval,
        compare: params.compare,
        queue: params.queue.map(QueueId::new),
        channel: params.channel,
        by: params.by,
    };
    must_be_known(&state, wish.queue.as_ref())?;
    let asked = wish.read(state.now(), &state.parts.reports)?;
    let (format, kind, ending) = params.format.of();
    let table = params.table;
    let report = read(&state, asked.showing(Shown::of(table, format))).await?;
    if table.is_some() && !matches!(params.format, Wanted::Csv | Wanted::Json) {
        let sentence = "a table alone is told as csv or json".to_owned();
        return Err(Problem::BadRequest(sentence));
    }
    let day: String = report.period.local(report.period.whole().from);
    let name = format!(
        "{}-{}.{ending}",
        table.map_or("report", TableName::as_str),
        day.split('T').next().unwrap_or("0")
    );
    let bytes = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let words = Words::of(&language);
        match table {
            Some(table) => report.print_table(table, format, words, &mut bytes)?,
            None => report.print(format, words, &mut bytes)?,
        }
        Ok::<_, std::io::Error>(bytes)
    });
    let bytes = bytes.await.map_err(|error| internal(&error))?;
    let bytes = bytes.map_err(|error| internal(&error))?;
    let mut response = ([(CONTENT_TYPE, kind)], bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match params.format {
        Wanted::Html => {
            let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        Wanted::Json => {}
        Wanted::Xlsx | Wanted::Csv => {
            if let Ok(value) = format!("attachment; filename=\"{name}\"").parse() {
                headers.insert(CONTENT_DISPOSITION, value);
            }
        }
    }
    Ok(response)
}

/// Whether there is a queue that is asked about: of one there is not, every figure would be 0.
pub(super) fn must_be_known(state: &ApiState, queue: Option<&QueueId>) -> Result<(), Problem> {
    match queue.filter(|queue| !state.parts.callback_rules.contains_key(*queue)) {
        None => Ok(()),
        Some(queue) => Err(Problem::BadRequest(format!("there is no queue `{queue}`"))),
    }
}

/// Reads what was asked for, from what is at hand or from the log.
pub(super) async fn read(state: &ApiState, asked: Asked) -> Result<Report, Problem> {
    let (settings, subject) = (&state.parts.reports, &asked.subject);
    let whole = asked.period.whole();
    let listed = async {
        let log = &state.parts.log;
        Ok(Listed::read(log, whole, &subject.scope, subject.shown).await?)
    };
    let begin = async { Ok(state.parts.log.begin().await?) };
    let (report, listed, begin) = tokio::try_join!(
        statistics::read(state, asked.period, subject),
        listed,
        begin,
    )?;
    let report = report.with(settings).with_listed(listed).since(begin);
    Ok(match asked.other {
        None => report,
        Some(other) => {
            let other = statistics::read(state, other, subject).await?;
            report.compared_with(other.with(settings))
        }
    })
}

/// The first language of `Accept-Language` (RFC 9110 section 12.5.4) there are words in, by weight; else the site's.
pub(super) fn spoken(headers: &HeaderMap, site: &Language) -> Language {
    let accepted = headers
        .get(axum::http::header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let mut best: Option<(f32, Language)> = None;
    for range in accepted.split(',') {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let weight: f32 = weight
            .trim()
            .trim_start_matches("q=")
            .parse()
            .unwrap_or(0.0);
        let Ok(language) = tag.trim().parse::<Language>() else {
            continue;
        };
        let is_better = best.as_ref().is_none_or(|(heaviest, _)| weight > *heaviest);
        if matches!(language.primary(), "en" | "zh") && weight > 0.0 && is_better {
            best = Some((weight, language));
        }
    }
    best.map_or_else(|| site.clone(), |(_, language)| language)
}

fn internal(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "api: a report was not printed");
    Problem::Internal
}

impl From<WishFault> for Problem {
    fn from(fault: WishFault) -> Self {
        Self::BadRequest(fault.to_string())
    }
}
