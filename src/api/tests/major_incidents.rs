//! Major incidents declared, listed and ended.

use super::*;
use crate::cms::import::{Format, import, read};

const INCIDENTS: &str = "/major_incidents";

const SERVICE: &str = "record,id,name,kind\nci,srv-mail,Mail,service\n";

async fn with_service(desk: &Desk) {
    let parts = &desk.state.parts;
    import(&parts.cms, &parts.normaliser, read(Format::Csv, SERVICE))
        .await
        .unwrap();
}

#[test]
fn an_incident_is_declared_once_listed_and_ended() {
    on_a_desk(async |desk| {
        with_service(&desk).await;
        let wish = json!({"service": "mail", "queues": ["helpdesk"], "reason": "磁碟"});
        let declared = desk.post(INCIDENTS, Some("k"), &wish).await;
        assert_eq!(declared.status, StatusCode::CREATED, "{declared:?}");
        let id = declared.body["id"].as_str().unwrap().to_owned();
        assert_eq!(
            (&declared.body["service"], &declared.body["by"]),
            (&json!("srv-mail"), &json!("writer"))
        );
        let again = desk.post(INCIDENTS, Some("k"), &wish).await;
        assert_eq!(again.body["id"], id, "{again:?}");
        let listed = desk.get(INCIDENTS).await;
        assert_eq!(listed.body["items"], json!([declared.body]));
        let ticket = desk
            .get(&format!("/tickets/{}", declared.body["ticket"]))
            .await;
        assert_eq!(ticket.body["cis"], json!(["srv-mail"]), "{ticket:?}");
        let other = json!({"service": "srv-mail"});
        is_problem(&desk.post(INCIDENTS, None, &other).await, 409);

        let end = format!("{INCIDENTS}/{id}");
        let ended = desk
            .ask(request(Method::DELETE, &end, "writer", None, ""))
            .await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT, "{ended:?}");
        let again = desk
            .ask(request(Method::DELETE, &end, "writer", None, ""))
            .await;
        is_problem(&again, 404);
        assert_eq!(desk.get(INCIDENTS).await.body["items"], json!([]));
        assert_eq!(
            desk.interventions().await,
            ["writer incident_declared", "writer incident_ended"]
        );
    });
}

#[test]
fn an_incident_that_cannot_be_is_refused_and_changes_nothing() {
    on_a_desk(async |desk| {
        with_service(&desk).await;
        for wish in [
            json!({"service": "nothing"}),
            json!({"service": "srv-mail", "queues": ["nothing"]}),
            json!({"service": "srv-mail", "numbers": ["nothing"]}),
            json!({"service": "srv-mail", "say": "nothing"}),
            json!({"service": "srv-mail", "ticket": 99}),
            json!({"service": "srv-mail", "ticket": "RD-1"}),
            json!({"service": "srv-mail", "until": "2026-11-18T11:00:00Z"}),
            json!({"service": "srv-mail", "audience": "nobody"}),
            json!({"service": "srv-mail", "reason": "a\nb"}),
            json!({"service": "srv-mail", "severity": 1}),
        ] {
            is_problem(&desk.post(INCIDENTS, None, &wish).await, 422);
        }
        let wish = r#"{"service": "srv-mail"}"#;
        let refused = desk
            .ask(request(Method::POST, INCIDENTS, "reader", None, wish))
            .await;
        is_problem(&refused, 403);
        assert_eq!(desk.get(INCIDENTS).await.body["items"], json!([]));
        assert_eq!(desk.get("/tickets").await.body["items"], json!([]));
        assert!(desk.interventions().await.is_empty());
    });
}
