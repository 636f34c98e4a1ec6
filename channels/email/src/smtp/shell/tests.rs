//! The listener on real sockets: large mails, verdicts that do not come, clients that are too many.

use super::*;
use crate::smtp::{Protocol, Recipients, Tls, parse_address};
use std::path::Path;
use tokio::io::{AsyncBufReadExt, BufReader};

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn connect(shell: &Shell) -> Self {
        let stream = TcpStream::connect(shell.addresses()[0]).await.unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Begins a mail up to its content.
    async fn begin(&mut self) {
        assert!(self.line().await.starts_with("220"));
        self.say("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<help@desk.example>\r\nDATA\r\n")
            .await;
        for code in ["250", "250", "250", "354"] {
            assert!(self.line().await.starts_with(code));
        }
    }
}

async fn open(spool: &Path, storing_max: Duration) -> (Shell, mpsc::Receiver<Delivery>) {
    let mut recipients = Recipients::default();
    recipients.add(&parse_address("help@desk.example").unwrap(), &"help".into());
    let rules = Rules {
        protocol: Protocol::Smtp,
        host: "desk.example".to_owned(),
        tls: Tls::No,
        recipients,
        mail_bytes_max: 1_000_000,
        recipients_max: 100,
        idle_max: Duration::from_secs(60),
        mail_time_max: Duration::from_secs(60),
    };
    let settings = Settings {
        sources: SourceLimits {
            connections_max: 10,
            connections_per_source_max: 2,
            mails_per_minute_max: 100,
        },
        is_relay: Arc::new(|_| false),
        on_refusal: Arc::new(|_, _| {}),
        identity: None,
        spool: spool.to_owned(),
        memory_bytes_max: 1_000,
        storing_max,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (deliveries, inbox) = mpsc::channel(1);
    let shell = Shell::start(vec![(listener, rules)], settings, deliveries).unwrap();
    (shell, inbox)
}

/// A folder of this test, empty.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ringdown-smtp-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[tokio::test]
async fn a_large_mail_goes_through_a_file_that_goes_away() {
    let spool = folder("large");
    let (shell, mut inbox) = open(&spool, Duration::from_secs(60)).await;
    let mut client = Client::connect(&shell).await;
    client.begin().await;
    let text = "0123456789abcdef\r\n".repeat(20_000);
    client.say(&text).await;
    client.say(".\r\n").await;
    let delivery = inbox.recv().await.unwrap();
    assert!(matches!(delivery.content, Content::File { .. }));
    assert_eq!(delivery.content.bytes(), text.len() as u64);
    assert_eq!(delivery.content.read().await.unwrap(), text.as_bytes());
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0);
    delivery
        .answer
        .send(vec![Verdict::Stored("RD-1".to_owned())])
        .unwrap();
    assert_eq!(client.line().await, "250 2.0.0 Stored: RD-1\r\n");
    shell.close().await;
    assert!(client.line().await.starts_with("421 4.3.2"));
    std::fs::remove_dir_all(&spool).unwrap();
}

#[tokio::test]
async fn a_mail_that_cannot_be_kept_is_to_be_sent_again() {
    let (shell, _inbox) = open(Path::new("/nowhere/at/all"), Duration::from_secs(60)).await;
    let mut client = Client::connect(&shell).await;
    client.begin().await;
    client.say(&"x".repeat(5_000)).await;
    client.say("\r\n.\r\n").await;
    assert!(client.line().await.starts_with("451 4.3.0"));
}

#[tokio::test]
async fn a_mail_nobody_answers_for_is_to_be_sent_again() {
    let spool = folder("silent");
    let (shell, mut inbox) = open(&spool, Duration::from_millis(20)).await;
    let mut client = Client::connect(&shell).await;
    client.begin().await;
    client.say("x\r\n.\r\n").await;
    let held = inbox.recv().await.unwrap();
    assert!(client.line().await.starts_with("451 4.3.0"));
    drop(held);
    std::fs::remove_dir_all(&spool).unwrap();
}

#[tokio::test]
async fn one_client_does_not_take_all_connections() {
    let spool = folder("many");
    let (shell, _inbox) = open(&spool, Duration::from_secs(60)).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(&shell).await;
        assert!(client.line().await.starts_with("220"));
        kept.push(client);
    }
    let mut third = Client::connect(&shell).await;
    assert!(third.line().await.starts_with("421 4.7.0"));
    let mut first = kept.remove(0);
    first.say("QUIT\r\n").await;
    assert!(first.line().await.starts_with("221"));
    assert_eq!(first.line().await, "", "it is closed");
    // The place is free a moment after the socket is closed.
    for _ in 0..1_000 {
        if Client::connect(&shell)
            .await
            .line()
            .await
            .starts_with("220")
        {
            std::fs::remove_dir_all(&spool).unwrap();
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the place was never free again");
}
