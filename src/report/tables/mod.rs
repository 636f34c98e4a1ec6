//! Tables beside the intervals: what was lost, why, who came again, and what was solved. Each has one published
//! definition, which is printed with it in every format.

mod counted;
mod listed;

pub use listed::Listed;
pub(crate) use listed::is_lost;

use super::Report;
use super::words::Words;
use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum TableName {
    /// Volume beside what may explain it.
    Volume,
    /// Abandoned and lost calls, one by one.
    Lost,
    /// Why contacts were refused or failed.
    Failures,
    /// Who was sent where.
    Transfers,
    /// Callers who came more than once.
    RepeatCallers,
    /// Waits by symptom beside what callers put up with.
    Symptoms,
    /// What the first line solved.
    Resolution,
}

impl TableName {
    /// Every one, in the order in which they are printed.
    pub const ALL: [Self; 7] = [
        Self::Volume,
        Self::Lost,
        Self::Failures,
        Self::Transfers,
        Self::RepeatCallers,
        Self::Symptoms,
        Self::Resolution,
    ];

    /// Its name in files and addresses.
    pub fn as_str(self) -> &'static str {
        self.about().name
    }

    /// What it is called.
    pub fn title(self, words: &Words) -> &'static str {
        words.say(self.about().title)
    }

    /// What stands in it.
    pub fn definition(self, words: &Words) -> &'static str {
        words.say(self.about().definition)
    }

    fn about(self) -> About {
        match self {
            Self::Volume => About {
                name: "volume",
                title: ("Volume, and what stands beside it", "來話量與同期指標"),
                definition: (
                    "offered, different callers, repeat-caller share, incident share, service level (A_T / O) and \
                     satisfaction of the same period. More calls may mean that something is unstable, or that more \
                     people know the desk: no cause is told by this table",
                    "同一期間的進線、不同來電者、重複來電比例、事故比例、服務水準（A_T / O）與滿意度。來話增加可能表示系統不穩定，\
                     也可能表示更多人認識服務台：本表不指出原因",
                ),
            },
            Self::Lost => About {
                name: "lost",
                title: ("Abandoned and lost contacts", "放棄與流失的來話"),
                definition: (
                    "contacts that arrived in the period and that nobody answered: abandoned (left the line), blocked \
                     (refused before it) or failed (signalling or media); those turned into a call-back by the caller \
                     are not among them. Newest first, at most 200",
                    "期間內到達而無人接聽的來話：放棄（離開佇列）、阻擋（進入佇列前被拒）或失敗（信令或媒體）；\
                     來電者自行改為回撥者不在其中。由新到舊，最多 200 筆",
                ),
            },
            Self::Failures => About {
                name: "failures",
                title: ("Failures by cause", "失敗原因"),
                definition: (
                    "blocked and failed contacts by the cause their event tells; share: of O + blocked + failed of the \
                     queue",
                    "依事件所載原因統計的阻擋與失敗來話；比例：占該佇列的 O + 阻擋 + 失敗",
                ),
            },
            Self::Transfers => About {
                name: "transfers",
                title: ("Transfers and overflow", "轉接與溢出"),
                definition: (
                    "contacts that left a queue unanswered for another place (F), by where they went, and by the agent who \
                     had answered and handed them over, where one did. share: of O of the queue",
                    "未接聽即離開佇列前往他處的來話（F），依去向，以及接聽後轉交的專員（如有）。比例：占該佇列的 O",
                ),
            },
            Self::RepeatCallers => About {
                name: "repeat_callers",
                title: ("Repeat callers", "重複來電者"),
                definition: (
                    "callers with more than one contact that arrived in the period, by the CMS's word, else by number or \
                     address; most contacts first, at most 50",
                    "期間內來話超過一次的來電者，依 CMS，否則依號碼或地址；由多到少，最多 50 筆",
                ),
            },
            Self::Symptoms => About {
                name: "symptoms",
                title: ("Service level by symptom", "各症狀的服務水準"),
                definition: (
                    "contacts with a symptom recorded, by the caller's class; service_level: answered within T of their \
                     queue / contacts; tolerable_wait_share: wait <= what callers of the class put up with / contacts",
                    "有症狀紀錄的來話，依來電者等級；service_level：於其佇列的 T 內接聽 / 來話；\
                     tolerable_wait_share：等候 <= 該等級所能容忍的時間 / 來話",
                ),
            },
            Self::Resolution => About {
                name: "resolution",
                title: (
                    "First-contact and first-line resolution",
                    "首次聯絡與第一線解決率",
                ),
                definition: (
                    "tickets by the interval of opening and by what the report is divided by, queues as the lines that \
                     have them, with the symptoms and marks of contacts; the figures are those of the definitions below",
                    "依開立時段與報表的劃分統計的案件（佇列為現負責者），並列來話的症狀與評分；各指標見下方定義",
                ),
            },
        }
    }
}

/// What is said of a table.
struct About {
    name: &'static str,
    title: InBoth,
    definition: InBoth,
}

/// A text in English and in traditional Chinese.
pub(super) type InBoth = (&'static str, &'static str);

/// A column: its name in files, and its heading.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// In JSON and CSV.
    pub key: &'static str,
    heading: InBoth,
}

impl Head {
    /// What stands above it.
    pub fn heading(&self, words: &Words) -> &'static str {
        words.say(self.heading)
    }
}

pub(super) const fn head(key: &'static str, heading: InBoth) -> Head {
    Head { key, heading }
}

/// One field of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing is known, or there was nothing to divide by.
    Nothing,
    /// Words that are what somebody wrote, or a name.
    Text(String),
    /// A word of ours: as files have it, and as people read it.
    Word(&'static str, InBoth),
    /// When.
    Instant(Timestamp),
    /// How many.
    Count(i64),
    /// How long, in seconds.
    Seconds(f64),
    /// Part of a whole, 0 to 1.
    Share(f64),
    /// A figure of its own kind.
    Figure(f64),
    /// One contact, which can be called back.
    Contact(ContactId, CanBeCalledBack),
    /// How much more a figure is than the same one of another period.
    Difference(Box<Self>),
}

/// Whether a call-back can be ordered for a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanBeCalledBack {
    /// It was a call with a number, and none is ordered.
    Yes,
    /// No call, no number, or one is ordered already.
    No,
}

impl Value {
    /// Which period a row is of, where two are compared.
    pub(super) const REPORTED: Self = Self::Word("reported", ("reported", "本期"));
    /// See [`Value::REPORTED`].
    pub(super) const COMPARED: Self = Self::Word("compared", ("compared", "比較期"));
    /// See [`Value::REPORTED`].
    pub(super) const DIFFERENCE: Self = Self::Word("difference", ("difference", "差異"));

    /// This figure less the same one of another period; nothing where either is not known.
    pub(super) fn less(&self, other: &Self) -> Self {
        let difference = match (self, other) {
            (Self::Count(a), Self::Count(b)) => Self::Count(a - b),
            (Self::Seconds(a), Self::Seconds(b)) => Self::Seconds(a - b),
            (Self::Share(a), Self::Share(b)) => Self::Share(a - b),
            (Self::Figure(a), Self::Figure(b)) => Self::Figure(a - b),
            _ => return Self::Nothing,
        };
        Self::Difference(Box::new(difference))
    }

    /// How a contact ended, by the word that its record has for it.
    pub(super) fn result(word: &str) -> Self {
        match word {
            "abandoned" => Self::Word("abandoned", ("abandoned", "放棄")),
            "blocked" => Self::Word("blocked", ("blocked", "阻擋")),
            "failed" => Self::Word("failed", ("failed", "失敗")),
            other => Self::Text(other.to_owned()),
        }
    }

    pub(super) fn text(text: Option<String>) -> Self {
        text.filter(|text| !text.is_empty())
            .map_or(Self::Nothing, Self::Text)
    }

    pub(super) fn count(count: u64) -> Self {
        Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) fn seconds(seconds: Option<f64>) -> Self {
        seconds.map_or(Self::Nothing, Self::Seconds)
    }

    pub(super) fn share(share: Option<f64>) -> Self {
        share.map_or(Self::Nothing, Self::Share)
    }

    /// As people read it; instants by the report's wall clock.
    pub fn told(&self, report: &Report, words: &Words) -> String {
        match self {
            Self::Nothing => "–".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Word(_, said) => words.say(*said).to_owned(),
            Self::Instant(at) => {
                let local = report.period.local(*at).replace('T', " ");
                local.chars().take(19).collect()
            }
            Self::Count(count) => count.to_string(),
            Self::Seconds(seconds) => format!("{seconds:.1}"),
            Self::Share(share) => format!("{:.1} %", share * 100.0),
            Self::Figure(figure) => format!("{figure:.2}"),
            Self::Contact(contact, _) => contact.to_string(),
            Self::Difference(figure) => match &**figure {
                Self::Count(count) => format!("{count:+}"),
                Self::Seconds(seconds) => format!("{seconds:+.1}"),
                Self::Share(share) => format!("{:+.1} pp", share * 100.0),
                Self::Figure(figure) => format!("{figure:+.2}"),
                Self::Nothing
                | Self::Text(_)
                | Self::Word(..)
                | Self::Instant(_)
                | Self::Contact(..)
                | Self::Difference(_) => figure.told(report, words),
            },
        }
    }

    /// As files have it.
    pub fn to_json(&self, report: &Report) -> Json {
        match self {
            Self::Nothing => Json::Null,
            Self::Text(text) => json!(text),
            Self::Word(word, _) => json!(word),
            Self::Instant(at) => json!(report.period.local(*at)),
            Self::Count(count) => json!(count),
            Self::Seconds(figure) | Self::Share(figure) | Self::Figure(figure) => json!(figure),
            Self::Contact(contact, _) => json!(contact),
            Self::Difference(figure) => figure.to_json(report),
        }
    }

    /// Whether it stands to the left.
    pub fn is_words(&self) -> bool {
        match self {
            Self::Text(_) | Self::Word(..) | Self::Instant(_) | Self::Contact(..) => true,
            Self::Nothing
            | Self::Count(_)
            | Self::Seconds(_)
            | Self::Share(_)
            | Self::Figure(_)
            | Self::Difference(_) => false,
        }
    }
}

/// A table of one report.
#[derive(Clone, Debug)]
pub struct Table {
    /// Which.
    pub name: TableName,
    /// Its columns.
    pub heads: &'static [Head],
    /// How many of the columns are words.
    pub words: usize,
    /// Its rows, a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// Rows there were beyond those.
    pub left_out: u64,
}

impl Table {
    /// A heading and each row, for people.
    pub fn lines(&self, report: &Report, words: &Words) -> Vec<Vec<String>> {
        let heads = self.heads.iter().map(|head| head.heading(words).to_owned());
        let rows = self.rows.iter();
        let rows = rows.map(|row| row.iter().map(|value| value.told(report, words)).collect());
        std::iter::once(heads.collect()).chain(rows).collect()
    }

    /// Its rows as objects, with what they mean.
    pub fn to_json(&self, report: &Report) -> Json {
        let rows: Vec<Json> = self
            .rows
            .iter()
            .map(|row| {
                let fields = self.heads.iter().zip(row);
                let fields =
                    fields.map(|(head, value)| (head.key.to_owned(), value.to_json(report)));
                Json::Object(fields.collect::<Map<_, _>>())
            })
            .collect();
        json!({
            "definition": self.name.about().definition.0,
            "rows": rows,
            "left_out": self.left_out,
        })
    }
}

impl Report {
    /// Every table, in the order in which they are printed; what is told of single contacts is only there where the
    /// contacts' records were read.
    pub fn tables(&self) -> Vec<Table> {
        TableName::ALL
            .into_iter()
            .filter_map(|name| self.table(name))
            .collect()
    }

    /// One of them.
    pub fn table(&self, name: TableName) -> Option<Table> {
        match name {
            TableName::Volume => Some(counted::volume(self)),
            TableName::Lost => self.listed.as_ref().map(Listed::lost),
            TableName::Failures => Some(counted::failures(self)),
            TableName::Transfers => Some(counted::transfers(self)),
            TableName::RepeatCallers => self.listed.as_ref().map(Listed::repeat_callers),
            TableName::Symptoms => Some(counted::symptoms(self)),
            TableName::Resolution => Some(counted::resolution(self)),
        }
    }
}
