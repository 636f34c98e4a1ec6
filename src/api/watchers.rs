//! `POST /tickets/{id}/watchers` and `DELETE /tickets/{id}/watchers/{address}`: who gets copies of what is
//! answered on a ticket, by word of the desk.

use super::access::Caller;
use super::extract::{Body, Key, checked_line};
use super::gate::DoneBefore;
use super::mails::{Mark, marked};
use super::problem::Problem;
use super::tickets::TicketKey;
use super::{ApiState, json};
use crate::mail::work::Added;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_email::{EmailAddress, Mailbox};
use ringdown_routing::ids::TicketId;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most letters of a name.
const NAME_LETTERS_MAX: usize = 200;

/// What `POST /tickets/{id}/watchers` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWatcher {
    address: String,
    #[serde(default)]
    name: String,
}

/// Has somebody read along; 200 when they did already.
pub(super) async fn add(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mark: Mark,
    Key(TicketKey(ticket)): Key<TicketKey>,
    Body(new): Body<NewWatcher>,
) -> Result<Response, Problem> {
    let work = state.mails()?;
    let name = checked_line("name", &new.name, NAME_LETTERS_MAX)?;
    let mailbox = Mailbox {
        name: (!name.is_empty()).then_some(name),
        ..mailbox(&new.address)?
    };
    let mark = marked(mark);
    let by = (&*caller.name, mark.as_ref());
    let (status, watcher) = match work.add_watcher(ticket, mailbox, by).await? {
        Added::Now(watcher) => (StatusCode::CREATED, watcher),
        Added::Before(watcher) => (StatusCode::OK, watcher),
    };
    if status == StatusCode::CREATED {
        state.tell_of_watcher(&caller, "watcher_added", ticket, &watcher.address);
    }
    Ok((status, Json(json::record(&watcher)?)).into_response())
}

/// Has somebody read along no more; no rule brings them back.
pub(super) async fn remove(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mark: Mark,
    done: Option<Extension<DoneBefore>>,
    Path((ticket, address)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let unknown = |_| Problem::NotFound(format!("no ticket {ticket}"));
    let TicketKey(ticket) = ticket.parse().map_err(unknown)?;
    let work = state.mails()?;
    if done.is_none() {
        let mailbox = mailbox(&address)?;
        let mark = marked(mark);
        work.remove_watcher(ticket, mailbox, mark.as_ref()).await?;
        state.tell_of_watcher(&caller, "watcher_removed", ticket, &address);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn mailbox(address: &str) -> Result<Mailbox, Problem> {
    let fault = || Problem::Unprocessable(format!("`{address}` is not a mail address"));
    let email = EmailAddress::parse(address).ok_or_else(fault)?;
    Ok(Mailbox { name: None, email })
}

impl ApiState {
    fn tell_of_watcher(&self, caller: &Caller, act: &str, ticket: TicketId, address: &str) {
        let details = [
            ("ticket".to_owned(), ticket.to_string()),
            ("address".to_owned(), address.to_owned()),
        ];
        self.tell_intervention(caller, act, BTreeMap::from(details), |draft| draft);
    }
}
