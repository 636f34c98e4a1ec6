//! Templates: a subject line, an empty line, a text with `{placeholders}`. The HTML is made of the same text,
//! so that the two never differ, unless the template brings HTML of its own; what is filled in is escaped there.

mod pieces;

pub use pieces::Mistake;

use super::LetterText;
use crate::reading::html_safe;
use pieces::{Piece, Placeholder};
use ringdown_routing::ids::QueueId;
use std::collections::BTreeMap;

/// What a mail of the desk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A mail arrived and became a ticket.
    Acknowledgement,
    /// An agent answers.
    Answer,
    /// How far the ticket has come.
    Progress,
    /// The ticket is solved.
    Closing,
    /// How well it went.
    Satisfaction,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Acknowledgement,
        Self::Answer,
        Self::Progress,
        Self::Closing,
        Self::Satisfaction,
    ];

    /// The word for it in the names of template files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acknowledgement => "acknowledgement",
            Self::Answer => "answer",
            Self::Progress => "progress",
            Self::Closing => "closing",
            Self::Satisfaction => "satisfaction",
        }
    }

    /// The placeholder without which a letter says nothing, or hides what somebody wrote.
    fn core(self) -> Option<&'static str> {
        match self {
            Self::Acknowledgement => None,
            Self::Answer | Self::Progress | Self::Closing => Some("body"),
            Self::Satisfaction => Some("link"),
        }
    }
}

/// What stands where a template has a placeholder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fill {
    /// `{number}`: the ticket's number.
    pub number: String,
    /// `{mark}`: the number as subjects carry it.
    pub mark: String,
    /// `{subject}`: what the ticket is about, without marks and "Re:".
    pub subject: String,
    /// `{name}`: whom it is to.
    pub name: String,
    /// `{body}`: what the agent wrote.
    pub body: String,
    /// `{signature}`: the agent's name and whatever the queue adds.
    pub signature: String,
    /// `{agent}`: the agent's name.
    pub agent: String,
    /// `{site}`: the desk's name.
    pub site: String,
    /// `{queue}`: the line it waits in.
    pub queue: String,
    /// `{mailbox}`: the desk's address that speaks.
    pub mailbox: String,
    /// `{link}`: where to say how it went.
    pub link: String,
    /// `{marker}`: above which to answer.
    pub marker: String,
    /// `{quote}`: what is answered.
    pub quote: String,
}

/// A template, read and found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    subject: Vec<Piece>,
    text: Vec<Piece>,
    /// HTML of its own; made of the text when there is none.
    html: Option<Vec<Piece>>,
}

/// What is wrong with a template, and where: line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {mistake}")]
pub struct TemplateFault {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// What is wrong.
    pub mistake: Mistake,
}

impl TemplateFault {
    fn at(text: &str, at: usize, mistake: Mistake) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            mistake,
        }
    }
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let text = unix_lines(text);
        let no_subject = || TemplateFault::at(&text, 0, Mistake::NoSubject);
        let (head, body) = text.split_once("\n\n").ok_or_else(no_subject)?;
        let subject = head.strip_prefix("Subject:").ok_or_else(no_subject)?;
        let pieces = |part: &str, start: usize| {
            let misread = |it: pieces::Misread| TemplateFault::at(&text, start + it.at, it.mistake);
            pieces::read(part).map_err(misread)
        };
        Ok(Self {
            subject: pieces(subject.trim_end(), head.len() - subject.len())?,
            text: pieces(body.trim_end(), head.len() + 2)?,
            html: None,
        })
    }

    /// Gives it HTML of its own. What is filled in is escaped; `{body}` and `{quote}` are paragraphs.
    pub fn with_html(self, html: &str) -> Result<Self, TemplateFault> {
        let html = unix_lines(html);
        let misread = |it: pieces::Misread| TemplateFault::at(&html, it.at, it.mistake);
        let pieces = pieces::read(&html).map_err(misread)?;
        Ok(Self {
            html: Some(pieces),
            ..self
        })
    }

    /// Whether its text, and its HTML where it has its own, say what a letter of that kind is there to say.
    pub fn check(&self, occasion: Occasion) -> Result<(), Mistake> {
        let Some(name) = occasion.core() else {
            return Ok(());
        };
        let texts = [Some(&self.text), self.html.as_ref()];
        let says = |text: &Vec<Piece>| pieces::has(text, name);
        match texts.into_iter().flatten().all(says) {
            true => Ok(()),
            false => Err(Mistake::Lacks(name)),
        }
    }

    /// Fills it.
    pub fn fill(&self, fill: &Fill) -> LetterText {
        self.filled(fill, None)
    }

    /// Fills it with a body that its writer made as HTML as well, which is safe already.
    pub fn fill_with_html(&self, fill: &Fill, html: &str) -> LetterText {
        self.filled(fill, Some(html))
    }

    fn filled(&self, fill: &Fill, body: Option<&str>) -> LetterText {
        let plainly = |pieces: &[Piece], fill: &Fill| {
            let mut out = String::new();
            let show = |placeholder: Placeholder| placeholder.value(fill).to_owned();
            pieces::write(pieces, fill, &show, &mut out);
            out
        };
        let plain = without_empty_ends(&plainly(&self.text, fill));
        let html = match (&self.html, body) {
            (Some(html), body) => own_html(html, fill, body),
            (None, None) => html_of(&plain),
            (None, Some(body)) => {
                let marked = Fill {
                    body: BODY_MARK.to_owned(),
                    ..fill.clone()
                };
                let around = html_of(&without_empty_ends(&plainly(&self.text, &marked)));
                in_place_of_mark(&around, body)
            }
        };
        let subject = plainly(&self.subject, fill);
        LetterText {
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            plain,
            html,
        }
    }
}

impl LetterText {
    /// The same letter with something said before all else; unchanged when that is empty.
    pub fn after_notice(self, notice: &str) -> Self {
        if notice.is_empty() {
            return self;
        }
        Self {
            plain: format!("{notice}\n\n{}", self.plain),
            html: format!("{}{}", html_of(notice), self.html),
            ..self
        }
    }
}

/// As editors of other systems leave it: a mark at the beginning, CR LF.
fn unix_lines(text: &str) -> String {
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n")
}

fn own_html(html: &[Piece], fill: &Fill, body: Option<&str>) -> String {
    let show = |placeholder: Placeholder| match (placeholder, body) {
        (Placeholder::Body, Some(body)) => body.to_owned(),
        (Placeholder::Body | Placeholder::Quote, _) => paragraphs(placeholder.value(fill)),
        (_, _) => html_safe::inline(placeholder.value(fill).trim_end()),
    };
    let mut out = String::new();
    pieces::write(html, fill, &show, &mut out);
    out
}

/// Where the body stands while the HTML around it is made; private use, so that nobody writes it.
const BODY_MARK: &str = "\u{f8ff}body\u{f8ff}";

fn in_place_of_mark(around: &str, html: &str) -> String {
    let paragraph = format!("<p>{BODY_MARK}</p>");
    let mark = if around.contains(&paragraph) {
        paragraph.as_str()
    } else {
        BODY_MARK
    };
    around.replacen(mark, html, 1)
}

/// What is not filled leaves no hole: never more than one empty line, none at the end.
fn without_empty_ends(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn html_of(plain: &str) -> String {
    let inner = paragraphs(plain);
    format!("<!DOCTYPE html>\n<html><body>\n{inner}</body></html>\n")
}

/// Paragraphs, quotes as such, addresses as links.
fn paragraphs(plain: &str) -> String {
    let mut html = String::new();
    if plain.trim().is_empty() {
        return html;
    }
    for paragraph in plain.trim_end().split("\n\n") {
        let is_quote = |line: &&str| line.starts_with('>');
        let (said, quoted): (Vec<&str>, Vec<&str>) =
            paragraph.lines().partition(|line| !is_quote(line));
        if !said.is_empty() {
            html.push_str(&linked(&html_safe::of_text(&said.join("\n"))));
            html.push('\n');
        }
        if !quoted.is_empty() {
            let inner: Vec<&str> = quoted.iter().map(|line| line[1..].trim_start()).collect();
            html.push_str("<blockquote type=\"cite\">");
            html.push_str(&html_safe::of_text(&inner.join("\n")));
            html.push_str("</blockquote>\n");
        }
    }
    html
}

/// Makes links of `https://` addresses in escaped text.
fn linked(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("https://") {
        out.push_str(&rest[..at]);
        let address = &rest[at..];
        let end = address
            .find(|letter: char| letter.is_whitespace() || "<>\"".contains(letter))
            .unwrap_or(address.len());
        let end = ["&quot;", "&lt;", "&gt;"]
            .iter()
            .filter_map(|sign| address[..end].find(sign))
            .min()
            .unwrap_or(end);
        let address = address[..end].trim_end_matches(['.', ',', ')', '。', '，']);
        out.push_str(&format!("<a href=\"{address}\">{address}</a>"));
        rest = &rest[at + address.len()..];
    }
    out.push_str(rest);
    out
}

/// The templates of a desk, by queue and language.
#[derive(Debug, Clone)]
pub struct Templates {
    by_place: BTreeMap<(Option<QueueId>, String, Occasion), Template>,
    language: String,
}

impl Templates {
    /// The templates that come with the desk; `language` is the site's, for people whose own is not known.
    pub fn new(language: &str) -> Self {
        let mut templates = Self {
            by_place: BTreeMap::new(),
            language: language.to_owned(),
        };
        for (language, occasion, text) in BUILT_IN {
            let template = Template::parse(text).expect("a test reads each of them");
            templates.set(None, language, occasion, template);
        }
        templates
    }

    /// Puts a template in the place of another, for one queue or, with `None`, for all.
    pub fn set(
        &mut self,
        queue: Option<QueueId>,
        language: &str,
        occasion: Occasion,
        template: Template,
    ) {
        self.by_place
            .insert((queue, language.to_ascii_lowercase(), occasion), template);
    }

    /// The template for a place: the queue's own before the desk's, the language itself before its kin
    /// (`de` for `de-AT`), the site's language and English where there is none.
    pub fn get(&self, queue: Option<&QueueId>, language: &str, occasion: Occasion) -> &Template {
        let kin = |language: &str| language.split('-').next().unwrap_or(language).to_owned();
        let languages = [
            language.to_owned(),
            kin(language),
            self.language.clone(),
            kin(&self.language),
            "en".to_owned(),
        ];
        let queues = [queue.cloned(), None];
        let places = languages.iter().flat_map(|language| {
            let place = move |queue: &Option<QueueId>| {
                (queue.clone(), language.to_ascii_lowercase(), occasion)
            };
            queues.iter().map(place)
        });
        let mut found = places
            .into_iter()
            .filter_map(|place| self.by_place.get(&place));
        found
            .next()
            .expect("English is built in for every occasion")
    }
}

const BUILT_IN: [(&str, Occasion, &str); 10] = [
    (
        "en",
        Occasion::Acknowledgement,
        include_str!("../../templates/en/acknowledgement.txt"),
    ),
    (
        "en",
        Occasion::Answer,
        include_str!("../../templates/en/answer.txt"),
    ),
    (
        "en",
        Occasion::Progress,
        include_str!("../../templates/en/progress.txt"),
    ),
    (
        "en",
        Occasion::Closing,
        include_str!("../../templates/en/closing.txt"),
    ),
    (
        "en",
        Occasion::Satisfaction,
        include_str!("../../templates/en/satisfaction.txt"),
    ),
    (
        "zh-TW",
        Occasion::Acknowledgement,
        include_str!("../../templates/zh-TW/acknowledgement.txt"),
    ),
    (
        "zh-TW",
        Occasion::Answer,
        include_str!("../../templates/zh-TW/answer.txt"),
    ),
    (
        "zh-TW",
        Occasion::Progress,
        include_str!("../../templates/zh-TW/progress.txt"),
    ),
    (
        "zh-TW",
        Occasion::Closing,
        include_str!("../../templates/zh-TW/closing.txt"),
    ),
    (
        "zh-TW",
        Occasion::Satisfaction,
        include_str!("../../templates/zh-TW/satisfaction.txt"),
    ),
];
