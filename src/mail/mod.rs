//! Mail: every one becomes exactly one article on the right ticket.
//!
//! The path of a mail through these files: `door` takes it in by SMTP or LMTP (`collector` by IMAP, `ringdown mail` by a pipe),
//! [`Intake`] reads it and finds out who wrote it, `filing` puts it into the store within the writer's
//! transaction, `placing` decides there which ticket it belongs to, and `usher` brings its contact into the
//! line. Only then is the sender told 250.
//!
//! | module | what lives here |
//! |---|---|
//! | [`Intake`] | from octets to a filed mail |
//! | `reader` | a mail taken apart, and what makes it the same when it comes again |
//! | `authentication` | whether its author is who it says, by the DNS |
//! | `spf_limits` | what SPF forbids beside that |
//! | `signing` | what signs the mails we send |
//! | `placing` | which ticket it belongs to, and the guards against getting into a stranger's |
//! | `filing`, `lookup`, `rows` | the batch in the transaction: what is known, what is decided, what is written |
//! | `usher` | contacts of mails into the lines, and again after a restart |
//! | `door` | the SMTP and LMTP listeners |
//! | `collector` | mail fetched from folders of other servers (IMAP) |
//! | `tokens`, `token_request` | access tokens of such folders, renewed before they end |
//! | `due` | when answers are due, and when they came |
//! | `letters`, `outbox` | what the desk writes by itself, and the rows of what is to be sent |
//! | `postman` | sending it through the smarthost |
//! | `watchers` | who reads along on a ticket, by rule |
//! | `tally` | what of all that is counted for the operations pages |
//! | `work` | what agents do with mails: answer, close, pass on, put aside |
//!
//! The invariants: a mail is answered 250 only after the commit; the same mail (mailbox, Message-ID, body) is
//! one article however often it comes; a mail that cannot be read is kept and shown as what it is; nothing of
//! a mail waits in memory for a database that is not well: its sender keeps it. No machine gets an automatic
//! answer, and no person more than one in the window.

mod authentication;
pub(crate) mod collector;
pub(crate) mod door;
mod due;
mod filing;
mod intake;
mod letters;
mod lookup;
mod outbox;
mod placing;
pub(crate) mod postman;
mod reader;
mod rows;
pub(crate) mod signing;
mod spf_limits;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
mod token_request;
mod tokens;
pub(crate) mod usher;
mod watchers;
pub(crate) mod work;

pub(crate) use door::host;
pub(crate) use due::{note_moved as note_moved_answers, untold as untold_answers};
pub use filing::Filed;
pub(crate) use filing::{MailToFile, file, sha256_of};
pub use intake::{Intake, IntakeFault, MailArrival, MailExplanation, SmtpClient};
pub(crate) use rows::PIECE_BYTES;
pub(crate) use signing::Signer;
pub(crate) use work::MailWork;
pub(crate) use work::deed::{Deed, Done, perform};
