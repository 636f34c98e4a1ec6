//! The statistics through their door: events in, figures out.

#![expect(clippy::unwrap_used, reason = "test helpers convert small numbers")]

mod by_hand;
mod log;
mod properties;
mod restored;
mod served;
