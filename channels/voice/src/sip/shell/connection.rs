//! One connection: finds the messages in the stream, answers pings, writes what is queued.

use super::counts::Counters;
use super::pool::Pool;
use super::{Shards, ShellEvent, ShellSettings};
use crate::sip::flow::{Flow, Inbound, Transmit};
use crate::sip::message::{Frame, frame_stream};
use bytes::{Buf as _, Bytes, BytesMut};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What every reader needs.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) settings: ShellSettings,
    pub(super) shards: Shards,
    pub(super) counters: Arc<Counters>,
}

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, pool: Arc<Pool>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => pool.take_accepted(stream, remote),
            Err(error) => {
                // Out of descriptors: more will be free when other connections end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Reads and writes until either end closes, or the other one is too slow; gives back the message that
/// could not be written.
pub(super) async fn serve(
    context: &Context,
    flow: Flow,
    reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    messages: &mut mpsc::Receiver<Transmit>,
) -> Option<Transmit> {
    let (pongs, mut pongs_due) = mpsc::channel(PONGS_MAX);
    let reading = read(context, flow, reader, pongs);
    tokio::pin!(reading);
    loop {
        let message = tokio::select! {
            () = &mut reading => return None,
            Some(()) = pongs_due.recv() => None,
            message = messages.recv() => Some(message?),
        };
        let text = message.as_ref().map_or(PONG, |message| &message.bytes);
        let timeout = context.settings.message_timeout;
        let writing = tokio::time::timeout(timeout, writer.write_all(text));
        // Reading goes on while writing waits, or two ends that both write would stop each other.
        let outcome = tokio::select! {
            outcome = writing => outcome,
            () = &mut reading => return message,
        };
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return message,
            Err(_) => {
                Counters::add(&context.counters.connections_cut);
                return message;
            }
        }
    }
}

/// Reads until the other end closes, or we have reason to: it is too slow, silent, or not SIP.
async fn read(
    context: &Context,
    flow: Flow,
    mut reader: impl AsyncRead + Unpin,
    pongs: mpsc::Sender<()>,
) {
    let settings = &context.settings;
    let mut buffer = BytesMut::new();
    let mut has_spoken = false;
    loop {
        match take_frames(context, flow, &mut buffer, &pongs, &mut has_spoken).await {
            Taken::All => {}
            Taken::Broken => {
                Counters::add(&context.counters.connections_cut);
                return linger(reader).await;
            }
            Taken::ShardGone => return,
        }
        let patience = if has_spoken && buffer.is_empty() {
            settings.idle_timeout
        } else {
            settings.message_timeout
        };
        buffer.reserve(READ_BYTES);
        match tokio::time::timeout(patience, reader.read_buf(&mut buffer)).await {
            // The other end has said all it will, and may still wait for an answer.
            Ok(Ok(0)) if has_spoken => return tokio::time::sleep(LINGER).await,
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) => return Counters::add(&context.counters.connections_cut),
        }
    }
}

enum Taken {
    All,
    Broken,
    ShardGone,
}

/// Takes every whole frame off the buffer; waits when a shard is full, so that the sender does too.
async fn take_frames(
    context: &Context,
    flow: Flow,
    buffer: &mut BytesMut,
    pongs: &mpsc::Sender<()>,
    has_spoken: &mut bool,
) -> Taken {
    loop {
        let (length, taken) = match frame_stream(buffer) {
            Frame::NeedMore => return Taken::All,
            Frame::Ping(length) => {
                Counters::add(&context.counters.keep_alives);
                // A peer that pings without reading has pongs enough to read.
                let _ = pongs.try_send(());
                buffer.advance(length);
                continue;
            }
            Frame::Pong(length) => {
                buffer.advance(length);
                continue;
            }
            Frame::Message(length) => (length, Taken::All),
            // What there is may still be answered 400; nothing after it can be told apart.
            Frame::Broken(_) => (buffer.len(), Taken::Broken),
        };
        // A copy, so that a message that is kept does not keep the whole buffer.
        let bytes = Bytes::copy_from_slice(&buffer[..length]);
        buffer.advance(length);
        let shard = context.shards.of(&bytes);
        let event = ShellEvent::Received(Inbound {
            flow,
            bytes,
            at: Instant::now(),
        });
        if shard.send(event).await.is_err() {
            return Taken::ShardGone;
        }
        Counters::add(&context.counters.received);
        *has_spoken = true;
        match taken {
            Taken::All => {}
            Taken::Broken | Taken::ShardGone => return taken,
        }
    }
}

/// Reads what still comes and forgets it, until the answer to the broken message must be out.
async fn linger(mut reader: impl AsyncRead + Unpin) {
    let forget = async {
        let mut scratch = [0; READ_BYTES];
        while !matches!(reader.read(&mut scratch).await, Ok(0) | Err(_)) {}
    };
    let _ = tokio::time::timeout(LINGER, forget).await;
}

/// RFC 5626 §3.5.1.
const PONG: &[u8] = b"\r\n";
/// Pongs that wait to be written on one connection.
const PONGS_MAX: usize = 4;
/// Room made before each read.
const READ_BYTES: usize = 4_096;
/// How long accepting rests when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection is still written to after the last that it will say.
const LINGER: Duration = Duration::from_secs(1);
