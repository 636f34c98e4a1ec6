//! What mails do that are built to exhaust a reader, and what HTML does that is built to run.

#[path = "../fuzz/src/folder.rs"]
#[expect(unreachable_pub, dead_code, reason = "shared with the fuzz targets")]
mod folder;
#[path = "../fuzz/src/inputs.rs"]
#[expect(unreachable_pub, dead_code, reason = "shared with the fuzz targets")]
mod inputs;
#[path = "../fuzz/src/session.rs"]
#[expect(unreachable_pub, dead_code, reason = "shared with the fuzz targets")]
mod session;

use bytes::Bytes;
use inputs::{Door, danger_in, feed};
use proptest::prelude::*;
use ringdown_email::{Fault, Limits, Mail, read};

fn read_mail(body: &str) -> Mail {
    let raw =
        format!("From: Mallory <m@evil.example>\r\nTo: desk@example.com\r\nSubject: x\r\n{body}");
    read(&Bytes::from(raw), &Limits::default())
}

#[test]
fn a_mail_that_is_too_large_is_known_by_its_header() {
    let limits = Limits {
        raw_bytes_max: 1_000,
        ..Limits::default()
    };
    let raw = format!(
        "From: ann@example.org\r\nSubject: Large\r\n\r\n{}",
        "x".repeat(2_000)
    );
    let mail = read(&Bytes::from(raw), &limits);
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("Large", ""));
    assert!(mail.is_hostile() && mail.faults.contains(&Fault::TooLarge));
}

#[test]
fn an_attachment_is_held_once_and_wrapped() {
    let file = "QUJD\r\n".repeat(200_000);
    let raw = Bytes::from(format!(
        "From: a@example.org\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n{file}"
    ));
    let mail = read(&raw, &Limits::default());
    assert_eq!(mail.attachments.len(), 1);
    assert_eq!(mail.attachments[0].bytes().len(), 600_000);
    // The mail and its attachment are the same bytes: nobody else may be given them back.
    assert!(raw.try_into_mut().is_err());
}

/// Outlook's container (MS-OXTNEF §2.1) with one file of so many zeros, called `report.bin`.
fn winmail(bytes: usize) -> Vec<u8> {
    let mut container = Vec::with_capacity(bytes + 200);
    container.extend_from_slice(&[0x78, 0x9f, 0x3e, 0x22, 1, 0]);
    // attAttachRendData, attAttachTitle, attAttachData; the checksum is the sum of the octets.
    let title = b"report.bin\0".to_vec();
    for (id, value) in [
        (0x0006_9002_u32, vec![0; 14]),
        (0x0001_8010, title),
        (0x0006_800f, vec![0; bytes]),
    ] {
        container.push(2);
        container.extend_from_slice(&id.to_le_bytes());
        let length = u32::try_from(value.len()).expect("a small file");
        container.extend_from_slice(&length.to_le_bytes());
        let sum = value
            .iter()
            .fold(0_u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
        container.extend_from_slice(&value);
        container.extend_from_slice(&sum.to_le_bytes());
    }
    container
}

#[test]
fn a_winmail_above_sixteen_mebibytes_is_kept_as_it_came() {
    let read_with = |file_bytes: usize| {
        let container = winmail(file_bytes);
        let mut raw = b"From: ann@example.org\r\nSubject: Report\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nIt is within.\r\n\
            --b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\
            Content-Transfer-Encoding: binary\r\n\r\n".to_vec();
        raw.extend_from_slice(&container);
        raw.extend_from_slice(b"\r\n--b--\r\n");
        (read(&Bytes::from(raw), &Limits::default()), container)
    };
    let most = 16 * 1_024 * 1_024;
    let around = winmail(0).len();
    let (opened, _) = read_with(most - around);
    assert_eq!(opened.attachments[0].file_name, "report.bin");
    assert!(!opened.faults.contains(&Fault::TnefBroken));

    let (kept, container) = read_with(most - around + 1);
    assert_eq!(kept.text.trim_end(), "It is within.");
    assert_eq!(kept.attachments.len(), 1);
    assert_eq!(kept.attachments[0].file_name, "winmail.dat");
    assert_eq!(kept.attachments[0].bytes(), container);
    assert!(kept.faults.contains(&Fault::TnefBroken));
}

#[test]
fn messages_within_messages_are_one_attachment() {
    let nest = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let mail = read_mail(&nest);
    assert_eq!(mail.attachments.len(), 1);
    let inner = mail.attachments[0].bytes();
    assert_eq!(read(&inner, &Limits::default()).attachments.len(), 1);
}

#[test]
fn multiparts_whose_boundary_never_comes_cost_nothing_more() {
    let part = "--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\n".repeat(100_000);
    let mail = read_mail(&format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}"
    ));
    assert!(mail.is_hostile() && mail.faults.contains(&Fault::PartsTooMany));
}

#[test]
fn parts_without_end_are_cut_off() {
    let parts = "--b\r\n\r\n".repeat(500_000);
    let mail = read_mail(&format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}"
    ));
    assert!(mail.faults.contains(&Fault::PartsTooMany));
}

#[test]
fn a_header_without_end_is_cut_off() {
    let mail = read_mail(&"X: y\r\n".repeat(300_000));
    assert!(mail.faults.contains(&Fault::HeaderTooLong));
    assert!(mail.headers.iter().count() <= Limits::default().header_fields_max);
}

#[test]
fn html_without_end_has_its_text_instead() {
    for bomb in [
        "<b>".repeat(30_000),
        "<table>".repeat(20_000),
        "<a href=x><p>".repeat(10_000),
    ] {
        let mail = read_mail(&format!("Content-Type: text/html\r\n\r\nhi {bomb}"));
        assert!(mail.faults.contains(&Fault::HtmlUnfit));
        assert_eq!(mail.html_safe.as_deref(), Some("<p>hi</p>"));
    }
}

#[test]
fn text_without_end_is_cut_between_letters() {
    let mail = read_mail(&format!(
        "Content-Type: text/plain; charset=utf-8\r\n\r\n{}",
        "長".repeat(500_000)
    ));
    assert!(mail.faults.contains(&Fault::TextTooLong));
    assert!(mail.text.len() <= Limits::default().text_bytes_max && mail.text.ends_with('長'));
}

/// Payloads that have got through somebody's cleaner, as the fixtures `hostile/xss-*` have them in whole mails.
const PAYLOADS: [&str; 34] = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example>",
    "<<script>alert(1)//<</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=`x`onerror=alert(1)>",
    "<img/src=x/onerror=alert(1)//",
    "<svg/onload=alert(1)>",
    "<svg><script href=data:,alert(1) />",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a><animate attributeName=href values=javascript:alert(1) /><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"java\nscript:alert(1)\">x</a>",
    "<a href=\"\u{1}javascript:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<meta http-equiv=refresh content=\"0;url=javascript:alert(1)\">",
    "<base href=javascript:alert(1)//>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{background:url(//evil.example)}</style>",
    "<p style=\"background:u\\72l(//evil.example)\">x</p>",
    "<p style=\"color:red;background:url(//evil.example)\">x</p>",
    "<p style=\"xss:expression(alert(1))\">x</p>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<template><img src=x onerror=alert(1)></template>",
];

#[test]
fn no_known_payload_survives() {
    for payload in PAYLOADS {
        let mail = read_mail(&format!(
            "Content-Type: text/html; charset=utf-8\r\n\r\n<p>hi</p>{payload}"
        ));
        let html = mail.html_safe.unwrap_or_default();
        assert_eq!(danger_in(&html), None, "{payload} became {html}");
    }
}

#[test]
fn the_check_sees_what_it_must_see() {
    for bad in [
        "<script>",
        "<img src=\"https://evil.example\">",
        "<p onclick=\"x\">",
        "<a title=\"a>b\" href=\"javascript:x\">",
    ] {
        assert!(danger_in(bad).is_some(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_mixture_of_payloads_survives(parts in prop::collection::vec((0..PAYLOADS.len(), 0..60_usize, 0..60_usize), 1..6)) {
        let mut html = String::new();
        for (number, from, length) in parts {
            html.extend(PAYLOADS[number].chars().skip(from / 3).take(length + 5));
        }
        feed(Door::Part("text/html; charset=utf-8"), html.as_bytes());
    }

    #[test]
    fn any_text_is_new_or_folded_and_all_of_it(lines in prop::collection::vec("[ -~\u{4e00}-\u{4e20}>:\n]{0,60}", 0..20)) {
        feed(Door::Part("text/plain; charset=utf-8"), lines.join("\n").as_bytes());
    }

    #[test]
    fn any_bytes_are_some_mail(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        feed(Door::Mail, &bytes);
    }
}
