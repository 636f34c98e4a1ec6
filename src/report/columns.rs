//! Columns for people; wide characters keep them straight.

use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Writes lines as columns: the first `words` to the left, figures to the right.
pub(crate) fn write_columns(
    lines: &[Vec<String>],
    words: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(cell.width()));
            if column > 0 {
                text.push_str("  ");
            }
            if column < words {
                text.push_str(cell);
                text.push_str(&gap);
            } else {
                text.push_str(&gap);
                text.push_str(cell);
            }
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}
