//! Undoes base64 and quoted-printable (RFC 2045 §6.7, §6.8), as far as it goes: whole for texts, piece by
//! piece for files.

use super::heads::TransferEncoding;
use super::mail::Fault;
use bytes::Bytes;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

/// The bytes of a body, and what was wrong with their wrapping.
pub(super) fn decode(body: &Bytes, encoding: TransferEncoding) -> (Bytes, Option<Fault>) {
    let (bytes, fault) = match encoding {
        TransferEncoding::Identity => return (body.clone(), None),
        TransferEncoding::Base64 => decode_base64(body),
        TransferEncoding::QuotedPrintable => decode_quoted_printable(body),
    };
    (Bytes::from(bytes), fault)
}

/// At most how many bytes a body of this length holds.
pub(super) fn bytes_max(wrapped: usize, encoding: TransferEncoding) -> usize {
    match encoding {
        TransferEncoding::Base64 => wrapped / 4 * 3 + 3,
        TransferEncoding::Identity => wrapped,
        // Where line ends are of two kinds, the short ones grow.
        TransferEncoding::QuotedPrintable => wrapped * 2,
    }
}

/// Base64, without whatever is none.
pub(super) fn decode_base64(body: &[u8]) -> (Vec<u8>, Option<Fault>) {
    if let Some(bytes) = base64_decode(body)
        && is_whole(body)
    {
        return (bytes, None);
    }
    // A list's footer or a scanner's note behind the base64 is no part of it.
    let end = memchr::memchr(b'=', body).unwrap_or(body.len());
    let mut letters: Vec<u8> = body[..end]
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    // One letter alone is no byte.
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    letters.resize(letters.len().next_multiple_of(4), b'=');
    (
        base64_decode(&letters).unwrap_or_default(),
        Some(Fault::EncodingBroken),
    )
}

/// Whether the letters come in fours, so that none is silently lost at the end.
fn is_whole(body: &[u8]) -> bool {
    let letters = body.iter().filter(|byte| !byte.is_ascii_whitespace());
    letters.count().is_multiple_of(4)
}

/// Quoted-printable; `=` that begins no escape stands for itself.
pub(super) fn decode_quoted_printable(body: &[u8]) -> (Vec<u8>, Option<Fault>) {
    if let Some(bytes) = quoted_printable_decode(body) {
        return (bytes, None);
    }
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'=' {
            bytes.push(first);
        } else if let [high, low, after @ ..] = behind
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high * 16 + low);
            rest = after;
        } else if let Some(after) = soft_break(behind) {
            rest = after;
        } else {
            bytes.push(first);
        }
    }
    (bytes, Some(Fault::EncodingBroken))
}

/// The bytes of a body, unwrapped piece by piece as they are asked for; a clone begins where this one stands.
///
/// No piece is empty, and none is longer than [`Pieces::PIECE_BYTES`], but for what quoted-printable adds to
/// short line ends.
#[derive(Debug, Clone)]
pub struct Pieces {
    rest: Bytes,
    form: Form,
    piece_bytes: usize,
}

/// How the rest of a body is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Identity,
    /// Nothing but base64.
    Base64,
    /// Letters of base64 among others.
    Letters,
    QuotedPrintable,
}

impl Pieces {
    /// Bytes of a piece.
    pub const PIECE_BYTES: usize = 1_024 * 1_024;

    /// Bytes that are not wrapped.
    pub fn plain(bytes: Bytes) -> Self {
        Self::of(bytes, TransferEncoding::Identity, Self::PIECE_BYTES)
    }

    pub(super) fn wrapped(body: Bytes, encoding: TransferEncoding) -> Self {
        Self::of(body, encoding, Self::PIECE_BYTES)
    }

    fn of(body: Bytes, encoding: TransferEncoding, piece_bytes: usize) -> Self {
        let (rest, form) = match encoding {
            TransferEncoding::Identity => (body, Form::Identity),
            TransferEncoding::Base64 if is_base64(&body) => (body, Form::Base64),
            TransferEncoding::Base64 => (letters_of(&body), Form::Letters),
            TransferEncoding::QuotedPrintable => (body, Form::QuotedPrintable),
        };
        Self {
            rest,
            form,
            piece_bytes,
        }
    }

    /// Unwraps the next piece, empty when it holds nothing.
    fn unwrap_next(&mut self) -> Bytes {
        match self.form {
            Form::Identity => self.rest.split_to(self.piece_bytes.min(self.rest.len())),
            Form::Base64 => {
                let end = end_of_groups(&self.rest, self.piece_bytes / 3 * 4);
                let wrapped = self.rest.split_to(end);
                Bytes::from(base64_decode(&wrapped).unwrap_or_default())
            }
            Form::Letters => {
                let (mut letters, most) = (Vec::new(), (self.piece_bytes / 3).max(1) * 4);
                let mut end = 0;
                for byte in self.rest.iter() {
                    if letters.len() == most {
                        break;
                    }
                    end += 1;
                    letters.extend(is_letter(*byte).then_some(*byte));
                }
                self.rest = self.rest.slice(end..);
                letters.resize(letters.len().next_multiple_of(4), b'=');
                Bytes::from(base64_decode(&letters).unwrap_or_default())
            }
            Form::QuotedPrintable => {
                let end = end_of_lines(&self.rest, self.piece_bytes);
                let wrapped = self.rest.split_to(end);
                Bytes::from(decode_quoted_printable(&wrapped).0)
            }
        }
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while !self.rest.is_empty() {
            let piece = self.unwrap_next();
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }
}

/// Whether a body is base64 throughout, with padding where it must be.
fn is_base64(body: &[u8]) -> bool {
    let is_one = |byte: &u8| is_letter(*byte) || b"= \t\r\n".contains(byte);
    body.iter().all(is_one) && is_whole(body)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The part of broken base64 whose letters count: a list's footer or a scanner's note behind the padding is
/// no part of it, and one letter alone is no byte.
fn letters_of(body: &Bytes) -> Bytes {
    let body = body.slice(..memchr::memchr(b'=', body).unwrap_or(body.len()));
    let letters = body.iter().filter(|byte| is_letter(**byte)).count();
    if letters % 4 != 1 {
        return body;
    }
    let last = body.iter().rposition(|byte| is_letter(*byte));
    body.slice(..last.unwrap_or(0))
}

/// Where the last group of four letters ends within `most` bytes, or the first one behind them. Padding ends a
/// group.
fn end_of_groups(body: &[u8], most: usize) -> usize {
    let (mut letters, mut end) = (0_u8, 0);
    for (place, byte) in body.iter().enumerate() {
        if place >= most && end > 0 {
            return end;
        }
        match *byte {
            b'=' => letters = 0,
            byte if is_letter(byte) => letters = (letters + 1) % 4,
            _ => {}
        }
        if letters == 0 {
            end = place + 1;
        }
    }
    body.len()
}

/// Where the last line ends within `most` bytes; of a longer line, a place where no escape and no run of
/// spaces is cut.
fn end_of_lines(body: &[u8], most: usize) -> usize {
    if body.len() <= most {
        return body.len();
    }
    let within = &body[..most];
    if let Some(line_end) = memchr::memrchr(b'\n', within) {
        return line_end + 1;
    }
    let is_whole = |end: &usize| {
        let before = &within[..*end];
        let is_in_escape = before.iter().rev().take(2).any(|byte| *byte == b'=');
        !is_in_escape
            && !before.ends_with(b" ")
            && !before.ends_with(b"\t")
            && !before.ends_with(b"\r")
    };
    (1..=most).rev().find(is_whole).unwrap_or(most)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn soft_break(rest: &[u8]) -> Option<&[u8]> {
    rest.strip_prefix(b"\r\n")
        .or_else(|| rest.strip_prefix(b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_far_as_it_goes() {
        assert_eq!(decode_base64(b"aGFs\r\nbG8="), (b"hallo".to_vec(), None));
        for broken in [&b"aGFsbG8"[..], b"aGF*sbG8=", b"aGFsbG8=\r\n-- scanned"] {
            assert_eq!(
                decode_base64(broken),
                (b"hallo".to_vec(), Some(Fault::EncodingBroken))
            );
        }
    }

    fn in_pieces(body: &[u8], encoding: TransferEncoding, piece_bytes: usize) -> Vec<u8> {
        let body = Bytes::copy_from_slice(body);
        let mut whole = Vec::new();
        for piece in Pieces::of(body, encoding, piece_bytes) {
            assert!(!piece.is_empty());
            whole.extend_from_slice(&piece);
        }
        whole
    }

    #[test]
    fn pieces_are_the_whole_wherever_they_are_cut() {
        let base64: [&[u8]; 9] = [
            b"aGFs\r\nbG8gV2Vs\r\ndA==\r\n",
            b"QUI=QUJDRA==",
            b"Q    \r\n    UJ D",
            b"aGFsbG8",
            b"aGF*sbG8gdGhlcmU=",
            b"aGFsbG8=\r\n-- scanned",
            b"aGFsbG8gd\r\n\xff\x00",
            b"=====",
            b" \r\n ",
        ];
        for body in base64 {
            for piece_bytes in 3..20 {
                let bytes = in_pieces(body, TransferEncoding::Base64, piece_bytes);
                assert_eq!(bytes, decode_base64(body).0, "{body:?} by {piece_bytes}");
            }
        }
        let quoted: [&[u8]; 4] = [
            b"a=3Db=\r\nc  \r\nd =E4=BD=A0\r\n",
            b"one line that is longer than a piece =3D =3D =3D=3D and ends here",
            b"spaces      \t     \t at an end that is none      \r\n",
            b"==\r\n=",
        ];
        for body in quoted {
            for piece_bytes in 12..60 {
                let bytes = in_pieces(body, TransferEncoding::QuotedPrintable, piece_bytes);
                let whole = decode_quoted_printable(body).0;
                assert_eq!(bytes, whole, "{body:?} by {piece_bytes}");
            }
        }
        assert_eq!(
            in_pieces(b"abcdefg", TransferEncoding::Identity, 3),
            b"abcdefg"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_base64_is_the_same_in_pieces(body in "[A-Za-z0-9+/= \r\n*]{0,80}", piece_bytes in 3_usize..30) {
            let bytes = in_pieces(body.as_bytes(), TransferEncoding::Base64, piece_bytes);
            assert_eq!(bytes, decode_base64(body.as_bytes()).0);
        }

        #[test]
        fn nothing_unwraps_to_more_than_is_said(body in "[A-Za-z0-9+/= \r\n*]{0,80}", piece_bytes in 12_usize..60) {
            for encoding in [
                TransferEncoding::Identity,
                TransferEncoding::Base64,
                TransferEncoding::QuotedPrintable,
            ] {
                let most = bytes_max(body.len(), encoding);
                let whole = decode(&Bytes::copy_from_slice(body.as_bytes()), encoding).0;
                assert!(whole.len() <= most, "{encoding:?} {body:?}: {} of {most}", whole.len());
                let pieces = in_pieces(body.as_bytes(), encoding, piece_bytes);
                assert!(pieces.len() <= most, "{encoding:?} {body:?}: {} of {most}", pieces.len());
            }
        }
    }

    #[test]
    fn padding_and_short_lines_amplify_no_more_than_is_said() {
        let bodies = [
            "QQ==", "Q===", "====", "QQ==\r\n", "A", "\n", "=\n", "=", "\r", "=41\n",
        ];
        for unit in bodies {
            for times in [1, 2, 3, 5, 1_000] {
                let body = Bytes::from(unit.repeat(times));
                for encoding in [TransferEncoding::Base64, TransferEncoding::QuotedPrintable] {
                    let most = bytes_max(body.len(), encoding);
                    let whole = decode(&body, encoding).0.len();
                    let pieces: usize = Pieces::wrapped(body.clone(), encoding)
                        .map(|it| it.len())
                        .sum();
                    assert!(
                        whole.max(pieces) <= most,
                        "{encoding:?} {unit:?} x {times}: {whole}, {pieces} of {most}"
                    );
                }
            }
        }
    }

    #[test]
    fn quoted_printable_is_read_as_far_as_it_goes() {
        assert_eq!(
            decode_quoted_printable(b"a=3Db=\r\nc"),
            (b"a=bc".to_vec(), None)
        );
        let (bytes, fault) = decode_quoted_printable(b"1 = 2 =3d=\r\n x =ZZ");
        assert_eq!(
            (bytes.as_slice(), fault),
            (&b"1 = 2 = x =ZZ"[..], Some(Fault::EncodingBroken))
        );
    }
}
