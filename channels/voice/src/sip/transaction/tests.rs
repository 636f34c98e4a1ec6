//! The machines by themselves: when they send, when they forget (RFC 3261 section 17, table 4).

use super::{Bounds, Expired, Layer, Reception, Reply, ServerId, Silence, Timings};
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::{Builder, Message, Method};
use bytes::Bytes;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

struct Machine {
    layer: Layer<u8>,
    start: Instant,
    flow: Flow,
}

impl Machine {
    fn new(transport: Transport) -> Self {
        let flow = Flow::new(transport, "192.0.2.1:5060".parse().unwrap());
        Self {
            layer: Layer::new(
                Timings::default(),
                Bounds {
                    transactions_max: 100,
                    proceeding_max: 300 * SECOND,
                    unattended_max: 600 * SECOND,
                },
                1,
            ),
            start: Instant::now(),
            flow,
        }
    }

    /// Lets time pass to the end, and gives the milliseconds at which something was sent.
    fn sends(&mut self) -> Vec<u128> {
        let mut times = Vec::new();
        let mut now = self.start;
        loop {
            while self.layer.poll_transmit().is_some() {
                times.push(now.duration_since(self.start).as_millis());
            }
            let Some(next) = self.layer.next_timeout() else {
                return times;
            };
            now = next;
            self.layer.handle_timeout(now);
        }
    }

    /// The second at which nothing is left.
    fn forgets_after(&mut self) -> u64 {
        let mut now = self.start;
        while !self.layer.is_empty() {
            now = self.layer.next_timeout().expect("what is left has a timer");
            self.layer.handle_timeout(now);
        }
        now.duration_since(self.start).as_secs()
    }

    fn request(&self, method: &str, branch: &str) -> Message {
        let text = format!(
            "{method} sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
        );
        Message::parse_datagram(Bytes::from(text)).unwrap()
    }

    /// Sends a request and gives it back.
    fn ask(&mut self, method: Method) -> Message {
        let (client, branch) = self.layer.reserve(method, self.flow, 7).unwrap();
        let request = self.request(method.as_str(), &branch);
        self.layer
            .request(self.start, client, request.bytes().clone());
        request
    }

    fn hear(&mut self, request: &Message, status: u16) -> Reply<u8> {
        let response = Builder::response(request, status, "x", Some("t")).finish();
        self.layer
            .receive_response(self.start, &Message::parse_datagram(response).unwrap())
    }

    fn receive(&mut self, method: &str) -> Reception {
        let request = self.request(method, "z9hG4bK1");
        self.layer.receive_request(self.start, self.flow, &request)
    }

    fn serve(&mut self, method: &str, status: u16) -> ServerId {
        let Reception::New(server) = self.receive(method) else {
            panic!("a new request")
        };
        let response = self
            .layer
            .response(server, status, None, Some("t"))
            .unwrap()
            .finish();
        self.layer.respond(self.start, server, status, response);
        server
    }
}

#[test]
fn an_invite_is_repeated_by_timer_a_and_given_up_by_timer_b() {
    let mut machine = Machine::new(Transport::Udp);
    machine.ask(Method::Invite);
    assert_eq!(
        machine.sends(),
        [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]
    );
    assert!(matches!(
        machine.layer.poll_expired(),
        Some(Expired::Unanswered {
            owner: 7,
            cause: Silence::Timeout,
            ..
        })
    ));
    let mut machine = Machine::new(Transport::Tcp);
    machine.ask(Method::Invite);
    assert_eq!(machine.sends(), [0]);
    assert!(machine.layer.is_empty());
}

#[test]
fn other_requests_are_repeated_by_timer_e_and_given_up_by_timer_f() {
    let mut machine = Machine::new(Transport::Udp);
    machine.ask(Method::Options);
    assert_eq!(
        machine.sends(),
        [
            0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
        ]
    );
    let mut machine = Machine::new(Transport::Udp);
    let request = machine.ask(Method::Options);
    assert!(matches!(
        machine.hear(&request, 100),
        Reply::Provisional { .. }
    ));
    assert_eq!(
        machine.sends(),
        [0, 4_000, 8_000, 12_000, 16_000, 20_000, 24_000, 28_000]
    );
    assert!(machine.layer.is_empty());
}

#[test]
fn finished_clients_linger_by_timers_d_k_and_m() {
    for (method, status, transport, seconds) in [
        (Method::Invite, 486, Transport::Udp, 32),
        (Method::Invite, 486, Transport::Tcp, 0),
        (Method::Invite, 200, Transport::Udp, 32),
        (Method::Invite, 200, Transport::Tcp, 32),
        (Method::Bye, 200, Transport::Udp, 5),
        (Method::Bye, 200, Transport::Tcp, 0),
    ] {
        let mut machine = Machine::new(transport);
        let request = machine.ask(method);
        assert!(matches!(
            machine.hear(&request, status),
            Reply::Final { owner: 7, .. }
        ));
        assert_eq!(
            machine.forgets_after(),
            seconds,
            "{method:?} {status} {transport:?}"
        );
        assert!(matches!(machine.hear(&request, status), Reply::Stray));
    }
}

#[test]
fn finished_servers_linger_by_timers_h_j_and_l() {
    for (method, status, transport, seconds) in [
        ("INVITE", 486, Transport::Udp, 32),
        ("INVITE", 486, Transport::Tcp, 32),
        ("INVITE", 200, Transport::Udp, 32),
        ("INVITE", 200, Transport::Tcp, 32),
        ("BYE", 200, Transport::Udp, 32),
        ("BYE", 200, Transport::Tcp, 0),
    ] {
        let mut machine = Machine::new(transport);
        machine.serve(method, status);
        assert_eq!(
            machine.forgets_after(),
            seconds,
            "{method} {status} {transport:?}"
        );
        assert!(machine.layer.by_hash.is_empty());
    }
}

#[test]
fn a_refusal_is_repeated_by_timer_g_until_its_ack_and_then_absorbed_by_timer_i() {
    let mut machine = Machine::new(Transport::Udp);
    machine.serve("INVITE", 486);
    assert_eq!(
        machine.sends(),
        [
            0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
        ]
    );
    let mut machine = Machine::new(Transport::Udp);
    machine.serve("INVITE", 486);
    assert!(matches!(machine.receive("ACK"), Reception::Absorbed));
    assert!(matches!(machine.receive("ACK"), Reception::Absorbed));
    assert!(matches!(machine.receive("INVITE"), Reception::Absorbed));
    assert_eq!(machine.sends(), [0]);
    let mut machine = Machine::new(Transport::Udp);
    machine.serve("INVITE", 486);
    machine.receive("ACK");
    assert_eq!(machine.forgets_after(), 5);
}

#[test]
fn a_repeated_request_gets_the_last_response_again() {
    let mut machine = Machine::new(Transport::Udp);
    machine.serve("OPTIONS", 200);
    assert!(matches!(machine.receive("OPTIONS"), Reception::Absorbed));
    assert_eq!(machine.sends(), [0, 0]);
    // RFC 6026: a repeated INVITE after its 2xx is absorbed; the 2xx is its user's to repeat.
    let mut machine = Machine::new(Transport::Udp);
    machine.serve("INVITE", 200);
    assert!(matches!(machine.receive("INVITE"), Reception::Absorbed));
    assert_eq!(machine.sends(), [0]);
}

#[test]
fn every_repeated_refusal_is_acknowledged_on_the_hop_of_its_invite() {
    let mut machine = Machine::new(Transport::Udp);
    let request = machine.ask(Method::Invite);
    machine.hear(&request, 486);
    assert!(matches!(machine.hear(&request, 486), Reply::Absorbed));
    let mut sent = Vec::new();
    while let Some(outgoing) = machine.layer.poll_transmit() {
        sent.push(Message::parse_datagram(outgoing.bytes).unwrap());
    }
    assert_eq!(sent.len(), 3);
    for ack in &sent[1..] {
        assert_eq!(
            (ack.method(), ack.header("Via"), ack.request_uri()),
            (Method::Ack, request.header("Via"), request.request_uri())
        );
        assert_eq!(ack.to().unwrap().tag(), Some(b"t".as_slice()));
    }
}

#[test]
fn a_cancelled_invite_without_an_end_is_given_up_64_t1_later() {
    let mut machine = Machine::new(Transport::Udp);
    let (client, branch) = machine
        .layer
        .reserve(Method::Invite, machine.flow, 7)
        .unwrap();
    let request = machine.request("INVITE", &branch);
    machine
        .layer
        .request(machine.start, client, request.bytes().clone());
    machine.hear(&request, 180);
    machine
        .layer
        .cancel(machine.start, client, 8, Some("SIP;cause=487"));
    machine.layer.handle_timeout(machine.start + 32 * SECOND);
    assert!(machine.layer.is_empty());
    let owners: Vec<u8> = std::iter::from_fn(|| machine.layer.poll_expired())
        .map(|expired| match expired {
            Expired::Unanswered { owner, .. } => owner,
            Expired::Unattended(_) => 0,
        })
        .collect();
    assert!(owners.contains(&7), "{owners:?}");
}

#[test]
fn a_request_that_nobody_answers_is_handed_back() {
    let mut machine = Machine::new(Transport::Udp);
    let Reception::New(server) = machine.receive("OPTIONS") else {
        panic!("a new request")
    };
    machine.layer.handle_timeout(machine.start + 32 * SECOND);
    assert!(
        matches!(machine.layer.poll_expired(), Some(Expired::Unattended(open)) if open == server)
    );
}

#[test]
fn endings_have_room_when_beginnings_have_none() {
    let mut machine = Machine::new(Transport::Udp);
    machine.layer.transactions_max = 4;
    let receive = |machine: &mut Machine, method: &str, number: u32| {
        let request = machine.request(method, &format!("z9hG4bK{method}{number}"));
        let text = String::from_utf8(request.bytes().to_vec())
            .unwrap()
            .replace("Call-ID: c", &format!("Call-ID: {number}"));
        let request = Message::parse_datagram(Bytes::from(text)).unwrap();
        machine
            .layer
            .receive_request(machine.start, machine.flow, &request)
    };
    for number in 0..4 {
        assert!(matches!(
            receive(&mut machine, "INVITE", number),
            Reception::New(_)
        ));
    }
    assert!(matches!(
        receive(&mut machine, "INVITE", 4),
        Reception::Full
    ));
    assert!(matches!(receive(&mut machine, "BYE", 5), Reception::New(_)));
    assert!(matches!(receive(&mut machine, "BYE", 6), Reception::Full));
}

#[test]
fn alarms_of_what_is_over_do_not_pile_up() {
    let mut machine = Machine::new(Transport::Udp);
    machine.layer.transactions_max = 100_000;
    for number in 0..5_000_u32 {
        let now = machine.start + SECOND * number;
        let request = machine.request("INVITE", &format!("z9hG4bK{number}"));
        let text = String::from_utf8(request.bytes().to_vec())
            .unwrap()
            .replace("Call-ID: c", &format!("Call-ID: {number}"));
        let request = Message::parse_datagram(Bytes::from(text)).unwrap();
        let Reception::New(server) = machine.layer.receive_request(now, machine.flow, &request)
        else {
            panic!("a new request")
        };
        // Ringing begins a wait of ten minutes, the refusal one of 32 s.
        for status in [180, 486] {
            let response = machine
                .layer
                .response(server, status, None, Some("t"))
                .unwrap()
                .finish();
            machine.layer.respond(now, server, status, response);
        }
        machine.layer.handle_timeout(now);
    }
    assert!(
        machine.layer.alarms.len() < 1_000,
        "{}",
        machine.layer.alarms.len()
    );
}
