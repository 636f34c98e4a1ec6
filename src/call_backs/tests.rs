//! Call-backs in the database: kept, claimed once, tried again, ended.

use super::*;
use crate::database::tests::{at, contact, run, sqlite};

fn asked() -> CallBack {
    CallBack {
        contact: contact(2),
        origin: contact(1),
        number: "+886912345678".to_owned(),
        dialled: "100".to_owned(),
        queue: QueueId::from("helpdesk"),
        priority: Priority(10),
        language: "zh-TW".to_owned(),
        ticket: "202611180001".to_owned(),
        enqueued_at: at(10),
        due_at: at(20),
        tries_left: 2,
        state: State::Pending,
        asked_by: "caller".to_owned(),
        asked_at: at(20),
    }
}

#[test]
fn a_call_back_counts_once_the_caller_has_left_or_its_gateway_has_died() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        assert_eq!(call_backs.due(at(70)).await.unwrap(), []);
        assert_eq!(call_backs.due(at(80)).await.unwrap(), [asked()]);
        call_backs.keep(contact(1)).await.unwrap();
        let kept = CallBack {
            state: State::Waiting,
            ..asked()
        };
        assert_eq!(call_backs.due(at(20)).await.unwrap(), [kept]);
        assert_eq!(call_backs.due(at(19)).await.unwrap(), []);
        // Too late to take it back.
        call_backs.drop_pending(contact(1)).await.unwrap();
        assert_eq!(call_backs.open(10).await.unwrap().len(), 1);
    });
}

#[test]
fn an_offer_is_claimed_by_one_gateway() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        call_backs.keep(contact(1)).await.unwrap();
        let (a, b) = (NodeId::from("a"), NodeId::from("b"));
        let claim = async |token, node: &NodeId| {
            let claimed = call_backs.claim(contact(2), OfferToken::new(token), node);
            claimed.await.unwrap().is_some()
        };
        assert!(claim(7, &a).await);
        assert!(!claim(7, &b).await);
        assert!(!claim(6, &b).await, "an older offer is over");
        assert!(claim(8, &b).await);
        call_backs.end(contact(2), State::Done).await.unwrap();
        assert!(!claim(9, &a).await);
    });
}

#[test]
fn a_caller_who_is_not_reached_is_tried_again_until_the_tries_are_used_up() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        call_backs.keep(contact(1)).await.unwrap();
        call_backs
            .try_again(contact(2), contact(3), at(300))
            .await
            .unwrap();
        assert_eq!(call_backs.due(at(299)).await.unwrap(), []);
        let again = call_backs.due(at(300)).await.unwrap();
        assert_eq!((again[0].contact, again[0].tries_left), (contact(3), 1));
        assert_eq!(again[0].enqueued_at, at(10), "the place is kept");
        call_backs
            .try_again(contact(3), contact(4), at(600))
            .await
            .unwrap();
        assert_eq!(call_backs.due(at(600)).await.unwrap(), []);
        let failed = call_backs.one(contact(3)).await.unwrap().unwrap();
        assert_eq!(failed.state, State::Failed);
    });
}
