//! Tables: comma, semicolon or tab between columns, the first line names them.
//!
//! | column | of | meaning |
//! |---|---|---|
//! | `record` | all | `person` (when missing), `organisation` or `ci` |
//! | `id` | all | the key by which a later import finds the record again |
//! | `name` | all | the name |
//! | `organisation` | person, ci | key or name |
//! | `class` | person | 1 to 3 |
//! | `language` | person | language tag, `zh-TW` |
//! | `phones` | person | numbers with a bar between, each with a label in front if wanted: `mobile:0912 345 678|02-2720-8889#12` |
//! | `phone`, `mobile`, `work`, `direct`, `home`, also with a number behind | person | one number, labelled by the column |
//! | `extension` | person | belongs to the first number that has none |
//! | `mails`, `mail`, `email`, also with a number behind | person | addresses, with a bar between |
//! | `kind` | ci | what it is |
//! | `person` | ci | key of the person it belongs to |
//!
//! The Chinese names of the columns that Taiwanese programs write are known as well.

use super::draft::{CiDraft, Draft, OrganisationDraft, PersonDraft, PhoneDraft};
use super::{Contents, Refusal};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Record,
    Id,
    Name,
    Organisation,
    Class,
    Language,
    Phones { label: String },
    Extension,
    Mails,
    Kind,
    Person,
    Other,
}

pub(super) fn read(text: &str) -> Contents {
    let mut contents = Contents::default();
    let header_line = text.lines().next().unwrap_or("");
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter_of(header_line))
        .flexible(true)
        .has_headers(false)
        .trim(::csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut columns: Option<Vec<Column>> = None;
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(1, |at| line_of(at.line()));
                let reason = error.to_string();
                contents.refusals.push(Refusal { line, reason });
                continue;
            }
        };
        let line = row.position().map_or(1, |at| line_of(at.line()));
        let Some(columns) = &columns else {
            let known: Vec<Column> = row.iter().map(column_of).collect();
            for (name, column) in row.iter().zip(&known) {
                if *column == Column::Other && !name.is_empty() {
                    contents.notes.push(format!(
                        "the column `{name}` is not known and was passed over"
                    ));
                }
            }
            columns = Some(known);
            continue;
        };
        if row.iter().all(str::is_empty) {
            continue;
        }
        match draft_of(columns, &row) {
            Ok(draft) => contents.drafts.push((line, draft)),
            Err(reason) => contents.refusals.push(Refusal { line, reason }),
        }
    }
    contents
}

fn line_of(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

fn delimiter_of(header: &str) -> u8 {
    let count = |delimiter: char| header.matches(delimiter).count();
    [(',', b','), (';', b';'), ('\t', b'\t')]
        .into_iter()
        .max_by_key(|(letter, _)| count(*letter))
        .filter(|(letter, _)| count(*letter) > 0)
        .map_or(b',', |(_, byte)| byte)
}

fn column_of(name: &str) -> Column {
    let name = name.trim().to_lowercase().replace([' ', '-'], "_");
    let stem = name
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches('_');
    let phones = |label: &str| Column::Phones {
        label: label.to_owned(),
    };
    match stem {
        "record" | "type" => Column::Record,
        "id" | "key" | "編號" | "員工編號" => Column::Id,
        "name" | "full_name" | "display_name" | "姓名" | "名稱" => Column::Name,
        "organisation" | "organization" | "company" | "org" | "公司" | "單位" | "機關" => {
            Column::Organisation
        }
        "class" | "等級" | "級別" => Column::Class,
        "language" | "lang" | "語言" => Column::Language,
        "phones" | "phone" | "telephone" | "tel" | "電話" => phones(""),
        "mobile" | "cell" | "mobile_phone" | "手機" | "行動電話" => phones("mobile"),
        "work" | "office" | "work_phone" | "business_phone" | "公司電話" => phones("work"),
        "direct" | "直線" | "專線" => phones("direct"),
        "home" | "home_phone" => phones("home"),
        "extension" | "ext" | "分機" => Column::Extension,
        "mails" | "mail" | "email" | "emails" | "e_mail" | "電子郵件" | "信箱" => {
            Column::Mails
        }
        "kind" | "種類" => Column::Kind,
        "person" | "owner" | "使用者" => Column::Person,
        _ => Column::Other,
    }
}

fn draft_of(columns: &[Column], row: &::csv::StringRecord) -> Result<Draft, String> {
    if row.len() > columns.len() {
        return Err(format!(
            "there are {} columns, the first line names {}",
            row.len(),
            columns.len()
        ));
    }
    let (mut record, mut kind, mut owner) = ("", "", "");
    let mut extension = "";
    let mut person = PersonDraft::default();
    for (column, value) in columns.iter().zip(row) {
        match column {
            Column::Record => record = value,
            Column::Id => value.clone_into(&mut person.id),
            Column::Name => value.clone_into(&mut person.name),
            Column::Organisation => value.clone_into(&mut person.organisation),
            Column::Class => value.clone_into(&mut person.class),
            Column::Language => value.clone_into(&mut person.language),
            Column::Phones { label } => person.phones.extend(phones_of(value, label)),
            Column::Extension => extension = value,
            Column::Mails => {
                let mails = value
                    .split(['|', ' ', ',', ';'])
                    .filter(|it| !it.is_empty());
                person.mails.extend(mails.map(str::to_owned));
            }
            Column::Kind => kind = value,
            Column::Person => owner = value,
            Column::Other => {}
        }
    }
    if !extension.is_empty() {
        match person.phones.first_mut() {
            Some(phone) => phone.number.push_str(&format!(";ext={extension}")),
            None => return Err("there is an extension, but no number it belongs to".to_owned()),
        }
    }
    let record = match record.to_lowercase().as_str() {
        "" if !kind.is_empty() => "ci".to_owned(),
        "" => "person".to_owned(),
        other => other.to_owned(),
    };
    match record.as_str() {
        "person" | "人員" => Ok(Draft::Person(person)),
        "organisation" | "organization" | "公司" | "單位" => {
            Ok(Draft::Organisation(OrganisationDraft {
                id: person.id,
                name: person.name,
            }))
        }
        "ci" | "service" | "設備" => Ok(Draft::Ci(CiDraft {
            id: person.id,
            kind: kind.to_owned(),
            name: person.name,
            person: owner.to_owned(),
            organisation: person.organisation,
        })),
        other => Err(format!(
            "`{other}` is not a record; known are person, organisation and ci"
        )),
    }
}

fn phones_of(value: &str, label: &str) -> Vec<PhoneDraft> {
    value
        .split(['|', '\n'])
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| {
            let is_word = |word: &str| {
                !word.is_empty()
                    && word.chars().all(char::is_alphabetic)
                    && !["tel", "sip", "sips", "ext"].contains(&word)
            };
            match text.split_once(':') {
                Some((word, number)) if is_word(word.trim()) => PhoneDraft {
                    number: number.trim().to_owned(),
                    label: word.trim().to_owned(),
                },
                Some(_) | None => PhoneDraft {
                    number: text.to_owned(),
                    label: label.to_owned(),
                },
            }
        })
        .collect()
}
