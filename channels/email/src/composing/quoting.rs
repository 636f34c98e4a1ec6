//! Quotes what is answered.

use crate::reading::language::Language;
use crate::reading::mail::Mail;

/// What a mail says, quoted below its introduction. `date` is for people, in their time zone. Its own quotes
/// stay out: everybody has them, and threads would grow without end.
pub fn quote(mail: &Mail, language: Language, date: &str) -> String {
    let who = mail
        .from
        .as_ref()
        .map(|from| from.name.clone().unwrap_or_else(|| from.email.to_unicode()));
    let who = who.unwrap_or_default();
    let head = match language {
        Language::ChineseTraditional => format!("{who} 於 {date} 寫道："),
        Language::ChineseSimplified => format!("{who} 于 {date} 写道："),
        Language::German => format!("Am {date} schrieb {who}:"),
        Language::French => format!("Le {date}, {who} a écrit :"),
        Language::Spanish => format!("El {date}, {who} escribió:"),
        Language::Japanese => format!("{date} {who}さんは書きました:"),
        Language::English | Language::Korean => format!("On {date}, {who} wrote:"),
    };
    let text = mail.text_new();
    let mut quoted = head;
    for line in text.lines().take(LINES_MAX) {
        quoted.push_str(if line.starts_with('>') || line.is_empty() {
            "\n>"
        } else {
            "\n> "
        });
        quoted.push_str(line);
    }
    if text.lines().nth(LINES_MAX).is_some() {
        quoted.push_str("\n> […]");
    }
    quoted
}

/// Lines that are quoted.
const LINES_MAX: usize = 200;
