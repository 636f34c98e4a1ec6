//! Templates: a subject line, an empty line, a text with `{placeholders}`. The HTML is made of the same text,
//! so that the two never differ; what is filled in is escaped there.

use super::LetterText;
use crate::reading::html_safe;
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
    /// `{site}`: the desk's name.
    pub site: String,
    /// `{queue}`: the line it waits in.
    pub queue: String,
    /// `{link}`: where to say how it went.
    pub link: String,
    /// `{marker}`: above which to answer.
    pub marker: String,
    /// `{quote}`: what is answered.
    pub quote: String,
}

impl Fill {
    fn get(&self, placeholder: Placeholder) -> &str {
        match placeholder {
            Placeholder::Number => &self.number,
            Placeholder::Mark => &self.mark,
            Placeholder::Subject => &self.subject,
            Placeholder::Name => &self.name,
            Placeholder::Body => &self.body,
            Placeholder::Signature => &self.signature,
            Placeholder::Site => &self.site,
            Placeholder::Queue => &self.queue,
            Placeholder::Link => &self.link,
            Placeholder::Marker => &self.marker,
            Placeholder::Quote => &self.quote,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Number,
    Mark,
    Subject,
    Name,
    Body,
    Signature,
    Site,
    Queue,
    Link,
    Marker,
    Quote,
}

const PLACEHOLDERS: [(&str, Placeholder); 11] = [
    ("number", Placeholder::Number),
    ("mark", Placeholder::Mark),
    ("subject", Placeholder::Subject),
    ("name", Placeholder::Name),
    ("body", Placeholder::Body),
    ("signature", Placeholder::Signature),
    ("site", Placeholder::Site),
    ("queue", Placeholder::Queue),
    ("link", Placeholder::Link),
    ("marker", Placeholder::Marker),
    ("quote", Placeholder::Quote),
];

/// A template, read and found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    subject: Vec<Piece>,
    text: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Filled(Placeholder),
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// It does not begin with its subject.
    #[error("a template begins with `Subject: ` and an empty line")]
    NoSubject,
    /// It names a placeholder that there is not.
    #[error("there is no placeholder `{{{0}}}`")]
    UnknownPlaceholder(String),
    /// A brace is open to the end of its line.
    #[error("a `{{` is not closed on its line")]
    Unclosed,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").ok_or(TemplateFault::NoSubject)?;
        let subject = head
            .strip_prefix("Subject:")
            .ok_or(TemplateFault::NoSubject)?;
        Ok(Self {
            subject: pieces(subject.trim())?,
            text: pieces(body.trim_end())?,
        })
    }

    /// Fills it.
    pub fn fill(&self, fill: &Fill) -> LetterText {
        let subject = filled(&self.subject, fill);
        let plain = without_empty_ends(&filled(&self.text, fill));
        LetterText {
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            html: html_of(&plain),
            plain,
        }
    }

    /// Fills it with a body that its writer made as HTML as well, which is safe already.
    pub fn fill_with_html(&self, fill: &Fill, html: &str) -> LetterText {
        let marked = Fill {
            body: BODY_MARK.to_owned(),
            ..fill.clone()
        };
        let around = self.fill(&marked).html;
        let paragraph = format!("<p>{BODY_MARK}</p>");
        let mark = if around.contains(&paragraph) {
            paragraph.as_str()
        } else {
            BODY_MARK
        };
        LetterText {
            html: around.replacen(mark, html, 1),
            ..self.fill(fill)
        }
    }
}

/// Where the body stands while the HTML around it is made; private use, so that nobody writes it.
const BODY_MARK: &str = "\u{f8ff}body\u{f8ff}";

fn pieces(text: &str) -> Result<Vec<Piece>, TemplateFault> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((words, behind)) = rest.split_once('{') {
        pieces.push(Piece::Words(words.to_owned()));
        let (name, after) = behind.split_once('}').ok_or(TemplateFault::Unclosed)?;
        if name.contains('\n') {
            return Err(TemplateFault::Unclosed);
        }
        let found = PLACEHOLDERS.iter().find(|(own, _)| *own == name);
        let (_, placeholder) =
            found.ok_or_else(|| TemplateFault::UnknownPlaceholder(name.to_owned()))?;
        pieces.push(Piece::Filled(*placeholder));
        rest = after;
    }
    pieces.push(Piece::Words(rest.to_owned()));
    Ok(pieces)
}

/// One pass: what is filled in is never looked at for placeholders again.
fn filled(pieces: &[Piece], fill: &Fill) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Words(words) => words.as_str(),
        Piece::Filled(placeholder) => fill.get(*placeholder),
    });
    texts.collect()
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

/// Paragraphs, quotes as such, addresses as links.
fn html_of(plain: &str) -> String {
    let mut html = String::from("<!DOCTYPE html>\n<html><body>\n");
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
    html.push_str("</body></html>\n");
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
