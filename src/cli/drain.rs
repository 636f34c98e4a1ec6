//! `ringdown drain`: takes the running gateway out of service without cutting anybody off.

use super::{ConfigFile, Outcome};
use crate::config::{Config, Rights};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `drain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// That of the gateway that runs: where it listens, and its tokens.
    #[command(flatten)]
    config: ConfigFile,
    /// How long calls may take to end; those that last longer are cut off.
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0)]
    deadline: f64,
    /// Take calls again.
    #[arg(long, conflicts_with = "deadline")]
    undo: bool,
    /// File whose first line is a token with the right to write; else one of `[web] tokens` is used.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How often the gateway is asked how far it is; the API allows a token 50 questions a second.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Starts a drain and waits for its end, or undoes one. Good when nobody was cut off.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.path)?;
    let gateway = RunningGateway {
        address: reachable(config.web.listen),
        token: token(&config, args)?,
    };
    if args.undo {
        gateway.ask("DELETE", "/node/drain", None)?;
        return Ok(Outcome::Good);
    }
    let wish = json!({ "deadline_s": args.deadline });
    let begun = gateway.ask("POST", "/node/drain", Some(&wish))?;
    follow(&gateway, begun)
}

/// Shows how far it is until it has ended.
fn follow(gateway: &RunningGateway, begun: Value) -> anyhow::Result<Outcome> {
    let mut last = begun;
    let mut stderr = std::io::stderr();
    let is_shown = stderr.is_terminal();
    loop {
        match last["state"].as_str() {
            Some("draining") => {}
            Some("ended") => break,
            _ => bail!("the drain was undone: the gateway takes calls"),
        }
        if is_shown {
            let (calls, waiting) = (&last["calls"], &last["waiting"]);
            let until = last["until_at"].as_str().unwrap_or_default();
            // With stderr gone there is nobody left to tell.
            let _ = write!(
                stderr,
                "\r\x1b[K{calls} calls, {waiting} of them wait; until {until}"
            );
        }
        std::thread::sleep(ASK_EVERY);
        last = gateway
            .ask("GET", "/node", None)
            .context("the gateway went away before it had told that it ended")?;
    }
    if is_shown {
        let _ = write!(stderr, "\r\x1b[K");
    }
    match last["cut_off"].as_u64() {
        Some(0) => Ok(Outcome::Good),
        cut_off => {
            writeln!(
                stderr,
                "the time was over: {} calls were cut off",
                cut_off.unwrap_or(0)
            )?;
            Ok(Outcome::No)
        }
    }
}

/// A gateway that listens on every address is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = if listen.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        listen.ip()
    };
    SocketAddr::new(ip, listen.port())
}

fn token(config: &Config, args: &Args) -> anyhow::Result<String> {
    if let Some(file) = &args.token_file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        return Ok(text.lines().next().unwrap_or_default().trim().to_owned());
    }
    let mut tokens = config.web.tokens.iter();
    let writing = tokens.find(|token| token.rights == Rights::Write);
    match writing {
        Some(token) => Ok(token.token.expose().to_owned()),
        None => bail!(
            "no token of `[web] tokens` has the right to write: make one with `ringdown token add drain \
             --write` and name its file with --token-file"
        ),
    }
}

struct RunningGateway {
    address: SocketAddr,
    token: String,
}

impl RunningGateway {
    /// Asks the API and takes the JSON of a 200.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let address = self.address;
        let answer = self
            .send(method, path, body)
            .with_context(|| format!("no gateway answers at {address}, which is `[web] listen`"))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        let told: Value = serde_json::from_str(body).unwrap_or_default();
        if status != "200" {
            let why = told["detail"].as_str().or(told["title"].as_str());
            bail!("the gateway answered {status}: {}", why.unwrap_or(body));
        }
        Ok(told)
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_MAX)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.0\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
