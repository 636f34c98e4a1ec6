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

    /// Part of an event's JSON, in lower case, without which the name is not in it.
    pub(super) fn part(&self) -> String {
        let quoted = Value::from(self.name.to_lowercase()).to_string();
        match self.kind {
            NameKind::Caller => format!("\"caller\":{quoted}"),
            NameKind::Phone | NameKind::Email if self.name.len() < LETTERS_MIN => {
                format!("\"from\":{quoted}")
            }
            NameKind::Phone | NameKind::Email => quoted.trim_matches('"').to_owned(),
        }
    }

    /// Whether it is looked for in any text.
    pub(super) fn is_telling(&self) -> bool {
        self.is_address() && self.name.len() >= LETTERS_MIN
    }

    fn replace_in(&self, key: &str, text: &mut String) -> bool {
        let is_it = match self.kind {
            NameKind::Caller => key == "caller" && *text == self.name,
            NameKind::Phone | NameKind::Email => key == "from" && text.to_lowercase() == self.name,
        };
        if is_it {
            text.clone_from(&self.instead);
            return true;
        }
        if !self.is_telling() {
            return false;
        }
        let Some(replaced) = replaced(text, &self.name, &self.instead) else {
            return false;
        };
        *text = replaced;
        true
    }
}

/// A text without the names; `None` when none is in it.
pub(super) fn scrubbed(text: &str, names: &[Name]) -> Option<String> {
    let mut text = text.to_owned();
    let mut is_changed = false;
    for name in names {
        is_changed |= name.replace_in("", &mut text);
    }
    is_changed.then_some(text)
}

/// The text with another word in place of each whole one, whatever its case; `None` when it is not there.
fn replaced(text: &str, word: &str, instead: &str) -> Option<String> {
    // Lower case by ASCII alone keeps every place where it is.
    let lower = text.to_ascii_lowercase();
    let is_part = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let mut out = String::new();
    let (mut done, mut from) = (0, 0);
    while let Some(found) = lower.get(from..).and_then(|rest| rest.find(word)) {
        let start = from + found;
        let end = start + word.len();
        from = end;
        let before = text.get(..start).and_then(|it| it.chars().next_back());
        let after = text.get(end..).and_then(|it| it.chars().next());
        if is_part(before) || is_part(after) {
            continue;
        }
        out.push_str(text.get(done..start).unwrap_or(""));
        out.push_str(instead);
        done = end;
    }
    if done == 0 {
        return None;
    }
    out.push_str(text.get(done..).unwrap_or(""));
    Some(out)
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
    walk("", event, names) || is_changed
}

fn walk(key: &str, value: &mut Value, names: &[Name]) -> bool {
    let mut is_changed = false;
    match value {
        Value::String(text) => {
            for name in names {
                is_changed |= name.replace_in(key, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                is_changed |= walk(key, item, names);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                is_changed |= walk(key, value, names);
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
