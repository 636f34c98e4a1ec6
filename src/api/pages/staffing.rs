//! `/staffing`: how many agents it takes, by Erlang C and Erlang A side by side, and what a few more or fewer do.

use super::curve::{Curve, Line, Unit, round_up};
use super::faults;
use super::form::{Field, choices, typed};
use super::shell::{Page, page};
use super::sign_in::must_be_signed_in;
use super::tongue::Tongue;
use crate::api::{ApiState, Caller, Problem};
use crate::report::escaped;
use crate::staffing::{Seconds, Share, waits};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::{Answer, Deadline, Patience, Question, StaffingFault, Target};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Mean patience that is taken where none is known, in seconds, and said to be taken.
const PATIENCE_TAKEN_S: f64 = 180.0;

/// Numbers of agents shown.
const POINTS_MAX: u32 = 41;

/// How far back waits are read for the patience.
const WAITS_SINCE: Duration = Duration::from_secs(56 * 24 * 3_600);

/// What stands where nothing was there to divide by.
const NOTHING: &str = "–";

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
    language: Option<String>,
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
    uri: Uri,
    headers: HeaderMap,
    Query(given): Query<Given>,
) -> Response {
    let here = uri.to_string();
    let caller = match must_be_signed_in(&state, &headers, &here).await {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    let tongue = Tongue::of(given.language.as_deref(), &headers, &state.parts.language);
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
        let since = state.now() - WAITS_SINCE;
        let waits = waits(&state.parts.database, queue.as_ref(), since).await?;
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
            let told = tell(tongue, &understood, &answer, &points);
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

fn tell(tongue: Tongue, understood: &Understood, answer: &Answer, points: &[Point]) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<h2>{}</h2><p>{} {:.2} erlang. ",
        tongue.say("Answer", "結果"),
        tongue.say("Offered load:", "提供負載："),
        answer.load_erlang
    );
    let _ = write!(html, "{}</p>", escaped(&patience_told(tongue, understood)));
    let said = |text: &str| format!("<p class=\"said\">{}</p>", escaped(text));
    if !answer.erlang_c.stable {
        html += &said(&unstable(tongue, understood, answer));
    }
    html += &both_models(tongue, understood, answer);
    html += &said(tongue.say(
        "Erlang C takes callers for endlessly patient: where they hang up it over-staffs, and it cannot say how many are \
         lost. Plan by Erlang A, and look at the share that hangs up.",
        "Erlang C 假設來電者無限耐心：實際上有人掛斷時會高估人力，也無法說明流失多少來電。請以 Erlang A 規劃，並留意放棄率。",
    ));
    html += &others(tongue, answer);
    html += &curves(tongue, understood, points);
    html += &table(tongue, understood, answer, points);
    html
}

fn patience_told(tongue: Tongue, understood: &Understood) -> String {
    let seconds = understood.question.patience_s.unwrap_or(PATIENCE_TAKEN_S);
    match (&understood.patience, tongue) {
        (Source::Given, Tongue::English) => format!("Mean patience {seconds:.0} s, as given."),
        (Source::Given, Tongue::Chinese) => format!("平均耐心時間 {seconds:.0} 秒（輸入值）。"),
        (Source::Taken, Tongue::English) => format!(
            "Mean patience {seconds:.0} s, which is an assumption: none was given. Measure it, for the share that hangs up hangs on it."
        ),
        (Source::Taken, Tongue::Chinese) => {
            format!("平均耐心時間 {seconds:.0} 秒為假設值（未輸入）。放棄率取決於此，建議實測。")
        }
        (Source::Measured(from), Tongue::English) => format!(
            "Mean patience {seconds:.0} s, by Kaplan-Meier from {} who left and {} who were answered.",
            from.abandoned, from.answered
        ),
        (Source::Measured(from), Tongue::Chinese) => format!(
            "平均耐心時間 {seconds:.0} 秒，以 Kaplan-Meier 由 {} 位放棄者與 {} 位已接聽者估計。",
            from.abandoned, from.answered
        ),
    }
}

fn unstable(tongue: Tongue, understood: &Understood, answer: &Answer) -> String {
    let concurrency = f64::from(understood.question.concurrency);
    match tongue {
        Tongue::English => {
            let told = answer.erlang_c.explanation.clone().unwrap_or_default();
            format!("Unstable without hang-ups. {told}")
        }
        Tongue::Chinese => format!(
            "若無人掛斷則不穩定：來量帶來 {:.2} erlang 的工作，{} 人最多只能處理 {}。進來的比做完的多，佇列會一直變長，除非來電者放棄。\
             至少需要 {:.0} 人，等候才會結束。",
            answer.load_erlang,
            answer.erlang_c.agents,
            f64::from(answer.erlang_c.agents) * concurrency,
            (answer.load_erlang / concurrency).floor() + 1.0,
        ),
    }
}

fn both_models(tongue: Tongue, understood: &Understood, answer: &Answer) -> String {
    let (patient, impatient) = (&answer.erlang_c, answer.erlang_a.as_ref());
    let hours = understood.question.interval_s / 3_600.0;
    let cost = |scheduled: u64| {
        let cost = understood.cost.map(|cost| cost * scheduled as f64 * hours);
        figure(cost.or(Some(scheduled as f64 * hours)))
    };
    let cost_name = if understood.cost.is_some() {
        tongue.say("cost of the interval", "該間隔成本")
    } else {
        tongue.say("paid hours", "支薪工時")
    };
    let none = || NOTHING.to_owned();
    let of = |told: &dyn Fn(&ringdown_routing::staffing::ImpatientStaff) -> String| {
        impatient.map_or_else(none, told)
    };
    let rows = [
        (
            tongue.say("agents at work", "在線人數"),
            patient.agents.to_string(),
            of(&|a| a.agents.to_string()),
        ),
        (
            tongue.say("agents on the roster", "排班人數"),
            patient.scheduled.to_string(),
            of(&|a| a.scheduled.to_string()),
        ),
        (
            cost_name,
            cost(patient.scheduled),
            of(&|a| cost(a.scheduled)),
        ),
        (
            tongue.say("service level A_T/O", "服務水準 A_T/O"),
            percent(patient.service_level),
            of(&|a| percent(a.service_level.negative)),
        ),
        (
            tongue.say("hang up", "放棄率"),
            tongue
                .say("nobody, by assumption", "假設無人放棄")
                .to_owned(),
            of(&|a| percent(a.abandon_rate)),
        ),
        (
            tongue.say("wait at all", "需等候比例"),
            percent(patient.probability_of_wait),
            of(&|a| percent(a.probability_of_wait)),
        ),
        (
            tongue.say("mean wait s", "平均等候秒"),
            figure(patient.asa_s),
            of(&|a| figure(a.mean_wait_s)),
        ),
        (
            tongue.say("p90 of the wait s", "等候 p90 秒"),
            figure(patient.wait_percentiles_s.p90),
            of(&|a| figure(a.wait_percentiles_s.p90)),
        ),
        (
            tongue.say("occupancy", "佔用率"),
            percent(patient.occupancy),
            of(&|a| percent(a.occupancy)),
        ),
    ];
    let mut html = "<div class=\"wide\"><table><thead><tr><th class=\"text\"></th><th>Erlang C</th><th>Erlang A</th></tr></thead><tbody>".to_owned();
    for (name, c, a) in rows {
        let _ = write!(
            html,
            "<tr><td class=\"text\">{name}</td><td>{c}</td><td>{a}</td></tr>"
        );
    }
    html + "</tbody></table></div>"
}

fn others(tongue: Tongue, answer: &Answer) -> String {
    let mut html = String::new();
    if let Some(retrying) = &answer.erlang_x {
        let _ = write!(
            html,
            "<p>Erlang X: {} {} ({} {}); {} {}; {} {}.</p>",
            tongue.say("agents", "在線人數"),
            retrying.attempt.agents,
            tongue.say("on the roster", "排班"),
            retrying.attempt.scheduled,
            tongue.say("attempts a contact", "每件平均撥打次數"),
            figure(retrying.attempts_each),
            tongue.say("never answered", "始終未獲接聽"),
            percent(retrying.lost_share),
        );
    }
    if let Some(backlog) = &answer.deadline {
        let missed = if backlog.met {
            ""
        } else {
            tongue.say(" The deadline is missed.", "期限無法達成。")
        };
        let _ = write!(
            html,
            "<p>{}: {} {} ({} {}); {} {:.0} s.{missed}</p>",
            tongue.say("Within the deadline", "期限內完成"),
            tongue.say("agents", "在線人數"),
            backlog.agents,
            tongue.say("on the roster", "排班"),
            backlog.scheduled,
            tongue.say("the last of the backlog waits", "積壓的最後一件等候"),
            backlog.longest_wait_s,
        );
    }
    html
}

fn curves(tongue: Tongue, understood: &Understood, points: &[Point]) -> String {
    let of_a = |told: &dyn Fn(&ringdown_routing::staffing::ImpatientStaff) -> Option<f64>| {
        let heights = points
            .iter()
            .map(|point| point.answer.erlang_a.as_ref().and_then(told));
        heights.collect::<Vec<_>>()
    };
    let labels: Vec<String> = points
        .iter()
        .map(|point| point.agents.to_string())
        .collect();
    let line = |name, heights| Line {
        name,
        heights,
        band: Vec::new(),
    };
    let service = tongue.say("service level by Erlang C", "服務水準（Erlang C）");
    let of_c = points
        .iter()
        .map(|point| point.answer.erlang_c.service_level);
    let shares = Curve {
        what: tongue.say("Service level over agents", "各人數之服務水準"),
        labels: labels.clone(),
        lines: vec![
            line(
                tongue.say("service level by Erlang A", "服務水準（Erlang A）"),
                of_a(&|a| a.service_level.negative),
            ),
            line(service, of_c.collect()),
            line(
                tongue.say("hang up, by Erlang A", "放棄率（Erlang A）"),
                of_a(&|a| a.abandon_rate),
            ),
            line(
                tongue.say("occupancy by Erlang A", "佔用率（Erlang A）"),
                of_a(&|a| a.occupancy),
            ),
        ],
        top: 1.0,
        unit: Unit::Percent,
        marks: Vec::new(),
    };
    let hours = understood.question.interval_s / 3_600.0;
    let cost = |scheduled: u64| scheduled as f64 * hours * understood.cost.unwrap_or(1.0);
    let costs: Vec<Option<f64>> = points
        .iter()
        .map(|point| Some(cost(point.answer.erlang_c.scheduled)))
        .collect();
    let (name, what) = if understood.cost.is_some() {
        (
            tongue.say("cost of the interval", "該間隔成本"),
            tongue.say("Cost over agents", "各人數之成本"),
        )
    } else {
        (
            tongue.say("paid hours of the interval", "該間隔支薪工時"),
            tongue.say("Paid hours over agents", "各人數之支薪工時"),
        )
    };
    let top = round_up(costs.iter().flatten().copied().fold(0.0, f64::max));
    let cost = Curve {
        what,
        labels,
        lines: vec![line(name, costs)],
        top,
        unit: Unit::Number,
        marks: Vec::new(),
    };
    format!(
        "<h2>{}</h2>{}<h2>{}</h2>{}",
        shares.what,
        shares.to_svg(),
        cost.what,
        cost.to_svg()
    )
}

fn table(tongue: Tongue, understood: &Understood, answer: &Answer, points: &[Point]) -> String {
    let heads = [
        tongue.say("agents", "人數"),
        tongue.say("roster", "排班"),
        tongue.say("C: service level", "C：服務水準"),
        tongue.say("C: mean wait s", "C：平均等候秒"),
        tongue.say("C: occupancy", "C：佔用率"),
        tongue.say("A: service level", "A：服務水準"),
        tongue.say("A: hang up", "A：放棄率"),
        tongue.say("A: mean wait s", "A：平均等候秒"),
        tongue.say("A: occupancy", "A：佔用率"),
        "",
    ];
    let heads: String = heads
        .iter()
        .map(|head| format!("<th>{head}</th>"))
        .collect();
    let mut html = format!("<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>");
    for point in points {
        let (c, a) = (&point.answer.erlang_c, point.answer.erlang_a.as_ref());
        let level = if c.stable {
            percent(c.service_level)
        } else {
            tongue.say("queue grows", "佇列不斷增長").to_owned()
        };
        let is_of = |agents: Option<u32>| agents == Some(point.agents);
        let mut marks = Vec::new();
        if understood.question.agents.is_some() {
            if is_of(understood.question.agents) {
                marks.push(tongue.say("asked", "指定"));
            }
        } else {
            if is_of(Some(answer.erlang_c.agents)) {
                marks.push("Erlang C");
            }
            if is_of(answer.erlang_a.as_ref().map(|a| a.agents)) {
                marks.push("Erlang A");
            }
        }
        let class = if marks.is_empty() {
            ""
        } else {
            " class=\"total\""
        };
        let cells = [
            point.agents.to_string(),
            c.scheduled.to_string(),
            level,
            figure(c.asa_s),
            percent(c.occupancy),
            percent(a.and_then(|a| a.service_level.negative)),
            percent(a.and_then(|a| a.abandon_rate)),
            figure(a.and_then(|a| a.mean_wait_s)),
            percent(a.and_then(|a| a.occupancy)),
            marks.join(", "),
        ];
        let cells: String = cells
            .iter()
            .map(|cell| format!("<td>{cell}</td>"))
            .collect();
        let _ = write!(html, "<tr{class}>{cells}</tr>");
    }
    html + "</tbody></table></div>"
}

fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), |figure| format!("{figure:.1}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{:.1} %", share * 100.0),
    )
}
