//! The loop of one shard: it waits, lets the shard work, and sends.

use super::inputs::ShardInput;
use super::shard::Shard;
use ringdown_voice::sip::flow::Transmit;
use ringdown_voice::sip::shell::{Inbox, SendFault, ShellEvent, ShellHandle};
use ringdown_voice::sip::user_agent::TransportFailure;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Most messages, and most inputs, that are worked off before timers are looked at again.
const BATCH: usize = 64;

/// How long calls have to end in good order when the gateway stops.
const ENDING_MAX: Duration = Duration::from_secs(5);

/// Far enough for a timer that is not needed.
const FAR: Duration = Duration::from_secs(3_600);

/// Runs a shard until its inputs end, or until all calls have ended after [`ShardInput::Shutdown`].
pub(super) async fn run(
    mut shard: Shard,
    mut inbox: Inbox,
    mut inputs: mpsc::Receiver<ShardInput>,
    shell: ShellHandle,
) {
    let mut messages = Vec::with_capacity(BATCH);
    let mut told = Vec::with_capacity(BATCH);
    let mut ending_until: Option<Instant> = None;
    let mut timer = pin!(tokio::time::sleep(FAR));
    let mut timer_at = None;
    loop {
        let due = [shard.next_timeout(), ending_until]
            .into_iter()
            .flatten()
            .min();
        if due != timer_at {
            let at = due.unwrap_or_else(|| Instant::now() + FAR);
            timer.as_mut().reset(at.into());
            timer_at = due;
        }
        tokio::select! {
            count = inbox.recv_many(&mut messages, BATCH) => if count == 0 { break },
            count = inputs.recv_many(&mut told, BATCH) => if count == 0 { break },
            () = timer.as_mut() => timer_at = None,
        }
        let now = Instant::now();
        for message in messages.drain(..) {
            handle_message(&mut shard, now, message);
            shard.settle(now);
        }
        for input in told.drain(..) {
            if matches!(input, ShardInput::Shutdown) {
                ending_until = Some(now + ENDING_MAX);
            }
            shard.handle_input(now, input);
            shard.settle(now);
        }
        shard.handle_timeout(now);
        shard.settle(now);
        while let Some(transmit) = shard.poll_transmit() {
            send(&mut shard, now, &shell, transmit);
        }
        let is_over = ending_until.is_some_and(|until| until <= now || shard.is_quiet());
        if is_over {
            break;
        }
    }
}

fn handle_message(shard: &mut Shard, now: Instant, event: ShellEvent) {
    match event {
        ShellEvent::Received(inbound) => shard.handle_bytes(now, inbound.flow, inbound.bytes),
        ShellEvent::SendFailed(transmit) => {
            shard.handle_failure(now, TransportFailure::Unreachable(transmit.flow));
        }
        ShellEvent::ConnectionLost(flow) => {
            if let Some(connection) = flow.connection {
                shard.handle_connection_lost(now, connection);
            }
        }
    }
}

fn send(shard: &mut Shard, now: Instant, shell: &ShellHandle, transmit: Transmit) {
    let flow = transmit.flow;
    match shell.send(transmit) {
        // A full queue is loss on the way; retransmission sees to it.
        Ok(()) | Err(SendFault::Full) => {}
        Err(SendFault::NoWay) => {
            shard.handle_failure(now, TransportFailure::Unreachable(flow));
            shard.settle(now);
        }
    }
}
