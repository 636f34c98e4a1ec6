//! What of a report is shown, so that nothing else need be read.

use super::{By, Format, TableName};
use crate::rollups::Facets;
use ringdown_routing::statistics::Scope;

/// What a report is on, and what of it is shown.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// What part of the desk.
    pub scope: Scope,
    /// What it is divided by.
    pub by: By,
    /// What is read.
    pub shown: Shown,
}

/// What of a report is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    #[default]
    Everything,
    /// That table alone.
    Table(TableName),
    /// The rows and their total, without a table.
    Rows,
}

impl Shown {
    /// What a report shows that is printed so, or of which one table alone is.
    pub fn of(table: Option<TableName>, format: Format) -> Self {
        match (table, format) {
            (Some(table), _) => Self::Table(table),
            (None, Format::Csv) => Self::Rows,
            (None, Format::Table | Format::Json | Format::Html | Format::Xlsx) => Self::Everything,
        }
    }

    pub(super) fn has(self, table: TableName) -> bool {
        match self {
            Self::Everything => true,
            Self::Table(shown) => shown == table,
            Self::Rows => false,
        }
    }

    fn has_facets(self) -> bool {
        // Symptoms are told by the caller's class, and transfers by who handed over.
        self == Self::Everything || self.has(TableName::Symptoms) || self.has(TableName::Transfers)
    }
}

impl Subject {
    /// How narrow the sums by number, class of caller, skill and agent are read.
    pub(crate) fn facets(&self) -> Facets {
        if self.by.is_of_facets() && self.shown == Shown::Rows {
            Facets::Only(self.by)
        } else if self.by.is_of_facets() {
            Facets::ByInterval
        } else if self.shown.has_facets() {
            Facets::Whole
        } else {
            Facets::Unread
        }
    }
}
