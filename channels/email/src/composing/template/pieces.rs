//! The language of templates: words, `{placeholders}`, and `{if name}...{else}...{end}` for what may be empty.
//!
//! It has no loops and no functions, so a template always ends and shows nothing but what it is given. `{{` and
//! `}}` are braces.

use super::Fill;

/// What is filled in. [`PLACEHOLDERS`] has their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    Number,
    Mark,
    Subject,
    Name,
    Body,
    Signature,
    Agent,
    Site,
    Queue,
    Mailbox,
    Link,
    Marker,
    Quote,
}

const PLACEHOLDERS: [(&str, Placeholder); 13] = [
    ("number", Placeholder::Number),
    ("mark", Placeholder::Mark),
    ("subject", Placeholder::Subject),
    ("name", Placeholder::Name),
    ("body", Placeholder::Body),
    ("signature", Placeholder::Signature),
    ("agent", Placeholder::Agent),
    ("site", Placeholder::Site),
    ("queue", Placeholder::Queue),
    ("mailbox", Placeholder::Mailbox),
    ("link", Placeholder::Link),
    ("marker", Placeholder::Marker),
    ("quote", Placeholder::Quote),
];

impl Placeholder {
    fn of(name: &str) -> Option<Self> {
        let mut all = PLACEHOLDERS.iter();
        all.find(|(own, _)| *own == name).map(|(_, it)| *it)
    }

    pub(super) fn value(self, fill: &Fill) -> &str {
        match self {
            Self::Number => &fill.number,
            Self::Mark => &fill.mark,
            Self::Subject => &fill.subject,
            Self::Name => &fill.name,
            Self::Body => &fill.body,
            Self::Signature => &fill.signature,
            Self::Agent => &fill.agent,
            Self::Site => &fill.site,
            Self::Queue => &fill.queue,
            Self::Mailbox => &fill.mailbox,
            Self::Link => &fill.link,
            Self::Marker => &fill.marker,
            Self::Quote => &fill.quote,
        }
    }
}

/// Names of all placeholders.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PLACEHOLDERS.iter().map(|(name, _)| *name)
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Words(String),
    Filled(Placeholder),
    /// One of two, by whether there is anything to fill in.
    When {
        filled: Placeholder,
        then: Vec<Piece>,
        otherwise: Vec<Piece>,
    },
}

/// What cannot be read, and at which byte of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread {
    pub(super) at: usize,
    pub(super) mistake: Mistake,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// It does not begin with its subject.
    #[error("a template begins with `Subject: ` and an empty line")]
    NoSubject,
    /// It names a placeholder that there is not.
    #[error("there is no placeholder `{{{0}}}`; there are {all}", all = names().collect::<Vec<_>>().join(", "))]
    UnknownPlaceholder(String),
    /// A brace is open to the end of its line.
    #[error("a `{{` is not closed on its line; write `{{{{` for a brace")]
    Unclosed,
    /// An `{if}` is open to the end.
    #[error("this `{{if}}` has no `{{end}}`")]
    Endless,
    /// An `{else}` or `{end}` belongs to no `{if}`.
    #[error("this `{{{0}}}` belongs to no `{{if}}`")]
    Stray(String),
    /// Too many `{if}` in one another.
    #[error("an `{{if}}` lies in more than {DEPTH_MAX} others")]
    TooDeep,
    /// It leaves out what its letter is there to say.
    #[error("this letter says nothing without `{{{0}}}`")]
    Lacks(&'static str),
}

/// Most `{if}` in one another.
const DEPTH_MAX: usize = 8;

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, Misread> {
    let mut reading = Reading { text, at: 0 };
    let (pieces, stop) = reading.pieces(0)?;
    match stop {
        Stop::Over => Ok(pieces),
        Stop::Else(at) => Err(stray(at, "else")),
        Stop::End(at) => Err(stray(at, "end")),
    }
}

fn stray(at: usize, word: &str) -> Misread {
    Misread {
        at,
        mistake: Mistake::Stray(word.to_owned()),
    }
}

/// Whether a placeholder stands anywhere in a text.
pub(super) fn has(pieces: &[Piece], name: &str) -> bool {
    let wanted = Placeholder::of(name);
    pieces.iter().any(|piece| match piece {
        Piece::Words(_) => false,
        Piece::Filled(placeholder) => Some(*placeholder) == wanted,
        Piece::When {
            then, otherwise, ..
        } => has(then, name) || has(otherwise, name),
    })
}

/// Writes the pieces down, each value as `show` has it. One pass: what is filled in is never looked at for
/// placeholders again.
pub(super) fn write(
    pieces: &[Piece],
    fill: &Fill,
    show: &impl Fn(Placeholder) -> String,
    out: &mut String,
) {
    for piece in pieces {
        match piece {
            Piece::Words(words) => out.push_str(words),
            Piece::Filled(placeholder) => out.push_str(&show(*placeholder)),
            Piece::When {
                filled,
                then,
                otherwise,
            } => {
                let is_empty = filled.value(fill).trim().is_empty();
                write(if is_empty { otherwise } else { then }, fill, show, out);
            }
        }
    }
}

struct Reading<'t> {
    text: &'t str,
    at: usize,
}

/// Why a run of pieces is over, and where.
enum Stop {
    Over,
    Else(usize),
    End(usize),
}

impl Reading<'_> {
    fn pieces(&mut self, depth: usize) -> Result<(Vec<Piece>, Stop), Misread> {
        let mut pieces = Vec::new();
        let mut words = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(next) = rest.find(['{', '}']) else {
                words.push_str(rest);
                self.at = self.text.len();
                keep(&mut pieces, words);
                return Ok((pieces, Stop::Over));
            };
            words.push_str(&rest[..next]);
            self.at += next;
            let rest = &rest[next..];
            if let Some(brace) = ["{{", "}}"].iter().find(|it| rest.starts_with(**it)) {
                words.push_str(&brace[1..]);
                self.at += 2;
                continue;
            }
            if rest.starts_with('}') {
                words.push('}');
                self.at += 1;
                continue;
            }
            keep(&mut pieces, std::mem::take(&mut words));
            let at = self.at;
            match self.sign()? {
                "else" => return Ok((pieces, Stop::Else(at))),
                "end" => return Ok((pieces, Stop::End(at))),
                sign => match sign.strip_prefix("if ") {
                    Some(name) => {
                        let filled = known(name.trim(), at)?;
                        pieces.push(self.when(filled, at, depth)?);
                    }
                    None => pieces.push(Piece::Filled(known(sign, at)?)),
                },
            }
        }
    }

    /// What stands between the braces that begin here.
    fn sign(&mut self) -> Result<&str, Misread> {
        let rest = &self.text[self.at + 1..];
        let line = rest.lines().next().unwrap_or("");
        let end = line.find('}').ok_or(Misread {
            at: self.at,
            mistake: Mistake::Unclosed,
        })?;
        self.at += end + 2;
        Ok(&rest[..end])
    }

    fn when(&mut self, filled: Placeholder, at: usize, depth: usize) -> Result<Piece, Misread> {
        let fault = |mistake| Err(Misread { at, mistake });
        if depth == DEPTH_MAX {
            return fault(Mistake::TooDeep);
        }
        let (then, stop) = self.pieces(depth + 1)?;
        let (otherwise, stop) = match stop {
            Stop::Else(_) => self.pieces(depth + 1)?,
            Stop::Over | Stop::End(_) => (Vec::new(), stop),
        };
        match stop {
            Stop::End(_) => Ok(Piece::When {
                filled,
                then,
                otherwise,
            }),
            Stop::Over => fault(Mistake::Endless),
            Stop::Else(at) => Err(stray(at, "else")),
        }
    }
}

fn keep(pieces: &mut Vec<Piece>, words: String) {
    if !words.is_empty() {
        pieces.push(Piece::Words(words));
    }
}

fn known(name: &str, at: usize) -> Result<Placeholder, Misread> {
    Placeholder::of(name).ok_or_else(|| Misread {
        at,
        mistake: Mistake::UnknownPlaceholder(name.to_owned()),
    })
}
