//! Divides a text into what is new, what is quoted and what is signature. Nothing is thrown away: the
//! passages together are the text.
//!
//! Clients agree on little, so this goes by lines: `>`, the line that introduces a quote, the block of fields
//! that Outlook puts above it, "-- ", and the phrases of [`super::phrases`]. Where it is in doubt a line is new,
//! for a line too many costs a glance and a line lost costs an answer.

use super::mail::{Passage, PassageKind};
use super::phrases;
use std::ops::Range;

/// Divides `text`; the passages follow each other without gap, and neighbours differ in kind. The author's name
/// on a line of its own begins a signature.
pub(super) fn fold(text: &str, author: Option<&str>) -> Vec<Passage> {
    let lines = Line::all(text);
    let mut kinds = vec![PassageKind::New; lines.len()];
    let quoted_from = mark_quotes(&lines, &mut kinds);
    let author = author
        .map(str::to_lowercase)
        .filter(|author| author.chars().count() >= 2);
    mark_signatures(&lines, &mut kinds, author.as_deref());
    if is_all_folded(&lines, &kinds) && quoted_from.is_some_and(|from| is_forward(&lines[from..])) {
        // Nothing but a forwarded mail: that mail is what the sender wants read.
        kinds.fill(PassageKind::New);
    }
    give_blank_lines_to_neighbours(&lines, &mut kinds);
    join(&lines, &kinds)
}

struct Line<'a> {
    range: Range<usize>,
    /// Without the line end and outer spaces.
    text: &'a str,
    /// The same in small letters without the stars of bold text, as phrases are compared.
    plain: String,
}

impl<'a> Line<'a> {
    fn all(text: &'a str) -> Vec<Self> {
        let mut at = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let range = at..at + line.len();
            at = range.end;
            Self {
                range,
                text: line.trim(),
                plain: line
                    .trim()
                    .replace(['*', '\u{200e}', '\u{200f}'], "")
                    .to_lowercase(),
            }
        });
        lines.collect()
    }

    fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    fn is_quoted(&self) -> bool {
        self.text.starts_with('>') || self.text.starts_with('＞')
    }

    fn is_short(&self) -> bool {
        self.text.chars().count() <= 80
    }

    /// A line drawn with one sign.
    fn is_rule(&self) -> bool {
        let mut signs = self.text.chars();
        let Some(first) = signs.next() else {
            return false;
        };
        "-_=*~━─＝―－＊+#".contains(first)
            && self.text.chars().count() >= 5
            && signs.all(|sign| sign == first)
    }

    /// "-----Original Message-----" and its like.
    fn is_original(&self) -> bool {
        let words = self
            .plain
            .trim_matches(|sign: char| "-_= ─━—".contains(sign));
        let has_dashes = words.len() < self.plain.len();
        phrases::ORIGINAL.iter().any(|phrase| {
            words == *phrase
                || has_dashes
                    && words
                        .strip_prefix(phrase)
                        .is_some_and(|rest| rest.starts_with(" by ") || rest.is_empty())
        })
    }

    /// The name of the field when the line is "Field: value" as above a quoted mail.
    fn field(&self) -> Option<&str> {
        let (name, _) = self.plain.split_once([':', '：'])?;
        let name = name.trim();
        (name.chars().count() <= 14).then_some(name)
    }

    fn is_one_of(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.plain.starts_with(phrase))
    }
}

/// Marks what is quoted; says where everything from some line on is.
fn mark_quotes(lines: &[Line<'_>], kinds: &mut [PassageKind]) -> Option<usize> {
    let mut at = 0;
    while at < lines.len() {
        if begins_the_rest(lines, at) {
            let from = with_rule_above(lines, at);
            kinds[from..].fill(PassageKind::Quote);
            return Some(from);
        }
        if lines[at].is_quoted() {
            kinds[at] = PassageKind::Quote;
            at += 1;
            continue;
        }
        let Some(length) = attribution_length(&lines[at..]) else {
            at += 1;
            continue;
        };
        let next = lines[at + length..].iter().find(|line| !line.is_blank());
        kinds[at..at + length].fill(PassageKind::Quote);
        if next.is_some_and(|line| !line.is_quoted()) {
            // Clients that quote without `>` put everything below.
            kinds[at..].fill(PassageKind::Quote);
            return Some(at);
        }
        at += length;
    }
    None
}

/// Whether everything from this line on was said before.
fn begins_the_rest(lines: &[Line<'_>], at: usize) -> bool {
    lines[at].is_original()
        || lines[at].text.starts_with(phrases::ANSWER_ABOVE)
        || is_field_block(&lines[at..])
}

/// A sender field and two more fields within the next lines.
fn is_field_block(lines: &[Line<'_>]) -> bool {
    let is_field =
        |line: &Line<'_>, names: &[&str]| line.field().is_some_and(|field| names.contains(&field));
    let Some(first) = lines.first() else {
        return false;
    };
    let rest = &lines[1..lines.len().min(FIELD_BLOCK_LINES_MAX)];
    let others = |names| rest.iter().filter(|line| is_field(line, names)).count();
    if is_field(first, phrases::FROM_FIELDS) {
        return others(phrases::OTHER_FIELDS) >= 2;
    }
    // Apple Mail and Thunderbird may begin with the subject or the date.
    let begins_otherwise = is_field(
        first,
        &[
            "subject", "betreff", "objet", "asunto", "主旨", "主题", "件名", "date",
        ],
    );
    begins_otherwise && others(phrases::FROM_FIELDS) >= 1 && others(phrases::OTHER_FIELDS) >= 1
}

/// Lines of a field block that are looked at; long To fields wrap.
const FIELD_BLOCK_LINES_MAX: usize = 9;

/// Outlook draws a rule above the fields.
fn with_rule_above(lines: &[Line<'_>], at: usize) -> usize {
    let above = lines[..at].iter().rposition(|line| !line.is_blank());
    above.filter(|above| lines[*above].is_rule()).unwrap_or(at)
}

/// How many lines introduce the quote that follows: "On Monday, Ann <ann@example.com> wrote:" may wrap.
fn attribution_length(lines: &[Line<'_>]) -> Option<usize> {
    let mut joined = String::new();
    for (number, line) in lines.iter().take(ATTRIBUTION_LINES_MAX).enumerate() {
        if line.is_blank() || line.is_quoted() {
            return None;
        }
        joined.push_str(if number > 0 { " " } else { "" });
        joined.push_str(&line.plain);
        let next = lines[number + 1..].iter().find(|line| !line.is_blank());
        // What wraps begins as such lines do; otherwise a line of the answer would go with it.
        let begins = |line: &Line<'_>| {
            phrases::ATTRIBUTIONS
                .iter()
                .any(|(start, _)| line.plain.starts_with(start))
        };
        let may_wrap = number == 0 || begins(&lines[0]) && !lines[1..=number].iter().any(begins);
        if may_wrap && is_attribution(&joined, next) {
            return Some(number + 1);
        }
    }
    None
}

const ATTRIBUTION_LINES_MAX: usize = 4;

fn is_attribution(line: &str, next: Option<&Line<'_>>) -> bool {
    if line.chars().count() > 300 {
        return false;
    }
    let has_digits = line.bytes().filter(u8::is_ascii_digit).count() >= 2;
    let has_address = line.contains('@');
    let is_quote_next = next.is_some_and(Line::is_quoted);
    let is_known = phrases::ATTRIBUTIONS.iter().any(|(start, verb)| {
        line.starts_with(start) && line.contains(verb) && line.ends_with([':', '：'])
    });
    let ends_known = phrases::ATTRIBUTION_ENDS
        .iter()
        .any(|end| line.ends_with(end));
    // Gmail in Japanese and others: date, name and address in brackets, a colon.
    let is_date_and_address =
        has_address && has_digits && (line.ends_with(">:") || line.ends_with(">："));
    is_known && (has_digits || has_address)
        || ends_known && (has_digits || has_address || is_quote_next)
        || is_date_and_address
        || is_quote_next && has_digits && has_address && line.ends_with([':', '：'])
}

fn mark_signatures(lines: &[Line<'_>], kinds: &mut [PassageKind], author: Option<&str>) {
    let mut at = 0;
    while at < lines.len() {
        if kinds[at] != PassageKind::New {
            at += 1;
            continue;
        }
        let end = kinds[at..]
            .iter()
            .position(|kind| *kind != PassageKind::New);
        let end = end.map_or(lines.len(), |length| at + length);
        if let Some(from) = signature_start(&lines[at..end], author) {
            kinds[at + from..end].fill(PassageKind::Signature);
        }
        at = end;
    }
}

/// Where the signature of a stretch of new lines begins.
fn signature_start(lines: &[Line<'_>], author: Option<&str>) -> Option<usize> {
    let by_mark = lines
        .iter()
        .position(|line| line.text == "--" || line.text == "-- ");
    if let Some(at) = by_mark
        && lines.len() - at <= SIGNATURE_LINES_MAX
    {
        return Some(at);
    }
    let tail = lines.len().saturating_sub(CLOSING_LINES_MAX);
    let in_tail = |is_one: &dyn Fn(usize) -> bool| (tail..lines.len()).find(|at| is_one(*at));
    let starts = [
        in_tail(&|at| lines[at].is_one_of(phrases::DEVICES) && lines[at].text.chars().count() < 80),
        in_tail(&|at| lines[at].is_one_of(phrases::DISCLAIMERS)),
        in_tail(&|at| is_closing(&lines[at..])),
        in_tail(&|at| {
            at > 0
                && Some(lines[at].plain.as_str()) == author
                && lines[at..].iter().all(Line::is_short)
        }),
        in_tail(&|at| lines[at].is_rule() && is_card(&lines[at + 1..])),
    ];
    let start = starts.into_iter().flatten().min()?;
    Some(start)
}

/// Lines that a signature may have below its mark.
const SIGNATURE_LINES_MAX: usize = 25;
/// Lines at the end of new text among which a closing is looked for.
const CLOSING_LINES_MAX: usize = 14;

/// "Kind regards," and short lines below it.
fn is_closing(lines: &[Line<'_>]) -> bool {
    let Some((first, rest)) = lines.split_first() else {
        return false;
    };
    let words = first
        .plain
        .trim_end_matches([',', '.', '!', '，', '。', '、', ' ']);
    let is_phrase = phrases::CLOSINGS.iter().any(|phrase| {
        // "王小明 敬上": the name stands on the same line.
        words == *phrase
            || *phrase == "敬上" && words.ends_with(phrase) && words.chars().count() <= 16
    });
    is_phrase && rest.iter().all(Line::is_short)
}

/// Short lines with an address, a telephone number or a firm: a visiting card below a rule.
fn is_card(lines: &[Line<'_>]) -> bool {
    let is_short = lines.iter().all(|line| line.text.chars().count() <= 70);
    let has_reach = lines.iter().any(|line| {
        let digits = line.text.chars().filter(char::is_ascii_digit).count();
        line.text.contains('@')
            || digits >= 8
            || line.plain.starts_with("tel")
            || line.plain.starts_with("http")
    });
    is_short && has_reach
}

fn is_all_folded(lines: &[Line<'_>], kinds: &[PassageKind]) -> bool {
    let mut both = lines.iter().zip(kinds);
    both.all(|(line, kind)| *kind != PassageKind::New || line.is_blank())
}

fn is_forward(lines: &[Line<'_>]) -> bool {
    let announces = |line: &Line<'_>| {
        phrases::FORWARDED
            .iter()
            .any(|word| line.plain.contains(word))
    };
    let first = lines
        .iter()
        .find(|line| !line.is_blank() && !line.is_rule());
    first.is_some_and(|line| {
        line.is_original() && announces(line) || is_field_block(lines) || line.field().is_some()
    })
}

/// Blank lines belong to what is above them, so that no passage is blank alone.
fn give_blank_lines_to_neighbours(lines: &[Line<'_>], kinds: &mut [PassageKind]) {
    let Some(first) = lines.iter().position(|line| !line.is_blank()) else {
        return;
    };
    let mut last = kinds[first];
    for (line, kind) in lines.iter().zip(kinds) {
        if line.is_blank() {
            *kind = last;
        }
        last = *kind;
    }
}

fn join(lines: &[Line<'_>], kinds: &[PassageKind]) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    for (line, kind) in lines.iter().zip(kinds) {
        match passages.last_mut() {
            Some(last) if last.kind == *kind => last.range.end = line.range.end,
            Some(_) | None => passages.push(Passage {
                kind: *kind,
                range: line.range.clone(),
            }),
        }
    }
    passages
}

#[cfg(test)]
mod tests {
    use super::*;

    /// New text, quotes and signatures, each joined and trimmed.
    fn parts(text: &str) -> [String; 3] {
        [PassageKind::New, PassageKind::Quote, PassageKind::Signature].map(|kind| {
            let passages = fold(text, Some("Eva Long"))
                .into_iter()
                .filter(|passage| passage.kind == kind);
            passages
                .map(|passage| &text[passage.range])
                .collect::<String>()
                .trim()
                .to_owned()
        })
    }

    fn check(new: &str, quote: &str, signature: &str, text: &str) {
        assert_eq!(parts(text), [new, quote, signature], "{text}");
    }

    #[test]
    fn each_client_introduces_its_quote() {
        for line in [
            "On Mon, Jan 6, 2025 at 9:12 AM Desk <desk@example.com> wrote:",
            "On Mon, Jan 6, 2025 at 9:12 AM Service Desk\n<desk@example.com> wrote:",
            "Am 06.01.25 um 09:12 schrieb Desk:",
            "Am Mo., 6. Jan. 2025 um 09:12 Uhr schrieb Desk <desk@example.com>:",
            "Le lun. 6 janv. 2025 à 09:12, Desk <desk@example.com> a écrit :",
            "El lun, 6 ene 2025 a las 9:12, Desk (<desk@example.com>) escribió:",
            "Desk <desk@example.com> 於 2025年1月6日 週一 上午9:12寫道：",
            "Desk <desk@example.com> 于2025年1月6日周一 09:12写道：",
            "2025年1月6日(月) 9:12 Desk <desk@example.com>:",
        ] {
            check(
                "new",
                &format!("{line}\n\n> old\n> older"),
                "",
                &format!("new\n\n{line}\n\n> old\n> older\n"),
            );
        }
    }

    #[test]
    fn each_outlook_puts_fields_above_what_it_quotes() {
        for block in [
            "From: Desk <desk@example.com>\nSent: Monday, 6 January 2025 09:12\nTo: Ann\nSubject: [RD#1] Printer",
            "-----Original Message-----\nFrom: Desk\nSent: Monday\nTo: Ann\nSubject: x",
            "Von: Desk <desk@example.com>\nGesendet: Montag, 6. Januar 2025 09:12\nAn: Ann\nBetreff: Drucker",
            "De : Desk <desk@example.com>\nEnvoyé : lundi 6 janvier 2025 09:12\nÀ : Ann\nObjet : Imprimante",
            "De: Desk\nEnviado el: lunes, 6 de enero de 2025 9:12\nPara: Ann\nAsunto: Impresora",
            "________________________________\n寄件者: Desk <desk@example.com>\n寄件日期: 2025年1月6日 上午 09:12\n收件者: Ann\n主旨: 印表機",
            "发件人: Desk <desk@example.com>\n发送时间: 2025年1月6日 9:12\n收件人: Ann\n主题: 打印机",
            "差出人: Desk <desk@example.com>\n送信日時: 2025年1月6日 9:12\n宛先: Ann\n件名: プリンター",
        ] {
            check(
                "new",
                &format!("{block}\n\nold"),
                "",
                &format!("new\n\n{block}\n\nold\n"),
            );
        }
    }

    #[test]
    fn answers_between_the_quoted_lines_stay_new() {
        check(
            "first answer\n\nsecond answer",
            "> one\n> two",
            "",
            "> one\nfirst answer\n\n> two\nsecond answer\n",
        );
    }

    #[test]
    fn signatures_are_folded() {
        check(
            "new",
            "",
            "-- \nAnn\nExample Ltd",
            "new\n-- \nAnn\nExample Ltd\n",
        );
        check(
            "new",
            "",
            "Sent from my iPhone",
            "new\n\nSent from my iPhone\n",
        );
        check(
            "new",
            "",
            "Mit freundlichen Grüßen\n\nAnn Muster",
            "new\n\nMit freundlichen Grüßen\n\nAnn Muster\n",
        );
        check(
            "new",
            "",
            "Eva Long\n+1 555 0100",
            "new\n\nEva Long\n+1 555 0100\n",
        );
        check("電腦壞了", "", "王小明 敬上", "電腦壞了\n\n王小明 敬上\n");
        check(
            "動きません",
            "",
            "----------------------\n山田太郎\nTEL: 03-1234-5678",
            "動きません\n\n----------------------\n山田太郎\nTEL: 03-1234-5678\n",
        );
    }

    #[test]
    fn a_mail_that_is_only_forwarded_is_read_whole() {
        let text = "---------- Forwarded message ---------\nFrom: Bob <bob@example.com>\nDate: Mon\nSubject: x\n\nPlease help.\n";
        assert_eq!(parts(text)[0], text.trim());
        assert_eq!(parts(&format!("See below.\n\n{text}"))[0], "See below.");
    }

    #[test]
    fn an_answer_of_nothing_but_a_quote_is_empty() {
        check(
            "",
            "On 6 Jan 2025, Desk wrote:\n> old",
            "",
            "On 6 Jan 2025, Desk wrote:\n> old\n",
        );
    }

    #[test]
    fn prose_is_not_taken_for_anything_else() {
        for text in [
            "From: where do I get a printer?\nThanks",
            "On my way home I saw 2 errors.\nThe log wrote:\nfailure 7",
            "Regards the printer: it is broken.\nPlease come.",
            "a -- b\n-----\nc",
        ] {
            check(text, "", "", text);
        }
    }
}
