//! Large mails: how much the gateway holds while it takes them in, and whether they are whole.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::large::Large;
use ringdown_harness::place::free_address;
use std::path::Path;
use std::time::Duration;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

fn must_be_whole(desk: &Desk, number: usize, large: &Large) {
    let path = format!("/api/v1/tickets?message_id=%3Clarge-{number}%40a%3E");
    let list = desk.api.wait_until(&path, "the ticket", PATIENCE, |list| {
        !list["items"][0].is_null()
    });
    let attachment = &list["items"][0]["articles"][0]["attachments"][0];
    assert_eq!(attachment["bytes"], large.attached_bytes(), "{attachment}");
}

#[test]
fn large_mails_are_held_once_and_no_more_of_them_than_there_is_room_for() {
    let smtp = free_address();
    let plan = DeskPlan::new().section(&format!(
        "[email]\nlisten = \"{smtp}\"\nstoring_max_s = 600\nreading_bytes_max = {ROOM}\n\
         [[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n"
    ));
    let desk = plan.open(program());
    let pid = desk.gateway.process.pid();
    // What is held once grows by its size; twice, or with its attachment unwrapped beside it, by 1.75 at least.
    let one = Large {
        mails: 1,
        bytes: 32 * MIB,
        patience: Duration::from_secs(240),
    };
    let grown = one.deliver(pid, smtp, 1);
    assert!(
        grown < kb(one.bytes + BESIDE),
        "{grown} kB for {} octets",
        one.bytes
    );
    must_be_whole(&desk, 1, &one);
    // Four of them do not fit in together.
    let four = Large {
        mails: 4,
        bytes: 12 * MIB,
        ..one
    };
    let grown = four.deliver(pid, smtp, 2);
    assert!(grown < kb(ROOM + BESIDE), "{grown} kB for {ROOM} octets");
    (2..6).for_each(|number| must_be_whole(&desk, number, &four));
}

fn kb(bytes: usize) -> u64 {
    u64::try_from(bytes / 1_024).unwrap_or(u64::MAX)
}

const MIB: usize = 1_024 * 1_024;

/// What may be read at one time.
const ROOM: usize = 48 * MIB;

/// Pages of the database, pieces on their way into it, connections.
const BESIDE: usize = 20 * MIB;
