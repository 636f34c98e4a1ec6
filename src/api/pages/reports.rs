//! `/reports`: the report of a period, with the ways to have it as a workbook, CSV or JSON.

use super::faults;
use super::form::{Field, choices, typed};
use super::shell::{Page, page};
use super::sign_in::{form_urlencoded, is_from_here, must_be_signed_in, next, see_other};
use super::tongue::Tongue;
use super::visitor::Visitor;
use crate::api::{ApiState, Caller, Problem, callbacks, reports};
use crate::report::{Asked, By, Part, Report, Wish, WishFault, Words, escaped, period};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{ContactId, QueueId};
use serde::Deserialize;
use std::fmt::Write;

/// What the form says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Given {
    from: Option<String>,
    to: Option<String>,
    interval: Option<String>,
    compare: Option<String>,
    queue: Option<String>,
    channel: Option<String>,
    by: Option<String>,
    /// What became of a call-back that was ordered from here.
    told: Option<String>,
}

/// Shows the report; what cannot be read stands beside its field.
pub(super) async fn show(
    State(state): State<ApiState>,
    visitor: Visitor,
    Query(given): Query<Given>,
) -> Response {
    let Visitor {
        caller,
        tongue,
        here,
    } = visitor;
    let mut shown = Shown {
        state: &state,
        tongue,
        here: &here,
        caller: &caller,
        given: &given,
    };
    if caller.must_see_reports().is_err() {
        let told = format!(
            "<p class=\"said\">{}</p>",
            escaped(faults::not_for_agents(tongue))
        );
        return shown.page(StatusCode::FORBIDDEN, &told);
    }
    shown.answer().await
}

struct Shown<'a> {
    state: &'a ApiState,
    tongue: Tongue,
    here: &'a str,
    caller: &'a Caller,
    given: &'a Given,
}

impl Shown<'_> {
    async fn answer(&mut self) -> Response {
        if let Err(problem) = reports::must_be_known(self.state, self.wish().queue.as_ref()) {
            return problem.into_response();
        }
        let asked = self
            .wish()
            .read(self.state.now(), &self.state.parts.reports);
        let asked = match asked {
            Ok(asked) => asked,
            Err(fault) => {
                return self.page(StatusCode::UNPROCESSABLE_ENTITY, &self.form(Some(&fault)));
            }
        };
        let report = match reports::read(self.state, asked.clone()).await {
            Ok(report) => report,
            Err(problem) => return problem.into_response(),
        };
        let (tongue, form) = (self.tongue, self.told() + &self.form(None));
        let order = self.order();
        let printed = tokio::task::spawn_blocking(move || print(tongue, &asked, &report, order));
        match printed.await {
            Ok(printed) => self.page(StatusCode::OK, &(form + &self.downloads() + &printed)),
            Err(error) => {
                tracing::error!(%error, "pages: a report was not printed");
                crate::api::Problem::Internal.into_response()
            }
        }
    }

    fn wish(&self) -> Wish {
        let text = |text: &Option<String>| typed(text.as_ref()).map(str::to_owned);
        let given = self.given;
        Wish {
            from: text(&given.from),
            to: text(&given.to),
            interval: text(&given.interval),
            compare: text(&given.compare),
            queue: text(&given.queue).map(QueueId::new),
            channel: text(&given.channel).and_then(|word| channel(&word)),
            by: self.by(),
        }
    }

    fn by(&self) -> By {
        let word = typed(self.given.by.as_ref()).unwrap_or("");
        let by = By::ALL.into_iter().find(|by| by.as_str() == word);
        by.unwrap_or_default()
    }

    /// What became of a call-back that was ordered from here.
    fn told(&self) -> String {
        let told = match self.given.told.as_deref() {
            Some("ordered") => self.tongue.say("The call-back is ordered.", "已安排回撥。"),
            Some("refused") => self.tongue.say(
                "The call-back was not ordered: the contact cannot be called back, or one is ordered already.",
                "未安排回撥：該來話無法回撥，或已安排。",
            ),
            Some(_) | None => return String::new(),
        };
        format!("<p class=\"said\" role=\"status\">{told}</p>")
    }

    /// The button that has a caller called back; for who may not, the contact's id.
    fn order(&self) -> impl Fn(ContactId) -> String + Send + 'static {
        let may_order = self.caller.may_order_call_backs() && self.state.parts.calls_out;
        let label = self.tongue.say("call back", "回撥");
        let next = escaped(self.here);
        move |contact| {
            if !may_order {
                return contact.to_string();
            }
            format!(
                "<span title=\"{contact}\"><form method=\"post\" action=\"/reports/call_back\">\
                 <input type=\"hidden\" name=\"contact\" value=\"{contact}\">\
                 <input type=\"hidden\" name=\"next\" value=\"{next}\"><button>{label}</button></form></span>"
            )
        }
    }

    fn form(&self, fault: Option<&WishFault>) -> String {
        let (tongue, given) = (self.tongue, self.given);
        let told = |part| {
            let fault = fault.filter(|fault| fault.part == part)?;
            Some(faults::of_period(tongue, &fault.fault))
        };
        let value =
            |text: &Option<String>, usual: &str| typed(text.as_ref()).unwrap_or(usual).to_owned();
        let (from, to) = (value(&given.from, "today"), value(&given.to, "now"));
        let (interval, compare) = (value(&given.interval, "30m"), value(&given.compare, ""));
        let (queue, channel) = (value(&given.queue, ""), value(&given.channel, ""));
        let queues = self.state.parts.callback_rules.keys();
        let fields = [
            Field::new("from", tongue.say("From", "起"))
                .of(&from)
                .suggested(&["today", "yesterday"])
                .hint(tongue.say(
                    "A day (2026-11-23), a local time (2026-11-23T09:00), today or yesterday.",
                    "日期（2026-11-23）、當地時間（2026-11-23T09:00）、today（今天）或 yesterday（昨天）。",
                ))
                .fault(told(Part::From)),
            Field::new("to", tongue.say("Up to", "迄"))
                .of(&to)
                .suggested(&["now", "today"])
                .hint(tongue.say(
                    "The first instant after the period; now for so far.",
                    "期間之後的第一個時刻；now 表示到目前為止。",
                ))
                .fault(told(Part::To)),
            Field::new("interval", tongue.say("Interval", "間隔"))
                .of(&interval)
                .suggested(&["5m", "15m", "30m", "1h", "1d", "1w", "1mo"])
                .hint(tongue.say(
                    "1m, 5m, 15m, 30m, 1h, 1d, 1w (from Monday) or 1mo; by the clock of the queue, else the site's.",
                    "1m（1 分）、5m（5 分）、15m（15 分）、30m（30 分）、1h（1 小時）、1d（1 天）、1w（1 週，自週一起）或 1mo（1 月）；依佇列的時區，否則依服務台的時區。",
                ))
                .fault(told(Part::Interval)),
            Field::new("compare", tongue.say("Compare with the period from", "比較期間起點"))
                .of(&compare)
                .suggested(&["yesterday"])
                .hint(tongue.say(
                    "As many months, days and hours from then on; may be empty.",
                    "自該時刻起同樣月數、天數與時數的期間；可留空。",
                ))
                .fault(told(Part::Compare)),
            Field::new("queue", tongue.say("Queue", "佇列"))
                .of(&queue)
                .choice(choices(tongue, queues.map(ToString::to_string))),
            Field::new("channel", tongue.say("Channel", "管道"))
                .of(&channel)
                .choice(channels(tongue)),
            Field::new("by", tongue.say("Rows by", "分列依"))
                .of(self.by().as_str())
                .choice(words_of_by(tongue)),
        ];
        let fields: String = fields.iter().map(Field::to_html).collect();
        format!(
            "<form class=\"fields\" method=\"get\" action=\"/reports\">{fields}\
             <input type=\"hidden\" name=\"language\" value=\"{}\"><p><button>{}</button></p></form>",
            tongue.tag(),
            tongue.say("Show", "顯示")
        )
    }

    /// The same report as files.
    fn downloads(&self) -> String {
        let wish = self.wish();
        let mut query = format!("language={}", self.tongue.tag());
        for (name, text) in [
            ("from", wish.from),
            ("to", wish.to),
            ("interval", wish.interval),
            ("compare", wish.compare),
            ("queue", wish.queue.map(|queue| queue.to_string())),
            (
                "channel",
                wish.channel.map(|channel| channel.as_str().to_owned()),
            ),
            ("by", Some(wish.by.as_str().to_owned())),
        ] {
            if let Some(text) = text {
                let _ = write!(query, "&{name}={}", form_urlencoded(&text));
            }
        }
        let links: String = ["xlsx", "csv", "json", "html"]
            .map(|format| {
                let href = escaped(&format!("/api/v1/reports?format={format}&{query}"));
                format!("<a href=\"{href}\">{}</a> ", format.to_ascii_uppercase())
            })
            .concat();
        let words = self.tongue.say("The same as", "下載");
        format!("<p class=\"screen\">{words}: {links}</p>")
    }

    fn page(&self, status: StatusCode, body: &str) -> Response {
        let mut response = page(Page {
            state: self.state,
            tongue: self.tongue,
            title: self.tongue.say("Reports", "報表"),
            here: self.here,
            caller: Some(self.caller),
            body,
        });
        *response.status_mut() = status;
        response
    }
}

fn print(
    tongue: Tongue,
    asked: &Asked,
    report: &Report,
    order: impl Fn(ContactId) -> String,
) -> String {
    let whole = asked.period.whole();
    let minute = |at| {
        let told = asked.period.local(at);
        told.get(..16).unwrap_or(&told).replace('T', " ")
    };
    let mut printed = Vec::new();
    let heading = format!(
        "<p class=\"when\">{} – {} ({}, {})</p>\n",
        minute(whole.from),
        minute(whole.to),
        asked.period.interval,
        escaped(&period::name(&asked.period.zone)),
    );
    // Writing to memory cannot fail.
    let _ = report.print_body(Words::of(&tongue.language()), order, &mut printed);
    heading + &String::from_utf8_lossy(&printed)
}

fn words_of_by(tongue: Tongue) -> Vec<(String, String)> {
    let language = tongue.language();
    let words = Words::of(&language);
    let each = By::ALL.map(|by| (by.as_str().to_owned(), words.by(by).to_owned()));
    each.to_vec()
}

/// What the button says.
#[derive(Debug, Deserialize)]
pub(super) struct Ordered {
    contact: ContactId,
    next: Option<String>,
}

/// Has a caller called back, as `POST /callbacks` does; however often the button is pressed, once.
pub(super) async fn call_back(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Form(ordered): Form<Ordered>,
) -> Response {
    if !is_from_here(&headers) {
        return Problem::Forbidden.into_response();
    }
    let next = next(&ordered.next);
    let caller = match must_be_signed_in(&state, &headers, next).await {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    if !caller.may_order_call_backs() {
        return Problem::Forbidden.into_response();
    }
    let told = match callbacks::call_back_lost(&state, &caller, ordered.contact).await {
        Ok(()) => "ordered",
        Err(
            problem @ (Problem::Conflict(_)
            | Problem::ConflictWith { .. }
            | Problem::NotFound(_)
            | Problem::Unprocessable(_)),
        ) => {
            tracing::debug!(?problem, contact = %ordered.contact, "pages: no call-back is ordered");
            "refused"
        }
        Err(problem) => return problem.into_response(),
    };
    let (path, query) = next.split_once('?').unwrap_or((next, ""));
    let kept = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("told="));
    let mut query: Vec<&str> = kept.collect();
    let told = format!("told={told}");
    query.push(&told);
    see_other(&format!("{path}?{}#lost", query.join("&")), None)
}

fn channels(tongue: Tongue) -> Vec<(String, String)> {
    let everything = (String::new(), tongue.say("all", "全部").to_owned());
    let each = names_of_channels(tongue).into_iter();
    std::iter::once(everything).chain(each).collect()
}

/// Every channel by its word, and as people read it.
pub(super) fn names_of_channels(tongue: Tongue) -> [(String, String); 4] {
    let names = [
        (Channel::Voice, tongue.say("calls", "電話")),
        (Channel::Email, tongue.say("mails", "電子郵件")),
        (Channel::Fax, tongue.say("faxes", "傳真")),
        (Channel::Chat, tongue.say("chats", "線上文字")),
    ];
    names.map(|(channel, name)| (channel.as_str().to_owned(), name.to_owned()))
}

pub(super) fn channel(word: &str) -> Option<Channel> {
    let all = [Channel::Voice, Channel::Email, Channel::Fax, Channel::Chat];
    all.into_iter().find(|channel| channel.as_str() == word)
}
