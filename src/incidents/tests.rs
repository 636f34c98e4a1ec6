//! Incidents declared, kept and ended, and the messages that callers leave, on both engines.

use super::messages::{MessageFacts, Messages};
use super::*;
use crate::cms::Cms;
use crate::cms::import::{Format, import, read};
use crate::cti::Normaliser;
use crate::database::tests::{arrived, at, contact, event, on_both_engines};
use crate::event_log::EventLog;
use crate::site_prompts::SitePrompts;
use crate::tickets::{Direction, Kind, TicketChange, TicketStatus, TicketWish, Tickets};
use ringdown_harness::audio::tone_wav;
use ringdown_harness::place::Folder;
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{CallerId, ContactId};
use std::time::Duration;

const DESK: &str = include_str!("../../fixtures/cms/desk.csv");

fn config() -> Arc<Config> {
    Arc::new(Config::demo())
}

async fn fill_cms(database: &Database) {
    let normaliser = Normaliser::new("TW".parse().unwrap());
    import(
        &Cms::new(database.clone()),
        &normaliser,
        read(Format::Csv, DESK),
    )
    .await
    .unwrap();
}

fn wish(key: u128, service: &str) -> Wish {
    Wish {
        key: contact(key),
        service: service.to_owned(),
        ticket: None,
        say: None,
        queues: Vec::new(),
        numbers: Vec::new(),
        audience: Audience::Everybody,
        reason: "disk".to_owned(),
        by: "tests".to_owned(),
        at: at(0),
        from: None,
        until: None,
    }
}

/// What a caller of the help desk hears, who has this service or none.
fn heard(incidents: &Incidents, has: Option<&str>, second: i64) -> Option<String> {
    let helpdesk = QueueId::from("helpdesk");
    incidents
        .concerning(
            &helpdesk,
            "100",
            |service| Some(service.as_str()) == has,
            at(second),
        )
        .map(|incident| incident.service.to_string())
}

/// One gateway or command.
struct Gateway {
    incidents: Incidents,
    tickets: Tickets,
    prompts: SitePrompts,
}

impl Gateway {
    async fn start(database: &Database) -> Self {
        let config = config();
        Self {
            tickets: Tickets::new(database.clone(), &config),
            prompts: SitePrompts::new(&config),
            incidents: Incidents::start(config, database.clone()).await.unwrap(),
        }
    }

    async fn declare(&self, wish: Wish) -> Result<Declared, DeclareFault> {
        self.incidents
            .declare(wish, &self.tickets, &self.prompts)
            .await
    }
}

#[test]
fn an_incident_holds_for_every_gateway_until_it_is_ended() {
    on_both_engines(async |database| {
        fill_cms(&database).await;
        let [here, there] = [
            Gateway::start(&database).await,
            Gateway::start(&database).await,
        ];
        assert_eq!(heard(&here.incidents, None, 1), None);
        let Declared::New(incident) = here.declare(wish(1, "srv-mail")).await.unwrap() else {
            panic!("it is new");
        };
        assert_eq!(heard(&here.incidents, None, 1).as_deref(), Some("srv-mail"));
        there.incidents.keep_up(at(1)).await;
        assert_eq!(
            heard(&there.incidents, None, 1).as_deref(),
            Some("srv-mail")
        );
        let restarted = Gateway::start(&database).await;
        assert_eq!(restarted.incidents.open(at(1)), [Arc::clone(&incident)]);
        let ticket = here.tickets.ticket(incident.ticket).await.unwrap().unwrap();
        assert_eq!(
            (ticket.priority, &ticket.number),
            (1, &incident.ticket_number)
        );
        assert_eq!(ticket.cis, [CiId::new("srv-mail")]);
        assert_eq!(ticket.contacts, []);

        let again = here.declare(wish(1, "srv-mail")).await.unwrap();
        assert_eq!(again, Declared::Before(Arc::clone(&incident)));
        let second = there.declare(wish(2, "srv-mail")).await;
        assert!(
            matches!(second, Err(DeclareFault::Declared { .. })),
            "{second:?}"
        );

        let ended = there
            .incidents
            .end("srv-mail", "tests", at(9))
            .await
            .unwrap();
        assert_eq!(ended, Some(incident));
        assert_eq!(heard(&there.incidents, None, 10), None);
        here.incidents.keep_up(at(10)).await;
        assert_eq!(heard(&here.incidents, None, 10), None);
        let nothing = here
            .incidents
            .end("srv-mail", "tests", at(10))
            .await
            .unwrap();
        assert_eq!(nothing, None);
        let anew = here.declare(wish(3, "srv-mail")).await.unwrap();
        assert!(matches!(anew, Declared::New(_)), "{anew:?}");
    });
}

#[test]
fn it_concerns_whom_it_names_and_from_when_to_when() {
    on_both_engines(async |database| {
        fill_cms(&database).await;
        let desk = Gateway::start(&database).await;
        let owners = Wish {
            audience: Audience::Owners,
            from: Some(at(10)),
            until: Some(at(20)),
            ..wish(1, "srv-mail")
        };
        desk.declare(owners).await.unwrap();
        for (has, second, wanted) in [
            (Some("srv-mail"), 9, None),
            (Some("srv-mail"), 10, Some("srv-mail")),
            (None, 10, None),
            (Some("srv-mail"), 20, None),
        ] {
            assert_eq!(
                heard(&desk.incidents, has, second).as_deref(),
                wanted,
                "{second}"
            );
        }
        assert_eq!(desk.incidents.open(at(20)), []);
        // A newer one for everybody, of a number nobody called.
        let elsewhere = Wish {
            numbers: vec!["200".to_owned()],
            ..wish(2, "srv-vpn")
        };
        desk.declare(elsewhere).await.unwrap();
        assert_eq!(heard(&desk.incidents, None, 12), None);
        assert_eq!(
            heard(&desk.incidents, Some("srv-mail"), 12).as_deref(),
            Some("srv-mail")
        );
    });
}

#[test]
fn what_cannot_be_declared_changes_nothing_and_says_why() {
    on_both_engines(async |database| {
        fill_cms(&database).await;
        let desk = Gateway::start(&database).await;
        let strange = |change: fn(&mut Wish)| {
            let mut wish = wish(1, "srv-mail");
            change(&mut wish);
            wish
        };
        for (wish, sentence) in [
            (
                strange(|it| it.service = "nothing".to_owned()),
                "no service `nothing`",
            ),
            (
                strange(|it| it.queues = vec![QueueId::from("x")]),
                "no queue `x`",
            ),
            (
                strange(|it| it.numbers = vec!["9".to_owned()]),
                "no number `9`",
            ),
            (strange(|it| it.say = Some("x".to_owned())), "no x.wav"),
            (strange(|it| it.until = Some(at(0))), "not after now"),
            (
                strange(|it| it.ticket = Some(TicketRef::Number("RD-1".to_owned()))),
                "no ticket RD-1",
            ),
            (
                strange(|it| it.ticket = Some(TicketRef::Key(TicketId::new(7)))),
                "no ticket 7",
            ),
        ] {
            let fault = desk.declare(wish).await.unwrap_err().to_string();
            assert!(fault.contains(sentence), "{fault}");
        }
        assert_eq!(desk.incidents.open(at(0)), []);
        let all = crate::tickets::TicketsQuery::default();
        assert_eq!(desk.tickets.list(&all, 9).await.unwrap(), []);
    });
}

#[test]
fn a_ticket_that_is_there_becomes_the_incidents_unless_it_is_closed() {
    on_both_engines(async |database| {
        fill_cms(&database).await;
        let desk = Gateway::start(&database).await;
        let ticket = desk.tickets.open_by_hand(call(1)).await.unwrap();
        let on_ticket = |key, which| Wish {
            ticket: Some(which),
            ..wish(key, "srv-mail")
        };
        for (key, which) in [
            (2, TicketRef::Number(ticket.number.clone())),
            (3, TicketRef::Key(ticket.ticket)),
        ] {
            let declared = desk.declare(on_ticket(key, which)).await.unwrap();
            let Declared::New(incident) = declared else {
                panic!("it is new");
            };
            assert_eq!(incident.ticket, ticket.ticket);
            assert_eq!(incident.ticket_number, ticket.number);
            let ended = desk.incidents.end("srv-mail", "tests", at(1)).await;
            assert!(ended.unwrap().is_some());
        }
        let close = TicketChange {
            status: Some(TicketStatus::Closed),
            ..TicketChange::default()
        };
        desk.tickets
            .change(ticket.ticket, &close, at(2))
            .await
            .unwrap();
        let late = desk
            .declare(on_ticket(4, TicketRef::Key(ticket.ticket)))
            .await;
        assert!(
            matches!(late, Err(DeclareFault::TicketClosed(_))),
            "{late:?}"
        );
    });
}

fn call(number: u128) -> TicketWish {
    TicketWish {
        contact: contact(number),
        at: at(5),
        channel: Channel::Voice,
        from: "+886911000111".to_owned(),
        queue: Some(QueueId::from("helpdesk")),
        caller: None,
        organisation: None,
        class: None,
        cis: Vec::new(),
        keyed_in: None,
        kind: Kind::Incident,
        subject: "Call".to_owned(),
    }
}

#[test]
fn a_contact_is_attached_once_and_the_ticket_stays_nobodys() {
    on_both_engines(async |database| {
        fill_cms(&database).await;
        let desk = Gateway::start(&database).await;
        let Declared::New(incident) = desk.declare(wish(1, "srv-mail")).await.unwrap() else {
            panic!("it is new");
        };
        let log = EventLog::new(database.clone());
        assert!(log.append(event(1, 5, contact(7), arrived("+886911000111"))));
        for _ in 0..2 {
            let linked = desk.tickets.attach_to_incident(call(7), incident.ticket);
            let linked = linked.await.unwrap();
            assert_eq!(
                (linked.ticket, linked.rule.as_str()),
                (incident.ticket, "incident")
            );
            assert!(!linked.is_new());
        }
        // The CMS comes back after its deadline.
        let identified = EventKind::Identified {
            outcome: ringdown_routing::event::IdentifiedAs::Known,
            caller: Some(CallerId::new("tpg-001")),
            class: Some(1),
        };
        assert!(log.append(event(2, 6, contact(7), identified)));
        log.flush().await.unwrap();
        let ticket = desk.tickets.ticket(incident.ticket).await.unwrap().unwrap();
        assert_eq!(ticket.contacts, [contact(7)]);
        assert_eq!(ticket.caller, None);
    });
}

/// A message on the disk, as a gateway that died has left it.
fn leave(folder: &Folder, facts: &MessageFacts, seconds: u64) {
    let name = |end: &str| format!("messages/{}.{end}", facts.contact);
    folder.write(&name("wav"), tone_wav(1_000, Duration::from_secs(seconds)));
    folder.write(&name("json"), serde_json::to_vec(facts).unwrap());
}

#[test]
fn a_message_that_was_left_behind_is_filed_once() {
    on_both_engines(async |database| {
        fill_cms(&database).await;
        let desk = Gateway::start(&database).await;
        let Declared::New(incident) = desk.declare(wish(1, "srv-mail")).await.unwrap() else {
            panic!("it is new");
        };
        let folder = Folder::new();
        let config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::demo()
        };
        let facts = MessageFacts {
            contact: ContactId::from_u128(77),
            incident: incident.id.clone(),
            ticket: incident.ticket,
            from: "+886911000111".to_owned(),
            to: "100".to_owned(),
            at: at(9),
            title: "Message left by the caller".to_owned(),
        };
        let messages = Messages::new(&config, database.clone());
        // A crash after the commit leaves the files: the second look finds them again.
        for _ in 0..2 {
            leave(&folder, &facts, 70);
            messages.look().await;
        }
        let ticket = desk.tickets.ticket(incident.ticket).await.unwrap().unwrap();
        assert_eq!(ticket.articles.len(), 1, "{:#?}", ticket.articles);
        let article = &ticket.articles[0];
        assert_eq!(article.text, "Message left by the caller (70 s)");
        assert_eq!(article.contact, Some(facts.contact));
        assert_eq!(
            (article.direction, article.channel),
            (Direction::In, Some(Channel::Voice))
        );
        let [attachment] = &article.attachments[..] else {
            panic!("{:#?}", article.attachments);
        };
        assert_eq!(attachment.content_type, "audio/wav");
        assert_eq!(attachment.bytes, 44 + 70 * 16_000);
        let mut octets = Vec::new();
        for place in 0..2 {
            octets.extend(
                desk.tickets
                    .piece(&attachment.sha256, place)
                    .await
                    .unwrap()
                    .unwrap(),
            );
        }
        assert_eq!(octets.len(), 44 + 70 * 16_000);
        let left = std::fs::read_dir(folder.path().join("messages")).unwrap();
        assert_eq!(left.count(), 0);
    });
}
