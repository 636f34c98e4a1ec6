//! `routing` decides: which contact goes to which agent, in what order, and what is counted.
//!
//! Everything here is pure. Time, randomness and bytes come in as arguments; there is no clock, no
//! socket, no Redis and no channel by name beyond the [`contact::Channel`] label. The same inputs
//! always give the same outputs, so a day of the desk can be replayed from its event log.
//!
//! | module | what lives here |
//! |---|---|
//! | [`ids`], [`time`] | the types that name things and instants |
//! | [`contact`], [`agent`], [`queue`] | what waits, who takes it, and the rules of the line |
//! | [`verb`] | the atomic verbs of the desk and their answers, shared by every store |
//! | [`event`] | what happened, one fact a line; statistics are a fold over these |
//! | [`ticket`] | what is counted of tickets, symptoms and ratings |
//! | [`statistics`] | the fold that counts what happened, and its published formulas |
//! | [`forecast`] | from past arrivals to those of the next days, with their back-test |
//! | [`staffing`] | how many agents a load takes: Erlang B, C, A and X, patience, shrinkage |
//! | [`desk`] | what each verb does: the store in memory, and the model of the store in Redis |
//! | [`view`] | the state of the desk as its events tell it, indexed |
//! | [`policy`] | which contact next, and to whom |
//! | [`simulation`] | the real desk and policy in virtual time, with people played |
//! | [`estimate`] | how long somebody will wait |
//! | [`invariants`] | what holds always, as checks for tests, replays and simulations |
//!
//! What deliberately does not live here: sockets, databases, configuration files, prompts, SIP.
//!
//! The invariant: at any instant `arrived = waiting + offered + active + ended`, no contact is won by two
//! agents, and only a queue that rings all rings more than one.

pub mod agent;
pub mod contact;
pub mod desk;
mod elementary;
pub mod estimate;
pub mod event;
pub mod forecast;
pub mod ids;
pub mod invariants;
pub mod policy;
pub mod queue;
pub mod simulation;
pub mod staffing;
pub mod statistics;
pub mod ticket;
pub mod time;
pub mod verb;
pub mod view;
