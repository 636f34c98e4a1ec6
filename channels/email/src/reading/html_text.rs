//! The text of HTML: paragraphs as lines, quotes with `>` before them, so that quotes fold as in plain mail.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;

/// What the tokens of some HTML gave.
#[derive(Debug, Default)]
pub(super) struct HtmlText {
    pub(super) text: String,
    /// The deepest nesting of elements that are not void, as a bound for tree builders.
    pub(super) depth_max: usize,
    pub(super) is_cut: bool,
}

/// Reads HTML by its tokens alone: no tree, so nothing nests and memory stays in proportion.
pub(super) fn text_of(html: &str, text_bytes_max: usize) -> HtmlText {
    let sink = Sink(RefCell::new(Writer {
        text_bytes_max,
        ..Writer::default()
    }));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let writer = tokenizer.sink.0.into_inner();
    HtmlText {
        text: writer.out.trim_matches('\n').to_owned(),
        depth_max: writer.depth_max,
        is_cut: writer.is_cut,
    }
}

struct Sink(RefCell<Writer>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut writer = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => writer.text(&text),
            Token::TagToken(tag) => return writer.tag(&tag),
            Token::DoctypeToken(_)
            | Token::CommentToken(_)
            | Token::NullCharacterToken
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

#[derive(Default)]
struct Writer {
    out: String,
    text_bytes_max: usize,
    is_cut: bool,
    depth: usize,
    depth_max: usize,
    quotes: usize,
    /// Elements whose text is not shown, one within the other.
    hidden: usize,
    preformatted: usize,
    /// Line ends that are owed before the next text.
    owed_lines: usize,
    owes_space: bool,
    at_line_start: bool,
    /// The link that is open: its address, and where its text begins.
    link: Option<(String, usize)>,
}

impl Writer {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let kind = tag.kind;
        let is_start = kind == TagKind::StartTag;
        if !VOID.contains(&name) && !tag.self_closing {
            self.depth = step(self.depth, kind);
            self.depth_max = self.depth_max.max(self.depth);
        }
        match name {
            "script" | "style" | "title" | "noembed" | "noframes" | "xmp" | "iframe"
            | "textarea" => {
                return self.raw_text(name, kind);
            }
            "br" => self.owed_lines += 1,
            "hr" => self.rule(),
            "blockquote" => self.quote(kind),
            "a" => self.link(tag),
            "img" => self.image(tag),
            "pre" => {
                self.owe_lines(1);
                self.preformatted = step(self.preformatted, kind);
            }
            "li" if is_start => {
                self.owe_lines(1);
                self.word("- ");
            }
            "td" | "th" => self.owes_space = true,
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "table" => {
                self.owe_lines(2)
            }
            "div" | "tr" | "section" | "article" | "header" | "footer" | "li" | "dt" | "dd"
            | "center" | "body" => {
                self.owe_lines(1);
                if is_start && is_signature(tag) {
                    self.mark_signature();
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }

    /// Elements whose content is no markup; the tokenizer must be told.
    fn raw_text(&mut self, name: &str, kind: TagKind) -> TokenSinkResult<()> {
        self.hide(kind);
        if kind == TagKind::EndTag {
            return TokenSinkResult::Continue;
        }
        TokenSinkResult::RawData(match name {
            "script" => RawKind::ScriptData,
            "title" | "textarea" => RawKind::Rcdata,
            _ => RawKind::Rawtext,
        })
    }

    fn hide(&mut self, kind: TagKind) {
        self.hidden = step(self.hidden, kind);
    }

    fn quote(&mut self, kind: TagKind) {
        if !self.at_line_start {
            self.owe_lines(1);
        }
        self.flush_lines();
        self.quotes = step(self.quotes, kind);
    }

    /// A line as Outlook draws it above what it quotes.
    fn rule(&mut self) {
        self.owe_lines(1);
        self.word("________________________________");
        self.owe_lines(1);
    }

    fn link(&mut self, tag: &Tag) {
        if let Some((address, from)) = self.link.take() {
            let shown = self.out.get(from..).unwrap_or("");
            let is_told = shown.contains(address.trim_end_matches('/')) || shown.trim().is_empty();
            if !is_told {
                self.word(&format!(" <{address}>"));
            }
        }
        if tag.kind == TagKind::StartTag
            && let Some(address) = attribute(tag, "href")
            && (address.starts_with("http://") || address.starts_with("https://"))
        {
            self.link = Some((address.trim().to_owned(), self.out.len()));
        }
    }

    fn image(&mut self, tag: &Tag) {
        if let Some(text) = attribute(tag, "alt").filter(|text| !text.trim().is_empty()) {
            self.word(&format!("[{}]", text.trim()));
        }
    }

    fn mark_signature(&mut self) {
        let last = self.out.trim_end().rsplit('\n').next().unwrap_or("");
        if last.trim_start_matches(['>', ' ']) != "--" {
            self.word("-- ");
            self.owe_lines(1);
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden > 0 {
            return;
        }
        if self.preformatted > 0 {
            let mut lines = text.split('\n');
            self.word(lines.next().unwrap_or("").trim_end_matches('\r'));
            for line in lines {
                self.owed_lines += 1;
                self.word(line.trim_end_matches('\r'));
            }
            return;
        }
        for (number, word) in text
            .split(|letter: char| letter.is_whitespace() && letter != '\u{a0}')
            .enumerate()
        {
            if number > 0 {
                self.owes_space = true;
            }
            self.word(word);
        }
    }

    fn word(&mut self, word: &str) {
        // Thunderbird writes the mark into the element that says the same.
        let is_marked_twice = word == "--" && self.out.ends_with("-- ");
        if is_marked_twice {
            self.owed_lines = 0;
        }
        if word.is_empty() || self.hidden > 0 || self.is_cut || is_marked_twice {
            return;
        }
        self.flush_lines();
        if self.out.len() + word.len() > self.text_bytes_max {
            self.is_cut = true;
            return;
        }
        if self.at_line_start || self.out.is_empty() {
            self.prefix();
        } else if self.owes_space && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
        (self.owes_space, self.at_line_start) = (false, false);
        self.out.extend(
            word.chars()
                .map(|letter| if letter == '\u{a0}' { ' ' } else { letter }),
        );
    }

    fn owe_lines(&mut self, lines: usize) {
        self.owed_lines = self.owed_lines.max(lines);
    }

    /// Ends lines that are owed; at the very beginning there is nothing to end.
    fn flush_lines(&mut self) {
        let lines = std::mem::take(&mut self.owed_lines).min(LINES_MAX);
        if lines == 0 || self.out.is_empty() || self.is_cut {
            return;
        }
        for number in 0..lines {
            if number > 0 {
                self.prefix();
            }
            let is_signature_mark = self.out.ends_with("\n-- ") || self.out == "-- ";
            if !is_signature_mark {
                self.out.truncate(self.out.trim_end_matches(' ').len());
            }
            self.out.push('\n');
        }
        (self.at_line_start, self.owes_space) = (true, false);
    }

    fn prefix(&mut self) {
        for _ in 0..self.quotes.min(QUOTES_MAX) {
            self.out.push_str("> ");
        }
    }
}

fn step(count: usize, kind: TagKind) -> usize {
    match kind {
        TagKind::StartTag => count + 1,
        TagKind::EndTag => count.saturating_sub(1),
    }
}

fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    let found = tag
        .attrs
        .iter()
        .find(|attribute| &*attribute.name.local == name);
    found.map(|attribute| &*attribute.value)
}

/// Gmail, Outlook on the web and Thunderbird mark signatures in their HTML.
fn is_signature(tag: &Tag) -> bool {
    let has = |name, marks: &[&str]| {
        let value = attribute(tag, name).unwrap_or("");
        value.split_whitespace().any(|word| marks.contains(&word))
    };
    has("class", &["gmail_signature", "moz-signature"])
        || has(
            "id",
            &["Signature", "signature", "ms-outlook-mobile-signature"],
        )
}

/// Elements without an end (HTML §13.1.2).
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Empty lines in a row that are kept.
const LINES_MAX: usize = 3;
/// Quotes within quotes that are told apart.
const QUOTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(text_of(html, 10_000).text, expected, "{html}");
    }

    #[test]
    fn html_becomes_lines() {
        check(
            "<p>One&nbsp;two <b>three</b></p><p>four<br>five</p>",
            "One two three\n\nfour\nfive",
        );
        check("<ul><li>a<li>b</ul>", "- a\n- b");
        check(
            "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
            "a b\nc",
        );
        check("<pre>x\n  y</pre>", "x\n  y");
        check("<img src=x alt='Our logo'>", "[Our logo]");
    }

    #[test]
    fn what_is_not_shown_is_not_text() {
        check(
            "<head><title>t</title><style>p{}</style></head><script>alert(1)</script>hi<!-- no -->",
            "hi",
        );
        check("<script>\"<p>no</p>\"</script> x", "x");
    }

    #[test]
    fn quotes_and_signatures_are_marked_as_in_plain_mail() {
        check(
            "new<blockquote type=cite>old<br>older<blockquote>oldest</blockquote></blockquote>after",
            "new\n> old\n> older\n> > oldest\nafter",
        );
        check(
            "new<div class=\"gmail_signature\">Ann</div>",
            "new\n-- \nAnn",
        );
        check(
            "new<div class=moz-signature>-- <br>Ann</div>",
            "new\n-- \nAnn",
        );
    }

    #[test]
    fn a_link_tells_where_it_goes() {
        check(
            "<a href='https://example.com/x'>here</a>",
            "here <https://example.com/x>",
        );
        check(
            "<a href='https://example.com/'>https://example.com</a>",
            "https://example.com",
        );
    }

    #[test]
    fn depth_is_counted_without_a_tree() {
        assert_eq!(text_of(&"<div>".repeat(70_000), 10_000).depth_max, 70_000);
    }
}
