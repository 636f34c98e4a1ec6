//! The table of answers by mail: how long tickets waited for them, by line and by who gave them.

use super::table::{clock, percent};
use super::{Group, Report, Words};
use ringdown_routing::statistics::{Facet, Figures, Spread, Tally};

/// A heading, each line that mails came by, each agent who answered and the total; the first two columns are
/// words. Empty when no ticket waited for an answer by mail.
pub(super) fn answer_lines(report: &Report, words: &Words) -> Vec<Vec<String>> {
    if !has_answers(&report.total) {
        return Vec::new();
    }
    let said = Said::of(words);
    let mut lines = vec![said.heading.map(str::to_owned).to_vec()];
    for (group, (tally, spread)) in &report.groups {
        if let Group::Queue(queue) = group
            && has_answers(tally)
        {
            lines.push(line(words.queue, queue.as_str(), tally, spread));
        }
    }
    for (facet, (tally, spread)) in &report.facets {
        if let Facet::Agent(agent) = facet
            && has_answers(tally)
        {
            lines.push(line(said.agent, agent.as_str(), tally, spread));
        }
    }
    lines.push(line(words.total, words.all, &report.total, &report.spread));
    lines
}

/// What stands above the table.
pub(super) fn title(words: &Words) -> &'static str {
    Said::of(words).title
}

pub(super) fn has_answers(tally: &Tally) -> bool {
    tally.answers.awaited + tally.answers.all().given > 0
}

fn line(kind: &str, name: &str, tally: &Tally, spread: &Spread) -> Vec<String> {
    let figures: Figures = tally.figures();
    vec![
        kind.to_owned(),
        name.to_owned(),
        figures.answers_awaited.to_string(),
        figures.answers_given.to_string(),
        figures.answer_backlog.to_string(),
        time(figures.answer_backlog_age_s),
        time(figures.first_answer_time_s),
        time(figures.next_answer_time_s),
        time(spread.answer_time_s.p90),
        time(figures.answer_elapsed_s),
        percent(figures.answers_in_time),
    ]
}

fn time(seconds: Option<f64>) -> String {
    let millis = seconds.map(|seconds| std::time::Duration::from_secs_f64(seconds.max(0.0)));
    let millis = millis.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    millis.map_or_else(|| super::table::NOTHING.to_owned(), clock)
}

struct Said {
    title: &'static str,
    agent: &'static str,
    heading: [&'static str; 11],
}

impl Said {
    fn of(words: &Words) -> &'static Self {
        match words.tag {
            "zh-TW" => &CHINESE,
            _ => &ENGLISH,
        }
    }
}

static ENGLISH: Said = Said {
    title: "Answers by mail (h:mm:ss of opening hours, by arrival of the first unanswered mail)",
    agent: "agent",
    heading: [
        "answers by mail",
        "",
        "awaited",
        "given",
        "backlog",
        "its mean age",
        "first answer",
        "next answer",
        "p90",
        "by the clock",
        "in time",
    ],
};

static CHINESE: Said = Said {
    title: "郵件回覆（營業時間內的 時:分:秒，依首封未回覆郵件的到達）",
    agent: "專員",
    heading: [
        "郵件回覆",
        "",
        "待回覆",
        "已回覆",
        "積壓",
        "積壓平均時間",
        "首次回覆",
        "後續回覆",
        "九成",
        "依時鐘",
        "期限內",
    ],
};
