//! What the page tells of an answer.

use super::{PATIENCE_TAKEN_S, Point, Source, Understood};
use crate::api::pages::curve::{Curve, Line, Unit, round_up};
use crate::api::pages::definitions;
use crate::api::pages::tongue::Tongue;
use crate::report::escaped;
use ringdown_routing::staffing::Answer;
use std::fmt::Write;

/// What stands where nothing was there to divide by.
const NOTHING: &str = "–";

/// The answer as HTML: both models side by side, what else follows, the curves and the table.
pub(super) fn tell(
    tongue: Tongue,
    understood: &Understood,
    answer: &Answer,
    points: &[Point],
) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<h2>{}</h2><p>{}</p><p>{} {:.2} erlang. ",
        tongue.say("Answer", "結果"),
        escaped(&asked(tongue, understood)),
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
    html + &definitions::of_staffing(tongue)
}

/// The question, which paper would not have otherwise.
fn asked(tongue: Tongue, understood: &Understood) -> String {
    let question = &understood.question;
    let percent = question.target.share * 100.0;
    let shrinkage = question.shrinkage.iter();
    let shrinkage: Vec<String> = shrinkage
        .map(|share| format!("{:.1} %", share * 100.0))
        .collect();
    let shrinkage = if shrinkage.is_empty() {
        "0 %".to_owned()
    } else {
        shrinkage.join(" x ")
    };
    let (calls, interval, aht) = (
        question.calls,
        time(question.interval_s),
        time(question.aht_s),
    );
    let (threshold_s, at_once) = (question.target.threshold_s, question.concurrency);
    match tongue {
        Tongue::English => format!(
            "{calls} contacts in {interval}, average handle time {aht}, target {percent} % within {threshold_s} s, shrinkage \
             {shrinkage}, {at_once} at once."
        ),
        Tongue::Chinese => format!(
            "{interval} 內來量 {calls}，平均處理時間 {aht}，目標 {percent} % 於 {threshold_s} 秒內，縮減率 {shrinkage}，同時處理 {at_once} 件。"
        ),
    }
}

/// Hours, minutes and seconds: `4:00:00`.
fn time(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
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
            "Mean patience {seconds:.0} s, by Kaplan-Meier from {} who left and {} who were answered; {} went elsewhere or wait still.",
            from.abandoned, from.answered, from.gone
        ),
        (Source::Measured(from), Tongue::Chinese) => format!(
            "平均耐心時間 {seconds:.0} 秒，以 Kaplan-Meier 由 {} 位放棄者與 {} 位已接聽者估計；另 {} 位轉往他處或仍在等候。",
            from.abandoned, from.answered, from.gone
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
            "(A_T+B_T)/O",
            percent(patient.service_level),
            of(&|a| percent(a.service_level.positive)),
        ),
        (
            "A_T/(O-B_T)",
            percent(patient.service_level),
            of(&|a| percent(a.service_level.ignored)),
        ),
        (
            "A_T/A",
            percent(patient.service_level),
            of(&|a| percent(a.service_level.handled)),
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
            "<p>Erlang X: {} {} ({} {}); {} {}; {} {}; {} {}.</p>",
            tongue.say("agents", "在線人數"),
            retrying.attempt.agents,
            tongue.say("on the roster", "排班"),
            retrying.attempt.scheduled,
            tongue.say("attempts a contact", "每件平均撥打次數"),
            figure(retrying.attempts_each),
            tongue.say("of the attempts abandoned", "各次撥打之放棄率"),
            percent(retrying.attempt.abandon_rate),
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
            "<p>{}: {} {} ({} {}); {} {}.{missed}</p>",
            tongue.say("Within the deadline", "期限內完成"),
            tongue.say("agents", "在線人數"),
            backlog.agents,
            tongue.say("on the roster", "排班"),
            backlog.scheduled,
            tongue.say("the last of the backlog waits", "積壓的最後一件等候"),
            time(backlog.longest_wait_s),
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
                tongue.say(
                    "service level A_T/O by Erlang A",
                    "服務水準 A_T/O（Erlang A）",
                ),
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
        tongue.say("A: SL A_T/O", "A：服務水準 A_T/O"),
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
