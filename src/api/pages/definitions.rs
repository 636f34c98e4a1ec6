//! `/definitions`: every figure by its name, with its one formula.

use super::shell::{Page, page};
use super::tongue::Tongue;
use super::visitor::Visitor;
use crate::api::ApiState;
use crate::forecast;
use crate::mail::work;
use crate::report::{TableName, Words, escaped};
use axum::extract::State;
use axum::response::Response;
use ringdown_routing::staffing;
use ringdown_routing::statistics::{DEFINITIONS, SPREAD_DEFINITIONS};
use std::fmt::Write;

/// Shows them.
pub(super) async fn show(State(state): State<ApiState>, visitor: Visitor) -> Response {
    let tongue = visitor.tongue;
    let mut body = String::new();
    for (heading, pairs) in sections(tongue) {
        body += &list(heading, &pairs);
    }
    page(Page {
        state: &state,
        tongue,
        title: tongue.say("Definitions", "名詞定義"),
        here: &visitor.here,
        caller: Some(&visitor.caller),
        body: &body,
    })
}

fn list(heading: &str, pairs: &[Pair]) -> String {
    let mut html = format!("<h2>{heading}</h2><dl>");
    for (field, formula) in pairs {
        let _ = write!(html, "<dt>{field}</dt><dd>{}</dd>", escaped(formula));
    }
    html + "</dl>\n"
}

/// The formulas of staff, to stand below its figures.
pub(super) fn of_staffing(tongue: Tongue) -> String {
    let each = staffing::DEFINITIONS.iter();
    let pairs: Vec<Pair> = each
        .map(|it| in_words(tongue, (it.field, it.formula)))
        .collect();
    list(
        tongue.say("Definitions: staffing", "定義：人力配置"),
        &pairs,
    )
}

/// The formulas of forecasts.
pub(super) fn of_forecasts(tongue: Tongue) -> String {
    let pairs = forecast::DEFINITIONS.map(|pair| in_words(tongue, pair));
    list(
        tongue.say("Definitions: forecast", "定義：來量預測"),
        &pairs,
    )
}

fn in_words(tongue: Tongue, (field, formula): Pair) -> Pair {
    match tongue {
        Tongue::English => (field, formula),
        Tongue::Chinese => (field, chinese(field, formula)),
    }
}

type Pair = (&'static str, &'static str);

/// Every definition, by what it belongs to.
fn sections(tongue: Tongue) -> Vec<(&'static str, Vec<Pair>)> {
    let language = tongue.language();
    let words = Words::of(&language);
    let in_words = |pair: Pair| in_words(tongue, pair);
    let reports = DEFINITIONS.iter().chain(SPREAD_DEFINITIONS);
    let tables = TableName::ALL.into_iter();
    let staffing = staffing::DEFINITIONS.iter();
    vec![
        (
            tongue.say("Reports", "報表"),
            reports.map(|it| (it.field, words.formula(it))).collect(),
        ),
        (
            tongue.say("Tables of reports", "報表中的表格"),
            tables
                .map(|it| (it.as_str(), it.definition(words)))
                .collect(),
        ),
        (
            tongue.say("Answers by mail", "郵件回覆"),
            work::DEFINITIONS.map(in_words).to_vec(),
        ),
        (
            tongue.say("Staffing", "人力配置"),
            staffing
                .map(|it| in_words((it.field, it.formula)))
                .collect(),
        ),
        (
            tongue.say("Forecast", "來量預測"),
            forecast::DEFINITIONS.map(in_words).to_vec(),
        ),
    ]
}

/// The formulas of mails, staff and forecasts in Chinese; those that are symbols alone stay as they are.
fn chinese(field: &str, english: &'static str) -> &'static str {
    match field {
        "answered" => {
            "期間內開始、以專員回覆結束的郵件等候，依該專員的佇列；等候自首封未回覆的郵件開始"
        }
        "answer_working_s" => "自首封未回覆郵件至回覆，落在佇列營業時間內的時間總和 / answered",
        "in_time_share" => "於期限前回覆者 / 有期限的回覆",
        "backlog" => "目前等候回覆的案件，依其來話的佇列，不論期間",
        "oldest_age_s" => "等候最久者：現在 - 首封未回覆郵件；oldest_age_working_s 僅計營業時間",
        "judged" => "期間內對滿意度詢問的回答",
        "satisfaction" => "評分 1（不滿意）至 5 的總和 / judged",
        "load_erlang" => "a = 來量 x 平均處理時間（AHT）/ 間隔",
        "agents" => "n：所輸入者，否則為達成目標的最少人數（erlang_a：依 A_T/O）",
        "scheduled" => "ceil(n / (1 - 耗損率))；多項耗損率相乘",
        "erlang_c.service_level" => "1 - C e^{-(n-a)T/AHT}；無人離開，故四種算法相同",
        "erlang_a" => "生滅過程，死亡率 min(k,n)/AHT + (k-n)+/耐心時間",
        "erlang_a.mean_wait_s" => "所有來話的平均等候，含接聽與離開者",
        "erlang_a.service_level" => {
            "四種算法：negative A_T/O、positive (A_T+B_T)/O、ignored A_T/(O-B_T)、handled A_T/A"
        }
        "erlang_x" => {
            "負載為 a x attempts_each 的 erlang_a，其中 attempts_each (1 - 重撥率 x abandon_rate) = 1"
        }
        "deadline.agents" => "ceil(max(a, 積壓 x AHT / 期限))",
        "wait_percentiles_s" => "滿足 P(W > t) <= 1 - p 的最小 t，依所有來話",
        "expected" => "該間隔的預期來量，依所選方法；特殊日乘以其係數",
        "low, high" => {
            "expected 加上回測誤差（以 sqrt(expected) 為單位）的第 10 與第 90 百分位數：五個間隔中有四個落在其間"
        }
        "weighted_absolute_error" => {
            "所有保留日各間隔的 |實際 - 推估| 總和 / 實際總和，各間隔僅以其前的日子推估"
        }
        "method" => "中位數法，除非另一方法在回測中較佳",
        "rehearsal" => "以實際派送規則演練該計畫（人數依 Erlang A，否則 C），佇列延續，各次合計",
        _ => english,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_told_in_chinese_unless_it_is_symbols_alone() {
        let english = sections(Tongue::English).into_iter().flat_map(|it| it.1);
        let chinese = sections(Tongue::Chinese).into_iter().flat_map(|it| it.1);
        for ((field, english), (_, chinese)) in english.zip(chinese) {
            let is_chinese = chinese.chars().any(|letter| letter >= '\u{4e00}');
            // A name of the field of two letters and more is a word; `AHT`, `min` and `ceil` are symbols.
            let mut words = english.split(|letter: char| !letter.is_ascii_alphabetic());
            let is_symbols =
                words.all(|word| word.len() < 4 || word == "abandon" || word == "rate");
            assert!(is_chinese || is_symbols, "{field}: {chinese}");
        }
    }
}
