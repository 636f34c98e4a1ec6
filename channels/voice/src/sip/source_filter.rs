//! Who may talk to us: trunks, phones, strangers and scanners, told apart before anything is made.
//!
//! [`SourceFilter::admit`] looks at where a request came from and at what names itself in it.
//! Strangers are refused (403), scanners and sources with too many failures get no answer at all: an
//! answer is what they look for. Trunks known by address alone are never silenced.
//!
//! Memory is bounded: one instant per source that failed lately, the longest recovered forgotten first.

use super::header::Header;
use super::message::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    first: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// The phones of this machine: `127.0.0.0/8`.
    pub const LOOPBACK: Self = Self {
        first: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        prefix_bits: 8,
    };

    /// Whether the address lies within; an IPv4 address in IPv6 clothes counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(self.prefix_bits.into());
                let bits = |ip: Ipv4Addr| ip.to_bits().checked_shr(shift).unwrap_or(0);
                bits(first) == bits(address)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(self.prefix_bits.into());
                let bits = |ip: Ipv6Addr| ip.to_bits().checked_shr(shift).unwrap_or(0);
                bits(first) == bits(address)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Says that a text is not a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network such as 192.0.2.0/24")]
pub struct NetworkFault;

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| NetworkFault)?;
        let bits_max = if first.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits_max,
            Some(prefix) => prefix.parse().map_err(|_| NetworkFault)?,
        };
        if prefix_bits > bits_max {
            return Err(NetworkFault);
        }
        Ok(Self { first, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

/// How a trunk proves that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its address is enough.
    Address,
    /// It answers a digest challenge; its addresses, if any are listed, narrow where it may come from.
    Digest,
}

/// One configured trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkSource {
    /// The trunk's configured name.
    pub name: Arc<str>,
    /// Where it comes from; with [`Proof::Address`] none means nowhere.
    pub networks: Vec<Network>,
    /// How it proves itself.
    pub proof: Proof,
}

/// What a [`SourceFilter`] is made of.
#[derive(Clone, Debug)]
pub struct SourceFilterSettings {
    /// The trunks.
    pub trunks: Vec<TrunkSource>,
    /// Where phones come from; they prove themselves by digest.
    pub phones: Vec<Network>,
    /// Failures in a row that a source may have before it gets no more answers.
    pub failures_max: u32,
    /// How long one failure takes to be forgiven.
    pub failure_forgiven_after: Duration,
    /// Most sources with failures that are remembered.
    pub sources_max: usize,
}

impl Default for SourceFilterSettings {
    /// No trunks, phones of this machine; 20 failures at once or one every ten seconds, which a phone
    /// with a mistyped password keeps within and a guesser does not.
    fn default() -> Self {
        Self {
            trunks: Vec::new(),
            phones: vec![Network::LOOPBACK],
            failures_max: 20,
            failure_forgiven_after: Duration::from_secs(10),
            sources_max: 10_000,
        }
    }
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is this trunk's, by its address.
    Trunk(Arc<str>),
    /// It has to prove itself by digest: a phone, or a trunk that has an account.
    Prove,
    /// It is answered 403.
    Refuse,
    /// It gets no answer.
    Silence(Silence),
}

/// Why a request gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It names itself as one of the known scanners.
    Scanner,
    /// Its source has failed too often lately.
    TooManyFailures,
}

/// Tells sources apart and remembers their failures.
#[derive(Debug)]
pub struct SourceFilter {
    settings: SourceFilterSettings,
    accepts_digest_from_anywhere: bool,
    /// When each source's failures will all be forgiven.
    recovered_at: BTreeMap<IpAddr, Instant>,
    by_recovery: BTreeSet<(Instant, IpAddr)>,
}

impl SourceFilter {
    /// Makes a filter that has seen no failure.
    pub fn new(settings: SourceFilterSettings) -> Self {
        let accepts_digest_from_anywhere = settings
            .trunks
            .iter()
            .any(|trunk| trunk.proof == Proof::Digest && trunk.networks.is_empty());
        Self {
            settings,
            accepts_digest_from_anywhere,
            recovered_at: BTreeMap::new(),
            by_recovery: BTreeSet::new(),
        }
    }

    /// Judges a request by its source and by what it says of its sender.
    ///
    /// A refusal counts as a failure of the source, so that whoever goes on gets no more answers.
    pub fn admit(&mut self, now: Instant, source: IpAddr, request: &Message) -> Admission {
        let trunk = self.find_trunk(source);
        if let Some(TrunkSource {
            name,
            proof: Proof::Address,
            ..
        }) = trunk
        {
            return Admission::Trunk(Arc::clone(name));
        }
        let is_known =
            trunk.is_some() || self.accepts_digest_from_anywhere || self.is_phone(source);
        if is_scanner(request) {
            return Admission::Silence(Silence::Scanner);
        }
        if self.is_silenced(now, source) {
            return Admission::Silence(Silence::TooManyFailures);
        }
        if is_known {
            return Admission::Prove;
        }
        self.handle_failure(now, source);
        Admission::Refuse
    }

    /// Whether a digest trunk of this name may come from that source.
    pub fn may_be_trunk(&self, name: &str, source: IpAddr) -> bool {
        self.settings.trunks.iter().any(|trunk| {
            trunk.name.as_ref() == name
                && (trunk.networks.is_empty() && trunk.proof == Proof::Digest
                    || trunk
                        .networks
                        .iter()
                        .any(|network| network.contains(source)))
        })
    }

    /// Whether phones may come from that source.
    pub fn is_phone(&self, source: IpAddr) -> bool {
        self.settings
            .phones
            .iter()
            .any(|network| network.contains(source))
    }

    /// Is told of a failure of the source: a wrong password, unreadable bytes, a refusal.
    pub fn handle_failure(&mut self, now: Instant, source: IpAddr) {
        self.forget_recovered(now);
        let source = accountable(source);
        let before = self.recovered_at.get(&source).copied();
        if let Some(before) = before {
            self.by_recovery.remove(&(before, source));
        }
        let step = self.settings.failure_forgiven_after;
        // A source cannot be in deeper than twice its allowance, so that it recovers once it stops.
        let latest = now + step * self.settings.failures_max.saturating_mul(2);
        let recovered_at = (before.unwrap_or(now).max(now) + step).min(latest);
        self.recovered_at.insert(source, recovered_at);
        self.by_recovery.insert((recovered_at, source));
        if self.recovered_at.len() > self.settings.sources_max.max(1) {
            // Never the one that has just failed, or newcomers would not be counted at all.
            let least = self.by_recovery.iter().find(|(_, other)| *other != source);
            if let Some(least) = least.copied() {
                self.by_recovery.remove(&least);
                self.recovered_at.remove(&least.1);
            }
        }
    }

    /// Whether the source has failed too often lately to be answered.
    pub fn is_silenced(&self, now: Instant, source: IpAddr) -> bool {
        let allowance = self.settings.failure_forgiven_after * self.settings.failures_max;
        self.recovered_at
            .get(&accountable(source))
            .is_some_and(|at| at.saturating_duration_since(now) > allowance)
    }

    /// How many sources with failures are remembered.
    pub fn sources_remembered(&self) -> usize {
        self.recovered_at.len()
    }

    /// The trunk with the narrowest network that holds the source.
    fn find_trunk(&self, source: IpAddr) -> Option<&TrunkSource> {
        self.settings
            .trunks
            .iter()
            .flat_map(|trunk| trunk.networks.iter().map(move |network| (trunk, network)))
            .filter(|(_, network)| network.contains(source))
            .max_by_key(|(_, network)| network.prefix_bits)
            .map(|(trunk, _)| trunk)
    }

    fn forget_recovered(&mut self, now: Instant) {
        while let Some((at, source)) = self.by_recovery.first().copied() {
            if at > now {
                return;
            }
            self.by_recovery.pop_first();
            self.recovered_at.remove(&source);
        }
    }
}

/// What answers for a source's failures: an IPv4 address, or the /64 that one IPv6 host has to itself.
fn accountable(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !0 << 64)),
    }
}

fn is_scanner(request: &Message) -> bool {
    let names = |header| {
        request
            .header(header)
            .is_some_and(|value| SCANNERS.iter().any(|name| holds(value, name)))
    };
    names(Header::UserAgent) || names(Header::From)
}

/// Whether `name`, in lower case, stands in `text` in any case.
fn holds(text: &[u8], name: &str) -> bool {
    text.windows(name.len())
        .any(|part| part.eq_ignore_ascii_case(name.as_bytes()))
}

/// What scanners for open exchanges call themselves in User-Agent or From, in lower case.
const SCANNERS: [&str; 14] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipscan",
    "sundayddr",
    "pplsip",
    "vaxsipuseragent",
    "siparmyknife",
    "test-agent-scanner",
    "sivus",
    "iwar",
    "smap ",
];

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(user_agent: &str, from: &str) -> Message {
        let text = format!(
            "OPTIONS sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
             From: {from}<sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@192.0.2.1>\r\nCall-ID: 1\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nUser-Agent: {user_agent}\r\n\r\n"
        );
        Message::parse_datagram(Bytes::from(text)).unwrap()
    }

    fn filter() -> SourceFilter {
        let trunk = |name: &str, networks: &[&str], proof| TrunkSource {
            name: name.into(),
            networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
            proof,
        };
        SourceFilter::new(SourceFilterSettings {
            trunks: vec![
                trunk("wide", &["198.51.100.0/24"], Proof::Address),
                trunk("narrow", &["198.51.100.7"], Proof::Address),
                trunk("account", &["203.0.113.0/24"], Proof::Digest),
            ],
            phones: vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            failures_max: 2,
            sources_max: 3,
            ..SourceFilterSettings::default()
        })
    }

    fn admit(filter: &mut SourceFilter, now: Instant, source: &str) -> Admission {
        filter.admit(now, source.parse().unwrap(), &request("phone", ""))
    }

    #[test]
    fn sources_are_told_apart_by_their_narrowest_network() {
        let (mut filter, now) = (filter(), Instant::now());
        let mut check = |source, admission| assert_eq!(admit(&mut filter, now, source), admission);
        check("198.51.100.1", Admission::Trunk("wide".into()));
        check("198.51.100.7", Admission::Trunk("narrow".into()));
        check("::ffff:198.51.100.7", Admission::Trunk("narrow".into()));
        check("203.0.113.9", Admission::Prove);
        check("10.9.8.7", Admission::Prove);
        check("2001:db8:1::1", Admission::Prove);
        check("2001:db9::1", Admission::Refuse);
        check("192.0.2.1", Admission::Refuse);
    }

    #[test]
    fn trunk_with_an_account_and_no_address_may_come_from_anywhere() {
        let mut settings = filter().settings;
        settings.trunks[2].networks.clear();
        let mut filter = SourceFilter::new(settings);
        assert_eq!(
            admit(&mut filter, Instant::now(), "192.0.2.1"),
            Admission::Prove
        );
        let source = "192.0.2.1".parse().unwrap();
        assert!(filter.may_be_trunk("account", source));
        assert!(!filter.may_be_trunk("wide", source));
        assert!(!filter.is_phone(source));
    }

    #[test]
    fn scanners_get_silence_unless_they_are_a_trunk() {
        let (mut filter, now) = (filter(), Instant::now());
        let mut check = |source: &str, request: &Message, admission| {
            assert_eq!(
                filter.admit(now, source.parse().unwrap(), request),
                admission
            );
        };
        let silence = Admission::Silence(Silence::Scanner);
        for agent in [
            "friendly-scanner",
            "SIPVicious/0.3",
            "sipcli/v1.8",
            "VaxSIPUserAgent/3.1",
        ] {
            check("192.0.2.1", &request(agent, ""), silence.clone());
            check("10.0.0.1", &request(agent, ""), silence.clone());
        }
        check("192.0.2.1", &request("x", "\"sipvicious\""), silence);
        let scanning_trunk = request("sipcli/v1.8", "");
        check(
            "198.51.100.1",
            &scanning_trunk,
            Admission::Trunk("wide".into()),
        );
    }

    #[test]
    fn source_that_goes_on_failing_gets_silence_until_it_is_forgiven() {
        let (mut filter, now) = (filter(), Instant::now());
        let silence = Admission::Silence(Silence::TooManyFailures);
        for _ in 0..3 {
            assert_eq!(admit(&mut filter, now, "192.0.2.1"), Admission::Refuse);
        }
        assert_eq!(admit(&mut filter, now, "192.0.2.1"), silence);
        assert_eq!(admit(&mut filter, now, "192.0.2.2"), Admission::Refuse);
        let later = now + Duration::from_secs(10);
        assert_eq!(admit(&mut filter, later, "192.0.2.1"), Admission::Refuse);
        assert_eq!(admit(&mut filter, later, "192.0.2.1"), silence);
    }

    #[test]
    fn phone_with_a_wrong_password_that_retries_slowly_is_always_answered() {
        let (mut filter, mut now) = (filter(), Instant::now());
        for _ in 0..100 {
            assert_eq!(admit(&mut filter, now, "10.0.0.1"), Admission::Prove);
            filter.handle_failure(now, "10.0.0.1".parse().unwrap());
            now += Duration::from_secs(10);
        }
    }

    #[test]
    fn memory_of_failures_is_bounded_and_fades() {
        let (mut filter, now) = (filter(), Instant::now());
        for host in 0..200_u8 {
            for _ in 0..5 {
                filter.handle_failure(now, IpAddr::from([192, 0, 2, host]));
            }
            assert!(filter.sources_remembered() <= 3);
        }
        // One IPv6 host has a whole /64 to hide in.
        for host in 1..=4 {
            filter.handle_failure(now, format!("2001:db9::{host}").parse().unwrap());
        }
        assert!(filter.is_silenced(now, "2001:db9::ffff".parse().unwrap()));
        let later = now + Duration::from_secs(50);
        filter.handle_failure(later, "192.0.2.250".parse().unwrap());
        assert_eq!(filter.sources_remembered(), 1);
    }

    #[test]
    fn networks_are_read_and_written() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.1".parse().unwrap()));
        assert!(!all.contains("2001:db8::1".parse().unwrap()));
        for text in ["", "192.0.2.0/33", "::/129", "host", "192.0.2.0/", "/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkFault), "{text}");
        }
    }
}
