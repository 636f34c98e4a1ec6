//! Agents as they are now: brought to the desk and to the door, and again after every change.

use super::dialling::resolve;
use super::door::{Account, AccountKind, Accounts};
use super::house::House;
use crate::config::Config;
use crate::roster::{Roster, RosterAgent};
use ringdown_routing::agent::Status;
use ringdown_routing::contact::Channel;
use ringdown_routing::verb::Verb;
use ringdown_voice::sip::digest::Ha1;
use std::sync::Arc;
use tokio::sync::watch;

/// Brings every change of the roster since `before` to the desk and the door.
pub(super) async fn follow(
    house: Arc<House>,
    config: Arc<Config>,
    mut before: Arc<Roster>,
    mut rosters: watch::Receiver<Arc<Roster>>,
) {
    while rosters.changed().await.is_ok() {
        let after = Arc::clone(&rosters.borrow_and_update());
        apply(&house, &config, &before, &after).await;
        before = after;
    }
}

/// Brings what differs between two rosters to the desk and the door.
pub(super) async fn apply(house: &House, config: &Config, before: &Roster, after: &Roster) {
    house.door.set_accounts(accounts(config, after));
    for agent in after.iter() {
        let known = before.agent(&agent.profile.id);
        if known.map(|known| &known.profile) != Some(&agent.profile) {
            let profile = agent.profile.clone();
            house.tell_of_agent(&agent.profile.id, Verb::SetAgent { profile });
            tell_reach_without_phone(house, known, agent);
        }
        if known.map(|known| &known.contact) != Some(&agent.contact) {
            set_contact(house, agent).await;
        }
    }
    for agent in before
        .iter()
        .filter(|agent| after.agent(&agent.profile.id).is_none())
    {
        let id = agent.profile.id.clone();
        house.door.remove_user(&id);
        let logged_off = Verb::AgentStatus {
            agent: id.clone(),
            status: Status::LoggedOff,
        };
        house.tell_of_agent(&id, logged_off);
        house.tell_of_agent(&id, Verb::RemoveAgent { agent: id.clone() });
    }
    house.tell_reach();
}

/// Who takes no calls needs no phone, and is within reach wherever they are.
fn tell_reach_without_phone(house: &House, before: Option<&RosterAgent>, after: &RosterAgent) {
    let takes_calls = |agent: &RosterAgent| {
        let calls = agent.profile.capacity.get(&Channel::Voice);
        calls.is_some_and(|most| *most > 0)
    };
    let id = &after.profile.id;
    let is_reachable = match (before.map(takes_calls), takes_calls(after)) {
        (_, false) => true,
        (Some(false), true) => house.door.locate(id).is_some(),
        (None | Some(true), true) => return,
    };
    let verb = Verb::AgentReachable {
        agent: id.clone(),
        is_reachable,
    };
    house.tell_of_agent(id, verb);
}

/// A phone behind another exchange needs no registration; a changed one takes the place of the old.
async fn set_contact(house: &House, agent: &RosterAgent) {
    let id = &agent.profile.id;
    house.door.remove_static(id);
    let Some(contact) = &agent.contact else {
        return;
    };
    match resolve(contact).await {
        Some(flow) if house.door.add_static(id, contact, flow) => {}
        Some(_) => tracing::error!(
            agent = %id,
            "there is no room for the agent's contact: raise `limits.registrations_max`"
        ),
        None => tracing::error!(agent = %id, contact, "the agent's contact leads to no address"),
    }
}

fn accounts(config: &Config, roster: &Roster) -> Accounts {
    let mut accounts = Accounts::new();
    for agent in roster.iter() {
        if let Some(secret) = &agent.ha1 {
            let account = Account {
                secret: secret.clone(),
                kind: AccountKind::Agent,
            };
            accounts.insert(agent.profile.id.as_str().into(), account);
        }
    }
    let realm = config.sip.realm();
    for trunk in &config.trunks {
        if let (Some(user), Some(password)) = (&trunk.user, &trunk.password) {
            let secret = Ha1::new(user, realm, password.expose());
            let kind = AccountKind::Trunk(trunk.name.as_str().into());
            accounts.insert(user.as_str().into(), Account { secret, kind });
        }
    }
    accounts
}
