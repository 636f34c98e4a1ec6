//! Addresses as SMTP writes them: `<local@domain>` with the parameters behind (RFC 5321 §4.1.2).

use std::fmt;

/// One address: what stands before the last `@` outside quotes, and what stands behind.
///
/// The local part is kept as it was written, unquoted; the domain is in its ASCII form and lower case, so
/// that `a@bücher.example` and `a@xn--bcher-kva.example` are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: String,
    is_ascii: bool,
}

impl Address {
    /// What stands before the `@`; empty never.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`, in lower case; empty only for the bare `postmaster`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether it was written without letters beyond ASCII, which need SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// The key under which a mailbox is known: lower case, without sub-address.
    pub fn key(&self) -> String {
        let local = self.local.split('+').next().unwrap_or(&self.local);
        let local = if local.is_empty() { &self.local } else { local };
        format!("{}@{}", local.to_lowercase(), self.domain)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = self
            .local
            .chars()
            .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
        if is_plain {
            f.write_str(&self.local)?;
        } else {
            let escaped = self.local.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "\"{escaped}\"")?;
        }
        if self.domain.is_empty() {
            return Ok(());
        }
        write!(f, "@{}", self.domain)
    }
}

/// Says that a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as user@example.org")]
pub struct PathFault;

/// Reads `local@domain` without angle brackets.
pub fn parse_address(text: &str) -> Result<Address, PathFault> {
    let (local, rest) = take_local(text)?;
    let domain = rest.strip_prefix('@').ok_or(PathFault)?;
    if !is_domain(domain) || local.is_empty() || local.len() > LOCAL_BYTES_MAX {
        return Err(PathFault);
    }
    let ascii = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(domain).map_err(|_| PathFault)?
    };
    Ok(Address {
        local,
        domain: ascii,
        is_ascii: text.is_ascii(),
    })
}

/// A path and the parameters behind it. `None` is the null path `<>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path<'l> {
    pub(super) address: Option<Address>,
    pub(super) parameters: &'l str,
}

/// Reads what follows `FROM:` or `TO:`. A source route (`<@a,@b:user@c>`) is read and ignored, as
/// RFC 5321 §4.1.1.3 lets us; `<postmaster>` needs no domain (§4.5.1).
pub(super) fn parse_path(text: &str) -> Result<Path<'_>, PathFault> {
    // Old clients put a blank behind the colon, which RFC 5321 §3.3 does not allow and all take.
    let inner = text.trim_start().strip_prefix('<').ok_or(PathFault)?;
    let end = end_of_path(inner).ok_or(PathFault)?;
    let (path, parameters) = (&inner[..end], &inner[end + 1..]);
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(PathFault);
    }
    let parameters = parameters.trim();
    if path.is_empty() {
        return Ok(Path {
            address: None,
            parameters,
        });
    }
    let address = match path.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or(PathFault)?.1,
        None => path,
    };
    let address = if address.eq_ignore_ascii_case("postmaster") {
        Address {
            local: "postmaster".to_owned(),
            domain: String::new(),
            is_ascii: true,
        }
    } else {
        parse_address(address)?
    };
    Ok(Path {
        address: Some(address),
        parameters,
    })
}

/// Where the `>` stands that ends the path: not one inside quotes.
fn end_of_path(text: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return Some(place),
            _ => {}
        }
    }
    None
}

/// Takes the local part, unquoted, and what follows it.
fn take_local(text: &str) -> Result<(String, &str), PathFault> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('@').ok_or(PathFault)?;
        let (local, rest) = text.split_at(end);
        let is_dot_atom = local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_letter));
        return if is_dot_atom {
            Ok((local.to_owned(), rest))
        } else {
            Err(PathFault)
        };
    };
    let (mut local, mut is_escaped) = (String::new(), false);
    for (place, letter) in quoted.char_indices() {
        match letter {
            _ if letter.is_control() => return Err(PathFault),
            _ if is_escaped => {
                local.push(letter);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return Ok((local, &quoted[place + 1..])),
            _ => local.push(letter),
        }
    }
    Err(PathFault)
}

/// RFC 5321 §4.1.2 `atext`, with letters beyond ASCII as RFC 6531 §3.3 adds them.
fn is_atom_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(letter)
        || (!letter.is_ascii() && !letter.is_control() && !letter.is_whitespace())
}

/// A domain name, or an address literal in brackets.
fn is_domain(domain: &str) -> bool {
    if domain.is_empty() || domain.len() > DOMAIN_BYTES_MAX {
        return false;
    }
    if let Some(literal) = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return !literal.is_empty()
            && literal
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-'));
    }
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || matches!(c, '-' | '_')
                    || (!c.is_ascii() && c.is_alphanumeric())
            })
    })
}

/// RFC 5321 §4.5.3.1.1 has 64; mailing lists that encode an address in theirs (VERP) need more.
const LOCAL_BYTES_MAX: usize = 256;

/// RFC 5321 §4.5.3.1.2.
const DOMAIN_BYTES_MAX: usize = 255;

/// RFC 1035 §2.3.4 has 63; a label beyond ASCII is longer in UTF-8.
const LABEL_BYTES_MAX: usize = 190;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: Option<&str>) {
        let told = parse_path(text)
            .ok()
            .map(|path| path.address.map_or(String::new(), |it| it.to_string()));
        assert_eq!(told.as_deref(), wanted, "{text}");
    }

    #[test]
    fn paths_are_read_as_the_standard_writes_them() {
        check("<>", Some(""));
        check("<Anna.Weber@Example.ORG>", Some("Anna.Weber@example.org"));
        check(" <anna@example.org>", Some("anna@example.org"));
        check(
            "<@relay.example,@other.example:anna@example.org>",
            Some("anna@example.org"),
        );
        check(
            "<\"anna weber\"@example.org>",
            Some("\"anna weber\"@example.org"),
        );
        check("<\"a>b\"@example.org>", Some("\"a>b\"@example.org"));
        check("<\"plain\"@example.org>", Some("plain@example.org"));
        check("<postmaster>", Some("postmaster"));
        check("<anna@[192.0.2.1]>", Some("anna@[192.0.2.1]"));
        check("<安娜@例子.中国>", Some("安娜@xn--fsqu00a.xn--fiqs8s"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in [
            "",
            "anna@example.org",
            "<anna>",
            "<anna@>",
            "<@example.org>",
            "<anna@@example.org>",
            "<an na@example.org>",
            "<anna@exa mple.org>",
            "<.anna@example.org>",
            "<anna.@example.org>",
            "<anna@example..org>",
            "<\"anna@example.org>",
            "<\"an\u{7}na\"@example.org>",
            "<anna@example.org>x",
            "<anna@example.org",
            "<anna@[]>",
        ] {
            check(wrong, None);
        }
        let long = format!("<{}@example.org>", "a".repeat(300));
        check(&long, None);
    }

    #[test]
    fn a_mailbox_is_known_without_its_sub_address() {
        let key = |text: &str| parse_address(text).unwrap().key();
        assert_eq!(key("Help+T42-abc@Desk.Example"), "help@desk.example");
        assert_eq!(key("+odd@desk.example"), "+odd@desk.example");
    }
}
