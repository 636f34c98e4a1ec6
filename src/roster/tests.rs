use super::*;
use crate::config::Rights;
use crate::database::tests::{at, on_both_engines, run, sqlite};
use rand::SeedableRng;
use sha2::{Digest, Sha256};

fn agent(id: &str, config: &Config) -> RosterAgent {
    let mut agent = configured(&config.agents[0], config);
    agent.profile.id = AgentId::new(id);
    agent.ha1 = Some(Ha1::new(id, config.sip.realm(), "secret"));
    agent.web_password = Some(WebPassword::hash("long enough").unwrap());
    agent.origin = Origin::Command;
    agent
}

#[test]
fn agents_of_the_command_add_to_and_override_those_of_the_file() {
    on_both_engines(async |database| {
        let config = Config::demo();
        let (new, same) = (agent("zoe", &config), agent("meiling", &config));
        for agent in [&new, &same, &same] {
            put_agent(&database, config.sip.realm(), agent)
                .await
                .unwrap();
        }
        let roster = Roster::load(&database, &config).await.unwrap();
        assert_eq!(roster.iter().count(), config.agents.len() + 1);
        assert_eq!(roster.agent(&AgentId::new("zoe")), Some(&new));
        assert_eq!(roster.agent(&AgentId::new("meiling")), Some(&same));
        remove_agent(&database, &AgentId::new("meiling"))
            .await
            .unwrap();
        let roster = Roster::load(&database, &config).await.unwrap();
        let again = roster.agent(&AgentId::new("meiling")).unwrap();
        assert_eq!(again.origin, Origin::File);
        // Another realm makes the stored hashes useless.
        let mut moved = config;
        moved.sip.realm = Some("elsewhere".to_owned());
        let roster = Roster::load(&database, &moved).await.unwrap();
        assert_eq!(roster.agent(&AgentId::new("zoe")).unwrap().ha1, None);
    });
}

#[test]
fn a_running_gateway_sees_a_new_agent() {
    run(async {
        let (_folder, database) = sqlite().await;
        let config = Arc::new(Config::demo());
        let mut roster = watch(&database, Arc::clone(&config)).await.unwrap();
        let zoe = agent("zoe", &config);
        put_agent(&database, config.sip.realm(), &zoe)
            .await
            .unwrap();
        roster.changed().await.unwrap();
        assert!(roster.borrow().agent(&AgentId::new("zoe")).is_some());
    });
}

#[test]
fn a_web_password_is_known_by_its_hash_only() {
    let kept = WebPassword::hash("correct horse").unwrap();
    let again = WebPassword::from_stored(kept.to_string());
    assert!(again.is("correct horse") && !again.is("correct horsf") && !again.is(""));
    assert!(kept.to_string().starts_with("$argon2id$"));
    assert!(!WebPassword::from_stored("nonsense".to_owned()).is("nonsense"));
    assert_eq!(
        WebPassword::hash("short").unwrap_err(),
        PasswordFault::TooShort
    );
}

#[test]
fn tokens_are_kept_as_their_digest() {
    on_both_engines(async |database| {
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        let token = add_token(
            &database,
            &mut random,
            "wallboard",
            Rights::Write,
            None,
            at(0),
        )
        .await
        .unwrap();
        let wanted = StoredToken {
            digest: Sha256::digest(token.as_bytes()).into(),
            name: "wallboard".to_owned(),
            rights: Rights::Write,
            agent: None,
        };
        assert_eq!(tokens(&database).await.unwrap(), [wanted]);
        remove_token(&database, "wallboard").await.unwrap();
        assert_eq!(tokens(&database).await.unwrap(), []);
    });
}
