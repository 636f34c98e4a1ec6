//! The shards of the signalling: how many, what each is made of, and how they are found.

use super::house::House;
use super::inputs::{ShardInput, ShardSender, tell_shard_of};
use super::shard::Shard;
use super::task;
use crate::config::Config;
use crate::cti::Reidentified;
use ringdown_voice::call::CallControl;
use ringdown_voice::sip::flow::{SocketId, Transport};
use ringdown_voice::sip::shell::{Inbox, ShellHandle};
use ringdown_voice::sip::user_agent::{self, Place, SessionTimers, UserAgent};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Shards of the signalling: as configured, else one for each two processors, for the media threads
/// want the others.
pub(super) fn count(config: &Config) -> u8 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let usual = u16::try_from(cores.div_ceil(2)).unwrap_or(u16::MAX);
    u8::try_from(config.sip.shards.unwrap_or(usual))
        .unwrap_or(u8::MAX)
        .max(1)
}

/// Starts the task of every shard; they end as [`task::run`] says.
pub(super) fn start(
    config: &Config,
    house: &Arc<House>,
    senders: &[ShardSender],
    receivers: Vec<mpsc::Receiver<ShardInput>>,
    inboxes: Vec<Inbox>,
    shell: &ShellHandle,
) -> JoinSet<()> {
    let places = places_of(config, shell);
    let mut tasks = JoinSet::new();
    let parts = senders.iter().zip(receivers).zip(inboxes);
    for ((sender, receiver), inbox) in parts {
        let sip = &config.sip;
        let settings = user_agent::Settings {
            places: places.clone(),
            contact_user: "ringdown".to_owned(),
            product: sip.user_agent.clone(),
            timings: ringdown_voice::sip::transaction::Timings {
                t1: sip.t1,
                t2: sip.t2,
                t4: sip.t4,
            },
            session_timers: SessionTimers::On {
                interval: sip.session_expires,
                interval_min: sip.session_expires_min,
            },
            shard: user_agent::Shard {
                index: sender.index().into(),
                count: senders.len(),
            },
            limits: limits(config),
            ..user_agent::Settings::new(places[0].clone())
        };
        let control = CallControl::new(UserAgent::new(settings, rand::random()));
        let shard = Shard::new(Arc::clone(house), sender.clone(), control);
        tasks.spawn(task::run(shard, inbox, receiver, shell.clone()));
    }
    tasks
}

/// One shard may have all the calls, each with its caller and whoever is rung.
fn limits(config: &Config) -> user_agent::Limits {
    let defaults = user_agent::Limits::default();
    let calls_max = usize::try_from(config.limits.calls_max).unwrap_or(usize::MAX);
    user_agent::Limits {
        dialogs_max: defaults.dialogs_max.max(calls_max.saturating_mul(2)),
        ..defaults
    }
}

/// What we write into Via and Contact: where we listen, or what the site says others see of us.
pub(super) fn places_of(config: &Config, shell: &ShellHandle) -> Vec<Place> {
    let mut sockets = 0;
    shell
        .local_addresses()
        .map(|(transport, address)| {
            let socket = SocketId(if transport == Transport::Udp {
                sockets
            } else {
                0
            });
            if transport == Transport::Udp {
                sockets += 1;
            }
            let address = match &config.sip.advertised {
                Some(host) => format!("{host}:{}", address.port()),
                None => address.to_string(),
            };
            Place {
                transport,
                socket,
                address,
            }
        })
        .collect()
}

/// Brings the late answers of the CMS to their calls.
pub(super) async fn tell_reidentified(
    mut answers: mpsc::Receiver<Reidentified>,
    shards: Vec<ShardSender>,
) {
    while let Some(Reidentified {
        contact,
        identification,
    }) = answers.recv().await
    {
        let input = ShardInput::Identified {
            contact,
            identification: Box::new(identification),
        };
        tell_shard_of(&shards, contact, input).await;
    }
}
