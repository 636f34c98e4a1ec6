//! What it costs to take a mail of 10 kB in: read, its sender looked up and identified, placed in its thread,
//! treated by rules, committed.
//!
//! `cargo bench -p ringdown --bench filing` prints mails a second of one core (processor time of the whole
//! process, SQLite's thread included) and the share of each step, with many mails at one time and with one after
//! the other; with `-- postgres` on a PostgreSQL as well, whose own processor time is not counted.
//! Every third mail answers an earlier one, half of the senders are people of the CMS. What SPF, DKIM (RSA
//! of 2048 bits) and DMARC add is told apart, as mail of the site's own servers does without.

use futures_util::StreamExt as _;
use ringdown::cms::Cms;
use ringdown::cms::import::{Format, import, read as read_people};
use ringdown::config::Config;
use ringdown::cti::{Claim, Identifier, Normaliser};
use ringdown::database::Database;
use ringdown::mail::{Intake, MailArrival, SmtpClient};
use ringdown::tickets::Tickets;
use ringdown_email::authentication::judge;
use ringdown_email::automatic::{Origin, OwnAddresses, ReturnPath, classify};
use ringdown_email::rules::{Facts, Rule, Standing, first_match};
use ringdown_email::threading::{
    Authentication, ReopenRule, Sender, ThreadingKey, TicketHook, clues, place_in_thread,
};
use ringdown_email::{EmailAddress, Limits, Mail, read};
use ringdown_harness::dkim::{DkimKey, KeyKind};
use ringdown_harness::dns::{NameServer, txt};
use ringdown_harness::postgres::Postgres;
use ringdown_routing::time::Timestamp;
use serde_json::json;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let folder = std::env::temp_dir().join(format!("ringdown-filing-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let measured = runtime.block_on(measure_all(&folder));
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure_all(folder: &Path) -> Outcome {
    let url = format!("sqlite:{}/desk.sqlite", folder.display());
    measure_on("SQLite", &url).await?;
    if std::env::args().any(|word| word == "postgres") {
        let server = Postgres::start();
        measure_on("PostgreSQL", &server.url()).await?;
    }
    Ok(())
}

async fn measure_on(engine: &str, url: &str) -> Outcome {
    let config = Config::demo();
    let database = Database::connect(url, 4, 200_000).await?;
    import_people(&database, &config).await?;
    let (identifier, _) = Identifier::start(&database, &config);
    identifier.refresh().await?;
    let steps = Steps::measure(&database, &identifier).await?;
    writeln!(std::io::stdout(), "{engine}")?;
    let tickets = Tickets::new(database.clone(), &config);
    let intake = Intake::without_desk(&database, tickets, identifier, &config, at(0)).await?;
    let mailbox = config.mailboxes.first().ok_or("a mailbox")?.key();
    let mut first = 0;
    for (mails, at_once) in [(1_000, 64), (20_000, 256), (20_000, 1_024), (200, 1)] {
        let (commits, before, began) = (database.health().commits, cpu()?, Instant::now());
        let taking = (first..first + mails).map(|number| {
            let (intake, mailbox) = (intake.clone(), mailbox.clone());
            async move {
                let raw = mail(number).into_bytes().into();
                intake.take(arrival(&mailbox, number), raw).await
            }
        });
        let mut taking = futures_util::stream::iter(taking).buffer_unordered(at_once);
        while let Some(filed) = taking.next().await {
            filed?;
        }
        first += mails;
        let (spent, wall) = (cpu()? - before, began.elapsed());
        let commits = database.health().commits - commits;
        steps.tell(mails, at_once, spent, wall, commits)?;
    }
    database.close().await;
    Ok(())
}

/// Every second sender.
async fn import_people(database: &Database, config: &Config) -> Outcome {
    let head = "record,id,name,organisation,class,language,phones,mails,kind,person\n".to_owned();
    let people = (0..SENDERS / 2).fold(head, |mut rows, number| {
        let _ = writeln!(
            rows,
            "person,p{number},Person {number},,,,,person{}@example.org,,",
            number * 2
        );
        rows
    });
    let contents = read_people(Format::of("people.csv", &people), &people);
    let normaliser = Normaliser::new(config.site.region);
    import(&Cms::new(database.clone()), &normaliser, contents).await?;
    Ok(())
}

/// Processor time of the steps before the store, for one mail.
struct Steps {
    read: Duration,
    authenticate: Duration,
    identify: Duration,
    thread: Duration,
    rules: Duration,
}

impl Steps {
    async fn measure(
        database: &Database,
        identifier: &Identifier,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let limits = Limits::default();
        let raws: Vec<bytes::Bytes> = (0..MEASURED).map(|it| mail(it).into()).collect();
        let before = cpu()?;
        let mails: Vec<Mail> = raws.iter().map(|raw| read(raw, &limits)).collect();
        let read = (cpu()? - before) / MEASURED;
        let before = cpu()?;
        for mail in &mails {
            let from = mail.from.as_ref().ok_or("a sender")?;
            black_box(
                identifier
                    .identify(&Claim::of_mail(from.email.as_str()))
                    .await,
            );
        }
        let identify = (cpu()? - before) / MEASURED;
        let before = cpu()?;
        mails.iter().for_each(place);
        let thread = (cpu()? - before) / MEASURED;
        let rules: Vec<Rule> = (0..RULES).map(rule).collect::<Result<_, _>>()?;
        let before = cpu()?;
        mails.iter().for_each(|mail| treat(mail, &rules));
        let rules = (cpu()? - before) / MEASURED;
        Ok(Self {
            read,
            authenticate: authentication(database, identifier).await?,
            identify,
            thread,
            rules,
        })
    }

    fn tell(
        &self,
        mails: u32,
        at_once: usize,
        spent: Duration,
        wall: Duration,
        commits: u64,
    ) -> Outcome {
        let one = spent / mails;
        let share = |step: Duration| 100.0 * step.as_secs_f64() / one.as_secs_f64();
        let rest = one.saturating_sub(self.read + self.identify + self.thread + self.rules);
        writeln!(
            std::io::stdout(),
            "{at_once} at once: {:.0} mails/s of one core ({:.0} by the clock), {} us each: read {:.0} %, identify \
             {:.0} %, thread {:.0} %, rules {:.0} %, hash and commit {:.0} %; {mails} mails in {commits} \
             transactions; with SPF, DKIM and DMARC {} us more, {:.0} mails/s",
            1.0 / one.as_secs_f64(),
            f64::from(mails) / wall.as_secs_f64(),
            one.as_micros(),
            share(self.read),
            share(self.identify),
            share(self.thread),
            share(self.rules),
            share(rest),
            self.authenticate.as_micros(),
            1.0 / (one + self.authenticate).as_secs_f64(),
        )?;
        Ok(())
    }
}

fn place(mail: &Mail) {
    let own = OwnAddresses {
        mailboxes: EmailAddress::parse(DESK).into_iter().collect(),
        separator: Some('+'),
    };
    let found = clues(
        mail,
        &[],
        &own,
        &TicketHook::default(),
        &ThreadingKey::new("key"),
    );
    let sender = Sender {
        address: mail.from.as_ref().map(|from| from.email.clone()),
        organisation: None,
        authentication: Authentication::Unknown,
        origin: Origin::Person,
    };
    black_box(place_in_thread(
        &found,
        &[],
        &sender,
        ReopenRule::default(),
        at(0),
    ));
}

/// What a look at the sender adds to reading and explaining a mail, once the answers of the DNS are kept.
async fn authentication(
    database: &Database,
    identifier: &Identifier,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let key = DkimKey::new(KeyKind::Rsa);
    let dns = NameServer::of_records(&[
        txt("example.org", "v=spf1 ip4:192.0.2.10 -all"),
        txt("_dmarc.example.org", "v=DMARC1; p=reject"),
        txt("s._domainkey.example.org", &key.record()),
    ]);
    let raw = bytes::Bytes::from(key.sign("example.org", "s", &mail(0)));
    let mut spent = [Duration::ZERO; 2];
    for (is_wanted, spent) in [false, true].into_iter().zip(&mut spent) {
        let mut config = Config::demo();
        config.email.authenticate = is_wanted;
        config.email.resolver = vec![dns.address()];
        let tickets = Tickets::new(database.clone(), &config);
        let intake =
            Intake::without_desk(database, tickets, identifier.clone(), &config, at(0)).await?;
        let mailbox = config.mailboxes.first().ok_or("a mailbox")?.key();
        let mut arrival = arrival(&mailbox, 0);
        arrival.client = Some(SmtpClient {
            address: "192.0.2.10".parse()?,
            helo: "mail.example.org".to_owned(),
        });
        let sender = EmailAddress::parse("person0@example.org").ok_or("an address")?;
        arrival.return_path = ReturnPath::Address(sender);
        let told = intake.explain(&arrival, raw.clone()).await?;
        let is_passed = told.authentication.judgement == Authentication::Passed;
        assert_eq!(is_passed, is_wanted, "{told:?}");
        let before = cpu()?;
        for _ in 0..AUTHENTICATED {
            black_box(intake.explain(&arrival, raw.clone()).await?);
        }
        *spent = (cpu()? - before) / AUTHENTICATED;
    }
    let [without, with] = spent;
    Ok(with.saturating_sub(without))
}

/// A rule that fits none of the mails.
fn rule(number: u32) -> Result<Rule, serde_json::Error> {
    serde_json::from_value(json!({
        "name": format!("rule {number}"),
        "when": { "subject": [format!("password {number}"), "密碼"], "header": { "X-Priority": ["1*"] } },
        "then": { "urgency": 1 },
    }))
}

fn treat(mail: &Mail, rules: &[Rule]) {
    let own = OwnAddresses::default();
    let verdict = judge(Vec::new(), None, 1);
    let Some(mailbox) = EmailAddress::parse(DESK) else {
        return;
    };
    let facts = Facts {
        mail,
        mailbox: &mailbox,
        origin: classify(mail, &ReturnPath::Unknown, &own),
        standing: Standing::Unknown,
        verdict: &verdict,
    };
    black_box(first_match(rules, &facts));
}

fn arrival(mailbox: &str, number: u32) -> MailArrival {
    MailArrival {
        mailbox: mailbox.to_owned(),
        return_path: ReturnPath::Unknown,
        to: DESK.to_owned(),
        peer: "bench".to_owned(),
        is_relay: false,
        client: None,
        at: at(number),
    }
}

fn at(number: u32) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000 + i64::from(number))
}

/// A mail of 10 kB as people send it: text and HTML, with what it answers below.
fn mail(number: u32) -> String {
    let author = number - number % 3;
    let answers = match number % 3 {
        2 => format!("In-Reply-To: <{author}@bench.example>\r\n"),
        _ => String::new(),
    };
    let sender = if number % 3 == 2 { author } else { number } % SENDERS;
    let mut plain = String::from("Good morning,\r\n\r\n");
    for line in 0..14 {
        let _ = write!(
            plain,
            "The printer {number} on floor {line} still shows \"paper jam\", although the tray is empty.\r\n"
        );
    }
    plain.push_str("\r\nKind regards\r\nAnn\r\n\r\nOn Mon, Jan 6, 2025 at 9:12 AM Service Desk <desk@example.com> wrote:\r\n");
    for line in 0..20 {
        let _ = write!(
            plain,
            "> Dear Ms Miller, have you opened rear cover number {line} of it?\r\n"
        );
    }
    let html: String = plain.lines().fold(String::new(), |mut html, line| {
        let line = line.replace('>', "&gt;");
        let _ = write!(html, "<p class=3D\"MsoNormal\" style=3D\"margin:0cm;color:#333\">{line}<o:p></o:p></p>=\r\n\r\n");
        html
    });
    format!(
        "Received: from mail.example.org by mx.example.com with ESMTPS id 4f; Mon, 6 Jan 2025 09:12:00 +0000\r\n\
         From: =?utf-8?B?QW5uIE3DvGxsZXI=?= <person{sender}@example.org>\r\nTo: <{DESK}>\r\n\
         Subject: Printer {number} on floor 3\r\nDate: Mon, 6 Jan 2025 09:12:00 +0000\r\n\
         Message-ID: <{number}@bench.example>\r\n{answers}MIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         {plain}\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         {html}\r\n--b--\r\n"
    )
}

/// Processor time of this process so far (proc(5), fields 14 and 15 of `stat`, in hundredths of a second).
fn cpu() -> Result<Duration, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or("");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Who writes.
const SENDERS: u32 = 1_000;

/// Mails by which the steps before the store are measured.
const MEASURED: u32 = 5_000;

/// Mails by which the look at a sender is measured.
const AUTHENTICATED: u32 = 2_000;

/// Rules of the configuration.
const RULES: u32 = 10;

/// The mailbox.
const DESK: &str = "help@ringdown.localhost";
