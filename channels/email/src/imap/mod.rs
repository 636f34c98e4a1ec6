//! Mail that waits in a folder of somebody else's server (IMAP, RFC 9051 and RFC 3501).
//!
//! What to ask a folder for is decided here, from what was taken of it before; [`shell`] speaks the protocol,
//! by the `async-imap` crate. The caller stores each mail and only then has it put away, so a crash leaves at
//! worst a mail that is offered again, and the same mail twice is one article.

pub mod shell;
mod way;

use std::fmt::Write as _;

/// How far a folder was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// UIDVALIDITY of the folder then: with another one, UIDs name other mails (RFC 9051 §2.3.1.1).
    pub validity: u32,
    /// Every mail up to this UID was taken.
    pub taken_max: u32,
    /// The UTC day of the last whole look, in days since 1970-01-01.
    pub day: i64,
}

/// What is taken of the mails that lay in a folder before the first look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Those that nobody has read.
    #[default]
    Unseen,
    /// All.
    All,
    /// None.
    None,
}

/// What a folder is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Every mail from this UID on, read or not: somebody may look at the folder with a mail program.
    From(u32),
    /// Every mail that nobody has read.
    Unseen,
    /// Every mail that nobody has read, and what came on this UTC day or later.
    UnseenOrSince(i64),
    /// Nothing that is there now.
    Nothing,
}

impl Look {
    /// Decides what to ask for.
    ///
    /// When UIDVALIDITY has changed, the server has made the folder anew and the UIDs of before say nothing. Then
    /// what is unread is taken, and what came since the day before the last look; that finds again what
    /// was taken that day, which is harmless.
    pub fn decide(known: Option<Position>, validity: u32, existing: Existing) -> Self {
        match (known, existing) {
            (Some(known), _) if known.validity == validity => {
                Self::From(known.taken_max.saturating_add(1))
            }
            (Some(known), _) => Self::UnseenOrSince(known.day - 1),
            (None, Existing::Unseen) => Self::Unseen,
            (None, Existing::All) => Self::From(1),
            (None, Existing::None) => Self::Nothing,
        }
    }

    /// The search that finds it (RFC 9051 §6.4.4); `None` when there is nothing to search for.
    pub fn search(&self) -> Option<String> {
        match self {
            Self::From(uid) => Some(format!("UID {uid}:*")),
            Self::Unseen => Some("UNSEEN".to_owned()),
            Self::UnseenOrSince(day) => Some(format!("OR UNSEEN SINCE {}", told_day(*day))),
            Self::Nothing => None,
        }
    }

    /// Whether a UID that the search found is wanted: `n:*` gives the last mail even when its UID is below n
    /// (RFC 9051 §9, seq-range).
    pub fn wants(&self, uid: u32) -> bool {
        match self {
            Self::From(first) => uid >= *first,
            Self::Unseen | Self::UnseenOrSince(_) => true,
            Self::Nothing => false,
        }
    }
}

/// A day as `date` of RFC 9051 §9 has it: `26-Nov-2026`.
fn told_day(day: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let name = usize::try_from(month - 1)
        .ok()
        .and_then(|month| MONTHS.get(month))
        .unwrap_or(&"Jan");
    format!("{day_of_month}-{name}-{year}")
}

/// The name of a folder as it goes over the wire: modified UTF-7 (RFC 3501 §5.1.3), which every server takes.
pub fn folder_on_the_wire(name: &str) -> String {
    let mut wire = String::with_capacity(name.len());
    let mut shifted = Vec::new();
    for character in name.chars() {
        if matches!(character, ' '..='~') {
            end_shift(&mut wire, &mut shifted);
            wire.push(character);
            if character == '&' {
                wire.push('-');
            }
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shifted.extend(unit.to_be_bytes());
            }
        }
    }
    end_shift(&mut wire, &mut shifted);
    wire
}

fn end_shift(wire: &mut String, shifted: &mut Vec<u8>) {
    use base64::Engine as _;
    if shifted.is_empty() {
        return;
    }
    let coded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&shifted);
    // Writing to a String cannot fail.
    let _ = write!(wire, "&{}-", coded.replace('/', ","));
    shifted.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_asked_for_what_was_not_taken() {
        let known = Position {
            validity: 7,
            taken_max: 41,
            day: 20_783,
        };
        for (known, validity, existing, search) in [
            (Some(known), 7, Existing::Unseen, Some("UID 42:*")),
            (
                Some(known),
                8,
                Existing::None,
                Some("OR UNSEEN SINCE 25-Nov-2026"),
            ),
            (None, 7, Existing::Unseen, Some("UNSEEN")),
            (None, 7, Existing::All, Some("UID 1:*")),
            (None, 7, Existing::None, None),
        ] {
            let look = Look::decide(known, validity, existing);
            assert_eq!(look.search().as_deref(), search, "{look:?}");
        }
    }

    #[test]
    fn the_last_mail_is_not_taken_twice_for_the_star() {
        let look = Look::From(42);
        assert!(!look.wants(41) && look.wants(42));
    }

    #[test]
    fn days_are_told_as_imap_has_them() {
        for (day, told) in [
            (0, "1-Jan-1970"),
            (-1, "31-Dec-1969"),
            (11_016, "29-Feb-2000"),
            (20_783, "26-Nov-2026"),
            (20_819, "1-Jan-2027"),
        ] {
            assert_eq!(told_day(day), told);
        }
    }

    #[test]
    fn names_of_folders_are_modified_utf_7() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("Q&A", "Q&-A"),
            ("台北", "&U,BTFw-"),
            // RFC 3501 §5.1.3's own example.
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("📞", "&2D3c3g-"),
        ] {
            assert_eq!(folder_on_the_wire(name), wire);
        }
    }
}
