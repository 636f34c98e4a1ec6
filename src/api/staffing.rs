//! `POST /staffing`: how many agents it takes. It answers a question and changes nothing.

use super::extract::Body;
use super::problem::Problem;
use crate::staffing::{Seconds, Share, Told};
use axum::Json;
use axum::response::{IntoResponse, Response};
use ringdown_routing::staffing::{Deadline, Question, StaffingFault, Target};
use serde::{Deserialize, Deserializer};

/// The interval when nobody says which: half an hour.
const INTERVAL_S: f64 = 1_800.0;

/// What `POST /staffing` takes: the words of `ringdown staff`, times as seconds or with a unit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StaffingBody {
    calls: f64,
    #[serde(alias = "interval_s")]
    interval: Option<Seconds>,
    #[serde(alias = "aht_s")]
    aht: Seconds,
    #[serde(deserialize_with = "target")]
    target: Target,
    #[serde(alias = "patience_s")]
    patience: Option<Seconds>,
    retrial: Option<Share>,
    shrinkage: Option<Shares>,
    agents: Option<u32>,
    concurrency: Option<u32>,
    #[serde(alias = "deadline_s")]
    deadline: Option<Seconds>,
    backlog: Option<f64>,
}

/// One share, or several that compound.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "shrinkage must be a share of at least 0 and less than 1, such as 0.3 or \"30%\", or a list of such"
)]
enum Shares {
    Several(Vec<Share>),
    One(Share),
}

/// Answers with the staff by every model the body gives the figures for.
pub(super) async fn staff(Body(body): Body<StaffingBody>) -> Result<Response, Problem> {
    let question = body.question();
    // A hundred thousand agents take some milliseconds, which the other requests need not wait for.
    let answered = tokio::task::spawn_blocking(move || {
        let answer = question.answer()?;
        Ok::<_, StaffingFault>((question, answer))
    });
    let (question, answer) = answered.await.map_err(|error| {
        tracing::error!(%error, "api: staffing was not computed");
        Problem::Internal
    })??;
    let told = Told {
        question: &question,
        answer: &answer,
        patience: None,
    };
    Ok(Json(told.to_json()).into_response())
}

impl StaffingBody {
    fn question(self) -> Question {
        let shrinkage = match self.shrinkage {
            None => Vec::new(),
            Some(Shares::One(share)) => vec![share.get()],
            Some(Shares::Several(shares)) => shares.into_iter().map(Share::get).collect(),
        };
        Question {
            patience_s: self.patience.map(Seconds::get),
            retrial: self.retrial.map(Share::get),
            shrinkage,
            agents: self.agents,
            concurrency: self.concurrency.unwrap_or(1),
            deadline: self.deadline.map(|deadline| Deadline {
                deadline_s: deadline.get(),
                backlog: self.backlog.unwrap_or(0.0),
            }),
            ..Question::new(
                self.calls,
                self.interval.map_or(INTERVAL_S, Seconds::get),
                self.aht.get(),
                self.target,
            )
        }
    }
}

impl From<StaffingFault> for Problem {
    fn from(fault: StaffingFault) -> Self {
        Self::Unprocessable(fault.to_string())
    }
}

/// Reads `"80/20"`, or the target as an object.
fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "target must be a text such as \"80/20\", or an object such as {\"share\": 0.8, \"threshold_s\": 20}"
    )]
    enum TextOrObject {
        Text(String),
        Object(Target),
    }
    match TextOrObject::deserialize(deserializer)? {
        TextOrObject::Text(text) => text.parse().map_err(serde::de::Error::custom),
        TextOrObject::Object(target) => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequest;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    use serde_json::{Map, Value, json};

    /// The status and the document that a body is answered with.
    fn answered(body: Vec<u8>) -> (u16, Value) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let request = axum::http::Request::post("/staffing")
                .header("content-type", "application/json")
                .body(axum::body::Body::from(body))
                .unwrap();
            let read = Body::<StaffingBody>::from_request(request, &()).await;
            let answer = match read {
                Ok(body) => staff(body).await.into_response(),
                Err(problem) => Problem::into_response(problem),
            };
            let status = answer.status().as_u16();
            let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
            (status, serde_json::from_slice(&bytes.unwrap()).unwrap())
        })
    }

    fn detail(body: &Value) -> String {
        let (status, told) = answered(body.to_string().into_bytes());
        assert_eq!(status, 422, "{body}: {told}");
        told["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field_it_is_wrong_in() {
        for (field, wrong, told) in [
            (
                "target",
                json!({}),
                "target must be a text such as \"80/20\"",
            ),
            (
                "target",
                json!(5),
                "target must be a text such as \"80/20\"",
            ),
            ("target", json!("100/0"), "`100/0` is not a target"),
            ("shrinkage", json!({}), "shrinkage must be a share"),
            ("shrinkage", json!([1]), "shrinkage must be a share"),
            (
                "shrinkage",
                json!(vec![0.5; 1_000]),
                "leave at least a hundredth",
            ),
            ("shrinkage", json!(0.999_999), "leave at least a hundredth"),
            (
                "aht",
                json!([]),
                "must be a number, or a text such as \"4m\"",
            ),
            ("patience", json!(1e-300), "is no time"),
            ("calls", json!(1e308), "more than is computed"),
            ("calls", json!(-1), "calls must be a number of 0 or more"),
        ] {
            let mut body = json!({"calls": 120, "aht": 240, "target": "80/20"});
            body[field] = wrong;
            assert!(detail(&body).contains(told), "{field}: {}", detail(&body));
        }
        assert!(detail(&json!([120, 1_800, 240, "80/20"])).contains("must be an object"));
    }

    /// JSON of any shape, with numbers that hurt among those that do not.
    fn any_json() -> impl Strategy<Value = Value> {
        let number = prop_oneof![
            any::<f64>().prop_map(|number| json!(number)),
            any::<i64>().prop_map(|number| json!(number)),
            (0..2_000_u32).prop_map(|number| json!(number)),
            (0.0..1.0_f64).prop_map(|number| json!(number)),
            prop::sample::select(vec![0.0, -0.0, 5e-324, 1e-3, 1e5, 1e9, 1e308])
                .prop_map(|number| json!(number)),
        ];
        let text = prop_oneof![
            "\\PC{0,12}".prop_map(|text| json!(text)),
            "-?[0-9]{1,4}(\\.[0-9]{1,3})?(e[0-9]{1,3})?(s|m|min|h|d|%)?"
                .prop_map(|text| json!(text)),
            "[0-9]{1,3}(\\.[0-9]{1,9})?/[0-9]{1,5}".prop_map(|text| json!(text)),
        ];
        let leaf = prop_oneof![
            4 => number,
            3 => text,
            1 => Just(Value::Null),
            1 => any::<bool>().prop_map(|it| json!(it)),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map("[a-z_]{1,9}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// A good body with some fields changed for anything.
    fn any_body() -> impl Strategy<Value = Value> {
        const FIELDS: [&str; 12] = [
            "calls",
            "interval",
            "aht",
            "target",
            "patience",
            "retrial",
            "shrinkage",
            "agents",
            "concurrency",
            "deadline",
            "backlog",
            "colour",
        ];
        let changed = (prop::sample::select(FIELDS.to_vec()), any_json());
        let bodies = prop::collection::vec(changed, 0..4).prop_map(|changed| {
            let mut body = Map::new();
            body.insert("calls".to_owned(), json!(120));
            body.insert("aht".to_owned(), json!("4m"));
            body.insert("target".to_owned(), json!("80/20"));
            for (field, value) in changed {
                body.insert(field.to_owned(), value);
            }
            Value::Object(body)
        });
        prop_oneof![9 => bodies, 1 => any_json()]
    }

    #[test]
    fn any_body_is_answered_by_figures_or_by_what_is_wrong_with_it() {
        let config = Config::with_cases(1_000);
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let run = runner.run(&any_body(), |body| {
            let (status, told) = answered(body.to_string().into_bytes());
            match status {
                200 => {
                    prop_assert!(told["erlang_c"]["agents"].is_u64(), "{body}: {told}");
                    let scheduled = told["erlang_c"]["scheduled"].as_u64();
                    prop_assert!(
                        scheduled.is_some_and(|it| it < 100_000_000),
                        "{body}: {told}"
                    );
                }
                400 | 422 => {
                    let detail = told["detail"].as_str().unwrap_or_default();
                    prop_assert!(
                        !detail.is_empty() && !detail.contains("untagged"),
                        "{body}: {told}"
                    );
                }
                _ => prop_assert!(false, "{body}: {status} {told}"),
            }
            Ok(())
        });
        run.unwrap();
        let octets = prop::collection::vec(any::<u8>(), 0..200);
        let run = runner.run(&octets, |body| {
            let (status, told) = answered(body);
            prop_assert!(matches!(status, 400 | 422), "{status} {told}");
            Ok(())
        });
        run.unwrap();
    }
}
