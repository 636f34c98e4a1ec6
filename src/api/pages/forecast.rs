//! `/forecast`: arrivals to come from an uploaded CSV or the desk's own log, how well the method did, the staff they
//! take, and what that staff does when the plan is played by the real policy.

use super::curve::{Curve, Line, Unit, round_up};
use super::definitions;
use super::faults;
use super::form::{Field, choices, typed};
use super::reports::{channel, names_of_channels};
use super::shell::{Page, page};
use super::tongue::Tongue;
use super::visitor::Visitor;
use crate::api::forecasts::{self, DAYS_MAX, RUNS_USUAL, WEEKS_MAX};
use crate::api::{ApiState, Caller, Problem};
use crate::forecast::{Arrivals, Asked, Staffed, Told, read_arrivals};
use crate::report::{Interval, escaped};
use crate::staffing::{PATIENCE_TAKEN_S, Seconds, Share};
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::{Question, Target};
use ringdown_routing::statistics::Scope;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What the form says, by field.
type Given = BTreeMap<String, String>;

/// What is wrong, by field.
type Faults = BTreeMap<&'static str, String>;

/// What stands where nothing is known.
const NOTHING: &str = "–";

/// Shows the form.
pub(super) async fn show(State(state): State<ApiState>, visitor: Visitor) -> Response {
    let Visitor { caller, tongue, .. } = visitor;
    let body = form(&state, &caller, tongue, &Given::new(), &Faults::new());
    shown(&state, &caller, tongue, StatusCode::OK, &body)
}

/// Forecasts from what was sent.
pub(super) async fn upload(
    State(state): State<ApiState>,
    visitor: Visitor,
    multipart: Multipart,
) -> Response {
    let Visitor { caller, tongue, .. } = visitor;
    let given = match fields(multipart).await {
        Ok(given) => given,
        Err(problem) => return problem.into_response(),
    };
    let mut faults = Faults::new();
    match answer(&state, &caller, tongue, &given, &mut faults).await {
        Ok(Some(told)) => {
            let body = form(&state, &caller, tongue, &given, &faults) + &told;
            shown(&state, &caller, tongue, StatusCode::OK, &body)
        }
        Ok(None) => {
            let body = form(&state, &caller, tongue, &given, &faults);
            shown(
                &state,
                &caller,
                tongue,
                StatusCode::UNPROCESSABLE_ENTITY,
                &body,
            )
        }
        Err(problem) => problem.into_response(),
    }
}

fn shown(
    state: &ApiState,
    caller: &Caller,
    tongue: Tongue,
    status: StatusCode,
    body: &str,
) -> Response {
    let mut response = page(Page {
        state,
        tongue,
        title: tongue.say("Forecast", "來量預測"),
        here: "/forecast",
        caller: Some(caller),
        body,
    });
    *response.status_mut() = status;
    response
}

async fn fields(mut multipart: Multipart) -> Result<Given, Problem> {
    let unreadable = |fault: axum::extract::multipart::MultipartError| match fault.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge {
            bytes_max: super::FORM_BYTES_MAX,
        },
        _ => Problem::BadRequest(fault.body_text()),
    };
    let mut given = Given::new();
    while let Some(field) = multipart.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(unreadable)?;
        given.insert(name, String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(given)
}

/// The forecast as HTML; `None` when something is wrong, which is noted.
async fn answer(
    state: &ApiState,
    caller: &Caller,
    tongue: Tongue,
    given: &Given,
    faults: &mut Faults,
) -> Result<Option<String>, Problem> {
    let Some(understood) = understand(state, tongue, given, faults) else {
        return Ok(None);
    };
    let arrivals = match understood.arrivals {
        Some(arrivals) => arrivals,
        None if caller.must_see_reports().is_err() => {
            faults.insert("file", faults::not_for_agents(tongue).to_owned());
            return Ok(None);
        }
        None => {
            let (weeks, interval) = (understood.weeks, understood.interval);
            let read = forecasts::of_the_log(state, weeks, interval, understood.scope).await;
            match read {
                Err(Problem::BadRequest(_)) => {
                    let fault = tongue.say(
                        "So many weeks of so narrow intervals are not read at once: ask for fewer or wider ones.",
                        "週數過多而間隔過窄，無法一次讀取：請減少週數或加大間隔。",
                    );
                    faults.insert("weeks", fault.to_owned());
                    return Ok(None);
                }
                read => read?,
            }
        }
    };
    let asked = Asked {
        arrivals,
        ..understood.asked
    };
    match forecasts::answer(state, asked).await? {
        Ok((told, staffed)) => {
            let asked = staffed.as_ref().map(|_| staff_told(tongue, given));
            let told = tell(tongue, &told, staffed.as_ref(), asked)?;
            Ok(Some(told))
        }
        Err(fault) => {
            let (field, told) = faults::of_forecast(tongue, &fault);
            faults.insert(field, told);
            Ok(None)
        }
    }
}

/// A form that was understood.
struct Understood {
    /// What was uploaded; the log without it.
    arrivals: Option<Arrivals>,
    weeks: u16,
    interval: Interval,
    scope: Scope,
    asked: Asked,
}

fn understand(
    state: &ApiState,
    tongue: Tongue,
    given: &Given,
    faults: &mut Faults,
) -> Option<Understood> {
    let zone = state.parts.zone.time_zone();
    let text = |name: &str| typed(given.get(name));
    let interval = Interval::up_to_a_day(text("interval").unwrap_or("30m"));
    let interval = interval.map_err(|fault| {
        faults.insert("interval", faults::of_period(tongue, &fault));
    });
    let interval = interval.unwrap_or(Interval::HALF_HOUR);
    let mut whole = |name: &'static str, usual: u16, most: u16| {
        let number = text(name).map_or(Ok(usual), str::parse::<u16>);
        let least = u16::from(name != "runs");
        let number = number.ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let fault = match tongue {
                Tongue::English => format!("must be {least} to {most}"),
                Tongue::Chinese => format!("必須是 {least} 至 {most}"),
            };
            faults.insert(name, fault);
        }
        number.unwrap_or(usual)
    };
    let days = whole("days", 7, DAYS_MAX);
    let weeks = whole("weeks", 12, WEEKS_MAX);
    let runs = whole("runs", RUNS_USUAL, 1_000);
    let first = text("from").and_then(|text| {
        let date = text.parse().ok();
        if date.is_none() {
            faults.insert("from", faults::no_date(tongue, text));
        }
        date
    });
    let arrivals = text("file").and_then(|csv| {
        let read = read_arrivals(csv, zone, interval).map_err(|wrong| {
            faults.insert("file", faults::of_file(tongue, &wrong));
        });
        read.ok()
    });
    let staff = staff(tongue, given, interval, faults);
    let asked = Asked {
        arrivals: Arrivals::of_events(zone.clone(), interval),
        special_days: text("holidays").unwrap_or("").to_owned(),
        first,
        days,
        staff,
        runs,
    };
    faults.is_empty().then(|| Understood {
        arrivals,
        weeks,
        interval,
        scope: Scope {
            queue: text("queue").map(QueueId::from),
            channel: Some(channel(text("channel").unwrap_or("")).unwrap_or(Channel::Voice)),
        },
        asked,
    })
}

/// What is asked about the staff; nothing where no handle time is given.
fn staff(
    tongue: Tongue,
    given: &Given,
    interval: Interval,
    faults: &mut Faults,
) -> Option<Question> {
    let text = |name: &str| typed(given.get(name));
    let mut seconds = |name: &'static str| {
        let text = text(name)?;
        let seconds = text.parse::<Seconds>().map_err(|fault| {
            faults.insert(name, faults::no_time(tongue, text, fault));
        });
        seconds.ok().map(Seconds::get)
    };
    let (aht_s, patience_s) = (seconds("aht"), seconds("patience"));
    let target = text("target").unwrap_or("80/20").parse::<Target>();
    let target = target.map_err(|fault| {
        let (field, told) = faults::of_staffing(tongue, &fault);
        faults.insert(field, told);
    });
    let parts = text("shrinkage")
        .unwrap_or("")
        .split([' ', ',', ';', '、', '，']);
    let mut shrinkage = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        match part.parse::<Share>() {
            Ok(share) => shrinkage.push(share.get()),
            Err(fault) => {
                faults.insert("shrinkage", faults::no_share(tongue, part, fault));
            }
        }
    }
    Some(Question {
        patience_s: Some(patience_s.unwrap_or(PATIENCE_TAKEN_S)),
        shrinkage,
        ..Question::new(0.0, interval.as_seconds() as f64, aht_s?, target.ok()?)
    })
}

fn form(
    state: &ApiState,
    caller: &Caller,
    tongue: Tongue,
    given: &Given,
    faults: &Faults,
) -> String {
    let value = |name: &str, usual: &str| {
        given
            .get(name)
            .map_or_else(|| usual.to_owned(), Clone::clone)
    };
    let mut html = format!(
        "<form class=\"fields\" method=\"post\" enctype=\"multipart/form-data\" action=\"/forecast?language={}\">",
        tongue.tag()
    );
    let fault = |name: &str| faults.get(name).cloned();
    let hint = tongue.say(
        "CSV: timestamp,count or a table date,00:00,00:30,...; without a file the desk's own log.",
        "CSV：timestamp,count，或 date,00:00,00:30,... 表格；未選檔案則使用系統紀錄。",
    );
    let field = Field::new("file", tongue.say("Past arrivals", "歷史來量")).file();
    html += &field.hint(hint).fault(fault("file")).to_html();
    if caller.must_see_reports().is_ok() {
        let queue = value("queue", "");
        let queues = state.parts.callback_rules.keys().map(ToString::to_string);
        let field = Field::new("queue", tongue.say("Queue (own log)", "佇列（系統紀錄）"));
        html += &field.of(&queue).choice(choices(tongue, queues)).to_html();
        let came_by = value("channel", Channel::Voice.as_str());
        let label = tongue.say("Channel (own log)", "管道（系統紀錄）");
        let field = Field::new("channel", label).of(&came_by);
        html += &field.choice(names_of_channels(tongue).to_vec()).to_html();
    }
    let time = tongue.say("Seconds, or 90s, 4m.", "秒數，或 90s、4m。");
    for (name, label, usual, hint) in [
        (
            "weeks",
            tongue.say("Weeks of the log", "系統紀錄週數"),
            "12",
            "1 - 26",
        ),
        (
            "interval",
            tongue.say("Interval", "間隔"),
            "30m",
            "15m, 30m, 1h",
        ),
        (
            "days",
            tongue.say("Days to forecast", "預測天數"),
            "7",
            "1 - 62",
        ),
        (
            "from",
            tongue.say("First day", "起始日"),
            "",
            tongue.say(
                "Empty: the day after the last known one.",
                "留空則為已知最後一天的次日。",
            ),
        ),
        (
            "aht",
            tongue.say("Average handle time", "平均處理時間"),
            "",
            tongue.say(
                "Given, the staff is told too: 240, 4m.",
                "輸入後一併計算人力：240、4m。",
            ),
        ),
        (
            "target",
            tongue.say("Service level", "服務水準"),
            "80/20",
            tongue.say("Percent/seconds.", "百分比/秒數。"),
        ),
        (
            "patience",
            tongue.say("Mean patience", "平均耐心時間"),
            "",
            time,
        ),
        (
            "shrinkage",
            tongue.say("Shrinkage", "縮減率"),
            "",
            tongue.say("Several compound: 20% 12.5%.", "多項會連乘：20% 12.5%。"),
        ),
        (
            "runs",
            tongue.say("Plan played so often", "模擬次數"),
            "10",
            tongue.say(
                "By the real policy; 0 for not at all.",
                "以實際派送規則模擬；0 為不模擬。",
            ),
        ),
    ] {
        let value = value(name, usual);
        let field = Field::new(name, label).of(&value).hint(hint);
        html += &field.fault(fault(name)).to_html();
    }
    let holidays = value("holidays", "");
    let field = Field::new("holidays", tongue.say("Special days", "特殊日"));
    let hint = tongue.say(
        "A line each: date[,name[,factor]], past and to come; factor 0 is closed.",
        "每行一日：date[,名稱[,係數]]，過去與未來皆可；係數 0 表示休息。",
    );
    html += &field
        .of(&holidays)
        .lines()
        .hint(hint)
        .fault(fault("holidays"))
        .to_html();
    let _ = write!(
        html,
        "<p><button>{}</button></p></form>",
        tongue.say("Forecast", "預測")
    );
    html
}

/// Prints what the document of `POST /api/v1/forecasts` says.
fn tell(
    tongue: Tongue,
    told: &Told,
    staffed: Option<&Staffed>,
    asked: Option<String>,
) -> Result<String, Problem> {
    let document = serde_json::to_value(told.to_json(staffed)).map_err(|error| {
        tracing::error!(%error, "pages: a forecast was not told");
        Problem::Internal
    })?;
    let mut html = String::new();
    if tongue == Tongue::English {
        for warning in list(&document, "warnings") {
            let warning = warning.as_str().unwrap_or("");
            let _ = write!(html, "<p class=\"said\">{}</p>", escaped(warning));
        }
    } else {
        html += &warnings_in_chinese(&document);
    }
    html += &plot(tongue, &document);
    html += &back_test(tongue, &document);
    html += &days(tongue, &document);
    html += &asked.unwrap_or_default();
    html += &rehearsal(tongue, &document);
    html += &intervals(tongue, &document);
    html += &definitions::of_forecasts(tongue);
    if staffed.is_some() {
        html += &definitions::of_staffing(tongue);
    }
    Ok(html)
}

/// What the staff was computed from, which paper would not have otherwise; a patience that is taken is said to be.
fn staff_told(tongue: Tongue, given: &Given) -> String {
    let text = |name: &str, usual: &str| typed(given.get(name)).unwrap_or(usual).to_owned();
    let patience = text("patience", "");
    let (taken_en, taken_zh) = if patience.is_empty() {
        (
            format!(
                "mean patience {PATIENCE_TAKEN_S:.0} s, which is an assumption: none was given"
            ),
            format!("平均耐心時間 {PATIENCE_TAKEN_S:.0} 秒為假設值（未輸入）"),
        )
    } else {
        (
            format!("mean patience {patience}"),
            format!("平均耐心時間 {patience}"),
        )
    };
    let (aht, target, shrinkage) = (
        text("aht", ""),
        text("target", "80/20"),
        text("shrinkage", "0"),
    );
    let told = match tongue {
        Tongue::English => format!(
            "Staff for an average handle time of {aht}, service level {target} (A_T/O), shrinkage {shrinkage}, {taken_en}."
        ),
        Tongue::Chinese => format!(
            "人力依平均處理時間 {aht}、服務水準 {target}（A_T/O）、縮減率 {shrinkage} 計算；{taken_zh}。"
        ),
    };
    format!("<p>{}</p>", escaped(&told))
}

fn warnings_in_chinese(document: &Value) -> String {
    let mut html = String::new();
    let tested = list(document, "back_test").len();
    if tested < 5 {
        let _ = write!(
            html,
            "<p class=\"said\">僅有 {tested} 天可供回測：歷史資料過短，無法選擇方法或說明誤差。</p>"
        );
    }
    for day in list(document, "days") {
        let date = escaped(day["date"].as_str().unwrap_or(""));
        if day["expected"].is_null() {
            let _ = write!(html, "<p class=\"said\">{date}：沒有同星期的歷史資料。</p>");
        }
        if let (Some(name), Some(false)) =
            (day["special"].as_str(), day["is_factor_known"].as_bool())
        {
            let _ = write!(
                html,
                "<p class=\"said\">{date}（{}）：過去沒有這樣的日子，視為平日；請在特殊日輸入係數。</p>",
                escaped(name)
            );
        }
    }
    html
}

fn plot(tongue: Tongue, document: &Value) -> String {
    let rows = list(document, "intervals");
    let heights: Vec<Option<f64>> = rows.iter().map(|row| row["expected"].as_f64()).collect();
    let band: Vec<Option<(f64, f64)>> = rows
        .iter()
        .map(|row| Some((row["low"].as_f64()?, row["high"].as_f64()?)))
        .collect();
    let most = band
        .iter()
        .flatten()
        .map(|(_, high)| *high)
        .fold(0.0, f64::max);
    let labels = axis(rows, list(document, "days").len());
    let curve = Curve {
        what: tongue.say("Arrivals in each interval", "各間隔來量"),
        labels,
        lines: vec![Line {
            name: tongue.say(
                "expected; four intervals of five lie within the band",
                "預期值；五個間隔中有四個落在色帶內",
            ),
            heights,
            band,
        }],
        top: round_up(most),
        unit: Unit::Number,
        marks: Vec::new(),
    };
    format!("<h2>{}</h2>{}", curve.what, curve.to_svg())
}

/// What stands below each interval: the time on one day, on a few also the date where each begins, on more that alone.
fn axis(rows: &[Value], days: usize) -> Vec<String> {
    let mut last_date = "";
    let each = rows.iter().map(|row| {
        let start = row["start"].as_str().unwrap_or("");
        let (date, time) = (
            start.get(5..10).unwrap_or(""),
            start.get(11..16).unwrap_or(""),
        );
        let is_new = std::mem::replace(&mut last_date, date) != date;
        let is_quarter = ["06:00", "12:00", "18:00"].contains(&time);
        if days > 1 && is_new {
            date
        } else if days == 1 || (days <= 3 && is_quarter) {
            time
        } else {
            ""
        }
        .to_owned()
    });
    each.collect()
}

fn back_test(tongue: Tongue, document: &Value) -> String {
    let chosen = document["method"].as_str().unwrap_or("");
    let mut html = format!("<h2>{}</h2>", tongue.say("Back-test", "回測"));
    html += &table_head(&[
        tongue.say("method", "方法"),
        tongue.say("weighted absolute error", "加權絕對誤差"),
        tongue.say("days held out", "保留天數"),
        tongue.say("what it is", "說明"),
    ]);
    for method in list(document, "methods") {
        let name = method["method"].as_str().unwrap_or("");
        let class = if name == chosen {
            " class=\"total\""
        } else {
            ""
        };
        let _ = write!(
            html,
            "<tr{class}><td class=\"text\">{name}</td><td>{}</td><td>{}</td><td class=\"text\" style=\"white-space:normal\">{}</td></tr>",
            percent(&method["weighted_absolute_error"]),
            method["days"],
            escaped(method_told(
                tongue,
                name,
                method["formula"].as_str().unwrap_or("")
            ))
        );
    }
    html += "</tbody></table></div>";
    let names: Vec<&str> = list(document, "methods")
        .iter()
        .filter_map(|method| method["method"].as_str())
        .collect();
    let mut heads = vec![
        tongue.say("held-out day", "保留日"),
        tongue.say("actual", "實際"),
    ];
    heads.extend(&names);
    html += &table_head(&heads);
    for day in list(document, "back_test") {
        let mut cells = format!("<td>{}</td>", number(&day["actual"]));
        for name in &names {
            let guess = &day["guesses"][*name];
            let _ = write!(cells, "<td>{}</td>", number(&guess["expected"]));
        }
        let date = escaped(day["date"].as_str().unwrap_or(""));
        let _ = write!(html, "<tr><td class=\"text\">{date}</td>{cells}</tr>");
    }
    html + "</tbody></table></div>"
}

fn method_told(tongue: Tongue, name: &str, english: &'_ str) -> &'static str {
    let chinese = match name {
        "median" => "最近 8 個同星期同間隔的中位數，不計特殊日",
        "last_week" => "上一個同星期的平日",
        _ => "中位數 ×（1 + s w）：s 為最近 8 週每日總量的每週斜率中位數，w 為距其中點的週數",
    };
    let english = match name {
        "median" => {
            "the median of the same interval over the last 8 same weekdays, special days left out"
        }
        "last_week" => "the last same weekday that was not special",
        _ if english.is_empty() => "",
        _ => "the median, carried on along the median slope of the last 8 weeks",
    };
    tongue.say(english, chinese)
}

fn days(tongue: Tongue, document: &Value) -> String {
    let mut html = format!("<h2>{}</h2>", tongue.say("Days", "各日"));
    html += &table_head(&[
        tongue.say("day", "日期"),
        tongue.say("expected", "預期來量"),
        tongue.say("special", "特殊日"),
        tongue.say("factor", "係數"),
    ]);
    for day in list(document, "days") {
        let _ = write!(
            html,
            "<tr><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(day["date"].as_str().unwrap_or("")),
            number(&day["expected"]),
            escaped(day["special"].as_str().unwrap_or("")),
            number(&day["factor"]),
        );
    }
    html + "</tbody></table></div>"
}

fn rehearsal(tongue: Tongue, document: &Value) -> String {
    let played = &document["rehearsal"];
    if played.is_null() {
        return String::new();
    }
    let (total, level) = (&played["total"], &played["service_level_negative"]);
    let mut html = format!(
        "<h2>{}</h2><p>{}: {}</p>",
        tongue.say(
            "The plan, played by the real policy",
            "以實際派送規則模擬此計畫"
        ),
        tongue.say("times", "次數"),
        played["runs"]
    );
    html += &table_head(&[
        tongue.say("service level A_T/O", "服務水準 A_T/O"),
        tongue.say("95 % of it", "95 % 區間"),
        tongue.say("hang up", "放棄率"),
        tongue.say("ASA s", "平均應答秒"),
        tongue.say("occupancy", "佔用率"),
    ]);
    let _ = write!(
        html,
        "<tr><td>{}</td><td>{} ± {}</td><td>{}</td><td>{}</td><td>{}</td></tr></tbody></table></div>",
        percent(&total["service_level"]["negative"]),
        percent(&level["mean"]),
        percent(&level["within"]),
        percent(&total["abandon_rate"]),
        number(&total["asa_s"]),
        percent(&total["occupancy"]),
    );
    html
}

fn intervals(tongue: Tongue, document: &Value) -> String {
    let rows = list(document, "intervals");
    let is_staffed = rows.iter().any(|row| !row["staff"].is_null());
    let mut heads = vec![
        tongue.say("interval", "間隔"),
        tongue.say("expected", "預期"),
        tongue.say("low", "低"),
        tongue.say("high", "高"),
    ];
    if is_staffed {
        heads.extend([
            tongue.say("agents by C", "人數（C）"),
            tongue.say("agents by A", "人數（A）"),
            tongue.say("on the roster", "排班"),
            tongue.say("A: service level A_T/O", "A：服務水準 A_T/O"),
            tongue.say("A: hang up", "A：放棄率"),
            tongue.say("played: service level A_T/O", "模擬：服務水準 A_T/O"),
            tongue.say("played: hang up", "模擬：放棄率"),
        ]);
    }
    let mut html = format!("<h2>{}</h2>", tongue.say("Intervals", "各間隔"));
    html += &table_head(&heads);
    for row in rows
        .iter()
        .filter(|row| row["expected"].as_f64() != Some(0.0))
    {
        let start = row["start"].as_str().unwrap_or("");
        let start = start.get(..16).unwrap_or(start).replace('T', " ");
        let mut cells: Vec<String> = ["expected", "low", "high"]
            .map(|name| number(&row[name]))
            .into();
        if is_staffed {
            let (staff, played) = (&row["staff"], &row["rehearsal"]);
            let (c, a) = (&staff["erlang_c"], &staff["erlang_a"]);
            cells.extend([
                whole(&c["agents"]),
                whole(&a["agents"]),
                whole(&a["scheduled"]),
                percent(&a["service_level"]["negative"]),
                percent(&a["abandon_rate"]),
                percent(&played["service_level"]["negative"]),
                percent(&played["abandon_rate"]),
            ]);
        }
        let cells: String = cells
            .iter()
            .map(|cell| format!("<td>{cell}</td>"))
            .collect();
        let _ = write!(
            html,
            "<tr><td class=\"text\">{}</td>{cells}</tr>",
            escaped(&start)
        );
    }
    html + "</tbody></table></div>"
}

fn table_head(heads: &[&str]) -> String {
    let mut html = "<div class=\"wide\"><table><thead><tr>".to_owned();
    for (place, head) in heads.iter().enumerate() {
        let class = if place == 0 { " class=\"text\"" } else { "" };
        let _ = write!(html, "<th{class}>{}</th>", escaped(head));
    }
    html + "</tr></thead><tbody>"
}

fn list<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> String {
    let number = value.as_f64();
    number.map_or_else(|| NOTHING.to_owned(), |number| format!("{number:.1}"))
}

fn whole(value: &Value) -> String {
    let number = value.as_u64();
    number.map_or_else(|| NOTHING.to_owned(), |number| number.to_string())
}

fn percent(value: &Value) -> String {
    let share = value.as_f64();
    share.map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{:.1} %", share * 100.0),
    )
}
