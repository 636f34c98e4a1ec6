//! `[queue.mail]` and `take_timeout_s`: how the mails of a line are worked on.

use super::value::seconds;
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// `[queue.mail]`: what holds for the mails of one line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueMail {
    /// Stands below the agent's name in answers.
    pub signature: String,
    /// Whether the sender is told when the mail goes to another line.
    pub progress: bool,
    /// Whether the sender is told when the mail is closed without an answer that says so.
    pub closing: bool,
    /// Whether the sender is asked how it went when the mail is over.
    pub satisfaction: bool,
    /// How soon a new ticket is to be answered, by its priority, in the line's opening hours; no time is due
    /// for priorities that are not named.
    #[serde(rename = "first_answer_due_s", deserialize_with = "by_priority")]
    pub first_answer_due: BTreeMap<u8, Duration>,
    /// How soon a further mail on a ticket is to be answered.
    #[serde(rename = "next_answer_due_s", deserialize_with = "by_priority")]
    pub next_answer_due: BTreeMap<u8, Duration>,
    /// How long before its time, in opening hours, a mail that waits is escalated.
    #[serde(rename = "escalate_before_s", deserialize_with = "seconds")]
    pub escalate_before: Duration,
    /// What escalation does; it is told in any case.
    pub escalation: Escalation,
}

/// What becomes of a mail whose answer is due soon, while it waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Escalation {
    /// The priority it gets, if that is higher than its own.
    pub priority: Option<i32>,
    /// The line it goes to.
    pub queue: Option<QueueId>,
}

/// Reads seconds by a ticket's priority.
fn by_priority<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<u8, Duration>, D::Error> {
    let given = BTreeMap::<String, Seconds>::deserialize(deserializer)?;
    let read = |(key, seconds): (String, Seconds)| match key.parse() {
        Ok(priority @ 1..=9) => Ok((priority, seconds.0)),
        Ok(_) | Err(_) => Err(D::Error::custom(format!(
            "`{key}` is not a priority from 1 to 9"
        ))),
    };
    given.into_iter().map(read).collect()
}

#[derive(Deserialize)]
struct Seconds(#[serde(deserialize_with = "seconds")] Duration);

/// How long a mail is offered to one agent when nobody said.
const MAIL_IS_OFFERED: Duration = Duration::from_secs(600);

/// How long offers stand that ring no phone, when nobody said.
pub(super) fn usual_take_timeouts() -> BTreeMap<Channel, Duration> {
    BTreeMap::from([(Channel::Email, MAIL_IS_OFFERED)])
}

/// Reads `take_timeout_s`: seconds by channel; what is not named is as usual.
pub(super) fn take_timeouts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Channel, Duration>, D::Error> {
    let given = BTreeMap::<Channel, Seconds>::deserialize(deserializer)?;
    let mut all = usual_take_timeouts();
    all.extend(
        given
            .into_iter()
            .map(|(channel, seconds)| (channel, seconds.0)),
    );
    Ok(all)
}
