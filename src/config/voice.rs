//! `[sip]`, `[media]`, `[[trunk]]` and `[[number]]`: how calls reach the desk.

use super::desk::SkillStep;
use super::value::{AddressRange, Language, Secret, millis, seconds, seconds_if_any};
use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_voice::sip::source_filter::Network;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// `[sip]`: the signalling side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    /// UDP addresses to listen on.
    pub listen_udp: Vec<SocketAddr>,
    /// TCP addresses to listen on.
    pub listen_tcp: Vec<SocketAddr>,
    /// Where agents' phones come from; they prove themselves by digest. Others that are no trunk get 403.
    pub phones: Vec<AddressRange>,
    /// The domain agents register in: `sip:NAME@domain`.
    pub domain: String,
    /// The digest realm; the domain when not given.
    pub realm: Option<String>,
    /// Host or address put into Via, Contact and SDP when it differs from where we listen (behind NAT).
    pub advertised: Option<String>,
    /// What we call ourselves in User-Agent and Server.
    pub user_agent: String,
    /// T1; RFC 3261 §17.1.1.1.
    #[serde(rename = "t1_ms", deserialize_with = "millis")]
    pub t1: Duration,
    /// T2; RFC 3261 §17.1.2.1.
    #[serde(rename = "t2_ms", deserialize_with = "millis")]
    pub t2: Duration,
    /// T4; RFC 3261 §17.1.2.2.
    #[serde(rename = "t4_ms", deserialize_with = "millis")]
    pub t4: Duration,
    /// Session-Expires we ask for; RFC 4028 §4.
    #[serde(rename = "session_expires_s", deserialize_with = "seconds")]
    pub session_expires: Duration,
    /// Min-SE; RFC 4028 §5 wants at least 90 s.
    #[serde(rename = "session_expires_min_s", deserialize_with = "seconds")]
    pub session_expires_min: Duration,
    /// Shortest registration granted.
    #[serde(rename = "registration_min_s", deserialize_with = "seconds")]
    pub registration_min: Duration,
    /// Longest registration granted.
    #[serde(rename = "registration_max_s", deserialize_with = "seconds")]
    pub registration_max: Duration,
    /// How long a digest nonce is good.
    #[serde(rename = "nonce_lifetime_s", deserialize_with = "seconds")]
    pub nonce_lifetime: Duration,
    /// Signalling shards; one per processor when not given.
    pub shards: Option<u16>,
}

impl Sip {
    /// The realm of our digest challenges.
    pub fn realm(&self) -> &str {
        self.realm.as_deref().unwrap_or(&self.domain)
    }
}

impl Default for Sip {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
        Self {
            listen_udp: vec![loopback],
            listen_tcp: vec![loopback],
            phones: vec![AddressRange(Network::LOOPBACK)],
            domain: "ringdown.localhost".to_owned(),
            realm: None,
            advertised: None,
            user_agent: concat!("Ringdown/", env!("CARGO_PKG_VERSION")).to_owned(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            session_expires: Duration::from_secs(1_800),
            session_expires_min: Duration::from_secs(90),
            registration_min: Duration::from_secs(60),
            registration_max: Duration::from_secs(3_600),
            nonce_lifetime: Duration::from_secs(300),
            shards: None,
        }
    }
}

/// `[media]`: the audio side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Address RTP sockets bind to.
    pub bind: IpAddr,
    /// Address put into SDP when it differs from `bind` (behind NAT).
    pub advertised: Option<IpAddr>,
    /// First RTP port; even, as RFC 3550 §11 asks.
    pub port_min: u16,
    /// Last port used, for RTCP of the last pair.
    pub port_max: u16,
    /// Threads that move packets.
    pub threads: u16,
    /// Folder of prompts that takes the place of the built-in ones.
    pub prompts: Option<PathBuf>,
    /// Folder of music that takes the place of the built-in piece.
    pub music: Option<PathBuf>,
    /// A leg that sends nothing for this long while it should is one-way audio.
    #[serde(rename = "one_way_after_s", deserialize_with = "seconds")]
    pub one_way_after: Duration,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            advertised: None,
            port_min: 20_000,
            port_max: 29_999,
            threads: 2,
            prompts: None,
            music: None,
            one_way_after: Duration::from_secs(5),
        }
    }
}

/// `[[trunk]]`: a carrier or exchange that sends us calls, and takes those we send out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// Its name in events and logs.
    pub name: String,
    /// Addresses its requests come from.
    #[serde(default)]
    pub addresses: Vec<AddressRange>,
    /// Digest user, when it must or we must prove who it is.
    pub user: Option<String>,
    /// Digest password.
    pub password: Option<Secret>,
    /// Whether its From, P-Asserted-Identity and Remote-Party-ID are believed (RFC 3325 §5).
    #[serde(default)]
    pub trusted_identity: bool,
    /// Where calls to it go: `sip:host:port`, with `;transport=tcp` when wanted.
    pub outbound: Option<String>,
}

impl Trunk {
    /// Whether a request from this address comes from the trunk.
    pub fn is_source(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|range| range.0.contains(address))
    }
}

/// `[[number]]`: what a dialled number leads to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number as the trunk sends it in the request URI: `+886223456789`, `100`.
    pub number: String,
    /// The line its callers stand in.
    pub queue: QueueId,
    /// When the call is answered.
    #[serde(default)]
    pub answer: AnswerMode,
    /// Language of the prompts for callers whose own is not known; the site's when not given.
    pub language: Option<Language>,
    /// Skills that agents must have for its callers, by steps over the wait; those of the queue when not
    /// given.
    #[serde(default)]
    pub skills: Vec<SkillStep>,
    /// The agent whose number it is: while they are logged in, nobody else is offered its callers.
    pub agent: Option<AgentId>,
    /// How long callers have to key in a ticket number before they stand in the line; they are not
    /// asked for one when not given. Only with `answer = "at_once"`.
    #[serde(rename = "ask_ticket_s", default, deserialize_with = "seconds_if_any")]
    pub ask_ticket: Option<Duration>,
}

/// When a call to a number is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// Straight away: greeting and music while waiting.
    #[default]
    AtOnce,
    /// When an agent answers: it rings till then, and nobody pays for waiting.
    AtAgent,
}
