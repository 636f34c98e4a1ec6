//! Names of attachments that are safe to show, to store and to hand to a browser.

use super::mail::Fault;

/// Letters of a name that are kept.
const NAME_CHARS_MAX: usize = 120;

/// Endings that start a program when somebody clicks.
const PROGRAMS: [&str; 17] = [
    "exe", "com", "scr", "bat", "cmd", "pif", "js", "jse", "vbs", "vbe", "wsf", "hta", "lnk",
    "msi", "ps1", "jar", "iso",
];

/// A safe name made of what a stranger calls a file; the fault says that the name meant to deceive.
pub(super) fn safe(name: &str, fallback: &str) -> (String, Option<Fault>) {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let clean: String = last
        .chars()
        .filter(|letter| !letter.is_control() && !is_invisible(*letter))
        .map(|letter| {
            if "<>:\"|?*".contains(letter) {
                '_'
            } else {
                letter
            }
        })
        .collect();
    let clean = clean
        .trim()
        .trim_start_matches('.')
        .trim_end_matches(['.', ' ']);
    let is_deceiving = name.contains(['/', '\\'])
        || name
            .chars()
            .any(|letter| is_invisible(letter) || letter == '\0')
        || has_hidden_program(clean);
    let clean = if clean.is_empty() {
        fallback.to_owned()
    } else {
        shortened(clean)
    };
    let name = if is_device(&clean) {
        format!("_{clean}")
    } else {
        clean
    };
    (name, is_deceiving.then_some(Fault::NameUnsafe))
}

/// A name for a part that has none, by its type.
pub(super) fn for_type(content_type: &str, number: usize) -> String {
    let ending = match content_type {
        "message/rfc822" | "message/global" => "eml",
        "text/plain" => "txt",
        "text/html" => "html",
        "text/calendar" | "application/ics" => "ics",
        "text/rfc822-headers" | "message/delivery-status" => "txt",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "application/pdf" => "pdf",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "p7m",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        "application/pgp-signature" => "asc",
        _ => "bin",
    };
    format!("attachment-{number}.{ending}")
}

/// Letters that turn text round or are not seen, so that `exe.fdp` shows as `pdf.exe`.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

/// `invoice.pdf.exe`, or many spaces before the ending.
fn has_hidden_program(name: &str) -> bool {
    let mut endings = name.rsplit('.');
    let last = endings.next().unwrap_or("").to_ascii_lowercase();
    let before = endings.next().unwrap_or("");
    let looks_like_ending = (2..=4).contains(&before.len())
        && before.chars().all(|letter| letter.is_ascii_alphanumeric());
    PROGRAMS.contains(&last.as_str())
        && (looks_like_ending && name.matches('.').count() >= 2 || before.ends_with("   "))
}

/// Keeps the ending, which says how to open the file.
fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let ending: String = ending.chars().take(10).collect();
    let stem: String = stem.chars().take(NAME_CHARS_MAX - 11).collect();
    format!("{stem}.{ending}")
}

/// Names that Windows keeps for devices.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or("").to_ascii_lowercase();
    let numbered = ["com", "lpt"].iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|number| {
            number.len() == 1 && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    });
    numbered || ["con", "prn", "aux", "nul"].contains(&stem.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str, deceives: Option<Fault>) {
        assert_eq!(
            safe(name, "attachment-1.bin"),
            (expected.to_owned(), deceives),
            "{name}"
        );
    }

    #[test]
    fn names_are_kept_where_they_are_honest() {
        check("report.pdf", "report.pdf", None);
        check("報價單 2025.xlsx", "報價單 2025.xlsx", None);
        check("a.tar.gz", "a.tar.gz", None);
        check("", "attachment-1.bin", None);
        check("con.txt", "_con.txt", None);
        check("what?.txt", "what_.txt", None);
    }

    #[test]
    fn names_that_deceive_are_disarmed_and_told() {
        check("../../etc/passwd", "passwd", Some(Fault::NameUnsafe));
        check("C:\\Users\\me\\x.doc", "x.doc", Some(Fault::NameUnsafe));
        check(
            "invoice.pdf.exe",
            "invoice.pdf.exe",
            Some(Fault::NameUnsafe),
        );
        check("a\u{202e}fdp.exe", "afdp.exe", Some(Fault::NameUnsafe));
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let (name, _) = safe(&format!("{}.pdf", "長".repeat(400)), "");
        assert!(name.ends_with(".pdf") && name.chars().count() <= NAME_CHARS_MAX);
    }
}
