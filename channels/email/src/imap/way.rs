//! The way to a server, plain or wrapped, and a bound on what comes by it.
//!
//! The protocol's reader keeps an answer until it is whole, so a server that never ends one would fill the
//! memory. Each command has an allowance of octets for all that is answered to it. The reader makes room for a literal
//! as soon as it is announced, up to 512 MiB, so an announcement beyond the allowance is as bad as its octets.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// How many octets more may come; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// A new command is given.
    pub(super) fn renew(&self) {
        self.0.store(ANSWER_BYTES_MAX, Ordering::Relaxed);
    }
}

/// A stream to a server.
pub(super) struct Way {
    stream: Box<dyn Stream>,
    allowance: Allowance,
    announced: Announced,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

impl Way {
    pub(super) fn over(stream: impl Stream + 'static, allowance: &Allowance) -> Self {
        Self {
            stream: Box::new(stream),
            allowance: allowance.clone(),
            announced: Announced::default(),
        }
    }

    /// The stream itself, to be wrapped.
    pub(super) fn into_inner(self) -> Box<dyn Stream> {
        self.stream
    }
}

impl AsyncRead for Way {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let came = u64::try_from(buffer.filled().len() - before).unwrap_or(u64::MAX);
        let allowed = this.allowance.0.load(Ordering::Relaxed);
        let Some(left) = allowed.checked_sub(came) else {
            return Poll::Ready(Err(io::Error::other("the server's answer has no end")));
        };
        this.allowance.0.store(left, Ordering::Relaxed);
        let octets = buffer.filled().get(before..).unwrap_or(&[]);
        if this.announced.take(octets) > allowed {
            let fault = "the server announces more than an answer may have";
            return Poll::Ready(Err(io::Error::other(fault)));
        }
        polled
    }
}

/// Follows the literals of an answer: `{n}` at the end of a line announces that `n` octets follow, in which nothing is
/// announced (RFC 3501 §4.3).
#[derive(Clone, Copy, Debug, Default)]
struct Announced {
    /// Octets that are still to come of the present one.
    left: u64,
    end: LineEnd,
}

/// How much of `{n}` and the end of the line came last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LineEnd {
    #[default]
    Other,
    /// A brace, and digits that make this number.
    Open(u64),
    Closed(u64),
    Return(u64),
}

impl Announced {
    /// Takes what came; tells the most that was announced, or is still to come.
    fn take(&mut self, mut octets: &[u8]) -> u64 {
        let mut most = 0;
        loop {
            let within = usize::try_from(self.left).unwrap_or(usize::MAX);
            let within = within.min(octets.len());
            self.left -= u64::try_from(within).unwrap_or(self.left);
            octets = octets.get(within..).unwrap_or(&[]);
            let Some((octet, rest)) = octets.split_first() else {
                return most.max(self.left);
            };
            octets = rest;
            self.end = match (self.end, *octet) {
                (_, b'{') => LineEnd::Open(0),
                (LineEnd::Open(number), digit @ b'0'..=b'9') => {
                    let number = number.saturating_mul(10);
                    LineEnd::Open(number.saturating_add(u64::from(digit - b'0')))
                }
                (LineEnd::Open(number), b'}') => LineEnd::Closed(number),
                (LineEnd::Closed(number), b'\r') => LineEnd::Return(number),
                (LineEnd::Return(number), b'\n') => {
                    self.left = number;
                    most = most.max(number);
                    LineEnd::Other
                }
                (
                    LineEnd::Other | LineEnd::Open(_) | LineEnd::Closed(_) | LineEnd::Return(_),
                    _,
                ) => LineEnd::Other,
            };
        }
    }
}

impl AsyncWrite for Way {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Most octets that may come after a command: a piece of a mail and all that is told beside it, or the UIDs of
/// more than a million mails.
const ANSWER_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use super::super::shell::{Account, Folder, FolderFault, Proof, Tls};
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    /// A server that goes on for ever; tells how much of it was taken once nobody listens any more.
    async fn go_on(mut server: DuplexStream, octets: &[u8]) -> u64 {
        let mut taken = 0;
        while let Ok(written) = server.write(octets).await {
            taken += u64::try_from(written).expect("a length");
        }
        taken
    }

    /// Octets that lie between the two ends.
    const BETWEEN: u64 = 64 * 1_024;

    fn between() -> (DuplexStream, DuplexStream) {
        tokio::io::duplex(usize::try_from(BETWEEN).expect("a small number"))
    }

    #[tokio::test]
    async fn each_command_has_sixteen_mebibytes_for_its_answer() {
        let (ours, server) = between();
        let server = tokio::spawn(async move { go_on(server, &[b'x'; 4_096]).await });
        let allowance = Allowance::default();
        let mut way = Way::over(ours, &allowance);
        for _ in 0..2 {
            allowance.renew();
            let (mut came, mut octets) = (0, [0; 4_096]);
            let fault = loop {
                match way.read(&mut octets).await {
                    Ok(more) => came += u64::try_from(more).expect("a length"),
                    Err(fault) => break fault,
                }
            };
            assert_eq!(fault.to_string(), "the server's answer has no end");
            assert_eq!(came, ANSWER_BYTES_MAX);
        }
        drop(way);
        server.await.expect("the server ends");
    }

    #[tokio::test]
    async fn a_literal_beyond_the_allowance_is_refused_when_it_is_announced() {
        // Whatever stands in a literal announces nothing.
        let good = "* 1 FETCH (UID 1 BODY[] {17}\r\n{536870911}\r\nabcd FLAGS ({x} {5 {}))\r\n";
        let bad = "* 2 FETCH (BODY[] ~{536870911}\r\n";
        for piece in [1, 7, 1_000] {
            let (ours, mut server) = between();
            let allowance = Allowance::default();
            allowance.renew();
            let mut way = Way::over(ours, &allowance);
            let text = format!("{good}{bad}");
            let (mut came, mut fault) = (String::new(), None);
            for octets in text.as_bytes().chunks(piece) {
                server.write_all(octets).await.expect("there is room");
                let mut taken = vec![0; octets.len()];
                match way.read_exact(&mut taken).await {
                    Ok(_) => came.push_str(&String::from_utf8(taken).expect("ASCII")),
                    Err(why) => fault = Some(why.to_string()),
                }
            }
            let wanted = "the server announces more than an answer may have";
            assert_eq!(fault.as_deref(), Some(wanted), "{piece}");
            assert!(
                text.starts_with(&came) && text.len() - came.len() <= piece,
                "{came}"
            );
        }
    }

    #[tokio::test]
    async fn a_server_that_never_ends_an_answer_is_left() {
        let line = format!("* OK {}\r\n", "still here ".repeat(1_000));
        let (ours, server) = between();
        let server = tokio::spawn(async move { go_on(server, line.as_bytes()).await });
        let account = Account {
            host: "imap.example".to_owned(),
            port: 143,
            tls: Tls::None,
            authority: None,
            user: "desk".to_owned(),
            proof: Proof::Password("secret".to_owned()),
            folder: "INBOX".to_owned(),
            move_to: None,
            mail_bytes_max: 1_000,
        };
        let opened = Folder::over(ours, &account).await;
        let fault = opened.expect_err("nothing is answered to the command");
        assert!(matches!(fault, FolderFault::Lost(_)), "{fault:?}");
        // The greeting has an allowance of its own.
        let taken = server.await.expect("the server ends");
        assert!(taken <= 2 * ANSWER_BYTES_MAX + BETWEEN, "{taken} octets");
        assert!(taken > ANSWER_BYTES_MAX / 2, "{taken} octets");
    }
}
