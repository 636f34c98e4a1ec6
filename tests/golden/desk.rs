//! A desk with two sites as it is drawn, the same at every run: its lines, who answers, and who comes over forty
//! days. The real desk and policy play them; [`crate::story`] tells what a simulation does not play.

use crate::story::Story;
use ringdown_routing::agent::AgentProfile;
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::Event;
use ringdown_routing::ids::{AgentId, ContactId, QueueId, SkillId};
use ringdown_routing::queue::{OverflowStep, QueueRules};
use ringdown_routing::simulation::{AgentPlayer, Caller, Cast, Shift, play};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

/// Midnight UTC of 2026-09-23: a week before the month, in which callers come who come again in it.
pub(crate) const FIRST_DAY_MS: i64 = 1_790_121_600_000;

pub(crate) const DAYS: i64 = 40;

/// 2026-11-02 09:30 UTC: nothing is known of what happens later, so some wait and some talk.
pub(crate) const END_MS: i64 = FIRST_DAY_MS + DAYS * DAY_MS + 570 * 60_000;

pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// 2026-10-25 01:00 UTC: Berlin's clocks go back.
const BERLIN_BACK_MS: i64 = 1_792_890_000_000;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number in `from..to`.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = to.abs_diff(from).max(1);
        from + i64::try_from(self.next() % width).unwrap_or(0)
    }

    pub(crate) fn one_in(&mut self, number: i64) -> bool {
        self.between(0, number) == 0
    }
}

/// A line as it is drawn: where it is, when it is called and how often, and by whom it is answered.
pub(crate) struct Line {
    pub(crate) queue: &'static str,
    channel: Channel,
    pub(crate) number: &'static str,
    is_in_taipei: bool,
    /// Calls in five minutes, in hundredths, by the local hour; on working days.
    rate: fn(i64) -> i64,
    /// The same at weekends.
    weekend: fn(i64) -> i64,
    talk_s: (i64, i64),
    patience_s: Option<(i64, i64)>,
}

pub(crate) const LINES: [Line; 3] = [
    Line {
        queue: "berlin",
        channel: Channel::Voice,
        number: "+49301000",
        is_in_taipei: false,
        rate: |hour| match hour {
            10 => 330,
            8..=17 => 120,
            _ => 0,
        },
        weekend: |hour| if hour < 6 { 25 } else { 0 },
        talk_s: (30, 420),
        patience_s: Some((2, 240)),
    },
    Line {
        queue: "taipei",
        channel: Channel::Voice,
        number: "+88621000",
        is_in_taipei: true,
        rate: |hour| if (9..18).contains(&hour) { 60 } else { 0 },
        weekend: |_| 0,
        talk_s: (20, 300),
        patience_s: Some((1, 180)),
    },
    Line {
        queue: "post",
        channel: Channel::Email,
        number: "help@example.org",
        is_in_taipei: false,
        rate: |hour| if (7..19).contains(&hour) { 22 } else { 5 },
        weekend: |_| 4,
        talk_s: (120, 900),
        patience_s: None,
    },
];

/// The whole log, in the order of time.
pub(crate) fn month() -> Vec<Event> {
    let mut dice = Dice(20_261_001);
    let callers = draw_callers(&mut dice);
    let mut story = Story::new(dice);
    play(&cast(), callers, |event, _| {
        story.hear(event);
        ControlFlow::Continue(())
    });
    story.tell_what_is_not_played();
    story.numbered()
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}

/// An instant by a site's wall clock: so many milliseconds after the day's midnight there.
pub(crate) fn local(day: i64, millis: i64, is_in_taipei: bool) -> i64 {
    let utc = FIRST_DAY_MS + day * DAY_MS + millis;
    if is_in_taipei {
        return utc - 8 * HOUR_MS;
    }
    let summer = utc - 2 * HOUR_MS;
    if summer < BERLIN_BACK_MS {
        summer
    } else {
        utc - HOUR_MS
    }
}

/// 2026-09-23 is a Wednesday.
fn is_weekend(day: i64) -> bool {
    matches!((day + 2) % 7, 5 | 6)
}

fn draw_callers(dice: &mut Dice) -> Vec<Caller> {
    let mut callers = Vec::new();
    for line in &LINES {
        for day in 0..=DAYS {
            for slot in 0..288_i64 {
                let hour = slot / 12;
                let rate = if is_weekend(day) {
                    line.weekend
                } else {
                    line.rate
                };
                // As many as that in the mean, none of them at the same instant as another.
                let calls = (rate(hour) + dice.between(0, 100)) / 100;
                for _ in 0..calls {
                    let millis = slot * 300_000 + dice.between(0, 300_000);
                    callers.push(draw_caller(
                        dice,
                        line,
                        local(day, millis, line.is_in_taipei),
                    ));
                }
            }
        }
    }
    // The hour that Berlin has twice is called twice.
    for minute in 0..24 {
        let back = BERLIN_BACK_MS + minute * 150_000;
        callers.push(draw_caller(dice, &LINES[0], back));
    }
    callers.retain(|caller| caller.at < at(END_MS));
    callers.sort_by_key(|caller| (caller.at, caller.id));
    callers
}

fn draw_caller(dice: &mut Dice, line: &Line, arrives_ms: i64) -> Caller {
    let skill = |level| BTreeMap::from([(SkillId::from("zh"), level)]);
    let skills = match line.is_in_taipei && dice.one_in(3) {
        true => Needs::always(skill(1)),
        false => Needs::default(),
    };
    Caller {
        id: ContactId::new(at(arrives_ms), u128::from(dice.next())),
        at: at(arrives_ms),
        queue: QueueId::from(line.queue),
        channel: line.channel,
        priority: Priority(i32::from(dice.one_in(10))),
        skills,
        reserved: None,
        talk: Duration::from_millis(
            dice.between(line.talk_s.0 * 1_000, line.talk_s.1 * 1_000)
                .unsigned_abs(),
        ),
        wrap_up: Duration::from_millis(dice.between(0, 60_000).unsigned_abs()),
        patience: line.patience_s.map(|(least, most)| {
            Duration::from_millis(dice.between(least * 1_000, most * 1_000).unsigned_abs())
        }),
    }
}

pub(crate) fn rules(queue: &str, service_level_s: i64, short_abandon_s: i64) -> QueueRules {
    QueueRules {
        service_level: seconds(service_level_s),
        short_abandon: seconds(short_abandon_s),
        ..QueueRules::with_defaults(QueueId::from(queue))
    }
}

fn cast() -> Cast {
    let berlin = QueueRules {
        waiting_max: Some(5),
        overflow: vec![OverflowStep {
            after: seconds(60),
            to: QueueId::from("second"),
        }],
        ..rules("berlin", 20, 5)
    };
    let post = QueueRules {
        take_timeout: BTreeMap::from([(Channel::Email, seconds(600))]),
        ..rules("post", 14_400, 0)
    };
    let office = [(8 * 60, 12 * 60), (12 * 60 + 30, 17 * 60)];
    let night = [(0, 7 * 60)];
    let agents = vec![
        agent(
            "anna",
            &["berlin", "second"],
            4,
            work(&office, false, false),
        ),
        agent("bert", &["berlin"], 7, work(&office, false, false)),
        agent("clara", &["second"], 3, work(&office, false, false)),
        agent("nora", &["berlin"], 6, work(&night, true, false)),
        // Nobody picks up this phone.
        agent(
            "otto",
            &["berlin"],
            20,
            work(&[(9 * 60, 9 * 60 + 45)], false, false),
        ),
        agent(
            "ming",
            &["taipei"],
            5,
            work(&[(9 * 60, 13 * 60), (14 * 60, 18 * 60)], false, true),
        ),
        agent(
            "hua",
            &["taipei"],
            2,
            work(&[(10 * 60, 17 * 60)], false, true),
        ),
        agent("paula", &["post"], 30, work(&office, false, false)),
    ];
    Cast {
        queues: vec![berlin, rules("second", 30, 5), rules("taipei", 30, 3), post],
        agents,
    }
}

fn agent(id: &str, queues: &[&str], answer_after_s: i64, shifts: Vec<Shift>) -> AgentPlayer {
    let queues = queues.iter().map(|queue| QueueId::from(*queue));
    let mut profile = AgentProfile::new(AgentId::from(id), id).serving(queues);
    if id == "ming" {
        profile.skills.insert(SkillId::from("zh"), 2);
    }
    if id == "paula" {
        profile.capacity = BTreeMap::from([(Channel::Email, 2)]);
    }
    AgentPlayer {
        profile,
        shifts,
        idle_since: None,
        answer_after: Some(seconds(answer_after_s)),
        ready_after_rona: Some(seconds(600)),
    }
}

/// The same minutes of every working day (or weekend day) as instants.
fn work(minutes: &[(i64, i64)], at_weekends: bool, is_in_taipei: bool) -> Vec<Shift> {
    let days = (0..=DAYS).filter(|day| is_weekend(*day) == at_weekends);
    days.flat_map(|day| {
        minutes.iter().map(move |(from, to)| Shift {
            from: at(local(day, from * 60_000, is_in_taipei)),
            to: Some(at(local(day, to * 60_000, is_in_taipei))),
        })
    })
    .collect()
}
