//! Chooses among the parts: what is text, what is HTML, what is attached (RFC 2046 §5.1).

use super::attachment::Attachment;
use super::heads::{Disposition, PartHead};
use super::mail::{Fault, Limits};
use super::report::{self, Report};
use super::skeleton::Part;
use super::{charset, flowed, html_safe, html_text, tnef, transfer};
use bytes::Bytes;

/// What the parts give.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Pieces of the text in their order.
    pieces: Vec<Piece>,
    has_text: bool,
    pub(super) attachments: Vec<Attachment>,
    pub(super) report: Option<Report>,
}

/// One piece of the text, in one or both of its forms.
#[derive(Debug, Default)]
struct Piece {
    plain: Option<String>,
    html: Option<String>,
}

/// The body as text and HTML.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) html_safe: Option<String>,
    pub(super) remote_loads: usize,
}

/// Walks the parts of a mail and gathers its body.
pub(super) fn gather(
    raw: &Bytes,
    parts: &[Part],
    limits: &Limits,
    faults: &mut Vec<Fault>,
) -> Body {
    let mut walk = Walk {
        raw,
        parts,
        limits,
        faults,
        body: Body::default(),
    };
    if !parts.is_empty() {
        let piece = walk.part(0, Place::Text);
        walk.body.pieces.extend(piece);
    }
    walk.body
}

impl Body {
    /// Puts the pieces together.
    pub(super) fn render(
        self,
        limits: &Limits,
        faults: &mut Vec<Fault>,
    ) -> (Rendered, Vec<Attachment>, Option<Report>) {
        let has_html = self.pieces.iter().any(|piece| piece.html.is_some());
        let (mut texts, mut html) = (Vec::new(), String::new());
        let mut is_unfit = false;
        for piece in &self.pieces {
            let read = piece
                .html
                .as_deref()
                .map(|html| html_text::text_of(html, limits.text_bytes_max));
            let html_bytes = html.len() + piece.html.as_ref().map_or(0, String::len);
            is_unfit |= html_bytes > limits.html_bytes_max;
            is_unfit |= read
                .as_ref()
                .is_some_and(|read| read.depth_max > limits.html_depth_max);
            let plain = piece
                .plain
                .as_deref()
                .filter(|plain| !plain.trim().is_empty());
            let text = match (plain, read) {
                (Some(plain), _) => plain.to_owned(),
                (None, Some(read)) => {
                    faults.extend(read.is_cut.then_some(Fault::TextTooLong));
                    read.text
                }
                (None, None) => continue,
            };
            if has_html && !is_unfit {
                html.push_str(
                    &piece
                        .html
                        .clone()
                        .unwrap_or_else(|| html_safe::of_text(&text)),
                );
            }
            texts.push(text);
        }
        let mut rendered = Rendered {
            text: joined(texts, limits, faults),
            ..Rendered::default()
        };
        if is_unfit {
            faults.push(Fault::HtmlUnfit);
            rendered.html_safe = Some(html_safe::of_text(&rendered.text));
        } else if has_html {
            let safe =
                html_safe::make_safe(&html, &self.attachments, limits.inline_image_bytes_max);
            rendered.html_safe = Some(safe.html);
            rendered.remote_loads = safe.remote_loads;
        }
        (rendered, self.attachments, self.report)
    }
}

fn joined(texts: Vec<String>, limits: &Limits, faults: &mut Vec<Fault>) -> String {
    let mut text = super::without_controls(&texts.join("\n\n"));
    if text.len() > limits.text_bytes_max {
        faults.push(Fault::TextTooLong);
        text.truncate(super::beginning_of(&text, limits.text_bytes_max).len());
    }
    text
}

/// What a part is asked to be by those around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attached,
}

struct Walk<'a> {
    raw: &'a Bytes,
    parts: &'a [Part],
    limits: &'a Limits,
    faults: &'a mut Vec<Fault>,
    body: Body,
}

impl Walk<'_> {
    /// Takes a part; what it gives to the text comes back. As deep as [`Limits::depth_max`] at most.
    fn part(&mut self, number: usize, place: Place) -> Vec<Piece> {
        let part = &self.parts[number];
        if !part.is_multipart {
            return self.leaf(number, place).into_iter().collect();
        }
        let first_child = number + 1;
        let children: Vec<usize> = (first_child..self.parts.len())
            .filter(|child| self.parts[*child].parent == Some(number))
            .collect();
        match part.head.subkind.as_str() {
            "alternative" => self.alternative(&children, place),
            "related" => self.related(&part.head, &children, place),
            _ => children
                .into_iter()
                .flat_map(|child| self.part(child, place))
                .collect(),
        }
    }

    /// The forms of one text; the last of each kind is the best (RFC 2046 §5.1.4).
    fn alternative(&mut self, children: &[usize], place: Place) -> Vec<Piece> {
        let mut best = Piece::default();
        for child in children {
            for piece in self.part(*child, place) {
                best.html = piece.html.or(best.html);
                best.plain = piece
                    .plain
                    .filter(|plain| !plain.trim().is_empty())
                    .or(best.plain);
            }
        }
        let is_empty = best.plain.is_none() && best.html.is_none();
        if is_empty { Vec::new() } else { vec![best] }
    }

    /// A text and what it shows (RFC 2387): `start` names the text, else it is the first.
    fn related(&mut self, head: &PartHead, children: &[usize], place: Place) -> Vec<Piece> {
        let start = head
            .parameter("start")
            .map(|id| id.trim_matches(['<', '>']).to_owned());
        let is_start = |child: &&usize| {
            let id = self.parts[**child].head.content_id.as_ref();
            id.is_some_and(|id| Some(id.to_ascii_lowercase()) == start)
        };
        let root = children.iter().find(is_start).or(children.first()).copied();
        let mut pieces = Vec::new();
        for child in children {
            let place = if Some(*child) == root {
                place
            } else {
                Place::Attached
            };
            pieces.extend(self.part(*child, place));
        }
        pieces
    }

    fn leaf(&mut self, number: usize, place: Place) -> Option<Piece> {
        let part = &self.parts[number];
        let head = &part.head;
        let body = self.raw.slice(part.body.clone());
        let is_text = head.kind == "text"
            && matches!(head.subkind.as_str(), "plain" | "html" | "enriched" | "")
            || head.kind == "multipart";
        let is_named =
            head.file_name.is_some() && head.disposition != Disposition::Inline && number > 0;
        let is_file = head.disposition == Disposition::Attachment || is_named;
        if place == Place::Text && is_text && !is_file {
            self.body.has_text = true;
            return Some(self.text(head, &body));
        }
        self.read_report(head, &body);
        if is_tnef(head) {
            let fits = transfer::bytes_max(body.len(), head.encoding) <= self.limits.tnef_bytes_max;
            let opened = fits.then(|| tnef::open(&transfer::decode(&body, head.encoding).0));
            match opened.flatten() {
                Some(opened) => return self.take_tnef(opened),
                None => self.faults.push(Fault::TnefBroken),
            }
        }
        let attachment =
            Attachment::of_part(head, body, self.body.attachments.len() + 1, self.faults);
        self.body.attachments.push(attachment);
        None
    }

    fn text(&mut self, head: &PartHead, body: &Bytes) -> Piece {
        // Base64 of UTF-8 needs a third more; what is longer still is cut below in any case.
        let bytes_max = self.limits.html_bytes_max.saturating_mul(2);
        let (bytes, fault) =
            transfer::decode(&body.slice(..body.len().min(bytes_max)), head.encoding);
        self.faults.extend(fault);
        let is_html = head.subkind == "html";
        let meta = || is_html.then(|| meta_charset(&bytes)).flatten();
        let label = head.charset.clone().or_else(meta);
        let (text, fault) = charset::decode(&bytes, label.as_deref());
        self.faults.extend(fault);
        if is_html {
            return Piece {
                plain: None,
                html: Some(text),
            };
        }
        let text = match head.parameter("format") {
            Some("flowed") => flowed::unwrap(&text, flowed::Spaces::of(head.parameter("delsp"))),
            Some(_) | None => text,
        };
        Piece {
            plain: Some(text),
            html: None,
        }
    }

    /// Reports come before the mail they are about (RFC 6522 §3).
    fn read_report(&mut self, head: &PartHead, body: &Bytes) {
        let bytes = || {
            transfer::decode(
                &body.slice(..body.len().min(REPORT_BYTES_MAX)),
                head.encoding,
            )
            .0
        };
        let report = match (head.kind.as_str(), head.subkind.as_str()) {
            ("message", "delivery-status" | "global-delivery-status") => {
                let report = report::read_delivery(&bytes());
                if report.is_none() {
                    self.faults.push(Fault::ReportBroken);
                }
                Some(Report::Delivery(report.unwrap_or_default()))
            }
            ("message", "disposition-notification" | "global-disposition-notification") => {
                report::read_disposition(&bytes()).map(Report::Disposition)
            }
            ("message", "feedback-report") => Some(Report::Complaint(None)),
            ("message", "rfc822" | "global" | "global-headers") | ("text", "rfc822-headers") => {
                if let Some(report) = &mut self.body.report {
                    report.set_original(report::original_id(&bytes()));
                }
                None
            }
            _ => None,
        };
        if self.body.report.is_none() {
            self.body.report = report;
        }
    }

    fn take_tnef(&mut self, opened: tnef::Tnef) -> Option<Piece> {
        for file in opened.files {
            let number = self.body.attachments.len() + 1;
            let kind = if file.content_type.is_empty() {
                "application/octet-stream"
            } else {
                &file.content_type
            };
            let attachment = Attachment::opened(&file.name, kind, file.bytes, number, self.faults);
            self.body.attachments.push(attachment);
        }
        // Where the mail has a text of its own, that within is the same once more.
        let piece = Piece {
            plain: opened.text,
            html: opened.html,
        };
        (!self.body.has_text && (piece.plain.is_some() || piece.html.is_some())).then_some(piece)
    }
}

fn is_tnef(head: &PartHead) -> bool {
    head.is("application", "ms-tnef")
        || head.is("application", "vnd.ms-tnef")
        || head
            .file_name
            .as_deref()
            .is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
}

/// The charset that HTML names in its own head, for parts without a label.
fn meta_charset(html: &[u8]) -> Option<String> {
    let head =
        String::from_utf8_lossy(&html[..html.len().min(META_BYTES_MAX)]).to_ascii_lowercase();
    let (_, label) = head.split_once("charset=")?;
    let label = label.trim_start_matches(['"', '\'', ' ']);
    let end =
        label.find(|letter: char| !(letter.is_ascii_alphanumeric() || "-_:".contains(letter)));
    Some(label[..end.unwrap_or(label.len())].to_owned())
}

/// Bytes of HTML among which its charset is looked for, as browsers do.
const META_BYTES_MAX: usize = 1_024;
/// Bytes of a machine's report that are read.
const REPORT_BYTES_MAX: usize = 256 * 1024;
