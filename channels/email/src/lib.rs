//! `ringdown-email` translates: bytes of mail to the words of a desk and back.
//!
//! | module | what lives here |
//! |---|---|
//! | [`reading`] | one mail as a value: people, text without quotes, safe HTML, attachments, faults (RFC 5322, RFC 2045) |
//! | [`authentication`] | whether a sender is who the mail says: the evidence of SPF, DKIM, DMARC and ARC, and its judgement (RFC 8601) |
//! | [`automatic`] | who must never get an automatic answer, what bounced, and the bounds on what we send by ourselves (RFC 3834, RFC 3464) |
//! | [`threading`] | which ticket a mail belongs to, and the guards against getting into a stranger's |
//! | [`rules`] | conditions on a mail to queue, kind, priority and watchers, with an explanation |
//! | [`composing`] | acknowledgements, answers and notes as bytes to send |
//! | [`imap`] | mail that waits in folders of other servers (RFC 9051) |
//! | [`survey`] | the signed link to the question how it went |
//! | `smtp` | the SMTP and LMTP server (RFC 5321, RFC 2033) |
//!
//! The cores take time, randomness, secrets and bytes as arguments and know no ticket store: what is known
//! comes in as data. Strange mail is not an error; it is a mail with faults.
//!
//! What deliberately does not live here: the database, the outbox, the look-ups of SPF, DKIM and DMARC and the
//! signing of what we send, who a caller is.

pub mod address;
pub mod authentication;
pub mod automatic;
pub mod composing;
pub mod imap;
pub mod reading;
pub mod rules;
pub mod smtp;
pub mod survey;
pub mod threading;

pub use address::{EmailAddress, Mailbox, MessageId};
pub use reading::mail::{Fault, Limits, Mail};
pub use reading::read;
