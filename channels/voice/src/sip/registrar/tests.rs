use super::*;
use crate::sip::flow::{SocketId, Transport};
use bytes::Bytes;

struct Desk {
    registrar: Registrar,
    now: Instant,
    flow: Flow,
    via: &'static str,
}

impl Desk {
    fn new() -> Self {
        let settings = RegistrarSettings {
            contacts_max: 2,
            users_max: 2,
            ..RegistrarSettings::default()
        };
        Self {
            registrar: Registrar::new(settings),
            now: Instant::now(),
            flow: Flow::new(Transport::Udp, "192.0.2.4:5060".parse().unwrap()),
            via: "SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1;rport",
        }
    }

    /// Sends a REGISTER of anna with these further header lines; CSeq counts within a Call-ID.
    fn register(&mut self, call: &str, cseq: u32, lines: &[&str]) -> Reply {
        self.register_as("anna", call, cseq, lines)
    }

    fn register_as(&mut self, user: &str, call: &str, cseq: u32, lines: &[&str]) -> Reply {
        let request = format!(
            "REGISTER sip:desk.example SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@desk.example>;tag=1\r\nTo: <sip:{user}@desk.example>\r\n\
             Call-ID: {call}\r\nCSeq: {cseq} REGISTER\r\n{}\r\n",
            self.via,
            lines
                .iter()
                .map(|line| format!("{line}\r\n"))
                .collect::<String>(),
        );
        let request = Message::parse_datagram(Bytes::from(request)).unwrap();
        self.registrar
            .handle_register(self.now, self.flow, &request, user)
    }

    fn uris(&self) -> Vec<String> {
        let bindings = self.registrar.bindings("anna").iter();
        bindings.map(|b| b.uri.to_string()).collect()
    }

    fn events(&mut self) -> Vec<RegistrarEvent> {
        std::iter::from_fn(|| self.registrar.poll_event()).collect()
    }

    /// The names of the events since the last look.
    fn news(&mut self) -> Vec<&'static str> {
        self.events()
            .iter()
            .map(|event| match event {
                RegistrarEvent::Registered { .. } => "registered",
                RegistrarEvent::Moved { .. } => "moved",
                RegistrarEvent::Refreshed { .. } => "refreshed",
                RegistrarEvent::Unregistered { .. } => "unregistered",
                RegistrarEvent::Expired { .. } => "expired",
                RegistrarEvent::ConnectionLost { .. } => "connection lost",
            })
            .collect()
    }

    fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.registrar.handle_timeout(self.now);
    }
}

fn header(reply: &Reply, header: Header) -> Vec<&str> {
    let headers = reply.headers.iter().filter(|(name, _)| *name == header);
    headers.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn phone_registers_refreshes_and_runs_out() {
    let mut desk = Desk::new();
    let reply = desk.register("a", 1, &["Contact: <sip:anna@192.0.2.4>;expires=120"]);
    assert_eq!(reply.status, 200);
    assert_eq!(
        header(&reply, Header::Contact),
        ["<sip:anna@192.0.2.4>;expires=120"]
    );
    assert_eq!(desk.news(), ["registered"]);
    desk.after(100);
    let reply = desk.register("a", 2, &["Contact: <sip:anna@192.0.2.4>;expires=120"]);
    assert_eq!(reply.status, 200);
    assert_eq!(desk.news(), ["refreshed"]);
    desk.after(119);
    assert_eq!(desk.news(), [""; 0]);
    assert_eq!(
        desk.registrar.next_timeout(),
        Some(desk.now + Duration::from_secs(1))
    );
    desk.after(1);
    assert_eq!(desk.news(), ["expired"]);
    assert!(desk.uris().is_empty());
    assert_eq!(desk.registrar.next_timeout(), None);
}

#[test]
fn expiry_is_bounded_below_by_423_and_above_by_the_grant() {
    let mut desk = Desk::new();
    let reply = desk.register("a", 1, &["Contact: <sip:anna@192.0.2.4>", "Expires: 59"]);
    assert_eq!(
        (reply.status, header(&reply, Header::MinExpires)),
        (423, vec!["60"])
    );
    let check = |lines: &[&str], seconds: u32| {
        let mut desk = Desk::new();
        let reply = desk.register("a", 1, lines);
        let expected = format!("<sip:anna@192.0.2.4>;expires={seconds}");
        assert_eq!(header(&reply, Header::Contact), [expected], "{lines:?}");
    };
    let contact = "Contact: <sip:anna@192.0.2.4>";
    check(&[contact], 600);
    check(&[contact, "Expires: 99999"], 3_600);
    check(&[contact, "Expires: 99999999999999"], 3_600);
    check(&[contact, "Expires: soon"], 3_600);
    check(
        &["Contact: sip:anna@192.0.2.4;expires=61", "Expires: 1"],
        61,
    );
}

#[test]
fn several_contacts_are_kept_by_preference_and_bounded() {
    let mut desk = Desk::new();
    let both = "Contact: <sip:anna@192.0.2.4>;q=0.5, \"Anna, at home\" <sip:anna@192.0.2.5>;q=0.9";
    assert_eq!(desk.register("a", 1, &[both]).status, 200);
    assert_eq!(desk.uris(), ["sip:anna@192.0.2.5", "sip:anna@192.0.2.4"]);
    let third = desk.register("b", 1, &["Contact: <sip:anna@192.0.2.6>"]);
    assert_eq!(third.status, 403);
    assert_eq!(desk.uris().len(), 2);
    let query = desk.register("c", 1, &[]);
    assert_eq!(
        header(&query, Header::Contact),
        [
            "<sip:anna@192.0.2.5>;q=0.900;expires=600",
            "<sip:anna@192.0.2.4>;q=0.500;expires=600"
        ]
    );
    assert_eq!(desk.news(), ["registered"]);
}

#[test]
fn users_past_the_bound_are_told_to_come_later() {
    let mut desk = Desk::new();
    let contact = ["Contact: <sip:x@192.0.2.4>"];
    for user in ["anna", "ben"] {
        assert_eq!(desk.register_as(user, "a", 1, &contact).status, 200);
    }
    let reply = desk.register_as("cleo", "a", 1, &contact);
    assert_eq!(reply.status, 503);
    assert_eq!(header(&reply, Header::RetryAfter), ["300"]);
    assert_eq!(desk.register_as("cleo", "a", 2, &[]).status, 200);
}

#[test]
fn un_register_takes_out_one_contact_or_all() {
    let mut desk = Desk::new();
    desk.register(
        "a",
        1,
        &["Contact: <sip:anna@192.0.2.4>, <sip:anna@192.0.2.5>"],
    );
    desk.register("a", 2, &["Contact: <sip:anna@192.0.2.5>;expires=0"]);
    assert_eq!(desk.uris(), ["sip:anna@192.0.2.4"]);
    assert_eq!(desk.news(), ["registered", "moved"]);
    for wrong in [
        &["Contact: *"][..],
        &["Contact: *", "Expires: 60"],
        &["Contact: *, <sip:anna@192.0.2.5>", "Expires: 0"],
    ] {
        assert_eq!(desk.register("a", 3, wrong).status, 400);
    }
    let reply = desk.register("a", 4, &["Contact: *", "Expires: 0"]);
    assert_eq!(
        (reply.status, header(&reply, Header::Contact)),
        (200, vec![])
    );
    assert_eq!(desk.news(), ["unregistered"]);
}

#[test]
fn older_request_of_the_same_call_fails_and_changes_nothing() {
    let mut desk = Desk::new();
    desk.register("a", 5, &["Contact: <sip:anna@192.0.2.4>"]);
    let both = "Contact: <sip:anna@192.0.2.5>, <sip:anna@192.0.2.4>;expires=0";
    assert_eq!(desk.register("a", 5, &[both]).status, 500);
    let all = desk.register("a", 4, &["Contact: *", "Expires: 0"]);
    assert_eq!(all.status, 500);
    assert_eq!(desk.uris(), ["sip:anna@192.0.2.4"]);
    let restarted = desk.register("b", 1, &["Contact: <sip:anna@192.0.2.4>;expires=0"]);
    assert_eq!(restarted.status, 200);
    assert!(desk.uris().is_empty());
}

#[test]
fn user_registers_only_itself() {
    let mut desk = Desk::new();
    let request = "REGISTER sip:desk SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        From: <sip:eve@desk>;tag=1\r\nTo: <sip:anna@desk>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
        Contact: <sip:eve@192.0.2.66>\r\nMax-Forwards: 70\r\n\r\n";
    let request = Message::parse_datagram(Bytes::from(request)).unwrap();
    let reply = desk
        .registrar
        .handle_register(desk.now, desk.flow, &request, "eve");
    assert_eq!(reply.status, 403);
    assert!(desk.uris().is_empty());
}

#[test]
fn options_and_contacts_we_cannot_obey_are_refused() {
    let mut desk = Desk::new();
    let reply = desk.register("a", 1, &["Require: path, nothing, more"]);
    assert_eq!(
        (reply.status, header(&reply, Header::Unsupported)),
        (420, vec!["nothing, more"])
    );
    for contact in [
        "Contact: sip:anna@192.0.2.4?Route=%3Csip:192.0.2.9%3E",
        "Contact: <mailto:anna@192.0.2.4>",
        "Contact: <sip:anna@192.0.2.4>;q=2",
        "Contact: nothing",
    ] {
        assert_eq!(desk.register("a", 1, &[contact]).status, 400, "{contact}");
    }
}

#[test]
fn calls_go_back_through_the_nat_that_the_registration_came_by() {
    let mut desk = Desk::new();
    desk.flow.remote = "203.0.113.7:31022".parse().unwrap();
    desk.flow.socket = SocketId(1);
    desk.via = "SIP/2.0/UDP 10.0.0.4:5060;branch=z9hG4bK1";
    desk.register("a", 1, &["Contact: <sip:anna@10.0.0.4:5060>"]);
    assert_eq!(
        desk.registrar.bindings("anna")[0].next_hop(),
        NextHop::Flow(desk.flow)
    );
    desk.news();
    desk.flow.remote = "203.0.113.7:40000".parse().unwrap();
    desk.register("a", 2, &["Contact: <sip:anna@10.0.0.4:5060>"]);
    assert_eq!(desk.news(), ["moved"]);
    assert_eq!(
        desk.registrar.bindings("anna")[0].next_hop(),
        NextHop::Flow(desk.flow)
    );
}

#[test]
fn phone_that_sends_from_another_port_than_it_listens_on_is_called_there() {
    let mut desk = Desk::new();
    desk.via = "SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK1";
    desk.flow.remote = "192.0.2.4:49152".parse().unwrap();
    desk.register("a", 1, &["Contact: <sip:anna@192.0.2.4:5060>"]);
    let there = NextHop::Uri(Arc::from(&b"sip:anna@192.0.2.4:5060"[..]));
    assert_eq!(desk.registrar.bindings("anna")[0].next_hop(), there);
}

#[test]
fn path_is_kept_as_route_and_told_back() {
    let mut desk = Desk::new();
    let lines = [
        "Contact: <sip:anna@10.0.0.4>",
        "Supported: path",
        "Path: <sip:edge.example;lr>, <sip:core.example;lr>",
    ];
    let reply = desk.register("a", 1, &lines);
    let path = ["<sip:edge.example;lr>", "<sip:core.example;lr>"];
    assert_eq!(header(&reply, Header::Path), path);
    let binding = &desk.registrar.bindings("anna")[0];
    let kept: Vec<&str> = binding.path.iter().map(AsRef::as_ref).collect();
    assert_eq!(kept, path);
    assert_eq!(
        binding.next_hop(),
        NextHop::Uri(Arc::from(&b"sip:edge.example;lr"[..]))
    );
}

#[test]
fn flows_of_one_device_replace_each_other() {
    let mut desk = Desk::new();
    desk.flow =
        Flow::new(Transport::Tcp, "203.0.113.7:4001".parse().unwrap()).over(ConnectionId::new(1));
    let contact = |port: u16| {
        format!(
            "Contact: <sip:anna@10.0.0.4:{port};ob>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\""
        )
    };
    let reply = desk.register("a", 1, &["Supported: outbound, path", &contact(1)]);
    assert_eq!(header(&reply, Header::Require), ["outbound"]);
    assert!(header(&reply, Header::Contact)[0].contains(";reg-id=1;expires=600"));
    desk.flow = desk.flow.over(ConnectionId::new(2));
    desk.register("b", 1, &["Supported: outbound, path", &contact(2)]);
    assert_eq!(desk.uris(), ["sip:anna@10.0.0.4:2;ob"]);
    desk.registrar.handle_connection_lost(ConnectionId::new(1));
    assert_eq!(desk.news(), ["registered", "moved"]);
    desk.registrar.handle_connection_lost(ConnectionId::new(2));
    assert_eq!(desk.news(), ["connection lost"]);
    assert_eq!(desk.registrar.next_timeout(), None);
}

#[test]
fn phone_without_nat_is_connected_to_when_its_connection_ends() {
    let mut desk = Desk::new();
    desk.flow =
        Flow::new(Transport::Tcp, "192.0.2.4:40111".parse().unwrap()).over(ConnectionId::new(1));
    let contact = "Contact: <sip:anna@192.0.2.4:5060;transport=tcp>";
    desk.register("a", 1, &[contact]);
    assert_eq!(
        desk.registrar.bindings("anna")[0].next_hop(),
        NextHop::Flow(desk.flow)
    );
    desk.registrar.handle_connection_lost(ConnectionId::new(1));
    assert_eq!(desk.news(), ["registered", "moved"]);
    let there = NextHop::Uri(Arc::from(&b"sip:anna@192.0.2.4:5060;transport=tcp"[..]));
    assert_eq!(desk.registrar.bindings("anna")[0].next_hop(), there);
}

#[test]
fn static_contact_never_expires_and_survives_un_register() {
    let mut desk = Desk::new();
    let exchange = Flow::new(Transport::Udp, "198.51.100.1:5060".parse().unwrap());
    let uri = "sip:anna@198.51.100.1";
    assert!(desk.registrar.add_static("anna", uri, exchange));
    desk.register("a", 1, &["Contact: <sip:anna@192.0.2.4>"]);
    assert_eq!(desk.uris(), ["sip:anna@192.0.2.4", uri]);
    desk.register("a", 2, &["Contact: *", "Expires: 0"]);
    assert_eq!(desk.uris(), [uri]);
    for (cseq, expires) in [(3, 60), (4, 0)] {
        let itself = format!("Contact: <{uri}>;expires={expires}");
        assert_eq!(desk.register("a", cseq, &[&itself]).status, 200);
    }
    desk.after(100_000);
    assert_eq!(desk.uris(), [uri]);
    assert!(desk.registrar.bindings("anna")[0].is_static());
    assert_eq!(desk.news(), ["registered", "moved", "moved"]);
    desk.registrar.remove_user("anna");
    assert_eq!(desk.news(), ["unregistered"]);
}
