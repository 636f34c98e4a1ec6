//! One leg's side of the offer/answer model (RFC 3264).

use super::description::{Connection, Description, MediaDescription, parse, words};
use super::stream::{PTIME_MS, Stream, has_flag};
use super::terms::{Codec, Direction, Formats, RemoteMedia};
use bytes::Bytes;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// What was offered, answered and settled on one leg: one audio stream of ours among any number of
/// streams that we refuse.
///
/// ```
/// use ringdown_voice::sdp::{Codec, Negotiation};
/// let mut leg = Negotiation::new("192.0.2.1:4000".parse()?, 1);
/// let offer = b"v=0\r\no=- 7 7 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
///     m=audio 5000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\n";
/// let answer = leg.handle_offer(offer)?;
/// assert!(answer.windows(33).any(|text| text == b"m=audio 4000 RTP/AVP 8 0 96\r\na=rt"));
/// assert_eq!(leg.remote().map(|remote| remote.codec()), Some(Codec::Pcma));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiation {
    local: SocketAddr,
    session_id: u64,
    session_version: u64,
    /// What the last text of ours said; `None` when the next one differs in any case.
    described: Option<Described>,
    /// What the gateway wants of this leg, whatever the peer says.
    wanted: Direction,
    state: State,
    /// What we said last: the numbers we receive, in which profile, how much audio a packet.
    formats: Formats,
    profile: Profile,
    rtcp_mux: RtcpMux,
    ptime_ms: u8,
    /// `m=` lines of refused streams before and after our audio line, with their ends of line.
    refused_before: Box<str>,
    refused_after: Box<str>,
    remote: Option<RemoteMedia>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was settled yet.
    New,
    /// Our offer is under way; `settled` says what to go back to when it fails.
    Offered {
        direction: Direction,
        settled: Option<Settled>,
    },
    /// Both sides agree.
    Settled(Settled),
}

/// The audio line of a settled session, as we described it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// It is there, in this direction seen from us.
    Audio(Direction),
    /// Every stream is refused.
    Nothing,
}

/// All of a text of ours that can change, but for the refused streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Described {
    audio: Settled,
    formats: Formats,
    profile: Profile,
    rtcp_mux: RtcpMux,
    ptime_ms: u8,
}

/// The RTP profile of the audio line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Avp,
    /// RFC 4585; its feedback is optional, so plain RTP speaks it.
    Avpf,
}

impl Profile {
    fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Avp, Self::Avpf]
            .into_iter()
            .find(|profile| name.eq_ignore_ascii_case(profile.name().as_bytes()))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
        }
    }
}

/// Whether RTP and RTCP share a port (RFC 5761).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RtcpMux {
    Apart,
    Shared,
}

/// Why a description was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is no session description.
    #[error("the body is not a session description")]
    Malformed,
    /// It is longer, or has more streams or attributes, than the bounds allow.
    #[error("the session description is too large")]
    TooLarge,
    /// It has no audio stream that is open.
    #[error("no audio stream is offered")]
    NoAudio,
    /// Its audio wants a transport that we do not speak.
    #[error("the audio's transport is not RTP/AVP or RTP/AVPF")]
    TransportUnusable,
    /// Its audio goes to a host name, a multicast address or the other kind of IP address.
    #[error("the audio's address cannot be used")]
    AddressUnusable,
    /// Its audio has neither PCMU nor PCMA.
    #[error("no common codec: PCMU or PCMA is needed")]
    NoCommonCodec,
    /// Our own offer is under way (RFC 3264 §4).
    #[error("an offer crossed ours")]
    Glare,
    /// It answers an offer that was not made.
    #[error("an answer without an offer")]
    Unexpected,
}

impl Refusal {
    /// The SIP status to answer an offer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Unexpected => 400,
            Self::TooLarge => 413,
            Self::NoAudio
            | Self::TransportUnusable
            | Self::AddressUnusable
            | Self::NoCommonCodec => 488,
            Self::Glare => 491,
        }
    }

    /// The reason phrase beside that status (RFC 3261 §21).
    pub const fn reason(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            413 => "Request Entity Too Large",
            491 => "Request Pending",
            _ => "Not Acceptable Here",
        }
    }

    /// The code for a Warning header (RFC 3261 §20.43), when there is a fitting one.
    pub const fn warning(self) -> Option<u16> {
        match self {
            Self::AddressUnusable => Some(301),
            Self::TransportUnusable => Some(302),
            Self::NoAudio => Some(304),
            Self::NoCommonCodec => Some(305),
            Self::Malformed | Self::TooLarge | Self::Glare | Self::Unexpected => None,
        }
    }
}

/// Why an offer could not be answered by a leg whose audio arrives at `local`; `None` when it could be.
pub fn refusal_of(offer: &[u8], local: IpAddr) -> Option<Refusal> {
    let mut leg = Negotiation::new(SocketAddr::new(local, PROBE_PORT), 0);
    leg.handle_offer(offer).err()
}

/// Written into an answer that nobody gets.
const PROBE_PORT: u16 = 9;

impl Negotiation {
    /// Starts a leg whose audio arrives at `local`; `session_id` names the session for its life.
    pub fn new(local: SocketAddr, session_id: u64) -> Self {
        Self {
            local,
            session_id: session_id & SESSION_ID_MASK,
            session_version: 0,
            described: None,
            wanted: Direction::SendRecv,
            state: State::New,
            formats: Formats::ours(Codec::Pcmu),
            profile: Profile::Avp,
            rtcp_mux: RtcpMux::Apart,
            ptime_ms: PTIME_MS,
            refused_before: Box::default(),
            refused_after: Box::default(),
            remote: None,
        }
    }

    /// Names this codec first in our first offer, so that two legs need no transcoding.
    pub fn prefer(&mut self, codec: Codec) {
        if self.state == State::New {
            self.formats.codec = codec;
        }
    }

    /// Says what the gateway wants of this leg from the next offer or answer on.
    ///
    /// `SendOnly` puts the peer on hold (RFC 3264 §8.4), `SendRecv` takes it off hold.
    pub fn set_direction(&mut self, wanted: Direction) {
        self.wanted = wanted;
    }

    /// What was settled with the peer; `None` before, and when the peer ended the audio stream.
    pub fn remote(&self) -> Option<RemoteMedia> {
        self.remote
    }

    /// Where our audio arrives.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether our own offer waits for its answer.
    pub fn is_offering(&self) -> bool {
        matches!(self.state, State::Offered { .. })
    }

    /// Takes the peer's offer and gives our answer.
    pub fn handle_offer(&mut self, offer: &[u8]) -> Result<Bytes, Refusal> {
        if self.is_offering() {
            return Err(Refusal::Glare);
        }
        let (description, _) = parse(offer);
        check_whole(&description)?;
        let chosen = self.choose_audio(&description)?;
        let place = chosen.as_ref().map(|chosen| chosen.place);
        let (before, after) = refused_lines(&description, place)?;
        if self.refused_before != before || self.refused_after != after {
            self.refused_before = before;
            self.refused_after = after;
            self.described = None;
        }
        let settled = match &chosen {
            Some(chosen) => self.settle_offer(&description, chosen),
            None => {
                self.remote = None;
                Settled::Nothing
            }
        };
        self.state = State::Settled(settled);
        Ok(self.write(settled))
    }

    /// Makes our offer: the first one, or a change of what is settled.
    ///
    /// Making it again before the answer came gives the same text.
    pub fn make_offer(&mut self) -> Bytes {
        let settled = match self.state {
            State::New => None,
            State::Offered { settled, .. } => settled,
            State::Settled(settled) => Some(settled),
        };
        if let Some(remote) = &self.remote {
            // RFC 3264 §8.3.2: a number once mapped stays mapped; others may be added.
            for codec in Codec::ALL {
                let free = remote.receive.codec_of(codec.static_number()).is_none()
                    && self.formats.telephone_event != Some(codec.static_number());
                if self.formats.number(codec).is_none() && free {
                    self.formats.set_number(codec, Some(codec.static_number()));
                }
            }
        }
        self.state = State::Offered {
            direction: self.wanted,
            settled,
        };
        self.write(Settled::Audio(self.wanted))
    }

    /// Forgets our offer because the peer refused it; what was settled before stays.
    pub fn withdraw_offer(&mut self) {
        if let State::Offered { settled, .. } = self.state {
            self.state = settled.map_or(State::New, State::Settled);
            if let Some(remote) = &self.remote {
                self.formats = remote.receive;
            }
        }
    }

    /// Takes the answer to our offer, from whichever message brings it.
    pub fn handle_answer(&mut self, answer: &[u8]) -> Result<(), Refusal> {
        let State::Offered { direction, settled } = self.state else {
            return Err(Refusal::Unexpected);
        };
        let (description, _) = parse(answer);
        check_whole(&description)?;
        let place = self.refused_before.matches("\r\n").count();
        let media = description.media.get(place).ok_or(Refusal::NoAudio)?;
        if media.port == 0 {
            self.remote = None;
            self.state = settled.map_or(State::New, |_| State::Settled(Settled::Nothing));
            return Err(Refusal::NoAudio);
        }
        let address = self.usable_address(&description, media)?;
        let stream = Stream::read(&description, media);
        let send = stream
            .common_with(Some(&self.formats))
            .ok_or(Refusal::NoCommonCodec)?;
        let peer = description.direction_of(media).and(reach(address));
        let direction = direction.and(peer.reversed());
        let rtp = SocketAddr::new(address, media.port);
        // RFC 5761 §5.1.1: shared only when both sides say so.
        let is_mux = self.rtcp_mux == RtcpMux::Shared
            && has_flag(description.attributes_of(media), "rtcp-mux");
        if !is_mux {
            self.rtcp_mux = RtcpMux::Apart;
        }
        self.remote = Some(RemoteMedia {
            rtp,
            rtcp: if is_mux {
                rtp
            } else {
                stream.rtcp_address(rtp)
            },
            has_rtcp_mux: is_mux,
            send,
            receive: Formats {
                codec: send.codec,
                ..self.formats
            },
            direction,
            ptime_ms: stream.ptime_ms,
        });
        self.formats.codec = send.codec;
        self.state = State::Settled(Settled::Audio(direction));
        Ok(())
    }

    /// Takes the description of an unreliable provisional response (RFC 3261 §13.2.1): audio may
    /// flow by it, and the answer is still to come - the same, or another one after a ringing tone.
    pub fn handle_preview(&mut self, answer: &[u8]) -> Result<(), Refusal> {
        let mut settled = self.clone();
        settled.handle_answer(answer)?;
        self.remote = settled.remote;
        Ok(())
    }

    /// The description we gave last, word for word; `None` before the first.
    ///
    /// For a final response after a reliable provisional one, and for session refreshes.
    pub fn current(&mut self) -> Option<Bytes> {
        match self.state {
            State::New => None,
            State::Offered { direction, .. } => Some(self.write(Settled::Audio(direction))),
            State::Settled(settled) => Some(self.write(settled)),
        }
    }

    /// RFC 3264 §6: the first stream that we can take, or why there is none.
    fn choose_audio<'a>(&self, offer: &Description<'a>) -> Result<Option<Chosen>, Refusal> {
        let mut refusal = None;
        let mut is_open = false;
        for (place, media) in offer.media.iter().enumerate() {
            if media.port == 0 {
                continue;
            }
            is_open = true;
            match self.try_audio(offer, media) {
                Ok((address, profile, formats, stream)) => {
                    return Ok(Some(Chosen {
                        place,
                        rtp: SocketAddr::new(address, media.port),
                        peer: offer.direction_of(media).and(reach(address)),
                        profile,
                        formats,
                        stream,
                    }));
                }
                Err(Refusal::NoAudio) => {}
                Err(other) => refusal = refusal.or(Some(other)),
            }
        }
        // RFC 3264 §5, §8.2: no stream, or only ended ones, is an offer too; but not for a new call.
        match (is_open, self.state) {
            (false, State::Settled(_)) => Ok(None),
            (false, State::New | State::Offered { .. }) | (true, _) => {
                Err(refusal.unwrap_or(Refusal::NoAudio))
            }
        }
    }

    fn try_audio<'a>(
        &self,
        offer: &Description<'a>,
        media: &MediaDescription<'a>,
    ) -> Result<(IpAddr, Profile, Formats, Stream), Refusal> {
        if !media.kind.eq_ignore_ascii_case(b"audio") {
            return Err(Refusal::NoAudio);
        }
        let profile = Profile::from_name(media.protocol).ok_or(Refusal::TransportUnusable)?;
        let address = self.usable_address(offer, media)?;
        let stream = Stream::read(offer, media);
        let formats = stream.common_with(None).ok_or(Refusal::NoCommonCodec)?;
        Ok((address, profile, formats, stream))
    }

    fn settle_offer(&mut self, offer: &Description<'_>, chosen: &Chosen) -> Settled {
        let is_mux = offer
            .media
            .get(chosen.place)
            .is_some_and(|media| has_flag(offer.attributes_of(media), "rtcp-mux"));
        self.rtcp_mux = if is_mux {
            RtcpMux::Shared
        } else {
            RtcpMux::Apart
        };
        self.formats = chosen.formats;
        self.profile = chosen.profile;
        self.ptime_ms = chosen.stream.ptime_ms;
        let direction = self.wanted.and(chosen.peer.reversed());
        self.remote = Some(RemoteMedia {
            rtp: chosen.rtp,
            rtcp: if is_mux {
                chosen.rtp
            } else {
                chosen.stream.rtcp_address(chosen.rtp)
            },
            has_rtcp_mux: is_mux,
            send: chosen.formats,
            receive: chosen.formats,
            direction,
            ptime_ms: chosen.stream.ptime_ms,
        });
        Settled::Audio(direction)
    }

    /// The address of a stream, when we can send there: unicast and of our own family.
    fn usable_address(
        &self,
        description: &Description<'_>,
        media: &MediaDescription<'_>,
    ) -> Result<IpAddr, Refusal> {
        let address = description
            .connection_of(media)
            .and_then(Connection::address)
            .ok_or(Refusal::AddressUnusable)?;
        let is_broadcast = address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
        if address.is_multicast() || is_broadcast || address.is_ipv4() != self.local.is_ipv4() {
            return Err(Refusal::AddressUnusable);
        }
        Ok(address)
    }

    fn write(&mut self, audio: Settled) -> Bytes {
        let described = Described {
            audio,
            formats: self.formats,
            profile: self.profile,
            rtcp_mux: self.rtcp_mux,
            ptime_ms: self.ptime_ms,
        };
        if self.described.replace(described) != Some(described) {
            // RFC 3264 §8: the version grows by one with every change.
            self.session_version += 1;
        }
        let mut body = String::with_capacity(TEXT_BYTES_USUAL);
        let family = if self.local.is_ipv4() { "IP4" } else { "IP6" };
        let address = self.local.ip();
        // Writing to a string cannot fail, so the results are not looked at.
        let _ = write!(
            body,
            "v=0\r\no=- {} {} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n{}",
            self.session_id, self.session_version, self.refused_before
        );
        match audio {
            Settled::Audio(direction) => self.write_audio(&mut body, direction),
            Settled::Nothing => {}
        }
        body.push_str(&self.refused_after);
        Bytes::from(body)
    }

    fn write_audio(&self, body: &mut String, direction: Direction) {
        let first = self.formats.codec;
        let codecs = [first, first.other()];
        let _ = write!(
            body,
            "m=audio {} {}",
            self.local.port(),
            self.profile.name()
        );
        let numbers = codecs
            .iter()
            .filter_map(|codec| self.formats.number(*codec));
        for number in numbers.chain(self.formats.telephone_event) {
            let _ = write!(body, " {number}");
        }
        body.push_str("\r\n");
        for codec in codecs {
            if let Some(number) = self.formats.number(codec) {
                let _ = write!(body, "a=rtpmap:{number} {}/8000\r\n", codec.name());
            }
        }
        if let Some(number) = self.formats.telephone_event {
            // RFC 4733 §2.5.1.1: the events 0 to 15 are the keys of a telephone.
            let _ = write!(
                body,
                "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n"
            );
        }
        let _ = write!(body, "a=ptime:{}\r\n", self.ptime_ms);
        if self.rtcp_mux == RtcpMux::Shared {
            body.push_str("a=rtcp-mux\r\n");
        }
        let _ = write!(body, "a={}\r\n", direction.name());
    }
}

/// The stream of an offer that we take.
struct Chosen {
    place: usize,
    rtp: SocketAddr,
    /// What the peer does.
    peer: Direction,
    profile: Profile,
    formats: Formats,
    stream: Stream,
}

/// What an unspecified address allows its owner: RFC 3264 §8.4, the old form of hold.
fn reach(address: IpAddr) -> Direction {
    Direction::new(true, !address.is_unspecified())
}

/// Only what RFC 8866 §5 makes us rely on; everything else is listed as faults by the parser.
fn check_whole(description: &Description<'_>) -> Result<(), Refusal> {
    if description.is_cut {
        return Err(Refusal::TooLarge);
    }
    if !description.has_version {
        return Err(Refusal::Malformed);
    }
    Ok(())
}

/// RFC 3264 §6: an answer has the offer's streams in the offer's order; refused ones have port 0.
fn refused_lines(
    offer: &Description<'_>,
    taken: Option<usize>,
) -> Result<(Box<str>, Box<str>), Refusal> {
    let mut before = String::new();
    let mut after = String::new();
    for (place, media) in offer.media.iter().enumerate() {
        let text = match taken {
            Some(taken) if place == taken => continue,
            Some(taken) if place > taken => &mut after,
            Some(_) | None => &mut before,
        };
        // RFC 3264 §6: the formats of a refused stream mean nothing, but one must be there.
        let format = words(media.formats).next().unwrap_or(b"0");
        let _ = write!(
            text,
            "m={} 0 {} {}\r\n",
            token(media.kind, "audio")?,
            token(media.protocol, "RTP/AVP")?,
            token(format, "0")?
        );
    }
    Ok((before.into(), after.into()))
}

/// A word that may be said back: printable ASCII, not overlong.
fn token<'a>(word: &'a [u8], absent: &'static str) -> Result<&'a str, Refusal> {
    if word.is_empty() {
        return Ok(absent);
    }
    let is_fit = word.len() <= TOKEN_BYTES_MAX && word.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(word)
        .ok()
        .filter(|_| is_fit)
        .ok_or(Refusal::Malformed)
}

/// RFC 3264 §5: ids and versions must fit in a signed 64-bit number.
const SESSION_ID_MASK: u64 = (1 << 62) - 1;
/// Room for the text of one audio stream.
const TEXT_BYTES_USUAL: usize = 360;
/// Longest word of a refused stream that is said back.
const TOKEN_BYTES_MAX: usize = 64;

#[cfg(test)]
#[path = "negotiation_tests.rs"]
mod tests;
