//! Taking a person's names out of a text or an event.

use ringdown_routing::statistics::CallerKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that tells who somebody is, and what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) kind: NameKind,
    /// As it is stored; numbers and addresses in lower case.
    pub(super) name: String,
    /// Random, and used for nothing else.
    pub(super) instead: String,
}

/// What kind of name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NameKind {
    /// A telephone number, as one of its ways of writing.
    Phone,
    /// A mail address.
    Email,
    /// The person's key in the CMS.
    Caller,
}

/// Shorter numbers are looked for only where a caller stands: `100` may be anything.
const LETTERS_MIN: usize = 6;

impl Name {
    pub(super) fn new(kind: NameKind, name: &str) -> Self {
        let random = rand::random::<u128>();
        Self {
            kind,
            name: match kind {
                NameKind::Phone | NameKind::Email => name.to_lowercase(),
                NameKind::Caller => name.to_owned(),
            },
            instead: match kind {
                NameKind::Phone | NameKind::Caller => format!("erased-{random:032x}"),
                NameKind::Email => format!("erased-{random:032x}@erased.invalid"),
            },
        }
    }

    pub(super) fn is_address(&self) -> bool {
        match self.kind {
            NameKind::Phone | NameKind::Email => true,
            NameKind::Caller => false,
        }
    }

    /// What the statistics know it by, and what they shall know it by.
    pub(super) fn keys(&self) -> Option<(CallerKey, CallerKey)> {
        match self.kind {
            NameKind::Caller => Some((
                CallerKey::of_caller(&self.name),
                CallerKey::of_caller(&self.instead),
            )),
            NameKind::Phone | NameKind::Email => Some((
                CallerKey::of_address(&self.name)?,
                CallerKey::of_address(&self.instead)?,
            )),
        }
    }

    /// Parts of a JSON text, in lower case, without all of which the name is not in it.
    pub(super) fn parts(&self) -> Vec<String> {
        let quoted = Value::from(self.name.to_lowercase()).to_string();
        match self.kind {
            NameKind::Caller => vec![format!("\"caller\":{quoted}")],
            NameKind::Phone | NameKind::Email if self.name.len() < LETTERS_MIN => {
                ["from", "number"]
                    .map(|key| format!("\"{key}\":{quoted}"))
                    .into()
            }
            NameKind::Phone | NameKind::Email => vec![quoted.trim_matches('"').to_owned()],
        }
    }

    /// A pattern for LIKE that matches every text, in lower case, in which the name stands as people write it; other
    /// texts may match as well. Only of names that are looked for in any text.
    pub(super) fn pattern(&self) -> String {
        match self.kind {
            NameKind::Email | NameKind::Caller => format!("%{}%", escaped(&self.name)),
            NameKind::Phone => {
                let last = self.name.len().saturating_sub(DIGITS_ALIKE);
                let digits = self.name.get(last..).unwrap_or(&self.name).chars();
                digits.fold("%".to_owned(), |pattern, digit| {
                    format!("{pattern}{digit}%")
                })
            }
        }
    }

    /// Whether it is looked for in any text.
    pub(super) fn is_telling(&self) -> bool {
        self.is_address() && self.name.len() >= LETTERS_MIN
    }

    fn replace_in(&self, place: Place<'_>, text: &mut String) -> bool {
        let is_it = match self.kind {
            NameKind::Caller => place.key == "caller" && *text == self.name,
            NameKind::Phone | NameKind::Email => {
                place.is_a_callers() && text.to_lowercase() == self.name
            }
        };
        if is_it {
            text.clone_from(&self.instead);
            return true;
        }
        if !self.is_telling() {
            return false;
        }
        let replaced = match self.kind {
            NameKind::Phone => replaced(text, &self.instead, |lower, at| {
                number_at(lower, at, &self.name)
            }),
            NameKind::Email | NameKind::Caller => replaced(text, &self.instead, |lower, at| {
                word_at(lower, at, &self.name)
            }),
        };
        let Some(replaced) = replaced else {
            return false;
        };
        *text = replaced;
        true
    }
}

/// Where a text stands in an event.
#[derive(Clone, Copy, Debug, Default)]
struct Place<'k> {
    /// The name of what holds it.
    within: &'k str,
    key: &'k str,
}

impl Place<'_> {
    /// Whether the number or address of a caller stands here, and nothing else: `to` and what was keyed in may be
    /// anything, and a ticket has a `number` as well.
    fn is_a_callers(self) -> bool {
        self.key == "from" || (self.within == "calls_back" && self.key == "number")
    }
}

/// A text without the names; `None` when none is in it.
pub(super) fn scrubbed(text: &str, names: &[Name]) -> Option<String> {
    let mut text = text.to_owned();
    let mut is_changed = false;
    for name in names {
        is_changed |= name.replace_in(Place::default(), &mut text);
    }
    is_changed.then_some(text)
}

/// The text with another word in place of all that is found; `None` when nothing is. `end_of` is given the text with
/// ASCII in lower case and a place, and tells where what is looked for ends if it begins there.
fn replaced(
    text: &str,
    instead: &str,
    end_of: impl Fn(&str, usize) -> Option<usize>,
) -> Option<String> {
    // Lower case by ASCII alone keeps every place where it is.
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let (mut done, mut is_found) = (0, false);
    for (start, _) in lower.char_indices() {
        if start < done {
            continue;
        }
        if let Some(end) = end_of(&lower, start) {
            out.push_str(text.get(done..start).unwrap_or(""));
            out.push_str(instead);
            (done, is_found) = (end, true);
        }
    }
    out.push_str(text.get(done..).unwrap_or(""));
    is_found.then_some(out)
}

/// Where a word ends that begins here, if it stands alone.
fn word_at(text: &str, start: usize, word: &str) -> Option<usize> {
    let (before, rest) = text.split_at_checked(start)?;
    let after = rest.strip_prefix(word)?;
    let is_alone = !is_part(before.chars().next_back()) && !is_part(after.chars().next());
    is_alone.then_some(start + word.len())
}

/// Where a number ends that begins here, whatever sets its digits apart, if it stands alone. One whose digits are set
/// apart does not where more digits are, which may make it another one.
fn number_at(text: &str, start: usize, number: &str) -> Option<usize> {
    let (before, rest) = text.split_at_checked(start)?;
    let mut wanted = number.chars().peekable();
    let (mut end, mut apart, mut is_set_apart) = (start, 0, false);
    for letter in rest.chars() {
        let Some(digit) = wanted.peek() else {
            break;
        };
        if letter == *digit {
            is_set_apart |= apart > 0;
            apart = 0;
            wanted.next();
        } else if end == start || !SEPARATORS.contains(&letter) || apart == SEPARATORS_MAX {
            return None;
        } else {
            apart += 1;
        }
        end += letter.len_utf8();
    }
    if wanted.peek().is_some() {
        return None;
    }
    let after = text.get(end..)?;
    let is_alone = !is_part(before.chars().next_back()) && !is_part(after.chars().next());
    let goes_on = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    let goes_on = goes_on(before.trim_end_matches(SEPARATORS).chars().next_back())
        || goes_on(after.trim_start_matches(SEPARATORS).chars().next());
    (is_alone && !(is_set_apart && goes_on)).then_some(end)
}

fn is_part(letter: Option<char>) -> bool {
    letter.is_some_and(char::is_alphanumeric)
}

/// What people set the digits of a number apart with; a space that does not break is among them.
const SEPARATORS: [char; 7] = [' ', '\u{a0}', '-', '.', '/', '(', ')'];

/// Most of them between two digits, as in `(02) 2720`.
const SEPARATORS_MAX: usize = 2;

/// As many digits from the end, at most, are looked for: what stands before is another prefix in each way of writing.
const DIGITS_ALIKE: usize = 9;

/// A text in which LIKE finds nothing but itself, with a backslash as the sign of escape.
pub(super) fn escaped(text: &str) -> String {
    let letters = text.chars().flat_map(|letter| {
        let escape = ['\\', '%', '_'].contains(&letter).then_some('\\');
        escape.into_iter().chain([letter])
    });
    letters.collect()
}

/// Whose event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of a contact of the person: what was keyed in goes as well.
    Theirs,
    /// Of something else that may name them.
    Anybodys,
}

/// Takes the names out of an event's JSON; whether any was in it.
pub(super) fn scrub(event: &mut Value, names: &[Name], whose: Whose) -> bool {
    let mut is_changed = false;
    if whose == Whose::Theirs
        && let Some(digits) = event.get_mut("digits")
        && digits.as_str().is_some_and(|digits| !digits.is_empty())
    {
        *digits = Value::from("");
        is_changed = true;
    }
    walk(Place::default(), event, names) || is_changed
}

fn walk(place: Place<'_>, value: &mut Value, names: &[Name]) -> bool {
    let mut is_changed = false;
    match value {
        Value::String(text) => {
            for name in names {
                is_changed |= name.replace_in(place, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                is_changed |= walk(place, item, names);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let within = place.key;
                is_changed |= walk(Place { within, key }, value, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(kind: NameKind, name: &str) -> Name {
        Name {
            instead: "erased".to_owned(),
            ..Name::new(kind, name)
        }
    }

    #[test]
    fn a_name_goes_wherever_it_stands_whole_and_nothing_else_does() {
        let names = [
            name(NameKind::Phone, "+4930123456"),
            name(NameKind::Email, "Ann@Example.org"),
            name(NameKind::Caller, "ann"),
            name(NameKind::Phone, "100"),
        ];
        let mut event = json!({
            "event": "arrived", "from": "+4930123456", "to": "100", "agent": "ann", "caller": "ann",
            "cause": "486 from <sip:+4930123456@host>, not +49301234567, cc ANN@example.org and joann@example.org",
            "details": {"list": ["ann@example.org"], "from": "100"}, "number": 4930123456_u64,
        });
        let before = event.clone();
        assert!(scrub(&mut event, &names, Whose::Anybodys));
        assert_eq!(event["from"], "erased");
        assert_eq!(event["to"], "100", "what was dialled is nobody's name");
        assert_eq!(event["agent"], "ann");
        assert_eq!(event["caller"], "erased");
        assert_eq!(
            event["cause"],
            "486 from <sip:erased@host>, not +49301234567, cc erased and joann@example.org"
        );
        assert_eq!(
            event["details"],
            json!({"list": ["erased"], "from": "erased"})
        );
        assert_eq!(event["number"], before["number"]);
        assert!(
            !scrub(&mut event, &names, Whose::Anybodys),
            "once is enough"
        );
    }

    #[test]
    fn an_internal_number_goes_where_a_caller_stands_and_nowhere_else() {
        let names = [name(NameKind::Phone, "204")];
        let mut event = json!({
            "event": "enqueued", "from": "204", "to": "204", "number": "204", "digits": "204", "cause": "204 and sip:204@host",
            "calls_back": {"dialled": "204", "number": "204"}, "record": {"calls_back": {"number": "204"}},
            "details": {"number": "204", "seats": "1204"}, "wait_ms": 204,
        });
        let mut wanted = event.clone();
        wanted["from"] = json!("erased");
        wanted["calls_back"]["number"] = json!("erased");
        wanted["record"]["calls_back"]["number"] = json!("erased");
        assert!(scrub(&mut event, &names, Whose::Anybodys));
        assert_eq!(event, wanted);
    }

    #[test]
    fn a_number_goes_whatever_sets_its_digits_apart_and_a_longer_one_stays() {
        let names = [
            name(NameKind::Phone, "+886227208817"),
            name(NameKind::Phone, "0227208817"),
        ];
        for (text, wanted) in [
            ("call +886 2 2720-8817.", "call erased."),
            ("(02) 2720-8817 or 02/2720.8817", "(erased or erased"),
            (
                "\u{260e}02\u{a0}2720\u{a0}8817\u{260e}",
                "\u{260e}erased\u{260e}",
            ),
            ("0227208817 12", "erased 12"),
            ("12 0227208817", "12 erased"),
            ("02-2720-8817, 12", "erased, 12"),
        ] {
            assert_eq!(scrubbed(text, &names).as_deref(), Some(wanted), "{text}");
        }
        for text in [
            "02-2720-88170",
            "02-2720-8817-0",
            "1 02-2720-8817",
            "02---2720-8817",
            "02   2720 8817",
            "02:2720:8817",
            "x0227208817",
            "022720881",
            "",
        ] {
            assert_eq!(scrubbed(text, &names), None, "{text}");
        }
    }

    #[test]
    fn what_the_person_keyed_in_goes_with_their_own_contacts_alone() {
        let mut event = json!({"event": "keyed_in", "digits": "4711"});
        assert!(!scrub(&mut event, &[], Whose::Anybodys));
        assert!(scrub(&mut event, &[], Whose::Theirs));
        assert_eq!(event["digits"], "");
    }

    #[test]
    fn two_erasures_leave_nothing_in_common() {
        let (a, b) = (
            Name::new(NameKind::Phone, "+4930123456"),
            Name::new(NameKind::Phone, "+4930123456"),
        );
        assert_ne!(a.instead, b.instead);
        assert_ne!(a.keys().unwrap().1, b.keys().unwrap().1);
    }
}
