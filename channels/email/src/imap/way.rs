//! The way to a server, plain or wrapped, and a bound on what comes by it.
//!
//! The protocol's reader keeps an answer until it is whole, so a server that never ends one would fill the
//! memory. Each command has an allowance of octets for all that is answered to it.

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
        let left = this.allowance.0.load(Ordering::Relaxed);
        let Some(left) = left.checked_sub(came) else {
            return Poll::Ready(Err(io::Error::other("the server's answer has no end")));
        };
        this.allowance.0.store(left, Ordering::Relaxed);
        polled
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
