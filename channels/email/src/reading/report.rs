//! Reports of machines: what was not delivered (RFC 3464), what was seen (RFC 8098), who complained (RFC 5965).

use super::charset;
use super::heads::one_line;
use crate::address::{EmailAddress, MessageId};
use serde::{Deserialize, Serialize};

/// What a machine reports. Anybody can write one: believe it only of a mail that was sent, to that recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// What became of a mail on its way.
    Delivery(DeliveryReport),
    /// What somebody, or his program, did with a mail.
    Disposition(DispositionReport),
    /// Somebody pressed "this is spam".
    Complaint(Option<MessageId>),
}

impl Report {
    /// The mail that is reported on.
    pub fn original(&self) -> Option<&MessageId> {
        match self {
            Self::Delivery(report) => report.original.as_ref(),
            Self::Disposition(report) => report.original.as_ref(),
            Self::Complaint(original) => original.as_ref(),
        }
    }

    /// Takes the Message-ID from the mail that lies beside the report, where the report itself has none.
    pub(super) fn set_original(&mut self, id: Option<MessageId>) {
        let original = match self {
            Self::Delivery(report) => &mut report.original,
            Self::Disposition(report) => &mut report.original,
            Self::Complaint(original) => original,
        };
        if original.is_none() {
            *original = id;
        }
    }
}

/// A delivery status notification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// Message-ID of the mail it is about.
    pub original: Option<MessageId>,
    /// What became of it for each recipient.
    pub recipients: Vec<RecipientReport>,
}

/// What became of a mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientReport {
    /// The recipient that was written to, as far as the report tells; else the final one.
    pub address: EmailAddress,
    /// What was done.
    pub action: DeliveryAction,
    /// Status code, as `5.1.1` (RFC 3463); `None` where the report has none.
    pub status: Option<String>,
    /// What the other side said, cut to one line.
    pub diagnostic: Option<String>,
}

impl RecipientReport {
    /// Whether the address will not work tomorrow either: class 5 but for full boxes, size and policy
    /// (RFC 3463 §3.3, §3.4, §3.8).
    pub fn is_permanent(&self) -> bool {
        let status = self.status.as_deref().unwrap_or("5.0.0");
        let is_about_the_mail = ["5.2.2", "5.2.3", "5.3.4", "5.6.", "5.7."];
        self.action == DeliveryAction::Failed
            && status.starts_with('5')
            && !is_about_the_mail
                .iter()
                .any(|prefix| status.starts_with(prefix))
    }
}

/// RFC 3464 §2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryAction {
    /// It did not arrive and will not.
    Failed,
    /// It is still tried.
    Delayed,
    /// It arrived, went on to a system without reports, or to several.
    Delivered,
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispositionReport {
    /// Message-ID of the mail it is about.
    pub original: Option<MessageId>,
    /// Disposition type, as `displayed` or `deleted`.
    pub disposition: String,
}

/// Reads the fields of `message/delivery-status`; `None` when no recipient is told of.
pub(super) fn read_delivery(body: &[u8]) -> Option<DeliveryReport> {
    let text = charset::decode(body, Some("utf-8")).0.replace("\r\n", "\n");
    let mut report = DeliveryReport::default();
    for block in text.split("\n\n").take(BLOCKS_MAX) {
        let fields = Fields::read(block);
        let address = ["original-recipient", "final-recipient"]
            .iter()
            .filter_map(|name| fields.get(name))
            .find_map(typed_address);
        let (Some(address), Some(action)) = (address, fields.get("action")) else {
            continue;
        };
        report.recipients.push(RecipientReport {
            address,
            action: match action.to_ascii_lowercase().as_str() {
                "failed" => DeliveryAction::Failed,
                "delayed" => DeliveryAction::Delayed,
                _ => DeliveryAction::Delivered,
            },
            status: fields.get("status").and_then(status_code),
            diagnostic: fields.get("diagnostic-code").map(shortened),
        });
    }
    (!report.recipients.is_empty()).then_some(report)
}

/// Reads the fields of `message/disposition-notification`.
pub(super) fn read_disposition(body: &[u8]) -> Option<DispositionReport> {
    let text = charset::decode(body, Some("utf-8")).0;
    let fields = Fields::read(&text);
    let disposition = fields.get("disposition")?;
    let kind = disposition.rsplit(';').next().unwrap_or(disposition);
    Some(DispositionReport {
        original: fields.get("original-message-id").and_then(MessageId::parse),
        disposition: kind.trim().to_ascii_lowercase(),
    })
}

/// The Message-ID in a header that somebody quotes.
pub(super) fn original_id(header: &[u8]) -> Option<MessageId> {
    let text = charset::decode(&header[..header.len().min(HEADER_BYTES_MAX)], Some("utf-8")).0;
    Fields::read(&text)
        .get("message-id")
        .and_then(MessageId::parse)
}

/// A bounce in a mailer's own words, as qmail, Exim and old Exchange write it: addresses and reasons in the
/// text, the returned mail below it.
pub(super) fn read_prose(text: &str, failed: impl Iterator<Item = EmailAddress>) -> DeliveryReport {
    let status = text
        .split(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
        .find_map(status_code);
    let named: Vec<EmailAddress> = failed.collect();
    let in_text = text.lines().filter_map(|line| {
        let line = line.trim();
        let inner = line
            .strip_prefix('<')
            .and_then(|rest| rest.split('>').next())
            .unwrap_or(line);
        EmailAddress::parse(inner.trim_end_matches(':'))
    });
    let addresses = if named.is_empty() {
        in_text.take(BLOCKS_MAX).collect()
    } else {
        named
    };
    let recipients = addresses.into_iter().map(|address| RecipientReport {
        address,
        action: DeliveryAction::Failed,
        status: status.clone(),
        diagnostic: None,
    });
    DeliveryReport {
        original: original_id_in(text),
        recipients: recipients.collect(),
    }
}

fn original_id_in(text: &str) -> Option<MessageId> {
    let mut ids = text.lines().filter_map(|line| {
        let (name, value) = line.trim_start_matches(['>', ' ', '|']).split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("message-id")
            .then_some(value)
    });
    ids.find_map(MessageId::parse)
}

/// `rfc822; ann@example.com`, also with the type that RFC 6533 adds.
fn typed_address(value: &str) -> Option<EmailAddress> {
    let address = value.split_once(';').map_or(value, |(_, address)| address);
    EmailAddress::parse(address.trim().trim_matches(['<', '>']))
}

/// RFC 3463 §2: class, subject, detail.
fn status_code(value: &str) -> Option<String> {
    let code = value.split_whitespace().next()?.trim_matches('.');
    let mut numbers = code.split('.');
    let is_class = matches!(numbers.next()?, "2" | "4" | "5");
    let mut rest = 0;
    for number in numbers {
        if number.is_empty()
            || number.len() > 3
            || !number.bytes().all(|digit| digit.is_ascii_digit())
        {
            return None;
        }
        rest += 1;
    }
    (is_class && rest == 2).then(|| code.to_owned())
}

fn shortened(value: &str) -> String {
    let text = value.split_once(';').map_or(value, |(_, text)| text);
    one_line(text).chars().take(DIAGNOSTIC_CHARS_MAX).collect()
}

/// Header-like fields of a report, unfolded.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(block: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in block.lines().take(LINES_MAX) {
            let is_continued = line.starts_with([' ', '\t']);
            match (is_continued, fields.last_mut(), line.split_once(':')) {
                (true, Some((_, value)), _) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                (false, _, Some((name, value))) => {
                    fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
                (true, None, _) | (false, _, None) => {}
            }
        }
        Self(fields)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Recipients of one report that are read.
const BLOCKS_MAX: usize = 200;
/// Lines of one block that are read.
const LINES_MAX: usize = 500;
/// Letters of a diagnostic that are kept.
const DIAGNOSTIC_CHARS_MAX: usize = 300;
/// Bytes of a quoted header that are looked at.
const HEADER_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_three_numbers() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(status_code(text).as_deref(), expected, "{text}")
        };
        check("5.1.1", Some("5.1.1"));
        check("4.4.7 (delivery time expired)", Some("4.4.7"));
        check("192.0.2.1", None);
        check("5.1", None);
        check("3.1.1", None);
    }

    #[test]
    fn an_address_is_given_up_only_for_what_will_not_mend() {
        let check = |action, status: &str, expected| {
            let report = RecipientReport {
                address: EmailAddress::parse("a@example.com").unwrap(),
                action,
                status: Some(status.to_owned()),
                diagnostic: None,
            };
            assert_eq!(report.is_permanent(), expected, "{status}");
        };
        check(DeliveryAction::Failed, "5.1.1", true);
        check(DeliveryAction::Failed, "5.2.2", false);
        check(DeliveryAction::Failed, "5.7.1", false);
        check(DeliveryAction::Failed, "4.4.7", false);
        check(DeliveryAction::Delayed, "5.1.1", false);
    }
}
