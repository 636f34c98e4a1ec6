//! Text whose lines flow: soft line ends are undone (RFC 3676).

/// What becomes of the space before a soft line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spaces {
    /// It separates words.
    Kept,
    /// `delsp=yes`: it was put in, as for Chinese and Japanese.
    Deleted,
}

impl Spaces {
    pub(super) fn of(delsp: Option<&str>) -> Self {
        if delsp == Some("yes") {
            Self::Deleted
        } else {
            Self::Kept
        }
    }
}

/// Joins flowing lines of the same depth of quoting.
pub(super) fn unwrap(text: &str, spaces: Spaces) -> String {
    let mut out = String::with_capacity(text.len());
    // Depth of the line that still flows, if any does.
    let mut open: Option<usize> = None;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let depth = line.bytes().take_while(|byte| *byte == b'>').count();
        let content = line[depth..].strip_prefix(' ').unwrap_or(&line[depth..]);
        let is_signature_mark = content == "-- ";
        if open != Some(depth) || is_signature_mark {
            if !out.is_empty() || open.is_some() {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', depth));
            out.push_str(if depth > 0 { " " } else { "" });
        }
        let flows = content.ends_with(' ') && !is_signature_mark;
        match spaces {
            Spaces::Deleted if flows => out.push_str(&content[..content.len() - 1]),
            Spaces::Deleted | Spaces::Kept => out.push_str(content),
        }
        open = flows.then_some(depth);
        if !flows && out.is_empty() {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, spaces: Spaces, expected: &str) {
        assert_eq!(unwrap(text, spaces), expected, "{text}");
    }

    #[test]
    fn soft_line_ends_are_undone() {
        check("one \r\ntwo\r\nthree", Spaces::Kept, "one two\nthree");
        check("印表 \n機壞了", Spaces::Deleted, "印表機壞了");
        check("> a \n> b\n>> c \nd", Spaces::Kept, "> a b\n>> c \nd");
        check(" > no quote", Spaces::Kept, "> no quote");
        check("x \n-- \nAnn", Spaces::Kept, "x \n-- \nAnn");
    }
}
