//! Which ticket a mail belongs to, as the core decides it, in the words of the store.

use super::filing::MailToFile;
use super::lookup::FoundTicket;
use crate::tickets::Rule;
use ringdown_email::threading::{Clue, KnownTicket, Placement, place_in_thread};
use ringdown_routing::ids::TicketId;

/// Where a mail goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    placement: Placement,
    /// The number of the ticket it is attached to.
    number: Option<String>,
}

impl Place {
    /// Decides, given the tickets the mail's clues lead to.
    pub(super) fn of(mail: &MailToFile, found: &[FoundTicket]) -> Self {
        let known: Vec<KnownTicket> = found.iter().map(|found| found.known.clone()).collect();
        let placement = place_in_thread(
            &mail.clues,
            &known,
            &mail.sender,
            mail.reopen,
            mail.arrival.at,
        );
        let mut place = Self {
            placement,
            number: None,
        };
        place.number = place.ticket().and_then(|ticket| {
            let named = found.iter().find(|found| found.known.ticket == ticket);
            named.map(|found| found.number.clone())
        });
        place
    }

    /// The ticket it is attached to, and the rule.
    pub(super) fn attached(&self) -> Option<(TicketId, Rule)> {
        match &self.placement {
            Placement::Append(ticket, clue) | Placement::Reopen(ticket, clue) => {
                Some((*ticket, rule_of(clue)))
            }
            Placement::New | Placement::FollowUp(..) | Placement::Linked(..) => None,
        }
    }

    pub(super) fn ticket(&self) -> Option<TicketId> {
        self.attached().map(|(ticket, _)| ticket)
    }

    pub(super) fn numbered(&self) -> Option<(TicketId, String)> {
        self.ticket().zip(self.number.clone())
    }

    pub(super) fn reopens(&self) -> bool {
        matches!(self.placement, Placement::Reopen(..))
    }

    /// The ticket that the new one follows or names, and which of the two.
    pub(super) fn origin(&self) -> Option<(TicketId, &'static str)> {
        match &self.placement {
            Placement::FollowUp(ticket, _) => Some((*ticket, FOLLOW_UP)),
            Placement::Linked(ticket, _) => Some((*ticket, LINKED)),
            Placement::New | Placement::Append(..) | Placement::Reopen(..) => None,
        }
    }

    /// The word of the rule that decided.
    pub(super) fn word(&self) -> &'static str {
        match &self.placement {
            Placement::Append(_, clue) | Placement::Reopen(_, clue) => rule_of(clue).as_str(),
            Placement::FollowUp(..) => FOLLOW_UP,
            Placement::Linked(..) => LINKED,
            Placement::New => Rule::New.as_str(),
        }
    }
}

fn rule_of(clue: &Clue) -> Rule {
    match clue {
        Clue::Answers(_) => Rule::Reference,
        Clue::SignedAddress(_) => Rule::SignedAddress,
        Clue::SubjectNumber(_) => Rule::SubjectNumber,
        Clue::SignedMarker(_) => Rule::SignedMarker,
    }
}

/// A new ticket that follows up a closed one.
const FOLLOW_UP: &str = "follow_up";

/// A new ticket that names one its sender has no part in.
const LINKED: &str = "linked";
