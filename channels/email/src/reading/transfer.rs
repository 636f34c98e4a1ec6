//! Undoes base64 and quoted-printable (RFC 2045 §6.7, §6.8), as far as it goes.

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
