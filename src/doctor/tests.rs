use super::*;
use crate::config::{Redis, Secret};
use crate::database::Database;
use crate::database::tests::run;
use ringdown_harness::place::{Folder, free_address};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A configuration whose ports are all free and whose folder is its own.
fn config(folder: &Folder) -> Config {
    let mut config = Config::demo();
    let sip = free_address();
    config.data_dir = folder.path().join("data");
    config.sip.listen_udp = vec![sip];
    config.sip.listen_tcp = vec![sip];
    config.email.listen = Some(free_address());
    config.email.lmtp_listen = Some(free_address());
    config.web.listen = free_address();
    config.web.operations_listen = free_address();
    config
}

fn verdict(findings: &[Finding], name: &str) -> Option<(Verdict, String)> {
    findings
        .iter()
        .find(|finding| finding.name.starts_with(name))
        .map(|finding| (finding.verdict, finding.found.clone()))
}

#[test]
fn a_machine_that_is_ready_has_nothing_bad() {
    run(async {
        let folder = Folder::new();
        let findings = examine(&config(&folder)).await;
        let bad: Vec<_> = findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Bad)
            .collect();
        assert!(
            bad.iter().all(|finding| finding.name.starts_with("media")),
            "{bad:?}"
        );
        assert!(
            !folder.path().join("data").exists(),
            "looking makes nothing"
        );
        assert!(
            findings
                .iter()
                .all(|finding| finding.verdict == Verdict::Good || finding.advice.is_some())
        );
    });
}

#[test]
fn a_taken_port_is_told_with_the_way_to_find_who_has_it() {
    run(async {
        let folder = Folder::new();
        let mut config = config(&folder);
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        config.sip.listen_udp = vec![taken.local_addr().unwrap()];
        let findings = examine(&config).await;
        let finding = findings
            .iter()
            .find(|finding| finding.name.starts_with("sip udp"))
            .unwrap();
        assert_eq!(
            (finding.verdict, finding.found.as_str()),
            (Verdict::Bad, "in use by another program")
        );
        assert!(
            finding
                .advice
                .as_ref()
                .unwrap()
                .contains(&taken.local_addr().unwrap().port().to_string())
        );
    });
}

#[test]
fn an_address_of_another_machine_is_told() {
    run(async {
        let folder = Folder::new();
        let mut config = config(&folder);
        config.sip.listen_tcp = vec![SocketAddr::from(([192, 0, 2, 1], 5_060))];
        let findings = examine(&config).await;
        let told = verdict(&findings, "sip tcp").unwrap();
        assert_eq!(
            told,
            (Verdict::Bad, "this machine has no such address".to_owned())
        );
    });
}

#[test]
fn a_redis_that_is_not_there_is_bad() {
    run(async {
        let folder = Folder::new();
        let mut config = config(&folder);
        let url = format!("redis://{}/0", free_address());
        config.redis = Some(Redis {
            connect_timeout: Duration::from_millis(200),
            command_timeout: Duration::from_millis(200),
            ..Redis::at(Secret::new(url))
        });
        let findings = examine(&config).await;
        assert_eq!(
            verdict(&findings, "redis").unwrap().0,
            Verdict::Bad,
            "{findings:?}"
        );
    });
}

#[test]
fn an_empty_cms_is_a_warning_and_a_broken_database_is_bad() {
    run(async {
        let folder = Folder::new();
        let config = config(&folder);
        let database = Database::open(&config).await.unwrap();
        database.close().await;
        let findings = examine(&config).await;
        assert_eq!(
            verdict(&findings, "database").unwrap().0,
            Verdict::Good,
            "{findings:?}"
        );
        assert_eq!(verdict(&findings, "cms").unwrap().0, Verdict::Warning);
        std::fs::write(
            config.data_dir.join("ringdown.sqlite"),
            "this is no database, but a text",
        )
        .unwrap();
        for extra in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(config.data_dir.join(format!("ringdown.sqlite{extra}")));
        }
        let findings = examine(&config).await;
        assert_eq!(
            verdict(&findings, "database").unwrap().0,
            Verdict::Bad,
            "{findings:?}"
        );
    });
}

#[test]
fn a_prompts_folder_without_sound_is_bad() {
    run(async {
        let folder = Folder::new();
        let mut config = config(&folder);
        config.media.prompts = Some(folder.path().join("nowhere"));
        assert_eq!(
            verdict(&examine(&config).await, "prompts").unwrap().0,
            Verdict::Bad
        );
        let prompts = folder.path().join("prompts/en");
        std::fs::create_dir_all(&prompts).unwrap();
        config.media.prompts = Some(folder.path().join("prompts"));
        assert_eq!(
            verdict(&examine(&config).await, "prompts").unwrap().0,
            Verdict::Bad
        );
        std::fs::write(prompts.join("greeting.wav"), "RIFF").unwrap();
        let told = verdict(&examine(&config).await, "prompts").unwrap();
        assert_eq!(told.0, Verdict::Good, "{told:?}");
    });
}
