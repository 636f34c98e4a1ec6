//! One line of a client as a command (RFC 5321 §4.1, RFC 2033, RFC 3030, RFC 3207).

use super::path::{Address, parse_path};
use super::reply::Reply;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// EHLO, with the name the client gives itself.
    Ehlo(String),
    /// HELO.
    Helo(String),
    /// LHLO.
    Lhlo(String),
    /// STARTTLS.
    StartTls,
    /// MAIL FROM.
    Mail(Mail),
    /// RCPT TO; `None` is the null path, which is no recipient.
    Rcpt(Option<Address>),
    /// DATA.
    Data,
    /// BDAT.
    Bdat {
        /// Octets that follow.
        bytes: u64,
        /// Whether the mail ends with them.
        is_last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY.
    Verify,
    /// HELP.
    Help,
    /// A command of the standards that we do not have: AUTH, EXPN, ETRN, TURN.
    NotOurs,
}

/// What MAIL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    /// The sender; `None` is the null path of a bounce.
    pub(super) from: Option<Address>,
    /// How large the client says the mail is.
    pub(super) bytes: Option<u64>,
    /// Whether SMTPUTF8 was asked for.
    pub(super) is_utf8: bool,
}

/// Reads a line without its CR LF.
pub(super) fn parse(line: &[u8]) -> Result<Command, Reply> {
    let Ok(line) = std::str::from_utf8(line) else {
        return Err(Reply::new(500, "5.5.2", "The line is not UTF-8"));
    };
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Reply::new(
            500,
            "5.5.2",
            "The line holds control characters",
        ));
    }
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let alone = |command| {
        if rest.is_empty() {
            Ok(command)
        } else {
            Err(syntax("This command takes nothing behind it"))
        }
    };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => greeting(rest).map(Command::Ehlo),
        "HELO" => greeting(rest).map(Command::Helo),
        "LHLO" => greeting(rest).map(Command::Lhlo),
        "STARTTLS" => alone(Command::StartTls),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => alone(Command::Data),
        "BDAT" => bdat(rest),
        "RSET" => alone(Command::Rset),
        "NOOP" => Ok(Command::Noop),
        "QUIT" => alone(Command::Quit),
        "VRFY" => Ok(Command::Verify),
        "HELP" => Ok(Command::Help),
        "AUTH" | "EXPN" | "ETRN" | "TURN" | "ATRN" => Ok(Command::NotOurs),
        _ => Err(Reply::new(500, "5.5.1", "There is no such command")),
    }
}

fn syntax(text: &'static str) -> Reply {
    Reply::new(501, "5.5.4", text)
}

/// The name is logged and traced, never believed.
fn greeting(name: &str) -> Result<String, Reply> {
    let is_name = !name.is_empty() && name.len() <= 255 && !name.contains(char::is_whitespace);
    is_name
        .then(|| name.to_owned())
        .ok_or_else(|| syntax("Your name is missing"))
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let rest = after(rest, "FROM:").ok_or_else(|| syntax("Write MAIL FROM:<address>"))?;
    let path =
        parse_path(rest).map_err(|_| Reply::new(553, "5.1.7", "The sender is not an address"))?;
    let mut mail = Mail {
        from: path.address,
        bytes: None,
        is_utf8: false,
    };
    for parameter in path.parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.to_ascii_uppercase().as_str(), value) {
            ("SIZE", value) => {
                let bytes = value.parse().map_err(|_| syntax("SIZE is a number"))?;
                mail.bytes = Some(bytes);
            }
            ("BODY", value)
                if ["7BIT", "8BITMIME"]
                    .iter()
                    .any(|kind| value.eq_ignore_ascii_case(kind)) => {}
            ("SMTPUTF8", "") => mail.is_utf8 = true,
            _ => return Err(unknown_parameter()),
        }
    }
    if !mail.is_utf8 && mail.from.as_ref().is_some_and(|from| !from.is_ascii()) {
        return Err(needs_utf8());
    }
    Ok(Command::Mail(mail))
}

fn rcpt(rest: &str) -> Result<Command, Reply> {
    let rest = after(rest, "TO:").ok_or_else(|| syntax("Write RCPT TO:<address>"))?;
    let path = parse_path(rest)
        .map_err(|_| Reply::new(553, "5.1.3", "The recipient is not an address"))?;
    if !path.parameters.is_empty() {
        return Err(unknown_parameter());
    }
    Ok(Command::Rcpt(path.address))
}

/// RFC 3030 §2.
fn bdat(rest: &str) -> Result<Command, Reply> {
    let mut words = rest.split_ascii_whitespace();
    let bytes = words.next().and_then(|word| word.parse().ok());
    let is_last = match words.next() {
        None => Some(false),
        Some(word) if word.eq_ignore_ascii_case("LAST") => Some(true),
        Some(_) => None,
    };
    match (bytes, is_last, words.next()) {
        (Some(bytes), Some(is_last), None) => Ok(Command::Bdat { bytes, is_last }),
        (_, _, _) => Err(syntax("Write BDAT octets, or BDAT octets LAST")),
    }
}

/// What stands behind a keyword that may be in any case.
fn after<'l>(text: &'l str, keyword: &str) -> Option<&'l str> {
    let head = text.get(..keyword.len())?;
    head.eq_ignore_ascii_case(keyword)
        .then(|| &text[keyword.len()..])
}

/// RFC 5321 §4.1.1.11.
fn unknown_parameter() -> Reply {
    Reply::new(555, "5.5.4", "A parameter is not known here")
}

/// RFC 6531 §3.5.
pub(super) fn needs_utf8() -> Reply {
    Reply::new(553, "5.6.7", "This address needs SMTPUTF8 at MAIL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_case() {
        let ehlo = Command::Ehlo("a.example".to_owned());
        assert_eq!(parse(b"ehlo a.example"), Ok(ehlo));
        let bdat = |bytes, is_last| Ok(Command::Bdat { bytes, is_last });
        assert_eq!(parse(b"BDAT 0 last"), bdat(0, true));
        assert_eq!(parse(b"bdat 12"), bdat(12, false));
        assert_eq!(parse(b"NOOP anything at all"), Ok(Command::Noop));
        let told = parse(b"mail from:<> size=100 body=8bitmime SMTPUTF8");
        let mail = Mail {
            from: None,
            bytes: Some(100),
            is_utf8: true,
        };
        assert_eq!(told, Ok(Command::Mail(mail)));
    }

    #[test]
    fn wrong_lines_are_told_their_code() {
        let check = |line: &str, code: u16| {
            let told = parse(line.as_bytes()).expect_err(line);
            assert_eq!(told.code(), code, "{line}");
        };
        check("", 500);
        check("GET / HTTP/1.1", 500);
        check("EHLO", 501);
        check("DATA now", 501);
        check("MAIL anna@example.org", 501);
        check("MAIL FROM:anna@example.org", 553);
        check("MAIL FROM:<anna@example.org> SIZE=many", 501);
        check("MAIL FROM:<anna@example.org> BODY=BINARYMIME", 555);
        check("MAIL FROM:<anna@example.org> AUTH=<>", 555);
        check("MAIL FROM:<安娜@example.org>", 553);
        check("RCPT TO:<help@desk.example> NOTIFY=NEVER", 555);
        check("BDAT", 501);
        check("BDAT -1", 501);
        check("BDAT 1 2", 501);
        check("BDAT 1 LAST LAST", 501);
        check("NOOP\u{0}", 500);
        assert!(parse(b"EHLO \xff\xfe").is_err());
    }
}
