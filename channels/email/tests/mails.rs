//! Reads every mail of `fixtures/mails` and compares what is made of it with the expectation beside it.
//!
//!     UPDATE=1 cargo nextest run -p ringdown-email --test mails
//!
//! rewrites the expectations; each is a judgement, so look at the difference. The folders: `clients` (what
//! people's programs write, by language), `charsets`, `senders`, `mime`, `automatic`, `threading`, `hostile`.

use bytes::Bytes;
use ringdown_email::automatic::{Origin, OwnAddresses, ReturnPath, classify, may_answer};
use ringdown_email::reading::attachment::AttachmentKind;
use ringdown_email::reading::mail::PassageKind;
use ringdown_email::threading::{
    Answered, Authentication, Clue, KnownTicket, Placement, ReopenRule, Sender, ThreadingKey,
    TicketHook, TicketState, clues, place_in_thread,
};
use ringdown_email::{EmailAddress, Limits, Mail, MessageId, read};
use ringdown_routing::ids::{OrganisationId, TicketId};
use ringdown_routing::time::Timestamp;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The day of the fixtures.
const NOW: Timestamp = Timestamp::from_seconds(1_736_154_720);

#[test]
fn every_mail_is_read_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mails = files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mails"),
        "eml",
    );
    assert!(mails.len() >= 150, "only {} mails", mails.len());
    let mut wrong = Vec::new();
    for path in &mails {
        let raw = Bytes::from(std::fs::read(path).unwrap());
        let found = serde_json::to_string_pretty(&outcome(&raw)).unwrap() + "\n";
        let beside = path.with_extension("json");
        if update {
            std::fs::write(&beside, found).unwrap();
        } else if std::fs::read_to_string(&beside).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        mails.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_expectation_has_its_mail() {
    for path in files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mails"),
        "json",
    ) {
        assert!(
            path.with_extension("eml").exists(),
            "{} has no mail",
            path.display()
        );
    }
}

/// Everything that is made of a mail, without what is empty.
fn outcome(raw: &Bytes) -> Value {
    let mail = read(raw, &Limits::default());
    let return_path = return_path(&mail);
    let origin = classify(&mail, &return_path, &own());
    let mailbox = |mailbox: &ringdown_email::Mailbox| mailbox.to_string();
    let passages = |kind| {
        let found = mail.passages.iter().filter(|passage| passage.kind == kind);
        let text: String = found
            .map(|passage| &mail.text[passage.range.clone()])
            .collect();
        json!(shortened(text.trim()))
    };
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Number(number) => number.as_u64() == Some(0),
            Value::Bool(_) | Value::Object(_) => false,
        };
        if !is_empty {
            out.insert(name.to_owned(), value);
        }
    };
    put("from", json!(mail.from.as_ref().map(mailbox)));
    put("sender", json!(mail.sender.as_ref().map(mailbox)));
    put(
        "reply_to",
        json!(mail.reply_to.iter().map(mailbox).collect::<Vec<_>>()),
    );
    put(
        "to",
        json!(mail.to.iter().take(5).map(mailbox).collect::<Vec<_>>()),
    );
    put("cc", json!(mail.cc.iter().map(mailbox).collect::<Vec<_>>()));
    put("subject", json!(shortened(&mail.subject)));
    put("written_at", json!(mail.written_at));
    put("new", json!(shortened(&mail.text_new())));
    put("quote", passages(PassageKind::Quote));
    put("signature", passages(PassageKind::Signature));
    put("html_safe", json!(mail.html_safe.as_deref().map(shortened)));
    put("remote_loads", json!(mail.remote_loads));
    put(
        "attachments",
        json!(mail.attachments.iter().map(attachment).collect::<Vec<_>>()),
    );
    put("report", json!(mail.report));
    put("language", json!(mail.language));
    put("origin", json!(origin));
    put(
        "no_answer",
        json!(may_answer(&mail, &return_path, &own()).err()),
    );
    put("placement", json!(placement(&mail, origin)));
    put("faults", json!(mail.faults));
    Value::Object(out)
}

fn attachment(attachment: &ringdown_email::reading::attachment::Attachment) -> Value {
    let mut told = json!({"name": attachment.file_name, "type": attachment.content_type, "bytes": attachment.bytes().len()});
    if attachment.kind != AttachmentKind::File {
        told["kind"] = json!(attachment.kind);
    }
    if attachment.is_inline {
        told["inline"] = json!(true);
    }
    told
}

/// Long texts by their ends: the middle of a bomb says nothing.
fn shortened(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= 2_000 {
        return text.to_owned();
    }
    let (start, end) = (&letters[..100], &letters[letters.len() - 100..]);
    format!(
        "{}…{} letters…{}",
        start.iter().collect::<String>(),
        letters.len(),
        end.iter().collect::<String>()
    )
}

fn return_path(mail: &Mail) -> ReturnPath {
    match mail
        .headers
        .get("Return-Path")
        .map(|path| path.trim_matches(['<', '>', ' ']))
    {
        Some("") => ReturnPath::Null,
        Some(path) => EmailAddress::parse(path).map_or(ReturnPath::Unknown, ReturnPath::Address),
        None => ReturnPath::Unknown,
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

fn own() -> OwnAddresses {
    OwnAddresses {
        mailboxes: vec![address("desk@example.com")],
        separator: Some('+'),
    }
}

/// Where a mail goes in a small world: ticket 17 is open, 18 solved, 19 closed three days ago, 20 a hundred;
/// the people of example.org are on all of them, their organisation is that of acme.example.
fn placement(mail: &Mail, origin: Origin) -> Placement {
    let clues = clues(
        mail,
        &[],
        &own(),
        &TicketHook::default(),
        &ThreadingKey::new("fixture key"),
    );
    let known: Vec<KnownTicket> = clues.iter().filter_map(known).collect();
    let address = mail.from.as_ref().map(|from| from.email.clone());
    let is_acme = address
        .as_ref()
        .is_some_and(|address| address.domain() == "acme.example");
    let sender = Sender {
        address,
        organisation: is_acme.then(|| OrganisationId::from("acme")),
        authentication: match mail.headers.get("X-Fixture-Authentication") {
            Some("failed") => Authentication::Failed,
            Some(_) | None => Authentication::Unknown,
        },
        origin,
    };
    place_in_thread(&clues, &known, &sender, ReopenRule::default(), NOW)
}

fn known(clue: &Clue) -> Option<KnownTicket> {
    let (number, answered) = match clue {
        Clue::Answers(id) => message(id)?,
        Clue::SubjectNumber(number) => (number.parse().ok()?, Answered::Theirs),
        Clue::SignedAddress(ticket) | Clue::SignedMarker(ticket) => {
            (ticket.as_u64(), Answered::Ours)
        }
    };
    let day = Duration::from_secs(86_400);
    let state = match number {
        17 => TicketState::Open,
        18 => TicketState::Solved,
        19 => TicketState::Closed(NOW - day * 3),
        20 => TicketState::Closed(NOW - day * 100),
        _ => return None,
    };
    let people = ["ann", "joerg", "helene", "jose", "yamada", "ming", "wei"];
    let people = people.map(|name| address(&format!("{name}@example.org")));
    Some(KnownTicket {
        clue: clue.clone(),
        ticket: TicketId::new(number),
        state,
        people: people.into(),
        organisation: Some("acme".into()),
        answered,
    })
}

fn message(id: &MessageId) -> Option<(u64, Answered)> {
    match id.as_str() {
        "sent.17@example.com" => Some((17, Answered::Ours)),
        "sent.19@example.com" => Some((19, Answered::Ours)),
        "first.17@example.org" => Some((17, Answered::Theirs)),
        _ => None,
    }
}

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the fixtures can be read") {
            let path = entry.expect("the fixtures can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == kind) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
