//! What reports say, in the languages of the desk: English and traditional Chinese.

use super::By;
use crate::config::Language;
use ringdown_routing::statistics::{ATTRIBUTION, Definition};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// O.
    Offered,
    /// A.
    Answered,
    /// B.
    Abandoned,
    /// S.
    Short,
    /// F.
    FlowedOut,
    /// CB.
    Callbacks,
    /// Still waiting.
    Waiting,
    /// Refused before the queue.
    Blocked,
    /// Told of a major incident, and gone.
    Informed,
    /// Lost by signalling or media.
    Failed,
    /// Average speed of answer.
    Asa,
    /// The wait nine of ten answers do not exceed.
    AnswerWaitP90,
    /// Average handle time.
    Aht,
    /// Service level, with its variant in the heading.
    ServiceLevel,
    /// Longest wait.
    LongestWait,
    /// Occupancy.
    Occupancy,
    /// Cost.
    Cost,
    /// Cost for each answered contact.
    CostPerContact,
    /// Cost for each minute spoken.
    CostPerMinute,
}

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// The language's tag.
    pub(super) tag: &'static str,
    pub(super) title: &'static str,
    pub(super) interval: &'static str,
    pub(super) queue: &'static str,
    pub(super) total: &'static str,
    pub(super) all: &'static str,
    pub(super) compared: &'static str,
    pub(super) change: &'static str,
    pub(super) counted_by: &'static str,
    pub(super) number: &'static str,
    pub(super) caller_class: &'static str,
    pub(super) skill: &'static str,
    pub(super) other: &'static str,
    pub(super) agent_columns: [&'static str; 13],
    /// Agent, reason, what it counts as, time.
    pub(super) reason_columns: [&'static str; 4],
    pub(super) productive: &'static str,
    pub(super) unproductive: &'static str,
    pub(super) conserved: &'static str,
    pub(super) not_conserved: &'static str,
    pub(super) holes: &'static str,
    pub(super) definitions: &'static str,
    pub(super) attribution: &'static str,
    columns: fn(Column) -> &'static str,
    formulas: fn(&str) -> Option<&'static str>,
}

impl Words {
    /// The words of a language; English when there are none in it.
    pub fn of(language: &Language) -> &'static Self {
        match language.primary() {
            "zh" => &CHINESE,
            _ => &ENGLISH,
        }
    }

    /// What is said where O is not A + B + F + CB + still waiting.
    pub(crate) fn not_conserved(&self) -> &'static str {
        self.not_conserved
    }

    /// The words of files, which are the same wherever they are read.
    pub(super) fn english() -> &'static Self {
        &ENGLISH
    }

    /// The language they are of.
    pub(super) fn language(&self) -> Language {
        #[expect(clippy::expect_used, reason = "the tags are constants of this file")]
        self.tag.parse().expect("a constant tag is a language")
    }

    /// What a report is called.
    pub fn title(&self) -> &'static str {
        self.title
    }

    pub(super) fn is_chinese(&self) -> bool {
        self.tag == CHINESE.tag
    }

    /// The one of two texts, English and traditional Chinese, that is in this language.
    pub(crate) fn say(&self, (english, chinese): (&'static str, &'static str)) -> &'static str {
        match self.tag {
            "zh-TW" => chinese,
            _ => english,
        }
    }

    /// What a report is divided by.
    pub(crate) fn by(&self, by: By) -> &'static str {
        match by {
            By::Queue => self.queue,
            By::Agent => self.agent_columns[0],
            By::Skill => self.skill,
            By::Channel => self.say(("channel", "管道")),
            By::Number => self.number,
            By::CallerClass => self.caller_class,
        }
    }

    pub(super) fn column(&self, column: Column) -> &'static str {
        (self.columns)(column)
    }

    pub(crate) fn formula(&self, definition: &Definition) -> &'static str {
        (self.formulas)(definition.field).unwrap_or(definition.formula)
    }
}

static ENGLISH: Words = Words {
    tag: "en",
    title: "Contacts by interval of arrival",
    interval: "interval",
    queue: "queue",
    total: "total",
    all: "(all)",
    compared: "compared",
    change: "difference",
    counted_by: "counted by",
    number: "number",
    caller_class: "caller class",
    skill: "skill",
    other: "all others",
    agent_columns: [
        "agent",
        "logged in",
        "idle",
        "ringing",
        "talk",
        "hold",
        "wrap-up",
        "not ready",
        "unreachable",
        "offers",
        "answers",
        "ring time-outs",
        "declines",
    ],
    reason_columns: ["agent", "not ready because", "counts as", "time"],
    productive: "work",
    unproductive: "break",
    conserved: "Everybody is accounted for: O = A + B + F + CB + waiting in every interval.",
    not_conserved: "NOT everybody is accounted for: the event log has holes (O differs from A + B + F + CB + waiting).",
    holes: "Contacts whose log has holes:",
    definitions: "Definitions",
    attribution: ATTRIBUTION,
    columns: |column| match column {
        Column::Offered => "offered",
        Column::Answered => "answered",
        Column::Abandoned => "abandoned",
        Column::Short => "of these short",
        Column::FlowedOut => "flowed out",
        Column::Callbacks => "call-backs",
        Column::Waiting => "waiting",
        Column::Blocked => "blocked",
        Column::Informed => "informed",
        Column::Failed => "failed",
        Column::Asa => "ASA s",
        Column::AnswerWaitP90 => "p90 s",
        Column::Aht => "AHT s",
        Column::ServiceLevel => "SL A_T/O",
        Column::LongestWait => "longest s",
        Column::Occupancy => "occupancy",
        Column::Cost => "cost",
        Column::CostPerContact => "a contact",
        Column::CostPerMinute => "a minute",
    },
    formulas: |_| None,
};

static CHINESE: Words = Words {
    tag: "zh-TW",
    title: "來話統計（依到達時段）",
    interval: "時段",
    queue: "佇列",
    total: "合計",
    all: "（全部）",
    compared: "比較期間",
    change: "差異",
    counted_by: "依",
    number: "號碼",
    caller_class: "來電者等級",
    skill: "技能",
    other: "其餘",
    agent_columns: [
        "專員",
        "登入",
        "待命",
        "響鈴",
        "通話",
        "保留",
        "後續處理",
        "未就緒",
        "失聯",
        "派送",
        "應答",
        "未接",
        "拒接",
    ],
    reason_columns: ["專員", "未就緒原因", "計為", "時間"],
    productive: "工作",
    unproductive: "休息",
    conserved: "人數相符：每一時段皆為 O = A + B + F + CB + 等候中。",
    not_conserved: "人數不符：事件紀錄有缺漏（O 不等於 A + B + F + CB + 等候中）。",
    holes: "紀錄有缺漏的來話：",
    definitions: "定義",
    attribution: "來話計入其到達的時段，其後的結束會修正該時段；專員時間依時鐘切分。閘道失聯之來話計為失敗；若閘道於十二小時內取回，\
     則依其後的結果計。依號碼、等級、技能與專員劃分時，案件隨其開立之來話，症狀與評分隨其來話，\
     郵件等候隨其首封郵件；專員為接聽該來話者，轉交後為最後接聽者，郵件回覆則為回覆者，等候回覆不屬任何專員。\
     依佇列劃分時，專員時間計入其當時服務的佇列；同時服務兩佇列者，兩者皆計。橫線（null）表示分母為零。",
    columns: |column| match column {
        Column::Offered => "進線",
        Column::Answered => "接聽",
        Column::Abandoned => "放棄",
        Column::Short => "其中短暫",
        Column::FlowedOut => "溢出",
        Column::Callbacks => "回撥",
        Column::Waiting => "等候中",
        Column::Blocked => "阻擋",
        Column::Informed => "已告知",
        Column::Failed => "失敗",
        Column::Asa => "平均應答 秒",
        Column::AnswerWaitP90 => "九成應答 秒",
        Column::Aht => "平均處理 秒",
        Column::ServiceLevel => "服務水準 A_T/O",
        Column::LongestWait => "最長等候 秒",
        Column::Occupancy => "佔用率",
        Column::Cost => "成本",
        Column::CostPerContact => "每通成本",
        Column::CostPerMinute => "每分鐘成本",
    },
    formulas: chinese_formula,
};

fn chinese_formula(field: &str) -> Option<&'static str> {
    Some(match field {
        "offered" => "O：進入佇列；溢出到另一佇列者，在該佇列再計一次",
        "answered" => "A：由專員接聽",
        "abandoned" => "B：接聽前離開佇列",
        "flowed_out" => "F：接聽前溢出或轉出",
        "callbacks" => "CB：改為回撥",
        "waiting" => "仍在佇列；恆有 O = A + B + F + CB + 等候中",
        "short_abandoned" => "S：放棄且等候 < short_abandon_s（嚴格小於）",
        "answered_within" => "A_T：接聽且等候 <= T（佇列的 service_level_s）",
        "abandoned_within" => "B_T：放棄且等候 <= T",
        "blocked" => "進入佇列前被拒：線路或上限已滿、未開放；不計入 O",
        "failed" => "信令或媒體失敗而無結果；不計入 O",
        "left_before_queue" => "在問候語或選單中離開；不計入 O",
        "informed" => "聽取重大事故說明後離開，已登記於該事故；不計入 O",
        "in_progress" => "已接聽而未結束；計入 A",
        "asa_s" => "（接聽 - 首次入列）總和 / A，含響鈴與重新入列",
        "aht_s" => "（通話 + 保留 + 後續處理）/ A；通話不含保留",
        "abandon_wait_s" => "B 的平均等候",
        "longest_wait_s" => "接聽、放棄與等候中的最長等候",
        "occupancy" => {
            "（通話 + 保留 + 後續處理）/（通話 + 保留 + 後續處理 + 待命），專員服務該佇列期間，依時鐘"
        }
        "utilisation" => "（通話 + 保留 + 後續處理）/ 登入時間，專員服務該佇列期間，依時鐘",
        "percentiles.answer_wait_s" => {
            "A 的等候之 50、80、90、95、99 百分位數，誤差 1/128 以內，依到達時段"
        }
        "percentiles.abandon_wait_s" => "B 的等候之同樣百分位數",
        "percentiles.answer_time_s" => "已獲回覆的郵件等候之同樣百分位數，僅計營業時間",
        "percentiles.handle_time_s" => "已結束者（通話 + 保留 + 後續處理）之同樣百分位數",
        "handling_rate" => "A /（O + 阻擋 + 失敗）",
        "failure_rate" => "（阻擋 + 失敗 +（B - S））/（O + 阻擋 + 失敗），各部分另列",
        "identified" => "O 內外所有來話中，已知來電者、號碼或地址者",
        "repeated" => "已識別者中，該來電者於前七日內另有來話者",
        "distinct_callers" => {
            "已識別者中不同的來電者：依 CMS，否則依號碼或地址；512 人以內為精確值，以上為估計值"
        }
        "distinct_callers_error" => "distinct_callers 的標準誤差比例；0 表示精確",
        "repeat_caller_share" => "重複來電 / 已識別",
        "incident_share" => "以事故開立的案件 / 開立的案件，依開立時段",
        "first_contact_resolution" => {
            "第一線於首次聯絡即解決，且七日內同一來電者未再就同一服務來話的案件 / 合格案件；合格：為來話開立，且非重大事故、未併入他案"
        }
        "first_line_resolution" => "未經第一線以外處理而解決的案件 / 合格案件",
        "mean_time_to_resolve_s" => "第一線解決的案件，自開立至解決的平均時間",
        "mean_time_to_escalate_s" => "自開立至首次轉往第一線以外的平均時間",
        "mean_time_to_close_s" => "已解決並結案者，自解決至結案（檢視）的平均時間",
        "solved_within_target" => "於其優先等級的目標時間內解決的案件 / 有目標時間的已解決案件",
        "tolerable_wait_share" => {
            "等候 <= 該等級來電者對該症狀所能容忍時間的來話 / 有症狀紀錄的來話"
        }
        "satisfaction" => "評分 1（不滿意）至 5 的平均，依被詢問之來話的到達時段",
        "answers_awaited" => "案件開始等候郵件回覆的次數：其首封未回覆郵件到達；依郵件進入的佇列",
        "answers_given" => "其中以專員回覆結束者，依該專員的佇列；依首封未回覆郵件的到達時段",
        "answer_backlog" => {
            "尚未結束的等候（由任一佇列回覆，或不再回覆：結案、合併、垃圾郵件，即為結束），依郵件目前所在的佇列：\
             answers_awaited 加上轉入者，減去轉出或已結束者"
        }
        "answer_backlog_age_s" => "answer_backlog 的（現在 - 首封未回覆郵件到達）之平均",
        "answer_time_s" => {
            "自首封未回覆郵件至回覆，落在回覆專員佇列營業時間內的時間總和 / answers_given"
        }
        "first_answer_time_s" => "案件首次獲專員回覆者之同樣平均",
        "next_answer_time_s" => "其後各次回覆之同樣平均",
        "answer_elapsed_s" => "自首封未回覆郵件至回覆，依時鐘的時間總和 / answers_given",
        "answers_in_time" => "於期限前回覆者 / 有期限的回覆",
        "first_answers_in_time" => "案件首次獲專員回覆者之同樣比例",
        "next_answers_in_time" => "其後各次回覆之同樣比例",
        "cost" => {
            "服務台成本：專員登入時數與時鐘時數乘以設定的費率；部分範圍依其（通話 + 保留 + 後續處理）分攤"
        }
        "cost_per_contact" => "成本 / A",
        "cost_per_minute" => "成本 / 通話分鐘",
        _ => return None,
    })
}
