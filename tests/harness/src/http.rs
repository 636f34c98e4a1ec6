//! A small HTTP/1.1 client for the API and the operations pages: one request, one answer, one connection.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long one answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Pause between two questions of [`Client::wait_until`]; the API allows a token 50 a second.
const ASK_PAUSE: Duration = Duration::from_millis(50);

/// Who is asked, and with which token.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it listens.
    pub address: SocketAddr,
    /// Bearer token; empty sends none.
    pub token: String,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The lines of the head.
    pub head: String,
    /// The body.
    pub body: String,
    /// The body as it came; with its chunks, when it came in some.
    pub octets: Vec<u8>,
}

impl HttpAnswer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|fault| {
            panic!("not JSON ({fault}), status {}: {}", self.status, self.body)
        })
    }
}

impl Client {
    /// Asks for a path.
    pub fn get(&self, path: &str) -> HttpAnswer {
        self.try_send("GET", path, "", "")
            .unwrap_or_else(|fault| panic!("GET {path}: {fault}"))
    }

    /// Asks for a path and takes the JSON of a 200.
    pub fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert!(
            answer.status == 200,
            "GET {path} was answered {}: {}",
            answer.status,
            answer.body
        );
        answer.json()
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, body: &Value) -> HttpAnswer {
        self.try_send("POST", path, "", &body.to_string())
            .unwrap_or_else(|fault| panic!("POST {path}: {fault}"))
    }

    /// Sends one request with further headers; the fault of the connection when there is one.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> std::io::Result<HttpAnswer> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_TIME_MAX)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        let token = if self.token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {}\r\n", self.token)
        };
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\r\n"
        };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{token}{headers}{kind}Content-Length: {length}\r\n\r\n{body}",
            self.address
        )?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let end_of_head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let octets = end_of_head.map_or(&[][..], |at| &bytes[at + 4..]);
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        let is_chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        Ok(HttpAnswer {
            status,
            head: head.to_owned(),
            octets: octets.to_owned(),
            body: if is_chunked {
                unchunk(body)
            } else {
                body.to_owned()
            },
        })
    }

    /// Asks for a path again and again until `is_wanted` holds; a moment apart.
    /// Fails after `patience` with the last answer.
    pub fn wait_until(
        &self,
        path: &str,
        what: &str,
        patience: Duration,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + patience;
        loop {
            let value = self.get_json(path);
            if is_wanted(&value) {
                return value;
            }
            assert!(
                Instant::now() < deadline,
                "{path} did not come to show {what}; last: {value:#}"
            );
            std::thread::park_timeout(ASK_PAUSE);
        }
    }
}

fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)
        else {
            break;
        };
        let Some(chunk) = tail.get(..size) else { break };
        body.push_str(chunk);
        rest = tail.get(size + 2..).unwrap_or("");
    }
    body
}
