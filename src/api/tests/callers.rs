//! Callers looked up.

use super::*;

#[test]
fn callers_are_looked_up_as_the_channels_do_it() {
    on_a_desk(async |desk| {
        use crate::cms::import::{Format, import, read};
        let people = read(Format::Csv, include_str!("../../../fixtures/cms/desk.csv"));
        import(&desk.state.parts.cms, &desk.state.parts.normaliser, people)
            .await
            .unwrap();
        desk.state.parts.identifier.refresh().await.unwrap();
        let known = desk.get("/callers?phone=0912345601").await.body;
        assert_eq!(
            (&known["outcome"], &known["caller"]["id"]),
            (&json!("known"), &json!("tpg-001")),
            "{known}"
        );
        assert_eq!(
            desk.get("/callers?phone=+886912345601").await.body,
            known,
            "a plus that became a space"
        );
        assert_eq!(desk.get("/callers?phone=%2B886912345601").await.body, known);
        let shared = desk.get("/callers?phone=035630001").await.body;
        assert_eq!(shared["outcome"], "ambiguous");
        assert_eq!(
            shared["candidates"][0]["reasons"],
            json!(["own_number", "first_class"])
        );
        let mail = desk
            .get("/callers?email=Sophie.Martin%2Bx@tpg.example")
            .await
            .body;
        assert_eq!(mail["caller"]["id"], "tpg-008", "{mail}");
        assert_eq!(
            desk.get("/callers?phone=0955555555").await.body,
            json!({"outcome": "unknown"})
        );
        assert_eq!(
            desk.get("/callers?q=Sophie").await.body["caller"]["id"],
            "tpg-008"
        );
        is_problem(&desk.get("/callers").await, 400);
        is_problem(&desk.get("/callers?q=a&phone=1").await, 400);
        let ticket = desk
            .post(
                "/tickets",
                None,
                &json!({"subject": "Printer", "caller": "tpg-008"}),
            )
            .await
            .body;
        assert_eq!(ticket["caller"], "tpg-008");
        assert!(ticket["organisation"].is_string(), "{ticket}");
        is_problem(
            &desk
                .post(
                    "/tickets",
                    None,
                    &json!({"subject": "x", "caller": "nobody"}),
                )
                .await,
            422,
        );
        assert_eq!(desk.how_many_tickets().await, 1);
    });
}
