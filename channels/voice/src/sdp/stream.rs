//! What the attributes of one audio stream say: codecs, packet length, where RTCP goes.

use super::description::{Attribute, Description, MediaDescription, connection, number, words};
use super::terms::{Codec, Formats};
use std::net::{IpAddr, SocketAddr};

/// What the attributes of one audio stream say.
pub(super) struct Stream {
    /// The codecs in the peer's order, by number; `None` is telephone-event.
    formats: [Option<(u8, Option<Codec>)>; STREAM_FORMATS_MAX],
    pub(super) ptime_ms: u8,
    rtcp: Option<(u16, Option<IpAddr>)>,
}

impl Stream {
    pub(super) fn read(description: &Description<'_>, media: &MediaDescription<'_>) -> Self {
        let attributes = description.attributes_of(media);
        let mut formats = [None; STREAM_FORMATS_MAX];
        let known = media
            .payload_numbers()
            .filter_map(|number| Some((number, meaning(attributes, number)?)));
        for (slot, format) in formats.iter_mut().zip(known) {
            *slot = Some(format);
        }
        Self {
            formats,
            ptime_ms: ptime_ms(attributes),
            rtcp: attributes
                .iter()
                .find(|attribute| attribute.is("rtcp"))
                .and_then(|attribute| rtcp(attribute.value)),
        }
    }

    /// What both sides take, in the order of this side; with `offered`, only what was offered.
    pub(super) fn common_with(&self, offered: Option<&Formats>) -> Option<Formats> {
        let mut common: Option<Formats> = None;
        let mut telephone_event = None;
        for (number, meaning) in self.formats.iter().flatten() {
            match meaning {
                Some(codec) => {
                    if offered.is_some_and(|offered| offered.number(*codec).is_none()) {
                        continue;
                    }
                    let formats = common.get_or_insert(Formats {
                        codec: *codec,
                        pcmu: None,
                        pcma: None,
                        telephone_event: None,
                    });
                    if formats.number(*codec).is_none() {
                        formats.set_number(*codec, Some(*number));
                    }
                }
                None => telephone_event = telephone_event.or(Some(*number)),
            }
        }
        if offered.is_some_and(|offered| offered.telephone_event.is_none()) {
            telephone_event = None;
        }
        common.map(|formats| Formats {
            telephone_event,
            ..formats
        })
    }

    /// RFC 3605: `a=rtcp:` says where; else the next port (RFC 3550 §11).
    pub(super) fn rtcp_address(&self, rtp: SocketAddr) -> SocketAddr {
        match self.rtcp {
            Some((port, address)) => {
                // Reports to a third host would let an offer aim us at anybody.
                let address = address.filter(|address| *address == rtp.ip());
                SocketAddr::new(address.unwrap_or(rtp.ip()), port)
            }
            None => SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)),
        }
    }
}

/// What a payload number means: a codec, telephone-event (`Some(None)`), or nothing of ours.
fn meaning(attributes: &[Attribute<'_>], wanted: u8) -> Option<Option<Codec>> {
    let encoding = attributes
        .iter()
        .filter(|attribute| attribute.is("rtpmap"))
        .find_map(|attribute| {
            let mut words = words(attribute.value);
            (words.next().and_then(number) == Some(wanted)).then(|| words.next())
        });
    let Some(encoding) = encoding else {
        return Codec::ALL
            .into_iter()
            .find(|codec| codec.static_number() == wanted)
            .map(Some);
    };
    let mut parts = encoding?.split(|byte| *byte == b'/');
    let name = parts.next()?;
    let rate: u32 = parts.next().and_then(number)?;
    let channels: u32 = parts.next().map_or(Some(1), number)?;
    if rate != 8_000 || channels != 1 {
        return None;
    }
    if name.eq_ignore_ascii_case(b"telephone-event") {
        return Some(None);
    }
    Codec::ALL
        .into_iter()
        .find(|codec| name.eq_ignore_ascii_case(codec.name().as_bytes()))
        .map(Some)
}

fn ptime_ms(attributes: &[Attribute<'_>]) -> u8 {
    let said = |name: &str| -> Option<u32> {
        attributes
            .iter()
            .find(|attribute| attribute.is(name))
            .and_then(|attribute| number(attribute.value))
    };
    let most = said("maxptime").unwrap_or(u32::from(PTIME_MS_MAX));
    let wished = said("ptime").unwrap_or(u32::from(PTIME_MS)).min(most);
    u8::try_from(wished)
        .unwrap_or(PTIME_MS)
        .clamp(PTIME_MS_MIN, PTIME_MS_MAX)
}

fn rtcp(value: &[u8]) -> Option<(u16, Option<IpAddr>)> {
    let mut words = words(value);
    let port = words.next().and_then(number).filter(|port| *port != 0)?;
    Some((port, connection(words)))
}

pub(super) fn has_flag(attributes: &[Attribute<'_>], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.is(name))
}

/// Audio per packet that we like to receive, in milliseconds.
pub(super) const PTIME_MS: u8 = 20;
const PTIME_MS_MIN: u8 = 10;
const PTIME_MS_MAX: u8 = 60;
/// Formats of ours that are told apart in one stream: two codecs, telephone events, and spares.
const STREAM_FORMATS_MAX: usize = 8;
