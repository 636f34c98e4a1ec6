//! What our mails look like, and that we read them back as what they are.

use super::*;
use crate::automatic::{Origin, OwnAddresses, classify};
use crate::reading::language::Language;
use crate::reading::mail::Limits;
use crate::threading::{ReplyToken, ThreadingKey, TicketHook};
use ringdown_routing::ids::{QueueId, TicketId};

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox {
        name: Some(name.to_owned()),
        email: EmailAddress::parse(address).unwrap(),
    }
}

fn asked() -> Mail {
    let raw = "From: =?utf-8?B?546L5bCP5piO?= <ming@example.org>\r\nTo: desk@example.com\r\n\
               Subject: RE: Printer <b>broken</b>\r\nMessage-ID: <q2@example.org>\r\nReferences: <q1@example.org>\r\n\r\n\
               It prints <script>nothing</script>.\r\n\r\n-- \r\nMing\r\n";
    crate::read(&Bytes::from(raw), &Limits::default())
}

fn fill() -> Fill {
    let mail = asked();
    Fill {
        number: "17".to_owned(),
        mark: TicketHook::default().mark("17"),
        subject: "Printer <b>broken</b>".to_owned(),
        name: "王小明".to_owned(),
        body: "Press {link} & wait <5 min>.\nSee https://help.example.com/a?b=1&c=2.".to_owned(),
        signature: "Ann".to_owned(),
        site: "Example Desk".to_owned(),
        marker: ReplyToken::sign(TicketId::new(17), &ThreadingKey::new("k")).marker(),
        quote: quote(&mail, Language::English, "2025-01-06 09:12"),
        ..Fill::default()
    }
}

fn letter(occasion: Occasion, speaker: Speaker) -> Letter {
    Letter {
        from: mailbox("Example Desk", "desk@example.com"),
        to: vec![mailbox("王小明", "ming@example.org")],
        cc: Vec::new(),
        reply_to: Some(mailbox("Example Desk", "desk+rd-17@example.com")),
        text: Templates::new("en").get(None, "en", occasion).fill(&fill()),
        message_id: MessageId::parse("a1.17@example.com").unwrap(),
        date: Timestamp::from_seconds(1_736_150_400),
        thread: Thread::answering(&asked()),
        speaker,
        files: Vec::new(),
    }
}

fn own() -> OwnAddresses {
    OwnAddresses {
        mailboxes: vec![EmailAddress::parse("else@example.net").unwrap()],
        separator: Some('+'),
    }
}

#[test]
fn an_acknowledgement_is_known_as_a_machine_by_another_desk() {
    let composed = letter(Occasion::Acknowledgement, Speaker::AutoReplied)
        .compose()
        .unwrap();
    assert_eq!(composed.return_path, ReturnPath::Null);
    let mail = crate::read(&composed.bytes, &Limits::default());
    assert_eq!(mail.faults, []);
    assert_eq!(mail.subject, "[RD#17] Printer <b>broken</b>");
    assert_eq!(
        classify(&mail, &ReturnPath::Unknown, &own()),
        Origin::AutoReply
    );
    assert_eq!(mail.message_id, MessageId::parse("a1.17@example.com"));
    assert_eq!(
        mail.in_reply_to,
        [MessageId::parse("q2@example.org").unwrap()]
    );
    let thread: Vec<&str> = mail.references.iter().map(MessageId::as_str).collect();
    assert_eq!(thread, ["q1@example.org", "q2@example.org"]);
    assert_eq!(
        mail.written_at,
        Some(Timestamp::from_seconds(1_736_150_400))
    );
    assert!(!mail.headers.has("List-Unsubscribe"));
}

#[test]
fn an_answer_says_what_the_agent_wrote_and_quotes_what_was_asked() {
    let composed = letter(Occasion::Answer, Speaker::Person).compose().unwrap();
    let expected = ReturnPath::Address(EmailAddress::parse("desk+rd-17@example.com").unwrap());
    assert_eq!(composed.return_path, expected);
    let mail = crate::read(&composed.bytes, &Limits::default());
    assert_eq!(
        classify(&mail, &ReturnPath::Unknown, &own()),
        Origin::Person
    );
    assert!(
        mail.text_new().contains("Press {link} & wait <5 min>."),
        "{}",
        mail.text_new()
    );
    assert!(
        !mail.text_new().contains("It prints"),
        "{}",
        mail.text_new()
    );
    assert!(
        mail.text.contains("> It prints <script>nothing</script>."),
        "{}",
        mail.text
    );
    assert!(!mail.text.contains("> Ming"), "{}", mail.text);
}

#[test]
fn what_is_filled_into_html_is_text() {
    let text = Templates::new("en")
        .get(None, "en", Occasion::Answer)
        .fill(&fill());
    for wanted in [
        "wait &lt;5 min&gt;.",
        "&lt;script&gt;",
        "<a href=\"https://help.example.com/a?b=1&amp;c=2\">",
        "<blockquote",
    ] {
        assert!(text.html.contains(wanted), "{wanted}: {}", text.html);
    }
    assert!(!text.html.contains("<script>"));
}

#[test]
fn an_agents_own_html_stands_in_the_place_of_the_text_and_runs_nothing() {
    let html = crate::reading::safe_html("<p>Press <b>OK</b>.</p><script>alert(1)</script>");
    let templates = Templates::new("en");
    let text = templates
        .get(None, "en", Occasion::Answer)
        .fill_with_html(&fill(), &html);
    assert!(
        text.html.contains("<p>Press <b>OK</b>.</p>"),
        "{}",
        text.html
    );
    assert!(!text.html.contains("alert"), "{}", text.html);
    assert!(!text.html.contains("wait &lt;5 min&gt;"), "{}", text.html);
    assert!(text.plain.contains("wait <5 min>"), "{}", text.plain);
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    let file = LetterFile {
        file_name: "報告 1.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        bytes: Bytes::from_static(b"%PDF-1.7"),
    };
    let letter = Letter {
        files: vec![file],
        ..letter(Occasion::Closing, Speaker::AutoGenerated)
    };
    let (one, other) = (letter.compose().unwrap(), letter.compose().unwrap());
    assert_eq!(one.bytes, other.bytes);
    let mail = crate::read(&one.bytes, &Limits::default());
    let names: Vec<&str> = mail
        .attachments
        .iter()
        .map(|file| file.file_name.as_str())
        .collect();
    assert_eq!(names, ["報告 1.pdf"]);
    assert_eq!(mail.attachments[0].bytes().as_ref(), b"%PDF-1.7");
}

#[test]
fn no_field_lets_a_header_in() {
    let mut letter = letter(Occasion::Answer, Speaker::Person);
    letter.text.subject = "x\r\nBcc: victim@example.org\r\n\r\nbody".to_owned();
    letter.from.name = Some("Desk\r\nBcc: victim@example.org".to_owned());
    letter.to[0].name = Some("a\nb\"<evil@example.org>".to_owned());
    let mail = crate::read(&letter.compose().unwrap().bytes, &Limits::default());
    assert!(!mail.headers.has("Bcc"));
    assert_eq!(mail.to.len(), 1);
    assert_eq!(mail.to[0].email.as_str(), "ming@example.org");
}

#[test]
fn a_letter_to_nobody_is_refused() {
    let letter = Letter {
        to: Vec::new(),
        ..letter(Occasion::Answer, Speaker::Person)
    };
    assert!(matches!(letter.compose(), Err(ComposeFault::NoRecipient)));
}

#[test]
fn every_built_in_template_is_whole_and_found() {
    let templates = Templates::new("zh-TW");
    for occasion in Occasion::ALL {
        let chinese = templates.get(None, "ja", occasion).fill(&fill());
        assert!(chinese.plain.contains("您好"), "{}", chinese.plain);
        let english = templates.get(None, "en-GB", occasion).fill(&fill());
        assert!(
            english.plain.starts_with("Hello 王小明,"),
            "{}",
            english.plain
        );
    }
}

#[test]
fn a_queue_may_have_templates_of_its_own() {
    let mut templates = Templates::new("en");
    let own = Template::parse("Subject: Hi\n\nOnly for accounts.").unwrap();
    let accounts = QueueId::from("accounts");
    templates.set(Some(accounts.clone()), "en", Occasion::Closing, own.clone());
    assert_eq!(
        templates.get(Some(&accounts), "en", Occasion::Closing),
        &own
    );
    assert_ne!(
        templates.get(Some(&QueueId::from("other")), "en", Occasion::Closing),
        &own
    );
}

#[test]
fn a_template_with_a_fault_is_refused_and_says_where() {
    let check = |text: &str, (line, column), mistake| {
        let fault = TemplateFault {
            line,
            column,
            mistake,
        };
        assert_eq!(Template::parse(text), Err(fault), "{text}");
    };
    let unknown = |name: &str| Mistake::UnknownPlaceholder(name.to_owned());
    check("Hello", (1, 1), Mistake::NoSubject);
    check("Subject: x\n\n{nmae}", (3, 1), unknown("nmae"));
    check("Subject: 案件 {nmae}\n\nx", (1, 13), unknown("nmae"));
    check("Subject: x\r\n\r\na\r\n您好 {}", (4, 4), unknown(""));
    check("Subject: {\n\nx", (1, 10), Mistake::Unclosed);
    check("Subject: x\n\na {if body}\nb", (3, 3), Mistake::Endless);
    check(
        "Subject: x\n\na{end}",
        (3, 2),
        Mistake::Stray("end".to_owned()),
    );
    let twice = "Subject: x\n\n{if name}a{else}b{else}c{end}";
    check(twice, (3, 18), Mistake::Stray("else".to_owned()));
    check("Subject: x\n\n{if }", (3, 1), unknown(""));
    let deep = format!("Subject: x\n\n{}", "{if name}".repeat(10_000));
    check(&deep, (3, 1 + 8 * 9), Mistake::TooDeep);
    let html = Template::parse("Subject: x\n\nx").unwrap();
    let html = html.with_html("<p>\n<b>{sit}</b>").unwrap_err();
    assert_eq!(
        html.to_string().split(';').next(),
        Some("2:4: there is no placeholder `{sit}`")
    );
}

#[test]
fn what_is_empty_may_be_left_out_and_braces_can_be_written() {
    let text = "Subject: {mark}\n\nDear {if name}{name}{else}{if queue}friend of {queue}{end}{end}: {{{site}}} }";
    let template = Template::parse(text).unwrap();
    assert_eq!(
        template.fill(&fill()).plain,
        "Dear 王小明: {Example Desk} }\n"
    );
    let nameless = Fill {
        name: " ".to_owned(),
        queue: "{site}".to_owned(),
        ..fill()
    };
    let plain = template.fill(&nameless).plain;
    assert_eq!(
        plain, "Dear friend of {site}: {Example Desk} }\n",
        "filled in once only"
    );
}

#[test]
fn a_template_with_html_of_its_own_escapes_what_is_filled_in() {
    let html = "<style>p {{ margin: 0 }}</style><p title=\"{name}\">{subject}</p>\n{body}<p>{signature}</p>{quote}";
    let template = Template::parse("Subject: x\n\n{body}").unwrap();
    let template = template.with_html(html).unwrap();
    let hostile = Fill {
        name: "\"'><img src=x onerror=alert(1)>".to_owned(),
        signature: "Ann\nDesk".to_owned(),
        ..fill()
    };
    let text = template.fill(&hostile);
    for wanted in [
        "<style>p { margin: 0 }</style>",
        "<p title=\"&quot;&#39;&gt;&lt;img src=x onerror=alert(1)&gt;\">Printer &lt;b&gt;broken&lt;/b&gt;</p>",
        "wait &lt;5 min&gt;.",
        "<a href=\"https://help.example.com/a?b=1&amp;c=2\">",
        "<p>Ann<br>\nDesk</p>",
        "<blockquote type=\"cite\">",
    ] {
        assert!(text.html.contains(wanted), "{wanted}: {}", text.html);
    }
    let text = template.fill_with_html(&hostile, "<p>Press <b>OK</b>.</p>");
    assert!(
        text.html.contains("</p>\n<p>Press <b>OK</b>.</p><p>Ann"),
        "{}",
        text.html
    );
}

#[test]
fn a_letter_that_would_hide_what_was_written_is_refused() {
    let check = |text: &str, html: Option<&str>, occasion, expected: Result<(), Mistake>| {
        let mut template = Template::parse(text).unwrap();
        if let Some(html) = html {
            template = template.with_html(html).unwrap();
        }
        assert_eq!(template.check(occasion), expected, "{text}");
    };
    let greeting = "Subject: x\n\nHello";
    check(greeting, None, Occasion::Acknowledgement, Ok(()));
    check(
        greeting,
        None,
        Occasion::Answer,
        Err(Mistake::Lacks("body")),
    );
    check(
        greeting,
        None,
        Occasion::Satisfaction,
        Err(Mistake::Lacks("link")),
    );
    let body = "Subject: x\n\n{if name}{body}{end}";
    check(body, None, Occasion::Closing, Ok(()));
    check(
        body,
        Some("<p>"),
        Occasion::Closing,
        Err(Mistake::Lacks("body")),
    );
    let templates = Templates::new("en");
    for occasion in Occasion::ALL {
        for language in ["en", "zh-TW"] {
            assert_eq!(
                templates.get(None, language, occasion).check(occasion),
                Ok(())
            );
        }
    }
}

#[test]
fn a_greeting_without_a_name_is_whole() {
    let nameless = Fill {
        name: String::new(),
        ..fill()
    };
    for (language, start) in [("en", "Hello,\n"), ("zh-TW", "您好：\n")] {
        for occasion in Occasion::ALL {
            let text = Templates::new("en")
                .get(None, language, occasion)
                .fill(&nameless);
            assert!(text.plain.starts_with(start), "{}", text.plain);
        }
    }
}

#[test]
fn a_long_thread_keeps_its_beginning_and_its_end() {
    let mut mail = asked();
    let id = |number: usize| MessageId::parse(&format!("m{number}@example.org")).unwrap();
    mail.references = (0..60).map(id).collect();
    let thread = Thread::answering(&mail);
    assert_eq!(thread.references.len(), REFERENCES_MAX);
    assert_eq!(thread.references.first(), Some(&id(0)));
    assert_eq!(thread.references.last(), mail.message_id.as_ref());
}

#[test]
fn a_files_type_is_one_that_may_be_sent() {
    let check = |given: &str, sent: Option<&str>| {
        assert_eq!(sendable_type(given).as_deref(), sent, "{given}");
    };
    check("application/PDF", Some("application/pdf"));
    check("application/pdf; name=x", Some("application/pdf"));
    check(
        "text/plain; x=y; Charset=\"Big5\"",
        Some("text/plain; charset=big5"),
    );
    check("text/plain; charset=a\r\nBcc: b", Some("text/plain"));
    check("message/rfc822", Some("application/octet-stream"));
    check(
        "multipart/mixed; boundary=x",
        Some("application/octet-stream"),
    );
    for none in ["", "pdf", "a/b/c", "a/", "/b", "a b/c", "a\n/b", "影像/png"] {
        check(none, None);
    }
    let types = [
        "text/plain; charset=big5",
        "application/x.y+json",
        "image/svg+xml",
        "a!#$&^_.-/b",
    ];
    for given in types {
        let sent = sendable_type(given).unwrap();
        assert!(ContentType::parse(&sent).is_ok(), "{sent}");
    }
}
