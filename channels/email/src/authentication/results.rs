//! `Authentication-Results` (RFC 8601): what a mail server of the site, or a sealer on the way, says it found.
//!
//! Only the field of the server with the configured name counts; from anybody else it is no better than From.
//! Comments and quoted texts may hold what the sender wrote, so nothing in them is read.

use super::{Finding, Method, Outcome, Witness, is_same_organisation};
use crate::reading::mail::Mail;

/// Most results of one field that are read.
const RESULTS_MAX: usize = 50;

/// What the server with this name says, in the first of its fields: servers put theirs on top.
pub fn of_site(mail: &Mail, authserv_id: &str) -> Vec<Finding> {
    let author = mail.from.as_ref().map_or("", |from| from.email.domain());
    let mut fields = mail.headers.get_all("Authentication-Results");
    let said = fields.find_map(|field| {
        let field = without_comments(field);
        let (server, results) = field.split_once(';')?;
        // A version may stand behind the name (RFC 8601 §2.2).
        let name = server.split_ascii_whitespace().next()?;
        name.eq_ignore_ascii_case(authserv_id)
            .then(|| results.to_owned())
    });
    said.map_or_else(Vec::new, |results| read(&results, author, &Witness::Site))
}

/// What a sealer says in `ARC-Authentication-Results` (RFC 8617 §4.1.1), whose first part is the instance. That the
/// chain before it was whole says nothing of the author: anybody may have sealed there whatever they liked.
pub fn of_sealer(field: &str, author: &str, sealer: &str) -> Vec<Finding> {
    let field = without_comments(field);
    let mut parts = field.splitn(3, ';');
    let (_instance, _server, results) = (parts.next(), parts.next(), parts.next());
    let by = Witness::Sealer(sealer.to_owned());
    let mut found = read(results.unwrap_or(""), author, &by);
    found.retain(|finding| finding.method != Method::Arc);
    found
}

fn read(results: &str, author: &str, by: &Witness) -> Vec<Finding> {
    let found = results.split(';').take(RESULTS_MAX);
    found
        .filter_map(|result| {
            let mut words = result.split_ascii_whitespace();
            let (method, outcome) = words.next()?.split_once('=')?;
            // A version may stand behind the method, too.
            let method = match method.split('/').next()?.to_ascii_lowercase().as_str() {
                "spf" => Method::Spf,
                "dkim" => Method::Dkim,
                "dmarc" => Method::Dmarc,
                "arc" => Method::Arc,
                _ => return None,
            };
            let properties = words.filter_map(|word| word.split_once('='));
            let properties: Vec<(&str, &str)> = properties.collect();
            let value = |wanted: &[&str]| {
                let mut named = properties.iter();
                let found = named.find(|(name, _)| {
                    wanted
                        .iter()
                        .any(|wanted| name.eq_ignore_ascii_case(wanted))
                });
                found.map(|(_, value)| *value)
            };
            let about = match method {
                Method::Spf => value(&["smtp.mailfrom", "smtp.mfrom"]),
                Method::Dkim => value(&["header.d"]).or_else(|| value(&["header.i"])),
                Method::Dmarc => value(&["header.from"]).or(Some(author)),
                Method::Arc => value(&["header.d"]),
            };
            let domain = about.and_then(|about| about.rsplit('@').next());
            let outcome = Outcome::of_word(outcome);
            Some(Finding {
                method,
                outcome,
                is_aligned: domain.is_some_and(|domain| is_same_organisation(domain, author)),
                domain: domain.map(str::to_ascii_lowercase),
                by: by.clone(),
                reason: told(result, by),
            })
        })
        .collect()
}

fn told(result: &str, by: &Witness) -> String {
    let words: Vec<&str> = result.split_ascii_whitespace().collect();
    let said: String = words.join(" ").chars().take(REASON_CHARS_MAX).collect();
    match by {
        Witness::Ours => said,
        Witness::Site => format!("a mail server of the site says {said}"),
        Witness::Sealer(domain) => format!("{domain} sealed {said}"),
    }
}

/// A field without its comments, and its quoted texts without what would part or name something.
fn without_comments(field: &str) -> String {
    let mut kept = String::with_capacity(field.len());
    let (mut depth, mut is_quoted) = (0_usize, false);
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if depth > 0 || is_quoted => {
                let _ = letters.next();
            }
            '"' if depth == 0 => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if depth > 0 && !is_quoted => {
                depth -= 1;
                kept.push(' ');
            }
            _ if depth > 0 => {}
            ';' | '=' | ' ' | '\t' if is_quoted => kept.push('_'),
            letter => kept.push(letter),
        }
    }
    kept
}

/// Letters of a reason.
const REASON_CHARS_MAX: usize = 200;
