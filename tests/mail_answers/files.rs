//! Files that agents send with their answers: taken once, bounded, and whole at the other end.

use super::{MailDesk, contact_of, is};
use ringdown_harness::http::{Client, HttpAnswer};
use ringdown_harness::mail::{MailSink, Smarthost, TlsStart};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Sends a file as a browser does: its octets, its name in the URL, its type in the head.
fn upload(
    api: &Client,
    contact: &str,
    (name, kind, key): (&str, &str, &str),
    octets: &[u8],
) -> HttpAnswer {
    let mut encoded = String::new();
    for octet in name.bytes() {
        let _ = write!(encoded, "%{octet:02X}");
    }
    let mut stream = TcpStream::connect(api.address).expect("the API listens");
    let head = format!(
        "POST /api/v1/contacts/{contact}/attachments?filename={encoded} HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: {kind}\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n",
        api.token,
        octets.len()
    );
    stream.write_all(head.as_bytes()).expect("it is taken");
    // Who refuses it need not read it.
    let _ = stream.write_all(octets);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    HttpAnswer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse().ok())
            .unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
        octets: Vec::new(),
    }
}

fn sha256_of(octets: &[u8]) -> String {
    let digest = Sha256::digest(octets);
    digest.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The files of a mail as Python's own reader finds them: name, type with its charset, SHA-256.
const READER: &str = "
import sys, email, email.policy, hashlib, json
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
files = [[p.get_filename(), p.get_content_type(), p.get_content_charset(),
          hashlib.sha256(p.get_payload(decode=True)).hexdigest()] for p in mail.iter_attachments()]
print(json.dumps({'defects': len(mail.defects), 'body': mail.get_body(('plain',)).get_content(), 'files': files}))
";

fn read_by_python(mail: &str) -> Value {
    let mut python = Command::new("python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 can be started");
    let mut stdin = python.stdin.take().expect("it is piped");
    stdin.write_all(mail.as_bytes()).expect("it reads");
    drop(stdin);
    let output = python.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("it told what it read")
}

/// Octets without any pattern that an encoding could hide in.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        u8::try_from(state & 0xff).unwrap_or(0)
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn files_of_an_answer_pass_a_real_mail_server_and_are_whole_at_the_other_end() {
    let sink = MailSink::start(|_| {});
    let smarthost = Smarthost::start(sink.address(), TlsStart::ByCommand);
    let keys = format!(
        "port = {}\ntls = \"starttls\"\nauthority = \"{}\"\n",
        smarthost.address().port(),
        smarthost.authority().display()
    );
    let bound = "answer_bytes_max = 4000000";
    let mut work = MailDesk::open_behind(&keys, sink, bound, "", &["ming"]);
    work.log_in("ming");
    let number = work.deliver("help@desk.example", "1@a", "");
    let contact = work.take("ming");

    let report = "報告 \u{202e}(最終)\" – très long nom qui dépasse la ligne de soixante-dix-huit caractères.pdf";
    let large = noise(2_500_000);
    let big5 = [0xb4, 0xfa, 0xb8, 0xd5];
    let files = [
        (report, "application/pdf", &large[..]),
        ("../../notes.txt", "text/plain; charset=Big5", &big5[..]),
        (
            "asked.eml",
            "message/rfc822",
            b"Subject: x\r\n\r\n.\r\nFrom here\r\n",
        ),
        ("empty", "application/octet-stream", b""),
    ];
    let mut ids = Vec::new();
    for (place, (name, kind, octets)) in files.into_iter().enumerate() {
        let key = format!("file-{place}");
        let taken = upload(&work.desk.api, &contact, (name, kind, &key), octets);
        is(&taken, 201);
        let told = taken.json();
        assert_eq!(told["sha256"], sha256_of(octets));
        let again = upload(&work.desk.api, &contact, (name, kind, &key), octets);
        is(&again, 201);
        assert_eq!(again.json(), told, "it is taken once");
        ids.push(told["id"].clone());
    }
    let other = upload(
        &work.desk.api,
        &contact,
        ("../../notes.txt", "text/plain; charset=Big5", "file-1"),
        b"other",
    );
    is(&other, 422);
    let too_large = upload(
        &work.desk.api,
        &contact,
        ("x", "image/png", "large"),
        &noise(4_000_001),
    );
    is(&too_large, 413);
    is(
        &upload(&work.desk.api, &contact, ("x", "no type", "t"), b"x"),
        422,
    );
    is(
        &upload(
            &work.desk.api,
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            ("x", "image/png", "n"),
            b"x",
        ),
        404,
    );

    let wish = json!({ "text": "Here it is.", "attachments": ids });
    let path = format!("/api/v1/contacts/{contact}/answer");
    let answer = |work: &MailDesk| {
        let headers = "Idempotency-Key: answer-1\r\n";
        let sent = work
            .desk
            .api
            .try_send("POST", &path, headers, &wish.to_string());
        sent.unwrap_or_else(|fault| panic!("{fault}"))
    };
    let first = answer(&work);
    is(&first, 200);
    work.restart();
    let held = work.in_hand("ming", "active");
    assert_eq!(contact_of(&held), contact);
    let again = answer(&work);
    is(&again, 200);
    assert_eq!(again.json()["message_id"], first.json()["message_id"]);
    let used = json!({ "text": "Once more.", "attachments": [ids[1]] });
    is(&work.act(&contact, "answer", &used), 422);

    let sent = work.sink.wait_for(1).remove(0);
    let read = read_by_python(&sent.text);
    assert_eq!(read["defects"], 0);
    assert!(read["body"].to_string().contains("Here it is."), "{read}");
    let name =
        "報告 (最終)_ – très long nom qui dépasse la ligne de soixante-dix-huit caractères.pdf";
    let expected = json!([
        [name, "application/pdf", null, sha256_of(&large)],
        ["notes.txt", "text/plain", "big5", sha256_of(&big5)],
        [
            "asked.eml",
            "application/octet-stream",
            null,
            sha256_of(files[2].2)
        ],
        ["empty", "application/octet-stream", null, sha256_of(b"")],
    ]);
    assert_eq!(read["files"], expected, "{:#}", read["files"]);

    let ticket = work.ticket(&number, "the answer", |ticket| {
        ticket["articles"]
            .as_array()
            .is_some_and(|it| it.len() == 2)
    });
    let shown = &ticket["articles"][1]["attachments"];
    let names: Vec<&Value> = shown
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| &it["filename"])
        .collect();
    assert_eq!(names, [name, "notes.txt", "asked.eml", "empty"]);
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let path = format!(
        "/api/v1/tickets/{}/attachments/{}",
        word(&ticket["id"]),
        word(&shown[0]["id"])
    );
    let downloaded = work.desk.api.get(&path);
    is(&downloaded, 200);
    assert_eq!(sha256_of(&downloaded.octets), sha256_of(&large));
    assert_eq!(work.sink.taken().len(), 1, "sent once");
}
