//! Light scanners over header values: they borrow, never allocate, and read folding as white space.
//!
//! Values may hold `CR LF SP` (RFC 3261 §7.3.1 folding), so carriage return and line feed count as
//! white space everywhere here.

use std::borrow::Cow;

/// RFC 3261 §25.1 `LWS`, with folding.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Bytes no URI holds unescaped: white space and control characters.
pub(crate) const fn is_gap(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// RFC 3261 §25.1 `token`.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// Says whether all of `text` is one token.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// Cuts white space off both ends.
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Reads a decimal number that fits; anything but digits is no number.
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Joins folded lines: each fold becomes one space.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let mut joined = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        joined.extend_from_slice(trim_end(&rest[..at]));
        joined.push(b' ');
        rest = trim_start(&rest[at..]);
    }
    joined.extend_from_slice(rest);
    Cow::Owned(joined)
}

pub(crate) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    text
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Length of the quoted string that `text` begins with, quotes included; `None` when it never closes.
pub(crate) fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// Where `wanted` stands first, outside of quoted strings and angle brackets.
pub(crate) fn find_outside(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    let mut is_bracketed = false;
    while at < text.len() {
        let byte = text[at];
        if byte == wanted && !is_bracketed {
            return Some(at);
        }
        match byte {
            b'"' if !is_bracketed => at += quoted_length(&text[at..])?,
            b'<' => {
                is_bracketed = true;
                at += 1;
            }
            b'>' => {
                is_bracketed = false;
                at += 1;
            }
            _ => at += 1,
        }
    }
    None
}

/// The values of a comma-separated header line (RFC 3261 §7.3.1), trimmed; empty ones are skipped.
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: &'a [u8],
}

impl<'a> List<'a> {
    /// Splits `value`.
    pub const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let value = match find_outside(self.rest, b',') {
                Some(at) => {
                    let value = &self.rest[..at];
                    self.rest = &self.rest[at + 1..];
                    value
                }
                None => std::mem::take(&mut self.rest),
            };
            let value = trim(value);
            if !value.is_empty() {
                return Some(value);
            }
        }
    }
}

/// The parameters after a value: `;name`, `;name=value`, `;name="quoted"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params<'a> {
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    /// Takes a text that is empty or begins with `;`.
    pub const fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The text as it stands.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// The value of a parameter, name compared without case: `Some(None)` when it has none.
    pub fn get(&self, name: &str) -> Option<Option<&'a [u8]>> {
        let mut params = *self;
        params
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The value of a parameter that has one, without the quotes it may stand in.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.get(name).flatten().map(unquote)
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut rest = trim_start(self.rest);
            while let [b';', after @ ..] = rest {
                rest = trim_start(after);
            }
            if rest.is_empty() {
                self.rest = rest;
                return None;
            }
            let end = find_outside(rest, b';').unwrap_or(rest.len());
            let one = trim(&rest[..end]);
            self.rest = &rest[end..];
            if one.is_empty() {
                continue;
            }
            return Some(match one.iter().position(|byte| *byte == b'=') {
                Some(at) => (trim(&one[..at]), Some(trim(&one[at + 1..]))),
                None => (one, None),
            });
        }
    }
}

/// Takes the quotes off a quoted string; escapes stay as they are.
pub fn unquote(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] => inner,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let list: Vec<_> = List::new(b"\"A, \\\"B\" <sip:a,b@c>;q=1 , , <sip:d>,sip:e").collect();
        assert_eq!(
            list,
            [
                b"\"A, \\\"B\" <sip:a,b@c>;q=1".as_slice(),
                b"<sip:d>",
                b"sip:e"
            ]
        );
    }

    #[test]
    fn parameters_may_stand_apart_quoted_or_alone() {
        let params = Params::new(b" ;  Branch  =   z9 ;\r\n lr;a=\"x;y\";;b=");
        assert_eq!(params.value("branch"), Some(b"z9".as_slice()));
        assert_eq!(params.get("lr"), Some(None));
        assert_eq!(params.value("a"), Some(b"x;y".as_slice()));
        assert_eq!(params.value("b"), Some(b"".as_slice()));
        assert_eq!(params.get("c"), None);
    }

    #[test]
    fn folds_become_one_space() {
        assert_eq!(
            unfold(b"one  \r\n\ttwo\r\n three").as_ref(),
            b"one two three"
        );
    }

    #[test]
    fn numbers_never_overflow() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"36893488147419103232"), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b""), None);
    }
}
