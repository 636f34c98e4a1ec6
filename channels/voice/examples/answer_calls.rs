//! Answers every call, and tells what each cost: the sockets and the signalling core as a UAS, nothing else.
//!
//!     cargo run --release -p ringdown-voice --example answer_calls -- 127.0.0.1:5070 5000
//!     sipp -sn uac -r 500 -m 5000 -d 100 127.0.0.1:5070
//!
//! Ends after so many calls and prints the processor time of each.

use bytes::Bytes;
use ringdown_voice::sdp::Negotiation;
use ringdown_voice::sip::flow::{SocketId, Transmit, Transport};
use ringdown_voice::sip::shell::{Inbox, Shell, ShellEvent, ShellHandle, ShellSettings};
use ringdown_voice::sip::user_agent::{Event, Place, Settings, UserAgent};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Events taken before what they set off is sent.
const BATCH: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("an address")?.parse()?;
    let calls: u64 = arguments.next().ok_or("a number of calls")?.parse()?;
    let (shell, mut inboxes) = Shell::bind(ShellSettings::new(vec![address], vec![address], 1))?;
    let inbox = inboxes.pop().ok_or("one shard")?;
    let place = |transport| Place {
        transport,
        socket: SocketId(0),
        address: address.to_string(),
    };
    let mut settings = Settings::new(place(Transport::Udp));
    settings.places.push(place(Transport::Tcp));
    let mut user_agent = UserAgent::new(settings, 1);
    let seconds = answer(&shell.handle(), inbox, &mut user_agent, calls).await;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{calls} calls, {:.1} us of processor time each, {:?}",
        seconds * 1e6 / calls as f64,
        shell.handle().counts()
    )?;
    shell.close().await;
    Ok(())
}

/// Runs until so many calls are over; gives the processor time from the first message on.
async fn answer(
    handle: &ShellHandle,
    mut inbox: Inbox,
    user_agent: &mut UserAgent,
    calls: u64,
) -> f64 {
    let mut batch = Vec::with_capacity(BATCH);
    let (mut ended, mut begun) = (0, None);
    while ended < calls {
        let due = user_agent.next_timeout();
        let due = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
        let waiting = tokio::time::timeout_at(due.into(), inbox.recv_many(&mut batch, BATCH));
        if waiting.await.is_err() {
            user_agent.handle_timeout(Instant::now());
        }
        begun.get_or_insert_with(processor_seconds);
        for event in batch.drain(..) {
            if let ShellEvent::Received(inbound) = event {
                user_agent.handle_datagram(inbound.at, inbound.flow, inbound.bytes);
            }
        }
        while let Some(event) = user_agent.poll_event() {
            if let Event::Incoming { id, invite, .. } = event {
                let local = SocketAddr::from(([127, 0, 0, 1], 40_000));
                let answer = Negotiation::new(local, 1).handle_offer(&invite.body());
                let answer: Bytes = answer.unwrap_or_default();
                let _ = user_agent.answer(Instant::now(), id, answer);
            } else if let Event::Ended { .. } = event {
                ended += 1;
            }
        }
        while let Some(transmit) = user_agent.poll_transmit() {
            let (flow, bytes) = (transmit.flow, transmit.bytes);
            // What is lost is repeated by whoever waits for it.
            let _ = handle.send(Transmit { flow, bytes });
        }
    }
    processor_seconds() - begun.unwrap_or_default()
}

/// Processor time of this process, user and system; 0 where the system does not tell.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or("").split(' ');
    let ticks: u32 = fields.skip(11).take(2).flat_map(str::parse::<u32>).sum();
    // USER_HZ is 100 wherever Linux runs.
    f64::from(ticks) / 100.0
}
