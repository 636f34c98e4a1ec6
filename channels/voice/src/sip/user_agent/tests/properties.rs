//! Whatever the network and the two users do, every call ends on both sides and nothing is left.

use super::pair::{End, Pair, Weather, answer};
use crate::sip::flow::Transport;
use crate::sip::random::Random;
use crate::sip::user_agent::{DialogId, Event, Progress, Reliability};
use std::collections::BTreeMap;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(60);

/// One user of one end, who does something now and then.
fn act(pair: &mut Pair, end: End, random: &mut Random) {
    let ids: Vec<DialogId> = pair.events[end as usize]
        .iter()
        .filter_map(|event| {
            if let Event::Incoming { id, .. } = event {
                Some(*id)
            } else {
                None
            }
        })
        .chain(pair.made[end as usize].iter().copied())
        .collect();
    if ids.is_empty() {
        return;
    }
    let id = ids[usize::try_from(random.below(ids.len() as u64)).unwrap()];
    let choice = random.below(13);
    // Commands out of place are refused; that they are harmless is part of what is tested.
    let _ = pair.tell(end, |agent, now| match choice {
        0 | 1 => agent.answer(now, id, answer()),
        2 => agent.ring(now, id, Progress::Ringing, None, Reliability::Plain),
        3 => agent.ring(
            now,
            id,
            Progress::SessionProgress,
            Some(answer()),
            Reliability::Acknowledged,
        ),
        4 => agent.reject(now, id, 486, None, &[]),
        5 => agent.cancel(now, id, None),
        6 => agent.hang_up(now, id, &[]),
        7 => agent.offer(now, id, answer()),
        8 => agent.update(now, id, answer()),
        9 | 10 => agent.answer_offer(now, id, answer()),
        11 => agent.refuse_offer(now, id, 488),
        _ => agent.send_info(now, id, "application/dtmf-relay", b"Signal=1", &[]),
    });
}

fn every_dialog_has_one_last_word(pair: &Pair, seed: u64) {
    for end in [End::Alice, End::Bob] {
        let mut words: BTreeMap<DialogId, usize> = BTreeMap::new();
        for event in &pair.events[end as usize] {
            if let Event::Refused { id, .. }
            | Event::Cancelled { id, .. }
            | Event::Ended { id, .. } = event
            {
                *words.entry(*id).or_default() += 1;
            }
        }
        assert!(
            words.values().all(|count| *count == 1),
            "seed {seed}: {end:?} {words:?}\n{}",
            pair.ladder.join("\n")
        );
        for id in &pair.made[end as usize] {
            assert!(
                words.contains_key(id),
                "seed {seed}: {end:?} never heard the end of {id:?}\n{}",
                pair.ladder.join("\n")
            );
        }
    }
}

fn play(seed: u64, transport: Transport, weather: Weather) {
    let mut random = Random::new(seed);
    // A caller that nobody can hear leaves a call that waits for its answer.
    let mut pair = Pair::with(transport, seed, |settings| {
        settings.limits.answer_max = LONGEST;
        settings.limits.ring_max = LONGEST;
    });
    pair.weather = weather;
    for _ in 0..3 {
        let caller = if random.below(2) == 0 {
            End::Alice
        } else {
            End::Bob
        };
        let mut invite = pair.invite_of(caller);
        if random.below(4) == 0 {
            invite.sdp = None;
        }
        let id = pair
            .tell(caller, |agent, now| agent.invite(now, invite))
            .unwrap();
        pair.made[caller as usize].push(id);
        for _ in 0..random.below(14) {
            let end = if random.below(2) == 0 {
                End::Alice
            } else {
                End::Bob
            };
            act(&mut pair, end, &mut random);
            pair.run_for(Duration::from_millis(random.below(400)));
        }
    }
    pair.run_for(Duration::from_secs(5));
    // Everybody goes home: what is still open is hung up, as its owner would.
    for end in [End::Alice, End::Bob] {
        let ids: Vec<DialogId> = pair.agent(end).open();
        for id in ids {
            let _ = pair.tell(end, |agent, now| agent.hang_up(now, id, &[]));
        }
    }
    let begun = pair.now;
    pair.run_out();
    assert!(
        pair.is_quiet(),
        "seed {seed}: left over\n{}",
        pair.ladder.join("\n")
    );
    // A call that was cancelled waits 64*T1 for its end, and then lingers as long; an answer that could not be sent
    // before its PRACK, and the BYE after a missing ACK, come on top.
    let bound = LONGEST + Duration::from_secs(32 * 4);
    assert!(
        weather.corrupted > 0 || pair.now - begun <= bound,
        "seed {seed}: {:?}\n{}",
        pair.now - begun,
        pair.ladder.join("\n")
    );
    every_dialog_has_one_last_word(&pair, seed);
}

#[test]
fn every_call_ends_on_both_sides_in_any_weather() {
    for seed in 0..800 {
        let weather = Weather {
            lost: seed % 5 * 10,
            repeated: seed % 3 * 15,
            jitter_ms: seed % 7 * 100,
            corrupted: 0,
        };
        play(seed, Transport::Udp, weather);
    }
}

#[test]
fn every_call_ends_on_both_sides_over_streams() {
    for seed in 0..500 {
        play(seed, Transport::Tcp, Weather::default());
    }
}

#[test]
fn corrupted_messages_break_no_rule() {
    for seed in 0..800 {
        let weather = Weather {
            lost: seed % 3 * 5,
            repeated: 10,
            jitter_ms: 100,
            corrupted: 10 + seed % 5 * 10,
        };
        play(seed, Transport::Udp, weather);
    }
}
