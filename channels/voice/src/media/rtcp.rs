//! RTCP reports (RFC 3550 §6): read, written, and their arithmetic.

use std::time::Duration;

/// A compound packet: one report with its blocks, and whether the source says good-bye.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compound {
    /// Who reports.
    pub ssrc: u32,
    /// What it sent, when it sends.
    pub sender: Option<SenderFacts>,
    /// What it received, the first few sources.
    pub blocks: [Option<Block>; BLOCKS_MAX],
    /// It leaves.
    pub has_bye: bool,
}

/// What a sender report says about the sender (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderFacts {
    /// The instant of the report, as 32.32 seconds since 1900.
    pub ntp: u64,
    /// The same instant in the stream's own units.
    pub rtp_timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub bytes: u32,
}

impl SenderFacts {
    /// The middle of the instant, which report blocks name it by.
    pub const fn ntp_middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What was received of one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The source.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost so far; negative when some came twice.
    pub lost: i32,
    /// The highest sequence number, with the count of its cycles above.
    pub highest_sequence: u32,
    /// Interarrival jitter in the stream's units.
    pub jitter: u32,
    /// Middle of the last sender report's instant; 0 when none came.
    pub last_report: u32,
    /// From that report to this one, in 1/65536 seconds.
    pub delay: u32,
}

/// Why bytes are no RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Shorter than its own lengths say.
    #[error("shorter than its lengths")]
    Short,
    /// Not version 2.
    #[error("not version 2")]
    Version,
    /// It does not begin with a report (RFC 3550 §6.1).
    #[error("does not begin with a report")]
    NoReport,
}

/// Reads a compound packet; everything but reports and good-bye is stepped over.
pub fn parse(packet: &[u8]) -> Result<Compound, Fault> {
    let mut compound = Compound::default();
    let mut rest = packet;
    let mut has_report = false;
    while !rest.is_empty() {
        let Some((head, _)) = rest.split_first_chunk::<4>() else {
            return Err(Fault::Short);
        };
        if head[0] >> 6 != 2 {
            return Err(Fault::Version);
        }
        let length = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (part, after) = rest.split_at_checked(length).ok_or(Fault::Short)?;
        rest = after;
        let (body, count) = (part.get(4..).unwrap_or_default(), head[0] & 0x1f);
        match head[1] {
            SENDER_REPORT | RECEIVER_REPORT if !has_report => {
                has_report = true;
                read_report(&mut compound, head[1], body, count)?;
            }
            BYE if has_report => compound.has_bye = true,
            _ if has_report => {}
            _ => return Err(Fault::NoReport),
        }
    }
    if has_report {
        Ok(compound)
    } else {
        Err(Fault::Short)
    }
}

fn read_report(compound: &mut Compound, kind: u8, body: &[u8], count: u8) -> Result<(), Fault> {
    compound.ssrc = word(body, 0)?;
    let mut at = 4;
    if kind == SENDER_REPORT {
        compound.sender = Some(SenderFacts {
            ntp: (u64::from(word(body, 4)?) << 32) | u64::from(word(body, 8)?),
            rtp_timestamp: word(body, 12)?,
            packets: word(body, 16)?,
            bytes: word(body, 20)?,
        });
        at = 24;
    }
    for slot in compound.blocks.iter_mut().take(usize::from(count)) {
        let losses = word(body, at + 4)?;
        *slot = Some(Block {
            ssrc: word(body, at)?,
            fraction_lost: (losses >> 24) as u8,
            // Shifted up and down again, so that the 24-bit sign is kept.
            lost: ((losses << 8) as i32) >> 8,
            highest_sequence: word(body, at + 8)?,
            jitter: word(body, at + 12)?,
            last_report: word(body, at + 16)?,
            delay: word(body, at + 20)?,
        });
        at += 24;
    }
    Ok(())
}

fn word(body: &[u8], at: usize) -> Result<u32, Fault> {
    body.get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map(|word| u32::from_be_bytes(*word))
        .ok_or(Fault::Short)
}

/// Writes a report with its source description (RFC 3550 §6.1, §6.5.1), and the good-bye.
pub fn write(
    compound: &Compound,
    cname: CanonicalName,
    into: &mut [u8; COMPOUND_BYTES_MAX],
) -> usize {
    let mut writer = Writer { into, at: 0 };
    let blocks = compound.blocks.iter().flatten().count();
    let kind = if compound.sender.is_some() {
        SENDER_REPORT
    } else {
        RECEIVER_REPORT
    };
    let words = 1 + 6 * blocks + if compound.sender.is_some() { 5 } else { 0 };
    writer.head(blocks as u8, kind, words);
    writer.word(compound.ssrc);
    if let Some(sender) = &compound.sender {
        writer.word((sender.ntp >> 32) as u32);
        writer.word(sender.ntp as u32);
        writer.word(sender.rtp_timestamp);
        writer.word(sender.packets);
        writer.word(sender.bytes);
    }
    for block in compound.blocks.iter().flatten() {
        writer.word(block.ssrc);
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        writer.word((u32::from(block.fraction_lost) << 24) | lost);
        writer.word(block.highest_sequence);
        writer.word(block.jitter);
        writer.word(block.last_report);
        writer.word(block.delay);
    }
    // One chunk: source, item CNAME with its 16 letters, and nulls up to the next word.
    writer.head(1, SOURCE_DESCRIPTION, 6);
    writer.word(compound.ssrc);
    writer.bytes(&[1, 16]);
    writer.bytes(&cname.letters());
    writer.bytes(&[0, 0]);
    if compound.has_bye {
        writer.head(1, BYE, 1);
        writer.word(compound.ssrc);
    }
    writer.at
}

/// The canonical name of a source: 16 hexadecimal letters, new for each leg (RFC 7022 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalName(pub u64);

impl CanonicalName {
    fn letters(self) -> [u8; 16] {
        let mut letters = [0; 16];
        for (place, letter) in letters.iter_mut().enumerate() {
            *letter = b"0123456789abcdef"[(self.0 >> (4 * place)) as usize & 15];
        }
        letters
    }
}

struct Writer<'a> {
    into: &'a mut [u8; COMPOUND_BYTES_MAX],
    at: usize,
}

impl Writer<'_> {
    fn head(&mut self, count: u8, kind: u8, words: usize) {
        self.bytes(&[0x80 | count, kind]);
        self.bytes(&(words as u16).to_be_bytes());
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.into.get_mut(self.at..self.at + bytes.len()) {
            slot.copy_from_slice(bytes);
            self.at += bytes.len();
        }
    }
}

/// A duration in 1/65536 seconds, as report blocks count.
pub fn short_time(duration: Duration) -> u32 {
    let units = (duration.as_micros() << 16) / 1_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// RFC 3550 §6.4.1: from sending a report to hearing of it, without the peer's own delay.
pub fn round_trip(since_sent: Duration, delay: u32) -> Duration {
    let delay = Duration::from_micros((u64::from(delay) * 1_000_000) >> 16);
    since_sent.saturating_sub(delay)
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
/// Report blocks that are kept; a telephone reports on one source.
pub const BLOCKS_MAX: usize = 2;
/// Room for the largest compound packet that we write: 28 + 48 + 28 + 8 bytes.
pub const COMPOUND_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compound() -> Compound {
        Compound {
            ssrc: 7,
            sender: Some(SenderFacts {
                ntp: 0x0102_0304_0506_0708,
                rtp_timestamp: 9,
                packets: 10,
                bytes: 1_600,
            }),
            blocks: [
                Some(Block {
                    ssrc: 11,
                    fraction_lost: 12,
                    lost: -3,
                    highest_sequence: 0x0001_ffff,
                    jitter: 14,
                    last_report: 0x0304_0506,
                    delay: 65_536,
                }),
                None,
            ],
            has_bye: true,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = [0; COMPOUND_BYTES_MAX];
        let length = write(&compound(), CanonicalName(0xabc), &mut bytes);
        assert_eq!(length, 28 + 24 + 28 + 8);
        assert_eq!(parse(&bytes[..length]), Ok(compound()));
        assert_eq!(compound().sender.unwrap().ntp_middle(), 0x0304_0506);
        let only_received = Compound {
            sender: None,
            has_bye: false,
            ..compound()
        };
        let length = write(&only_received, CanonicalName(0), &mut bytes);
        assert_eq!(parse(&bytes[..length]), Ok(only_received));
    }

    #[test]
    fn strangers_are_told_by_kind() {
        assert_eq!(parse(&[]), Err(Fault::Short));
        assert_eq!(parse(&[0x80, 200, 0, 9, 0, 0, 0, 0]), Err(Fault::Short));
        assert_eq!(parse(&[0x00, 200, 0, 1, 0, 0, 0, 0]), Err(Fault::Version));
        assert_eq!(parse(&[0x80, 202, 0, 1, 0, 0, 0, 0]), Err(Fault::NoReport));
    }

    #[test]
    fn the_round_trip_leaves_the_peers_delay_out() {
        let second = short_time(Duration::from_secs(1));
        assert_eq!(second, 65_536);
        assert_eq!(
            round_trip(Duration::from_millis(1_040), second),
            Duration::from_millis(40)
        );
        assert_eq!(
            round_trip(Duration::from_millis(900), second),
            Duration::ZERO
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_report_panics(kind in 200_u8..204, count in 0_u8..32, words in 0_u16..32,
                            body in prop::collection::vec(any::<u8>(), 0..140)) {
            let mut bytes = vec![0x80 | count, kind];
            bytes.extend(words.to_be_bytes());
            bytes.extend(body);
            let _ = parse(&bytes);
        }
    }
}
