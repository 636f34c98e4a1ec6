//! Whether senders are who their mails say: SPF, DKIM, DMARC and ARC against a real name server, with mails
//! that other people's software signed, and our signatures as other people's software sees them.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::dkim::{self, DkimKey, KeyKind};
use ringdown_harness::dns::{NameServer, txt};
use ringdown_harness::gateway::run;
use ringdown_harness::mail::{MailClient, MailSink, Smarthost, TlsStart, swaks};
use ringdown_harness::place::{Folder, free_address, repository};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk for the mails of the fixtures, which looks senders up at `dns`.
fn configuration(folder: &Folder, dns: SocketAddr, keys: &str) -> PathBuf {
    let place = folder.path().display();
    let text = format!(
        "data_dir = \"{place}/data\"\n[site]\nregion = \"TW\"\n[email]\nresolver = [\"{dns}\"]\nauthenticate_max_ms = 20000\n{keys}\n\
         [[mailbox]]\naddress = \"desk@example.com\"\nqueue = \"desk\"\n[[queue]]\nid = \"desk\"\n[[queue]]\nid = \"doubtful\"\n"
    );
    folder.write("ringdown.toml", text)
}

/// Tells what the desk makes of a mail that came as the first line of its expectation says.
fn explain(folder: &Folder, configuration: &Path, mail: &Path, came: &str) -> Value {
    let (configuration, mail) = (configuration.display(), mail.display());
    let mut arguments = vec![
        "mail".to_owned(),
        "-c".to_owned(),
        configuration.to_string(),
    ];
    arguments.extend(["--explain".to_owned(), mail.to_string()]);
    if let Some(client) = came.strip_prefix("client ") {
        let names = ["--client", "--helo", "--from"];
        for (name, value) in names.iter().zip(client.split(' ')) {
            let value = if value == "-" { "" } else { value };
            arguments.push(format!("{name}={value}"));
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (status, told, faults) = run(program(), folder, &arguments);
    assert_eq!(status, 0, "{mail}: {faults}");
    serde_json::from_str(&told).unwrap_or_else(|fault| panic!("{fault}: {told}"))
}

/// `UPDATE=1 cargo nextest run --test mail_authentication` rewrites what is expected; look at the difference.
#[test]
fn every_sender_of_the_fixtures_is_judged_as_expected() {
    let mails = repository().join("fixtures/mails/authentication");
    let zone = std::fs::read_to_string(mails.join("zone")).expect("the zone can be read");
    let (dns, folder) = (NameServer::start(&zone), Folder::new());
    let keys =
        "authserv_id = \"mx.desk.example\"\narc_sealers = [\"list.example\", \"forward.example\"]";
    let configuration = configuration(&folder, dns.address(), keys);
    let entries = std::fs::read_dir(&mails).expect("the fixtures can be read");
    let paths = entries.map(|entry| entry.expect("the fixtures can be read").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "verdict"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 25, "only {} mails", paths.len());
    let mut wrong = String::new();
    for path in paths {
        let wanted = std::fs::read_to_string(&path).expect("it can be read");
        let came = wanted.lines().next().unwrap_or("relay");
        let told = explain(&folder, &configuration, &path.with_extension("eml"), came);
        let found = format!("{came}\n{}", told_verdict(&told["authentication"]));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, found).expect("it can be written");
        } else if found != wanted {
            let _ = write!(wrong, "{}:\nwanted {wanted}found {found}", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The judgement and why, then each finding: method, outcome, domain, whether it is aligned, who found it.
fn told_verdict(verdict: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut told = format!(
        "{}: {}\n",
        word(&verdict["judgement"]),
        word(&verdict["reason"])
    );
    if let Some(policy) = verdict["policy"].as_str() {
        let _ = writeln!(told, "policy {policy}");
    }
    for finding in verdict["findings"].as_array().into_iter().flatten() {
        let aligned = if finding["is_aligned"] == true {
            " aligned"
        } else {
            ""
        };
        let by = match finding["by"].as_str() {
            Some(by) => by.to_owned(),
            None => format!("sealer {}", word(&finding["by"]["sealer"])),
        };
        let _ = writeln!(
            told,
            "{}={} {}{aligned} by {by}: {}",
            word(&finding["method"]),
            word(&finding["outcome"]),
            word(&finding["domain"]),
            word(&finding["reason"])
        );
    }
    told
}

#[test]
fn rules_go_by_what_was_found_and_every_condition_says_why_not() {
    let records = [txt("example.org", "v=spf1 ip4:192.0.2.10 -all")];
    let (dns, folder) = (NameServer::of_records(&records), Folder::new());
    let rules = "[[email.rule]]\nname = \"forged\"\nwhen = { authentication = [\"failed\"] }\nthen = { spam = true }\n\
         [[email.rule]]\nname = \"doubtful\"\nwhen = { spf = [\"fail\", \"softfail\"], dmarc = [\"none\"] }\n\
         then = { queue = \"doubtful\" }\n";
    let configuration = configuration(&folder, dns.address(), rules);
    let mail = folder.write("a.eml", mail("1@a", "anna@example.org"));
    let told = explain(
        &folder,
        &configuration,
        &mail,
        "client 198.51.100.9 mx.elsewhere.example anna@example.org",
    );
    assert_eq!(told["queue"], "doubtful", "{told:#}");
    let missed = &told["rules"][0]["outcome"]["missed"];
    assert_eq!(
        (&missed["condition"], &missed["found"]),
        (&"authentication".into(), &"unknown".into())
    );
    let told = explain(
        &folder,
        &configuration,
        &mail,
        "client 192.0.2.10 mail.example.org anna@example.org",
    );
    assert_eq!(told["queue"], "desk", "{told:#}");
    assert_eq!(
        told["authentication"]["judgement"], "passed",
        "no policy, aligned SPF"
    );
}

#[test]
fn what_a_record_includes_must_make_sense_if_it_is_asked() {
    let records = [
        txt(
            "plain.example",
            "v=spf1 ip4:192.0.2.1 include:two.example -all",
        ),
        txt("two.example", "v=spf1 ip4:192.0.2.2 -all"),
        txt("two.example", "v=spf1 ip4:192.0.2.3 -all"),
        txt("led.example", "v=spf1 redirect=Two.Example"),
        txt("deep.example", "v=spf1 include:between.example -all"),
        txt("between.example", "v=spf1 ?include:strange.example -all"),
        txt(
            "strange.example",
            "v=spf1 ip4:192.0.2.2 ipv4:192.0.2.3 -all",
        ),
        txt("good.example", "v=spf1 include:one.example ?all"),
        txt("one.example", "v=spf1 ip4:192.0.2.2 -all"),
    ];
    let (dns, folder) = (NameServer::of_records(&records), Folder::new());
    let configuration = configuration(&folder, dns.address(), "");
    for (domain, client, wanted) in [
        ("plain.example", "192.0.2.1", "pass"),
        ("plain.example", "192.0.2.2", "permerror"),
        ("led.example", "192.0.2.2", "permerror"),
        ("deep.example", "192.0.2.2", "permerror"),
        ("good.example", "192.0.2.2", "pass"),
        ("good.example", "192.0.2.9", "neutral"),
    ] {
        let from = format!("anna@{domain}");
        let mail = folder.write("a.eml", mail("1@a", &from));
        let came = format!("client {client} mail.{domain} {from}");
        let told = explain(&folder, &configuration, &mail, &came);
        let findings = told["authentication"]["findings"].as_array();
        let spf = findings.into_iter().flatten();
        let mut spf = spf.filter(|finding| finding["method"] == "spf");
        let found = spf.next().map(|finding| finding["outcome"].clone());
        assert_eq!(found, Some(wanted.into()), "{domain} {client}: {told:#}");
    }
}

fn mail(id: &str, from: &str) -> String {
    format!(
        "Message-ID: <{id}>\r\nFrom: {from}\r\nTo: help@desk.example\r\nSubject: Printer\r\n\r\nIt prints nothing.\r\n"
    )
}

/// Time enough for the name server on any machine.
const PATIENT: &str = "authenticate_max_ms = 20000";

/// A desk whose SMTP door takes nobody for a server of the site.
fn open(smtp: SocketAddr, dns: SocketAddr, keys: &str) -> Desk {
    let text = format!(
        "[email]\nlisten = \"{smtp}\"\nrelays = [\"127.0.0.250\"]\nresolver = [\"{dns}\"]\n{keys}\n\
         [[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\nacknowledge = false\n"
    );
    DeskPlan::new().section(&text).open(program())
}

fn article(desk: &Desk, id: &str) -> Value {
    let path = format!("/api/v1/tickets?message_id=%3C{id}%3E");
    let list = desk.api.wait_until(&path, "the ticket", PATIENCE, |list| {
        list["items"]
            .as_array()
            .is_some_and(|items| items.len() == 1)
    });
    list["items"][0]["articles"][0].clone()
}

/// Sends by swaks from an address of loopback; the status is swaks's own.
fn send(smtp: SocketAddr, client: &str, mail: &Path) -> (i32, String) {
    let (server, data) = (smtp.to_string(), format!("@{}", mail.display()));
    swaks(&[
        "--server",
        &server,
        "--local-interface",
        client,
        "--helo",
        "mail.example.org",
        "--from",
        "anna@example.org",
        "--to",
        "help@desk.example",
        "--data",
        &data,
    ])
}

#[test]
fn the_smtp_door_sees_which_client_may_send_for_a_domain() {
    let records = [
        txt("example.org", "v=spf1 ip4:127.0.0.10 -all"),
        txt("_dmarc.example.org", "v=DMARC1; p=reject"),
    ];
    let (dns, smtp, folder) = (
        NameServer::of_records(&records),
        free_address(),
        Folder::new(),
    );
    let desk = open(smtp, dns.address(), PATIENT);
    for (client, judgement, spf) in [
        ("127.0.0.10", "passed", "pass"),
        ("127.0.0.11", "failed", "fail"),
    ] {
        let id = format!("{client}.example");
        let mail = folder.write("mail.eml", mail(&id, "Anna <anna@example.org>"));
        let (status, transcript) = send(smtp, client, &mail);
        assert_eq!(status, 0, "{transcript}");
        let article = article(&desk, &id);
        let verdict = &article["facts"]["authentication"];
        assert_eq!(verdict["judgement"], judgement, "{verdict:#}");
        let findings = verdict["findings"].as_array().expect("there is evidence");
        let of_spf = findings.iter().find(|it| it["method"] == "spf");
        assert_eq!(of_spf.map(|it| it["outcome"].clone()), Some(spf.into()));
    }
}

#[test]
fn a_mail_that_its_domain_wants_rejected_is_refused_before_it_is_taken() {
    let key = DkimKey::new(KeyKind::Rsa);
    let records = [
        txt("example.org", "v=spf1 -all"),
        txt("_dmarc.example.org", "v=DMARC1; p=reject"),
        txt("s1._domainkey.example.org", &key.record()),
    ];
    let (dns, smtp, folder) = (
        NameServer::of_records(&records),
        free_address(),
        Folder::new(),
    );
    let keys = format!("{PATIENT}\ndmarc_reject = \"refuse\"");
    let desk = open(smtp, dns.address(), &keys);
    let forged = mail("forged@a", "anna@example.org");
    let path = folder.write("forged.eml", &forged);
    let (status, transcript) = send(smtp, "127.0.0.11", &path);
    assert_ne!(status, 0, "{transcript}");
    assert!(transcript.contains("550 5.7.26"), "{transcript}");
    // What a server of the site hands on was taken for us: it is filed, and marked.
    let (status, transcript) = send(smtp, "127.0.0.250", &path);
    assert_eq!(status, 0, "{transcript}");
    let verdict = article(&desk, "forged@a")["facts"]["authentication"].clone();
    assert_eq!(
        verdict["judgement"], "unknown",
        "SPF is not known there: {verdict:#}"
    );
    let signed = key.sign("example.org", "s1", &mail("signed@a", "anna@example.org"));
    let path = folder.write("signed.eml", signed);
    let (status, transcript) = send(smtp, "127.0.0.11", &path);
    assert_eq!(status, 0, "{transcript}");
    let verdict = article(&desk, "signed@a")["facts"]["authentication"].clone();
    assert_eq!(verdict["judgement"], "passed", "{verdict:#}");
}

#[test]
fn a_name_server_that_never_answers_costs_no_mail() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let dns = silent.local_addr().expect("it is bound");
    let (smtp, folder) = (free_address(), Folder::new());
    let desk = open(smtp, dns, "authenticate_max_ms = 200");
    let path = folder.write("mail.eml", mail("slow@a", "anna@example.org"));
    let (status, transcript) = send(smtp, "127.0.0.10", &path);
    assert_eq!(status, 0, "{transcript}");
    let verdict = article(&desk, "slow@a")["facts"]["authentication"].clone();
    assert_eq!(verdict["judgement"], "unknown", "{verdict:#}");
    let findings = verdict["findings"].as_array().expect("it says why");
    assert!(
        findings.iter().all(|it| it["outcome"] == "temperror"),
        "{verdict:#}"
    );
}

#[test]
fn what_is_sent_through_a_smarthost_bears_signatures_that_others_find_good() {
    let (rsa, ed25519) = (DkimKey::new(KeyKind::Rsa), DkimKey::new(KeyKind::Ed25519));
    let records = [
        txt("r1._domainkey.desk.example", &rsa.record()),
        txt("e1._domainkey.desk.example", &ed25519.record()),
    ];
    let dns = NameServer::of_records(&records);
    let (sink, smtp) = (MailSink::start(|_| {}), free_address());
    let smarthost = Smarthost::start(sink.address(), TlsStart::ByCommand);
    let text = format!(
        "[email]\nlisten = \"{smtp}\"\nresolver = [\"{}\"]\n[email.smarthost]\nhost = \"127.0.0.1\"\nport = {}\nauthority = \"{}\"\n\
         [[email.dkim]]\ndomain = \"desk.example\"\nselector = \"r1\"\nkey = \"{}\"\n\
         [[email.dkim]]\ndomain = \"desk.example\"\nselector = \"e1\"\nkey = \"{}\"\n\
         [[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n",
        dns.address(),
        smarthost.address().port(),
        smarthost.authority().display(),
        rsa.path().display(),
        ed25519.path().display(),
    );
    let _desk = DeskPlan::new().section(&text).open(program());
    let mut client = MailClient::connect(smtp);
    client.say("EHLO client.example", "250");
    let asked = mail("1@a", "Anna <anna@example.org>");
    let answer = client.try_deliver("anna@example.org", "help@desk.example", &asked);
    assert!(answer.is_ok_and(|answer| answer.starts_with("250")));
    let sent = sink.wait_for(1).remove(0);
    let found = dkim::verify(dns.address(), &sent.text);
    assert_eq!(
        found,
        [
            "desk.example rsa-sha256 True",
            "desk.example ed25519-sha256 True"
        ],
        "{}",
        sent.text
    );
    let second_from = format!("From: Mallory <m@elsewhere.example>\r\n{}", sent.text);
    let found = dkim::verify(dns.address(), &second_from);
    assert!(
        found.iter().all(|line| line.ends_with("False")),
        "{found:?}"
    );
    let changed = sent.text.replacen("Subject: ", "Subject: Now ", 1);
    let found = dkim::verify(dns.address(), &changed);
    assert!(
        found.iter().all(|line| line.ends_with("False")),
        "{found:?}"
    );
}

#[test]
fn the_doctor_compares_the_published_key_with_ours() {
    let (ours, other) = (DkimKey::new(KeyKind::Rsa), DkimKey::new(KeyKind::Rsa));
    let records = [
        txt("good._domainkey.example.com", &ours.record()),
        txt("wrong._domainkey.example.com", &other.record()),
    ];
    let (dns, folder) = (NameServer::of_records(&records), Folder::new());
    let key = |selector: &str| {
        let path = ours.path();
        format!(
            "[[email.dkim]]\ndomain = \"example.com\"\nselector = \"{selector}\"\nkey = \"{}\"\n",
            path.display()
        )
    };
    let keys = [key("good"), key("wrong"), key("missing")].concat();
    let configuration = configuration(&folder, dns.address(), &keys);
    let configuration = configuration.display().to_string();
    let (_, told, faults) = run(program(), &folder, &["doctor", "-c", &configuration]);
    let line = |selector: &str| {
        let named = format!("dkim {selector}._domainkey.example.com");
        let mut lines = told.lines();
        let found = lines.find(|line| line.contains(&named));
        found.unwrap_or_else(|| panic!("no {named}: {told}{faults}"))
    };
    assert!(line("good").contains("the published key is ours"), "{told}");
    let record = ours.record();
    for (selector, why) in [("wrong", "another key is there"), ("missing", "")] {
        let line = line(selector);
        assert!(line.contains(why) && line.contains(&record), "{line}");
    }
}

#[test]
fn faults_of_the_keys_are_told_where_they_are() {
    let (folder, key) = (Folder::new(), DkimKey::new(KeyKind::Ed25519));
    let small = folder.path().join("small.pem").display().to_string();
    let made = std::process::Command::new("openssl")
        .args(["genrsa", "-out", &small, "1024"])
        .output();
    assert!(made.is_ok_and(|made| made.status.success()));
    let check = |text: &str, wanted: &str| {
        let base = "[site]\nregion = \"TW\"\n[[queue]]\nid = \"desk\"\n[[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n";
        let path = folder.write("faulty.toml", format!("{base}{text}"));
        let name = path.display().to_string();
        let (status, told, faults) = run(program(), &folder, &["check", "-c", &name]);
        assert_eq!(status, 1, "{told}{faults}");
        let wanted = format!("{name}:{wanted}");
        assert!(
            format!("{told}{faults}").contains(&wanted),
            "{wanted}\n{told}{faults}"
        );
    };
    let good = key.path().display().to_string();
    let table = |domain: &str, key: &str| {
        format!("[email.dkim]\ndomain = \"{domain}\"\nselector = \"s\"\nkey = \"{key}\"\n")
    };
    check(
        &table("elsewhere.example", &good),
        "9:10: no [[mailbox]] is of `elsewhere.example`",
    );
    check(
        &table("desk.example", "/nowhere.pem"),
        "11:7: /nowhere.pem: No such file",
    );
    check(
        &table("desk.example", &small),
        &format!("11:7: {small} holds no RSA key of 2048 bits"),
    );
    let twice = table("desk.example", &good).replace("[email.dkim]", "[[email.dkim]]");
    check(
        &format!("{twice}{twice}"),
        "14:12: is the selector of another key of this domain already",
    );
    check("[email]\nresolver = [\"ns.example\"]\n", "9:");
    check(
        "[email]\nauthenticate_max_ms = 0\n",
        "9:23: must be at least 1",
    );
    check("[email]\narc_sealers = [\"two words\"]\n", "9:");
    check(
        "[email.dkim]\ndomain = \"desk.example\"\nselector = \"s\"\nkye = \"x\"\n",
        "11:1",
    );
}
