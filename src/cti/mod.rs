//! Who is calling: from a claim in the signalling to a person in the CMS, within a deadline.
//!
//! The answer is one of four: known, ambiguous (ranked, with reasons), unknown, unavailable. A CMS that is
//! slow or dead costs the deadline and no more: the contact goes on as unavailable and
//! [`Identifier::try_again`] asks again in the background.

mod claim;
mod identify;
mod number;

pub use claim::{CallerHeaders, Claim, Subject, Trust, claim_of, mail_key};
pub use identify::{Candidate, Identification, Identifier, Reason, Reidentified};
pub use number::{E164, Normaliser, Number};
