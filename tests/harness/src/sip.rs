//! SIP messages as a telephone of the tests sees them: text, looked up by header name.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// One message as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipText {
    text: String,
    /// Where the body begins.
    body_at: usize,
}

impl SipText {
    /// Takes a datagram; `None` when it is not text, has no empty line, or is a keep-alive.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let body_at = text.find("\r\n\r\n")? + 4;
        Some(Self {
            text: text.to_owned(),
            body_at,
        })
    }

    /// The request's method; `None` for a response.
    pub fn method(&self) -> Option<&str> {
        match self.text.split(' ').next() {
            Some("SIP/2.0") | None => None,
            Some(method) => Some(method),
        }
    }

    /// The request's target; empty for a response.
    pub fn target(&self) -> &str {
        if self.method().is_some() {
            self.start_line().split(' ').nth(1).unwrap_or("")
        } else {
            ""
        }
    }

    /// The response's status; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        self.text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The first line.
    pub fn start_line(&self) -> &str {
        self.text.split("\r\n").next().unwrap_or("")
    }

    /// All values of a header, in order; compact forms count.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let compact = compact_form(name);
        self.text[..self.body_at]
            .split("\r\n")
            .skip(1)
            .filter_map(move |line| {
                let (key, value) = line.split_once(':')?;
                let key = key.trim_end();
                (key.eq_ignore_ascii_case(name)
                    || compact.is_some_and(|short| key.eq_ignore_ascii_case(short)))
                .then(|| value.trim())
            })
    }

    /// The first value of a header.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// The first value of a header that every message has; empty when it is missing.
    pub fn must(&self, name: &'static str) -> &str {
        self.headers(name).next().unwrap_or("")
    }

    /// The number and the method of CSeq.
    pub fn cseq(&self) -> (u32, &str) {
        let mut words = self.must("CSeq").split_whitespace();
        (
            words
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(0),
            words.next().unwrap_or(""),
        )
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> &str {
        parameter(self.must("Via"), "branch")
    }

    /// The URI of the Contact header, without angle brackets.
    pub fn contact_uri(&self) -> Option<&str> {
        self.headers("Contact").next().map(uri_of)
    }

    /// What follows the empty line.
    pub fn body(&self) -> &str {
        &self.text[self.body_at..]
    }

    /// Where the first audio line of the session description wants its RTP; `None` when it is refused or absent.
    pub fn audio_address(&self) -> Option<SocketAddr> {
        let mut host = None;
        let mut port = None;
        for line in self.body().lines() {
            if let Some(address) = line.strip_prefix("c=IN IP4 ") {
                host = address.trim().parse().ok();
            } else if let (None, Some(rest)) = (port, line.strip_prefix("m=audio ")) {
                port = rest
                    .split(' ')
                    .next()
                    .and_then(|port| port.parse::<u16>().ok());
            }
        }
        port.filter(|port| *port > 0)
            .and_then(|port| Some(SocketAddr::new(host?, port)))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn compact_form(name: &str) -> Option<&'static str> {
    const FORMS: [(&str, &str); 7] = [
        ("Via", "v"),
        ("From", "f"),
        ("To", "t"),
        ("Call-ID", "i"),
        ("Contact", "m"),
        ("Content-Length", "l"),
        ("Content-Type", "c"),
    ];
    FORMS
        .iter()
        .find(|(long, _)| name.eq_ignore_ascii_case(long))
        .map(|(_, short)| *short)
}

/// The URI inside a name-addr or addr-spec, without angle brackets and header parameters.
pub fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// A parameter of a header's value, by name; empty when it is not there.
pub fn parameter<'a>(value: &'a str, name: &str) -> &'a str {
    let outside = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    outside
        .split(';')
        .skip(1)
        .find_map(|part| {
            part.trim()
                .strip_prefix(name)?
                .trim_start()
                .strip_prefix('=')
        })
        .map_or("", str::trim)
}

/// A session description that offers G.711 and telephone events at a loopback port.
pub fn g711_offer(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// The response to a request: Via, Record-Route, From, To (with `to_tag` unless it has one), Call-ID and
/// CSeq are the request's, then come `headers` (each with its line end) and the body.
pub fn response(
    request: &SipText,
    status: u16,
    reason: &str,
    to_tag: &str,
    headers: &str,
    body: &str,
) -> String {
    let mut text = format!("SIP/2.0 {status} {reason}\r\n");
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in request.headers(name) {
            let _ = write!(text, "{name}: {value}");
            if name == "To" && !to_tag.is_empty() && parameter(value, "tag").is_empty() {
                let _ = write!(text, ";tag={to_tag}");
            }
            text.push_str("\r\n");
        }
    }
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    let _ = write!(
        text,
        "{headers}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    text
}
