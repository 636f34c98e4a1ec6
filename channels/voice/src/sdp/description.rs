//! The text of a session description (RFC 8866), read tolerantly and within bounds.

use super::terms::Direction;
use std::net::IpAddr;
use std::ops::Range;
use std::str::FromStr;

/// A session description over the bytes that were received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description<'a> {
    /// The version line said `0`; anything else is no description of ours.
    pub has_version: bool,
    /// Who made it (`o=`).
    pub origin: Option<Origin<'a>>,
    /// Its title (`s=`).
    pub session_name: &'a [u8],
    /// The session's connection (`c=`), which holds for streams that have none of their own.
    pub connection: Option<Connection>,
    /// The streams (`m=`), in order.
    pub media: Vec<MediaDescription<'a>>,
    /// The bounds cut it: there was more than was read.
    pub is_cut: bool,
    attributes: Vec<Attribute<'a>>,
    session_attributes: usize,
}

/// Who made a description, and its version (RFC 8866 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The user's name, usually `-`.
    pub username: &'a [u8],
    /// The session's id.
    pub session_id: u64,
    /// Grows with every change.
    pub session_version: u64,
}

/// Where media goes (RFC 8866 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// An address.
    Address(IpAddr),
    /// A host name or something we cannot read; nothing is sent there.
    Unusable,
}

impl Connection {
    /// The address, when there is one.
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Unusable => None,
        }
    }
}

/// One stream (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription<'a> {
    /// `audio`, `video`, `image`, ...
    pub kind: &'a [u8],
    /// Its port; 0 means refused or ended.
    pub port: u16,
    /// `RTP/AVP` and the like.
    pub protocol: &'a [u8],
    /// The formats, as written, separated by spaces.
    pub formats: &'a [u8],
    /// Its own connection, when it has one.
    pub connection: Option<Connection>,
    attributes: Range<usize>,
}

impl<'a> MediaDescription<'a> {
    /// The payload numbers among the formats, in order.
    pub fn payload_numbers(&self) -> impl Iterator<Item = u8> + 'a {
        words(self.formats)
            .filter_map(number)
            .filter(|number| *number < 128)
            .take(FORMATS_MAX)
    }
}

/// One `a=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Before the colon.
    pub name: &'a [u8],
    /// After the colon; empty for a flag.
    pub value: &'a [u8],
}

impl Attribute<'_> {
    /// Whether it has this name, whatever the case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl<'a> Description<'a> {
    /// The attributes of the session.
    pub fn attributes(&self) -> &[Attribute<'a>] {
        self.attributes
            .get(..self.session_attributes)
            .unwrap_or_default()
    }

    /// The attributes of one of its streams.
    pub fn attributes_of(&self, media: &MediaDescription<'a>) -> &[Attribute<'a>] {
        self.attributes
            .get(media.attributes.clone())
            .unwrap_or_default()
    }

    /// The connection that holds for a stream.
    pub fn connection_of(&self, media: &MediaDescription<'a>) -> Option<Connection> {
        media.connection.or(self.connection)
    }

    /// RFC 8866 §6.7: the stream's direction, else the session's, else both ways.
    pub fn direction_of(&self, media: &MediaDescription<'a>) -> Direction {
        let said = |attributes: &[Attribute<'a>]| {
            attributes
                .iter()
                .find_map(|attribute| Direction::from_name(attribute.name))
        };
        said(self.attributes_of(media))
            .or_else(|| said(self.attributes()))
            .unwrap_or_default()
    }
}

/// One oddity of a text, and the line it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; 0 when it is about the whole.
    pub line: u32,
    /// What is odd.
    pub kind: FaultKind,
}

/// What is odd about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// It has no `x=` at its start.
    #[error("not a line of the form x=value")]
    NotALine,
    /// Its letter is not one of RFC 8866.
    #[error("unknown line type")]
    UnknownType,
    /// It stands where RFC 8866 §5 does not allow it.
    #[error("line out of order")]
    Misplaced,
    /// The version is not 0.
    #[error("version is not 0")]
    BadVersion,
    /// The origin cannot be read.
    #[error("origin cannot be read")]
    BadOrigin,
    /// The connection is no IP address.
    #[error("connection is not an IP address")]
    BadConnection,
    /// The stream cannot be read; it stands as refused.
    #[error("stream cannot be read")]
    BadMedia,
    /// More lines, streams or attributes than the bounds allow; the rest was not read.
    #[error("too much; the rest was not read")]
    TooMuch,
    /// A line that RFC 8866 §5 requires is missing.
    #[error("required line missing")]
    Missing,
}

/// Reads a text; what cannot be read is listed and left out.
pub fn parse(text: &[u8]) -> (Description<'_>, Vec<Fault>) {
    let mut reader = Reader::default();
    let text = if text.len() > TEXT_BYTES_MAX {
        reader.fault(0, FaultKind::TooMuch);
        text.get(..TEXT_BYTES_MAX).unwrap_or_default()
    } else {
        text
    };
    let lines = text.split(|byte| *byte == b'\n');
    for (line, place) in lines.zip(1..) {
        if place > LINES_MAX {
            reader.fault(place, FaultKind::TooMuch);
            break;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            reader.read_line(place, line);
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader<'a> {
    description: Description<'a>,
    faults: Vec<Fault>,
    has_timing: bool,
}

impl<'a> Reader<'a> {
    fn read_line(&mut self, place: u32, line: &'a [u8]) {
        let [letter, b'=', value @ ..] = line.trim_ascii_start() else {
            self.fault(place, FaultKind::NotALine);
            return;
        };
        let is_in_media = !self.description.media.is_empty();
        match (letter, is_in_media) {
            (b'v', false) => {
                self.description.has_version = value.trim_ascii() == b"0";
                if !self.description.has_version {
                    self.fault(place, FaultKind::BadVersion);
                }
            }
            (b'o', false) => match origin(value) {
                Some(origin) => self.description.origin = Some(origin),
                None => self.fault(place, FaultKind::BadOrigin),
            },
            (b's', false) => self.description.session_name = value,
            (b't', false) => self.has_timing = true,
            (b'c', _) => self.read_connection(place, value),
            (b'm', _) => self.read_media(place, value),
            (b'a', _) => self.read_attribute(place, value),
            (b'i' | b'b' | b'k', _) => {}
            (b'u' | b'e' | b'p' | b'r' | b'z', false) => {}
            (b'v' | b'o' | b's' | b't' | b'u' | b'e' | b'p' | b'r' | b'z', true) => {
                self.fault(place, FaultKind::Misplaced);
            }
            (_, _) => self.fault(place, FaultKind::UnknownType),
        }
    }

    fn read_connection(&mut self, place: u32, value: &'a [u8]) {
        let connection = match connection(words(value)) {
            Some(address) => Connection::Address(address),
            None => {
                self.fault(place, FaultKind::BadConnection);
                Connection::Unusable
            }
        };
        let slot = match self.description.media.last_mut() {
            Some(media) => &mut media.connection,
            None => &mut self.description.connection,
        };
        // RFC 8866 §5.7 allows several only for layered multicast; the first one counts.
        slot.get_or_insert(connection);
    }

    fn read_media(&mut self, place: u32, value: &'a [u8]) {
        if self.description.media.len() >= MEDIA_MAX {
            self.fault(place, FaultKind::TooMuch);
            return;
        }
        let (kind, rest) = split_word(value);
        let (port, rest) = split_word(rest);
        let (protocol, formats) = split_word(rest);
        let port_number = port.split(|byte| *byte == b'/').next().and_then(number);
        if port_number.is_none() || kind.is_empty() || protocol.is_empty() || formats.is_empty() {
            self.fault(place, FaultKind::BadMedia);
        }
        let attributes = self.description.attributes.len();
        self.description.media.push(MediaDescription {
            kind,
            port: port_number.unwrap_or(0),
            protocol,
            formats,
            connection: None,
            attributes: attributes..attributes,
        });
    }

    fn read_attribute(&mut self, place: u32, value: &'a [u8]) {
        if self.description.attributes.len() >= ATTRIBUTES_MAX {
            self.fault(place, FaultKind::TooMuch);
            return;
        }
        let colon = value.iter().position(|byte| *byte == b':');
        let (name, value) = match colon.and_then(|colon| value.split_at_checked(colon)) {
            Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
            None => (value, &value[..0]),
        };
        self.description.attributes.push(Attribute {
            name: name.trim_ascii(),
            value: value.trim_ascii(),
        });
        match self.description.media.last_mut() {
            Some(media) => media.attributes.end += 1,
            None => self.description.session_attributes += 1,
        }
    }

    fn finish(mut self) -> (Description<'a>, Vec<Fault>) {
        let is_whole = self.description.has_version
            && self.description.origin.is_some()
            && !self.description.session_name.is_empty()
            && self.has_timing;
        if !is_whole {
            self.fault(0, FaultKind::Missing);
        }
        (self.description, self.faults)
    }

    fn fault(&mut self, line: u32, kind: FaultKind) {
        self.description.is_cut |= kind == FaultKind::TooMuch;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { line, kind });
        }
    }
}

/// Reads `IN IP4 192.0.2.1` or `IN IP6 2001:db8::1`, with or without a multicast TTL.
pub(super) fn connection<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<IpAddr> {
    let network = words.next()?;
    let family = words.next()?;
    let address = words.next()?;
    let address = address.split(|byte| *byte == b'/').next()?;
    let address: IpAddr = number(address)?;
    let is_family = match address {
        IpAddr::V4(_) => family.eq_ignore_ascii_case(b"IP4"),
        IpAddr::V6(_) => family.eq_ignore_ascii_case(b"IP6"),
    };
    (network.eq_ignore_ascii_case(b"IN") && is_family).then_some(address)
}

fn origin(value: &[u8]) -> Option<Origin<'_>> {
    let mut words = words(value);
    Some(Origin {
        username: words.next()?,
        session_id: number(words.next()?)?,
        session_version: number(words.next()?)?,
    })
}

/// The words of a value; RFC 8866 §9 has one space between them, others have more.
pub(super) fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
}

fn split_word(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii();
    let end = value
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(value.len());
    let (word, rest) = value.split_at(end);
    (word, rest.trim_ascii())
}

/// Reads whatever is written in ASCII: a number, an address.
pub(super) fn number<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Longest text that is read; a description of one audio stream has about 300 bytes.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
/// Most lines that are read.
pub const LINES_MAX: u32 = 1_024;
/// Most streams that are read.
pub const MEDIA_MAX: usize = 32;
/// Most attributes that are read, over all streams.
pub const ATTRIBUTES_MAX: usize = 768;
/// Most payload numbers that are looked at in one stream.
pub const FORMATS_MAX: usize = 64;
/// Most faults that are listed.
pub const FAULTS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<FaultKind> {
        let (_, faults) = parse(text.as_bytes());
        faults.iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn a_plain_description_is_read_without_fault() {
        let text = b"v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call\r\n\
            c=IN IP4 198.51.100.1\r\nt=0 0\r\na=sendonly\r\nm=audio 49170/2 RTP/AVP 0 8\r\n\
            a=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 99\r\nc=IN IP6 2001:db8::2\r\n\
            a=rtpmap:99 h263-1998/90000\r\na=recvonly\r\n";
        let (description, faults) = parse(text);
        assert_eq!(faults, []);
        assert_eq!(description.origin.unwrap().session_version, 3_724_394_405);
        let [audio, video] = &description.media[..] else {
            panic!("two streams");
        };
        assert_eq!((audio.kind, audio.port), (&b"audio"[..], 49170));
        assert_eq!(audio.payload_numbers().collect::<Vec<_>>(), [0, 8]);
        assert_eq!(description.direction_of(audio), Direction::SendOnly);
        assert_eq!(description.direction_of(video), Direction::RecvOnly);
        assert_eq!(
            description.connection_of(video),
            Some(Connection::Address("2001:db8::2".parse().unwrap()))
        );
        assert_eq!(
            description.attributes_of(video)[0].value,
            b"99 h263-1998/90000"
        );
        assert_eq!(description.attributes().len(), 1);
    }

    #[test]
    fn bare_newlines_and_double_spaces_are_read() {
        let text = "v=0\no=-  1  2  IN  IP4  192.0.2.1\ns=-\nt=0 0\nm=audio  4000  RTP/AVP  0\n";
        let (description, faults) = parse(text.as_bytes());
        assert_eq!(faults, []);
        assert_eq!(description.media[0].port, 4000);
    }

    #[test]
    fn oddities_are_listed_and_the_rest_is_read() {
        assert_eq!(
            kinds(
                "v=0\r\no=-\r\ns=x\r\nt=0 0\r\nnonsense\r\nq=1\r\nc=IN IP4 pbx.example\r\nm=audio x RTP/AVP 0\r\ns=late\r\n"
            ),
            [
                FaultKind::BadOrigin,
                FaultKind::NotALine,
                FaultKind::UnknownType,
                FaultKind::BadConnection,
                FaultKind::BadMedia,
                FaultKind::Misplaced,
                FaultKind::Missing,
            ]
        );
        assert_eq!(kinds(""), [FaultKind::Missing]);
    }

    #[test]
    fn an_unreadable_stream_keeps_its_place_as_refused() {
        let (description, _) = parse(b"v=0\r\nm=\r\nm=audio 4000 RTP/AVP 0\r\n");
        assert_eq!(description.media.len(), 2);
        assert_eq!(description.media[0].port, 0);
        assert_eq!(description.media[1].port, 4000);
    }

    #[test]
    fn more_than_the_bounds_is_cut_and_said() {
        let many = "m=audio 1 RTP/AVP 0\r\n".repeat(MEDIA_MAX + 1);
        let (description, faults) = parse(many.as_bytes());
        assert_eq!(description.media.len(), MEDIA_MAX);
        assert!(faults.iter().any(|fault| fault.kind == FaultKind::TooMuch));
        let (_, faults) = parse(&vec![b'a'; TEXT_BYTES_MAX + 1]);
        assert!(faults.iter().any(|fault| fault.kind == FaultKind::TooMuch));
        let lines = "a=x\n".repeat(5_000);
        let (description, faults) = parse(lines.as_bytes());
        assert_eq!(description.attributes().len(), ATTRIBUTES_MAX);
        assert_eq!(faults.len(), FAULTS_MAX);
    }
}
