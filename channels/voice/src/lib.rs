//! `ringdown-voice` translates: wire bytes of SIP, SDP and RTP to the words of calls and back.
//!
//! | module | what lives here |
//! |---|---|
//! | [`sip`] | messages, transactions, dialogs, digest, registrar: sans-IO, RFC 3261 and what mends it |
//! | [`sdp`] | session descriptions and the offer/answer model (RFC 8866, RFC 3264) |
//! | [`media`] | RTP relay, players, DTMF and quality, on few dedicated threads |
//! | [`call`] | call control: a call is a value with legs; the B2BUA's commands and events |
//!
//! The cores take time (`Instant`), randomness and bytes as arguments. The shells (`sip::shell`,
//! `media::threads`) own sockets and clocks and hold no decisions.
//!
//! What deliberately does not live here: who may call, which queue, which agent, which prompt.

pub mod call;
pub mod media;
pub mod sdp;
pub mod sip;
