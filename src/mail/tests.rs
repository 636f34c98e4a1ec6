//! Mails through the intake into a real store: one article each, on the right ticket.

use super::usher::Usher;
use super::*;
use crate::acd::{Acd, Clock, EventSink, Surroundings};
use crate::config::Config;
use crate::cti::Identifier;
use crate::database::tests::{at, on_both_engines, run, sqlite};
use crate::database::{Database, Statement};
use crate::event_log::{ContactState, EventLog};
use crate::tickets::{Ticket, TicketStatus, Tickets};
use bytes::Bytes;
use ringdown_harness::postgres::Postgres;
use ringdown_routing::event::{ContactResult, EventDraft, EventKind, IdentifiedAs};
use ringdown_routing::ids::{ContactId, NodeId, TicketId};
use ringdown_routing::verb::{Answer, Verb};
use sqlx::{AnyConnection, Connection as _};
use std::path::Path;
use std::sync::Arc;

pub(super) const CONFIG: &str = r#"
[site]
region = "TW"
[email]
authserv_id = "mx.desk.example"
[[mailbox]]
address = "help@desk.example"
queue = "desk"
acknowledge = false
[[mailbox]]
address = "net@desk.example"
queue = "net"
kind = "service_request"
acknowledge = false
[[queue]]
id = "desk"
waiting_max = 4
[[queue]]
id = "net"
[[agent]]
id = "ming"
queues = ["desk"]
capacity = { email = 1 }
[email.smarthost]
host = "127.0.0.1"
"#;

/// A desk that takes mail.
pub(super) struct Desk {
    pub(super) config: Arc<Config>,
    pub(super) database: Database,
    pub(super) tickets: Tickets,
    pub(super) intake: Intake,
    pub(super) usher: Usher,
    pub(super) acd: Acd,
}

impl Desk {
    pub(super) async fn new(database: &Database) -> Self {
        let config = Arc::new(Config::parse(Path::new("x.toml"), CONFIG, &[]).unwrap());
        people(database).await;
        Self::start(database, config, "node-a").await
    }

    /// Starts a gateway's mail on what the database holds.
    pub(super) async fn start(database: &Database, config: Arc<Config>, node: &str) -> Self {
        let node = NodeId::from(node);
        let log = EventLog::new(database.clone());
        let acd = Acd::in_memory(Surroundings {
            node: node.clone(),
            clock: Clock::new(|| at(600)),
            sink: EventSink::at_once(move |event| {
                assert!(log.append(ringdown_routing::event::Event::clone(event)));
            }),
        });
        for queue in &config.queues {
            let rules = queue.rules(true);
            assert_eq!(
                acd.change(Verb::SetQueue { rules }).await.unwrap(),
                Answer::Done
            );
        }
        for agent in &config.agents {
            for verb in [
                Verb::SetAgent {
                    profile: agent.profile(),
                },
                Verb::AgentReachable {
                    agent: agent.id.clone(),
                    is_reachable: true,
                },
            ] {
                assert_eq!(acd.change(verb).await.unwrap(), Answer::Done);
            }
        }
        let (identifier, _) = Identifier::start(database, &config);
        identifier.refresh().await.unwrap();
        let tickets = Tickets::new(database.clone(), &config);
        let usher = Usher::new(acd.clone(), database.clone(), Arc::clone(&config), node);
        let intake = Intake::open(
            database,
            tickets.clone(),
            identifier,
            &config,
            Some(usher.clone()),
            at(600),
        )
        .await
        .unwrap();
        usher.sweep().await.unwrap();
        Self {
            config,
            database: database.clone(),
            tickets,
            intake,
            usher,
            acd,
        }
    }

    pub(super) async fn take(&self, second: i64, mailbox: &str, mail: &str) -> Filed {
        let arrival = arrival(second, mailbox);
        self.intake.take(arrival, octets(mail)).await.unwrap()
    }

    pub(super) async fn ticket(&self, filed: &Filed) -> Ticket {
        self.tickets.ticket(filed.ticket).await.unwrap().unwrap()
    }

    async fn close_ticket(&self, filed: &Filed, second: i64) {
        let change = crate::tickets::TicketChange {
            status: Some(TicketStatus::Closed),
            ..Default::default()
        };
        self.tickets
            .change(filed.ticket, &change, at(second))
            .await
            .unwrap();
    }
}

fn arrival(second: i64, mailbox: &str) -> MailArrival {
    MailArrival {
        mailbox: mailbox.to_owned(),
        return_path: ringdown_email::automatic::ReturnPath::Address(
            ringdown_email::EmailAddress::parse("anna@example.org").unwrap(),
        ),
        to: mailbox.to_owned(),
        peer: "192.0.2.1".to_owned(),
        is_relay: true,
        client: None,
        at: at(second),
    }
}

fn octets(mail: &str) -> Bytes {
    Bytes::from(mail.replace('\n', "\r\n"))
}

async fn people(database: &Database) {
    let insert = |sql: &'static str| Statement::new(sql, vec![]);
    let statements = vec![
        insert("INSERT INTO organisations (id, name) VALUES ('o1', 'Example')"),
        insert(
            "INSERT INTO people (id, name, organisation, class) VALUES ('p1', 'Anna', 'o1', 1), ('p2', 'Bert', 'o1', 3), ('p3', 'Carl', NULL, 3)",
        ),
        insert(
            "INSERT INTO mail_addresses (person, address) VALUES ('p1', 'anna@example.org'), ('p2', 'bert@example.org'), ('p3', 'carl@other.example')",
        ),
        crate::database::bump("cms"),
    ];
    database.write(statements).await.unwrap();
}

pub(super) const HELP: &str = "help@desk.example";

pub(super) fn mail(id: &str, from: &str, fields: &str) -> String {
    format!(
        "Message-ID: <{id}>\nFrom: {from}\nTo: help@desk.example\nSubject: Printer\n{fields}\nIt does not print.\n"
    )
}

pub(super) const ANNA: &str = "Anna <anna@example.org>";

#[test]
fn a_mail_is_one_article_on_a_ticket_of_its_own() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let filed = desk.take(0, HELP, &mail("1@a", ANNA, "")).await;
        assert!(filed.is_new_ticket && !filed.is_repeat);
        let ticket = desk.ticket(&filed).await;
        assert_eq!(
            (ticket.subject.as_str(), ticket.articles.len()),
            ("Printer", 1)
        );
        let article = &ticket.articles[0];
        assert_eq!(article.message_id.as_deref(), Some("<1@a>"));
        assert_eq!(
            (article.from.as_str(), article.text_new.as_str()),
            (ANNA, "It does not print.")
        );
        assert_eq!(ticket.contacts, [filed.contact.unwrap()]);
        assert_eq!(article.contact, filed.contact);
        let found = desk.tickets.ticket_of_mail("<1@a>").await.unwrap().unwrap();
        assert_eq!(found.id, ticket.id);
        assert_eq!(desk.acd.position(filed.contact.unwrap()), Some(1));
        desk.database.flush().await.unwrap();
        let log = EventLog::new(database.clone());
        let contact = log.contact(filed.contact.unwrap()).await.unwrap().unwrap();
        assert_eq!(contact.state, Some(ContactState::Waiting));
        assert_eq!(contact.ticket, Some(ticket.id));
        assert_eq!(
            (contact.from.as_deref(), contact.via.as_deref()),
            (Some("anna@example.org"), Some(HELP))
        );
    });
}

#[test]
fn the_same_mail_again_is_the_same_article() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let first = desk.take(0, HELP, &mail("1@a", ANNA, "")).await;
        let again = desk
            .take(
                9,
                HELP,
                &format!("Received: by x\n{}", mail("1@a", ANNA, "")),
            )
            .await;
        assert!(again.is_repeat);
        assert_eq!(
            (again.ticket, again.article, again.number.clone()),
            (first.ticket, first.article, first.number.clone())
        );
        assert_eq!(desk.ticket(&first).await.articles.len(), 1);
        // Many deliveries at once, each mail thrice.
        let deliveries = (2..40).flat_map(|number| [number; 3]).map(|number| {
            let mail = mail(&format!("{number}@a"), ANNA, "");
            desk.intake.take(arrival(20, HELP), octets(&mail))
        });
        let filed = futures_util::future::join_all(deliveries).await;
        let filed: Vec<Filed> = filed.into_iter().map(Result::unwrap).collect();
        for same in filed.chunks(3) {
            assert_eq!(same.iter().filter(|filed| !filed.is_repeat).count(), 1);
            assert!(same.iter().all(|filed| filed.article == same[0].article));
        }
        // Another mailbox is another desk; another body is another mail.
        let other = desk
            .take(0, "net@desk.example", &mail("1@a", ANNA, ""))
            .await;
        assert_ne!(other.article, first.article);
        let forged = desk
            .take(0, HELP, &mail("1@a", ANNA, "").replace("print", "burn"))
            .await;
        assert_ne!(forged.article, first.article);
    });
}

#[test]
fn a_reply_lands_on_its_ticket_and_joins_the_contact_that_waits() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let first = desk.take(0, HELP, &mail("1@a", ANNA, "")).await;
        let reply = desk
            .take(1, HELP, &mail("2@a", ANNA, "In-Reply-To: <1@a>\n"))
            .await;
        assert_eq!(
            (reply.ticket, reply.rule, reply.contact),
            (first.ticket, "reference", None)
        );
        let ticket = desk.ticket(&first).await;
        assert_eq!(ticket.articles.len(), 2);
        assert_eq!(ticket.articles[1].contact, first.contact);
        assert_eq!(ticket.contacts.len(), 1);
        // Both at once: the answer finds what it answers in its own transaction.
        let (one, two) = (
            mail("3@a", ANNA, ""),
            mail("4@a", ANNA, "References: <3@a>\n"),
        );
        let (one, two) = tokio::join!(
            desk.intake.take(arrival(2, HELP), octets(&one)),
            desk.intake.take(arrival(2, HELP), octets(&two)),
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(two.ticket, one.ticket);
        assert_ne!(one.ticket, first.ticket);
    });
}

#[test]
fn a_stranger_who_names_a_ticket_gets_one_of_their_own() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let first = desk.take(0, HELP, &mail("1@a", ANNA, "")).await;
        let naming = |id: &str, from: &str| {
            mail(id, from, "").replace(
                "Subject: Printer",
                &format!("Subject: Re: {}", first.number),
            )
        };
        let stranger = desk
            .take(1, HELP, &naming("2@a", "evil@other.example"))
            .await;
        assert_eq!((stranger.rule, stranger.is_new_ticket), ("linked", true));
        assert_ne!(stranger.ticket, first.ticket);
        let colleague = desk.take(2, HELP, &naming("3@a", "bert@example.org")).await;
        assert_eq!(
            (colleague.rule, colleague.ticket),
            ("subject_number", first.ticket)
        );
        let answering = mail("4@a", "evil@other.example", "In-Reply-To: <1@a>\n");
        assert_eq!(desk.take(3, HELP, &answering).await.rule, "linked");
        let without_organisation = desk
            .take(4, HELP, &naming("5@a", "carl@other.example"))
            .await;
        assert_eq!(without_organisation.rule, "linked");
    });
}

#[test]
fn a_reply_opens_a_fresh_ticket_again_and_follows_an_old_one() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let first = desk.take(0, HELP, &mail("1@a", ANNA, "")).await;
        desk.close_ticket(&first, 10).await;
        let reply = mail("2@a", ANNA, "In-Reply-To: <1@a>\n");
        let back = desk.take(20, HELP, &reply).await;
        assert_eq!(back.ticket, first.ticket);
        assert_eq!(desk.ticket(&first).await.status, TicketStatus::Open);
        let sent = Statement::new(
            "INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, message_id, at) \
             VALUES ($1, 'email', 'out', '', '', '', '', '<out@desk.example>', 0)",
            vec![i64::try_from(first.ticket.as_u64()).unwrap().into()],
        );
        database.write(vec![sent]).await.unwrap();
        desk.close_ticket(&first, 30).await;
        let absence = mail(
            "3@a",
            ANNA,
            "In-Reply-To: <out@desk.example>\nAuto-Submitted: auto-replied\n",
        );
        let absent = desk.take(40, HELP, &absence).await;
        assert_eq!((absent.ticket, absent.contact), (first.ticket, None));
        let ticket = desk.ticket(&first).await;
        assert_eq!(
            ticket.status,
            TicketStatus::Closed,
            "a machine opens nothing"
        );
        let article = ticket.articles.last().unwrap();
        assert!(article.auto_reply);
        assert_eq!(article.automatic.as_deref(), Some("auto_reply"));
        let months = 90 * 86_400;
        let late = mail("4@a", ANNA, "In-Reply-To: <1@a>\n");
        let late = desk.take(months, HELP, &late).await;
        assert_eq!((late.rule, late.is_new_ticket), ("follow_up", true));
    });
}

#[test]
fn a_sender_is_known_only_when_the_site_confirmed_the_address() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let log = EventLog::new(database.clone());
        let check = async |id: &str, fields: &str, outcome: IdentifiedAs, priority: u8| {
            let filed = desk.take(0, HELP, &mail(id, ANNA, fields)).await;
            desk.database.flush().await.unwrap();
            let contact = log.contact(filed.contact.unwrap()).await.unwrap().unwrap();
            assert_eq!(contact.identified, Some(outcome), "{id}");
            let ticket = desk.ticket(&filed).await;
            assert_eq!(
                ticket.caller.as_ref().map(|caller| caller.as_str()),
                Some("p1")
            );
            assert_eq!(ticket.priority, priority, "{id}");
        };
        let word = |results: &str| format!("Authentication-Results: mx.desk.example; {results}\n");
        check("1@a", "", IdentifiedAs::Claimed, 4).await;
        check("2@a", &word("dmarc=fail"), IdentifiedAs::Claimed, 4).await;
        check("3@a", &word("dmarc=pass"), IdentifiedAs::Known, 2).await;
        let forged = MailArrival {
            is_relay: false,
            ..arrival(0, HELP)
        };
        let filed = desk
            .intake
            .take(forged, octets(&mail("4@a", ANNA, &word("dmarc=pass"))))
            .await
            .unwrap();
        let ticket = desk.ticket(&filed).await;
        assert_eq!(
            ticket.articles[0].facts.as_ref().unwrap()["identified"],
            "claimed"
        );
    });
}

#[test]
fn what_comes_with_a_mail_is_kept_once_and_given_back_whole() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let body = "QUJD".repeat(600_000);
        let parts = |id: &str| {
            format!(
                "Message-ID: <{id}>\nFrom: {ANNA}\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee the file.\n--b\n\
                 Content-Type: application/pdf\nContent-Disposition: attachment; filename=\"../a.pdf\"\n\
                 Content-Transfer-Encoding: base64\n\n{body}\n--b--\n"
            )
        };
        let filed = desk.take(0, HELP, &parts("1@a")).await;
        let article = desk.ticket(&filed).await.articles.remove(0);
        let [file] = article.attachments.as_slice() else {
            panic!("{article:?}")
        };
        assert_eq!(
            (file.content_type.as_str(), file.bytes, file.inline),
            ("application/pdf", 1_800_000, false)
        );
        assert!(!file.filename.contains('/'), "{}", file.filename);
        let mut whole = Vec::new();
        for place in 0.. {
            let Some(piece) = desk.tickets.piece(&file.sha256, place).await.unwrap() else {
                break;
            };
            whole.extend(piece);
        }
        assert_eq!(whole, "ABC".repeat(600_000).into_bytes());
        assert_eq!(
            desk.tickets
                .attachment(filed.ticket, file.id)
                .await
                .unwrap()
                .as_ref(),
            Some(file)
        );
        let other = desk.take(0, HELP, &parts("2@a")).await;
        assert_eq!(
            desk.tickets
                .attachment(other.ticket, file.id)
                .await
                .unwrap(),
            None,
            "it is another ticket's"
        );
        let count: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM blobs WHERE sha256 = $1")
            .bind(file.sha256.clone())
            .fetch_one(database.reads())
            .await
            .unwrap();
        assert_eq!(count.0, 2, "two pieces, once");
    });
}

#[test]
fn what_cannot_be_read_is_kept_and_marked() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let raw = Bytes::from_static(b"\xff\xfe\x00 this is no mail \x00\x01");
        let filed = desk
            .intake
            .take(arrival(0, HELP), raw.clone())
            .await
            .unwrap();
        let ticket = desk.ticket(&filed).await;
        let article = &ticket.articles[0];
        assert_eq!(article.facts.as_ref().unwrap()["hostile"], true);
        let [file] = article.attachments.as_slice() else {
            panic!("{article:?}")
        };
        assert_eq!(
            desk.tickets.piece(&file.sha256, 0).await.unwrap(),
            Some(raw.to_vec())
        );
        let again = desk.intake.take(arrival(5, HELP), raw).await.unwrap();
        assert!(again.is_repeat);
        assert!(filed.contact.is_some(), "somebody looks at it");
    });
}

#[test]
fn a_full_line_takes_mails_when_there_is_room_again() {
    run(async {
        let (_folder, database) = sqlite().await;
        let desk = Desk::new(&database).await;
        let mut filed = Vec::new();
        for number in 0..5 {
            filed.push(
                desk.take(number, HELP, &mail(&format!("{number}@a"), ANNA, ""))
                    .await,
            );
        }
        let in_line = |desk: &Desk| {
            let places = filed
                .iter()
                .map(|filed| desk.acd.position(filed.contact.unwrap()));
            places.collect::<Vec<_>>()
        };
        assert_eq!(
            in_line(&desk),
            [Some(1), Some(2), None, None, None],
            "half of the line is for callers"
        );
        let contact = filed[0].contact.unwrap();
        desk.acd.change(Verb::Abandon { contact }).await.unwrap();
        desk.usher.sweep().await.unwrap();
        assert_eq!(in_line(&desk), [None, Some(1), Some(2), None, None]);
    });
}

#[test]
fn a_restart_brings_every_mail_back_to_its_place() {
    run(async {
        let (_folder, database) = sqlite().await;
        let desk = Desk::new(&database).await;
        let mut filed = Vec::new();
        for number in 0..3 {
            filed.push(
                desk.take(
                    number,
                    "net@desk.example",
                    &mail(&format!("{number}@a"), ANNA, ""),
                )
                .await,
            );
        }
        // One whose contact nobody brought in, as after a crash behind the commit or by `ringdown mail`.
        let alone = Intake::open(
            &database,
            desk.tickets.clone(),
            Identifier::start(&database, &desk.config).0,
            &desk.config,
            None,
            at(600),
        )
        .await
        .unwrap();
        filed.push(
            alone
                .take(
                    arrival(3, "net@desk.example"),
                    octets(&mail("3@a", ANNA, "")),
                )
                .await
                .unwrap(),
        );
        database.flush().await.unwrap();
        let again = Desk::start(&database, Arc::clone(&desk.config), "node-b").await;
        for (place, filed) in (1..).zip(&filed) {
            assert_eq!(again.acd.position(filed.contact.unwrap()), Some(place));
        }
        database.flush().await.unwrap();
        let log = EventLog::new(database.clone());
        for filed in &filed {
            let events = log.events_of(filed.contact.unwrap()).await.unwrap();
            let arrivals = events.iter().filter(|event| {
                matches!(
                    event.kind,
                    ringdown_routing::event::EventKind::Arrived { .. }
                )
            });
            assert_eq!(arrivals.count(), 1, "{events:?}");
            let lines = events.iter().filter(|event| {
                matches!(
                    event.kind,
                    ringdown_routing::event::EventKind::Enqueued { .. }
                )
            });
            assert_eq!(lines.count(), 1, "statistics count it once");
        }
        // Nothing more happens at the next look.
        again.usher.sweep().await.unwrap();
        assert_eq!(again.acd.position(filed[3].contact.unwrap()), Some(4));
    });
}

/// The acts of the events that tell of a contact's link to an incident.
async fn links_told(database: &Database, contact: Option<ContactId>) -> Vec<String> {
    let log = EventLog::new(database.clone());
    log.flush().await.unwrap();
    let events = log.events_of(contact.unwrap()).await.unwrap();
    let act = |event: ringdown_routing::event::Event| {
        if let EventKind::Intervened { by, act, details } = event.kind {
            let incident = &details["incident"];
            Some(format!("{by} {act} {incident} {}", details["ticket"]))
        } else {
            None
        }
    };
    events.into_iter().filter_map(act).collect()
}

#[test]
fn mails_that_waited_when_an_incident_came_are_linked_to_it_once_however_many_gateways_look() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let gateway = async || {
            let config = Arc::clone(&desk.config);
            let incidents = crate::incidents::Incidents::start(config, database.clone());
            incidents.await.unwrap()
        };
        let over = desk.take(9, HELP, &mail("4@a", ANNA, "")).await;
        let waits = desk.take(10, HELP, &mail("1@a", ANNA, "")).await;
        let other_line = desk
            .take(11, "net@desk.example", &mail("2@a", ANNA, ""))
            .await;
        let machine = "Auto-Submitted: auto-generated\n";
        let machine = mail("3@a", "Watch <watch@example.org>", machine);
        let machine = desk.take(12, HELP, &machine).await;
        let (contact, to) = (over.contact.unwrap(), "elsewhere".to_owned());
        let left = Verb::FlowOut { contact, to };
        assert_eq!(desk.acd.change(left).await.unwrap(), Answer::Done);
        let result = ContactResult::FlowedOut;
        let draft = EventDraft::of_contact(at(14), contact, EventKind::Closed { result });
        desk.acd.publish(draft).unwrap();
        EventLog::new(database.clone()).flush().await.unwrap();
        declare(&database, r#"["desk"]"#).await;
        let [here, there] = [gateway().await, gateway().await];
        here.keep_up(at(20)).await;
        there.keep_up(at(20)).await;
        // One that a gateway filed which had not heard of it yet, and found at the next look.
        let late = desk.take(21, HELP, &mail("5@a", ANNA, "")).await;
        here.keep_up(at(22)).await;
        // One that starts again, later.
        gateway().await.keep_up(at(60)).await;
        for linked in [&waits, &late] {
            let ticket = desk.ticket(linked).await;
            let link = (ticket.linked_to, ticket.linked_why.as_deref());
            assert_eq!(link, (Some(TicketId::new(900)), Some("incident")));
            let told = links_told(&database, linked.contact).await;
            assert_eq!(told, ["test contact_linked_to_incident i1 RD-900"]);
        }
        for other in [&other_line, &machine, &over] {
            assert_eq!(desk.ticket(other).await.linked_to, None);
            assert_eq!(links_told(&database, other.contact).await, [""; 0]);
        }
        assert_eq!(
            desk.ticket(&waits).await.articles.len(),
            1,
            "no second letter"
        );
        // It waits as ever.
        assert_eq!(desk.acd.position(waits.contact.unwrap()), Some(1));
    });
}

/// A major incident of a service, with the ticket 900.
async fn declare(database: &Database, queues: &str) {
    let sql = "INSERT INTO incidents (id, service, service_name, ticket, ticket_number, queues, numbers, audience, \
        reason, declared_by, declared_at, from_at) \
        VALUES ('i1', 'srv-mail', 'Mail', 900, 'RD-900', $1, '[]', 'everybody', '', 'test', 0, 0)";
    let declare = Statement::new(sql, vec![queues.into()]);
    let statements = vec![declare, crate::database::bump("incidents")];
    database.write(statements).await.unwrap();
}

#[test]
fn a_new_mail_of_a_line_with_an_incident_is_attached_to_it_and_its_sender_told_once() {
    on_both_engines(async |database| {
        let config = CONFIG.replace("acknowledge = false\n", "");
        let config = Arc::new(Config::parse(Path::new("x.toml"), &config, &[]).unwrap());
        declare(&database, r#"["desk"]"#).await;
        let desk = Desk::start(&database, Arc::clone(&config), "node-a").await;
        let incidents = crate::incidents::Incidents::start(config, database.clone()).await;
        desk.intake.watch(Arc::new(incidents.unwrap()));

        for _ in 0..2 {
            let filed = desk.take(10, HELP, &mail("1@a", ANNA, "")).await;
            let ticket = desk.ticket(&filed).await;
            assert_eq!(
                (ticket.linked_to, ticket.linked_why.as_deref()),
                (Some(TicketId::new(900)), Some("incident"))
            );
            let told: Vec<&str> = ticket
                .articles
                .iter()
                .map(|article| article.text.as_str())
                .filter(|text| text.contains("Mail") && text.contains("RD-900"))
                .collect();
            assert_eq!(told.len(), 1, "{:?}", ticket.articles);
            assert!(filed.contact.is_some(), "it waits like any other");
            let told = links_told(&database, filed.contact).await;
            assert_eq!(told, ["test contact_linked_to_incident i1 RD-900"]);
        }
        // Their next one is attached as well, and they were told.
        let again = desk.take(20, HELP, &mail("2@a", ANNA, "")).await;
        let ticket = desk.ticket(&again).await;
        assert_eq!(ticket.linked_why.as_deref(), Some("incident"));
        assert_eq!(ticket.articles.len(), 1, "{:?}", ticket.articles);
        // Other lines have nothing to do with it, nor have machines.
        let other = mail("3@a", "Bert <bert@example.org>", "");
        let other = desk.take(30, "net@desk.example", &other).await;
        assert_eq!(desk.ticket(&other).await.linked_to, None);
        let machine = mail(
            "4@a",
            "Watch <watch@example.org>",
            "Auto-Submitted: auto-generated\n",
        );
        let machine = desk.take(40, HELP, &machine).await;
        assert_eq!(desk.ticket(&machine).await.linked_to, None);
    });
}

#[test]
fn filing_a_mail_reads_no_table_of_a_server_through() {
    let server = Postgres::start();
    run(async {
        // What the schema's own changes read does not count.
        let database = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        database.close().await;
        let mut watcher = AnyConnection::connect(&server.url()).await.unwrap();
        be_alone(&mut watcher).await;
        let forget = sqlx::raw_sql("SELECT pg_stat_reset()");
        forget.execute(&mut watcher).await.unwrap();

        let database = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        let desk = Desk::new(&database).await;
        for number in 0..8 {
            let first = mail(&format!("{number}@a"), "ann@example.org", "");
            let first = desk.take(number, "help@desk.example", &first).await;
            let reply = format!("In-Reply-To: <{number}@a>\n");
            let reply = mail(&format!("{number}.1@a"), "ann@example.org", &reply);
            let reply = desk.take(number, "help@desk.example", &reply).await;
            assert_eq!(reply.ticket, first.ticket);
        }
        database.close().await;
        be_alone(&mut watcher).await;
        let scans: Vec<(String, i64)> = sqlx::query_as(
            "SELECT CAST(relname AS TEXT), seq_scan FROM pg_stat_user_tables WHERE seq_scan > 0 AND relname IN \
             ('tickets', 'ticket_addresses', 'ticket_contacts', 'articles', 'blobs')",
        )
        .fetch_all(&mut watcher)
        .await
        .unwrap();
        assert_eq!(scans, []);
    });
}

/// Waits until nobody else is connected to the server: then all that was done is counted.
async fn be_alone(connection: &mut AnyConnection) {
    let others = "SELECT COUNT(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let gone = async {
        loop {
            let (left,): (i64,) = sqlx::query_as(others)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            if left == 0 {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(ringdown_harness::PATIENCE, gone).await;
    waited.expect("the others go");
}
