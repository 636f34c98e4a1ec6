//! Which mail of `fixtures/mails` proves which word of what reading, threading and the guard against loops
//! promise. A word without a mail, or a mail whose expectation does not show the word, fails.
//!
//! The expectations themselves are held by `mails.rs`; this is their index.

use serde_json::Value;
use std::path::Path;

/// A promise, the mails that prove it, and what the expectation beside each of them must show.
struct Proof(&'static str, &'static [&'static str], fn(&Value) -> bool);

#[test]
fn every_word_has_a_mail_that_proves_it() {
    let mut wrong = Vec::new();
    for Proof(word, mails, shows) in READING.iter().chain(THREADING).chain(LOOPS) {
        assert!(!mails.is_empty(), "{word}: no mail");
        for mail in *mails {
            let told = expectation(mail);
            if !shows(&told) {
                wrong.push(format!("{word}: {mail} shows {told}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn quotes_are_folded_in_every_language_and_every_client() {
    for language in ["en", "de", "fr", "es", "ja", "zh-cn", "zh-tw"] {
        let mut signatures = 0;
        for client in CLIENTS {
            let mail = format!("clients/{language}-{client}");
            let told = expectation(&mail);
            assert!(has(&told, "quote"), "{mail} has no quote: {told}");
            assert!(has(&told, "new"), "{mail} says nothing new: {told}");
            signatures += usize::from(has(&told, "signature"));
        }
        assert!(signatures >= 5, "{language}: {signatures} signatures");
    }
}

const CLIENTS: [&str; 9] = [
    "apple-mail",
    "gmail",
    "gmail-html-only",
    "iphone",
    "outlook",
    "outlook-android",
    "outlook-plain",
    "outlook-web",
    "thunderbird",
];

/// Who wrote it, what it says, what came with it.
const READING: &[Proof] = &[
    Proof("Reply-To", &["senders/reply-to-elsewhere"], |it| {
        it["reply_to"][0] == "victim@elsewhere.example" && it["no_answer"] == "answers_elsewhere"
    }),
    Proof("Reply-To to a group", &["senders/reply-to-group"], |it| {
        it["reply_to"].as_array().is_some_and(|to| to.len() == 2)
    }),
    Proof("Sender", &["senders/sender-differs-from-author"], |it| {
        it["sender"] == "Secretary <sec@example.org>" && it["from"] == "Boss <boss@example.org>"
    }),
    Proof(
        "Sender without From",
        &["senders/sender-only"],
        // Anybody can be named there: it is shown, and nothing is answered by itself.
        |it| it["sender"] == "Secretary <sec@example.org>" && it["no_answer"] == "no_sender",
    ),
    Proof("group syntax", &["senders/group-syntax"], |it| {
        it["to"][1] == "Bob <bob@example.org>"
    }),
    Proof(
        "group syntax in Cc",
        &["senders/cc-group-with-encoded-name"],
        |it| it["cc"][0] == "王小明 <ming@example.org>",
    ),
    Proof("group syntax in From", &["senders/from-group"], |it| {
        has_fault(it, "several_senders")
    }),
    Proof("empty group", &["senders/undisclosed-recipients"], |it| {
        !has(it, "to")
    }),
    Proof("RFC 2047, B", &["senders/rfc2047-name-big5"], |it| {
        it["from"] == "陳大文 <chan@example.org>"
    }),
    Proof("RFC 2047, Q", &["senders/rfc2047-name-q-encoded"], |it| {
        it["from"] == "Jörg Müller <joerg@example.org>"
    }),
    Proof(
        "RFC 2231 §5: a language in an encoded word",
        &["senders/rfc2231-language-in-encoded-word"],
        |it| it["from"] == "王小明 <ming@example.org>" && it["subject"] == "印表機",
    ),
    Proof(
        "RFC 2231: names in pieces and charsets",
        &[
            "mime/attachment-name-rfc2231-split",
            "mime/attachment-name-rfc2231-big5",
        ],
        |it| name(it, 0).starts_with("報價單"),
    ),
    Proof(
        "IDN",
        &[
            "senders/idn-domain",
            "senders/idn-domain-in-a-labels",
            "senders/smtputf8-to-an-a-label",
        ],
        |it| text(it, "from").contains("@bücher.example"),
    ),
    Proof("SMTPUTF8", &["senders/smtputf8-local-part"], |it| {
        it["from"] == "用戶 <用戶@例え.jp>"
    }),
    Proof(
        "subject in many charsets",
        &[
            "charsets/subject-many-charsets",
            "charsets/subject-letter-torn-between-words",
        ],
        |it| text(it, "subject").contains("印表機"),
    ),
    Proof(
        "subject as raw octets",
        &["charsets/subject-raw-big5", "charsets/subject-raw-utf-8"],
        |it| text(it, "subject").starts_with("三樓印表機故障"),
    ),
    Proof(
        "HTML without script",
        &[
            "hostile/xss-script-tags",
            "hostile/xss-event-handlers",
            "hostile/xss-javascript-urls",
            "hostile/xss-mutation",
            "hostile/xss-svg-and-math",
        ],
        |it| {
            let html = text(it, "html_safe").to_lowercase();
            !["<script", "javascript:", "onerror=", "onload=", "onclick="]
                .iter()
                .any(|word| html.contains(word))
        },
    ),
    Proof(
        "HTML without remote loads",
        &["hostile/xss-remote-loads", "mime/html-only-newsletterish"],
        |it| it["remote_loads"].as_u64() > Some(0) && !text(it, "html_safe").contains("src=\"http"),
    ),
    Proof(
        "cid: pictures inlined from parts",
        &[
            "mime/related-picture-inlined",
            "mime/alternative-with-related",
        ],
        |it| {
            text(it, "html_safe").contains("src=\"data:image/")
                && it["attachments"][0]["inline"] == true
        },
    ),
    Proof(
        "cid: pictures that are not there",
        &["mime/related-cid-missing"],
        |it| !text(it, "html_safe").contains("cid:"),
    ),
    Proof(
        "answers below and between quotes",
        &[
            "clients/en-answers-below-the-quote",
            "clients/en-answers-between-quotes",
        ],
        |it| has(it, "quote") && has(it, "new"),
    ),
    Proof(
        "signatures",
        &[
            "clients/ja-signature-between-rules",
            "clients/en-disclaimer",
        ],
        |it| has(it, "signature"),
    ),
    Proof(
        "Big5",
        &[
            "charsets/big5",
            "charsets/big5-8bit-raw",
            "charsets/cp950-is-big5",
        ],
        traditional,
    ),
    Proof("Big5-HKSCS", &["charsets/big5-hkscs"], |it| {
        text(it, "new").contains("嘅")
    }),
    Proof("GB18030", &["charsets/gb18030"], |it| {
        text(it, "new").contains("𠮷野家")
    }),
    Proof(
        "GB2312 and GBK",
        &["charsets/gb2312", "charsets/html-meta-names-gbk"],
        simplified,
    ),
    Proof(
        "ISO-2022-JP",
        &[
            "charsets/iso-2022-jp",
            "charsets/iso-2022-jp-in-quoted-printable",
            "charsets/shift-jis",
            "charsets/euc-jp",
        ],
        japanese,
    ),
    Proof(
        "EUC-KR",
        &["charsets/euc-kr", "charsets/ks-c-5601-1987"],
        korean,
    ),
    Proof("windows-1250", &["charsets/windows-1250"], |it| {
        text(it, "new").contains("přihlásit")
    }),
    Proof("windows-1251", &["charsets/windows-1251"], russian),
    Proof(
        "windows-1252",
        &[
            "charsets/windows-1252",
            "charsets/iso-8859-1-that-is-windows-1252",
        ],
        |it| text(it, "new").contains("enthä"),
    ),
    Proof("windows-1253", &["charsets/windows-1253"], |it| {
        text(it, "new").contains("Καλημέρα")
    }),
    Proof("windows-1254", &["charsets/windows-1254"], |it| {
        text(it, "new").contains("şifremi")
    }),
    Proof("windows-1255", &["charsets/windows-1255"], |it| {
        text(it, "new").contains("שלום")
    }),
    Proof("windows-1256", &["charsets/windows-1256"], |it| {
        text(it, "new").contains("مرحبا")
    }),
    Proof("windows-1257", &["charsets/windows-1257"], |it| {
        text(it, "new").contains("ačiū. Ģimene")
    }),
    Proof(
        "windows-1258",
        &["charsets/windows-1258"],
        // Its tones are marks of their own, as the charset has them: canonically the same letters.
        |it| text(it, "new").contains("đươ\u{323}c vào"),
    ),
    Proof(
        "wrong label: Big5",
        &[
            "charsets/wrong-utf-8-is-big5",
            "charsets/wrong-gb2312-is-big5",
            "charsets/wrong-iso-8859-1-is-big5",
            "charsets/unlabelled-big5",
        ],
        |it| traditional(it) && has_fault(it, "charset_wrong"),
    ),
    Proof(
        "wrong label: GBK",
        &[
            "charsets/wrong-big5-is-gbk",
            "charsets/wrong-utf-8-is-gb18030",
        ],
        |it| simplified(it) && has_fault(it, "charset_wrong"),
    ),
    Proof(
        "wrong label: Japanese",
        &[
            "charsets/iso-2022-jp-labelled-us-ascii",
            "charsets/wrong-utf-8-is-shift-jis",
        ],
        |it| japanese(it) && has_fault(it, "charset_wrong"),
    ),
    Proof(
        "wrong label: EUC-KR",
        &["charsets/wrong-us-ascii-is-euc-kr"],
        |it| korean(it) && has_fault(it, "charset_wrong"),
    ),
    Proof(
        "wrong label: windows-125x",
        &["charsets/wrong-utf-8-is-windows-1252"],
        |it| text(it, "new").contains("enthä") && has_fault(it, "charset_wrong"),
    ),
    Proof(
        "wrong label: Cyrillic",
        &["charsets/wrong-utf-8-is-windows-1251"],
        |it| russian(it) && has_fault(it, "charset_wrong"),
    ),
    Proof(
        "wrong label: UTF-8",
        &[
            "charsets/wrong-iso-8859-1-is-utf-8",
            "charsets/wrong-us-ascii-is-utf-8",
        ],
        |it| has_fault(it, "charset_wrong"),
    ),
    Proof("a label nobody knows", &["charsets/unknown-label"], |it| {
        has_fault(it, "charset_unknown")
    }),
    Proof("safe names", &["hostile/attachment-names"], |it| {
        let names = it["attachments"].as_array().into_iter().flatten();
        names.clone().count() > 0
            && names.filter_map(|it| it["name"].as_str()).all(|name| {
                !name.contains(['/', '\\', '\0', '\r', '\n'])
                    && !name.starts_with('.')
                    && name != ".."
            })
    }),
    Proof(
        "a file without a name",
        &["mime/attachment-without-name"],
        |it| name(it, 0) == "attachment-1.jpg",
    ),
    Proof(
        "message/rfc822",
        &[
            "mime/forwarded-as-attachment",
            "mime/forwarded-base64",
            "mime/digest",
            "mime/forwarded-within-forwarded",
            "mime/forwarded-message-global",
        ],
        |it| kind(it, 0) == "message",
    ),
    Proof("message/rfc822 inline", &["mime/forwarded-inline"], |it| {
        kind(it, 0) == "message" && it["attachments"][0]["inline"] == true
    }),
    Proof(
        "forwarded in the text",
        &[
            "clients/de-weitergeleitet-mit-bitte",
            "clients/zh-tw-forwarded",
        ],
        |it| has(it, "quote"),
    ),
    Proof(
        "TNEF",
        &["mime/tnef-alone", "mime/tnef-with-text-part"],
        |it| name(it, 0) == "報告.pdf",
    ),
    Proof("TNEF that is broken", &["mime/tnef-broken"], |it| {
        has_fault(it, "tnef_broken") && name(it, 0) == "winmail.dat"
    }),
    Proof(
        "calendar",
        &[
            "mime/calendar-request",
            "mime/calendar-reply",
            "mime/calendar-cancel-as-file",
            "mime/calendar-alternative",
        ],
        |it| it["attachments"][0]["kind"]["calendar"]["method"].is_string(),
    ),
    Proof("S/MIME, signed", &["mime/smime-signed"], |it| {
        kind(it, 0) == "smime_signature"
    }),
    Proof(
        "S/MIME, sealed",
        &[
            "mime/smime-encrypted",
            "mime/smime-opaque-signed",
            "mime/smime-named-by-its-file-only",
        ],
        |it| kind(it, 0) == "smime_sealed",
    ),
    Proof("PGP, signed", &["mime/pgp-signed"], |it| {
        kind(it, 0) == "pgp_signature"
    }),
    Proof("PGP, sealed", &["mime/pgp-encrypted"], |it| {
        kind(it, 0) == "pgp_sealed"
    }),
    Proof("PGP, a key", &["mime/pgp-public-key"], |it| {
        kind(it, 0) == "pgp_key"
    }),
    Proof(
        "PGP in the text",
        &["mime/pgp-inline", "mime/pgp-inline-encrypted"],
        |it| text(it, "new").contains("-----BEGIN PGP"),
    ),
    Proof(
        "empty bodies",
        &[
            "mime/empty-body",
            "mime/empty-html",
            "mime/header-only",
            "mime/attachment-only",
            "hostile/nothing-at-all",
        ],
        |it| !has(it, "new"),
    ),
    Proof(
        "a MIME bomb: too many parts",
        &["hostile/six-hundred-parts"],
        |it| has(it, "faults"),
    ),
    Proof(
        "a MIME bomb: too deep",
        &["hostile/forty-multiparts-deep"],
        |it| has(it, "faults"),
    ),
];

/// Which ticket a mail belongs to, each rule with its guard against getting into a stranger's.
const THREADING: &[Proof] = &[
    Proof(
        "In-Reply-To a mail we sent",
        &["threading/in-reply-to"],
        |it| appends(it, "answers"),
    ),
    Proof(
        "References a mail we sent",
        &["threading/references-only"],
        |it| appends(it, "answers"),
    ),
    Proof(
        "In-Reply-To a mail we received",
        &["threading/answers-a-mail-of-a-colleague"],
        |it| appends(it, "answers"),
    ),
    Proof(
        "guard: a stranger answers a mail",
        &[
            "threading/stranger-answers-a-mail-of-ours",
            "threading/stranger-answers-a-mail-of-a-colleague",
        ],
        |it| is_linked(it, "answers"),
    ),
    Proof(
        "guard: a forged sender answers a mail that others wrote",
        &["threading/forged-sender-answers-a-mail-of-a-colleague"],
        |it| is_linked(it, "answers"),
    ),
    Proof(
        "a Message-ID of ours, which only its receiver knows, outweighs a forged sender",
        &["threading/forged-sender-answers-a-mail-of-ours"],
        |it| appends(it, "answers"),
    ),
    Proof(
        "a Message-ID comes before the subject",
        &["threading/message-id-beats-the-subject"],
        |it| appends(it, "answers"),
    ),
    Proof(
        "plus-address token",
        &[
            "threading/plus-address",
            "threading/plus-address-in-capitals",
            "threading/colleague-with-a-signed-address",
        ],
        |it| appends(it, "signed_address"),
    ),
    Proof(
        "guard: a wrong signature",
        &[
            "threading/plus-address-with-a-wrong-signature",
            "threading/marker-with-a-wrong-signature",
        ],
        is_new,
    ),
    Proof(
        "guard: the plus-address of another domain",
        &["threading/plus-address-of-another-domain"],
        is_new,
    ),
    Proof(
        "guard: a stranger has the plus-address",
        &["threading/stranger-with-a-signed-address"],
        |it| is_linked(it, "signed_address"),
    ),
    Proof(
        "a signature of ours outweighs a forged sender",
        &["threading/forged-sender-with-a-signed-address"],
        |it| appends(it, "signed_address"),
    ),
    Proof(
        "a marker of ours outweighs a forged sender",
        &["threading/forged-sender-with-a-marker"],
        |it| appends(it, "signed_marker"),
    ),
    Proof(
        "number in the subject",
        &[
            "threading/subject-number",
            "threading/subject-number-in-small-letters",
        ],
        |it| appends(it, "subject_number"),
    ),
    Proof(
        "guard: a number that is not ours",
        &[
            "threading/subject-number-of-another-desk",
            "threading/subject-number-unknown",
        ],
        is_new,
    ),
    Proof(
        "guard: a stranger quotes a number",
        &[
            "threading/stranger-quotes-a-number",
            "threading/stranger-quotes-a-closed-number",
        ],
        |it| is_linked(it, "subject_number"),
    ),
    Proof(
        "guard: a forged sender quotes a number",
        &["threading/forged-sender-quotes-a-number"],
        |it| is_linked(it, "subject_number"),
    ),
    Proof("body marker", &["threading/marker-in-the-quote"], |it| {
        appends(it, "signed_marker")
    }),
    Proof(
        "guard: a stranger has the marker",
        &["threading/stranger-with-a-marker"],
        |it| is_linked(it, "signed_marker"),
    ),
    Proof(
        "the same organisation",
        &["threading/colleague-of-the-same-organisation"],
        |it| appends(it, "subject_number"),
    ),
    Proof(
        "a solved ticket opens again",
        &["threading/solved-ticket-opens-again"],
        |it| it["placement"]["reopen"].is_array(),
    ),
    Proof(
        "a ticket closed lately opens again",
        &["threading/closed-lately-opens-again"],
        |it| it["placement"]["reopen"].is_array(),
    ),
    Proof(
        "a ticket closed long ago is followed up",
        &["threading/closed-long-ago-is-followed-up"],
        |it| it["placement"]["follow_up"].is_array(),
    ),
];

/// What is never answered by itself, and where it goes.
const LOOPS: &[Proof] = &[
    Proof(
        "auto-replied",
        &[
            "automatic/another-desk-acknowledges",
            "automatic/challenge-response",
            "automatic/x-autoreply",
        ],
        |it| is_silent(it, "auto_reply"),
    ),
    Proof(
        "auto-generated",
        &[
            "automatic/cron",
            "automatic/auto-generated-with-a-comment",
            "automatic/auto-notified",
            "automatic/auto-submitted-unknown",
        ],
        |it| is_silent(it, "generated"),
    ),
    Proof(
        "Auto-Submitted: no is a person",
        &["automatic/auto-submitted-no"],
        |it| it["origin"] == "person" && !has(it, "no_answer"),
    ),
    Proof(
        "bulk",
        &["automatic/precedence-bulk", "automatic/precedence-junk"],
        |it| is_silent(it, "bulk"),
    ),
    Proof(
        "list",
        &[
            "automatic/mailing-list",
            "automatic/list-id-alone",
            "automatic/newsletter",
        ],
        |it| is_silent(it, "list"),
    ),
    Proof(
        "null sender",
        &["automatic/null-sender-no-other-mark"],
        |it| is_silent(it, "null_sender"),
    ),
    Proof(
        "own",
        &["automatic/own-mailbox", "automatic/own-sub-address"],
        |it| is_silent(it, "own"),
    ),
    Proof(
        "no-reply",
        &[
            "automatic/do-not-reply",
            "automatic/no-reply-without-marks",
            "automatic/postmaster-by-hand",
        ],
        |it| is_silent(it, "no_reply"),
    ),
    Proof(
        "X-Auto-Response-Suppress",
        &["automatic/suppressed-by-exchange"],
        |it| is_silent(it, "suppressed"),
    ),
    Proof(
        "receipts",
        &[
            "automatic/receipt-displayed",
            "automatic/receipt-deleted-unread",
        ],
        |it| is_silent(it, "receipt"),
    ),
    Proof("complaints (ARF)", &["automatic/complaint-arf"], |it| {
        is_silent(it, "complaint")
    }),
    Proof(
        "DSN, attached to the ticket of the mail that caused it",
        &[
            "automatic/dsn-postfix-user-unknown",
            "automatic/dsn-exchange-ndr",
            "automatic/dsn-international",
            "automatic/dsn-two-recipients",
        ],
        |it| is_silent(it, "bounce") && it["placement"]["append"][0] == 17 && has_failed(it),
    ),
    Proof(
        "DSN that marks no address",
        &["automatic/dsn-delayed", "automatic/dsn-success"],
        |it| is_silent(it, "bounce") && !has_failed(it),
    ),
    Proof(
        "bounces in a mailer's own words",
        &["automatic/bounce-qmail", "automatic/bounce-exim"],
        |it| is_silent(it, "bounce") && it["placement"]["append"][0] == 17,
    ),
    Proof(
        "a DSN of a mail that is not ours",
        &[
            "automatic/dsn-of-a-mail-that-is-not-ours",
            "automatic/bounce-forged-by-a-person",
        ],
        is_new,
    ),
    Proof(
        "out-of-office, attached to the ticket",
        &[
            "automatic/ooo-exchange-en",
            "automatic/ooo-exchange-de",
            "automatic/ooo-fr",
            "automatic/ooo-es",
            "automatic/ooo-ja",
            "automatic/ooo-ko",
            "automatic/ooo-zh-cn",
            "automatic/ooo-zh-tw",
            "automatic/ooo-gmail-vacation",
            "automatic/ooo-sieve-vacation",
        ],
        |it| is_silent(it, "out_of_office") && it["placement"]["append"][0] == 17,
    ),
    Proof(
        "out-of-office opens nothing again",
        &["threading/out-of-office-stays-on-a-closed-ticket"],
        |it| it["placement"]["append"][0] == 19,
    ),
    Proof(
        "a person who writes of absences",
        &["automatic/ooo-written-by-a-person"],
        |it| it["origin"] == "person",
    ),
];

fn expectation(mail: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mails");
    let path = path.join(mail);
    assert!(path.with_extension("eml").exists(), "no mail {mail}");
    let text = std::fs::read_to_string(path.with_extension("json"));
    let text = text.unwrap_or_else(|_| panic!("no expectation beside {mail}"));
    serde_json::from_str(&text).expect("an expectation is JSON")
}

fn has(told: &Value, field: &str) -> bool {
    !told[field].is_null()
}

fn text<'a>(told: &'a Value, field: &str) -> &'a str {
    told[field].as_str().unwrap_or("")
}

fn name(told: &Value, place: usize) -> &str {
    told["attachments"][place]["name"].as_str().unwrap_or("")
}

fn kind(told: &Value, place: usize) -> &str {
    told["attachments"][place]["kind"].as_str().unwrap_or("")
}

/// Whether the reader told of a fault, with or without its details.
fn has_fault(told: &Value, fault: &str) -> bool {
    let faults = told["faults"].as_array().into_iter().flatten();
    faults
        .into_iter()
        .any(|it| it == fault || it.get(fault).is_some())
}

fn has_failed(told: &Value) -> bool {
    let recipients = told["report"]["delivery"]["recipients"].as_array();
    let mut recipients = recipients.into_iter().flatten();
    recipients.any(|it| it["action"] == "failed")
}

fn traditional(told: &Value) -> bool {
    text(told, "new").contains("我的電腦無法登入公司的郵件系統")
}

fn simplified(told: &Value) -> bool {
    text(told, "new").contains("我的电脑无法登录公司的邮件系统")
}

fn japanese(told: &Value) -> bool {
    text(told, "new").contains("ログインできません")
}

fn korean(told: &Value) -> bool {
    text(told, "new").contains("로그인할 수 없습니다")
}

fn russian(told: &Value) -> bool {
    text(told, "new").contains("не могу войти в почту")
}

fn appends(told: &Value, clue: &str) -> bool {
    has(&told["placement"]["append"][1], clue)
}

fn is_linked(told: &Value, clue: &str) -> bool {
    has(&told["placement"]["linked"][1], clue)
}

fn is_new(told: &Value) -> bool {
    told["placement"] == "new"
}

fn is_silent(told: &Value, origin: &str) -> bool {
    told["origin"] == origin && has(told, "no_answer")
}
