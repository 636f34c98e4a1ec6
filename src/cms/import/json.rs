//! One JSON document: `{"organisations": [...], "people": [...], "cis": [...]}`, each list optional, the
//! records as in [`super::draft`]. A phone is a text or `{"number", "label", "extension"}`.

use super::draft::{CiDraft, Draft, OrganisationDraft, PersonDraft};
use super::{Contents, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'t> {
    #[serde(default, borrow)]
    organisations: Vec<&'t RawValue>,
    #[serde(default, borrow)]
    people: Vec<&'t RawValue>,
    #[serde(default, borrow)]
    cis: Vec<&'t RawValue>,
}

pub(super) fn read(text: &str) -> Contents {
    let mut contents = Contents::default();
    let document: Document<'_> = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            contents.refusals.push(Refusal {
                line: error.line().max(1),
                reason: format!("the file is not the JSON we know: {error}"),
            });
            return contents;
        }
    };
    for raw in &document.organisations {
        contents.take(text, raw, |it: OrganisationDraft| Draft::Organisation(it));
    }
    for raw in &document.people {
        contents.take(text, raw, |it: PersonDraft| Draft::Person(it));
    }
    for raw in &document.cis {
        contents.take(text, raw, |it: CiDraft| Draft::Ci(it));
    }
    contents
}

impl Contents {
    fn take<T: DeserializeOwned>(&mut self, text: &str, raw: &RawValue, wrap: impl Fn(T) -> Draft) {
        let offset = raw
            .get()
            .as_ptr()
            .addr()
            .saturating_sub(text.as_ptr().addr());
        let line = 1 + text
            .get(..offset)
            .map_or(0, |before| before.matches('\n').count());
        match serde_json::from_str(raw.get()) {
            Ok(draft) => self.drafts.push((line, wrap(draft))),
            Err(error) => {
                let text = error.to_string();
                let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
                self.refusals.push(Refusal { line, reason });
            }
        }
    }
}
