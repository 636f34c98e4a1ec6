//! The doors through which strangers' bytes come in, and what must hold behind each, whatever comes.

use super::{folder, session};
use bytes::Bytes;
use ringdown_email::authentication::{judge, results};
use ringdown_email::automatic::{Origin, OwnAddresses, ReturnPath, classify, may_answer};
use ringdown_email::composing::{Letter, LetterText, Speaker, Thread, quote};
use ringdown_email::reading::language::Language;
use ringdown_email::rules::{Facts, Standing, explain};
use ringdown_email::threading::{
    Answered, Authentication, KnownTicket, Placement, ReopenRule, ReplyToken, Sender, ThreadingKey,
    TicketHook, TicketState, clues, place_in_thread,
};
use ringdown_email::{EmailAddress, Limits, Mail, Mailbox, MessageId, read};
use ringdown_routing::ids::TicketId;
use ringdown_routing::time::Timestamp;

/// Where an input comes in: as a whole mail, as a part of one in this type, as the fields by which a mail is
/// placed, as what a client of the SMTP server says, or as what an IMAP server says to us.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    /// The input is a mail.
    Mail,
    /// The input is the body of a part.
    Part(&'static str),
    /// The input is header fields.
    Fields,
    /// The input is a session, behind two octets that say of what kind.
    Session,
    /// The input is what a server says, behind two octets that say what is asked of it.
    Folder,
}

/// All of them; whole mails are many.
pub const DOORS: [Door; 18] = [
    Door::Folder,
    Door::Session,
    Door::Fields,
    Door::Session,
    Door::Fields,
    Door::Mail,
    Door::Part("text/html; charset=utf-8"),
    Door::Mail,
    Door::Part("text/plain; format=flowed; delsp=yes"),
    Door::Mail,
    Door::Part("application/ms-tnef"),
    Door::Mail,
    Door::Part("message/delivery-status"),
    Door::Mail,
    Door::Part("text/calendar"),
    Door::Folder,
    Door::Mail,
    Door::Part("text/plain; charset=gb2312"),
];

/// Feeds an input and checks what must hold.
pub fn feed(door: Door, input: &[u8]) {
    let raw = match door {
        Door::Session => return session::feed(input),
        Door::Folder => return folder::feed(input),
        Door::Fields => {
            let body = format!("\r\n\r\n{}\r\n", marker());
            let mail = [b"From: a@example.org\r\n", input, body.as_bytes()].concat();
            return no_stranger_gets_in(&read(&Bytes::from(mail), &Limits::default()));
        }
        Door::Mail => Bytes::copy_from_slice(input),
        Door::Part(kind) => {
            let head = format!("From: a@example.org\r\nContent-Type: {kind}\r\n\r\n");
            Bytes::from([head.as_bytes(), input].concat())
        }
    };
    for limits in [Limits::default(), TIGHT] {
        let mail = read(&raw, &limits);
        passages_are_the_whole_text(&mail);
        nothing_exceeds_its_bound(&mail, &limits);
        no_script_survives(&mail);
        attachments_are_safe_to_keep(&mail);
        mail_can_be_answered(&mail);
        no_stranger_gets_in(&mail);
    }
}

/// What lies within a mail, unwrapped.
pub fn bodies_of(raw: &[u8]) -> Vec<Vec<u8>> {
    let mail = read(&Bytes::copy_from_slice(raw), &Limits::default());
    let bodies = mail
        .attachments
        .iter()
        .map(|attachment| attachment.bytes().to_vec());
    bodies.filter(|body| !body.is_empty()).collect()
}

/// Bounds that a mutated fixture meets.
const TIGHT: Limits = Limits {
    raw_bytes_max: 40_000,
    header_bytes_max: 700,
    header_fields_max: 8,
    recipients_max: 2,
    references_max: 2,
    parts_max: 3,
    depth_max: 2,
    text_bytes_max: 300,
    html_bytes_max: 500,
    html_depth_max: 5,
    tnef_bytes_max: 1_000,
    inline_image_bytes_max: 100,
};

fn passages_are_the_whole_text(mail: &Mail) {
    let mut at = 0;
    for passage in &mail.passages {
        assert_eq!(passage.range.start, at, "passages have a gap");
        at = passage.range.end;
    }
    assert_eq!(at, mail.text.len(), "passages end before the text");
    assert!(mail.text_new().len() <= mail.text.len());
}

fn nothing_exceeds_its_bound(mail: &Mail, limits: &Limits) {
    assert!(mail.text.len() <= limits.text_bytes_max);
    assert!(mail.headers.iter().count() <= limits.header_fields_max);
    assert!(mail.to.len() <= limits.recipients_max && mail.cc.len() <= limits.recipients_max);
    assert!(mail.references.len() <= limits.references_max);
    assert!(!mail.text.contains('\0') && !mail.subject.contains(['\r', '\n', '\0']));
    let html = mail.html_safe.as_ref().map_or(0, String::len);
    // Escapes and added attributes lengthen it; pictures have a bound of their own.
    assert!(
        html <= limits.html_bytes_max * 40 + 200_000,
        "{html} bytes of HTML"
    );
}

fn no_script_survives(mail: &Mail) {
    let html = mail.html_safe.as_deref().unwrap_or("");
    if let Some(danger) = danger_in(html) {
        panic!("{danger} survives in {html}");
    }
}

/// Looks at each tag of HTML as it was written out, quotes and all.
pub fn danger_in(html: &str) -> Option<String> {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (tag, behind) = tag_of(&rest[at + 1..]);
        if let Some(danger) = danger_in_tag(tag) {
            return Some(danger);
        }
        rest = behind;
    }
    None
}

/// A tag up to its end outside of quotes.
fn tag_of(text: &str) -> (&str, &str) {
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

fn danger_in_tag(tag: &str) -> Option<String> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let name = name.trim_start_matches('/').to_ascii_lowercase();
    if FORBIDDEN.contains(&name.as_str()) || name.starts_with('!') {
        return Some(format!("<{name}>"));
    }
    while let Some((attribute, behind)) = rest.split_once("=\"") {
        let (value, next) = behind.split_once('"')?;
        let attribute = attribute.trim().to_ascii_lowercase();
        let value = value.trim().to_ascii_lowercase();
        let is_bad = match attribute.as_str() {
            "href" => !["http://", "https://", "mailto:", "tel:"]
                .iter()
                .any(|start| value.starts_with(start)),
            "src" => {
                !value.starts_with("data:image/") && !value.starts_with("attachment:")
                    || value.starts_with("data:image/svg")
            }
            "style" => is_bad_style(&value),
            other => {
                other.starts_with("on")
                    || [
                        "srcset",
                        "background",
                        "srcdoc",
                        "action",
                        "formaction",
                        "id",
                        "class",
                    ]
                    .contains(&other)
            }
        };
        if is_bad {
            return Some(format!("{attribute}={value}"));
        }
        rest = next;
    }
    None
}

/// Escapes may stay: the cleaner writes `100e` as `100\65`.
fn is_bad_style(style: &str) -> bool {
    let names = style
        .split(';')
        .map(|declaration| declaration.split(':').next().unwrap_or("").trim());
    let moves = |name: &str| {
        [
            "position", "z-index", "display", "float", "margin", "behavior", "content",
        ]
        .contains(&name)
    };
    names.into_iter().any(moves)
        || ["url", "expression", "@"]
            .iter()
            .any(|sign| style.contains(sign))
}

const FORBIDDEN: [&str; 18] = [
    "script", "style", "iframe", "object", "embed", "form", "input", "button", "meta", "link",
    "base", "svg", "math", "video", "audio", "template", "noscript", "textarea",
];

fn attachments_are_safe_to_keep(mail: &Mail) {
    for attachment in &mail.attachments {
        let name = &attachment.file_name;
        assert!(!name.is_empty() && name.chars().count() <= 130, "{name:?}");
        assert!(
            !name.starts_with('.') && !name.contains(['/', '\\', '\0', '\r', '\n', '\u{202e}']),
            "{name:?}"
        );
        assert!(
            attachment.bytes().len() <= attachment.bytes_max(),
            "{name:?} is larger than said"
        );
    }
}

/// Everything that a desk does with a mail, to the letter that answers it.
fn mail_can_be_answered(mail: &Mail) {
    let desk = EmailAddress::parse("desk@example.com").expect("an address");
    let own = OwnAddresses {
        mailboxes: vec![desk.clone()],
        separator: Some('+'),
    };
    let origin = classify(mail, &ReturnPath::Unknown, &own);
    let may = may_answer(mail, &ReturnPath::Unknown, &own);
    assert!(may.is_err() || mail.from.is_some());
    let found = clues(
        mail,
        &[],
        &own,
        &TicketHook::default(),
        &ThreadingKey::new(KEY),
    );
    let sender = Sender {
        address: mail.from.as_ref().map(|from| from.email.clone()),
        organisation: None,
        authentication: Authentication::Unknown,
        origin,
    };
    let placed = place_in_thread(
        &found,
        &[],
        &sender,
        ReopenRule::default(),
        Timestamp::from_seconds(0),
    );
    assert_eq!(
        placed,
        Placement::New,
        "nothing is known, so nothing is joined"
    );
    let said = results::of_site(mail, "mx.desk.example");
    let facts = Facts {
        mail,
        mailbox: &desk,
        origin,
        standing: Standing::Unknown,
        verdict: &judge(said, None, 1),
    };
    assert!(explain(&[], &facts).is_empty());
    if let Some(to) = mail.answer_to() {
        letter_goes_to_one_and_says_who_wrote(mail, to, desk);
    }
}

/// Whatever a mail says of where it belongs: who has no part in a ticket does not get into it, and who has
/// gets into the ticket of the first clue.
fn no_stranger_gets_in(mail: &Mail) {
    let own = OwnAddresses {
        mailboxes: EmailAddress::parse("desk@example.com")
            .into_iter()
            .collect(),
        separator: Some('+'),
    };
    let found = clues(
        mail,
        &[],
        &own,
        &TicketHook::default(),
        &ThreadingKey::new(KEY),
    );
    let owner = EmailAddress::parse("owner@example.org").expect("an address");
    let known: Vec<KnownTicket> = (1..)
        .zip(&found)
        .map(|(number, clue)| KnownTicket {
            clue: clue.clone(),
            ticket: TicketId::new(number),
            state: TicketState::Open,
            people: [owner.clone()].into(),
            organisation: None,
            answered: Answered::Ours,
        })
        .collect();
    let place = |address: Option<&EmailAddress>| {
        let sender = Sender {
            address: address.cloned(),
            organisation: None,
            authentication: Authentication::Unknown,
            origin: Origin::Person,
        };
        let now = Timestamp::from_seconds(0);
        place_in_thread(&found, &known, &sender, ReopenRule::default(), now)
    };
    let stranger = mail.from.as_ref().map(|from| &from.email);
    let linked = |placed: &Placement| matches!(placed, Placement::Linked(ticket, _) if *ticket == TicketId::new(1));
    let placed = place(stranger.filter(|address| **address != owner));
    assert!(
        if found.is_empty() {
            placed == Placement::New
        } else {
            linked(&placed)
        },
        "{placed:?}"
    );
    if let Some(first) = found.first() {
        let wanted = Placement::Append(TicketId::new(1), first.clone());
        assert_eq!(place(Some(&owner)), wanted);
    }
}

/// A marker of a ticket that nobody else can write.
fn marker() -> String {
    ReplyToken::sign(TicketId::new(17), &ThreadingKey::new(KEY)).marker()
}

const KEY: &str = "key";

fn letter_goes_to_one_and_says_who_wrote(mail: &Mail, to: &Mailbox, desk: EmailAddress) {
    let quoted = quote(mail, Language::English, "2025-01-06 09:12");
    let letter = Letter {
        from: Mailbox {
            name: Some("Desk".to_owned()),
            email: desk,
        },
        to: vec![to.clone()],
        cc: Vec::new(),
        reply_to: None,
        text: LetterText {
            subject: format!("Re: {}", mail.subject),
            plain: quoted,
            html: mail.html_safe.clone().unwrap_or_default(),
        },
        message_id: MessageId::parse("x.1@example.com").expect("an id"),
        date: Timestamp::from_seconds(1_736_154_720),
        thread: Thread::answering(mail),
        speaker: Speaker::AutoReplied,
        files: Vec::new(),
    };
    // An address that no header can hold is refused; that is an answer too.
    let Ok(composed) = letter.compose() else {
        return;
    };
    let back = read(&composed.bytes, &Limits::default());
    assert_eq!(back.to.len(), 1, "{:?} became {:?}", letter.to, back.to);
    assert_eq!(back.to[0].email, to.email);
    assert!(
        !back.headers.has("Bcc") && !back.is_hostile(),
        "{:?}",
        back.faults
    );
}
