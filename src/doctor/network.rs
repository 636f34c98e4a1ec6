//! The addresses the gateway listens on, and the ports of its media.

use super::Finding;
use crate::config::Config;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for an answer of a gateway that may run here.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Most bytes read of what answers there.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// How many media ports are tried.
const PORTS_TRIED: u16 = 16;

/// RTP and RTCP of the caller's and of the agent's leg.
const PORTS_PER_CALL: u32 = 4;

/// Whether a gateway runs with this configuration: its operations listener tells figures of ours.
pub(super) async fn is_running(operations: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(operations).await?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: doctor\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        stream
            .take(ANSWER_BYTES_MAX)
            .read_to_end(&mut answer)
            .await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(WAIT_MAX, ask).await {
        Ok(Ok(answer)) => String::from_utf8_lossy(&answer).contains("ringdown_"),
        Ok(Err(_)) | Err(_) => false,
    }
}

pub(super) fn ports(config: &Config, is_running: bool) -> Vec<Finding> {
    let udp = config
        .sip
        .listen_udp
        .iter()
        .map(|address| ("sip udp", *address, UdpSocket::bind(address).map(|_| ())));
    let tcp = config
        .sip
        .listen_tcp
        .iter()
        .map(|address| ("sip tcp", *address, bind_tcp(*address)));
    let mail = [
        ("smtp", config.email.listen),
        ("lmtp", config.email.lmtp_listen),
    ];
    let mail = mail
        .into_iter()
        .filter_map(|(name, address)| Some((name, address?, bind_tcp(address?))));
    let web = [
        ("api", config.web.listen),
        ("operations", config.web.operations_listen),
    ]
    .map(|(name, address)| (name, address, bind_tcp(address)));
    udp.chain(tcp)
        .chain(mail)
        .chain(web)
        .map(|(name, address, bound)| port(name, address, bound, is_running))
        .collect()
}

fn bind_tcp(address: SocketAddr) -> std::io::Result<()> {
    TcpListener::bind(address).map(|_| ())
}

fn port(name: &str, address: SocketAddr, bound: std::io::Result<()>, is_running: bool) -> Finding {
    let name = format!("{name} {address}");
    let Err(error) = bound else {
        return Finding::good(name, "free");
    };
    let kind = error.kind();
    if kind == ErrorKind::AddrInUse && is_running {
        return Finding::good(name, "in use by the gateway that runs");
    }
    if kind == ErrorKind::AddrInUse {
        let advice = format!(
            "find it with `ss -lptun sport = :{}` and stop it, or listen on another port",
            address.port()
        );
        return Finding::bad(name, "in use by another program", advice);
    }
    if kind == ErrorKind::AddrNotAvailable {
        let advice = "correct the address; `ip addr` shows those it has";
        return Finding::bad(name, "this machine has no such address", advice);
    }
    if kind == ErrorKind::PermissionDenied {
        let advice = "ports below 1024 need CAP_NET_BIND_SERVICE; take a higher one";
        return Finding::bad(name, "not allowed", advice);
    }
    Finding::bad(name, error.to_string(), "correct the address")
}

pub(super) fn media(config: &Config, is_running: bool) -> Vec<Finding> {
    let media = &config.media;
    let range = format!("media {}:{}-{}", media.bind, media.port_min, media.port_max);
    let ports = u32::from(media.port_max.saturating_sub(media.port_min)) + 1;
    let mut findings = vec![tried(
        &range,
        media.bind,
        media.port_min,
        media.port_max,
        is_running,
    )];
    let calls = ports / PORTS_PER_CALL;
    if calls < config.limits.calls_max {
        findings.push(Finding::warning(
            "media ports",
            format!(
                "enough for {calls} bridged calls, but limits.calls_max is {}",
                config.limits.calls_max
            ),
            "widen port_min..port_max, or lower limits.calls_max",
        ));
    }
    findings
}

/// Tries some ports, spread over the range.
fn tried(name: &str, bind: IpAddr, first: u16, last: u16, is_running: bool) -> Finding {
    let step = (last.saturating_sub(first) / PORTS_TRIED).max(1);
    let (mut taken, mut count, mut other) = (0, 0, None);
    for port in (first..=last)
        .step_by(usize::from(step))
        .take(usize::from(PORTS_TRIED))
    {
        count += 1;
        match UdpSocket::bind((bind, port)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => taken += 1,
            Err(error) => other = Some(error),
        }
    }
    match (other, taken) {
        (Some(error), _) => Finding::bad(
            name,
            error.to_string(),
            "correct [media] bind; `ip addr` shows the addresses",
        ),
        (None, 0) => Finding::good(name, format!("{count} ports tried, all free")),
        (None, _) if is_running => Finding::good(
            name,
            format!("{taken} of {count} ports tried are in use, a gateway runs"),
        ),
        (None, taken) if taken == count => Finding::bad(
            name,
            "all ports tried are in use by another program",
            "choose another range",
        ),
        (None, _) => Finding::warning(
            name,
            format!("{taken} of {count} ports tried are in use by another program"),
            "choose a range of its own",
        ),
    }
}
