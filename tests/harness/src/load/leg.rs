//! One leg of a call as the generator holds it, and the texts it sends.

use crate::sip::{self, SipText};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// T1; RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);

/// Longest pause between two retransmissions before the leg gives up.
const RESEND_PAUSE_MAX: Duration = Duration::from_secs(8);

/// Which side of the gateway a leg is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Somebody who phones.
    Caller,
    /// The agent of that number.
    Agent(u32),
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A caller's INVITE is out, or an agent's phone rings.
    Inviting,
    /// An agent answered; its ACK is not here yet.
    Answering,
    /// It talks.
    Up,
    /// Its BYE is out.
    Leaving,
    /// It is over.
    Over,
}

/// One leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) side: Side,
    pub(super) stage: Stage,
    pub(super) call_id: String,
    pub(super) peer: SocketAddr,
    pub(super) media: Option<SocketAddr>,
    pub(super) began: Instant,
    pub(super) hang_up_at: Option<Instant>,
    /// From and To as this leg writes them.
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    resend: Option<Resend>,
    /// Audio: next frame's number, and whom it heard.
    pub(super) frames_sent: u32,
    pub(super) heard_of: Option<u32>,
    pub(super) is_crossed: bool,
    pub(super) is_speaking: bool,
}

/// A message that is sent again until it is answered.
#[derive(Debug)]
struct Resend {
    text: String,
    at: Instant,
    pause: Duration,
}

/// What is due for a leg.
pub(super) enum Due {
    /// Nothing yet; look again then.
    Later(Instant),
    /// Nothing, and nothing will be.
    Nothing,
    /// Send this again.
    Again(String),
    /// Nobody answered: give up.
    GiveUp,
    /// Hang up now.
    HangUp,
}

impl Leg {
    /// A caller's leg and its INVITE.
    pub(super) fn caller(
        index: usize,
        run: &str,
        number: &str,
        gateway: SocketAddr,
        port: u16,
        media_port: u16,
        now: Instant,
    ) -> (Self, String) {
        let call_id = format!("load-{run}-{index}");
        let local = format!("<sip:c{index}@127.0.0.1:{port}>;tag=c{index}");
        let target = format!("sip:{number}@{gateway}");
        let remote = format!("<{target}>");
        let body = sip::g711_offer(media_port);
        let invite = format!(
            "INVITE {target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:c{index}@127.0.0.1:{port}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut leg = Self::new(
            Side::Caller,
            call_id,
            gateway,
            local,
            remote,
            target,
            1,
            now,
        );
        leg.keep(invite.clone(), now);
        (leg, invite)
    }

    /// An agent's leg for the INVITE that came in.
    pub(super) fn agent(
        agent: u32,
        index: usize,
        invite: &SipText,
        peer: SocketAddr,
        now: Instant,
    ) -> Self {
        let local = format!("{};tag=a{index}", invite.must("To"));
        let target = invite.contact_uri().unwrap_or("").to_owned();
        let mut leg = Self::new(
            Side::Agent(agent),
            invite.must("Call-ID").to_owned(),
            peer,
            local,
            invite.must("From").to_owned(),
            target,
            100,
            now,
        );
        leg.media = invite.audio_address();
        leg
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one record, filled in two places"
    )]
    fn new(
        side: Side,
        call_id: String,
        peer: SocketAddr,
        local: String,
        remote: String,
        target: String,
        cseq: u32,
        now: Instant,
    ) -> Self {
        Self {
            side,
            stage: Stage::Inviting,
            call_id,
            peer,
            media: None,
            began: now,
            hang_up_at: None,
            local,
            remote,
            target,
            cseq,
            resend: None,
            frames_sent: 0,
            heard_of: None,
            is_crossed: false,
            is_speaking: false,
        }
    }

    /// The tag this leg puts into To of its responses.
    pub(super) fn tag(&self) -> &str {
        sip::parameter(&self.local, "tag")
    }

    /// Sends `text` again until [`Leg::settle`].
    pub(super) fn keep(&mut self, text: String, now: Instant) {
        self.resend = Some(Resend {
            text,
            at: now + T1,
            pause: T1,
        });
    }

    /// What is kept was answered.
    pub(super) fn settle(&mut self) {
        self.resend = None;
    }

    /// What is kept, to be sent again at once.
    pub(super) fn kept(&self) -> Option<&str> {
        self.resend.as_ref().map(|resend| resend.text.as_str())
    }

    /// Takes the dialog's facts from the answer.
    pub(super) fn take_answer(&mut self, response: &SipText) {
        self.remote = response.must("To").to_owned();
        self.target = response.contact_uri().unwrap_or("").to_owned();
        self.media = response.audio_address();
    }

    /// ACK of a 2xx; RFC 3261 §13.2.2.4.
    pub(super) fn ack(&self, port: u16) -> String {
        self.request("ACK", 1, port, &self.remote)
    }

    /// ACK of any other final response; RFC 3261 §17.1.1.3.
    pub(super) fn ack_failure(&self, response: &SipText) -> String {
        let mut text = format!("ACK {} SIP/2.0\r\n", self.target);
        let _ = write!(
            text,
            "Via: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            response.must("Via"),
            self.local,
            response.must("To"),
            self.call_id
        );
        text
    }

    /// CANCEL of the INVITE; RFC 3261 §9.1.
    pub(super) fn cancel(&self, port: u16) -> String {
        format!(
            "CANCEL {} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
            self.target, self.call_id, self.local, self.remote, self.call_id
        )
    }

    /// BYE, kept until it is answered.
    pub(super) fn bye(&mut self, port: u16, now: Instant) -> String {
        self.cseq += 1;
        self.stage = Stage::Leaving;
        self.is_speaking = false;
        self.hang_up_at = None;
        let text = self.request("BYE", self.cseq, port, &self.remote);
        self.keep(text.clone(), now);
        text
    }

    fn request(&self, method: &str, cseq: u32, port: u16, remote: &str) -> String {
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{}{method}{cseq}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {remote}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            self.target,
            self.tag(),
            self.local,
            self.call_id
        )
    }

    /// What is due at this instant.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.stage == Stage::Over {
            return Due::Nothing;
        }
        if let Some(at) = self.hang_up_at.filter(|_| self.stage == Stage::Up) {
            return if now >= at {
                Due::HangUp
            } else {
                Due::Later(at)
            };
        }
        match &mut self.resend {
            None => Due::Nothing,
            Some(resend) if now < resend.at => Due::Later(resend.at),
            Some(resend) if resend.pause >= RESEND_PAUSE_MAX => Due::GiveUp,
            Some(resend) => {
                resend.pause *= 2;
                resend.at = now + resend.pause;
                Due::Again(resend.text.clone())
            }
        }
    }
}
