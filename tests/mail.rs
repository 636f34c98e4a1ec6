//! Mail from the outside: SMTP, LMTP and a pipe into the real program, found again through its API.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::flood::{Doors, Flood};
use ringdown_harness::mail::{MailClient, MailSink, Post, Postfix, make_certificate, swaks};
use ringdown_harness::place::free_address;
use ringdown_harness::postgres::Postgres;
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk with mailboxes, and its doors.
struct MailDesk {
    desk: Desk,
    smtp: SocketAddr,
    lmtp: SocketAddr,
}

impl MailDesk {
    fn open(plan: DeskPlan, keys: &str) -> Self {
        let (smtp, lmtp) = (free_address(), free_address());
        let plan = plan.section(&sections(smtp, lmtp, keys));
        Self {
            desk: plan.open(program()),
            smtp,
            lmtp,
        }
    }

    fn ticket_of(&self, message_id: &str) -> Value {
        let id = message_id.replace('<', "%3C").replace('>', "%3E");
        let path = format!("/api/v1/tickets?message_id={id}");
        let list = self
            .desk
            .api
            .wait_until(&path, "the ticket", PATIENCE, |list| {
                list["items"]
                    .as_array()
                    .is_some_and(|items| items.len() == 1)
            });
        list["items"][0].clone()
    }
}

fn sections(smtp: SocketAddr, lmtp: SocketAddr, keys: &str) -> String {
    format!(
        "[email]\nlisten = \"{smtp}\"\nlmtp_listen = \"{lmtp}\"\n{keys}\n\
         [[mailbox]]\naddress = \"help@desk.example\"\naliases = [\"hilfe@desk.example\"]\nqueue = \"desk\"\n\
         [[mailbox]]\naddress = \"net@desk.example\"\nqueue = \"desk\"\nkind = \"service_request\"\n"
    )
}

fn mail(id: &str) -> String {
    format!(
        "Message-ID: {id}\nFrom: Anna <anna@example.org>\nTo: help@desk.example\nSubject: Printer {id}\n\nIt does not print.\n"
    )
}

fn deliver(address: SocketAddr, hello: &str, to: &str, mail: &str) -> String {
    let mut client = MailClient::connect(address);
    client.say(&format!("{hello} client.example"), "250");
    client
        .try_deliver("anna@example.org", to, mail)
        .unwrap_or_else(|fault| panic!("{fault}"))
}

#[test]
fn a_mail_is_a_ticket_when_its_sender_hears_250() {
    let desk = MailDesk::open(DeskPlan::new(), "");
    let answer = deliver(desk.smtp, "EHLO", "help+x@desk.example", &mail("<1@a>"));
    let number = answer
        .trim_end()
        .rsplit(' ')
        .next()
        .expect("it names the ticket")
        .to_owned();
    assert!(answer.starts_with("250 2.0.0 Stored: RD-"), "{answer}");
    // Without waiting: it was stored before the answer.
    let list = desk
        .desk
        .api
        .get_json("/api/v1/tickets?message_id=%3C1%40a%3E");
    let ticket = &list["items"][0];
    assert_eq!(ticket["number"], number.as_str());
    let article = &ticket["articles"][0];
    for (field, wanted) in [
        ("channel", "email"),
        ("direction", "in"),
        ("message_id", "<1@a>"),
        ("text_new", "It does not print."),
    ] {
        assert_eq!(article[field], wanted, "{article:#}");
    }
    assert_eq!(article["auto_reply"], false);
    let contact = ticket["contacts"][0].as_str().expect("it has a contact");
    let path = format!("/api/v1/contacts/{contact}");
    let contact = desk
        .desk
        .api
        .wait_until(&path, "that it waits", PATIENCE, |it| {
            it["state"] == "waiting"
        });
    assert_eq!(
        (&contact["channel"], &contact["queue"]),
        (&"email".into(), &"desk".into())
    );
    let again = deliver(desk.smtp, "EHLO", "hilfe@desk.example", &mail("<1@a>"));
    assert_eq!(again, answer, "the same mail again");
    assert_eq!(
        desk.ticket_of("<1@a>")["articles"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn swaks_sends_through_tls_with_a_file_and_lmtp_to_two() {
    let (smtp, lmtp) = (free_address(), free_address());
    let plan = DeskPlan::new();
    make_certificate(plan.folder(), "desk.example");
    let file = plan
        .folder()
        .write("report.txt", "what was printed\n".repeat(50_000));
    let keys = "certificate = \"certificate.pem\"\nkey = \"key.pem\"\ntls_required = true\nmemory_bytes_max = 10000\n";
    let desk = plan.section(&sections(smtp, lmtp, keys)).open(program());
    let desk = MailDesk { desk, smtp, lmtp };
    let at = |address: SocketAddr| address.to_string();
    let (status, said) = swaks(&[
        "--server",
        &at(smtp),
        "--to",
        "help@desk.example",
        "--from",
        "anna@example.org",
    ]);
    assert_ne!(status, 0, "without TLS: {said}");
    let (status, said) = swaks(&[
        "--server",
        &at(smtp),
        "--tls",
        "--to",
        "help@desk.example",
        "--from",
        "anna@example.org",
        "--header",
        "Message-Id: <tls@a>",
        "--attach",
        &format!("@{}", file.display()),
    ]);
    assert_eq!(status, 0, "{said}");
    let ticket = desk.ticket_of("<tls@a>");
    let attachment = &ticket["articles"][0]["attachments"][0];
    assert_eq!(
        (&attachment["filename"], &attachment["bytes"]),
        (&"report.txt".into(), &850_000.into())
    );
    let path = format!(
        "/api/v1/tickets/{}/attachments/{}",
        ticket["id"], attachment["id"]
    );
    let got = desk.desk.api.get(&path);
    assert_eq!((got.status, got.body.len()), (200, 850_000));
    assert!(
        got.head
            .to_ascii_lowercase()
            .contains("x-content-type-options: nosniff"),
        "{}",
        got.head
    );
    assert_eq!(
        desk.desk
            .api
            .get("/api/v1/tickets/999/attachments/1")
            .status,
        404
    );
    let (status, said) = swaks(&[
        "--protocol",
        "LMTP",
        "--server",
        &at(desk.lmtp),
        "--to",
        "help@desk.example,net@desk.example",
        "--from",
        "anna@example.org",
        "--header",
        "Message-Id: <two@a>",
    ]);
    assert_eq!(status, 0, "{said}");
    assert_eq!(said.matches("250 2.0.0 Stored: RD-").count(), 2, "{said}");
    let (status, said) = swaks(&[
        "--server",
        &at(smtp),
        "--tls",
        "--to",
        "nobody@desk.example",
        "--from",
        "anna@example.org",
    ]);
    assert_ne!(status, 0);
    assert!(said.contains("550 5.1.1"), "{said}");
}

#[test]
fn postfix_delivers_by_lmtp_and_keeps_what_cannot_be_stored_yet() {
    let (smtp, lmtp) = (free_address(), free_address());
    let postfix = Postfix::start(lmtp);
    let send = |id: &str| {
        let answer = deliver(postfix.address(), "EHLO", "help@desk.example", &mail(id));
        assert!(answer.starts_with("250"), "{answer}");
    };
    send("<before@a>");
    postfix.wait_for("that the desk is away", |line| {
        line.contains("status=deferred")
    });
    let plan = DeskPlan::new().section(&sections(smtp, lmtp, ""));
    let desk = MailDesk {
        desk: plan.open(program()),
        smtp,
        lmtp,
    };
    send("<after@a>");
    for id in ["<before@a>", "<after@a>"] {
        let ticket = desk.ticket_of(id);
        assert_eq!(ticket["articles"].as_array().map(Vec::len), Some(1));
        let number = ticket["number"].as_str().expect("it has a number");
        postfix.wait_for("that it is stored", |line| {
            line.contains("status=sent") && line.contains(number)
        });
    }
}

fn pipe(desk: &MailDesk, arguments: &[&str], mail: &str) -> (i32, String, String) {
    let mut child = Command::new(program())
        .current_dir(desk.desk.folder.path())
        .arg("mail")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // Who refuses the arguments does not read.
    let _ = stdin.write_all(mail.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_pipe_takes_a_mail_that_the_running_gateway_brings_into_line() {
    let desk = MailDesk::open(DeskPlan::new(), "");
    let (status, said, told) = pipe(
        &desk,
        &[
            "--mailbox",
            "net@desk.example",
            "--from",
            "anna@example.org",
            "--format",
            "json",
        ],
        &mail("<pipe@a>"),
    );
    assert_eq!(status, 0, "{told}");
    let said: Value = serde_json::from_str(&said).expect("one JSON document");
    assert_eq!(
        (&said["ticket"]["kind"], &said["article"]["message_id"]),
        (&"service_request".into(), &"<pipe@a>".into())
    );
    let contact = said["article"]["contact"]
        .as_str()
        .expect("it has a contact");
    let path = format!("/api/v1/contacts/{contact}");
    desk.desk
        .api
        .wait_until(&path, "that it waits", PATIENCE, |it| {
            it["state"] == "waiting"
        });
    let (status, again, _) = pipe(&desk, &["--to", "net@desk.example"], &mail("<pipe@a>"));
    assert_eq!(
        (status, again.trim()),
        (0, said["ticket"]["number"].as_str().expect("it has one"))
    );
    for (arguments, mail, wanted) in [
        (&["--to", "nobody@desk.example"][..], "x: y\n\nz\n", 67),
        (&[], "", 65),
        (&["-c", "nowhere.toml"], "x: y\n\nz\n", 78),
        (&["--what"], "x: y\n\nz\n", 2),
    ] {
        assert_eq!(pipe(&desk, arguments, mail).0, wanted, "{arguments:?}");
    }
    let file = desk.desk.folder.write("one.eml", mail("<explained@a>"));
    let (status, said, told) = pipe(&desk, &["--explain", &file.display().to_string()], "");
    assert_eq!(status, 0, "{told}");
    assert!(said.contains("\"origin\": \"person\""), "{said}");
    let found = desk
        .desk
        .api
        .get_json("/api/v1/tickets?message_id=%3Cexplained%40a%3E");
    assert_eq!(
        found["items"].as_array().map(Vec::len),
        Some(0),
        "it stores nothing"
    );
}

#[test]
fn a_full_disk_makes_senders_wait_and_stores_nothing_by_halves() {
    let mut desk = MailDesk::open(DeskPlan::new().files_kb_max(1_000), "");
    let large = format!(
        "{}{}\n",
        mail("<large@a>"),
        "0123456789abcdef\n".repeat(100_000)
    );
    let answer = deliver(desk.smtp, "EHLO", "help@desk.example", &large);
    assert!(answer.starts_with("451 4.3.0"), "{answer}");
    let found = desk
        .desk
        .api
        .get_json("/api/v1/tickets?message_id=%3Clarge%40a%3E");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(
        desk.desk.api.get_json("/api/v1/contacts")["items"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    assert!(desk.desk.gateway.process.is_running());
}

/// Octets of a large mail, most of them one attachment.
const LARGE_BYTES: usize = 16_000_000;

/// Large mails at one time.
const LARGE_MAILS: usize = 6;

/// What the desk of that test may hold of mails at one time: one of them, and what is unwrapped from it.
const READING_BYTES_MAX: usize = 2 * LARGE_BYTES + 1_000_000;

#[test]
fn large_mails_at_one_time_wait_in_files_that_go_away() {
    let plan = DeskPlan::new();
    let left_over = plan
        .folder()
        .write("data/mail-spool/1-0.mail", "of a crash");
    let (smtp, lmtp) = (free_address(), free_address());
    let keys = format!(
        "relays = [\"127.0.0.0/8\"]\nmemory_bytes_max = 65536\nreading_bytes_max = {READING_BYTES_MAX}\nstoring_max_s = 600\n"
    );
    let desk = plan.section(&sections(smtp, lmtp, &keys)).open(program());
    assert!(!left_over.exists(), "the spool of a crash is swept");
    std::thread::scope(|scope| {
        for number in 0..LARGE_MAILS {
            scope.spawn(move || deliver_large(lmtp, number));
        }
    });
    let desk = MailDesk { desk, smtp, lmtp };
    for number in 0..LARGE_MAILS {
        let ticket = desk.ticket_of(&format!("<large{number}@a>"));
        let attachment = &ticket["articles"][0]["attachments"][0];
        assert_eq!(attachment["bytes"], LARGE_BYTES / 76 * 57, "{ticket:#}");
    }
    let spool = desk.desk.folder.path().join("data/mail-spool");
    let left = std::fs::read_dir(spool).expect("it is there").count();
    assert_eq!(left, 0, "files of mails that are stored");
}

fn deliver_large(lmtp: SocketAddr, number: usize) {
    let mut text = format!(
        "Message-ID: <large{number}@a>\r\nFrom: anna@example.org\r\nSubject: Large\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\n\
         Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=a{number}.zip\r\n\r\n"
    );
    let line = format!("{number:04}{}\r\n", "QUJD".repeat(18));
    text.push_str(&line.repeat(LARGE_BYTES / 76));
    text.push_str("--b--\r\n");
    let mut client = MailClient::connect_for(lmtp, PATIENCE * 30);
    client.say("LHLO client.example", "250");
    let post = Post {
        from: "anna@example.org".to_owned(),
        to: "help@desk.example".to_owned(),
        text,
    };
    let mut taken = [false];
    let delivered = client.try_deliver_in_chunks(&[post], &mut taken);
    assert!(delivered.is_ok() && taken[0], "{delivered:?}");
}

/// A gateway that is killed during deliveries has every mail once, on its ticket, and writes to nobody twice.
fn crashes_lose_and_double_nothing(sections_more: &str, flood: Flood) {
    let sink = MailSink::start(|_| {});
    let doors = Doors {
        smtp: free_address(),
        lmtp: free_address(),
    };
    let keys = format!(
        "relays = [\"127.0.0.0/8\"]\n[email.smarthost]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n",
        sink.address().port()
    );
    let plan = DeskPlan::new()
        .section(&sections(doors.smtp, doors.lmtp, &keys))
        .section(sections_more);
    let mut desk = plan.open(program());
    let delivered = flood.deliver(&mut desk, program(), doors);
    assert!(delivered.crashes > 2, "{delivered:?}");
    flood.must_be_whole(&desk, &sink);
    let path = "/api/v1/queues/desk/waiting?limit=500";
    // Half of the line is for callers; the others wait in the database.
    desk.api
        .wait_until(path, "a full half of the line", PATIENCE, |waiting| {
            waiting["items"]
                .as_array()
                .is_some_and(|items| items.len() == 50)
        });
}

#[test]
fn a_gateway_that_crashes_again_and_again_loses_no_mail_and_doubles_none() {
    let flood = Flood {
        mails: 300,
        senders: 6,
        kill_every: 70,
        bytes: 3_000,
    };
    crashes_lose_and_double_nothing("", flood);
}

#[test]
fn a_gateway_that_crashes_on_postgres_loses_no_mail_and_doubles_none() {
    let postgres = Postgres::start();
    let flood = Flood {
        mails: 180,
        senders: 4,
        kill_every: 40,
        bytes: 3_000,
    };
    let database = format!("[database]\nurl = \"{}\"\n", postgres.url());
    crashes_lose_and_double_nothing(&database, flood);
}
