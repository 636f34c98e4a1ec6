//! HTML that a desk may show: no script, no form, nothing that is fetched from elsewhere.

use super::attachment::Attachment;
use ammonia::{Builder, UrlRelative};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// HTML made safe.
#[derive(Debug)]
pub(super) struct SafeHtml {
    pub(super) html: String,
    /// What it wanted from other hosts and did not get.
    pub(super) remote_loads: usize,
}

/// Makes HTML safe. Small pictures of the mail that `cid:` names are put into it; larger ones become
/// `attachment:NUMBER`, by their place in `attachments`, for the desk to fill in.
pub(super) fn make_safe(
    html: &str,
    attachments: &[Attachment],
    image_bytes_max: usize,
) -> SafeHtml {
    let filter = Arc::new(Filter {
        pictures: pictures_of(attachments, image_bytes_max),
        bytes_left: AtomicUsize::new(INLINE_BYTES_MAX),
        remote_loads: AtomicUsize::new(0),
    });
    let asked = Arc::clone(&filter);
    let mut cleaner = cleaner();
    cleaner
        .attribute_filter(move |element, attribute, value| asked.decide(element, attribute, value));
    SafeHtml {
        html: cleaner.clean(html).to_string(),
        remote_loads: filter.remote_loads.load(Ordering::Relaxed),
    }
}

/// Escapes text for HTML and keeps its lines, as a paragraph.
pub(crate) fn of_text(text: &str) -> String {
    format!("<p>{}</p>", inline(text.trim_end()))
}

/// Escapes text for HTML and keeps its lines; it may stand in an attribute as well.
pub(crate) fn inline(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\r' => {}
            '\n' => html.push_str("<br>\n"),
            other => html.push(other),
        }
    }
    html
}

fn cleaner() -> Builder<'static> {
    let mut cleaner = Builder::empty();
    cleaner
        .tags(TAGS.into_iter().collect())
        .clean_content_tags(GONE_WITH_CONTENT.into_iter().collect())
        .generic_attributes(ATTRIBUTES.into_iter().collect())
        .tag_attributes(
            TAG_ATTRIBUTES
                .map(|(tag, names)| (tag, names.iter().copied().collect()))
                .into(),
        )
        .filter_style_properties(STYLES.into_iter().collect())
        .url_schemes(SCHEMES.into_iter().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"));
    cleaner
}

/// Decides about attributes that the lists below let through.
struct Filter {
    /// By content id in small letters.
    pictures: BTreeMap<String, Picture>,
    bytes_left: AtomicUsize,
    remote_loads: AtomicUsize,
}

struct Picture {
    /// Its place among the attachments.
    number: usize,
    /// Itself as a `data:` address, when it is small.
    inlined: Option<String>,
}

impl Filter {
    fn decide<'a>(&self, element: &str, attribute: &str, value: &'a str) -> Option<Cow<'a, str>> {
        match (element, attribute) {
            ("img", "src") => self.picture(value.trim()).map(Cow::Owned),
            (_, "href") => LINKS
                .iter()
                .any(|scheme| starts_with(value.trim(), scheme))
                .then_some(Cow::Borrowed(value)),
            (_, "style") => self.style(value).then_some(Cow::Borrowed(value)),
            _ => Some(Cow::Borrowed(value)),
        }
    }

    fn picture(&self, address: &str) -> Option<String> {
        if starts_with(address, "http:") || starts_with(address, "https:") {
            self.remote_loads.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if DATA_PICTURES
            .iter()
            .any(|start| starts_with(address, start))
        {
            return self.spend(address.len()).then(|| address.to_owned());
        }
        let id = address
            .get(..4)
            .filter(|scheme| scheme.eq_ignore_ascii_case("cid:"))
            .map(|_| &address[4..])?;
        let id = percent_decoded(id).to_lowercase();
        let picture = self.pictures.get(&id)?;
        match &picture.inlined {
            Some(data) if self.spend(data.len()) => Some(data.clone()),
            Some(_) | None => Some(format!("attachment:{}", picture.number)),
        }
    }

    /// Takes from what may be put into the HTML; a picture that is named a thousand times is there once or twice.
    fn spend(&self, bytes: usize) -> bool {
        let left = self.bytes_left.load(Ordering::Relaxed);
        if bytes <= left {
            self.bytes_left.store(left - bytes, Ordering::Relaxed);
        }
        bytes <= left
    }

    /// Whether a style fetches nothing and hides no code; escapes and comments are how such is hidden.
    fn style(&self, value: &str) -> bool {
        let small = value.to_ascii_lowercase();
        let fetches =
            small.contains("url") || small.contains("image(") || small.contains("image-set");
        if fetches {
            self.remote_loads.fetch_add(1, Ordering::Relaxed);
        }
        let hides = ["\\", "/*", "expression", "javascript", "@", "<"];
        !fetches && !hides.iter().any(|sign| small.contains(sign))
    }
}

fn pictures_of(attachments: &[Attachment], bytes_max: usize) -> BTreeMap<String, Picture> {
    let mut pictures = BTreeMap::new();
    for (number, attachment) in attachments.iter().enumerate() {
        if let Some(id) = &attachment.content_id {
            let inlined = (attachment.bytes_max() <= bytes_max + 3)
                .then(|| data_address(attachment))
                .flatten();
            pictures
                .entry(id.to_lowercase())
                .or_insert(Picture { number, inlined });
        }
    }
    pictures
}

/// A picture as a `data:` address, by what its bytes are rather than what they are called.
fn data_address(attachment: &Attachment) -> Option<String> {
    let bytes = attachment.bytes();
    let kind = match bytes.as_ref() {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xff, 0xd8, 0xff, ..] => "jpeg",
        [b'G', b'I', b'F', b'8', ..] => "gif",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => "webp",
        _ => return None,
    };
    Some(format!(
        "data:image/{kind};base64,{}",
        BASE64.encode(&bytes)
    ))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escape = behind
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            Some(_) | None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Bytes of pictures put into one mail's HTML.
const INLINE_BYTES_MAX: usize = 128 * 1024;

/// Where a link may lead.
const LINKS: [&str; 4] = ["http://", "https://", "mailto:", "tel:"];

/// `data:` addresses that hold nothing but a picture.
const DATA_PICTURES: [&str; 4] = [
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    "data:image/gif;base64,",
    "data:image/webp;base64,",
];

const SCHEMES: [&str; 6] = ["http", "https", "mailto", "tel", "cid", "data"];

const TAGS: [&str; 53] = [
    "a",
    "abbr",
    "address",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
];

/// Elements whose content is no text of the mail.
const GONE_WITH_CONTENT: [&str; 12] = [
    "script", "style", "title", "iframe", "object", "template", "noscript", "svg", "math",
    "textarea", "select", "head",
];

const ATTRIBUTES: [&str; 7] = ["style", "dir", "lang", "title", "align", "valign", "type"];

const TAG_ATTRIBUTES: [(&str, &[&str]); 9] = [
    ("a", &["href", "name"]),
    ("img", &["src", "alt", "width", "height"]),
    ("font", &["color", "size", "face"]),
    (
        "table",
        &["width", "border", "cellpadding", "cellspacing", "bgcolor"],
    ),
    ("td", &["colspan", "rowspan", "width", "bgcolor"]),
    ("th", &["colspan", "rowspan", "width", "bgcolor"]),
    ("col", &["span", "width"]),
    ("ol", &["start"]),
    ("hr", &["width", "size"]),
];

/// Properties that change how text looks and nothing else: none that moves it out of the mail or over the desk.
const STYLES: [&str; 28] = [
    "color",
    "background-color",
    "font-weight",
    "font-style",
    "font-size",
    "font-family",
    "text-align",
    "text-decoration",
    "text-indent",
    "vertical-align",
    "line-height",
    "white-space",
    "direction",
    "width",
    "max-width",
    "height",
    "border",
    "border-top",
    "border-right",
    "border-bottom",
    "border-left",
    "border-color",
    "border-style",
    "border-width",
    "border-collapse",
    "padding",
    "padding-left",
    "list-style-type",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(make_safe(html, &[], 0).html, expected, "{html}");
    }

    #[test]
    fn looks_are_kept_and_powers_are_not() {
        check(
            "<p style=\"color:red;position:fixed\">x</p>",
            "<p style=\"color:red\">x</p>",
        );
        check("<p onclick=alert(1)>x</p><script>y</script>", "<p>x</p>");
        check(
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a rel=\"noopener noreferrer nofollow\">x</a>",
        );
        check("<form action=x><input name=y>z</form>", "z");
        check(
            "<p style=\"background:url(//evil.example/x)\">x</p>",
            "<p>x</p>",
        );
    }

    #[test]
    fn nothing_is_fetched_and_that_is_counted() {
        let safe = make_safe(
            "<img src=\"https://evil.example/pixel.gif\" alt=\"\"><img src=x>",
            &[],
            0,
        );
        assert_eq!(
            (safe.html.as_str(), safe.remote_loads),
            ("<img alt=\"\"><img>", 1)
        );
    }

    #[test]
    fn text_becomes_html_without_becoming_markup() {
        assert_eq!(
            of_text("a <b> & \"c\"\nd\n"),
            "<p>a &lt;b&gt; &amp; &quot;c&quot;<br>\nd</p>"
        );
    }
}
