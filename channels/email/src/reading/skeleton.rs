//! Cuts a mail into its parts by one walk over its lines, without copying any (RFC 2046 §5.1).
//!
//! `mail-parser` reads every header and undoes every encoding, but it is never given a whole tree: it would
//! hold all decoded parts at once, look for an absent boundary anew from every part, and drop messages within
//! messages by recursion. Cutting first bounds parts, depth, memory and time, whatever a stranger nests.

use super::heads::PartHead;
use super::mail::{Fault, Limits};
use std::ops::Range;

/// One part: a leaf, or a multipart with the parts that name it as parent.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) head: PartHead,
    pub(super) body: Range<usize>,
    pub(super) parent: Option<usize>,
    pub(super) is_multipart: bool,
}

/// The parts in the mail's order; the first is the mail itself.
pub(super) fn cut(raw: &[u8], limits: &Limits, faults: &mut Vec<Fault>) -> Vec<Part> {
    let mut knife = Knife {
        raw,
        limits,
        faults,
        parts: Vec::new(),
        open: Vec::new(),
        header_bytes: 0,
        leaf: None,
    };
    knife.cut();
    knife.parts
}

/// Finds where a header block ends: the range of the block, and where the body begins.
pub(super) fn header_block(raw: &[u8], start: usize) -> (Range<usize>, usize) {
    let mut at = start;
    while at < raw.len() {
        let end = line_end(raw, at);
        if is_blank(&raw[at..end]) {
            return (start..at, end);
        }
        at = end;
    }
    (start..raw.len(), raw.len())
}

struct Knife<'a> {
    raw: &'a [u8],
    limits: &'a Limits,
    faults: &'a mut Vec<Fault>,
    parts: Vec<Part>,
    /// The multiparts around this place, outermost first: which part, its boundary, its parts so far.
    open: Vec<Multipart>,
    header_bytes: usize,
    /// The leaf that is being read.
    leaf: Option<usize>,
}

struct Multipart {
    part: usize,
    boundary: Vec<u8>,
    children: usize,
}

/// A boundary line: which open multipart it belongs to.
enum Delimiter {
    Next(usize),
    Last(usize),
}

impl Knife<'_> {
    fn cut(&mut self) {
        let mut at = self.open_part(start_of_mail(self.raw));
        while at < self.raw.len() {
            let end = line_end(self.raw, at);
            let Some(delimiter) = self.delimiter(&self.raw[at..end]) else {
                at = end;
                continue;
            };
            self.end_leaf(at);
            let (Delimiter::Next(level) | Delimiter::Last(level)) = delimiter;
            self.close_above(level, at);
            if let Delimiter::Last(level) = delimiter {
                self.open.truncate(level);
                at = end;
            } else if self.parts.len() >= self.limits.parts_max
                || self.header_bytes > self.limits.header_bytes_max
            {
                self.faults.push(Fault::PartsTooMany);
                return;
            } else {
                self.open[level].children += 1;
                at = self.open_part(end);
            }
        }
        self.end_leaf(self.raw.len());
        self.close_above(0, self.raw.len());
        if let Some(outermost) = self.open.pop() {
            self.close(&outermost, self.raw.len());
        }
    }

    /// Reads the header of a part and says where its lines go on.
    fn open_part(&mut self, start: usize) -> usize {
        let (block, body) = self.part_header(start);
        self.header_bytes += block.len();
        let block =
            &self.raw[block.start..block.end.min(block.start + self.limits.header_bytes_max)];
        let parent = self.open.last().map(|multipart| multipart.part);
        // RFC 2046 §5.1.5: what lies in a digest is a mail if it says nothing else.
        let is_in_digest =
            parent.is_some_and(|parent| self.parts[parent].head.is("multipart", "digest"));
        let default = if is_in_digest {
            ("message", "rfc822")
        } else {
            ("text", "plain")
        };
        let mut head = PartHead::read(block, default);
        let part = self.parts.len();
        let mut is_multipart = head.kind == "multipart";
        if is_multipart && self.open.len() >= self.limits.depth_max {
            self.faults.push(Fault::NestingTooDeep);
            head.be("application", "octet-stream");
            is_multipart = false;
        } else if is_multipart && head.boundary.is_none() {
            self.faults.push(Fault::BoundaryMissing);
            is_multipart = false;
        }
        if is_multipart && let Some(boundary) = &head.boundary {
            self.open.push(Multipart {
                part,
                boundary: boundary.trim_end().as_bytes().to_vec(),
                children: 0,
            });
        } else {
            self.leaf = Some(part);
        }
        self.parts.push(Part {
            head,
            body: body..body,
            parent,
            is_multipart,
        });
        body
    }

    /// The header block of a part; a boundary line ends it as a blank one does.
    fn part_header(&self, start: usize) -> (Range<usize>, usize) {
        let mut at = start;
        while at < self.raw.len() {
            let end = line_end(self.raw, at);
            if is_blank(&self.raw[at..end]) {
                return (start..at, end);
            }
            if self.delimiter(&self.raw[at..end]).is_some() {
                return (start..at, at);
            }
            at = end;
        }
        (start..self.raw.len(), self.raw.len())
    }

    fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open
            .iter()
            .enumerate()
            .rev()
            .find_map(|(level, multipart)| {
                match line.strip_prefix(multipart.boundary.as_slice())? {
                    b"" => Some(Delimiter::Next(level)),
                    b"--" => Some(Delimiter::Last(level)),
                    _ => None,
                }
            })
    }

    fn end_leaf(&mut self, at: usize) {
        if let Some(leaf) = self.leaf.take() {
            let body = &mut self.parts[leaf].body;
            body.end = before_line_end(self.raw, body.start, at);
        }
    }

    /// Closes the multiparts within the one at `level`.
    fn close_above(&mut self, level: usize, at: usize) {
        while self.open.len() > level + 1
            && let Some(multipart) = self.open.pop()
        {
            self.close(&multipart, at);
        }
    }

    /// A multipart whose boundary never came is text.
    fn close(&mut self, multipart: &Multipart, at: usize) {
        if multipart.children == 0 {
            self.faults.push(Fault::BoundaryMissing);
            let part = &mut self.parts[multipart.part];
            part.is_multipart = false;
            part.body.end = before_line_end(self.raw, part.body.start, at);
        }
    }
}

/// Where the header begins: after blank lines and the line that mailbox files put before a mail.
pub(super) fn start_of_mail(raw: &[u8]) -> usize {
    let blank = raw.iter().take_while(|byte| byte.is_ascii_whitespace());
    let mut at = blank.count();
    while raw[at..].starts_with(b"From ") || raw[at..].starts_with(b">From ") {
        at = line_end(raw, at);
    }
    at
}

fn line_end(raw: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |length| at + length + 1)
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
fn before_line_end(raw: &[u8], start: usize, at: usize) -> usize {
    let body = &raw[start..at.max(start)];
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    start + body.strip_suffix(b"\r").unwrap_or(body).len()
}
