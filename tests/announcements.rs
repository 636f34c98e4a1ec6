//! What callers who wait are told of the line they are in.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::{Voice, tone_share, tone_wav};
use ringdown_harness::desk::DeskPlan;
use ringdown_harness::phone::Phone;
use std::path::Path;
use std::time::Duration;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

#[test]
fn who_has_overflowed_is_told_the_wait_of_the_line_they_are_in() {
    let plan = DeskPlan::new();
    // Whoever hears this tone is told an estimate, which the line they dialled has none of.
    let tone = tone_wav(1_300, Duration::from_secs(10));
    plan.folder().write("prompts/en/estimated_wait.wav", tone);
    let mut bob = Phone::new("bob", plan.sip());
    let desk = plan
        .media_keys("prompts = \"prompts\"\n")
        .queue_keys("overflow = [{ after_s = 1, to = \"second\" }]\nmusic = \"none\"\ngreeting = \"none\"\n")
        .section("[[queue]]\nid = \"second\"\nannounce_every_s = 5\nmusic = \"none\"\ngreeting = \"none\"\n")
        .section("[[number]]\nnumber = \"300\"\nqueue = \"second\"\n")
        .section(&format!(
            "[[agent]]\nid = \"bob\"\nqueues = [\"second\"]\ncontact = \"{}\"\n",
            bob.contact()
        ))
        .open(program());
    // A talk from which the second line has a pace, and one that keeps its agent.
    let mut first = desk.caller("0911111111");
    let mut talk = first.call("300");
    let offered = bob.must_ring();
    bob.answer(&offered);
    first.must_get(&mut talk, 200);
    offered.speak(Voice::Numbered(2));
    talk.audio.must_hear(Voice::Numbered(2), 50, PATIENCE);
    first.hang_up(&mut talk);
    bob.must_be_hung_up(&offered);
    let mut talk = first.call("300");
    let offered = bob.must_ring();
    bob.answer(&offered);
    first.must_get(&mut talk, 200);

    let mut caller = desk.caller("0922222222");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    // The place is said in two seconds at most; what follows is the estimate, until it is said again.
    call.audio.must_hear_packets(200, PATIENCE);
    let samples = call.audio.samples();
    let share = tone_share(&samples[samples.len() - 8_000..], 8_000, 1_300);
    assert!(share > 0.8, "{share:.3} of the last second is the estimate");
    caller.hang_up(&mut call);
}
