//! The published formulas: from sums to the figures a manager staffs by.
//!
//! Ratios are sum over sum, never means of ratios; a denominator of zero gives `None` (null).

use super::answers::{AnswerCounts, GivenCounts};
use super::counts::{AgentTime, Counts};
use super::ledger::Tally;
use super::tickets::{RatingCounts, SymptomCounts, TicketCounts};
use serde::{Deserialize, Serialize};

/// All figures of a queue (or desk) and period, with the counts they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The base sets and sums.
    #[serde(flatten)]
    pub counts: Counts,
    /// Average speed of answer, in seconds.
    pub asa_s: Option<f64>,
    /// Average handle time, in seconds.
    pub aht_s: Option<f64>,
    /// Service level in its four variants.
    pub service_level: ServiceLevel,
    /// Share that left before the answer.
    pub abandon_rate: Option<f64>,
    /// The same without those who left at once.
    pub abandon_rate_net: Option<f64>,
    /// Longest wait, in seconds; null when nobody waited.
    pub longest_wait_s: Option<f64>,
    /// Mean wait of those who left, in seconds.
    pub abandon_wait_s: Option<f64>,
    /// Share of the agents' available time spent on contacts.
    pub occupancy: Option<f64>,
    /// Share of the agents' logged-in time spent on contacts.
    pub utilisation: Option<f64>,
    /// Share of all who tried that an agent answered.
    pub handling_rate: Option<f64>,
    /// Share of all who tried that the desk failed.
    pub failure_rate: Option<f64>,
    /// What the failure rate is made of.
    pub failure_rate_parts: FailureParts,
    /// Different callers, by the CMS's word or else by number or address.
    pub distinct_callers: u64,
    /// Standard error of that number, as a share of it; 0 when it is exact.
    pub distinct_callers_error: f64,
    /// Share of the identified whose caller had come with another contact in the seven days before.
    pub repeat_caller_share: Option<f64>,
    /// Share of incidents among the tickets opened.
    pub incident_share: Option<f64>,
    /// Share of the eligible tickets that the first line solved at the first contact, for good.
    pub first_contact_resolution: Option<f64>,
    /// Share of the eligible tickets that the first line solved.
    pub first_line_resolution: Option<f64>,
    /// Mean time from opening to solving of those that the first line solved, in seconds.
    pub mean_time_to_resolve_s: Option<f64>,
    /// Mean time from opening to another line than the first, in seconds.
    pub mean_time_to_escalate_s: Option<f64>,
    /// Mean time from solving to closing, in seconds.
    pub mean_time_to_close_s: Option<f64>,
    /// Share of the solved that were solved within the target of their priority.
    pub solved_within_target: Option<f64>,
    /// Share of the contacts with a symptom that waited no longer than such callers put up with.
    pub tolerable_wait_share: Option<f64>,
    /// Mean mark that callers gave, 1 (badly) to 5.
    pub satisfaction: Option<f64>,
    /// Times a ticket began to wait for an answer by mail.
    pub answers_awaited: u64,
    /// Answers by mail that agents gave to such a wait.
    pub answers_given: u64,
    /// Tickets that wait for an answer by mail still.
    pub answer_backlog: u64,
    /// Their mean age, in seconds.
    pub answer_backlog_age_s: Option<f64>,
    /// Mean wait for an answer by mail, opening hours only, in seconds.
    pub answer_time_s: Option<f64>,
    /// The same of first answers to a ticket.
    pub first_answer_time_s: Option<f64>,
    /// The same of later answers.
    pub next_answer_time_s: Option<f64>,
    /// Mean wait for an answer by mail by the clock, in seconds.
    pub answer_elapsed_s: Option<f64>,
    /// Share of the answers by mail that were given by the time they were due.
    pub answers_in_time: Option<f64>,
    /// The same of first answers to a ticket.
    pub first_answers_in_time: Option<f64>,
    /// The same of later answers.
    pub next_answers_in_time: Option<f64>,
    /// What the desk cost, in the configured currency.
    pub cost: Option<f64>,
    /// The same for each answered contact.
    pub cost_per_contact: Option<f64>,
    /// The same for each minute spoken.
    pub cost_per_minute: Option<f64>,
    /// The tickets behind the resolution rates.
    pub tickets: TicketCounts,
    /// The contacts with a symptom behind the tolerable share.
    pub symptoms: SymptomCounts,
    /// The marks behind the satisfaction.
    pub ratings: RatingCounts,
    /// The waits behind the answer times.
    pub answers: AnswerCounts,
    /// The agents' time behind occupancy and utilisation.
    pub agent_time: AgentTime,
    /// All time logged in, in milliseconds.
    pub logged_in_ms: u64,
    /// Whether O = A + B + F + CB + still waiting holds.
    pub is_conserved: bool,
}

/// Service level: the share served within the threshold, in its four published variants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceLevel {
    /// An early abandon counts against the desk.
    pub negative: Option<f64>,
    /// An early abandon counts for the desk.
    pub positive: Option<f64>,
    /// An early abandon does not count.
    pub ignored: Option<f64>,
    /// Only the answered count.
    pub handled: Option<f64>,
}

/// The failure rate, part by part; they add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureParts {
    /// Refused before the queue.
    pub blocked: Option<f64>,
    /// Signalling or media failed.
    pub failed: Option<f64>,
    /// Left before the answer, without those who left at once.
    pub abandoned: Option<f64>,
}

impl Figures {
    /// Computes the figures of some sums.
    pub fn of(tally: &Tally) -> Self {
        let Tally {
            counts,
            agent_time,
            callers,
            tickets,
            symptoms,
            ratings,
            answers,
            answer_backlog_age_ms,
            cost_micros,
        } = *tally;
        let all = answers.all();
        let c = &counts;
        let tried = c.offered + c.blocked + c.failed;
        let lost = c.abandoned.saturating_sub(c.short_abandoned);
        let waited = c.answered + c.abandoned + c.waiting;
        Self {
            asa_s: seconds_each(c.answer_wait_ms, c.answered),
            aht_s: seconds_each(c.handle_ms(), c.answered),
            service_level: ServiceLevel {
                negative: ratio(c.answered_within, c.offered),
                positive: ratio(c.answered_within + c.abandoned_within, c.offered),
                ignored: ratio(
                    c.answered_within,
                    c.offered.saturating_sub(c.abandoned_within),
                ),
                handled: ratio(c.answered_within, c.answered),
            },
            abandon_rate: ratio(c.abandoned, c.offered),
            abandon_rate_net: ratio(lost, c.offered.saturating_sub(c.short_abandoned)),
            longest_wait_s: (waited > 0).then(|| seconds(c.longest_wait_ms)),
            abandon_wait_s: seconds_each(c.abandon_wait_ms, c.abandoned),
            occupancy: ratio(
                agent_time.handle_ms(),
                agent_time.handle_ms() + agent_time.idle_ms,
            ),
            utilisation: ratio(agent_time.handle_ms(), agent_time.logged_in_ms()),
            handling_rate: ratio(c.answered, tried),
            failure_rate: ratio(c.blocked + c.failed + lost, tried),
            failure_rate_parts: FailureParts {
                blocked: ratio(c.blocked, tried),
                failed: ratio(c.failed, tried),
                abandoned: ratio(lost, tried),
            },
            distinct_callers: callers.count,
            distinct_callers_error: f64::from(callers.error_per_mille) / 1_000.0,
            repeat_caller_share: ratio(c.repeated, c.identified),
            incident_share: share(tickets.incidents, tickets.opened),
            first_contact_resolution: share(tickets.first_contact_solved, tickets.eligible),
            first_line_resolution: share(tickets.first_line_solved, tickets.eligible),
            mean_time_to_resolve_s: mean_s(tickets.first_line_ms, tickets.first_line_solved),
            mean_time_to_escalate_s: mean_s(tickets.escalate_ms, tickets.escalated),
            mean_time_to_close_s: mean_s(tickets.review_ms, tickets.reviewed),
            solved_within_target: share(tickets.solved_within, tickets.with_target),
            tolerable_wait_share: share(symptoms.tolerable, symptoms.contacts),
            satisfaction: share(ratings.sum(), ratings.count()),
            answers_awaited: answers.awaited,
            answers_given: all.given,
            answer_backlog: answers.backlog(),
            answer_backlog_age_s: seconds_each(answer_backlog_age_ms, answers.backlog()),
            answer_time_s: answer_time_s(all),
            first_answer_time_s: answer_time_s(answers.first),
            next_answer_time_s: answer_time_s(answers.next),
            answer_elapsed_s: seconds_each(all.elapsed_ms, all.given),
            answers_in_time: in_time(all),
            first_answers_in_time: in_time(answers.first),
            next_answers_in_time: in_time(answers.next),
            cost: cost_micros.and_then(|cost| ratio(cost, MICROS)),
            cost_per_contact: cost_micros
                .and_then(|cost| ratio(cost, c.answered.saturating_mul(MICROS))),
            cost_per_minute: cost_micros
                .and_then(|cost| Some(ratio(cost, MICROS)? / positive(ratio(c.talk_ms, 60_000)?)?)),
            tickets,
            symptoms,
            ratings,
            answers,
            agent_time,
            logged_in_ms: agent_time.logged_in_ms(),
            is_conserved: counts.every_contact_is_accounted_for(),
            counts,
        }
    }
}

/// One figure's name and formula, printed beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// The field's name in every answer and report.
    pub field: &'static str,
    /// Its formula, in words.
    pub formula: &'static str,
}

/// The formula of every figure, in the order they are printed.
pub const DEFINITIONS: &[Definition] = &[
    define(
        "offered",
        "O: entered the queue; a contact that overflows is offered again in the queue it goes to",
    ),
    define("answered", "A: a human agent answered"),
    define(
        "abandoned",
        "B: the caller left the queue before the answer",
    ),
    define(
        "flowed_out",
        "F: overflowed or transferred before the answer",
    ),
    define("callbacks", "CB: turned into a call-back"),
    define(
        "waiting",
        "still in the queue; always O = A + B + F + CB + waiting",
    ),
    define(
        "short_abandoned",
        "S: abandoned with wait < short_abandon_s (strictly less)",
    ),
    define(
        "answered_within",
        "A_T: answered with wait <= T (service_level_s of the queue)",
    ),
    define("abandoned_within", "B_T: abandoned with wait <= T"),
    define(
        "blocked",
        "refused before the queue: trunks or limits full, closed; outside O",
    ),
    define(
        "failed",
        "signalling or media failed before any outcome; outside O",
    ),
    define(
        "left_before_queue",
        "left during greeting or menu; outside O",
    ),
    define(
        "informed",
        "heard of a major incident and left before the queue, noted for it; outside O",
    ),
    define("in_progress", "answered and not ended yet; part of A"),
    define(
        "asa_s",
        "sum of (answer - first enqueue) / A, ring time and re-queues included",
    ),
    define("aht_s", "(talk + hold + wrap-up) / A; talk excludes hold"),
    define("service_level.negative", "A_T / O"),
    define("service_level.positive", "(A_T + B_T) / O"),
    define("service_level.ignored", "A_T / (O - B_T)"),
    define("service_level.handled", "A_T / A"),
    define("abandon_rate", "B / O"),
    define("abandon_rate_net", "(B - S) / (O - S)"),
    define(
        "longest_wait_s",
        "longest wait of answered, abandoned and still waiting",
    ),
    define("abandon_wait_s", "mean wait of B"),
    define(
        "occupancy",
        "(talk + hold + wrap-up) / (talk + hold + wrap-up + idle while available), agents while they served the queue, by the clock",
    ),
    define(
        "utilisation",
        "(talk + hold + wrap-up) / logged-in time, agents while they served the queue, by the clock",
    ),
    define("handling_rate", "A / (O + blocked + failed)"),
    define(
        "failure_rate",
        "(blocked + failed + (B - S)) / (O + blocked + failed), each part shown apart",
    ),
    define(
        "identified",
        "of all who came, inside and outside O, those whose caller, number or address is known",
    ),
    define(
        "repeated",
        "of the identified, those whose caller had another contact in the 7 days before",
    ),
    define(
        "distinct_callers",
        "different callers of the identified: by the CMS's word, else by number or address; up to 512 exact, beyond that an estimate",
    ),
    define(
        "distinct_callers_error",
        "standard error of distinct_callers as a share of it; 0 when exact",
    ),
    define("repeat_caller_share", "repeated / identified"),
    define(
        "incident_share",
        "tickets opened as incidents / tickets opened, by the interval of opening",
    ),
    define(
        "first_contact_resolution",
        "tickets solved by the first line at the first contact, and no contact by the same caller about the same service within 7 days / eligible tickets; eligible: opened for a contact, neither a major incident's nor merged",
    ),
    define(
        "first_line_resolution",
        "tickets solved without any other line than the first / eligible tickets",
    ),
    define(
        "mean_time_to_resolve_s",
        "mean time from opening to solving of the tickets that the first line solved",
    ),
    define(
        "mean_time_to_escalate_s",
        "mean time from opening to the first line other than the first",
    ),
    define(
        "mean_time_to_close_s",
        "mean time from solving to closing (review) of the tickets that were solved and closed",
    ),
    define(
        "solved_within_target",
        "tickets solved within the target of their priority / tickets solved whose priority has one",
    ),
    define(
        "tolerable_wait_share",
        "contacts whose wait <= what callers of their class put up with for the symptom / contacts with a symptom recorded",
    ),
    define(
        "satisfaction",
        "mean of the marks 1 (badly) to 5, by the arrival of the contact that was asked about",
    ),
    define(
        "answers_awaited",
        "times a ticket began to wait for an answer by mail: its first mail that is not answered arrived; by the line it came by",
    ),
    define(
        "answers_given",
        "of such waits, those that an agent's answer ended, by the line of that agent; by the arrival of that first mail",
    ),
    define(
        "answer_backlog",
        "such waits that are not over (answered by whatever line, or dropped: closed, merged, spam), by the line that has the mail now: answers_awaited, plus those brought there, less those taken away or over",
    ),
    define(
        "answer_backlog_age_s",
        "mean of (now - arrival of the first unanswered mail) of the answer_backlog",
    ),
    define(
        "answer_time_s",
        "sum of the time from the first unanswered mail to the answer that lies in the opening hours of the line of the agent / answers_given",
    ),
    define(
        "first_answer_time_s",
        "the same of answers to tickets that no agent had answered before",
    ),
    define("next_answer_time_s", "the same of all later answers"),
    define(
        "answer_elapsed_s",
        "sum of the time by the clock from the first unanswered mail to the answer / answers_given",
    ),
    define(
        "answers_in_time",
        "answers given by the time they were due / answers given for which a time was due",
    ),
    define(
        "first_answers_in_time",
        "the same of answers to tickets that no agent had answered before",
    ),
    define("next_answers_in_time", "the same of all later answers"),
    define(
        "cost",
        "cost of the desk: agents' logged-in hours and hours by the clock at the configured rates; a part of the desk has the share of its talk + hold + wrap-up",
    ),
    define("cost_per_contact", "cost / A"),
    define("cost_per_minute", "cost / talk minutes"),
];

/// What the percentiles are, beside them.
pub const SPREAD_DEFINITIONS: &[Definition] = &[
    define(
        "percentiles.answer_wait_s",
        "waits of A that 50, 80, 90, 95, 99 % do not exceed, to within 1/128, by arrival",
    ),
    define("percentiles.abandon_wait_s", "the same of the waits of B"),
    define(
        "percentiles.handle_time_s",
        "the same of talk + hold + wrap-up of each contact that ended",
    ),
    define(
        "percentiles.answer_time_s",
        "the same of the waits for an answer by mail that got one, opening hours only",
    ),
];

/// Where counts and times belong; printed under every report.
pub const ATTRIBUTION: &str = "Contacts count in the interval in which they arrived, and a later end revises it; \
     agents' time is split by the clock. A contact whose gateway was lost counts as failed, and as what became of it \
     when its gateway claims it back within twelve hours. By number, caller class, skill and agent a ticket counts as \
     the contact it was opened for, a symptom and a mark as their own contact, a wait for an answer by mail as the mail \
     it began with; the agent is whoever answered that contact, the last one after a hand-over, and of an answer by \
     mail whoever gave it: nobody's are what awaits one. By queue agents' time is that of all who served the queue while \
     it passed; whoever served two is in both. A dash (null) means that nothing was there to divide by.";

const fn define(field: &'static str, formula: &'static str) -> Definition {
    Definition { field, formula }
}

/// Exact for every sum below 2^53 (285,000 years in milliseconds).
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The same of sums that have a sign; a part of a log may have taken away more than it gave.
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean_s(sum_ms: i64, count: i64) -> Option<f64> {
    share(sum_ms, count.saturating_mul(1_000))
}

fn positive(number: f64) -> Option<f64> {
    (number > 0.0).then_some(number)
}

fn answer_time_s(given: GivenCounts) -> Option<f64> {
    seconds_each(given.working_ms, given.given)
}

fn in_time(given: GivenCounts) -> Option<f64> {
    ratio(given.in_time, given.due)
}

/// Millionths of a unit of currency.
const MICROS: u64 = 1_000_000;

fn seconds_each(sum_ms: u64, count: u64) -> Option<f64> {
    ratio(sum_ms, count.saturating_mul(1_000))
}

fn seconds(millis: u64) -> f64 {
    ratio(millis, 1_000).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_formula_of_the_table_is_computed_as_published() {
        let counts = Counts {
            offered: 10,
            answered: 6,
            abandoned: 3,
            flowed_out: 1,
            short_abandoned: 1,
            answered_within: 4,
            abandoned_within: 2,
            blocked: 2,
            failed: 1,
            answer_wait_ms: 90_000,
            abandon_wait_ms: 33_000,
            longest_wait_ms: 40_500,
            talk_ms: 600_000,
            hold_ms: 60_000,
            wrap_up_ms: 120_000,
            ..Counts::default()
        };
        let agents = AgentTime {
            talk_ms: 600_000,
            hold_ms: 60_000,
            wrap_up_ms: 120_000,
            idle_ms: 220_000,
            not_ready_ms: 560_000,
            ..AgentTime::default()
        };
        let figures = Figures::of(&Tally {
            counts,
            agent_time: agents,
            ..Tally::default()
        });
        assert_eq!(figures.asa_s, Some(15.0));
        assert_eq!(figures.aht_s, Some(130.0));
        assert_eq!(figures.service_level.negative, Some(0.4));
        assert_eq!(figures.service_level.positive, Some(0.6));
        assert_eq!(figures.service_level.ignored, Some(0.5));
        assert_eq!(figures.service_level.handled, Some(4.0 / 6.0));
        assert_eq!(figures.abandon_rate, Some(0.3));
        assert_eq!(figures.abandon_rate_net, Some(2.0 / 9.0));
        assert_eq!(figures.longest_wait_s, Some(40.5));
        assert_eq!(figures.abandon_wait_s, Some(11.0));
        assert_eq!(figures.occupancy, Some(0.78));
        assert_eq!(figures.utilisation, Some(0.5));
        assert_eq!(figures.handling_rate, Some(6.0 / 13.0));
        assert_eq!(figures.failure_rate, Some(5.0 / 13.0));
        assert_eq!(figures.failure_rate_parts.abandoned, Some(2.0 / 13.0));
        assert!(figures.is_conserved);
    }

    #[test]
    fn tickets_symptoms_marks_and_cost_are_computed_as_published() {
        let tally = Tally {
            counts: Counts {
                answered: 8,
                talk_ms: 1_200_000,
                identified: 10,
                repeated: 4,
                ..Counts::default()
            },
            tickets: TicketCounts {
                opened: 10,
                incidents: 7,
                eligible: 8,
                first_contact_solved: 4,
                first_line_solved: 6,
                first_line_ms: 7_200_000,
                escalated: 2,
                escalate_ms: 600_000,
                solved: 7,
                with_target: 6,
                solved_within: 3,
                reviewed: 2,
                review_ms: 172_800_000,
            },
            symptoms: SymptomCounts {
                contacts: 4,
                tolerable: 3,
                ..SymptomCounts::default()
            },
            ratings: RatingCounts {
                marks: [1, 0, 0, 1, 2],
            },
            cost_micros: Some(240_000_000),
            ..Tally::default()
        };
        let figures = tally.figures();
        assert_eq!(figures.repeat_caller_share, Some(0.4));
        assert_eq!(figures.incident_share, Some(0.7));
        assert_eq!(figures.first_contact_resolution, Some(0.5));
        assert_eq!(figures.first_line_resolution, Some(0.75));
        assert_eq!(figures.mean_time_to_resolve_s, Some(1_200.0));
        assert_eq!(figures.mean_time_to_escalate_s, Some(300.0));
        assert_eq!(figures.mean_time_to_close_s, Some(86_400.0));
        assert_eq!(figures.solved_within_target, Some(0.5));
        assert_eq!(figures.tolerable_wait_share, Some(0.75));
        assert_eq!(figures.satisfaction, Some(3.75));
        assert_eq!(figures.cost, Some(240.0));
        assert_eq!(figures.cost_per_contact, Some(30.0));
        assert_eq!(figures.cost_per_minute, Some(12.0));
    }

    #[test]
    fn answers_by_mail_are_computed_as_published() {
        let given = |given, working_ms, elapsed_ms, due, in_time| GivenCounts {
            given,
            working_ms,
            elapsed_ms,
            due,
            in_time,
        };
        let figures = Figures::of(&Tally {
            answers: AnswerCounts {
                awaited: 9,
                ended: 5,
                dropped: 1,
                first: given(1, 600_000, 3_600_000, 1, 0),
                next: given(3, 600_000, 3_600_000, 2, 2),
                ..AnswerCounts::default()
            },
            answer_backlog_age_ms: 8_000_000,
            ..Tally::default()
        });
        assert_eq!(figures.answers_awaited, 9);
        assert_eq!(figures.answers_given, 4);
        assert_eq!(figures.answer_backlog, 4);
        assert_eq!(figures.answer_backlog_age_s, Some(2_000.0));
        assert_eq!(figures.answer_time_s, Some(300.0));
        assert_eq!(figures.first_answer_time_s, Some(600.0));
        assert_eq!(figures.next_answer_time_s, Some(200.0));
        assert_eq!(figures.answer_elapsed_s, Some(1_800.0));
        assert_eq!(figures.answers_in_time, Some(2.0 / 3.0));
        assert_eq!(figures.first_answers_in_time, Some(0.0));
        assert_eq!(figures.next_answers_in_time, Some(1.0));
    }

    #[test]
    fn nothing_to_divide_by_is_null_and_never_zero() {
        let figures = Figures::of(&Tally::default());
        let json = serde_json::to_value(&figures).unwrap();
        for field in [
            "asa_s",
            "aht_s",
            "abandon_rate",
            "abandon_rate_net",
            "longest_wait_s",
            "abandon_wait_s",
            "occupancy",
            "utilisation",
            "handling_rate",
            "failure_rate",
            "repeat_caller_share",
            "incident_share",
            "first_contact_resolution",
            "first_line_resolution",
            "mean_time_to_resolve_s",
            "mean_time_to_escalate_s",
            "mean_time_to_close_s",
            "solved_within_target",
            "tolerable_wait_share",
            "satisfaction",
            "answer_backlog_age_s",
            "answer_time_s",
            "first_answer_time_s",
            "next_answer_time_s",
            "answer_elapsed_s",
            "answers_in_time",
            "first_answers_in_time",
            "next_answers_in_time",
            "cost",
            "cost_per_contact",
            "cost_per_minute",
        ] {
            assert!(json[field].is_null(), "{field}");
        }
        assert!(json["service_level"]["ignored"].is_null());
        assert_eq!(json["offered"], 0);
    }

    #[test]
    fn every_defined_field_is_in_the_answer() {
        let figures = Figures::of(&Tally::default());
        let json = serde_json::to_value(&figures).unwrap();
        for definition in DEFINITIONS {
            let pointer = format!("/{}", definition.field.replace('.', "/"));
            assert!(json.pointer(&pointer).is_some(), "{}", definition.field);
        }
    }
}
