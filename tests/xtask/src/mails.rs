//! `cargo xtask mails`: thousands of mails while the gateway is killed again and again; `cargo xtask large`: a
//! few large ones, and what the gateway holds of them.

use crate::desk::build;
use crate::run::{Order, Verdict};
use ringdown_harness::desk::DeskPlan;
use ringdown_harness::flood::{Doors, Flood};
use ringdown_harness::large::Large;
use ringdown_harness::mail::MailSink;
use ringdown_harness::place::free_address;
use ringdown_harness::postgres::Postgres;
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Delivers, kills and counts; fails with a sentence at the first mail that is not where it should be.
pub(crate) fn deliver(order: &Order) -> Result<Verdict, String> {
    let count = |key, default| usize::try_from(order.number(key, default)).unwrap_or(usize::MAX);
    let flood = Flood {
        mails: count("mails", 10_000),
        senders: count("senders", 16),
        kill_every: count("kill-every", 400).max(1),
        bytes: count("bytes", 10_000),
    };
    let program = match order.text("program") {
        Some(path) => PathBuf::from(path),
        None => build()?,
    };
    let (sink, postgres) = (
        MailSink::start(|_| {}),
        order.text("postgres").map(|_| Postgres::start()),
    );
    let doors = Doors {
        smtp: free_address(),
        lmtp: free_address(),
    };
    let mut desk = plan(doors, &sink, postgres.as_ref()).open(&program);
    let began = Instant::now();
    let delivered = flood.deliver(&mut desk, &program, doors);
    let seconds = began.elapsed().as_secs_f64();
    eprintln!(
        "{} mails taken in {seconds:.1} s, {} crashes, {} sent again; now each is looked for",
        flood.mails, delivered.crashes, delivered.sent_again
    );
    flood.must_be_whole(&desk, &sink);
    let told = json!({
        "run": "mails", "mails": flood.mails, "crashes": delivered.crashes, "sent_again": delivered.sent_again,
        "seconds": seconds, "acknowledged": sink.taken().len(), "twice": 0, "lost": 0,
    });
    writeln!(std::io::stdout(), "{told}").map_err(|fault| fault.to_string())?;
    eprintln!("each once, on one ticket; nobody was written to twice");
    Ok(Verdict::Good)
}

/// Delivers one large mail, then several at one time, and tells by how much the gateway grew meanwhile.
pub(crate) fn deliver_large(order: &Order) -> Result<Verdict, String> {
    let count = |key, default| usize::try_from(order.number(key, default)).unwrap_or(usize::MAX);
    let program = match order.text("program") {
        Some(path) => PathBuf::from(path),
        None => build()?,
    };
    let smtp = free_address();
    let room = order.number("room", 128 * 1_024 * 1_024);
    let desk = DeskPlan::new().section(&format!(
        "[email]\nlisten = \"{smtp}\"\nreading_bytes_max = {room}\nstoring_max_s = 600\n\
         [[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n"
    ));
    let desk = desk.open(&program);
    let large = |mails| Large {
        mails,
        bytes: count("bytes", 50_000_000),
        patience: Duration::from_secs(600),
    };
    let several = count("mails", 8);
    let mut first = 0;
    for large in [large(1), large(several)] {
        let began = Instant::now();
        let grown_kb = large.deliver(desk.gateway.process.pid(), smtp, first);
        first += large.mails;
        let told = json!({
            "run": "large", "mails": large.mails, "bytes": large.bytes, "room": room, "grown_kb": grown_kb,
            "seconds": began.elapsed().as_secs_f64(),
        });
        writeln!(std::io::stdout(), "{told}").map_err(|fault| fault.to_string())?;
    }
    Ok(Verdict::Good)
}

fn plan(doors: Doors, sink: &MailSink, postgres: Option<&Postgres>) -> DeskPlan {
    let database = postgres.map_or(String::new(), |postgres| {
        format!("[database]\nurl = \"{}\"\n", postgres.url())
    });
    DeskPlan::new().section(&format!(
        "{database}[email]\nlisten = \"{}\"\nlmtp_listen = \"{}\"\nrelays = [\"127.0.0.0/8\"]\n\
         [email.smarthost]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         [[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n",
        doors.smtp,
        doors.lmtp,
        sink.address().port()
    ))
}
