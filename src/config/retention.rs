//! How long what is kept is kept; what is not said is kept for ever.

use super::source::Source;
use super::source::Step::Key;
use serde::Deserialize;

/// `[retention]`, in days; absent keys keep for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Events, once the roll-ups have counted them; at least 7. Reports of older periods are told by
    /// quarters of an hour and wider.
    pub events_days: Option<u32>,
    /// Contacts, from their end, with SIP messages, call-backs and comments; at least 15.
    pub contacts_days: Option<u32>,
    /// Octets and attachments of mails and letters whose ticket is over; the text stays on the ticket.
    pub mails_days: Option<u32>,
    /// Recordings on tickets.
    pub recordings_days: Option<u32>,
}

/// An event may come late, and what is going on is looked up in the log.
const EVENTS_DAYS_MIN: u32 = 7;

/// Who comes again within seven days is counted, and who helped last is asked first.
const CONTACTS_DAYS_MIN: u32 = 15;

/// Notes what is too short.
pub(super) fn check(retention: &Retention, source: &mut Source<'_>) {
    for (key, days, least) in [
        ("events_days", retention.events_days, EVENTS_DAYS_MIN),
        ("contacts_days", retention.contacts_days, CONTACTS_DAYS_MIN),
        ("mails_days", retention.mails_days, 1),
        ("recordings_days", retention.recordings_days, 1),
    ] {
        if days.is_some_and(|days| days < least) {
            let sentence = format!("must be at least {least}; leave it out to keep for ever");
            source.note_at(&[Key("retention"), Key(key)], sentence);
        }
    }
}
