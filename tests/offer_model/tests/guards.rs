//! The protocol holds, and each of its guards is needed.

use offer_model::{Guard, Offers};
use stateright::{Checker, HasDiscoveries, Model};

/// Whether a property breaks in a state that can be reached without a guard.
fn breaks(property: &'static str, without: Guard) -> bool {
    let wanted = HasDiscoveries::AllOf([property].into());
    let checker = Offers::without(without).checker().finish_when(wanted);
    let found = checker.spawn_bfs().join().discoveries();
    found.contains_key(property)
}

#[test]
fn with_all_guards_every_property_holds_in_every_state() {
    let checker = Offers::default().checker().spawn_bfs().join();
    assert!(checker.is_done() && checker.unique_state_count() > 1_000);
    checker.assert_properties();
}

#[test]
fn without_an_atomic_reserve_two_agents_have_offers_of_one_contact_that_do_not_belong_together() {
    assert!(breaks(
        "agents_share_a_contact_only_by_one_offer",
        Guard::AtomicReserve
    ));
}

#[test]
fn without_the_token_at_the_answer_two_agents_answer_one_contact() {
    assert!(breaks(
        "no_contact_is_answered_by_two",
        Guard::TokenAtAccept
    ));
}

#[test]
fn unless_the_winner_takes_it_from_all_others_two_agents_answer_one_contact() {
    assert!(breaks("no_contact_is_answered_by_two", Guard::OneWinner));
}

#[test]
fn without_its_own_deadline_a_ring_outlives_its_offer() {
    assert!(breaks(
        "no_contact_rings_phones_of_two_offers",
        Guard::RingDeadline
    ));
}

#[test]
fn without_the_cancel_two_phones_ring_for_one_contact() {
    assert!(breaks(
        "no_contact_rings_phones_of_two_offers",
        Guard::CancelBeforeRequeue
    ));
}

#[test]
fn without_the_token_at_the_end_an_old_talk_ends_the_one_that_goes_on() {
    assert!(breaks(
        "no_talk_is_ended_by_the_router_of_an_old_one",
        Guard::TokenAtComplete
    ));
}
