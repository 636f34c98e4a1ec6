//! The OpenAPI description and the routes say the same.

use super::*;

#[test]
fn the_description_names_every_path_and_method_and_no_other() {
    on_a_desk(async |desk| {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let described = document["paths"].as_object().unwrap();
        let routed: BTreeSet<&str> = routes()
            .iter()
            .map(|(path, _)| *path)
            .chain(["/openapi.json"])
            .collect();
        assert_eq!(
            described
                .keys()
                .map(String::as_str)
                .collect::<BTreeSet<_>>(),
            routed
        );
        for (path, operations) in described {
            let url = path.replace("{id}", "1");
            for method in [
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ] {
                let is_described = operations.get(method.as_str().to_lowercase()).is_some();
                let mut without = request(method.clone(), &url, method.as_str(), None, "{");
                if path == "/openapi.json" && is_described {
                    without.headers_mut().remove("authorization");
                }
                let response = desk.router.clone().oneshot(without).await.unwrap();
                let is_there = response.status() != StatusCode::METHOD_NOT_ALLOWED;
                assert_eq!(is_there, is_described, "{method} {path}");
                assert!(
                    is_there || response.headers().contains_key("allow"),
                    "{method} {path}"
                );
            }
        }
    });
}

#[test]
fn every_refusal_the_description_promises_is_a_problem_document() {
    on_a_desk(async |desk| {
        is_problem(&desk.get("/nothing").await, 404);
        is_problem(
            &desk
                .ask(request(Method::DELETE, "/tickets", "writer", None, ""))
                .await,
            405,
        );
        let outside = Request::get("/elsewhere").body(Body::empty()).unwrap();
        is_problem(&desk.ask(outside).await, 404);
    });
}

#[test]
fn references_of_the_description_lead_somewhere() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    assert!(
                        document.pointer(target.trim_start_matches('#')).is_some(),
                        "{target}"
                    );
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
