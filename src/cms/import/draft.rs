//! Records as a file gives them, and what makes them fit for the CMS.

use crate::cms::Phone;
use crate::config::Language;
use crate::cti::{Normaliser, mail_key};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Draft {
    /// An organisation.
    Organisation(OrganisationDraft),
    /// A person.
    Person(PersonDraft),
    /// A CI.
    Ci(CiDraft),
}

/// An organisation as a file gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationDraft {
    /// Its key; the name when empty.
    #[serde(default)]
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A person as a file gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonDraft {
    /// Their key; the first mail address or number when empty.
    #[serde(default)]
    pub id: String,
    /// Their name.
    pub name: String,
    /// Key or name of their organisation; one that is not there yet is made.
    #[serde(default)]
    pub organisation: String,
    /// `1` to `3`, or empty.
    #[serde(default, deserialize_with = "class")]
    pub class: String,
    /// A language tag, or empty.
    #[serde(default)]
    pub language: String,
    /// Their numbers.
    #[serde(default)]
    pub phones: Vec<PhoneDraft>,
    /// Their mail addresses.
    #[serde(default)]
    pub mails: Vec<String>,
}

/// A number as a file gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "PhoneForms")]
pub struct PhoneDraft {
    /// The number, in any way people write one.
    pub number: String,
    /// What it is; empty when nobody said.
    pub label: String,
}

/// A CI as a file gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CiDraft {
    /// Its key.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Key of the person it belongs to; empty when to an organisation.
    #[serde(default)]
    pub person: String,
    /// Key or name of the organisation it belongs to.
    #[serde(default)]
    pub organisation: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PhoneForms {
    Plain(String),
    Labelled {
        number: String,
        #[serde(default)]
        label: String,
        #[serde(default)]
        extension: String,
    },
}

impl From<PhoneForms> for PhoneDraft {
    fn from(form: PhoneForms) -> Self {
        match form {
            PhoneForms::Plain(number) => Self {
                number,
                label: String::new(),
            },
            PhoneForms::Labelled {
                number,
                label,
                extension,
            } if extension.is_empty() => Self { number, label },
            PhoneForms::Labelled {
                number,
                label,
                extension,
            } => Self {
                number: format!("{number};ext={extension}"),
                label,
            },
        }
    }
}

/// The class is a number or a text in JSON.
fn class<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Class {
        Number(i64),
        Text(String),
        Null,
    }
    Ok(match Class::deserialize(deserializer)? {
        Class::Number(class) => class.to_string(),
        Class::Text(class) => class,
        Class::Null => String::new(),
    })
}

/// A person fit for the CMS, but for the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) organisation: String,
    pub(super) class: Option<u8>,
    pub(super) language: Option<Language>,
    /// Each with the text it was given as.
    pub(super) phones: BTreeMap<Phone, String>,
    pub(super) mails: Vec<String>,
}

impl PersonDraft {
    /// Checks everything; the reason of the first fault refuses the whole record.
    pub(super) fn check(&self, normaliser: &Normaliser) -> Result<Person, String> {
        let name = self.name.trim().to_owned();
        if name.is_empty() {
            return Err("the person has no name".to_owned());
        }
        let class = match self.class.trim() {
            "" => None,
            text => match text.parse() {
                Ok(class @ 1..=3) => Some(class),
                Ok(_) | Err(_) => return Err(format!("the class `{text}` is not 1, 2 or 3")),
            },
        };
        let language = match self.language.trim() {
            "" => None,
            tag => Some(tag.parse::<Language>()?),
        };
        let mut phones = BTreeMap::new();
        for draft in &self.phones {
            let text = draft.number.trim();
            let number = normaliser.normalise(text);
            let key = number
                .key()
                .ok_or_else(|| format!("`{text}` is not a telephone number"))?;
            let phone = Phone {
                number: key,
                extension: number.extension().unwrap_or("").to_owned(),
                label: draft.label.trim().to_lowercase(),
            };
            let is_known =
                |it: &Phone| it.number == phone.number && it.extension == phone.extension;
            if !phones.keys().any(is_known) {
                phones.insert(phone, text.to_owned());
            }
        }
        let mut mails = Vec::new();
        for text in &self.mails {
            let text = text.trim();
            mails.push(mail_key(text).ok_or_else(|| format!("`{text}` is not a mail address"))?);
        }
        let given = Some(self.id.trim().to_owned()).filter(|id| !id.is_empty());
        let first_phone = || {
            phones
                .keys()
                .next()
                .map(|phone| format!("{}{}", phone.number, phone.extension))
        };
        let id = given
            .or_else(|| mails.first().cloned())
            .or_else(first_phone)
            .ok_or(
                "there is no id, and neither a mail address nor a number to know the person by",
            )?;
        mails.sort();
        mails.dedup();
        Ok(Person {
            id,
            name,
            organisation: self.organisation.trim().to_owned(),
            class,
            language,
            phones,
            mails,
        })
    }
}
