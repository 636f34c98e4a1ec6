//! Records as the API shows them: instants in RFC 3339, lists with their cursor.

use super::problem::Problem;
use crate::report::period;
use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use ringdown_routing::event::Event;
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// A document with its instants told in RFC 3339, as the API tells them.
pub(crate) fn told(document: &Value) -> Value {
    let mut document = document.clone();
    tell_instants(&mut document);
    document
}

/// A record with its instants told in RFC 3339.
pub(super) fn record(record: &impl Serialize) -> Result<Value, Problem> {
    let mut value = serde_json::to_value(record).map_err(|error| {
        tracing::error!(%error, "api: a record cannot be told");
        Problem::Internal
    })?;
    tell_instants(&mut value);
    Ok(value)
}

/// An event as the log has it (`at` in milliseconds of UTC), with the same instant in RFC 3339.
pub(super) fn event(event: &Event) -> Result<Value, Problem> {
    let mut value = serde_json::to_value(event).map_err(|_| Problem::Internal)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("time".to_owned(), Value::String(instant(event.at)));
    }
    Ok(value)
}

/// A page of a list; `next` is missing on the last.
pub(super) fn page(items: Vec<Value>, next: Option<String>) -> Response {
    let mut body = json!({ "items": items });
    if let (Value::Object(fields), Some(next)) = (&mut body, next) {
        fields.insert("next".to_owned(), Value::String(next));
    }
    Json(body).into_response()
}

/// RFC 3339 in UTC.
pub(super) fn instant(at: Timestamp) -> String {
    period::local(at, &TimeZone::UTC).replace("+00:00", "Z")
}

fn tell_instants(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field.as_i64() {
                    Some(millis) if name == "at" || name.ends_with("_at") => {
                        *field = Value::String(instant(Timestamp::from_millis(millis)));
                    }
                    Some(_) | None => tell_instants(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tell_instants),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_wherever_they_stand() {
        let told = record(
            &json!({"at": 0, "wait_ms": 5, "articles": [{"created_at": 1_000, "ended_at": null}]}),
        )
        .unwrap();
        let expected = json!({
            "at": "1970-01-01T00:00:00Z", "wait_ms": 5,
            "articles": [{"created_at": "1970-01-01T00:00:01Z", "ended_at": null}],
        });
        assert_eq!(told, expected);
    }
}
