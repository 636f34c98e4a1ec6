//! A workbook as openpyxl reads it, which is not ours.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What a script of Debian's Python makes of a file, as JSON.
pub(crate) fn python(script: &str, file: &Path) -> Value {
    let output = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .arg(file)
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("it tells one JSON document")
}

/// The sheets of a workbook.
pub(crate) struct Workbook(Value);

/// What it makes of parts of a day that are shown as hours is a number again.
const READ: &str = "\
import datetime, json, openpyxl, sys
from openpyxl.utils.datetime import time_to_days, to_excel
def plain(cell):
    value = cell.value
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, datetime.time):
        return time_to_days(value)
    if isinstance(value, (datetime.datetime, datetime.timedelta)) and '[h]' in cell.number_format:
        return to_excel(value)
    return str(value)
book = openpyxl.load_workbook(sys.argv[1], read_only=True, data_only=True)
print(json.dumps({sheet.title: [[plain(cell) for cell in row] for row in sheet.iter_rows()] for sheet in book}))
";

impl Workbook {
    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Self {
        Self(python(READ, file))
    }

    /// The heading and the rows of a sheet; the cells of a row by the column's heading.
    pub(crate) fn sheet(&self, name: &str) -> (Vec<String>, Vec<Vec<Value>>) {
        let rows = self.0[name].as_array();
        let rows = rows.unwrap_or_else(|| panic!("no sheet {name}: {}", self.0));
        let row = |row: &Value| row.as_array().expect("a row").clone();
        let mut rows = rows.iter().map(row);
        let heads = rows.next().expect("a heading").into_iter();
        let heads = heads.map(|head| head.as_str().unwrap_or_default().to_owned());
        (heads.collect(), rows.collect())
    }
}
