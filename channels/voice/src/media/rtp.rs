//! RTP packets (RFC 3550 §5.1): the header is read and rewritten in place.

use std::ops::Range;

/// The fields of a header that the relay looks at, and where the payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The marker; for audio the first packet of a talkspurt (RFC 3551 §4.1).
    pub has_marker: bool,
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// Grows by one with each packet.
    pub sequence: u16,
    /// The first sample of the payload, in units of the codec's clock.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
    /// The payload's bytes, without header extension and padding.
    pub payload: Range<usize>,
}

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Shorter than its header says it is.
    #[error("shorter than its header")]
    Short,
    /// Not version 2.
    #[error("not version 2")]
    Version,
    /// The padding is longer than the payload, or none although it is said to be there.
    #[error("padding longer than payload")]
    Padding,
}

/// Reads a header; never looks into the payload.
pub fn parse(packet: &[u8]) -> Result<Header, Fault> {
    let Some((fixed, _)) = packet.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Fault::Short);
    };
    if fixed[0] >> 6 != 2 {
        return Err(Fault::Version);
    }
    let payload = if fixed[0] & 0x3f == 0 {
        HEADER_BYTES..packet.len()
    } else {
        payload_range(packet, fixed[0])?
    };
    Ok(Header {
        has_marker: fixed[1] & 0x80 != 0,
        payload_type: fixed[1] & 0x7f,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        payload,
    })
}

/// The payload behind contributing sources and extension, before the padding.
fn payload_range(packet: &[u8], first: u8) -> Result<Range<usize>, Fault> {
    let mut start = HEADER_BYTES + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let length = packet.get(start + 2..start + 4).ok_or(Fault::Short)?;
        start += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    let mut end = packet.len();
    if end < start {
        return Err(Fault::Short);
    }
    if first & 0x20 != 0 {
        let padding = packet.last().map_or(0, |last| usize::from(*last));
        if padding == 0 || padding > end - start {
            return Err(Fault::Padding);
        }
        end -= padding;
    }
    Ok(start..end)
}

/// The fields that a relay or player sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The marker.
    pub has_marker: bool,
    /// What the payload is.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
}

/// Sets the fields of a packet that has a header already; a shorter one stays as it is.
pub fn restamp(packet: &mut [u8], stamp: Stamp) {
    if let Some(fixed) = packet.first_chunk_mut::<HEADER_BYTES>() {
        fixed[1] = stamp.payload_type | if stamp.has_marker { 0x80 } else { 0 };
        fixed[2..4].copy_from_slice(&stamp.sequence.to_be_bytes());
        fixed[4..8].copy_from_slice(&stamp.timestamp.to_be_bytes());
        fixed[8..12].copy_from_slice(&stamp.ssrc.to_be_bytes());
    }
}

/// Writes a plain header: no padding, extension or contributing sources.
pub fn write_header(packet: &mut [u8], stamp: Stamp) {
    if let Some(first) = packet.first_mut() {
        *first = 0x80;
    }
    restamp(packet, stamp);
}

/// RFC 5761 §4: on a shared port, these second bytes are RTCP.
pub fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet.get(1), Some(192..=223))
}

/// Length of the fixed header.
pub const HEADER_BYTES: usize = 12;
/// Largest packet that is read; more than an Ethernet frame holds.
pub const PACKET_BYTES_MAX: usize = 1_600;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp {
        has_marker: true,
        payload_type: 101,
        sequence: 0x1234,
        timestamp: 0x89ab_cdef,
        ssrc: 0xdead_beef,
    };

    #[test]
    fn what_is_written_is_read() {
        let mut packet = [0xaa; 20];
        write_header(&mut packet, STAMP);
        let header = parse(&packet).unwrap();
        assert!(header.has_marker);
        assert_eq!((header.payload_type, header.sequence), (101, 0x1234));
        assert_eq!((header.timestamp, header.ssrc), (0x89ab_cdef, 0xdead_beef));
        assert_eq!(header.payload, 12..20);
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_stepped_over() {
        let mut packet = vec![0; 12 + 8 + 4 + 4 + 5 + 3];
        write_header(&mut packet, STAMP);
        packet[0] = 0x80 | 0x20 | 0x10 | 2;
        packet[23] = 1;
        *packet.last_mut().unwrap() = 3;
        assert_eq!(parse(&packet).unwrap().payload, 28..33);
        *packet.last_mut().unwrap() = 9;
        assert_eq!(parse(&packet), Err(Fault::Padding));
        packet[23] = 200;
        assert_eq!(parse(&packet), Err(Fault::Short));
    }

    #[test]
    fn strangers_are_told_by_kind() {
        assert_eq!(parse(&[0x80; 11]), Err(Fault::Short));
        assert_eq!(parse(&[0x00; 40]), Err(Fault::Version));
        assert!(is_rtcp(&[0x80, 200]) && !is_rtcp(&[0x80, 0x80]) && !is_rtcp(&[]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(header) = parse(&bytes) {
                prop_assert!(bytes.get(header.payload).is_some());
            }
        }
    }
}
