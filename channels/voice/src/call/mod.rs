//! Call control: a call is a value with legs; commands in, events out.
//!
//! [`CallControl`] owns the [`UserAgent`](crate::sip::user_agent::UserAgent) of one shard and gives
//! each dialog a leg with its session description and its media port. It knows nothing of queues,
//! agents or callers: whoever drives it decides who is rung and what is played.
//!
//! Sans-IO: media ports are wished for with [`MediaWish`] and
//! opened by a function that is handed in, so every race is a test on one virtual clock.

mod control;
mod leg;
mod words;

pub use control::CallControl;
pub use words::{
    CallCommand, CallEvent, Dial, IncomingCall, LegEnd, LegId, MediaWish, Refused, Reject,
};
