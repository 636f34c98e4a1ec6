//! Datagram sockets.

use super::connection::Context;
use super::counts::Counters;
use super::keep_alive::{Datagram, classify};
use super::{ShellEvent, overload};
use crate::sip::flow::{Flow, Inbound, SocketId, Transport};
use bytes::Bytes;
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::Interest;
use tokio::sync::mpsc::error::TrySendError;

/// One socket: shards send on it directly, one task reads.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    inner: Arc<UdpSocket>,
    address: SocketAddr,
}

impl Socket {
    pub(super) fn bind(address: SocketAddr, receive_buffer_bytes: usize) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        // The kernel gives what its own limit allows; less is no reason not to start.
        let _ = socket.set_recv_buffer_size(receive_buffer_bytes);
        let inner = UdpSocket::from(socket);
        let address = inner.local_addr()?;
        Ok(Self {
            inner: Arc::new(inner),
            address,
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn send(&self, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
        self.inner.send_to(bytes, remote).map(|_| ())
    }
}

/// Reads for ever: each time the socket is ready, all that is there.
pub(super) async fn read(socket: Socket, id: SocketId, context: Arc<Context>) {
    let ready = socket
        .inner
        .try_clone()
        .and_then(tokio::net::UdpSocket::from_std);
    let Ok(ready) = ready else {
        tracing::error!(address = %socket.address, "cannot watch the datagram socket");
        return;
    };
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        if ready.readable().await.is_err() {
            return;
        }
        for _ in 0..BATCH {
            let received = ready.try_io(Interest::READABLE, || socket.inner.recv_from(&mut buffer));
            match received {
                Ok((length, source)) => deliver(&socket, id, &context, &buffer[..length], source),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What an earlier datagram met on its way (ICMP) says nothing about the socket.
                Err(_) => {}
            }
        }
        // A flood must not keep the other tasks of this thread from running.
        tokio::task::yield_now().await;
    }
}

fn deliver(socket: &Socket, id: SocketId, context: &Context, bytes: &[u8], source: SocketAddr) {
    let counters = &context.counters;
    match classify(bytes, source) {
        Datagram::Message => {}
        Datagram::Silence => return Counters::add(&counters.keep_alives),
        Datagram::Answer(answer) => {
            Counters::add(&counters.keep_alives);
            let _ = socket.send(&answer, source);
            return;
        }
    }
    let flow = Flow {
        socket: id,
        ..Flow::new(Transport::Udp, source)
    };
    let event = ShellEvent::Received(Inbound {
        flow,
        bytes: Bytes::copy_from_slice(bytes),
        at: Instant::now(),
    });
    match context.shards.of(bytes).try_send(event) {
        Ok(()) => Counters::add(&counters.received),
        Err(TrySendError::Full(_)) => {
            Counters::add(&counters.dropped);
            if let Some(refusal) = overload::refuse(flow, bytes) {
                Counters::add(&counters.refused);
                let _ = socket.send(&refusal.bytes, refusal.flow.remote);
            }
        }
        Err(TrySendError::Closed(_)) => Counters::add(&counters.dropped),
    }
}

/// Largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Datagrams read before other tasks may run.
const BATCH: usize = 64;
