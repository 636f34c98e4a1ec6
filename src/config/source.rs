//! The text of a configuration as a tree with places, from which every fault can be told at once.
//!
//! The tree is deserialised; the value that would not is noted, taken out, and the rest is tried
//! again. So serde, which stops at the first fault, still gives all of them.

use super::fault::{Fault, Place};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer};

/// First word of the variables that override the file.
pub(super) const VARIABLE_PREFIX: &str = "RINGDOWN_";

/// Keys whose value may be `{ file = "path" }`.
const SECRET_KEYS: [&str; 4] = ["password", "sip_password", "token", "url"];

/// Most faults told at once; a file with more has another problem.
const FAULTS_MAX: usize = 100;

/// One step from a table or array to what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// A configuration text, what was found wrong with it so far, and what is left of it.
pub(super) struct Source<'t> {
    file: PathBuf,
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    /// Names of the variables that took part; their values have spans beyond the text.
    variables: Vec<&'t str>,
    /// Keys taken out for a fault of their own, by the start of their table.
    pruned: BTreeSet<(usize, String)>,
    faults: Vec<Fault>,
}

impl<'t> Source<'t> {
    /// Parses the text, lets the variables override it, and reads secrets from their files, which
    /// are relative to the folder of `file`.
    pub(super) fn new(file: &Path, text: &'t str, variables: &'t [(String, String)]) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut source = Self {
            file: file.to_owned(),
            text,
            root,
            variables: Vec::new(),
            pruned: BTreeSet::new(),
            faults: Vec::new(),
        };
        for error in errors.iter().take(FAULTS_MAX) {
            source.note(
                &error.span().unwrap_or(0..0),
                format!("is not TOML: {}", error.message()),
            );
        }
        for (name, value) in variables {
            source.override_by(name, value);
        }
        source.read_secrets();
        source
    }

    /// Reads the tree as `T`, noting every value that does not fit; `None` when nothing fits.
    pub(super) fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        while self.faults.len() < FAULTS_MAX {
            match T::deserialize(Deserializer::from(self.root.clone())) {
                Ok(value) => return Some(value),
                Err(error) => {
                    let span = error.span().unwrap_or(0..0);
                    let message = error.message();
                    if !self.is_consequence(&span, message) {
                        self.note(&span, sentence_of(message));
                    }
                    if self.fill_in(message) {
                        continue;
                    }
                    match prune(self.root.get_mut(), &span) {
                        Pruned::Key { table, key } => {
                            self.pruned.insert((table, key));
                        }
                        Pruned::Item => {}
                        Pruned::Nothing => return None,
                    }
                }
            }
        }
        None
    }

    /// Notes a fault at a path of the tree, or at the nearest part of the path that is there.
    pub(super) fn note_at(&mut self, path: &[Step<'_>], sentence: impl Into<String>) {
        let span = self.span_at(path);
        self.note(&span, sentence.into());
    }

    /// Notes a fault that lies elsewhere than in this text.
    pub(super) fn note_place(&mut self, place: Place, sentence: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { place, sentence });
        }
    }

    /// Every text found at `section[].key`, whatever else is wrong with its table.
    pub(super) fn texts(&self, section: &str, key: &str) -> BTreeSet<String> {
        let items = self.root.get_ref().get(section);
        items
            .and_then(|value| value.get_ref().as_array())
            .into_iter()
            .flat_map(|items| items.iter())
            .filter_map(|item| item.get_ref().as_table()?.get(key)?.get_ref().as_str())
            .map(str::to_owned)
            .collect()
    }

    /// The faults in the order of their places.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by(|a, b| a.place.cmp(&b.place));
        self.faults
    }

    fn note(&mut self, span: &Range<usize>, sentence: String) {
        let variable = span
            .start
            .checked_sub(self.text.len() + 1)
            .and_then(|at| self.variables.get(at));
        let place = match variable {
            Some(name) => Place::Variable((*name).to_owned()),
            None => {
                let end = span.start.min(self.text.len());
                let before = self.text.get(..end).unwrap_or("");
                let line_start = before.rfind('\n').map_or(0, |at| at + 1);
                Place::At {
                    file: self.file.clone(),
                    line: before.matches('\n').count() + 1,
                    column: before[line_start..].chars().count() + 1,
                }
            }
        };
        self.faults.push(Fault { place, sentence });
    }

    fn span_at(&self, path: &[Step<'_>]) -> Range<usize> {
        let Some((Step::Key(first), rest)) = path.split_first() else {
            return 0..0;
        };
        let Some(mut value) = self.root.get_ref().get(*first) else {
            return 0..0;
        };
        for step in rest {
            let inner = match step {
                Step::Key(key) => value.get_ref().as_table().and_then(|table| table.get(*key)),
                Step::Index(index) => match value.get_ref().as_array() {
                    Some(items) => items.get(*index),
                    // One table in place of a list.
                    None => Some(value).filter(|value| value.get_ref().is_table()),
                },
            };
            match inner {
                Some(inner) => value = inner,
                None => break,
            }
        }
        value.span()
    }

    /// A key that was taken out for its own fault is not missing.
    fn is_consequence(&self, span: &Range<usize>, message: &str) -> bool {
        message.strip_prefix("missing field ").is_some_and(|key| {
            let key = key.trim_matches('`').to_owned();
            self.pruned.contains(&(span.start, key))
        })
    }

    /// Fills in what every configuration must have, so that its lack (noted by now) hides no other fault.
    fn fill_in(&mut self, message: &str) -> bool {
        let Some(key) = message.strip_prefix("missing field ") else {
            return false;
        };
        let end = self.text.len()..self.text.len();
        let root = self.root.get_mut();
        match key {
            "`site`" => {
                let site = DeValue::Table(DeTable::new());
                set(root, &["site"], Spanned::new(end.clone(), site), &end)
            }
            "`region`" => {
                let region = DeValue::String(DeString::Borrowed("TW"));
                set(
                    root,
                    &["site", "region"],
                    Spanned::new(end.clone(), region),
                    &end,
                )
            }
            _ => false,
        }
    }

    /// `RINGDOWN_SIP__DOMAIN=desk.example` sets `domain` of `[sip]`; the value is TOML where it can be
    /// read so, else text.
    fn override_by(&mut self, name: &'t str, value: &'t str) {
        let Some(path) = name.strip_prefix(VARIABLE_PREFIX) else {
            return;
        };
        let path = path.to_lowercase();
        let steps: Vec<&str> = path.split("__").collect();
        if steps.len() < 2 && path != "data_dir" {
            return;
        }
        let at = self.text.len() + 1 + self.variables.len();
        self.variables.push(name);
        let value = DeValue::parse(value).map_or_else(
            |_| DeValue::String(DeString::Borrowed(value)),
            Spanned::into_inner,
        );
        let value = move_to(value, &(at..at));
        let end = self.text.len()..self.text.len();
        if !set(self.root.get_mut(), &steps, value, &end) {
            let sentence = "names a list or a single value of the file; only keys of sections can \
                            be overridden";
            self.note(&(at..at), sentence.to_owned());
        }
    }

    fn read_secrets(&mut self) {
        let folder = self.file.parent().unwrap_or(Path::new("")).to_owned();
        let mut faults = Vec::new();
        read_secret_files(self.root.get_mut(), &folder, &mut faults);
        for (span, sentence) in faults {
            self.note(&span, sentence);
        }
    }
}

/// What was taken out of the tree.
enum Pruned {
    /// A key, of the table that starts here.
    Key { table: usize, key: String },
    /// An item of a list.
    Item,
    /// Nothing lies at that place.
    Nothing,
}

/// Takes out the deepest key, value or item that covers the span.
fn prune(root: &mut DeTable<'_>, span: &Range<usize>) -> Pruned {
    prune_table(root, 0, span)
}

fn prune_table(table: &mut DeTable<'_>, start: usize, span: &Range<usize>) -> Pruned {
    for (_, value) in table.iter_mut() {
        match prune_within(value, span) {
            Pruned::Nothing => {}
            pruned @ (Pruned::Key { .. } | Pruned::Item) => return pruned,
        }
    }
    let hit = table
        .iter()
        .find(|(key, value)| covers(&key.span(), span) || covers(&value.span(), span))
        .map(|(key, _)| key.get_ref().to_string());
    match hit {
        Some(key) => {
            table.remove(key.as_str());
            Pruned::Key { table: start, key }
        }
        None => Pruned::Nothing,
    }
}

/// What lies within a value; the value itself is its holder's to take out.
fn prune_within(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Pruned {
    let its_own = value.span();
    if its_own == *span {
        return Pruned::Nothing;
    }
    match value.get_mut() {
        DeValue::Table(inner) => prune_table(inner, its_own.start, span),
        DeValue::Array(items) => prune_items(items, span),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => Pruned::Nothing,
    }
}

fn prune_items(items: &mut DeArray<'_>, span: &Range<usize>) -> Pruned {
    for item in items.iter_mut() {
        match prune_within(item, span) {
            Pruned::Nothing => {}
            pruned @ (Pruned::Key { .. } | Pruned::Item) => return pruned,
        }
    }
    let Some(hit) = items.iter().position(|item| covers(&item.span(), span)) else {
        return Pruned::Nothing;
    };
    let mut kept = DeArray::new();
    for (place, item) in items.iter().enumerate() {
        if place != hit {
            kept.push(item.clone());
        }
    }
    *items = kept;
    Pruned::Item
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Gives a value and all in it another place.
fn move_to<'t>(value: DeValue<'t>, span: &Range<usize>) -> Spanned<DeValue<'t>> {
    let moved = match value {
        DeValue::Array(items) => {
            let mut moved = DeArray::new();
            for item in items {
                moved.push(move_to(item.into_inner(), span));
            }
            DeValue::Array(moved)
        }
        DeValue::Table(table) => {
            let mut moved = DeTable::new();
            for (key, value) in table {
                let key = Spanned::new(span.clone(), key.into_inner());
                moved.insert(key, move_to(value.into_inner(), span));
            }
            DeValue::Table(moved)
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => value,
    };
    Spanned::new(span.clone(), moved)
}

/// Puts a value at a path of keys, making the tables on the way (they lie at `made`); false when the
/// way is blocked.
fn set<'t>(
    table: &mut DeTable<'t>,
    path: &[&str],
    value: Spanned<DeValue<'t>>,
    made: &Range<usize>,
) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    let key = || Spanned::new(value.span(), DeString::Owned((*first).to_owned()));
    if rest.is_empty() {
        table.remove(*first);
        table.insert(key(), value);
        return true;
    }
    let inner = table
        .entry(key())
        .or_insert_with(|| Spanned::new(made.clone(), DeValue::Table(DeTable::new())));
    match inner.get_mut() {
        DeValue::Table(inner) => set(inner, rest, value, made),
        DeValue::Array(_)
        | DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => false,
    }
}

/// Puts the first line of its file in the place of each `{ file = "path" }`.
fn read_secret_files(
    table: &mut DeTable<'_>,
    folder: &Path,
    faults: &mut Vec<(Range<usize>, String)>,
) {
    for (key, value) in table.iter_mut() {
        let is_secret = SECRET_KEYS.contains(&key.get_ref().as_ref());
        read_secret_file(value, is_secret, folder, faults);
    }
}

fn read_secret_file(
    value: &mut Spanned<DeValue<'_>>,
    is_secret: bool,
    folder: &Path,
    faults: &mut Vec<(Range<usize>, String)>,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::Table(inner) if is_secret && inner.len() == 1 => {
            let Some(name) = inner.get("file").and_then(|file| file.get_ref().as_str()) else {
                return;
            };
            let path = folder.join(name);
            let secret = match std::fs::read_to_string(&path) {
                Ok(text) => text.lines().next().unwrap_or("").trim().to_owned(),
                Err(error) => {
                    let path = path.display();
                    faults.push((
                        span,
                        format!("the secret file {path} cannot be read: {error}"),
                    ));
                    String::new()
                }
            };
            *value.get_mut() = DeValue::String(DeString::Owned(secret));
        }
        DeValue::Table(inner) => read_secret_files(inner, folder, faults),
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                read_secret_file(item, false, folder, faults);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// Turns serde's words into a sentence, with the nearest known name where one is misspelt.
pub(crate) fn sentence_of(message: &str) -> String {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let is_key = message.starts_with("unknown field");
    if !is_key && !message.starts_with("unknown variant") {
        return match message.strip_prefix("missing field ") {
            Some(key) => format!("the key {key} is missing"),
            None => message.to_owned(),
        };
    }
    let Some((wrong, known)) = names.split_first() else {
        return message.to_owned();
    };
    let what = if is_key { "key" } else { "value" };
    match nearest(wrong, known.iter().copied()) {
        Some(name) => format!("unknown {what} `{wrong}`; did you mean `{name}`?"),
        None => format!("unknown {what} `{wrong}`; known here: {}", known.join(", ")),
    }
}

/// The known name that is most like the wrong one, if any is like it at all.
pub(super) fn nearest<'n>(
    wrong: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Least Jaro-Winkler likeness of a name that is suggested; 1 is the same name.
const LIKENESS_MIN: f64 = 0.75;
