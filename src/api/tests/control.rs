//! A supervisor's hand on the agents.

use super::*;

#[test]
fn an_agent_is_changed_at_once_and_for_good() {
    on_a_desk(async |desk| {
        desk.staff().await;
        let changed = desk
            .patch(
                "/agents/ming",
                &json!({"queues": ["helpdesk", {"id": "network", "precedence": 2}], "skills": {"net": 4}}),
            )
            .await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        let more = desk
            .patch(
                "/agents/ming",
                &json!({"capacity": {"voice": 1, "chat": 3}}),
            )
            .await;
        assert_eq!(more.body["skills"], json!({"net": 4}), "{more:?}");
        let agent = desk.get("/agents?queue=network").await.body["items"][0].clone();
        assert_eq!(agent["id"], "ming", "{agent}");
        let changes = crate::roster::changes(&desk.database).await.unwrap();
        let change = changes.get(&AgentId::from("ming")).unwrap();
        assert_eq!(change.capacity.as_ref().unwrap().len(), 2);
        assert!(change.queues.is_some() && change.skills.is_some());
        assert_eq!(
            desk.interventions().await,
            ["writer agent_changed", "writer agent_changed"]
        );
    });
}

#[test]
fn a_change_of_an_agent_that_cannot_be_is_refused_whole() {
    on_a_desk(async |desk| {
        desk.staff().await;
        for (path, wrong, status) in [
            ("/agents/nobody", json!({"skills": {}}), 404),
            ("/agents/ming", json!({}), 422),
            ("/agents/ming", json!({"queues": ["nothing"]}), 422),
            ("/agents/ming", json!({"skills": {"juggling": 1}}), 422),
            ("/agents/ming", json!({"skills": {"net": 0}}), 422),
            ("/agents/ming", json!({"capacity": {"voice": 101}}), 422),
            ("/agents/ming", json!({"capacity": {"pigeon": 1}}), 422),
            ("/agents/ming", json!({"name": "x"}), 422),
        ] {
            is_problem(&desk.patch(path, &wrong).await, status);
        }
        assert!(
            crate::roster::changes(&desk.database)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(desk.interventions().await.is_empty());
    });
}

#[test]
fn a_wrap_up_is_ended_for_an_agent_who_is_there() {
    on_a_desk(async |desk| {
        desk.staff().await;
        let end = json!({"act": "end"});
        assert_eq!(
            desk.post("/agents/ming/wrap_up", None, &end).await.status,
            StatusCode::OK
        );
        is_problem(&desk.post("/agents/nobody/wrap_up", None, &end).await, 404);
        is_problem(
            &desk
                .post("/agents/ming/wrap_up", None, &json!({"act": "x"}))
                .await,
            422,
        );
        let extend = json!({"act": "extend", "contact": contact(1).to_string(), "by_s": 30});
        is_problem(&desk.post("/agents/ming/wrap_up", None, &extend).await, 409);
        for wrong in [
            json!({"act": "extend"}),
            json!({"act": "end", "by_s": 1}),
            json!({"act": "extend", "contact": contact(1).to_string(), "by_s": 0}),
        ] {
            is_problem(&desk.post("/agents/ming/wrap_up", None, &wrong).await, 422);
        }
        assert_eq!(desk.interventions().await, ["writer wrap_up_ended"]);
    });
}

#[test]
fn two_changes_of_an_agent_at_once_are_both_kept() {
    on_a_desk(async |desk| {
        desk.staff().await;
        let (skills, queues) = (
            json!({"skills": {"net": 4}}),
            json!({"queues": ["helpdesk", "network"]}),
        );
        let (first, second) = tokio::join!(
            desk.patch("/agents/ming", &skills),
            desk.patch("/agents/ming", &queues)
        );
        assert_eq!(first.status, StatusCode::OK, "{first:?}");
        assert_eq!(second.status, StatusCode::OK, "{second:?}");
        let agents = desk.get("/agents").await.body;
        let ming = agents["items"].as_array().unwrap().iter();
        let ming = ming.clone().find(|agent| agent["id"] == "ming").unwrap();
        assert_eq!(ming["skills"], json!({"net": 4}), "{ming}");
        assert_eq!(ming["queues"], json!(["helpdesk", "network"]), "{ming}");
    });
}
