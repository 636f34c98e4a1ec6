//! `/staffing`: how many agents it takes, by Erlang C and Erlang A side by side, and what a few more or fewer do.

mod told;

use super::faults;
use super::form::{Field, choices, typed};
use super::shell::{Page, page};

use super::tongue::Tongue;
use super::visitor::Visitor;
use crate::api::{ApiState, Caller, Problem};
use crate::staffing::{PATIENCE_TAKEN_S, Seconds, Share, waits};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::{Answer, Deadline, Patience, Question, StaffingFault, Target};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Numbers of agents shown.
const POINTS_MAX: u32 = 41;

/// How far back waits are read for the patience.
const WAITS_SINCE: Duration = Duration::from_secs(56 * 24 * 3_600);

/// What the form says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Given {
    calls: Option<String>,
    interval: Option<String>,
    aht: Option<String>,
    target: Option<String>,
    patience: Option<String>,
    measured: Option<String>,
    retrial: Option<String>,
    shrinkage: Option<String>,
    concurrency: Option<String>,
    deadline: Option<String>,
    backlog: Option<String>,
    agents: Option<String>,
    cost: Option<String>,
}

/// What is wrong, by field.
type Faults = BTreeMap<&'static str, String>;

/// A question that was understood.
#[derive(Clone, Debug)]
struct Understood {
    question: Question,
    /// Cost of an hour on the roster.
    cost: Option<f64>,
    /// Where the patience comes from.
    patience: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Given,
    Taken,
    Measured(Box<Patience>),
}

/// The answer at one number of agents.
struct Point {
    agents: u32,
    answer: Answer,
}

/// Shows the form, and the answer once something is asked.
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
    let (status, body) = match answer(&state, &caller, tongue, &given).await {
        Ok(answered) => answered,
        Err(problem) => return problem.into_response(),
    };
    let mut response = page(Page {
        state: &state,
        tongue,
        title: tongue.say("Staffing", "人力配置"),
        here: &here,
        caller: Some(&caller),
        body: &body,
    });
    *response.status_mut() = status;
    response
}

async fn answer(
    state: &ApiState,
    caller: &Caller,
    tongue: Tongue,
    given: &Given,
) -> Result<(StatusCode, String), Problem> {
    let form = |faults: &Faults| form(state, caller, tongue, given, faults);
    if given.calls.is_none() && given.aht.is_none() {
        return Ok((StatusCode::OK, form(&Faults::new())));
    }
    let mut faults = Faults::new();
    let mut understood = understand(tongue, given, &mut faults);
    if let Some(queue) = typed(given.measured.as_ref())
        && caller.must_see_reports().is_ok()
    {
        let queue = (queue != ALL).then(|| QueueId::from(queue));
        let now = state.now();
        let span = now - WAITS_SINCE..now;
        let waits = waits(&state.parts.database, queue.as_ref(), span).await?;
        let patience = Patience::estimate(waits);
        match (patience.mean_s, &mut understood) {
            (Some(mean_s), Some(understood)) => {
                understood.question.patience_s = Some(mean_s);
                understood.patience = Source::Measured(Box::new(patience));
            }
            (None, _) => {
                let fault = tongue.say(
                    "Nobody left this queue while waiting, so that nothing is known of their patience.",
                    "此佇列沒有人在等候中放棄，無從得知來電者的耐心。",
                );
                faults.insert("measured", fault.to_owned());
            }
            (Some(_), None) => {}
        }
    }
    let Some(understood) = understood.filter(|_| faults.is_empty()) else {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, form(&faults)));
    };
    // A hundred thousand agents take some milliseconds, which the other requests need not wait for.
    let asked = understood.clone();
    let points = tokio::task::spawn_blocking(move || {
        let answer = asked.question.answer()?;
        let points = points(&asked.question, &answer);
        Ok::<_, StaffingFault>((answer, points))
    });
    let points = points.await.map_err(|error| {
        tracing::error!(%error, "pages: staffing was not computed");
        Problem::Internal
    })?;
    match points {
        Ok((answer, points)) => {
            let told = told::tell(tongue, &understood, &answer, &points);
            Ok((StatusCode::OK, form(&faults) + &told))
        }
        Err(fault) => {
            let (field, told) = faults::of_staffing(tongue, &fault);
            faults.insert(field, told);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, form(&faults)))
        }
    }
}

/// The value that stands for every queue.
const ALL: &str = "*";

fn understand(tongue: Tongue, given: &Given, faults: &mut Faults) -> Option<Understood> {
    let mut reading = Reading { tongue, faults };
    let calls = reading.number("calls", &given.calls);
    let interval = reading.seconds("interval", &given.interval);
    let aht = reading.seconds("aht", &given.aht);
    let target = typed(given.target.as_ref())
        .unwrap_or("80/20")
        .parse::<Target>();
    let target = target.map_err(|fault| {
        let (field, told) = faults::of_staffing(tongue, &fault);
        reading.faults.insert(field, told);
    });
    let patience_s = reading.seconds("patience", &given.patience);
    let retrial = reading.share("retrial", &given.retrial);
    let shrinkage = reading.shares("shrinkage", &given.shrinkage);
    let agents = reading.number::<u32>("agents", &given.agents);
    let concurrency = reading.number("concurrency", &given.concurrency);
    let deadline_s = reading.seconds("deadline", &given.deadline);
    let backlog = reading.number("backlog", &given.backlog);
    let cost = reading.number::<f64>("cost", &given.cost);
    for (name, is_missing) in [("calls", calls.is_none()), ("aht", aht.is_none())] {
        if is_missing {
            faults.entry(name).or_insert_with(|| faults::empty(tongue));
        }
    }
    let source = if patience_s.is_some() {
        Source::Given
    } else {
        Source::Taken
    };
    Some(Understood {
        question: Question {
            patience_s: Some(patience_s.unwrap_or(PATIENCE_TAKEN_S)),
            retrial,
            shrinkage,
            agents,
            concurrency: concurrency.unwrap_or(1),
            deadline: deadline_s.map(|deadline_s| Deadline {
                deadline_s,
                backlog: backlog.unwrap_or(0.0),
            }),
            ..Question::new(calls?, interval.unwrap_or(1_800.0), aht?, target.ok()?)
        },
        cost: cost.filter(|cost| cost.is_finite() && *cost >= 0.0),
        patience: source,
    })
}

/// Reads fields, and notes what cannot be read.
struct Reading<'a> {
    tongue: Tongue,
    faults: &'a mut Faults,
}

impl Reading<'_> {
    fn number<T: std::str::FromStr>(
        &mut self,
        name: &'static str,
        text: &Option<String>,
    ) -> Option<T> {
        let text = typed(text.as_ref())?;
        let number = text.parse().ok();
        if number.is_none() {
            self.faults
                .insert(name, faults::no_number(self.tongue, text));
        }
        number
    }

    fn seconds(&mut self, name: &'static str, text: &Option<String>) -> Option<f64> {
        let text = typed(text.as_ref())?;
        let seconds = text.parse::<Seconds>().map_err(|fault| {
            self.faults
                .insert(name, faults::no_time(self.tongue, text, fault));
        });
        seconds.ok().map(Seconds::get)
    }

    fn share(&mut self, name: &'static str, text: &Option<String>) -> Option<f64> {
        let text = typed(text.as_ref())?;
        self.shares(name, &Some(text.to_owned())).first().copied()
    }

    /// Several with space, comma or semicolon between.
    fn shares(&mut self, name: &'static str, text: &Option<String>) -> Vec<f64> {
        let text = typed(text.as_ref()).unwrap_or("");
        let mut shares = Vec::new();
        for part in text
            .split([' ', ',', ';', '、', '，'])
            .filter(|part| !part.is_empty())
        {
            match part.parse::<Share>() {
                Ok(share) => shares.push(share.get()),
                Err(fault) => {
                    self.faults
                        .insert(name, faults::no_share(self.tongue, part, fault));
                }
            }
        }
        shares
    }
}

fn form(
    state: &ApiState,
    caller: &Caller,
    tongue: Tongue,
    given: &Given,
    faults: &Faults,
) -> String {
    let usual = |text: &Option<String>, usual: &str| text.as_deref().unwrap_or(usual).to_owned();
    let time = tongue.say("Seconds, or 90s, 4m, 1h.", "秒數，或 90s、4m、1h。");
    let optional = tongue.say("May be empty.", "可留空。");
    let values = [
        (
            "calls",
            tongue.say("Contacts in the interval", "間隔內來量"),
            usual(&given.calls, ""),
            "",
        ),
        (
            "interval",
            tongue.say("Interval", "間隔"),
            usual(&given.interval, "30m"),
            time,
        ),
        (
            "aht",
            tongue.say("Average handle time", "平均處理時間"),
            usual(&given.aht, ""),
            tongue.say(
                "Talk, hold and wrap-up: 240, 4m.",
                "通話、保留與後處理：240、4m。",
            ),
        ),
        (
            "target",
            tongue.say("Service level", "服務水準"),
            usual(&given.target, "80/20"),
            tongue.say("Percent/seconds.", "百分比/秒數。"),
        ),
        (
            "patience",
            tongue.say("Mean patience", "平均耐心時間"),
            usual(&given.patience, ""),
            tongue.say(
                "How long callers wait before they hang up; 180 s is taken where nothing is given.",
                "來電者掛斷前願意等候的平均時間；未輸入時採用 180 秒。",
            ),
        ),
        (
            "retrial",
            tongue.say("Share that calls again", "放棄後重撥比例"),
            usual(&given.retrial, ""),
            tongue.say(
                "0.4 or 40%; adds Erlang X. May be empty.",
                "0.4 或 40%；加入 Erlang X。可留空。",
            ),
        ),
        (
            "shrinkage",
            tongue.say("Shrinkage", "縮減率"),
            usual(&given.shrinkage, ""),
            tongue.say(
                "Time paid and not at work; several compound: 20% 12.5%.",
                "支薪但不在線的時間；多項會連乘：20% 12.5%。",
            ),
        ),
        (
            "concurrency",
            tongue.say("Contacts at once", "同時處理數"),
            usual(&given.concurrency, "1"),
            tongue.say(
                "For chat; the handle time is then that of such a contact.",
                "適用於線上文字；處理時間為同時處理下的時間。",
            ),
        ),
        (
            "deadline",
            tongue.say("Deadline (mails)", "期限（郵件）"),
            usual(&given.deadline, ""),
            tongue.say(
                "Each is done within this time: 4h. May be empty.",
                "每件須於此時間內完成：4h。可留空。",
            ),
        ),
        (
            "backlog",
            tongue.say("Backlog (mails)", "積壓量（郵件）"),
            usual(&given.backlog, ""),
            optional,
        ),
        (
            "agents",
            tongue.say("Number of agents", "人數"),
            usual(&given.agents, ""),
            tongue.say(
                "Empty: the fewest that meet the target.",
                "留空則求達成目標的最少人數。",
            ),
        ),
        (
            "cost",
            tongue.say("Cost of an hour on the roster", "每人時成本"),
            usual(&given.cost, ""),
            tongue.say(
                "In your currency. May be empty.",
                "以貴單位幣別計。可留空。",
            ),
        ),
    ];
    let mut fields: Vec<String> = values
        .iter()
        .map(|(name, label, value, hint)| {
            let field = Field::new(name, label).of(value).hint(hint);
            field.fault(faults.get(name).cloned()).to_html()
        })
        .collect();
    if caller.must_see_reports().is_ok() {
        let queues = state.parts.callback_rules.keys().map(ToString::to_string);
        let mut offered = choices(tongue, queues);
        if let Some(all) = offered.first_mut() {
            ALL.clone_into(&mut all.0);
        }
        offered.insert(0, (String::new(), tongue.say("no", "否").to_owned()));
        let measured = usual(&given.measured, "");
        let field = Field::new(
            "measured",
            tongue.say("Measure the patience of", "以實測耐心時間"),
        )
        .of(&measured)
        .choice(offered)
        .hint(tongue.say(
            "By Kaplan-Meier from the waits of the last eight weeks, in place of the one above.",
            "以最近八週的等候紀錄（Kaplan-Meier）取代上面的數值。",
        ));
        fields.insert(5, field.fault(faults.get("measured").cloned()).to_html());
    }
    format!(
        "<form class=\"fields\" method=\"get\" action=\"/staffing\">{}\
         <input type=\"hidden\" name=\"language\" value=\"{}\"><p><button>{}</button></p></form>",
        fields.concat(),
        tongue.tag(),
        tongue.say("Compute", "計算")
    )
}

/// Answers around the numbers that were found, the fewest first.
fn points(question: &Question, answer: &Answer) -> Vec<Point> {
    let found = [
        Some(answer.erlang_c.agents),
        answer.erlang_a.as_ref().map(|a| a.agents),
    ];
    let (least, most) = (found.iter().flatten().min(), found.iter().flatten().max());
    let (least, most) = (least.copied().unwrap_or(1), most.copied().unwrap_or(1));
    let load = answer.load_erlang / f64::from(question.concurrency);
    let room = 3 + (load.sqrt() * 1.5) as u32;
    let (first, last) = (least.saturating_sub(room).max(1), most.saturating_add(room));
    let step = (last - first).div_ceil(POINTS_MAX - 1).max(1);
    let mut wanted: Vec<u32> = (first..=last).step_by(step as usize).collect();
    wanted.extend(found.into_iter().flatten().filter(|agents| *agents > 0));
    wanted.sort_unstable();
    wanted.dedup();
    let at = |agents| {
        let question = Question {
            agents: Some(agents),
            deadline: None,
            ..question.clone()
        };
        let answer = question.answer().ok()?;
        Some(Point { agents, answer })
    };
    wanted.into_iter().filter_map(at).collect()
}
