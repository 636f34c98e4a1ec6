//! What a contact needs, how that relaxes with waiting, and whose it is.

use crate::floor::{Floor, agent, rules};
use proptest::prelude::*;
use ringdown_routing::agent::{AgentProfile, Skills, Status};
use ringdown_routing::contact::{Channel, Needs, Reserved, SkillStep};
use ringdown_routing::ids::{AgentId, ContactId, QueueId, SkillId};
use ringdown_routing::policy;
use ringdown_routing::queue::Strategy as Choice;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Refusal, Verb};
use std::time::Duration;

fn skills() -> impl Strategy<Value = Skills> {
    let names = prop::sample::select(vec!["net", "mail", "print"]);
    let one = names.prop_map(SkillId::from);
    prop::collection::btree_map(one, 1_u8..6, 0..3)
}

fn needs() -> impl Strategy<Value = Needs> {
    let until = prop::option::of((0_u64..40).prop_map(Duration::from_secs));
    let step = (skills(), until).prop_map(|(need, until)| SkillStep { need, until });
    prop::collection::vec(step, 0..4).prop_map(Needs::in_steps)
}

fn desk_of_one() -> Floor {
    Floor::open([rules("desk", 0, Choice::LongestIdle)])
}

fn able(name: &str, skills: &Skills) -> AgentProfile {
    AgentProfile {
        skills: skills.clone(),
        ..agent(name, &["desk"])
    }
}

proptest! {
    /// Whoever may take a contact now may take it later, whatever the steps.
    #[test]
    fn relaxing_only_ever_adds_agents(needs in needs(), skills in skills(), waits in prop::collection::vec(0_u64..60, 1..8)) {
        let mut floor = desk_of_one();
        floor.log_in(able("anna", &skills));
        let mut contact = floor.contact("desk", Channel::Voice);
        contact.skills = needs;
        let mut waits = waits;
        waits.sort_unstable();
        let start = floor.now;
        let anna = floor.desk.view().agent(&AgentId::from("anna")).expect("here").clone();
        let mut may = false;
        for wait in waits {
            let now = start + Duration::from_secs(wait);
            let may_now = floor.desk.view().is_eligible(&contact, &anna, now);
            prop_assert!(may_now || !may, "lost at {wait} s");
            may = may_now;
        }
    }

    /// Who is woken by the policy's own time-outs sees every contact as soon as somebody will do.
    #[test]
    fn nobody_waits_longer_than_their_needs_ask(needs in needs(), skills in skills()) {
        let mut floor = desk_of_one();
        floor.log_in(able("anna", &skills));
        let mut contact = floor.contact("desk", Channel::Voice);
        contact.skills = needs;
        let record = contact.clone();
        floor.enter(contact);
        while floor.next().is_none() {
            let anna = floor.desk.view().agent(&AgentId::from("anna")).expect("here");
            prop_assert!(!floor.desk.view().is_eligible(&record, anna, floor.now));
            let Some(wake) = policy::next_timeout(floor.desk.view(), floor.now) else {
                let much_later = floor.now + Duration::from_secs(3_600);
                prop_assert!(!floor.desk.view().is_eligible(&record, anna, much_later));
                break;
            };
            prop_assert!(wake > floor.now);
            let just_before = Timestamp::from_millis(wake.as_millis() - 1);
            prop_assert!(!floor.desk.view().is_eligible(&record, anna, just_before));
            floor.now = wake;
        }
    }
}

/// A contact that needs `net` at 4 for half a minute, then at 2 for another, then nothing.
fn relaxing(floor: &mut Floor) -> ContactId {
    let step = |level, until_s| SkillStep {
        need: [(SkillId::from("net"), level)].into(),
        until: Some(Duration::from_secs(until_s)),
    };
    let mut contact = floor.contact("desk", Channel::Voice);
    contact.skills = Needs::in_steps(vec![step(4, 30), step(2, 60)]);
    floor.enter(contact)
}

#[test]
fn a_contact_is_offered_to_more_agents_the_longer_it_waits() {
    let mut floor = desk_of_one();
    floor.log_in(agent("novice", &["desk"]));
    floor.log_in(able("adept", &[(SkillId::from("net"), 2)].into()));
    let caller = relaxing(&mut floor);
    assert_eq!(floor.next(), None);
    floor.later(30);
    assert_eq!(floor.next(), Some((caller, "adept".to_owned())));
    floor.choose("adept", Status::LoggedOff);
    assert_eq!(floor.next(), None);
    let (contact, novice) = (caller, AgentId::from("novice"));
    let early = Verb::Offer {
        contact,
        agent: novice,
        others: Vec::new(),
    };
    floor.refused(early, Refusal::NotEligible);
    floor.later(30);
    assert_eq!(floor.next(), Some((caller, "novice".to_owned())));
}

#[test]
fn a_caller_waits_for_the_last_agent_as_long_as_that_holds_and_no_longer() {
    let mut floor = desk_of_one();
    for name in ["anna", "bob"] {
        floor.log_in(agent(name, &["desk"]));
    }
    let other = floor.enqueue("desk", 0);
    let token = floor.offer(other, "anna");
    floor.done(Verb::Accept { token });
    let sticky = |floor: &mut Floor| {
        let mut contact = floor.contact("desk", Channel::Voice);
        contact.reserved = Some(Reserved {
            agent: AgentId::from("anna"),
            until: Some(floor.now + Duration::from_secs(20)),
        });
        floor.enter(contact)
    };
    let caller = sticky(&mut floor);
    assert_eq!(floor.next(), None);
    let behind = floor.enqueue("desk", 0);
    assert_eq!(floor.next(), Some((behind, "bob".to_owned())));
    floor.later(20);
    assert_eq!(floor.next(), Some((caller, "bob".to_owned())));
    // The next one's agent goes home: nobody waits for somebody who is away.
    let caller = sticky(&mut floor);
    floor.done(Verb::Abandon { contact: behind });
    assert_eq!(
        floor.next().map(|(contact, _)| contact),
        Some(ContactId::from_u128(2))
    );
    floor.done(Verb::Abandon {
        contact: ContactId::from_u128(2),
    });
    assert_eq!(floor.next(), None);
    floor.end(other);
    floor.choose("anna", Status::LoggedOff);
    assert_eq!(floor.next(), Some((caller, "bob".to_owned())));
}

#[test]
fn whom_a_caller_asked_for_needs_no_skill_and_shares_with_nobody() {
    let mut floor = desk_of_one();
    let strong: Skills = [(SkillId::from("net"), 9)].into();
    floor.log_in(able("expert", &strong));
    floor.log_in(agent("anna", &["desk"]));
    let mut contact = floor.contact("desk", Channel::Voice);
    contact.skills = Needs::always([(SkillId::from("net"), 5)].into());
    contact.reserved = Some(Reserved {
        agent: AgentId::from("anna"),
        until: None,
    });
    let caller = floor.enter(contact);
    assert_eq!(floor.next(), Some((caller, "anna".to_owned())));
    floor.choose("anna", Status::NotReady("lunch".to_owned()));
    floor.later(86_400);
    assert_eq!(floor.next(), None);
    floor.choose("anna", Status::Available);
    assert_eq!(floor.next(), Some((caller, "anna".to_owned())));
    // Who no longer serves the queue is nobody to wait for.
    floor.done(Verb::SetAgent {
        profile: AgentProfile::new(AgentId::from("anna"), "anna").serving([QueueId::from("x")]),
    });
    assert_eq!(floor.next(), Some((caller, "expert".to_owned())));
}

#[test]
fn needs_of_earlier_releases_are_read_as_needs_for_ever() {
    let old: Needs = serde_json::from_str(r#"{"net":3}"#).expect("one map");
    assert_eq!(old, Needs::always([(SkillId::from("net"), 3)].into()));
    let text = r#"[{"need":{"net":4},"until_ms":30000},{"need":{}}]"#;
    let steps: Needs = serde_json::from_str(text).expect("steps");
    assert_eq!(serde_json::to_string(&steps).expect("JSON"), text);
    assert_eq!(steps.after(Duration::from_secs(29)).len(), 1);
    assert_eq!(steps.after(Duration::from_secs(30)).len(), 0);
}
