//! A telephone of the tests: speaks SIP as text over UDP, one step at a time, and has an audio end per call.
//!
//! While it waits for one thing it answers retransmissions and OPTIONS like any telephone. A wait that
//! fails prints the whole ladder.

use crate::PATIENCE;
use crate::audio::{AudioEnd, Voice};
use crate::digest::{self, Credentials};
use crate::sip::{self, SipText};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A telephone with one line to the gateway.
#[derive(Debug)]
pub struct Phone {
    name: String,
    socket: UdpSocket,
    port: u16,
    gateway: SocketAddr,
    credentials: Option<Credentials>,
    /// What it takes for its own address, when that is another than others see.
    inside: Option<SocketAddr>,
    serial: u32,
    inbox: VecDeque<(SipText, SocketAddr)>,
    /// What was answered to a request, by branch and method, for its retransmissions.
    answers: HashMap<String, String>,
    /// INVITEs that came, by branch and method: one that comes again before it was answered is the same call.
    invites: HashSet<String>,
    /// The ACK of a final response, by Call-ID.
    acks: HashMap<String, String>,
    ladder: String,
}

/// One call as the telephone holds it.
#[derive(Debug)]
pub struct Call {
    /// The Call-ID.
    pub id: String,
    /// Its audio.
    pub audio: AudioEnd,
    /// The request that began it, as sent or received.
    pub invite: SipText,
    /// The last response to it that this telephone received.
    pub response: Option<SipText>,
    local: String,
    remote: String,
    target: String,
    route: String,
    peer: SocketAddr,
    cseq: u32,
}

impl Call {
    /// Where the other side wants its audio.
    ///
    /// # Panics
    /// When no session description came.
    pub fn remote_audio(&self) -> SocketAddr {
        let answered = self.response.as_ref().and_then(SipText::audio_address);
        answered
            .or_else(|| self.invite.audio_address())
            .expect("the other side said where it wants audio")
    }

    /// Speaks with this voice from now on.
    pub fn speak(&self, voice: Voice) {
        self.audio.speak_to(self.remote_audio(), voice);
    }
}

impl Phone {
    /// A telephone that nobody asks for a password, at a free port.
    pub fn new(name: &str, gateway: SocketAddr) -> Self {
        Self::at(name, 0, gateway)
    }

    /// A telephone at a given port.
    pub fn at(name: &str, port: u16, gateway: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
            .unwrap_or_else(|fault| panic!("the telephone {name} has no port: {fault}"));
        let port = socket
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        Self {
            name: name.to_owned(),
            socket,
            port,
            gateway,
            credentials: None,
            inside: None,
            serial: 0,
            inbox: VecDeque::new(),
            answers: HashMap::new(),
            invites: HashSet::new(),
            acks: HashMap::new(),
            ladder: String::new(),
        }
    }

    /// The same with a password for digest challenges.
    pub fn with_password(mut self, password: &str) -> Self {
        self.credentials = Some(Credentials {
            user: self.name.clone(),
            password: password.to_owned(),
        });
        self
    }

    /// The same behind a NAT: it names an address in Contact at which nobody can reach it.
    pub fn behind_nat(mut self) -> Self {
        self.inside = Some(SocketAddr::from(([192, 0, 2, 9], 5060)));
        self
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address as a Contact or as a static contact in configuration.
    pub fn contact(&self) -> String {
        let seen = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        format!("sip:{}@{}", self.name, self.inside.unwrap_or(seen))
    }

    /// Registers for so many seconds (0 takes it back) and gives the final status; answers one challenge.
    pub fn register(&mut self, expires_s: u32) -> u16 {
        self.register_response(expires_s).status().unwrap_or(0)
    }

    /// The same, with the whole final response.
    pub fn register_response(&mut self, expires_s: u32) -> SipText {
        let id = self.next_id("register");
        let target = format!("sip:{}", self.gateway);
        let mut proof = String::new();
        for cseq in 1..=2 {
            let text = format!(
                "REGISTER {target} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: <sip:{name}@{gateway}>;tag=r{id}\r\nTo: <sip:{name}@{gateway}>\r\nCall-ID: {id}\r\nCSeq: {cseq} REGISTER\r\nContact: <{contact}>\r\nExpires: {expires_s}\r\n{proof}Content-Length: 0\r\n\r\n",
                self.via(&format!("{id}-{cseq}")),
                name = self.name,
                gateway = self.gateway,
                contact = self.contact(),
            );
            self.send(&text, self.gateway);
            let response = self.must_receive("an answer to REGISTER", |message| {
                message.status().is_some_and(|status| status >= 200)
                    && message.must("Call-ID") == id
                    && message.cseq().0 == cseq
            });
            match self.proof(&response, "REGISTER", &target) {
                Some(header) if cseq == 1 => proof = header,
                Some(_) | None => return response,
            }
        }
        unreachable!("the second answer was returned")
    }

    /// Calls a number; the INVITE is out when this returns.
    pub fn call(&mut self, number: &str) -> Call {
        self.call_with(number, "")
    }

    /// Calls a number with further headers, each with its line end.
    pub fn call_with(&mut self, number: &str, headers: &str) -> Call {
        let id = self.next_id("call");
        let audio = AudioEnd::open();
        let local = format!("<sip:{}@127.0.0.1:{}>;tag=t{id}", self.name, self.port);
        let remote = format!("<sip:{number}@{}>", self.gateway);
        let target = format!("sip:{number}@{}", self.gateway);
        let invite = self.invite_text(&id, 1, &target, &local, &remote, headers, audio.port());
        self.send(&invite, self.gateway);
        let invite = SipText::parse(invite.as_bytes()).expect("our own INVITE is a message");
        Call {
            id,
            audio,
            invite,
            response: None,
            local,
            remote,
            target,
            route: String::new(),
            peer: self.gateway,
            cseq: 1,
        }
    }

    /// Waits for a response with this status to the INVITE; a final one is acknowledged. A different
    /// final response fails; a challenge is answered once.
    pub fn must_get(&mut self, call: &mut Call, status: u16) {
        let got = self.next_response(call, &format!("{status} to the INVITE"), |got| {
            got == status || got >= 200
        });
        assert!(
            got == status,
            "{}: wanted {status} to the INVITE, got {got}\n{}",
            self.name,
            self.ladder
        );
    }

    /// Waits for the final response to the INVITE, acknowledges it and gives its status.
    pub fn final_status(&mut self, call: &mut Call) -> u16 {
        self.next_response(call, "a final response to the INVITE", |got| got >= 200)
    }

    fn next_response(
        &mut self,
        call: &mut Call,
        what: &str,
        is_wanted: impl Fn(u16) -> bool,
    ) -> u16 {
        loop {
            let id = call.id.clone();
            let response = self.must_receive(what, |message| {
                message.status().is_some_and(&is_wanted)
                    && message.must("Call-ID") == id
                    && message.cseq().1 == "INVITE"
            });
            let status = response.status().unwrap_or(0);
            let challenge =
                (status == 401 || status == 407) && !call.invite.as_str().contains("uthorization:");
            if status >= 200 {
                self.acknowledge(call, &response);
            }
            if challenge && let Some(header) = self.proof(&response, "INVITE", &call.target) {
                call.cseq += 1;
                let text = self.invite_text(
                    &call.id,
                    call.cseq,
                    &call.target,
                    &call.local,
                    &call.remote,
                    &header,
                    call.audio.port(),
                );
                self.send(&text, call.peer);
                call.invite = SipText::parse(text.as_bytes()).expect("our own INVITE is a message");
                continue;
            }
            call.response = Some(response);
            return status;
        }
    }

    /// Sends CANCEL for the INVITE; the answers are read with [`Phone::final_status`].
    pub fn cancel(&mut self, call: &Call) {
        let text = format!(
            "CANCEL {} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} CANCEL\r\nContent-Length: 0\r\n\r\n",
            call.target,
            call.invite.must("Via"),
            call.local,
            call.invite.must("To"),
            call.id,
            call.invite.cseq().0
        );
        self.send(&text, call.peer);
    }

    /// Ends the call and waits for the answer to that.
    pub fn hang_up(&mut self, call: &mut Call) {
        self.send_bye(call);
        let (id, cseq) = (call.id.clone(), call.cseq);
        let response = self.must_receive("an answer to BYE", |message| {
            message.status().is_some_and(|status| status >= 200)
                && message.must("Call-ID") == id
                && message.cseq() == (cseq, "BYE")
        });
        let status = response.status().unwrap_or(0);
        assert!(
            status == 200 || status == 481,
            "{}: BYE was answered {status}\n{}",
            self.name,
            self.ladder
        );
    }

    /// Sends BYE and does not wait.
    pub fn send_bye(&mut self, call: &mut Call) {
        let text = self.request_in(call, "BYE", "");
        self.send(&text, call.peer);
    }

    /// Sends a request within the dialog, with further headers, and gives the final response.
    pub fn ask(&mut self, call: &mut Call, method: &str, headers: &str) -> SipText {
        let text = self.request_in(call, method, headers);
        self.send(&text, call.peer);
        let (id, cseq) = (call.id.clone(), call.cseq);
        self.must_receive(&format!("an answer to {method}"), |message| {
            message.status().is_some_and(|status| status >= 200)
                && message.must("Call-ID") == id
                && message.cseq().0 == cseq
        })
    }

    /// Waits until it is called, and rings (180).
    pub fn must_ring(&mut self) -> Call {
        let call = self.must_be_called();
        self.ring(&call);
        call
    }

    /// Waits until it is called, and says nothing yet.
    pub fn must_be_called(&mut self) -> Call {
        let (invite, peer) =
            self.must_receive_from("to be called", |message| message.method() == Some("INVITE"));
        let id = invite.must("Call-ID").to_owned();
        let route = invite
            .headers("Record-Route")
            .fold(String::new(), |mut text, value| {
                let _ = write!(text, "Route: {value}\r\n");
                text
            });
        Call {
            local: format!("{};tag={}", invite.must("To"), self.tag(&id)),
            remote: invite.must("From").to_owned(),
            target: invite.contact_uri().unwrap_or("").to_owned(),
            id,
            audio: AudioEnd::open(),
            response: None,
            route,
            peer,
            cseq: 100,
            invite,
        }
    }

    /// Says 180 to the INVITE.
    pub fn ring(&mut self, call: &Call) {
        self.respond(call, 180, "Ringing", "");
    }

    /// Answers the INVITE with G.711 and waits for the ACK.
    pub fn answer(&mut self, call: &Call) {
        self.send_answer(call);
        self.must_be_acknowledged(call);
    }

    /// Answers the INVITE and does not wait.
    pub fn send_answer(&mut self, call: &Call) {
        let body = sip::g711_offer(call.audio.port());
        self.respond(call, 200, "OK", &body);
    }

    /// Waits for the ACK of its final response.
    pub fn must_be_acknowledged(&mut self, call: &Call) {
        let id = call.id.clone();
        self.must_receive("an ACK", |message| {
            message.method() == Some("ACK") && message.must("Call-ID") == id
        });
    }

    /// Refuses the INVITE and waits for the ACK.
    pub fn decline(&mut self, call: &Call, status: u16, reason: &str) {
        self.respond(call, status, reason, "");
        self.must_be_acknowledged(call);
    }

    /// Waits until the other side ends the call, and agrees.
    pub fn must_be_hung_up(&mut self, call: &Call) {
        let id = call.id.clone();
        let (bye, peer) = self.must_receive_from("BYE", |message| {
            message.method() == Some("BYE") && message.must("Call-ID") == id
        });
        self.agree(&bye, peer);
    }

    /// Waits until the ringing ends by CANCEL; answers 200 to that and 487 to the INVITE.
    pub fn must_be_cancelled(&mut self, call: &Call) {
        let id = call.id.clone();
        let (cancel, peer) = self.must_receive_from("CANCEL", |message| {
            message.method() == Some("CANCEL") && message.must("Call-ID") == id
        });
        self.agree(&cancel, peer);
        self.respond(call, 487, "Request Terminated", "");
        self.must_be_acknowledged(call);
    }

    /// Takes whatever comes next for this call: the method of a request or the status of a final response.
    pub fn next_about(&mut self, call: &Call) -> SipText {
        let id = call.id.clone();
        self.must_receive("anything about the call", |message| {
            message.must("Call-ID") == id && message.status().is_none_or(|status| status >= 200)
        })
    }

    /// Answers a request 200.
    pub fn agree(&mut self, request: &SipText, peer: SocketAddr) {
        let text = sip::response(
            request,
            200,
            "OK",
            &self.tag(request.must("Call-ID")),
            "",
            "",
        );
        self.remember_answer(request, &text);
        self.send(&text, peer);
    }

    /// Answers a request of the gateway 200.
    pub fn agree_at_gateway(&mut self, request: &SipText) {
        self.agree(request, self.gateway);
    }

    /// Whether an INVITE for a call it does not know yet has come in by now.
    pub fn has_been_called(&mut self) -> bool {
        while self.read_one(Duration::ZERO).is_some() {}
        self.inbox
            .iter()
            .any(|(message, _)| message.method() == Some("INVITE"))
    }

    /// Sends any text to the gateway.
    pub fn send_raw(&mut self, text: &str) {
        self.send(text, self.gateway);
    }

    /// Waits for a message that satisfies `is_wanted`; fails with the ladder after [`PATIENCE`].
    pub fn must_receive(&mut self, what: &str, is_wanted: impl Fn(&SipText) -> bool) -> SipText {
        self.must_receive_from(what, is_wanted).0
    }

    /// What was sent (`>`) and received (`<`), a line each.
    pub fn ladder(&self) -> &str {
        &self.ladder
    }

    /// A Via value's line with a fresh branch.
    pub fn via(&self, branch: &str) -> String {
        format!(
            "Via: SIP/2.0/UDP 127.0.0.1:{};rport;branch=z9hG4bK{branch}\r\n",
            self.port
        )
    }

    fn must_receive_from(
        &mut self,
        what: &str,
        is_wanted: impl Fn(&SipText) -> bool,
    ) -> (SipText, SocketAddr) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self
                .inbox
                .iter()
                .position(|(message, _)| is_wanted(message))
            {
                return self.inbox.remove(at).expect("the position is in the inbox");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "the telephone {} did not get {what} within {PATIENCE:?}:\n{}",
                self.name,
                self.ladder
            );
            self.read_one(left);
        }
    }

    /// Reads one datagram; what needs no decision is answered here, the rest goes to the inbox.
    fn read_one(&mut self, patience: Duration) -> Option<()> {
        let mut datagram = [0; 65_536];
        let _ = self
            .socket
            .set_read_timeout(Some(patience.max(Duration::from_millis(1))));
        let (count, peer) = self.socket.recv_from(&mut datagram).ok()?;
        let Some(message) = SipText::parse(&datagram[..count]) else {
            return Some(());
        };
        let _ = writeln!(self.ladder, "{} < {}", self.name, message.start_line());
        if let Some(answer) = self.answers.get(&answer_key(&message)).cloned() {
            self.send(&answer, peer);
        } else if message.method() == Some("OPTIONS") || message.method() == Some("NOTIFY") {
            self.agree(&message, peer);
        } else if let (Some(200..), "INVITE", Some(ack)) = (
            message.status(),
            message.cseq().1,
            self.acks.get(&ack_key(&message)).cloned(),
        ) {
            self.send(&ack, peer);
        } else if message.method() != Some("INVITE") || self.invites.insert(answer_key(&message)) {
            self.inbox.push_back((message, peer));
        }
        Some(())
    }

    fn acknowledge(&mut self, call: &mut Call, response: &SipText) {
        let cseq = response.cseq().0;
        let status = response.status().unwrap_or(0);
        let text = if status < 300 {
            call.remote = response.must("To").to_owned();
            call.target = response.contact_uri().unwrap_or("").to_owned();
            let routes: Vec<&str> = response.headers("Record-Route").collect();
            call.route = routes.iter().rev().fold(String::new(), |mut text, value| {
                let _ = write!(text, "Route: {value}\r\n");
                text
            });
            let branch = format!("{}-ack", call.id);
            self.dialog_text(call, "ACK", cseq, &self.via(&branch), "")
        } else {
            let via = format!("Via: {}\r\n", call.invite.must("Via"));
            format!(
                "ACK {} SIP/2.0\r\n{via}Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} ACK\r\nContent-Length: 0\r\n\r\n",
                call.target,
                call.local,
                response.must("To"),
                call.id
            )
        };
        self.acks.insert(ack_key(response), text.clone());
        self.send(&text, call.peer);
    }

    fn respond(&mut self, call: &Call, status: u16, reason: &str, body: &str) {
        let headers = format!(
            "Contact: <{}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n",
            self.contact()
        );
        let text = sip::response(
            &call.invite,
            status,
            reason,
            &self.tag(&call.id),
            &headers,
            body,
        );
        self.remember_answer(&call.invite, &text);
        self.send(&text, call.peer);
    }

    fn remember_answer(&mut self, request: &SipText, text: &str) {
        self.answers.insert(answer_key(request), text.to_owned());
    }

    fn request_in(&mut self, call: &mut Call, method: &str, headers: &str) -> String {
        call.cseq += 1;
        let branch = format!("{}-{}", call.id, call.cseq);
        self.dialog_text(call, method, call.cseq, &self.via(&branch), headers)
    }

    fn dialog_text(
        &self,
        call: &Call,
        method: &str,
        cseq: u32,
        via: &str,
        headers: &str,
    ) -> String {
        format!(
            "{method} {} SIP/2.0\r\n{via}Max-Forwards: 70\r\n{}From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <{}>\r\n{headers}Content-Length: 0\r\n\r\n",
            call.target,
            call.route,
            call.local,
            call.remote,
            call.id,
            self.contact()
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one message, used in two places"
    )]
    fn invite_text(
        &self,
        id: &str,
        cseq: u32,
        target: &str,
        local: &str,
        remote: &str,
        headers: &str,
        audio_port: u16,
    ) -> String {
        let body = sip::g711_offer(audio_port);
        format!(
            "INVITE {target} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nCall-ID: {id}\r\nCSeq: {cseq} INVITE\r\nContact: <{}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n{headers}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.via(&format!("{id}-{cseq}")),
            self.contact(),
            body.len()
        )
    }

    /// The header that answers a 401 or 407, when there are credentials.
    fn proof(&self, response: &SipText, method: &str, target: &str) -> Option<String> {
        let (asks, answers) = match response.status()? {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return None,
        };
        let challenge = response
            .headers(asks)
            .find(|value| value.contains("SHA-256"))
            .or_else(|| response.headers(asks).next())?;
        let value = digest::answer(
            challenge,
            self.credentials.as_ref()?,
            method,
            target,
            1,
            &format!("c{}", self.serial),
        );
        Some(format!("{answers}: {value}\r\n"))
    }

    fn send(&mut self, text: &str, peer: SocketAddr) {
        let _ = writeln!(
            self.ladder,
            "{} > {}",
            self.name,
            text.split("\r\n").next().unwrap_or("")
        );
        self.socket
            .send_to(text.as_bytes(), peer)
            .unwrap_or_else(|fault| panic!("the telephone {} cannot send: {fault}", self.name));
    }

    fn next_id(&mut self, what: &str) -> String {
        self.serial += 1;
        format!(
            "{what}-{}-{}-{}",
            self.serial,
            self.port,
            std::process::id()
        )
    }

    fn tag(&self, call_id: &str) -> String {
        format!("{}{}", self.port, call_id.len())
    }
}

fn answer_key(request: &SipText) -> String {
    let method = request
        .method()
        .filter(|method| *method != "ACK")
        .unwrap_or("");
    if method.is_empty() {
        String::new()
    } else {
        format!("{}{method}", request.branch())
    }
}

fn ack_key(response: &SipText) -> String {
    format!("{} {}", response.must("Call-ID"), response.cseq().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_telephones_talk_and_one_hangs_up() {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let mut callee = Phone::new("callee", nowhere);
        let mut caller = Phone::new(
            "caller",
            SocketAddr::from((Ipv4Addr::LOCALHOST, callee.port())),
        );
        let mut out = caller.call("100");
        let inbound = callee.must_ring();
        caller.must_get(&mut out, 180);
        callee.send_answer(&inbound);
        caller.must_get(&mut out, 200);
        callee.must_be_acknowledged(&inbound);
        out.speak(Voice::Numbered(1));
        inbound.speak(Voice::Numbered(2));
        inbound.audio.must_hear(Voice::Numbered(1), 5, PATIENCE);
        out.audio.must_hear(Voice::Numbered(2), 5, PATIENCE);
        out.audio.key_in("12#");
        caller.send_bye(&mut out);
        callee.must_be_hung_up(&inbound);
    }
}
