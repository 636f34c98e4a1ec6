//! An OAuth 2.0 token server (RFC 6749 §6) that exchanges each refresh token once, and lets the old one go.

use crate::PATIENCE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A running token server on loopback, without TLS.
#[derive(Debug)]
pub struct TokenServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    /// What is given out, as the mail server knows it.
    access_token: String,
    lasts_s: u64,
    /// How often the refresh token was exchanged: its newest form ends in that number.
    exchanged: usize,
    /// Requests that were refused.
    refused: usize,
    is_closed: bool,
}

impl TokenServer {
    /// The client, and what it proves that by.
    pub const CLIENT: [&'static str; 2] = ["desk of example", "s3cret:+&"];
    /// The first refresh token.
    pub const REFRESH_TOKEN: &'static str = "refresh/0";

    /// Starts one that gives out this access token, said to last so long.
    pub fn start(access_token: String, lasts_s: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Mutex::new(Shared {
            access_token,
            lasts_s,
            exchanged: 0,
            refused: 0,
            is_closed: false,
        }));
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever breaks off is answered nothing.
                let _ = answer(stream, &state);
            }
        });
        Self { address, shared }
    }

    /// Where tokens are asked for.
    pub fn url(&self) -> String {
        format!("http://{}/oauth2/token", self.address)
    }

    /// How many access tokens it gave.
    pub fn exchanged(&self) -> usize {
        self.shared().exchanged
    }

    /// From now on it refuses everybody, or nobody but strangers.
    pub fn set_closed(&self, is_closed: bool) {
        self.shared().is_closed = is_closed;
    }

    /// From now on it gives out this one.
    pub fn give(&self, access_token: String) {
        self.shared().access_token = access_token;
    }

    /// Waits until so many access tokens were given and so many requests refused.
    pub fn wait_for(&self, exchanged: usize, refused: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shared = self.shared();
            if shared.exchanged >= exchanged && shared.refused >= refused {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{exchanged}, {refused}: {shared:?}"
            );
            drop(shared);
            std::thread::park_timeout(PAUSE);
        }
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        head.push_str(&line);
        line.clear();
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().ok()).flatten()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let (status, told) = decide(&head, &String::from_utf8_lossy(&body), shared);
    let told = told.to_string();
    write!(
        &stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json;charset=UTF-8\r\nCache-Control: no-store\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{told}",
        told.len()
    )
}

fn decide(head: &str, body: &str, shared: &Mutex<Shared>) -> (&'static str, serde_json::Value) {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let refuse = |shared: &mut Shared, error: &str| {
        shared.refused += 1;
        let told = json!({ "error": error, "error_description": "as the token server says" });
        ("400 Bad Request", told)
    };
    // RFC 6749 §2.3.1: name and secret are encoded as a form's values before they are joined.
    let client = STANDARD.encode("desk%20of%20example:s3cret%3A%2B%26");
    let is_client = head.lines().any(|line| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("authorization") && value.trim() == format!("Basic {client}")
    });
    if !head.starts_with("POST /oauth2/token HTTP/1.1\r\n") || !is_client {
        return refuse(&mut shared, "invalid_client");
    }
    let newest = format!("refresh_token=refresh%2F{}", shared.exchanged);
    let mut fields: Vec<&str> = body.split('&').collect();
    fields.sort_unstable();
    let wanted = [
        "grant_type=refresh_token",
        newest.as_str(),
        "scope=mail.read",
    ];
    if shared.is_closed || fields != wanted {
        return refuse(&mut shared, "invalid_grant");
    }
    shared.exchanged += 1;
    let told = json!({
        "access_token": shared.access_token,
        "token_type": "Bearer",
        "expires_in": shared.lasts_s,
        "refresh_token": format!("refresh/{}", shared.exchanged),
    });
    ("200 OK", told)
}

/// A moment between two looks.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
