//! `ringdown demo`: the whole desk on loopback with the sample data.

use super::{Outcome, serve};
use crate::acd::{Notice, Subscription};
use crate::cms::Cms;
use crate::cms::import::{Format, import, read};
use crate::config::Config;
use crate::cti::Normaliser;
use crate::database::Database;
use crate::demo::Traffic;
use crate::gateway::Gateway;
use crate::live_view::screen::Screen;
use crate::live_view::{Frame, ServiceLevelToday};
use crate::report::Group;
use anyhow::Context as _;
use ringdown_routing::ids::QueueId;
use ringdown_voice::sip::digest::Account;
use ringdown_voice::sip::flow::Transport;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

/// Runs the sample desk on loopback.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Play callers and agents, and show the desk live.
    #[arg(long)]
    traffic: bool,
    /// Folder of what the desk writes; a new one that is removed at the end when not given.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// End by itself after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

/// How often the live view is drawn.
const FRAME_EVERY: Duration = Duration::from_millis(250);

/// The sample people.
const SAMPLE_CMS: &str = include_str!("../../fixtures/cms/desk.csv");

/// Runs until SIGINT or SIGTERM, or until the time is over.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    if !args.traffic {
        serve::start_logging();
    }
    let own_folder = args
        .data
        .is_none()
        .then(|| std::env::temp_dir().join(format!("ringdown-demo-{}", std::process::id())));
    let folder = args
        .data
        .clone()
        .or_else(|| own_folder.clone())
        .context("a folder is chosen")?;
    let outcome = serve::runtime()?.block_on(demo(args, sample(folder)));
    if let Some(folder) = own_folder {
        // A leftover in the temporary folder is the system's to clear.
        let _ = std::fs::remove_dir_all(folder);
    }
    outcome
}

/// The sample configuration, with free ports where the usual ones are taken.
fn sample(folder: PathBuf) -> Config {
    let mut config = Config::demo();
    config.data_dir = folder;
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let is_free = |address: &SocketAddr| {
        UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
    };
    if !config.sip.listen_udp.iter().all(is_free) {
        config.sip.listen_udp = vec![any];
        config.sip.listen_tcp = vec![any];
    }
    for address in [&mut config.web.listen, &mut config.web.operations_listen] {
        if TcpListener::bind(*address).is_err() {
            *address = any;
        }
    }
    config
}

async fn demo(args: &Args, config: Config) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(&config.data_dir)?;
    import_people(&config).await?;
    let gateway = Gateway::start(config.clone()).await?;
    print_guide(&config, &gateway, args)?;
    let end = async {
        match args.seconds {
            Some(seconds) => tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(seconds)) => Ok(()),
                stopped = serve::wait_for_stop() => stopped,
            },
            None => serve::wait_for_stop().await,
        }
    };
    let shown = async {
        if args.traffic {
            play(&config, &gateway)?;
            show(&config, &gateway).await
        } else {
            std::future::pending().await
        }
    };
    tokio::select! {
        ended = end => ended?,
        shown = shown => shown?,
    }
    gateway.stop().await;
    Ok(Outcome::Good)
}

async fn import_people(config: &Config) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let normaliser = Normaliser::new(config.site.region);
    let people = read(Format::Csv, SAMPLE_CMS);
    import(&Cms::new(database.clone()), &normaliser, people).await?;
    database.close().await;
    Ok(())
}

fn print_guide(config: &Config, gateway: &Gateway, args: &Args) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let places = gateway.places();
    let sip = sip_address(gateway)?;
    writeln!(out, "{} is open.\n", config.site.name)?;
    writeln!(
        out,
        "Dial with any SIP phone on this machine (no account needed):"
    )?;
    for number in &config.numbers {
        let queue = config.queue(&number.queue);
        let name = queue.map_or("", |queue| queue.name_in(&config.site.language));
        writeln!(out, "  sip:{}@{sip}   {name}", number.number)?;
    }
    writeln!(
        out,
        "\nRegister an agent's phone (domain {}, server {sip}):",
        config.sip.domain
    )?;
    for agent in &config.agents {
        let password = agent
            .sip_password
            .as_ref()
            .map_or("", |secret| secret.expose());
        writeln!(
            out,
            "  user {:<10} password {password}   {}",
            agent.id.as_str(),
            agent.name
        )?;
    }
    let token = config
        .web
        .tokens
        .first()
        .map_or("", |token| token.token.expose());
    writeln!(
        out,
        "\nLook at what happens (Authorization: Bearer {token}):"
    )?;
    for page in ["statistics", "contacts", "queues", "tickets"] {
        writeln!(out, "  http://{}/api/v1/{page}", places.web)?;
    }
    writeln!(out, "  http://{}/metrics", places.operations)?;
    writeln!(
        out,
        "\nPages (sign in with the token {token} and no name):\n  http://{0}/reports\n  http://{0}/staffing\n  http://{0}/forecast",
        places.web
    )?;
    if !args.traffic {
        writeln!(
            out,
            "\n`ringdown demo --traffic` plays callers and agents. Ctrl-C ends."
        )?;
    }
    out.flush()?;
    Ok(())
}

fn sip_address(gateway: &Gateway) -> anyhow::Result<SocketAddr> {
    let places = &gateway.places().sip;
    let udp = places
        .iter()
        .find(|(transport, _)| *transport == Transport::Udp);
    udp.map(|(_, address)| *address)
        .context("the sample desk listens on UDP")
}

fn play(config: &Config, gateway: &Gateway) -> anyhow::Result<()> {
    let agents = config.agents.iter().filter_map(|agent| {
        let password = agent.sip_password.as_ref()?.expose();
        Some(Account::new(agent.id.as_str(), password))
    });
    let traffic = Traffic::open(sip_address(gateway)?, &config.sip.domain, agents.collect())?;
    tokio::spawn(traffic.play());
    Ok(())
}

/// Shows the desk until it is closed.
async fn show(config: &Config, gateway: &Gateway) -> anyhow::Result<()> {
    let zone = config.site.time_zone.time_zone().clone();
    let mut screen = Screen::on_stdout(zone)?;
    let mut events: Subscription = gateway.acd().subscribe();
    let mut tick = tokio::time::interval(FRAME_EVERY);
    loop {
        tokio::select! {
            notice = events.next() => match notice {
                Some(Notice::Event(event)) => screen.tell(&event)?,
                Some(Notice::Resync) => {}
                None => return Ok(()),
            },
            _ = tick.tick() => if screen.wants_frames() {
                screen.draw(frame(config, gateway))?;
            },
        }
    }
}

fn frame(config: &Config, gateway: &Gateway) -> Frame {
    let name = |queue: &QueueId| {
        let queue = config.queue(queue);
        queue.map_or_else(String::new, |queue| {
            queue.name_in(&config.site.language).to_owned()
        })
    };
    let acd = gateway.acd();
    let now = acd.now();
    let mut frame = acd.read(|view| Frame::look(view, now, &name));
    let zone = config.site.time_zone.time_zone();
    if let Ok(today) = gateway.observers().running.today(now, zone) {
        for row in &mut frame.queues {
            let tally = today.groups.iter().find(|(group, _)| match group {
                Group::Queue(id) => name(id) == row.name,
                Group::Channel(_) | Group::Facet(_) => false,
            });
            if let Some((_, (tally, _))) = tally {
                row.today = ServiceLevelToday::from(&tally.figures());
            }
        }
    }
    frame.title = format!("{} · Ctrl-C", config.site.name);
    frame.counters = vec![("calls".to_owned(), gateway.calls().to_string())];
    frame
}
