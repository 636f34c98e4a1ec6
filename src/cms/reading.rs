//! Reading people from the database, with all that belongs to them.

use super::{Caller, Ci, Directory, Match, Organisation, Phone};
use crate::config::Language;
use crate::database::{Database, DatabaseFault};
use ringdown_routing::ids::{CallerId, CiId, OrganisationId};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// The embedded CMS; clones share it.
#[derive(Clone, Debug)]
pub struct Cms {
    pub(super) database: Database,
}

type PersonRow = (
    String,
    String,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

impl Cms {
    /// The CMS in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Everybody in memory; `None` when there are more than `people_max`.
    pub async fn directory(&self, people_max: u32) -> Result<Option<Directory>, DatabaseFault> {
        // Read before the people: a change in between is seen as a newer revision and read again.
        let revision = self.revision().await?;
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM people")
            .fetch_one(self.database.reads())
            .await?;
        if count > i64::from(people_max) {
            return Ok(None);
        }
        let people = self.people(Which::All, "").await?;
        Ok(Some(Directory::new(people, revision)))
    }

    /// How often the CMS was changed.
    pub async fn revision(&self) -> Result<i64, DatabaseFault> {
        self.database.revision("cms").await
    }

    /// Everybody who has this number or address, in the order of their ids.
    pub async fn find(&self, key: &str) -> Result<Vec<Match>, DatabaseFault> {
        let people = self.people(Which::WithKey, key).await?;
        Ok(Directory::new(people, 0).find(key).to_vec())
    }

    /// One person.
    pub async fn caller(&self, id: &CallerId) -> Result<Option<Caller>, DatabaseFault> {
        Ok(self.people(Which::One, id.as_str()).await?.pop())
    }

    /// The CI with this key, else those with this name, in any case of letters; at most ten.
    pub async fn cis_named(&self, key: &str) -> Result<Vec<Ci>, DatabaseFault> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT id, kind, name FROM cis WHERE id = $1 \
             OR (lower(name) = $2 AND NOT EXISTS (SELECT 1 FROM cis WHERE id = $1)) ORDER BY id LIMIT 10",
        )
        .bind(key.to_owned())
        .bind(key.to_lowercase())
        .fetch_all(self.database.reads())
        .await?;
        let ci = |(id, kind, name): (String, String, String)| Ci {
            id: CiId::new(id),
            kind,
            name,
        };
        Ok(rows.into_iter().map(ci).collect())
    }

    /// At most fifty people whose name holds this text.
    pub async fn search(&self, text: &str) -> Result<Vec<Caller>, DatabaseFault> {
        let escaped: String = text
            .to_lowercase()
            .chars()
            .flat_map(|letter| {
                let escape = ['\\', '%', '_'].contains(&letter).then_some('\\');
                escape.into_iter().chain([letter])
            })
            .collect();
        self.people(Which::Named, &format!("%{escaped}%")).await
    }

    pub(super) async fn people(
        &self,
        which: Which,
        key: &str,
    ) -> Result<Vec<Caller>, DatabaseFault> {
        let who = which.condition();
        let people: Vec<PersonRow> = self
            .rows(
                "SELECT p.id, p.name, o.id, o.name, p.class, p.language FROM people p \
                 LEFT JOIN organisations o ON o.id = p.organisation WHERE p.id IN ({who}) \
                 ORDER BY p.id",
                who,
                key,
            )
            .await?;
        let phones: Vec<(String, String, String, String)> = self
            .rows(
                "SELECT person, number, extension, label FROM phones WHERE person IN ({who}) \
                 ORDER BY person, number, extension",
                who,
                key,
            )
            .await?;
        let mails: Vec<(String, String)> = self
            .rows(
                "SELECT person, address FROM mail_addresses WHERE person IN ({who}) \
                 ORDER BY person, address",
                who,
                key,
            )
            .await?;
        let own: Vec<(String, String, String, String)> = self
            .rows(
                "SELECT person, id, kind, name FROM cis WHERE person IN ({who}) ORDER BY id",
                who,
                key,
            )
            .await?;
        let shared: Vec<(String, String, String, String)> = self
            .rows(
                "SELECT organisation, id, kind, name FROM cis WHERE person IS NULL AND organisation IN \
                 (SELECT organisation FROM people WHERE id IN ({who})) ORDER BY id",
                who,
                key,
            )
            .await?;
        Ok(assemble(people, phones, mails, own, shared))
    }

    async fn rows<T>(&self, template: &str, who: &str, key: &str) -> Result<Vec<T>, DatabaseFault>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::any::AnyRow> + Send + Unpin,
    {
        // `who` is one of the constants of `Which`, and the key is bound.
        let sql = AssertSqlSafe(template.replace("{who}", who));
        let rows = sqlx::query_as(sql)
            .bind(key.to_owned())
            .fetch_all(self.database.reads())
            .await?;
        Ok(rows)
    }
}

/// Which people are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    All,
    One,
    WithKey,
    Named,
}

impl Which {
    /// The ids of the people, with `$1` for the key.
    fn condition(self) -> &'static str {
        match self {
            Self::All => "SELECT id FROM people WHERE $1 = ''",
            Self::One => "SELECT id FROM people WHERE id = $1",
            Self::WithKey => {
                "SELECT person FROM phones WHERE number = $1 \
                 UNION SELECT person FROM mail_addresses WHERE address = $1"
            }
            Self::Named => {
                "SELECT id FROM people WHERE lower(name) LIKE $1 ESCAPE '\\' ORDER BY id LIMIT 50"
            }
        }
    }
}

fn assemble(
    people: Vec<PersonRow>,
    phones: Vec<(String, String, String, String)>,
    mails: Vec<(String, String)>,
    own: Vec<(String, String, String, String)>,
    shared: Vec<(String, String, String, String)>,
) -> Vec<Caller> {
    let mut phones_of: BTreeMap<String, Vec<Phone>> = BTreeMap::new();
    for (person, number, extension, label) in phones {
        phones_of.entry(person).or_default().push(Phone {
            number,
            extension,
            label,
        });
    }
    let mut mails_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (person, address) in mails {
        mails_of.entry(person).or_default().push(address);
    }
    let mut own_of = by_owner(own);
    let shared_of = by_owner(shared);
    people
        .into_iter()
        .map(
            |(id, name, organisation_id, organisation, class, language)| {
                let mut cis = own_of.remove(&id).unwrap_or_default();
                if let Some(shared) = organisation_id.as_ref().and_then(|id| shared_of.get(id)) {
                    cis.extend(shared.iter().cloned());
                }
                Caller {
                    phones: phones_of.remove(&id).unwrap_or_default(),
                    mails: mails_of.remove(&id).unwrap_or_default(),
                    cis,
                    name,
                    organisation: organisation_id.zip(organisation).map(|(id, name)| {
                        Organisation {
                            id: OrganisationId::new(id),
                            name,
                        }
                    }),
                    class: class.and_then(|class| u8::try_from(class).ok()),
                    // Checked when it was imported.
                    language: language.and_then(|tag| tag.parse::<Language>().ok()),
                    id: CallerId::new(id),
                }
            },
        )
        .collect()
}

fn by_owner(rows: Vec<(String, String, String, String)>) -> BTreeMap<String, Vec<Ci>> {
    let mut cis_of: BTreeMap<String, Vec<Ci>> = BTreeMap::new();
    for (owner, id, kind, name) in rows {
        cis_of.entry(owner).or_default().push(Ci {
            id: CiId::new(id),
            kind,
            name,
        });
    }
    cis_of
}
