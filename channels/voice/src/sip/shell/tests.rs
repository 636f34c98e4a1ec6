use super::*;
use crate::sip::flow::ConnectionId;
use bytes::Bytes;
use std::net::UdpSocket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket as AsyncUdpSocket};

const PATIENCE: Duration = Duration::from_secs(10);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("nothing happened for ten seconds")
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn settings() -> ShellSettings {
    ShellSettings::new(vec![loopback()], vec![loopback()], 1)
}

struct Open {
    shell: Shell,
    handle: ShellHandle,
    inbox: Inbox,
    udp: SocketAddr,
    tcp: SocketAddr,
}

fn open(settings: ShellSettings) -> Open {
    let (shell, mut inboxes) = Shell::bind(settings).unwrap();
    let handle = shell.handle();
    let address = |wanted| {
        let mut all = handle.local_addresses();
        all.find(|(transport, _)| *transport == wanted).unwrap().1
    };
    let (udp, tcp) = (address(Transport::Udp), address(Transport::Tcp));
    Open {
        shell,
        inbox: inboxes.remove(0),
        udp,
        tcp,
        handle,
    }
}

fn message(event: Option<ShellEvent>) -> Inbound {
    let Some(ShellEvent::Received(inbound)) = event else {
        panic!("not a message: {event:?}");
    };
    inbound
}

impl Open {
    async fn received(&mut self) -> Inbound {
        message(within(self.inbox.recv()).await)
    }

    async fn lost(&mut self) -> Option<ConnectionId> {
        let Some(ShellEvent::ConnectionLost(flow)) = within(self.inbox.recv()).await else {
            panic!("not the end of a connection");
        };
        flow.connection
    }

    async fn connect(&self) -> TcpStream {
        within(TcpStream::connect(self.tcp)).await.unwrap()
    }
}

fn request(method: &str, call_id: &str) -> String {
    format!(
        "{method} sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{call_id};rport\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:1@h>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

async fn read_exactly(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    within(stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes, expected);
}

async fn read_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn datagram_reaches_the_shard_and_its_answer_comes_back() {
    let mut open = open(settings());
    let phone = AsyncUdpSocket::bind(loopback()).await.unwrap();
    for keep_alive in [&b"\r\n\r\n"[..], b"\0", b""] {
        phone.send_to(keep_alive, open.udp).await.unwrap();
    }
    let options = request("OPTIONS", "a");
    phone.send_to(options.as_bytes(), open.udp).await.unwrap();
    let inbound = open.received().await;
    assert_eq!(inbound.bytes, options);
    assert_eq!(inbound.flow.remote, phone.local_addr().unwrap());
    open.handle
        .send(Transmit {
            flow: inbound.flow,
            bytes: Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"),
        })
        .unwrap();
    let mut buffer = [0; 100];
    let (length, from) = within(phone.recv_from(&mut buffer)).await.unwrap();
    assert_eq!(
        (&buffer[..length], from),
        (&b"SIP/2.0 200 OK\r\n\r\n"[..], open.udp)
    );
    let counts = open.handle.counts();
    assert_eq!(
        (counts.received, counts.sent, counts.keep_alives),
        (1, 1, 3)
    );
    open.shell.close().await;
}

#[tokio::test]
async fn each_call_stays_on_its_shard() {
    let (shell, mut inboxes) = Shell::bind(ShellSettings {
        shards: 2,
        ..settings()
    })
    .unwrap();
    let (_, address) = shell.handle().local_addresses().next().unwrap();
    let phone = UdpSocket::bind(loopback()).unwrap();
    let calls: Vec<_> = (0..8).map(|n| format!("call{n}")).collect();
    for call in &calls {
        for method in ["INVITE", "ACK"] {
            phone
                .send_to(request(method, call).as_bytes(), address)
                .unwrap();
        }
    }
    for call in &calls {
        let shard = shard_of(request("BYE", call).as_bytes(), 2);
        for method in ["INVITE", "ACK"] {
            let inbound = message(within(inboxes[shard].recv()).await);
            assert_eq!(inbound.bytes, request(method, call));
        }
    }
}

#[tokio::test]
async fn stream_is_cut_into_messages_and_pings_are_answered() {
    let mut open = open(settings());
    let mut phone = open.connect().await;
    let (one, two) = (request("OPTIONS", "a"), request("OPTIONS", "b"));
    let stream = format!("\r\n\r\n{one}\r\n\r\n{two}");
    let (begin, rest) = stream.as_bytes().split_at(stream.len() - 20);
    phone.write_all(begin).await.unwrap();
    assert_eq!(open.received().await.bytes, one);
    read_exactly(&mut phone, b"\r\n\r\n").await;
    phone.write_all(rest).await.unwrap();
    let inbound = open.received().await;
    assert_eq!(inbound.bytes, two);
    let bytes = Bytes::from_static(b"answer");
    let flow = inbound.flow;
    open.handle.send(Transmit { flow, bytes }).unwrap();
    read_exactly(&mut phone, b"answer").await;
    assert_eq!(open.handle.counts().connections, 1);
    drop(phone);
    assert_eq!(open.lost().await, flow.connection);
    assert_eq!(open.handle.counts().connections, 0);
}

#[tokio::test]
async fn peer_that_closes_its_half_still_gets_its_answer() {
    let mut open = open(settings());
    let mut phone = open.connect().await;
    let options = request("OPTIONS", "a");
    phone.write_all(options.as_bytes()).await.unwrap();
    phone.shutdown().await.unwrap();
    let flow = open.received().await.flow;
    let bytes = Bytes::from_static(b"answer");
    open.handle.send(Transmit { flow, bytes }).unwrap();
    read_exactly(&mut phone, b"answer").await;
}

#[tokio::test]
async fn connection_is_opened_once_and_used_both_ways() {
    let mut open = open(settings());
    let phone = TcpListener::bind(loopback()).await.unwrap();
    let flow = Flow::new(Transport::Tcp, phone.local_addr().unwrap());
    for text in ["one", "two"] {
        let bytes = Bytes::from(text);
        open.handle.send(Transmit { flow, bytes }).unwrap();
    }
    let (mut stream, _) = within(phone.accept()).await.unwrap();
    read_exactly(&mut stream, b"onetwo").await;
    let options = request("OPTIONS", "a");
    stream.write_all(options.as_bytes()).await.unwrap();
    assert_eq!(open.received().await.bytes, options);
    assert_eq!(open.handle.counts().connections_opened, 1);
}

#[tokio::test]
async fn answer_goes_over_a_new_connection_when_the_old_one_is_gone() {
    let open = open(settings());
    let phone = TcpListener::bind(loopback()).await.unwrap();
    let gone = ConnectionId::new(77);
    let flow = Flow::new(Transport::Tcp, phone.local_addr().unwrap()).over(gone);
    let bytes = Bytes::from_static(b"answer");
    open.handle.send(Transmit { flow, bytes }).unwrap();
    let (mut stream, _) = within(phone.accept()).await.unwrap();
    read_exactly(&mut stream, b"answer").await;
}

#[tokio::test]
async fn shard_is_told_what_could_not_be_delivered() {
    let mut open = open(settings());
    let nobody = TcpListener::bind(loopback()).await.unwrap();
    let flow = Flow::new(Transport::Tcp, nobody.local_addr().unwrap());
    drop(nobody);
    let bytes = Bytes::from(request("INVITE", "a"));
    let transmit = Transmit { flow, bytes };
    open.handle.send(transmit.clone()).unwrap();
    let Some(ShellEvent::SendFailed(failed)) = within(open.inbox.recv()).await else {
        panic!("not a failure");
    };
    assert_eq!(failed, transmit);
    assert!(open.lost().await.is_some());
    let tls = Transmit {
        flow: Flow::new(Transport::Tls, loopback()),
        bytes: Bytes::new(),
    };
    assert_eq!(open.handle.send(tls), Err(SendFault::NoWay));
    let v6 = Transmit {
        flow: Flow::new(Transport::Udp, "[::1]:5060".parse().unwrap()),
        bytes: Bytes::new(),
    };
    assert_eq!(open.handle.send(v6), Err(SendFault::NoWay));
    assert_eq!(open.handle.counts().send_failed, 3);
}

#[tokio::test]
async fn full_inbox_refuses_new_calls_and_drops_the_rest() {
    let mut open = open(ShellSettings {
        inbox_max: 1,
        ..settings()
    });
    let phone = AsyncUdpSocket::bind(loopback()).await.unwrap();
    for (method, call) in [("INVITE", "a"), ("BYE", "b"), ("INVITE", "c")] {
        let text = request(method, call);
        phone.send_to(text.as_bytes(), open.udp).await.unwrap();
    }
    let mut buffer = [0; 1_000];
    let (length, _) = within(phone.recv_from(&mut buffer)).await.unwrap();
    let answer = String::from_utf8_lossy(&buffer[..length]);
    assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("Call-ID: c"));
    assert_eq!(open.received().await.bytes, request("INVITE", "a"));
    let counts = open.handle.counts();
    assert_eq!((counts.received, counts.dropped, counts.refused), (1, 2, 1));
}

#[tokio::test]
async fn stream_waits_while_the_inbox_is_full() {
    let mut open = open(ShellSettings {
        inbox_max: 1,
        ..settings()
    });
    let mut phone = open.connect().await;
    let calls: Vec<_> = (0..20).map(|n| request("INFO", &format!("c{n}"))).collect();
    phone.write_all(calls.concat().as_bytes()).await.unwrap();
    for call in &calls {
        assert_eq!(open.received().await.bytes, call);
    }
    assert_eq!(open.handle.counts().dropped, 0);
}

#[tokio::test]
async fn stream_that_is_no_sip_is_handed_over_once_and_closed() {
    let mut open = open(settings());
    let mut phone = open.connect().await;
    let no_length = request("OPTIONS", "a").replace("Content-Length: 0\r\n", "");
    phone.write_all(no_length.as_bytes()).await.unwrap();
    let inbound = open.received().await;
    assert_eq!(inbound.bytes, no_length);
    let (flow, bytes) = (inbound.flow, Bytes::from_static(b"400"));
    open.handle.send(Transmit { flow, bytes }).unwrap();
    read_exactly(&mut phone, b"400").await;
    read_end(&mut phone).await;
    assert_eq!(open.lost().await, flow.connection);
    assert_eq!(open.handle.counts().connections_cut, 1);
}

#[tokio::test]
async fn connection_that_says_nothing_whole_in_time_is_cut() {
    let mut open = open(ShellSettings {
        message_timeout: Duration::from_millis(10),
        ..settings()
    });
    for beginning in [&b""[..], b"OPTIONS sip:"] {
        let mut phone = open.connect().await;
        phone.write_all(beginning).await.unwrap();
        assert!(open.lost().await.is_some());
        read_end(&mut phone).await;
    }
    assert_eq!(open.handle.counts().connections_cut, 2);
}

#[tokio::test]
async fn connections_past_the_bound_are_turned_away() {
    for per_address in [true, false] {
        let mut bounded = settings();
        if per_address {
            bounded.connections_per_address_max = 1;
        } else {
            bounded.connections_max = 1;
        }
        let mut open = open(bounded);
        let mut first = open.connect().await;
        let options = request("OPTIONS", "a");
        first.write_all(options.as_bytes()).await.unwrap();
        open.received().await;
        let mut second = open.connect().await;
        read_end(&mut second).await;
        let counts = open.handle.counts();
        assert_eq!((counts.connections, counts.connections_refused), (1, 1));
    }
}

#[tokio::test]
async fn closing_the_shell_frees_its_addresses() {
    let open = open(settings());
    let mut phone = open.connect().await;
    let (udp, tcp) = (open.udp, open.tcp);
    open.shell.close().await;
    read_end(&mut phone).await;
    drop(open.handle);
    let again = Shell::bind(ShellSettings::new(vec![udp], vec![tcp], 1));
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn address_that_cannot_be_had_is_named_with_what_to_do() {
    let udp = UdpSocket::bind(loopback()).unwrap();
    let taken = udp.local_addr().unwrap();
    let error = Shell::bind(ShellSettings::new(vec![taken], vec![], 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the UDP address {taken} is taken by another program: stop that program, or choose \
             another address in [sip]"
        )
    );
    let tcp = std::net::TcpListener::bind(loopback()).unwrap();
    let taken = tcp.local_addr().unwrap();
    let error = Shell::bind(ShellSettings::new(vec![], vec![taken], 1)).unwrap_err();
    assert!(error.to_string().starts_with("the TCP address 127.0.0.1:"));
    let elsewhere = "203.0.113.1:5060".parse().unwrap();
    let error = Shell::bind(ShellSettings::new(vec![elsewhere], vec![], 1)).unwrap_err();
    assert!(matches!(error, ShellError::NotOurs { .. }), "{error}");
}
