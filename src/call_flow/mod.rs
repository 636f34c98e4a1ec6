//! What becomes of one call: from its arrival to the last word about it.
//!
//! A [`Flow`] is a value without I/O. Its inputs are what the phone network, the CMS, the ticket
//! store and the desk tell about this one call; its commands are what the gateway is to do. All of a
//! call's decisions are taken here, so each race is a test on a virtual clock.
//!
//! The path of a call: *identifying* -> (*asking* for a ticket number) -> (*informing* of a major incident,
//! where it may leave) -> *enqueuing* -> *waiting* <->
//! *ringing* an agent -> *accepting* the answer -> *talking* -> *over*; with *refusing* when the line will
//! not take it (then perhaps *transferring* -> *elsewhere*), and *leaving* while the desk is told of its
//! end. The ticket is asked for beside that: who waits keeps the place by arrival whatever the ticket
//! takes, an agent is *reserved* until it is there, and a call that is over is *settling* until then.
//!
//! A [`CallBackFlow`] is the other kind of course: an agent is rung first, then the caller. Either may end with the
//! [`question`] how it went.
//!
//! The rule that keeps it sound: at most one verb of the call is on its way to the desk; whatever
//! happens meanwhile is looked at when the desk has answered. What the desk could not be asked is asked
//! again (`asked`), so no verb is lost.
//!
//! The desk's events come in their order, and an answer may come before or after any of them: an event
//! that is later than the verb's own (somebody took the call from the agent whose answer is being
//! committed) is kept in mind until the answer is there.

mod asked;
mod call_back;
mod course;
mod flow;
mod question;
mod talk_clock;
mod words;

#[cfg(test)]
mod tests;

pub use call_back::{CALLER_NOT_REACHED, CallBackFlow, CallBackPlan};
pub use course::Course;
pub use flow::Flow;
pub use words::{
    Affinity, AnswerMode, AtClosing, Command, FlowCaller, HeldBy, IncidentNotice, Input, LineRules,
    Lines, LinkedTicket, MessageKept, NumberRules, Offer, Phrase, Refusing, Then, WayOut, WaysOut,
};
