//! Filling the CMS from a file: CSV, vCard or JSON.
//!
//! A record is taken whole or refused with its line and a reason; what a file holds twice, or already
//! holds in the CMS, changes nothing. Everything taken is written in one transaction, so a failing
//! database leaves the CMS as it was.

mod csv;
mod draft;
mod json;
mod plan;
mod vcard;

pub use draft::{CiDraft, Draft, OrganisationDraft, PersonDraft, PhoneDraft};
pub use plan::{Change, Effect, Report, import};

use serde::Serialize;

/// A record that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The line it begins in, from 1.
    pub line: usize,
    /// Why, for the person who keeps the file.
    pub reason: String,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table with a header line.
    Csv,
    /// vCard 3 (RFC 2426) or 4 (RFC 6350).
    Vcard,
    /// One JSON document.
    Json,
}

impl Format {
    /// The format that a file's name or content tells.
    pub fn of(name: &str, text: &str) -> Self {
        let name = name.to_lowercase();
        let start = text.trim_start();
        if name.ends_with(".vcf") || name.ends_with(".vcard") || start.starts_with("BEGIN:VCARD") {
            Self::Vcard
        } else if name.ends_with(".json") || start.starts_with('{') {
            Self::Json
        } else {
            Self::Csv
        }
    }
}

/// What a file holds: each record with its line, and what was no record.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The records, with the line each begins in.
    pub drafts: Vec<(usize, Draft)>,
    /// What could not be read as one.
    pub refusals: Vec<Refusal>,
    /// What was passed over, in words (columns nobody knows).
    pub notes: Vec<String>,
}

/// Reads the records of a file.
pub fn read(format: Format, text: &str) -> Contents {
    match format {
        Format::Csv => csv::read(text),
        Format::Vcard => vcard::read(text),
        Format::Json => json::read(text),
    }
}

/// The file's text: UTF-8 or UTF-16 by its byte order mark, else UTF-8, else Big5, which older programs in
/// Taiwan write.
pub fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, mark_bytes)) = encoding_rs::Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark_bytes..]);
        return text.into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::BIG5.decode(bytes).0.into_owned(),
    }
}
