use super::*;
use crate::cms::import::{Format, import, read};
use crate::cti::{CallerHeaders, Normaliser, Trust, claim_of};
use crate::database::tests::{contact, run, sqlite};
use ringdown_harness::postgres::Postgres;

const DESK: &str = include_str!("../../../fixtures/cms/desk.csv");

fn normaliser() -> Normaliser {
    Normaliser::new("TW".parse().unwrap())
}

fn claim(from: &str) -> Claim {
    let headers = CallerHeaders {
        from,
        ..CallerHeaders::default()
    };
    claim_of(&headers, Trust::Trusted, &normaliser())
}

async fn fill(database: &Database) {
    let cms = Cms::new(database.clone());
    let report = import(&cms, &normaliser(), read(Format::Csv, DESK))
        .await
        .unwrap();
    assert_eq!(report.refusals, []);
}

/// The likeliest first, each with what speaks for it.
fn told(identification: &Identification) -> String {
    match identification {
        Identification::Known { caller } => format!("known {}", caller.id),
        Identification::Ambiguous { candidates } => {
            let all: Vec<String> = candidates
                .iter()
                .map(|it| format!("{} {:?}", it.caller.id, it.reasons))
                .collect();
            format!("ambiguous {}", all.join(", "))
        }
        Identification::Unknown => "unknown".to_owned(),
        Identification::Unavailable => "unavailable".to_owned(),
    }
}

#[test]
fn callers_are_told_apart_by_number_extension_and_name() {
    run(async {
        let (_folder, database) = sqlite().await;
        fill(&database).await;
        let (identifier, _later) = Identifier::start(&database, &Config::demo());
        identifier.refresh().await.unwrap();
        assert_eq!(identifier.people(), Some(30));
        let check = async |from: &str, wanted: &str| {
            let claim = claim(from);
            let now = identifier.identify_now(&claim).unwrap();
            assert_eq!(told(&now), wanted, "{from}");
            assert_eq!(identifier.identify(&claim).await, now);
        };
        check("<sip:0912345601@t>", "known tpg-001").await;
        check("<sip:1007@t>", "known tpg-007").await;
        check("<tel:+886-2-2720-8800;ext=102>", "known tpg-002").await;
        // Shared by three, one of whom is class 1 and one of whom the trunk names.
        check(
            "\"鄭俊傑\" <sip:035630001@t>",
            "ambiguous hsd-003 [NameSent, OwnNumber], hsd-001 [OwnNumber, FirstClass], \
             hsd-002 [OwnNumber]",
        )
        .await;
        // One ward, one extension, two nurses.
        check(
            "<tel:+886-7-335-1000;ext=5200>",
            "ambiguous kmh-003 [], kmh-004 []",
        )
        .await;
        // An extension nobody has is the switchboard's.
        check("<tel:+886-7-335-1000;ext=9999>", "known kmh-005").await;
        check("<sip:+886955555555@t>", "unknown").await;
        check("<sip:anonymous@anonymous.invalid>", "unknown").await;
        check("<sip:meiling@t>", "unknown").await;
        let untrusted = CallerHeaders {
            from: "<sip:0912345601@t>",
            ..CallerHeaders::default()
        };
        let untrusted = claim_of(&untrusted, Trust::Untrusted, &normaliser());
        assert_eq!(
            identifier.identify(&untrusted).await,
            Identification::Unknown
        );
        let mail = Claim::of_mail("Sophie.Martin+x@tpg.example");
        assert_eq!(told(&identifier.identify(&mail).await), "known tpg-008");
    });
}

#[test]
fn an_import_is_seen_by_a_running_gateway() {
    run(async {
        let (_folder, database) = sqlite().await;
        let (identifier, _later) = Identifier::start(&database, &Config::demo());
        identifier.refresh().await.unwrap();
        let claim = claim("<sip:0912345601@t>");
        assert_eq!(
            identifier.identify_now(&claim),
            Some(Identification::Unknown)
        );
        fill(&database).await;
        identifier.refresh().await.unwrap();
        assert_eq!(told(&identifier.identify(&claim).await), "known tpg-001");
    });
}

#[test]
fn a_hanging_cms_costs_the_deadline_and_is_asked_again_later() {
    run(async {
        let server = Postgres::start();
        let database = Database::connect(&server.url(), 4, 1_000).await.unwrap();
        fill(&database).await;
        // Whoever reads people now hangs.
        let mut lock = database.reads().begin().await.unwrap();
        sqlx::raw_sql("LOCK TABLE people, phones IN ACCESS EXCLUSIVE MODE")
            .execute(&mut *lock)
            .await
            .unwrap();
        let mut config = Config::demo();
        config.cms.deadline = Duration::from_millis(50);
        config.cms.retry_after = Duration::from_millis(10);
        config.cms.retries_max = 1_000;
        config.cms.retrying_max = 1;
        let (identifier, mut later) = Identifier::start(&database, &config);
        let claim = claim("<sip:0912345601@t>");
        assert_eq!(identifier.identify_now(&claim), None);
        assert_eq!(
            identifier.identify(&claim).await,
            Identification::Unavailable
        );
        assert!(identifier.try_again(contact(1), claim.clone()));
        assert!(!identifier.try_again(contact(2), claim), "bounded");
        lock.rollback().await.unwrap();
        let answer = later.recv().await.unwrap();
        assert_eq!(answer.contact, contact(1));
        assert_eq!(told(&answer.identification), "known tpg-001");
    });
}
