//! vCard 3 (RFC 2426) and 4 (RFC 6350): one person each.
//!
//! Read are UID, FN (or N), ORG, TEL, EMAIL, LANG and `X-RINGDOWN-CLASS`; the rest is left alone.

use super::draft::{Draft, PersonDraft, PhoneDraft};
use super::{Contents, Refusal};

/// One content line (RFC 6350 §3.3), unfolded.
struct Line {
    number: usize,
    name: String,
    parameters: Vec<(String, String)>,
    value: String,
}

pub(super) fn read(text: &str) -> Contents {
    let mut contents = Contents::default();
    let mut card: Option<(usize, Vec<Line>)> = None;
    for (number, logical) in unfold(text) {
        if logical.trim().is_empty() {
            continue;
        }
        let Some(line) = parse_line(number, &logical) else {
            let reason = format!("`{}` is not a line of a vCard", excerpt(&logical));
            contents.refusals.push(Refusal {
                line: number,
                reason,
            });
            card = None;
            continue;
        };
        match (line.name.as_str(), &mut card) {
            ("BEGIN", _) => card = Some((number, Vec::new())),
            ("END", _) => {
                if let Some((begin, lines)) = card.take() {
                    match draft_of(&lines) {
                        Ok(draft) => contents.drafts.push((begin, Draft::Person(draft))),
                        Err((line, reason)) => contents.refusals.push(Refusal { line, reason }),
                    }
                }
            }
            (_, Some((_, lines))) => lines.push(line),
            // After a faulty line, the rest of its card is passed over.
            (_, None) => {}
        }
    }
    if let Some((begin, _)) = card {
        contents.refusals.push(Refusal {
            line: begin,
            reason: "the vCard has no END".to_owned(),
        });
    }
    contents
}

/// Joins folded lines (RFC 6350 §3.2), each with the number of its first.
fn unfold(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            (Some(_), None) | (None, _) => lines.push((number, line.to_owned())),
        }
    }
    lines
}

fn parse_line(number: usize, text: &str) -> Option<Line> {
    let colon = unquoted(text, ':')?;
    let (head, value) = (&text[..colon], &text[colon + 1..]);
    let mut parts = split_unquoted(head, ';').into_iter();
    let name = parts.next()?;
    // "item1.TEL": a group (RFC 6350 §3.3) says nothing of the value.
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    let parameters = parts
        .map(|part| match part.split_once('=') {
            Some((name, value)) => (
                name.to_ascii_uppercase(),
                value.replace('"', "").to_lowercase(),
            ),
            // vCard 2.1 names a type without `TYPE=`.
            None => ("TYPE".to_owned(), part.to_lowercase()),
        })
        .collect();
    Some(Line {
        number,
        name,
        parameters,
        value: value.to_owned(),
    })
}

fn draft_of(lines: &[Line]) -> Result<PersonDraft, (usize, String)> {
    let mut draft = PersonDraft::default();
    let mut structured = String::new();
    for line in lines {
        let is_encoded = line
            .parameters
            .iter()
            .any(|(name, value)| name == "ENCODING" || value == "quoted-printable");
        let text = || unescape(&line.value);
        match line.name.as_str() {
            "VERSION" if !["3.0", "4.0"].contains(&line.value.trim()) => {
                let reason = format!(
                    "version {} of vCard is not read, 3.0 and 4.0 are",
                    line.value
                );
                return Err((line.number, reason));
            }
            "FN" | "N" | "ORG" | "TEL" | "EMAIL" if is_encoded => {
                let reason = format!("the encoding of {} is not read; write UTF-8", line.name);
                return Err((line.number, reason));
            }
            "UID" => draft.id = text(),
            "FN" if draft.name.is_empty() => draft.name = text(),
            "N" => structured = name_of(&line.value),
            "ORG" => {
                let first = split_escaped(&line.value, ';').into_iter().next();
                draft.organisation = unescape(first.unwrap_or_default());
            }
            "TEL" => draft.phones.push(phone_of(line)),
            "EMAIL" => draft.mails.push(text()),
            "LANG" if draft.language.is_empty() => draft.language = text(),
            "X-RINGDOWN-CLASS" => draft.class = text(),
            _ => {}
        }
    }
    if draft.name.is_empty() {
        draft.name = structured;
    }
    Ok(draft)
}

/// Family and given name of N (RFC 6350 §6.2.2), in the order their script has.
fn name_of(value: &str) -> String {
    let parts: Vec<String> = split_escaped(value, ';')
        .into_iter()
        .map(unescape)
        .collect();
    let family = parts.first().cloned().unwrap_or_default();
    let given = parts.get(1).cloned().unwrap_or_default();
    if family.is_ascii() || given.is_empty() {
        format!("{given} {family}").trim().to_owned()
    } else {
        format!("{family}{given}")
    }
}

fn phone_of(line: &Line) -> PhoneDraft {
    let types: Vec<&str> = line
        .parameters
        .iter()
        .filter(|(name, _)| name == "TYPE")
        .flat_map(|(_, value)| value.split(','))
        .collect();
    let label = [
        ("cell", "mobile"),
        ("mobile", "mobile"),
        ("work", "work"),
        ("home", "home"),
    ]
    .into_iter()
    .find(|(kind, _)| types.contains(kind))
    .map_or("", |(_, label)| label);
    PhoneDraft {
        number: unescape(&line.value),
        label: label.to_owned(),
    }
}

/// Undoes RFC 6350 §3.4.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => out.push(' '),
                Some(escaped) => out.push(escaped),
                None => out.push('\\'),
            },
            plain => out.push(plain),
        }
    }
    out.trim().to_owned()
}

/// Splits at a separator that no backslash escapes.
fn split_escaped(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (place, letter) in text.char_indices() {
        if letter == separator && !is_escaped {
            parts.push(&text[start..place]);
            start = place + letter.len_utf8();
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Place of the first such letter outside quotes.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let mut is_quoted = false;
    for (place, letter) in text.char_indices() {
        match letter {
            '"' => is_quoted = !is_quoted,
            other if other == wanted && !is_quoted => return Some(place),
            _ => {}
        }
    }
    None
}

fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(place) = unquoted(rest, separator) {
        parts.push(&rest[..place]);
        rest = &rest[place + separator.len_utf8()..];
    }
    parts.push(rest);
    parts
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
