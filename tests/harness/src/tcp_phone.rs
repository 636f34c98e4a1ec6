//! As much of a telephone on TCP as it takes to be rung: it reads and writes one message at a time.

use crate::PATIENCE;
use crate::digest::{self, Credentials};
use crate::sip::SipText;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A telephone with one connection to its gateway.
#[derive(Debug)]
pub struct TcpPhone {
    stream: BufReader<TcpStream>,
}

impl TcpPhone {
    /// Connects and registers for a minute; answers one challenge.
    ///
    /// # Panics
    /// When it is not let in.
    pub fn register(name: &str, password: &str, gateway: SocketAddr) -> Self {
        let stream = TcpStream::connect(gateway).expect("the gateway listens on TCP");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a patience that is not zero");
        let local = stream.local_addr().expect("a connected socket");
        let mut phone = Self {
            stream: BufReader::new(stream),
        };
        let target = format!("sip:{gateway}");
        let mut proof = String::new();
        for cseq in 1..=2 {
            let text = format!(
                "REGISTER {target} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKtcp{cseq}\r\nMax-Forwards: 70\r\nFrom: <sip:{name}@{gateway}>;tag=tcp\r\nTo: <sip:{name}@{gateway}>\r\nCall-ID: tcp-{local}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{name}@{local};transport=tcp>\r\nExpires: 60\r\n{proof}Content-Length: 0\r\n\r\n"
            );
            phone.send(&text);
            let response = phone.receive();
            if response.status() == Some(200) {
                return phone;
            }
            let credentials = Credentials {
                user: name.to_owned(),
                password: password.to_owned(),
            };
            let challenge = response.must("WWW-Authenticate");
            let value = digest::answer(challenge, &credentials, "REGISTER", &target, 1, "c");
            proof = format!("Authorization: {value}\r\n");
        }
        panic!("{name} was not registered");
    }

    /// Sends any text to the gateway.
    ///
    /// # Panics
    /// When the connection has ended.
    pub fn send(&mut self, text: &str) {
        let sent = self.stream.get_mut().write_all(text.as_bytes());
        sent.expect("the connection stands");
    }

    /// The next message.
    ///
    /// # Panics
    /// When there is none in time, or the connection ends.
    pub fn receive(&mut self) -> SipText {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut text);
            assert!(
                read.expect("a line in time") > 0,
                "the connection ended: {text}"
            );
        }
        let head = SipText::parse(text.as_bytes()).expect("a message");
        let length: usize = head.must("Content-Length").parse().expect("a number");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the whole body");
        head
    }
}
