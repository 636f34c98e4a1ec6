//! Chooses the shard of a message by its Call-ID, before the message is parsed.

use crate::sip::header::Header;
use crate::sip::header::scan::trim;

/// The shard out of `count` that owns the message in `bytes`; 0 when it has no Call-ID.
pub fn shard_of(bytes: &[u8], count: usize) -> usize {
    shard_of_call_id(call_id_of(bytes).unwrap_or(b""), count)
}

/// The shard out of `count` that owns a Call-ID (FNV-1a: the choice must outlive processes and versions).
pub fn shard_of_call_id(call_id: &[u8], count: usize) -> usize {
    if count <= 1 || call_id.is_empty() {
        return 0;
    }
    let hash = call_id
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    usize::try_from((hash ^ (hash >> 32)) % count as u64).unwrap_or(0)
}

/// Finds the Call-ID in raw bytes.
pub fn call_id_of(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[at..]) {
        let line = &bytes[at..at + length];
        at += length + 1;
        if !matches!(line.first(), Some(b'C' | b'c' | b'i' | b'I')) {
            if matches!(line, b"" | b"\r") && at > 2 {
                return None;
            }
            continue;
        }
        if let Some(colon) = memchr::memchr(b':', line)
            && Header::from_name(trim(&line[..colon])) == Some(Header::CallId)
        {
            let value = trim(&line[colon + 1..]);
            // A value folded to the next line is rare but legal.
            return Some(if value.is_empty() {
                trim(
                    bytes[at..]
                        .split(|byte| *byte == b'\n')
                        .next()
                        .unwrap_or(b""),
                )
            } else {
                value
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_call_id_gives_the_same_shard() {
        let spellings = [
            "A sip:a SIP/2.0\r\nCall-ID: x@y\r\n\r\n",
            "A sip:a SIP/2.0\r\ni:x@y\r\n\r\n",
            "\r\nA sip:a SIP/2.0\r\nCALL-ID \t:\r\n x@y\r\n\r\n",
        ];
        for text in spellings {
            assert_eq!(
                call_id_of(text.as_bytes()),
                Some(b"x@y".as_slice()),
                "{text}"
            );
        }
        assert_eq!(
            call_id_of(b"A sip:a SIP/2.0\r\nTo: a\r\n\r\nCall-ID: no\r\n"),
            None
        );
    }

    #[test]
    fn shards_share_the_load_evenly() {
        let mut counts = [0_u32; 4];
        for number in 0..4_000 {
            counts[shard_of_call_id(format!("{number}@10.0.0.1").as_bytes(), 4)] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1_200).contains(count)),
            "{counts:?}"
        );
    }
}
