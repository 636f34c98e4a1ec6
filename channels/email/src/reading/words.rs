//! Encoded words (RFC 2047) that a strict decoder refuses: letters torn between two words, wrong charsets,
//! words within file names, where the standard allows none and everybody writes them.

use super::charset;
use super::transfer;

/// Text with its encoded words decoded; other text stays as it is.
pub(super) fn decode(text: &str) -> String {
    let text = unfold(text);
    if !text.contains("=?") {
        return text;
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("=?") {
        decoded.push_str(&rest[..at]);
        match Run::read(&rest[at..]) {
            Some((run, length)) => {
                decoded.push_str(&run.text());
                rest = &rest[at + length..];
            }
            None => {
                decoded.push_str("=?");
                rest = &rest[at + 2..];
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

/// A header block with its runs of encoded words joined, each as one word of UTF-8.
pub(super) fn mend(block: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(block);
    let mut mended = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find("=?") {
        mended.push_str(&rest[..at]);
        match Run::read(&rest[at..]) {
            Some((run, length)) => {
                let hex = run
                    .text()
                    .bytes()
                    .map(|byte| format!("={byte:02X}"))
                    .collect::<String>();
                mended.push_str(&format!("=?utf-8?Q?{hex}?="));
                rest = &rest[at + length..];
            }
            None => {
                mended.push_str("=?");
                rest = &rest[at + 2..];
            }
        }
    }
    mended.push_str(rest);
    mended.into_bytes()
}

/// Neighbouring words of one charset: their bytes are joined before they are read.
struct Run {
    stretches: Vec<(String, Vec<u8>)>,
}

impl Run {
    /// Reads the run at the beginning of `text`, and how long it is.
    fn read(text: &str) -> Option<(Self, usize)> {
        let mut run = Self {
            stretches: Vec::new(),
        };
        let mut length = run.add_word(text)?;
        loop {
            let rest = &text[length..];
            let gap = rest.len() - rest.trim_start().len();
            match rest[gap..]
                .starts_with("=?")
                .then(|| run.add_word(&rest[gap..]))
            {
                Some(Some(word)) => length += gap + word,
                Some(None) | None => return Some((run, length)),
            }
        }
    }

    /// Adds the word at the beginning of `text`: `=?charset*language?B?data?=`.
    fn add_word(&mut self, text: &str) -> Option<usize> {
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        let (encoding, rest) = rest.split_once('?')?;
        // No word is longer; to look further would look anew from each word that has no end.
        let end = memchr::memmem::find(&rest.as_bytes()[..rest.len().min(WORD_BYTES_MAX)], b"?=")?;
        let encoded = rest.get(..end)?;
        let is_charset =
            !charset.is_empty() && charset.len() < 60 && !charset.contains(char::is_whitespace);
        if !is_charset {
            return None;
        }
        let bytes = match encoding {
            "B" | "b" => transfer::decode_base64(encoded.as_bytes()).0,
            "Q" | "q" => decode_q(encoded.as_bytes()),
            _ => return None,
        };
        let charset = charset
            .split('*')
            .next()
            .unwrap_or(charset)
            .to_ascii_lowercase();
        match self.stretches.last_mut() {
            Some((last, joined)) if *last == charset => joined.extend(bytes),
            Some(_) | None => self.stretches.push((charset, bytes)),
        }
        Some("=?".len() + text[2..].len() - rest.len() + encoded.len() + "?=".len())
    }

    fn text(&self) -> String {
        let texts = self
            .stretches
            .iter()
            .map(|(charset, bytes)| charset::decode(bytes, Some(charset)).0);
        texts.collect()
    }
}

/// RFC 2047 §2 allows 75; some clients put a whole subject into one.
const WORD_BYTES_MAX: usize = 8_192;

/// RFC 2047 §4.2: as quoted-printable, and `_` is a space.
fn decode_q(encoded: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = encoded
        .iter()
        .map(|byte| if *byte == b'_' { b' ' } else { *byte })
        .collect();
    transfer::decode_quoted_printable(&spaced).0
}

fn unfold(text: &str) -> String {
    let lines = text.trim().lines().map(|line| line.trim_end_matches('\r'));
    lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(decode(text), expected, "{text}");
        let mended = String::from_utf8(mend(text.as_bytes())).unwrap();
        assert_eq!(decode(&mended), expected, "{text} mended");
    }

    #[test]
    fn words_are_decoded_where_they_stand() {
        check("plain", "plain");
        check("=?utf-8?Q?Gr=C3=BC=C3=9Fe_an?= alle", "Grüße an alle");
        check("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße");
        check("a =?iso-8859-1?Q?=E4?= =?utf-8?B?w7Y=?= b", "a äö b");
        check("no =? word", "no =? word");
        check("=?utf-8?X?abc?=", "=?utf-8?X?abc?=");
    }

    #[test]
    fn a_word_without_end_is_no_word() {
        let endless = "=?utf-8?B?a ".repeat(20_000);
        assert_eq!(decode(&endless), endless.trim_end());
    }

    #[test]
    fn a_letter_torn_between_two_words_is_whole_again() {
        check("=?utf-8?B?5Yk=?= =?utf-8?B?jQ==?=", "前");
        check("=?big5?Q?=B1=7A=A6?= =?big5?Q?=6E?=", "您好");
    }
}
