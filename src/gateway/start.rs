//! Start of a gateway, and its end in good order.

use super::dialling::{Outbound, Parties};
use super::door::{Door, DoorSettings};
use super::house::{CallRate, House};
use super::inputs::{ShardInput, ShardSender};
use super::rules;
use super::shard::Shard;
use super::speech::Speech;
use super::{call_backs, desk};
use super::{staff, task};
use crate::acd::{Acd, AtStart, Clock, EventSink, RedisPlace, Surroundings};
use crate::api::operations::{self, Readiness};
use crate::api::{self, ApiParts, ApiState, Observers, Tokens};
use crate::call_backs::CallBacks;
use crate::cms::Cms;
use crate::config::{Config, NoAgents};
use crate::cti::{Identifier, Normaliser, Reidentified};
use crate::database::Database;
use crate::drain::Drain;
use crate::event_log::EventLog;
use crate::openings::Openings;
use crate::roster::{self, Roster};
use crate::site_prompts::SitePrompts;
use crate::tickets::Tickets;
use crate::trace::TraceSender;
use anyhow::Context as _;
use rand::Rng;
use ringdown_routing::ids::NodeId;
use ringdown_routing::statistics::Rules;
use ringdown_voice::call::CallControl;
use ringdown_voice::media::prompts::{Folders, PromptLibrary};
use ringdown_voice::media::{self, MediaEngine};
use ringdown_voice::sip::digest::{self, ServerSettings};
use ringdown_voice::sip::flow::{SocketId, Transport};
use ringdown_voice::sip::registrar::RegistrarSettings;
use ringdown_voice::sip::shell::{Inbox, Shell, ShellHandle, ShellSettings};
use ringdown_voice::sip::source_filter::{Proof, SourceFilterSettings, TrunkSource};
use ringdown_voice::sip::user_agent::{self, Place, SessionTimers, UserAgent};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    house: Arc<House>,
    observers: Arc<Observers>,
    database: Database,
    log: EventLog,
    shards: Vec<ShardSender>,
    shard_tasks: JoinSet<()>,
    tasks: JoinSet<()>,
    shell: Shell,
    stop: watch::Sender<bool>,
    places: Places,
}

/// Where a gateway listens.
#[derive(Clone, Debug)]
pub struct Places {
    /// SIP: transport and address.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// The API and pages.
    pub web: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    pub operations: SocketAddr,
}

impl Gateway {
    /// Starts everything the configuration asks for, or tells in a sentence what could not be.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("the folder {} cannot be made", config.data_dir.display()))?;
        let (web, operations) = bind_web(&config).await?;
        let shard_count = shard_count(&config);
        let (shell, inboxes) = Shell::bind(shell_settings(&config, shard_count))?;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..shard_count).map(ShardSender::new).unzip();
        let media = start_media(&config, &senders)?;

        let database = Database::open(&config)
            .await
            .context("the database cannot be used")?;
        let log = EventLog::new(database.clone());
        let tickets = Tickets::new(database.clone(), &config);
        let (identifier, reidentified) = Identifier::start(&database, &config);
        identifier
            .refresh()
            .await
            .context("the CMS cannot be read")?;
        let rosters = roster::watch(&database, Arc::clone(&config)).await?;
        let node = NodeId::new(format!("{:016x}", rand::random::<u64>()));
        let acd = open_desk(&config, node.clone(), &database, log.clone()).await?;

        let openings = Openings::start(Arc::clone(&config), acd.clone(), database.clone());
        let openings = Arc::new(openings.await.context("the queues cannot be opened")?);
        let prompts = Arc::new(SitePrompts::new(&config));
        let lines = rules::lines(&config);

        let calls = Arc::new(AtomicUsize::new(0));
        let house = Arc::new(House {
            node,
            door: open_door(&config),
            acd: acd.clone(),
            openings: Arc::clone(&openings),
            media,
            identifier: identifier.clone(),
            normaliser: Normaliser::new(config.site.region),
            tickets: tickets.clone(),
            traces: TraceSender::start(database.clone()),
            speech: load_speech(&config, &prompts),
            parties: Parties {
                domain: config.sip.domain.clone(),
                outbound: outbound(&config),
            },
            numbers: rules::numbers(&config, &lines),
            lines,
            language: config.site.language.clone(),
            call_backs: CallBacks::new(database.clone()),
            call_backs_due: Notify::new(),
            call_back_offers: config
                .queues
                .iter()
                .filter_map(|queue| Some((queue.id.clone(), queue.callback_offer?)))
                .collect(),
            call_back_rules: config
                .queues
                .iter()
                .map(|queue| (queue.id.clone(), queue.callback))
                .collect(),
            trusted_trunks: trusted_trunks(&config),
            trace_messages_max: config.limits.trace_messages_max,
            traces_answered: config.limits.trace_answered,
            rosters: rosters.clone(),
            call_max: config.limits.call_max,
            rate: CallRate::new(config.limits.calls_per_second_max, Instant::now()),
            calls_max: usize::try_from(config.limits.calls_max).unwrap_or(usize::MAX),
            drain: Drain::new(Arc::clone(&calls)),
            calls,
        });
        let observers = Arc::new(Observers::new(Rules::default()));
        add_gauges(&observers, &house, &database, shell.handle());

        let mut tasks = JoinSet::new();
        let following = desk::follow(Arc::clone(&house), acd.subscribe(), senders.clone());
        tasks.spawn(following);
        tasks.spawn(Arc::clone(&observers).follow(&acd, &log));
        let roster = Arc::clone(&rosters.borrow());
        staff::apply(&house, &config, &Roster::default(), &roster).await;
        tasks.spawn(staff::follow(
            Arc::clone(&house),
            Arc::clone(&config),
            rosters,
        ));
        tasks.spawn(desk::keep_hours(Arc::clone(&house)));
        tasks.spawn(call_backs::keep(Arc::clone(&house)));
        tasks.spawn(desk::tell_openings(Arc::clone(&house), senders.clone()));
        tasks.spawn(tell_reidentified(reidentified, senders.clone()));

        let shard_tasks = start_shards(
            &config,
            &house,
            &senders,
            receivers,
            inboxes,
            &shell.handle(),
        );
        let (stop, stopped) = watch::channel(false);
        let places = Places {
            sip: shell.handle().local_addresses().collect(),
            web: web.local_addr()?,
            operations: operations.local_addr()?,
        };
        let tokens = Tokens::new(&config.web.tokens);
        tokens.set_stored(&roster::tokens(&database).await?);
        let state = ApiState::new(ApiParts {
            tokens,
            acd: acd.clone(),
            zone: config.site.time_zone.clone(),
            log: log.clone(),
            tickets,
            identifier,
            normaliser: Normaliser::new(config.site.region),
            cms: Cms::new(database.clone()),
            observers: Arc::clone(&observers),
            openings,
            prompts,
            skills: config.skills.iter().map(|skill| skill.id.clone()).collect(),
            call_backs: house.call_backs.clone(),
            callback_rules: house.call_back_rules.clone(),
            calls_out: config.trunks.iter().any(|trunk| trunk.outbound.is_some()),
            language: config.site.language.clone(),
            database: database.clone(),
            node: house.node.clone(),
            drain: house.drain.clone(),
        });
        tasks.spawn(state.follow_tokens(database.clone()));
        let readiness = readiness(&house, &database);
        let pages = operations::router(Arc::clone(&observers), readiness);
        tasks.spawn(serve(web, api::router(state), stopped.clone()));
        tasks.spawn(serve(operations, pages, stopped));
        Ok(Self {
            house,
            observers,
            database,
            log,
            shards: senders,
            shard_tasks,
            tasks,
            shell,
            stop,
            places,
        })
    }

    /// Where it listens.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The desk, for whoever looks on.
    pub fn acd(&self) -> &Acd {
        &self.house.acd
    }

    /// What every event is shown to.
    pub fn observers(&self) -> &Arc<Observers> {
        &self.observers
    }

    /// Calls that are not over.
    pub fn calls(&self) -> usize {
        self.house.calls.load(Ordering::Relaxed)
    }

    /// Waits until a drain has ended, and tells how many calls are to be cut off.
    pub async fn drained(&self) -> usize {
        let cut_off = self.house.drain.ended(|| self.house.now()).await;
        tokio::time::sleep(LAST_WORD).await;
        cut_off
    }

    /// Ends calls in good order, then stores what is left to be stored.
    pub async fn stop(mut self) {
        for shard in &self.shards {
            shard.tell(ShardInput::Shutdown).await;
        }
        while self.shard_tasks.join_next().await.is_some() {}
        self.stop.send_replace(true);
        self.shell.close().await;
        if let Err(fault) = self.log.flush().await {
            tracing::error!(%fault, "the last events could not be stored");
        }
        self.tasks.shutdown().await;
        self.database.close().await;
    }
}

/// How long a gateway that has drained stays, so that whoever waits for it hears how it went.
const LAST_WORD: std::time::Duration = std::time::Duration::from_secs(1);

async fn bind_web(
    config: &Config,
) -> anyhow::Result<(tokio::net::TcpListener, tokio::net::TcpListener)> {
    let bind = async |address: SocketAddr, key: &str| {
        tokio::net::TcpListener::bind(address).await.with_context(|| {
            format!(
                "the address {address} of `[web] {key}` cannot be opened: stop the program that has it, \
                 or choose another"
            )
        })
    };
    Ok((
        bind(config.web.listen, "listen").await?,
        bind(config.web.operations_listen, "operations_listen").await?,
    ))
}

async fn serve(
    listener: tokio::net::TcpListener,
    router: axum::Router,
    stopped: watch::Receiver<bool>,
) {
    if let Err(error) = api::serve::serve(listener, router, stopped).await {
        tracing::error!(%error, "a web listener ended");
    }
}

/// Shards of the signalling: as configured, else one for each two processors, for the media threads
/// want the others.
fn shard_count(config: &Config) -> u8 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let usual = u16::try_from(cores.div_ceil(2)).unwrap_or(u16::MAX);
    u8::try_from(config.sip.shards.unwrap_or(usual))
        .unwrap_or(u8::MAX)
        .max(1)
}

fn shell_settings(config: &Config, shards: u8) -> ShellSettings {
    let sip = &config.sip;
    let mut settings = ShellSettings::new(
        sip.listen_udp.clone(),
        sip.listen_tcp.clone(),
        shards.into(),
    );
    settings.connections_max = usize::try_from(config.limits.connections_max).unwrap_or(usize::MAX);
    settings
}

fn start_media(config: &Config, shards: &[ShardSender]) -> anyhow::Result<MediaEngine> {
    let media = &config.media;
    let settings = media::Settings {
        bind: media.bind,
        advertised: media.advertised.unwrap_or(media.bind),
        ports: media.port_min..=media.port_max,
        threads: media.threads.into(),
        silent_after: media.one_way_after,
    };
    let shards: Arc<[ShardSender]> = shards.into();
    MediaEngine::start(&settings, move |shard, event| {
        let told = shards
            .get(usize::from(shard.0))
            .is_some_and(|shard| shard.tell_now(ShardInput::Media(event)));
        if !told {
            tracing::error!("a media event was lost: its shard does not keep up");
        }
    })
    .context("the media threads cannot be started")
}

async fn open_desk(
    config: &Config,
    node: NodeId,
    database: &Database,
    log: EventLog,
) -> anyhow::Result<Acd> {
    let surroundings = Surroundings {
        node,
        clock: Clock::of_the_machine(),
        sink: log_sink(log),
    };
    let Some(redis) = &config.redis else {
        return Ok(Acd::in_memory(surroundings));
    };
    let identity = database
        .identity()
        .await
        .context("the database cannot be used")?;
    let place = RedisPlace {
        database: Some(identity.to_string()),
        ..RedisPlace::from(redis)
    };
    Ok(Acd::in_redis(place, AtStart::RequireRedis, surroundings).await?)
}

fn log_sink(log: EventLog) -> EventSink {
    let flushed = log.clone();
    EventSink::new(
        move |event| log.append(ringdown_routing::event::Event::clone(event)),
        move || {
            let log = flushed.clone();
            async move { log.flush().await.is_ok() }
        },
    )
}

fn open_door(config: &Config) -> Door {
    let sip = &config.sip;
    let settings = DoorSettings {
        filter: SourceFilterSettings {
            trunks: config.trunks.iter().map(trunk_source).collect(),
            phones: sip.phones.iter().map(|range| range.0).collect(),
            ..SourceFilterSettings::default()
        },
        digest: ServerSettings {
            nonce_lifetime: sip.nonce_lifetime,
            ..ServerSettings::new(sip.realm())
        },
        registrar: RegistrarSettings {
            expires_min: sip.registration_min,
            expires_max: sip.registration_max,
            users_max: usize::try_from(config.limits.registrations_max).unwrap_or(usize::MAX),
            ..RegistrarSettings::default()
        },
    };
    Door::new(settings, rand::rng().random(), Instant::now())
}

fn trunk_source(trunk: &crate::config::Trunk) -> TrunkSource {
    TrunkSource {
        name: trunk.name.as_str().into(),
        networks: trunk.addresses.iter().map(|range| range.0).collect(),
        // Who has an account at us from no fixed address proves it; a listed address is enough alone.
        proof: if trunk.addresses.is_empty() {
            Proof::Digest
        } else {
            Proof::Address
        },
    }
}

fn trusted_trunks(config: &Config) -> BTreeSet<Arc<str>> {
    let trusted = config.trunks.iter().filter(|trunk| trunk.trusted_identity);
    trusted.map(|trunk| trunk.name.as_str().into()).collect()
}

fn outbound(config: &Config) -> Option<Outbound> {
    config.trunks.iter().find_map(|trunk| {
        let account = match (&trunk.user, &trunk.password) {
            (Some(user), Some(password)) => Some(digest::Account::new(user, password.expose())),
            (Some(_) | None, _) => None,
        };
        Some(Outbound {
            uri: trunk.outbound.clone()?,
            account,
        })
    })
}

fn load_speech(config: &Config, prompts: &Arc<SitePrompts>) -> Speech {
    let folders = Folders {
        prompts: config.media.prompts.clone(),
        music: config.media.music.clone(),
    };
    let (library, warnings) = PromptLibrary::load(&folders, config.site.language.as_str());
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for name in named(config) {
        if prompts.clip(name, &config.site.language).is_none() {
            tracing::warn!(
                name,
                "no usable {name}.wav is in the folders of [media]: nothing is played in its place"
            );
        }
    }
    Speech::new(library, Arc::clone(prompts))
}

/// The names of the site's own prompts and pieces in the configuration.
fn named(config: &Config) -> impl Iterator<Item = &str> {
    let names = config.queues.iter().flat_map(|queue| {
        let ways = [&queue.when_closed, &queue.when_full, &queue.when_waited];
        let leave = match &queue.when_no_agents {
            NoAgents::Leave(way) => Some(way),
            NoAgents::Wait => None,
        };
        let said = ways
            .into_iter()
            .chain(leave)
            .filter_map(|way| way.say.as_deref());
        [queue.greeting.as_deref(), queue.music.as_deref()]
            .into_iter()
            .flatten()
            .chain(said)
    });
    names.filter(|name| *name != rules::NOTHING)
}

fn start_shards(
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
            ..user_agent::Settings::new(places[0].clone())
        };
        let control = CallControl::new(UserAgent::new(settings, rand::random()));
        let shard = Shard::new(Arc::clone(house), sender.clone(), control);
        tasks.spawn(task::run(shard, inbox, receiver, shell.clone()));
    }
    tasks
}

/// What we write into Via and Contact: where we listen, or what the site says others see of us.
fn places_of(config: &Config, shell: &ShellHandle) -> Vec<Place> {
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

async fn tell_reidentified(mut answers: mpsc::Receiver<Reidentified>, shards: Vec<ShardSender>) {
    while let Some(Reidentified {
        contact,
        identification,
    }) = answers.recv().await
    {
        let index = usize::try_from(contact.as_u128() & 0xff).unwrap_or(0);
        if let Some(shard) = shards.get(index) {
            let identification = Box::new(identification);
            shard
                .tell(ShardInput::Identified {
                    contact,
                    identification,
                })
                .await;
        }
    }
}

/// What `/metrics` asks of its owners at the moment of the answer.
fn add_gauges(observers: &Observers, house: &Arc<House>, database: &Database, shell: ShellHandle) {
    let (house, database) = (Arc::clone(house), database.clone());
    observers.metrics.add(move |out| {
        let calls = u32::try_from(house.calls.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        out.gauge(
            "ringdown_calls",
            "Calls that are not over.",
            &[],
            f64::from(calls),
        );
        let written = database.health();
        let waiting = u32::try_from(written.waiting).unwrap_or(u32::MAX);
        out.gauge(
            "ringdown_database_writes_waiting",
            "Writes that wait in memory.",
            &[],
            f64::from(waiting),
        );
        out.counter(
            "ringdown_database_commits_total",
            "Transactions committed.",
            &[],
            written.commits,
        );
        out.counter(
            "ringdown_database_writes_lost_total",
            "Writes that were let go.",
            &[],
            written.lost,
        );
        let (used, all) = house.media.ports_used();
        for (state, ports) in [("used", used), ("free", all - used)] {
            let ports = u32::try_from(ports).unwrap_or(u32::MAX);
            out.gauge(
                "ringdown_media_ports",
                "Pairs of RTP and RTCP ports.",
                &[("state", state)],
                f64::from(ports),
            );
        }
        let sip = shell.counts();
        for (direction, messages) in [("in", sip.received), ("out", sip.sent)] {
            out.counter(
                "ringdown_sip_messages_total",
                "SIP messages.",
                &[("direction", direction)],
                messages,
            );
        }
        out.counter(
            "ringdown_sip_dropped_total",
            "SIP datagrams dropped because their shard did not keep up.",
            &[],
            sip.dropped,
        );
        out.counter(
            "ringdown_traces_lost_total",
            "SIP ladders that were let go.",
            &[],
            house.traces.lost(),
        );
    });
}

fn readiness(house: &Arc<House>, database: &Database) -> Readiness {
    let readiness = Readiness::default();
    let health = house.acd.health();
    readiness.add("queue", move || match &*health.borrow() {
        crate::acd::Health::Good => Ok(()),
        crate::acd::Health::Alone { cause, .. } => Err(format!("Redis is away: {cause}")),
    });
    let drain = house.drain.clone();
    readiness.add("drain", move || {
        if drain.takes_calls() {
            Ok(())
        } else {
            Err("draining: no new calls are taken".to_owned())
        }
    });
    let database = database.clone();
    readiness.add("database", move || match database.health().trouble {
        None => Ok(()),
        Some(fault) => Err(fault),
    });
    readiness
}
