//! The gateway that is asked, and taking it out of service.

use super::*;

#[test]
fn a_drain_and_its_end_name_who_asked_for_them() {
    on_a_desk(async |desk| {
        let drain = "/node/drain";
        is_problem(
            &desk.post(drain, None, &json!({"deadline_s": -1})).await,
            422,
        );
        let begun = desk.post(drain, None, &json!({"deadline_s": 60})).await;
        assert_eq!(begun.body["state"], "draining", "{begun:?}");
        let undone = desk
            .ask(request(Method::DELETE, drain, "writer", None, ""))
            .await;
        assert_eq!(undone.body["state"], "open", "{undone:?}");
        assert_eq!(
            desk.interventions().await,
            ["writer drain_begun", "writer drain_undone"]
        );
    });
}
