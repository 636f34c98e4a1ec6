//! What is wrong, in words of either language.

use super::tongue::Tongue;
use crate::forecast::{AskedFault, Fault, PAST_DAYS_MAX, Wrong};
use crate::report::PeriodFault;
use crate::report::period::INTERVALS_MAX;
use ringdown_routing::staffing::{LOAD_MAX, SERVERS_MAX, StaffingFault};

/// Why an agent does not see a page.
pub(super) fn not_for_agents(tongue: Tongue) -> &'static str {
    tongue.say(
        "What each queue and each agent did is shown to managers only: to the agents of `[web] managers`, and to who \
         signs in by a token with the right read or write. Ask who runs this desk.",
        "各佇列與各專員的數據僅供主管檢視：設定於 `[web] managers` 的專員，或以具 read／write 權限的權杖登入者。請洽系統管理員。",
    )
}

/// What is wrong with a period.
pub(super) fn of_period(tongue: Tongue, fault: &PeriodFault) -> String {
    if tongue == Tongue::English {
        return fault.to_string();
    }
    match fault {
        PeriodFault::Interval(text) => {
            format!(
                "「{text}」不是有效的間隔：請輸入能整除一天的整數分鐘，例如 15m、30m 或 1h，或 1d、1w（自週一起）、1mo"
            )
        }
        PeriodFault::DayPart(text) => {
            format!("「{text}」超過一天：請輸入能整除一天的整數分鐘，例如 15m、30m、1h 或 1d")
        }
        PeriodFault::Instant(text) => format!(
            "「{text}」不是有效的時間：請輸入 RFC 3339（2026-11-23T09:00:00+08:00）、當地時間（2026-11-23T09:00）、\
             日期（2026-11-23）、today、yesterday 或 now"
        ),
        PeriodFault::Backwards => "期間的結束早於開始".to_owned(),
        PeriodFault::TooLong => {
            format!("期間超過 {INTERVALS_MAX} 個間隔：請縮短期間或加大間隔")
        }
    }
}

/// What is wrong with a question about staff, and the field it is wrong in.
pub(super) fn of_staffing(tongue: Tongue, fault: &StaffingFault) -> (&'static str, String) {
    let field = match fault {
        StaffingFault::Figure(name, _) => name,
        StaffingFault::Target(_) => "target",
        StaffingFault::Load(_) => "calls",
        StaffingFault::Backlog(_) => "backlog",
        StaffingFault::Servers => "agents",
        StaffingFault::NoPatience => "patience",
    };
    if tongue == Tongue::English {
        return (field, fault.to_string());
    }
    let told = match fault {
        StaffingFault::Figure(name, _) => match *name {
            "calls" | "backlog" => "必須是 0 或以上的數字".to_owned(),
            "retrial" => "必須是 0 至 0.99 的比例".to_owned(),
            "shrinkage" => {
                "必須是 0 以上、小於 1 的比例，例如 0.3；合計至少留下 1% 的工時".to_owned()
            }
            "agents" | "concurrency" => "必須是 1 或以上的整數".to_owned(),
            _ => "必須大於 0 秒且不超過十年".to_owned(),
        },
        StaffingFault::Target(text) => format!(
            "「{text}」不是有效的目標：請輸入 百分比/秒數，例如 80/20；百分比須介於 0 與 100 之間，任何人數都無法保證 100%"
        ),
        StaffingFault::Load(erlang) => {
            format!("負載 {erlang:.0} erlang 超過可計算的上限（{LOAD_MAX:.0}）")
        }
        StaffingFault::Backlog(erlang) => {
            format!("積壓量於期限前為 {erlang:.0} erlang，超過可計算的上限（{LOAD_MAX:.0}）")
        }
        StaffingFault::Servers => format!("人數乘以同時處理數不得超過 {SERVERS_MAX}"),
        StaffingFault::NoPatience => "重撥者必須先放棄過：請一併輸入平均耐心時間".to_owned(),
    };
    (field, told)
}

/// A figure that is none.
pub(super) fn no_number(tongue: Tongue, text: &str) -> String {
    match tongue {
        Tongue::English => format!("`{text}` is not a number"),
        Tongue::Chinese => format!("「{text}」不是數字"),
    }
}

/// A field that may not be empty.
pub(super) fn empty(tongue: Tongue) -> String {
    tongue.say("This is needed.", "此欄必填。").to_owned()
}

/// A time that is none; `english` as [`crate::staffing::Seconds`] says it.
pub(super) fn no_time(tongue: Tongue, text: &str, english: String) -> String {
    match tongue {
        Tongue::English => english,
        Tongue::Chinese => format!("「{text}」不是有效的時間長度：請輸入秒數，或 90s、30m、4h、2d"),
    }
}

/// A share that is none; `english` as [`crate::staffing::Share`] says it.
pub(super) fn no_share(tongue: Tongue, text: &str, english: String) -> String {
    match tongue {
        Tongue::English => english,
        Tongue::Chinese => format!("「{text}」不是有效的比例：請輸入 0.3 或 30%，且小於全部"),
    }
}

/// A date that is none.
pub(super) fn no_date(tongue: Tongue, text: &str) -> String {
    let wrong = Wrong::NoDate(text.to_owned());
    match tongue {
        Tongue::English => wrong.to_string(),
        Tongue::Chinese => of_cell(&wrong),
    }
}

/// What is wrong with an uploaded file, where, a line each.
pub(super) fn of_file(tongue: Tongue, faults: &[Fault]) -> String {
    let each = faults.iter().map(|fault| match tongue {
        Tongue::English => format!(
            "line {}, column {}: {}",
            fault.line, fault.column, fault.what
        ),
        Tongue::Chinese => format!(
            "第 {} 行第 {} 欄：{}",
            fault.line,
            fault.column,
            of_cell(&fault.what)
        ),
    });
    each.collect::<Vec<_>>().join("; ")
}

/// In Chinese.
fn of_cell(wrong: &Wrong) -> String {
    match wrong {
        Wrong::NoLines => "檔案沒有內容".to_owned(),
        Wrong::NoDate(text) => format!("「{text}」不是日期，例如 2026-11-23"),
        Wrong::NoShare(text) => format!("「{text}」不是平日來量的比例，例如 0.4"),
        Wrong::NoTime(text) => {
            format!("「{text}」不是時間：請輸入 RFC 3339 或 2026-11-23 09:00")
        }
        Wrong::NoCount(text) => format!("「{text}」不是 0 至 1000000000 的數量"),
        Wrong::CountMissing => "時間之後沒有數量".to_owned(),
        Wrong::LinesApart(apart_s, interval_s) | Wrong::ColumnsApart(apart_s, interval_s) => {
            format!("資料相隔 {apart_s} 秒，間隔只有 {interval_s} 秒：請加大間隔")
        }
        Wrong::Unordered => "標題列的時間必須遞增".to_owned(),
        Wrong::HeadingMissing => "此欄上方的標題沒有時間".to_owned(),
    }
}

/// Why there is no forecast, and the field it is wrong in.
pub(super) fn of_forecast(tongue: Tongue, fault: &AskedFault) -> (&'static str, String) {
    match fault {
        AskedFault::SpecialDays(fault) => ("holidays", of_file(tongue, std::slice::from_ref(fault))),
        AskedFault::NoPast => (
            "file",
            tongue
                .say(
                    "Nothing is known of the past: give a file with arrivals, or wait until the desk's own log has some.",
                    "沒有可用的歷史資料：請上傳含來量的檔案，或等待系統紀錄累積。",
                )
                .to_owned(),
        ),
        AskedFault::TooLong => (
            "file",
            match tongue {
                Tongue::English => fault.to_string(),
                Tongue::Chinese => format!("歷史資料超過 {PAST_DAYS_MAX} 天：請移除較舊的資料"),
            },
        ),
        AskedFault::BeyondCalendar => (
            "from",
            match tongue {
                Tongue::English => fault.to_string(),
                Tongue::Chinese => "預測日期須介於西元 1970 至 9999 年".to_owned(),
            },
        ),
        AskedFault::Staffing(fault) => of_staffing(tongue, fault),
        AskedFault::TooMuchLoad(erlang) => (
            "days",
            match tongue {
                Tongue::English => fault.to_string(),
                Tongue::Chinese => {
                    format!("各時段話務量合計 {erlang:.0} erlang，超過可計算的範圍：請減少天數或加大間隔")
                }
            },
        ),
        AskedFault::TooMuch(most) => (
            "runs",
            match tongue {
                Tongue::English => fault.to_string(),
                Tongue::Chinese => format!("此計畫的來量或人數過多，最多只能模擬 {most} 次"),
            },
        ),
    }
}
