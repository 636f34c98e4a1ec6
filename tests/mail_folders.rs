//! Mail fetched from a real Dovecot by the real program: what is taken, what is left, and what a crash costs.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::dovecot::Dovecot;
use ringdown_harness::gateway::{self, Gateway};
use ringdown_harness::place::Folder;
use ringdown_harness::token_server::TokenServer;
use serde_json::Value;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

fn mail(id: &str) -> String {
    format!(
        "Return-Path: <anna@example.org>\nMessage-ID: {id}\nFrom: Anna <anna@example.org>\nTo: help@desk.example\n\
         Subject: Printer {id}\n\nIt does not print.\n"
    )
}

/// The configuration of a folder of `help` at this server, by TLS, with these keys for the way in and more.
fn folder(dovecot: &Dovecot, keys: &str) -> String {
    let keys = if keys.contains("token") {
        keys.to_owned()
    } else {
        format!("password = \"{}\"\n{keys}", Dovecot::PASSWORD)
    };
    let port = match keys.contains("starttls") {
        true => dovecot.imap(),
        false => dovecot.imaps(),
    };
    format!(
        "[[email.imap]]\nmailbox = \"help@desk.example\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"help\"\n\
         authority = \"{}\"\n{keys}\n[[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n",
        dovecot.authority().display()
    )
}

fn open(dovecot: &Dovecot, keys: &str) -> Desk {
    DeskPlan::new()
        .section(&folder(dovecot, keys))
        .open(program())
}

fn ticket_of(desk: &Desk, message_id: &str) -> Value {
    let list = desk.api.wait_until(
        &path_of(message_id),
        &format!("the ticket of {message_id}"),
        PATIENCE,
        |list| !list["items"][0].is_null(),
    );
    list["items"][0].clone()
}

fn path_of(message_id: &str) -> String {
    let id = message_id.replace('<', "%3C").replace('>', "%3E");
    format!("/api/v1/tickets?message_id={id}")
}

#[test]
fn a_mail_is_taken_as_it_comes_and_read_when_it_is_stored() {
    let dovecot = Dovecot::start();
    dovecot.deliver("help", &mail("<before@a>"));
    // Only word from the server (IDLE) brings the second mail before the test runs out of patience.
    let desk = open(&dovecot, "poll_s = 3600\n");
    ticket_of(&desk, "<before@a>");
    dovecot.deliver("help", &mail("<after@a>"));
    let ticket = ticket_of(&desk, "<after@a>");
    let article = &ticket["articles"][0];
    assert_eq!(article["text_new"], "It does not print.", "{article:#}");
    assert_eq!(article["from"], "Anna <anna@example.org>", "{article:#}");
    dovecot.wait_until(
        &["fetch", "-u", "help", "flags", "all"],
        "that both are read",
        |told| told.matches("\\Seen").count() == 2,
    );
}

#[test]
fn what_was_read_before_the_first_look_is_left_and_all_after_it_is_taken() {
    let mut dovecot = Dovecot::start();
    dovecot.deliver("help", &mail("<old@a>"));
    dovecot.ask(&["flags", "add", "-u", "help", "\\Seen", "all"]);
    dovecot.deliver("help", &mail("<unread@a>"));
    let mut desk = open(&dovecot, "");
    ticket_of(&desk, "<unread@a>");
    desk.gateway.process.ask_to_end();

    // While no gateway looks, one mail comes and somebody reads it with a mail program.
    dovecot.deliver("help", &mail("<read-elsewhere@a>"));
    dovecot.ask(&["flags", "add", "-u", "help", "\\Seen", "all"]);
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    ticket_of(&desk, "<read-elsewhere@a>");

    // The server makes the folder anew: UIDs mean nothing any more, and nothing is taken twice.
    desk.gateway.process.ask_to_end();
    dovecot.go_away();
    dovecot.come_back();
    dovecot.ask(&[
        "mailbox",
        "update",
        "-u",
        "help",
        "--uid-validity",
        "4711",
        "INBOX",
    ]);
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    dovecot.deliver("help", &mail("<renewed@a>"));
    ticket_of(&desk, "<renewed@a>");
    let all = desk.api.get_json("/api/v1/tickets");
    let subjects: Vec<&str> = all["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|ticket| ticket["subject"].as_str())
        .collect();
    for (subject, count) in [
        ("Printer <unread@a>", 1),
        ("Printer <read-elsewhere@a>", 1),
        ("Printer <renewed@a>", 1),
    ] {
        let found = subjects.iter().filter(|it| **it == subject).count();
        assert_eq!(found, count, "{subject}: {subjects:?}");
    }
}

#[test]
fn several_folders_bring_mails_to_their_own_mailboxes() {
    let dovecot = Dovecot::start();
    let second = format!(
        "[[email.imap]]\nmailbox = \"net@desk.example\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"net\"\n\
         authority = \"{}\"\npassword = \"{}\"\n\
         [[mailbox]]\naddress = \"net@desk.example\"\nqueue = \"networks\"\n[[queue]]\nid = \"networks\"\n",
        dovecot.imaps(),
        dovecot.authority().display(),
        Dovecot::PASSWORD
    );
    let plan = DeskPlan::new().section(&(folder(&dovecot, "") + &second));
    let desk = plan.open(program());
    dovecot.deliver("help", &mail("<for-help@a>"));
    dovecot.deliver("net", &mail("<for-net@a>"));
    for (id, queue) in [("<for-help@a>", "desk"), ("<for-net@a>", "networks")] {
        assert_eq!(ticket_of(&desk, id)["queue"], queue, "{id}");
    }
}

#[test]
fn a_server_that_goes_away_is_looked_for_until_it_is_back() {
    let mut dovecot = Dovecot::start();
    let desk = open(&dovecot, "");
    dovecot.deliver("help", &mail("<first@a>"));
    ticket_of(&desk, "<first@a>");
    dovecot.go_away();
    desk.gateway
        .process
        .wait_for_line("that the server is away", |line| {
            line.contains("no mail can be fetched")
        });
    dovecot.come_back();
    dovecot.deliver("help", &mail("<second@a>"));
    ticket_of(&desk, "<second@a>");
}

#[test]
fn a_token_opens_the_folder_and_taken_mails_are_moved() {
    let dovecot = Dovecot::start();
    dovecot.ask(&["mailbox", "create", "-u", "help", "已處理"]);
    let tokens = Folder::new();
    let token = tokens.write("token", format!("{}\n", dovecot.token("help")));
    let keys = format!(
        "tls = \"starttls\"\ntoken_file = \"{}\"\nmove_to = \"已處理\"\n",
        token.display()
    );
    let desk = open(&dovecot, &keys);
    dovecot.deliver("help", &mail("<moved@a>"));
    ticket_of(&desk, "<moved@a>");
    dovecot.wait_until(
        &["search", "-u", "help", "mailbox", "已處理"],
        "that it is moved",
        |found| found.lines().count() == 1,
    );
    let left = dovecot.ask(&["search", "-u", "help", "mailbox", "INBOX"]);
    assert_eq!(left, "", "nothing stays");
}

/// The keys of a folder that is opened with what this server gives.
fn oauth(server: &TokenServer) -> String {
    let [client, secret] = TokenServer::CLIENT;
    format!(
        "[email.imap.oauth]\ntoken_url = \"{}\"\nclient_id = \"{client}\"\nclient_secret = \"{secret}\"\n\
         refresh_token = \"{}\"\nscope = \"mail.read\"\n",
        server.url(),
        TokenServer::REFRESH_TOKEN
    )
}

/// What the gateway counted of renewals with this outcome.
fn renewals(desk: &Desk, outcome: &str) -> u64 {
    let told = desk.operations.get("/metrics").body;
    let name = format!("ringdown_mail_token_renewals_total{{outcome=\"{outcome}\"}} ");
    let found = told.lines().find_map(|line| line.strip_prefix(&name));
    found.map_or(0, |count| count.parse().expect("a number"))
}

#[test]
fn a_token_is_renewed_at_its_end_and_the_newest_refresh_token_outlives_the_gateway() {
    let mut dovecot = Dovecot::start();
    let server = TokenServer::start(dovecot.token("help"), 59);
    let mut desk = open(&dovecot, &oauth(&server));
    dovecot.deliver("help", &mail("<first@a>"));
    ticket_of(&desk, "<first@a>");
    dovecot.go_away();
    dovecot.come_back();
    dovecot.deliver("help", &mail("<second@a>"));
    ticket_of(&desk, "<second@a>");
    assert!(server.exchanged() >= 2, "{server:?}");
    assert!(renewals(&desk, "renewed") >= 2);
    desk.gateway.process.kill();
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    dovecot.deliver("help", &mail("<third@a>"));
    ticket_of(&desk, "<third@a>");
    assert_eq!(renewals(&desk, "refused"), 0, "{server:?}");
}

#[test]
fn a_token_that_holds_is_kept_and_one_that_the_mail_server_does_not_take_is_not() {
    let mut dovecot = Dovecot::start();
    let server = TokenServer::start("nonsense".to_owned(), 3_600);
    let desk = open(&dovecot, &oauth(&server));
    dovecot.deliver("help", &mail("<first@a>"));
    server.wait_for(1, 0);
    server.give(dovecot.token("help"));
    ticket_of(&desk, "<first@a>");
    let asked = server.exchanged();
    dovecot.go_away();
    dovecot.come_back();
    dovecot.deliver("help", &mail("<second@a>"));
    ticket_of(&desk, "<second@a>");
    assert_eq!(server.exchanged(), asked, "{server:?}");
}

#[test]
fn a_token_server_that_refuses_is_told_and_costs_no_mail() {
    let dovecot = Dovecot::start();
    let server = TokenServer::start(dovecot.token("help"), 59);
    dovecot.deliver("help", &mail("<waits@a>"));
    server.set_closed(true);
    let plan = DeskPlan::new().section(&folder(&dovecot, &oauth(&server)));
    let configuration = plan.write().to_string_lossy().into_owned();
    let doctor =
        |folder: &Folder| gateway::run(program(), folder, &["doctor", "-c", &configuration]);
    let (status, told, _) = doctor(plan.folder());
    assert_eq!(status, 1, "{told}");
    let line = told.lines().find(|line| line.contains("imap"));
    let line = line.unwrap_or_default();
    let why = "refuses: invalid_grant (as the token server says)";
    assert!(line.starts_with("FAIL") && line.contains(why), "{told}");

    let desk = plan.open(program());
    server.wait_for(0, 2);
    desk.gateway
        .process
        .wait_for_line("why no mail comes", |line| {
            line.contains("no mail can be fetched") && line.contains(why)
        });
    let metrics = desk.operations.get("/metrics").body;
    let is_down =
        |line: &&str| line.starts_with("ringdown_mail_folder_up{") && line.ends_with(" 0");
    assert!(metrics.lines().any(|line| is_down(&line)), "{metrics}");
    assert!(renewals(&desk, "refused") >= 1);
    let flags = dovecot.ask(&["fetch", "-u", "help", "flags", "all"]);
    assert!(!flags.contains("\\Seen"), "{flags}");
    server.set_closed(false);
    ticket_of(&desk, "<waits@a>");
    // Looking exchanges the refresh token, and the gateway goes on with the new one.
    let (_, told, _) = doctor(&desk.folder);
    let line = told.lines().find(|line| line.contains("imap"));
    assert!(line.is_some_and(|line| line.starts_with("ok")), "{told}");
    let asked = server.exchanged();
    let mut dovecot = dovecot;
    dovecot.go_away();
    dovecot.come_back();
    dovecot.deliver("help", &mail("<after@a>"));
    ticket_of(&desk, "<after@a>");
    assert!(server.exchanged() > asked, "{server:?}");
}

#[test]
fn kill_9_while_fetching_loses_and_doubles_nothing() {
    let dovecot = Dovecot::start();
    let mut desk = open(&dovecot, "");
    for round in 0..5 {
        for number in 0..10 {
            dovecot.deliver("help", &mail(&format!("<{round}.{number}@a>")));
        }
        // Somewhere between the first and the last of them.
        ticket_of(&desk, &format!("<{round}.{}@a>", round * 2));
        desk.gateway.process.kill();
        desk.gateway = Gateway::start(program(), &desk.configuration);
        desk.gateway.must_be_ready(&desk.operations);
    }
    for round in 0..5 {
        for number in 0..10 {
            let id = format!("<{round}.{number}@a>");
            ticket_of(&desk, &id);
            let found = desk.api.get_json(&path_of(&id));
            let tickets = found["items"].as_array().map(Vec::len);
            let articles = found["items"][0]["articles"].as_array().map(Vec::len);
            assert_eq!((tickets, articles), (Some(1), Some(1)), "{id}");
        }
    }
}

#[test]
fn the_doctor_tries_the_folder() {
    let dovecot = Dovecot::start();
    let plan = DeskPlan::new().section(&folder(&dovecot, ""));
    let configuration = plan.write();
    let configuration = configuration.to_string_lossy();
    let (_, told, _) = gateway::run(
        program(),
        plan.folder(),
        &["doctor", "-c", configuration.as_ref()],
    );
    let line = told.lines().find(|line| line.contains("imap"));
    assert!(line.is_some_and(|line| line.starts_with("ok")), "{told}");
    dovecot.ask(&["mailbox", "list", "-u", "help"]);
    let wrong = folder(&dovecot, "folder = \"Nowhere\"\n");
    let plan = DeskPlan::new().section(&wrong);
    let configuration = plan.write();
    let configuration = configuration.to_string_lossy();
    let (status, told, _) = gateway::run(
        program(),
        plan.folder(),
        &["doctor", "-c", configuration.as_ref()],
    );
    let line = told.lines().find(|line| line.contains("imap"));
    assert_eq!(status, 1, "{told}");
    assert!(line.is_some_and(|line| line.starts_with("FAIL")), "{told}");
}
