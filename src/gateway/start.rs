//! Start of a gateway, and its end in good order.

use super::dialling::Parties;
use super::house::House;
use super::inputs::{ShardInput, ShardSender};
use super::not_asked::NotAsked;
use super::phones::Phones;
use super::speech::Speech;
use super::turned_away::{CallRate, ToldRate};
use super::{call_backs, desk, gauges, phones, rules, shards, staff};
use crate::acd::{Acd, AtStart, Clock, EventSink, RedisPlace, Surroundings, Teller};
use crate::api::{self, ApiParts, ApiState, Observers, Tokens, operations};
use crate::call_backs::CallBacks;
use crate::cms::Cms;
use crate::config::Config;
use crate::cti::{Identifier, Normaliser, Reidentified};
use crate::database::{Database, Tenancy, Tenants};
use crate::drain::Drain;
use crate::erasure::Erasures;
use crate::event_log::EventLog;
use crate::incidents::Incidents;
use crate::incidents::messages::Messages;
use crate::mail::collector::Collector;
use crate::mail::door::MailDoor;
use crate::mail::postman::Postman;
use crate::mail::usher::Usher;
use crate::mail::work::attend;
use crate::mail::{Intake, MailWork};
use crate::mailed_reports::MailedReports;
use crate::openings::Openings;
use crate::report::Settings;
use crate::retention;
use crate::rollups::Rollups;
use crate::roster::{self, Roster};
use crate::site_prompts::SitePrompts;
use crate::tickets::Tickets;
use crate::trace::TraceSender;
use anyhow::Context as _;
use ringdown_routing::ids::NodeId;
use ringdown_routing::statistics::Rules;
use ringdown_voice::media::{self, MediaEngine};
use ringdown_voice::sip::edge::Edge;
use ringdown_voice::sip::flow::Transport;
use ringdown_voice::sip::shell::{Shell, ShellHandle, ShellSettings};
use ringdown_voice::sip::user_agent::Place;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
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
    mail: Option<MailDoor>,
    collector: Option<Collector>,
    postman: Option<Postman>,
    stop: watch::Sender<bool>,
    places: Places,
    tenancy: Tenancy,
}

/// Where a gateway listens.
#[derive(Clone, Debug)]
pub struct Places {
    /// SIP: transport and address.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// Mail: protocol and address.
    pub mail: Vec<(&'static str, SocketAddr)>,
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
        let shard_count = shards::count(&config);
        let (shell, inboxes) = Shell::bind(shell_settings(&config, shard_count))?;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..shard_count).map(ShardSender::new).unzip();
        let media = start_media(&config, &senders)?;
        let (stores, reidentified) = Stores::open(&config).await?;
        let house = Arc::new(furnish(&config, &stores, media, &shell.handle()).await?);
        let observers = Arc::new(Observers::new(Rules::default()));
        gauges::add_gauges(&observers, &house, &stores.database, shell.handle());

        let mut tasks = JoinSet::new();
        let following = desk::follow(Arc::clone(&house), house.acd.subscribe(), senders.clone());
        tasks.spawn(following);
        tasks.spawn(Arc::clone(&observers).follow(&house.acd, &stores.log));
        bring_to_desk(&config, &house, &senders, &mut tasks).await;
        tasks.spawn(shards::tell_reidentified(reidentified, senders.clone()));
        let handle = shell.handle();
        let shard_tasks = shards::start(&config, &house, &senders, receivers, inboxes, &handle);

        let (mail, collector, mails) = open_mail(&config, &house, &stores, &mut tasks).await?;
        let clock = Clock::of_the_machine();
        let tally = mails.as_ref().map(|work| work.tally().clone());
        let tally = tally.unwrap_or_default();
        if mails.is_some() {
            tally.show_in(&observers.metrics);
            tasks.spawn(
                tally
                    .clone()
                    .keep(stores.database.clone(), house.acd.clone()),
            );
        }
        let node = house.node.clone();
        let postman = Postman::start(&config, &stores.database, node, clock.clone(), tally)?;
        let places = Places {
            sip: shell.handle().local_addresses().collect(),
            mail: mail.as_ref().map_or(Vec::new(), |door| door.places.clone()),
            web: web.local_addr()?,
            operations: operations.local_addr()?,
        };

        let (stop, stopped) = watch::channel(false);
        let (database, log) = (stores.database.clone(), stores.log.clone());
        let reports = MailedReports::new(Arc::clone(&config), database, log, clock.clone());
        tasks.spawn(reports.keep(stopped.clone()));
        let state = open_api(&config, &house, &stores, &observers, mails).await?;
        tasks.spawn(state.follow_tokens(stores.database.clone()));
        let house_now = Arc::clone(&house);
        let readiness = gauges::readiness(&house, &stores.database);
        let pages = operations::router(Arc::clone(&observers), readiness);
        let rollups = Rollups::new(&stores.log);
        let keeper = retention::Keeper::new(config.retention, &stores.log);
        let metrics_now = Arc::clone(&house);
        keeper.show_in(&observers.metrics, move || metrics_now.now());
        let erasures = Erasures::new(&stores.log, Normaliser::new(config.site.region));
        let kept = retention::keep(rollups, keeper, erasures, move || house_now.now());
        tasks.spawn(kept);
        tasks.spawn(serve(web, api::router(state), stopped.clone()));
        tasks.spawn(serve(operations, pages, stopped));
        Ok(Self {
            house,
            observers,
            database: stores.database,
            log: stores.log,
            shards: senders,
            shard_tasks,
            tasks,
            shell,
            mail,
            collector,
            postman,
            stop,
            places,
            tenancy: stores.tenancy,
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
        if let Some(mail) = self.mail.take() {
            mail.close().await;
        }
        if let Some(collector) = self.collector.take() {
            collector.close().await;
        }
        if let Some(postman) = self.postman.take() {
            postman.close().await;
        }
        for shard in &self.shards {
            shard.tell(ShardInput::Shutdown).await;
        }
        while self.shard_tasks.join_next().await.is_some() {}
        self.house.messages.look().await;
        self.stop.send_replace(true);
        self.shell.close().await;
        if let Err(fault) = self.log.flush().await {
            tracing::error!(%fault, "the last events could not be stored");
        }
        self.tasks.shutdown().await;
        self.database.close().await;
        self.tenancy.end().await;
    }
}

/// How long a gateway that has drained stays, so that whoever waits for it hears how it went.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What lasts, and those who read it.
struct Stores {
    database: Database,
    tenancy: Tenancy,
    log: EventLog,
    tickets: Tickets,
    identifier: Identifier,
    rosters: watch::Receiver<Arc<Roster>>,
    prompts: Arc<SitePrompts>,
}

impl Stores {
    /// Opens the database and reads from it what must be there before the first call; later answers of
    /// the CMS come out of the receiver.
    async fn open(config: &Arc<Config>) -> anyhow::Result<(Self, mpsc::Receiver<Reidentified>)> {
        let database = Database::open(config)
            .await
            .context("the database cannot be used")?;
        let tenants = match config.redis {
            Some(_) => Tenants::Several,
            None => Tenants::One,
        };
        let tenancy = database.move_in(tenants).await?;
        let (identifier, reidentified) = Identifier::start(&database, config);
        identifier
            .refresh()
            .await
            .context("the CMS cannot be read")?;
        let stores = Self {
            log: EventLog::new(database.clone()),
            tickets: Tickets::new(database.clone(), config),
            rosters: roster::watch(&database, Arc::clone(config)).await?,
            identifier,
            prompts: Arc::new(SitePrompts::new(config)),
            database,
            tenancy,
        };
        Ok((stores, reidentified))
    }
}

/// Puts together what all shards share.
async fn furnish(
    config: &Arc<Config>,
    stores: &Stores,
    media: MediaEngine,
    shell: &ShellHandle,
) -> anyhow::Result<House> {
    let node = NodeId::new(format!("{:016x}", rand::random::<u64>()));
    let acd = open_desk(config, node.clone(), stores).await?;
    let openings = Openings::start(Arc::clone(config), acd.clone(), stores.database.clone());
    let openings = openings.await.context("the queues cannot be opened")?;
    let incidents = Incidents::start(Arc::clone(config), stores.database.clone()).await;
    let incidents = incidents.context("the major incidents cannot be read")?;
    let calls = Arc::new(AtomicUsize::new(0));
    let lines = rules::lines(config);
    let queues = || config.queues.iter();
    Ok(House {
        node,
        door: rules::door(config),
        phones: Phones::of(&acd),
        edge: edge(config, &acd, shell),
        teller: Teller::new(acd.clone()),
        acd,
        openings: Arc::new(openings),
        incidents: Arc::new(incidents),
        messages: Messages::new(config, stores.database.clone()),
        media,
        identifier: stores.identifier.clone(),
        normaliser: Normaliser::new(config.site.region),
        tickets: stores.tickets.clone(),
        log: stores.log.clone(),
        database: stores.database.clone(),
        traces: TraceSender::start(stores.database.clone()),
        speech: Speech::load(config, Arc::clone(&stores.prompts)),
        parties: Parties {
            domain: config.sip.domain.clone(),
            outbound: rules::outbound(config),
        },
        numbers: rules::numbers(config, &lines),
        lines,
        language: config.site.language.clone(),
        call_backs: CallBacks::new(stores.database.clone()),
        call_backs_due: Notify::new(),
        call_back_offers: queues()
            .filter_map(|queue| Some((queue.id.clone(), queue.callback_offer?)))
            .collect(),
        call_back_rules: queues()
            .map(|queue| (queue.id.clone(), queue.callback))
            .collect(),
        trusted_trunks: rules::trusted_trunks(config),
        trace_messages_max: config.limits.trace_messages_max,
        traces_answered: config.limits.trace_answered,
        rosters: stores.rosters.clone(),
        call_max: config.limits.call_max,
        rate: CallRate::new(config.limits.calls_per_second_max, Instant::now()),
        turned_away: ToldRate::new(Instant::now()),
        not_asked: NotAsked::new(Instant::now()),
        media_address: config.media.advertised.unwrap_or(config.media.bind),
        calls_max: usize::try_from(config.limits.calls_max).unwrap_or(usize::MAX),
        drain: Drain::new(Arc::clone(&calls)),
        calls,
    })
}

/// The edge of a gateway that others can send to by UDP, if there may be others.
fn edge(config: &Config, acd: &Acd, shell: &ShellHandle) -> Option<Edge> {
    let is_known = |place: &Place| {
        let address = place.address.parse::<SocketAddr>();
        address.is_ok_and(|address| !address.ip().is_unspecified())
            || config.sip.advertised.is_some()
    };
    let places = shards::places_of(config, shell);
    let mut by_udp = places
        .into_iter()
        .filter(|place| place.transport == Transport::Udp && is_known(place));
    let place = by_udp.next().filter(|_| acd.is_shared())?;
    Some(Edge::new(rand::random(), place.address))
}

/// Opens the doors of mail, fetches it from elsewhere, and has its contacts brought into their lines, also those that came before.
async fn open_mail(
    config: &Arc<Config>,
    house: &House,
    stores: &Stores,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<(Option<MailDoor>, Option<Collector>, Option<MailWork>)> {
    if config.mailboxes.is_empty() {
        return Ok((None, None, None));
    }
    let (acd, node) = (house.acd.clone(), house.node.clone());
    let usher = Usher::new(acd, stores.database.clone(), Arc::clone(config), node);
    tasks.spawn(usher.clone().run());
    let (tickets, identifier) = (stores.tickets.clone(), stores.identifier.clone());
    let (database, now) = (&stores.database, house.now());
    let intake = Intake::open(
        database,
        tickets.clone(),
        identifier,
        config,
        Some(usher.clone()),
        now,
    )
    .await?;
    intake.watch(Arc::clone(&house.incidents));
    let work = MailWork::new(
        intake.clone(),
        house.acd.clone(),
        database,
        Arc::clone(config),
        tickets,
    );
    tasks.spawn(attend::run(work.clone(), usher));
    let clock = Clock::of_the_machine();
    let door = MailDoor::open(config, intake.clone(), clock.clone()).await?;
    let collector = Collector::start(config, database, &intake, &clock);
    Ok((door, Some(collector), Some(work)))
}

/// Tells the desk its agents, and keeps telling what changes of them and of the opening hours.
async fn bring_to_desk(
    config: &Arc<Config>,
    house: &Arc<House>,
    shards: &[ShardSender],
    tasks: &mut JoinSet<()>,
) {
    let mut rosters = house.rosters.clone();
    let roster = Arc::clone(&rosters.borrow_and_update());
    staff::apply(house, config, &Roster::default(), &roster).await;
    tasks.spawn(staff::follow(
        Arc::clone(house),
        Arc::clone(config),
        roster,
        rosters,
    ));
    tasks.spawn(desk::keep_hours(Arc::clone(house)));
    tasks.spawn(call_backs::keep(Arc::clone(house)));
    tasks.spawn(house.messages.clone().keep());
    tasks.spawn(phones::keep(Arc::clone(house)));
    tasks.spawn(desk::tell_openings(Arc::clone(house), shards.to_vec()));
    tasks.spawn(desk::tell_incidents(Arc::clone(house), shards.to_vec()));
}

async fn open_api(
    config: &Config,
    house: &House,
    stores: &Stores,
    observers: &Arc<Observers>,
    mails: Option<MailWork>,
) -> anyhow::Result<ApiState> {
    let tokens = Tokens::new(&config.web.tokens);
    tokens.set_stored(&roster::tokens(&stores.database).await?);
    Ok(ApiState::new(ApiParts {
        tokens,
        acd: house.acd.clone(),
        zone: config.site.time_zone.clone(),
        log: stores.log.clone(),
        tickets: stores.tickets.clone(),
        identifier: stores.identifier.clone(),
        normaliser: Normaliser::new(config.site.region),
        cms: Cms::new(stores.database.clone()),
        observers: Arc::clone(observers),
        openings: Arc::clone(&house.openings),
        incidents: Arc::clone(&house.incidents),
        prompts: Arc::clone(&stores.prompts),
        skills: config.skills.iter().map(|skill| skill.id.clone()).collect(),
        not_ready_reasons: config.not_ready_reasons.clone(),
        call_backs: house.call_backs.clone(),
        callback_rules: house.call_back_rules.clone(),
        calls_out: config.trunks.iter().any(|trunk| trunk.outbound.is_some()),
        language: config.site.language.clone(),
        database: stores.database.clone(),
        site_name: config.site.name.clone(),
        managers: config.web.managers.iter().cloned().collect(),
        is_reached_by_tls: config.web.is_reached_by_tls(),
        node: house.node.clone(),
        drain: house.drain.clone(),
        reports: Settings::of(config),
        mails,
    }))
}

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

async fn open_desk(config: &Config, node: NodeId, stores: &Stores) -> anyhow::Result<Acd> {
    let surroundings = Surroundings {
        node,
        clock: Clock::of_the_machine(),
        sink: log_sink(stores.log.clone()),
    };
    let Some(redis) = &config.redis else {
        let ended = stores.log.end_left_open().await;
        let ended = ended.context("the event log cannot be read")?;
        if ended > 0 {
            tracing::warn!(
                calls = ended,
                "the gateway before this one died with calls; the log tells their end now"
            );
        }
        return Ok(Acd::in_memory(surroundings));
    };
    let identity = (stores.database.identity().await).context("the database cannot be used")?;
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
            async move { log.database().flush_with_others().await.is_ok() }
        },
    )
}
