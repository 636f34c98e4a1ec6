//! `ringdown serve`: runs the gateway until it is told to stop.

use super::{ConfigFile, Outcome};
use crate::config::Config;
use crate::gateway::{Gateway, Places};
use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the gateway.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs until SIGINT or SIGTERM, which ends calls in order within seconds (a second one ends it at
/// once), or until `ringdown drain` has seen the last call out.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.path)?;
    start_logging();
    runtime()?.block_on(async {
        let gateway = Gateway::start(config).await?;
        announce(gateway.places());
        tokio::select! {
            stopped = wait_for_stop() => {
                stopped?;
                tracing::info!("stopping");
            }
            cut_off = gateway.drained() => tracing::info!(cut_off, "drained: stopping"),
        }
        gateway.stop().await;
        Ok(Outcome::Good)
    })
}

/// The runtime of a gateway: a thread for each two processors, for the media threads want the others.
/// A message goes through several tasks, and waking another thread for each costs more than the work:
/// on two processors one thread needs a third less time per call than two.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    raise_file_limit();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

/// Takes as many file descriptors as the system lets the process have: each leg of a call needs two, and
/// the usual soft limit of 1,024 would be the desk's.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is: see `ringdown doctor`");
    }
}

/// Log lines to stderr, as `RINGDOWN_LOG` asks: `info` when it does not.
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("RINGDOWN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Whoever embeds the gateway may have set up logging before; that one stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

fn announce(places: &Places) {
    for (transport, address) in &places.sip {
        tracing::info!(%transport, %address, "SIP");
    }
    for (protocol, address) in &places.mail {
        tracing::info!(protocol, %address, "mail");
    }
    tracing::info!(web = %places.web, operations = %places.operations, "ready");
}

/// Returns when the process is asked to stop.
pub async fn wait_for_stop() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        interrupt.recv().await;
        std::process::exit(1);
    });
    Ok(())
}
