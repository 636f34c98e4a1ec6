//! Mails read, classified and placed per second on one core: a mail of 10 kB as people send it (text and
//! HTML, a quoted thread), the share of each step, and a mail of 50 MB. Counted is the CPU time of the
//! measuring thread, so that other load does not blur it.

use bytes::Bytes;
use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};
use ringdown_email::automatic::{Origin, OwnAddresses, ReturnPath, classify, may_answer};
use ringdown_email::threading::{
    Answered, Authentication, Clue, KnownTicket, ReopenRule, Sender, ThreadingKey, TicketHook,
    TicketState, clues, place_in_thread,
};
use ringdown_email::{EmailAddress, Limits, read};
use ringdown_routing::ids::TicketId;
use ringdown_routing::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

fn mails(criterion: &mut Criterion) {
    let (plain, both, large) = (plain_mail(), mail_with_html(), large_mail());
    let own = OwnAddresses {
        mailboxes: vec![EmailAddress::parse("desk@example.com").expect("an address")],
        separator: Some('+'),
    };
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("mail");
    for (name, raw) in [("10_kb_plain", &plain), ("10_kb_html", &both)] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}/read"), |bencher| {
            cpu_time(bencher, || read(black_box(raw), &limits));
        });
        let mail = read(raw, &limits);
        group.bench_function(format!("{name}/classify"), |bencher| {
            cpu_time(bencher, || {
                black_box(classify(&mail, &ReturnPath::Unknown, &own));
                black_box(may_answer(&mail, &ReturnPath::Unknown, &own))
            });
        });
        group.bench_function(format!("{name}/thread"), |bencher| {
            cpu_time(bencher, || place(&mail, &own))
        });
        group.bench_function(format!("{name}/all"), |bencher| {
            cpu_time(bencher, || {
                let mail = read(black_box(raw), &limits);
                black_box(may_answer(&mail, &ReturnPath::Unknown, &own)).ok();
                place(&mail, &own)
            });
        });
    }
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("50_mb/read", |bencher| {
        cpu_time(bencher, || read(black_box(&large), &limits))
    });
    group.finish();
}

/// Measures by the time this thread was on a processor.
fn cpu_time<T>(bencher: &mut Bencher<'_>, mut work: impl FnMut() -> T) {
    bencher.iter_custom(|rounds| {
        let before = on_processor();
        for _ in 0..rounds {
            black_box(work());
        }
        on_processor() - before
    });
}

fn on_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a thread has run for no less than nothing")
}

fn place(mail: &ringdown_email::Mail, own: &OwnAddresses) -> ringdown_email::threading::Placement {
    let found = clues(
        mail,
        &[],
        own,
        &TicketHook::default(),
        &ThreadingKey::new("key"),
    );
    let known: Vec<KnownTicket> = found.iter().map(known).collect();
    let sender = Sender {
        address: mail.from.as_ref().map(|from| from.email.clone()),
        organisation: None,
        authentication: Authentication::Unknown,
        origin: Origin::Person,
    };
    place_in_thread(
        &found,
        &known,
        &sender,
        ReopenRule::default(),
        Timestamp::from_seconds(0),
    )
}

fn known(clue: &Clue) -> KnownTicket {
    KnownTicket {
        clue: clue.clone(),
        ticket: TicketId::new(17),
        state: TicketState::Open,
        people: [EmailAddress::parse("ann@example.org").expect("an address")].into(),
        organisation: None,
        answered: Answered::Ours,
    }
}

const HEAD: &str = "Return-Path: <ann@example.org>\r\n\
    Received: from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.com with ESMTPS id 4f; Mon, 6 Jan 2025 09:12:00 +0000\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=k1; h=from:to:subject; bh=47DEQpj8HBSa; b=AbCd\r\n\
    From: =?utf-8?B?QW5uIE3DvGxsZXI=?= <ann@example.org>\r\nTo: Service Desk <desk@example.com>\r\n\
    Subject: Re: [RD#17] Printer on floor 3\r\nDate: Mon, 6 Jan 2025 09:12:00 +0000\r\nMessage-ID: <m1@example.org>\r\n\
    In-Reply-To: <sent.17@example.com>\r\nReferences: <first.17@example.org> <sent.17@example.com>\r\nMIME-Version: 1.0\r\n";

/// Sentences of an ordinary mail, then a quoted thread.
fn text(bytes: usize) -> String {
    let mut text = String::from("Good morning,\r\n\r\n");
    let mut number = 0;
    while text.len() < bytes / 3 {
        number += 1;
        let _ = write!(
            text,
            "The printer on floor {number} still shows \"paper jam\", although the tray is empty.\r\n"
        );
    }
    text.push_str("\r\nKind regards\r\nAnn\r\n\r\nOn Mon, Jan 6, 2025 at 9:12 AM Service Desk <desk@example.com> wrote:\r\n");
    while text.len() < bytes {
        number += 1;
        let _ = write!(
            text,
            "> Dear Ms Miller, have you opened the rear cover number {number} of the printer?\r\n"
        );
    }
    text
}

fn plain_mail() -> Bytes {
    let body = text(9_000);
    Bytes::from(format!(
        "{HEAD}Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    ))
}

fn mail_with_html() -> Bytes {
    let plain = text(3_500);
    let html: String = plain
        .lines()
        .map(|line| format!("<p class=3D\"MsoNormal\" style=3D\"margin:0cm;color:#333\">{}<o:p></o:p></p>=\r\n\r\n", line.replace('>', "&gt;")))
        .collect();
    Bytes::from(format!(
        "{HEAD}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{plain}\r\n\
         --b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{html}\r\n--b--\r\n"
    ))
}

fn large_mail() -> Bytes {
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    let file = line.repeat(50_000_000 / line.len());
    Bytes::from(format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\nContent-Type: application/zip\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.zip\r\n\r\n{file}--b--\r\n"
    ))
}

criterion_group!(benches, mails);
criterion_main!(benches);
