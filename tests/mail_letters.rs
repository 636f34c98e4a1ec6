//! The site's own letters, from a folder: by queue and language, and found wrong before anything is sent.

use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::gateway::{self, Gateway};
use ringdown_harness::mail::{MailClient, MailSink, SunkMail};
use ringdown_harness::place::free_address;
use std::net::SocketAddr;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk that acknowledges in English at `help@`, in Chinese at `bang@`, and whose queue `desk` has an
/// acknowledgement of its own.
fn open(smtp: SocketAddr, smarthost: SocketAddr) -> Desk {
    let text = format!(
        "[email]\nlisten = \"{smtp}\"\ntemplates = \"letters\"\nacknowledgement_window_s = 0\n\
         [email.smarthost]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         [[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\nlanguage = \"en\"\n\
         [[mailbox]]\naddress = \"bang@desk.example\"\nqueue = \"second\"\nlanguage = \"zh-TW\"\n\
         [[queue]]\nid = \"second\"\nname = {{ en = \"Second\", zh-TW = \"第二線\" }}\n",
        smarthost.port()
    );
    let plan = DeskPlan::new().section(&text);
    let folder = plan.folder();
    folder.write(
        "letters/desk/acknowledgement.en.txt",
        "Subject: {mark} noted\n\nDear {if name}{name}{else}friend{end}, {mailbox} has it as {number}.",
    );
    folder.write(
        "letters/desk/acknowledgement.en.html",
        "<p style=\"margin:0\">Dear <b>{name}</b>, it is {number}: {subject}.</p>",
    );
    folder.write(
        "letters/acknowledgement.zh-TW.txt",
        "Subject: {mark} 已收到\n\n{name} 您好，{queue} 已收到「{subject}」，案號 {number}。",
    );
    plan.open(program())
}

fn deliver(smtp: SocketAddr, to: &str, id: &str, from: &str) -> String {
    let mut client = MailClient::connect(smtp);
    client.say("EHLO client.example", "250");
    let mail = format!(
        "Message-ID: <{id}>\nFrom: {from}\nTo: {to}\nSubject: Printer <1> & 2\n\nIt does not print.\n"
    );
    let answer = client.try_deliver("anna@example.org", to, &mail);
    let answer = answer.unwrap_or_else(|fault| panic!("{fault}"));
    let number = answer.trim_end().rsplit(' ').next();
    number.unwrap_or_default().to_owned()
}

fn read(sent: &SunkMail) -> ringdown_email::Mail {
    let octets = sent.text.clone().into_bytes().into();
    ringdown_email::read(&octets, &ringdown_email::reading::mail::Limits::default())
}

#[test]
fn a_letter_is_the_queues_own_in_the_senders_language_and_new_after_a_restart() {
    let (sink, smtp) = (MailSink::start(|_| {}), free_address());
    let mut desk = open(smtp, sink.address());
    let anna = "\"<Anna> & Co\" <anna@example.org>";
    let number = deliver(smtp, "help@desk.example", "1@a", anna);
    let sent = read(&sink.wait_for(1)[0]);
    assert_eq!(sent.subject, format!("[{number}] noted"));
    let wanted = format!("Dear <Anna> & Co, help@desk.example has it as {number}.");
    assert_eq!(sent.text.trim(), wanted);
    let html = sent.html_safe.clone().unwrap_or_default();
    let wanted =
        format!("<b>&lt;Anna&gt; &amp; Co</b>, it is {number}: Printer &lt;1&gt; &amp; 2.");
    assert!(html.contains(&wanted), "{html}");

    let number = deliver(
        smtp,
        "bang@desk.example",
        "2@a",
        "王小明 <ming@example.org>",
    );
    let all = sink.wait_for(2);
    let sent = read(&all[1]);
    assert_eq!(sent.subject, format!("[{number}] 已收到"));
    let wanted = format!("王小明 您好，第二線 已收到「Printer <1> & 2」，案號 {number}。");
    assert_eq!(sent.text.trim(), wanted);

    let letter = "letters/desk/acknowledgement.en.txt";
    desk.folder.write(letter, "Subject: {mark}\n\n{nmae}");
    let configuration = desk.configuration.display().to_string();
    let arguments = ["check", "-c", configuration.as_str()];
    let (status, _, told) = gateway::run(program(), &desk.folder, &arguments);
    assert_eq!(status, 1, "{told}");
    assert!(
        told.contains("acknowledgement.en.txt:3:1: there is no placeholder `{nmae}`"),
        "{told}"
    );
    desk.folder.write(letter, "Subject: {mark}\n\nNew words.");
    desk.gateway.process.kill();
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    deliver(smtp, "help@desk.example", "3@a", "Bert <bert@example.org>");
    let all = sink.wait_for(3);
    assert_eq!(read(&all[2]).text.trim(), "New words.");
}
