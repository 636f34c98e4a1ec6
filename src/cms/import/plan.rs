//! What an import changes: compared with what is there, then written in one transaction.

use super::draft::{CiDraft, Draft, Person};
use super::{Contents, Refusal};
use crate::cms::reading::Which;
use crate::cms::{Caller, Cms};
use crate::cti::Normaliser;
use crate::database::{DatabaseFault, Statement, Value, bump};
use serde::Serialize;
use std::collections::BTreeMap;

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was added or changed, in the order of the file.
    pub changes: Vec<Change>,
    /// How many records were there already just so.
    pub unchanged: usize,
    /// What was refused.
    pub refusals: Vec<Refusal>,
    /// What was passed over, in words.
    pub notes: Vec<String>,
}

/// One record that was added or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The line it begins in, from 1.
    pub line: usize,
    /// Added or changed.
    pub effect: Effect,
    /// `organisation`, `person` or `ci`.
    pub record: &'static str,
    /// Its key.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It was not there.
    Added,
    /// It was there, and different.
    Changed,
}

impl Report {
    /// How many records had this effect.
    pub fn count(&self, effect: Effect) -> usize {
        let changes = self.changes.iter();
        changes.filter(|change| change.effect == effect).count()
    }
}

/// Brings the records of a file into the CMS.
pub async fn import(
    cms: &Cms,
    normaliser: &Normaliser,
    contents: Contents,
) -> Result<Report, DatabaseFault> {
    let mut plan = Plan::new(cms).await?;
    plan.report.refusals = contents.refusals;
    plan.report.notes = contents.notes;
    let (mut people, mut cis) = (Vec::new(), Vec::new());
    for (line, draft) in contents.drafts {
        match draft {
            Draft::Organisation(draft) => plan.take_organisation(line, &draft.id, &draft.name),
            Draft::Person(draft) => people.push((line, draft)),
            Draft::Ci(draft) => cis.push((line, draft)),
        }
    }
    for (line, draft) in people {
        match draft.check(normaliser) {
            Ok(person) => plan.take_person(line, person),
            Err(reason) => plan.refuse(line, reason),
        }
    }
    // A CI may belong to somebody who stands below it in the file.
    for (line, draft) in cis {
        plan.take_ci(line, &draft);
    }
    plan.write(cms).await
}

/// Key, kind, name, person and organisation.
type CiColumns = (String, String, String, Option<String>, Option<String>);

struct Plan {
    organisations: BTreeMap<String, String>,
    people: BTreeMap<String, Caller>,
    cis: BTreeMap<String, CiRow>,
    /// The line of each record of this file, by `record id`.
    lines: BTreeMap<String, usize>,
    statements: Vec<Statement>,
    report: Report,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CiRow {
    kind: String,
    name: String,
    person: Option<String>,
    organisation: Option<String>,
}

impl Plan {
    async fn new(cms: &Cms) -> Result<Self, DatabaseFault> {
        let reads = cms.database.reads();
        let organisations: Vec<(String, String)> =
            sqlx::query_as("SELECT id, name FROM organisations")
                .fetch_all(reads)
                .await?;
        let cis: Vec<CiColumns> =
            sqlx::query_as("SELECT id, kind, name, person, organisation FROM cis")
                .fetch_all(reads)
                .await?;
        let people = cms.people(Which::All, "").await?;
        Ok(Self {
            organisations: organisations.into_iter().collect(),
            people: people
                .into_iter()
                .map(|it| (it.id.as_str().to_owned(), it))
                .collect(),
            cis: cis
                .into_iter()
                .map(|(id, kind, name, person, organisation)| {
                    let row = CiRow {
                        kind,
                        name,
                        person,
                        organisation,
                    };
                    (id, row)
                })
                .collect(),
            lines: BTreeMap::new(),
            statements: Vec::new(),
            report: Report::default(),
        })
    }

    fn refuse(&mut self, line: usize, reason: impl Into<String>) {
        let reason = reason.into();
        self.report.refusals.push(Refusal { line, reason });
    }

    /// Notes the record's line; false (and refused) when the file has it already.
    fn is_first(&mut self, line: usize, record: &str, id: &str) -> bool {
        match self.lines.insert(format!("{record} {id}"), line) {
            None => true,
            Some(other) => {
                self.lines.insert(format!("{record} {id}"), other);
                self.refuse(line, format!("line {other} has the same {record}, `{id}`"));
                false
            }
        }
    }

    fn note(&mut self, line: usize, effect: Effect, record: &'static str, id: &str, name: &str) {
        self.report.changes.push(Change {
            line,
            effect,
            record,
            id: id.to_owned(),
            name: name.to_owned(),
        });
    }

    fn take_organisation(&mut self, line: usize, id: &str, name: &str) {
        let (id, name) = (id.trim(), name.trim());
        if name.is_empty() {
            return self.refuse(line, "the organisation has no name");
        }
        let id = if id.is_empty() { name } else { id };
        if self.is_first(line, "organisation", id) {
            self.put_organisation(line, id, name);
        }
    }

    fn put_organisation(&mut self, line: usize, id: &str, name: &str) {
        let effect = match self.organisations.insert(id.to_owned(), name.to_owned()) {
            Some(old) if old == name => {
                self.report.unchanged += 1;
                return;
            }
            Some(_) => Effect::Changed,
            None => Effect::Added,
        };
        self.note(line, effect, "organisation", id, name);
        self.statements.push(Statement::new(
            "INSERT INTO organisations (id, name) VALUES ($1, $2) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            vec![id.into(), name.into()],
        ));
    }

    /// The key of an organisation given by key or name; one that is not there yet is made.
    fn organisation(&mut self, line: usize, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        if self.organisations.contains_key(text) {
            return Some(text.to_owned());
        }
        let by_name = self.organisations.iter().find(|(_, name)| *name == text);
        if let Some((id, _)) = by_name {
            return Some(id.clone());
        }
        self.put_organisation(line, text, text);
        Some(text.to_owned())
    }

    fn take_person(&mut self, line: usize, person: Person) {
        if !self.is_first(line, "person", &person.id) {
            return;
        }
        let organisation = self.organisation(line, &person.organisation);
        let old = self.people.get(&person.id);
        let effect = match old {
            Some(old) if is_same(old, &person, organisation.as_deref()) => {
                self.report.unchanged += 1;
                return;
            }
            Some(_) => Effect::Changed,
            None => Effect::Added,
        };
        self.note(line, effect, "person", &person.id, &person.name);
        self.statements.push(Statement::new(
            "INSERT INTO people (id, name, organisation, class, language) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
             organisation = excluded.organisation, class = excluded.class, \
             language = excluded.language",
            vec![
                person.id.clone().into(),
                person.name.clone().into(),
                organisation.into(),
                Value::Number(person.class.map(i64::from)),
                Value::Text(person.language.as_ref().map(ToString::to_string)),
            ],
        ));
        if effect == Effect::Changed {
            for table in [
                "DELETE FROM phones WHERE person = $1",
                "DELETE FROM mail_addresses WHERE person = $1",
            ] {
                let id = vec![person.id.clone().into()];
                self.statements.push(Statement::new(table, id));
            }
        }
        for (phone, given) in person.phones {
            self.statements.push(Statement::new(
                "INSERT INTO phones (person, number, extension, label, given) \
                 VALUES ($1, $2, $3, $4, $5)",
                vec![
                    person.id.clone().into(),
                    phone.number.into(),
                    phone.extension.into(),
                    phone.label.into(),
                    given.into(),
                ],
            ));
        }
        for mail in person.mails {
            self.statements.push(Statement::new(
                "INSERT INTO mail_addresses (person, address) VALUES ($1, $2)",
                vec![person.id.clone().into(), mail.into()],
            ));
        }
    }

    fn take_ci(&mut self, line: usize, draft: &CiDraft) {
        let (id, person) = (draft.id.trim(), draft.person.trim());
        for (name, value) in [
            ("id", id),
            ("kind", draft.kind.trim()),
            ("name", draft.name.trim()),
        ] {
            if value.is_empty() {
                return self.refuse(line, format!("the ci has no {name}"));
            }
        }
        let is_known = self.people.contains_key(person)
            || self.lines.contains_key(&format!("person {person}"));
        if !person.is_empty() && !is_known {
            return self.refuse(line, format!("there is no person `{person}`"));
        }
        if !self.is_first(line, "ci", id) {
            return;
        }
        let organisation = self.organisation(line, draft.organisation.trim());
        let row = CiRow {
            kind: draft.kind.trim().to_owned(),
            name: draft.name.trim().to_owned(),
            person: Some(person.to_owned()).filter(|it| !it.is_empty()),
            organisation,
        };
        let effect = match self.cis.get(id) {
            Some(old) if *old == row => {
                self.report.unchanged += 1;
                return;
            }
            Some(_) => Effect::Changed,
            None => Effect::Added,
        };
        self.note(line, effect, "ci", id, &row.name);
        self.statements.push(Statement::new(
            "INSERT INTO cis (id, kind, name, person, organisation) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name, \
             person = excluded.person, organisation = excluded.organisation",
            vec![
                id.into(),
                row.kind.into(),
                row.name.into(),
                row.person.into(),
                row.organisation.into(),
            ],
        ));
    }

    async fn write(mut self, cms: &Cms) -> Result<Report, DatabaseFault> {
        if !self.statements.is_empty() {
            self.statements.push(bump("cms"));
            cms.database.write(self.statements).await?;
        }
        self.report.changes.sort_by_key(|change| change.line);
        self.report.refusals.sort_by_key(|refusal| refusal.line);
        Ok(self.report)
    }
}

fn is_same(old: &Caller, new: &Person, organisation: Option<&str>) -> bool {
    let mut phones: Vec<_> = old.phones.iter().collect();
    phones.sort();
    old.name == new.name
        && old.organisation.as_ref().map(|it| it.id.as_str()) == organisation
        && old.class == new.class
        && old.language == new.language
        && phones.into_iter().eq(new.phones.keys())
        && old.mails == new.mails
}
