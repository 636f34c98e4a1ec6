//! Persons who are erased.

use super::*;
use crate::erasure::{ErasureState, Erasures};

#[test]
fn a_person_is_erased_and_who_is_on_the_line_is_not() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let caller = "+886911000111";
        let body = json!({"phones": ["0911 000 111"]});
        let ordered = desk.post("/erasures", None, &body).await;
        assert_eq!(ordered.status, StatusCode::ACCEPTED, "{ordered:?}");
        assert_eq!(ordered.body["contacts"], 1);
        let id = ordered.body["id"].as_str().unwrap();
        // Asked of the database, for who asks the API too often is refused.
        let erasures = Erasures::new(&desk.state.parts.log, desk.state.parts.normaliser);
        while erasures.one(id).await.unwrap().unwrap().state == ErasureState::UnderWay {
            tokio::task::yield_now().await;
        }
        let told = desk.get(&format!("/erasures/{id}")).await;
        assert_eq!(told.body["state"], "done", "{told:?}");
        let contact_path = format!("/contacts/{}", contact(1));
        let kept = desk.get(&contact_path).await;
        assert_eq!(kept.status, StatusCode::OK, "{kept:?}");
        assert!(!kept.body.to_string().contains("911000111"), "{kept:?}");
        assert_eq!(desk.interventions().await, ["writer person_erased"]);

        let arrives = event(20, 2, contact(2), arrived(caller));
        assert!(desk.state.parts.log.append(arrives));
        desk.state.parts.log.flush().await.unwrap();
        is_problem(&desk.post("/erasures", None, &body).await, 409);
        for wrong in [
            json!({}),
            json!({"phones": ["nobody"]}),
            json!({"phone": caller}),
        ] {
            is_problem(&desk.post("/erasures", None, &wrong).await, 422);
        }
        is_problem(&desk.get("/erasures/none").await, 404);
        let by_reader = request(Method::POST, "/erasures", "reader", None, &body.to_string());
        is_problem(&desk.ask(by_reader).await, 403);
    });
}
