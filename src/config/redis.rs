//! `[redis]`: where several gateways keep their one queue.

use super::source::{Source, Step::Key};
use super::value::{Secret, millis, seconds};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[redis]`: the queue's truth, shared by several gateways. It is at `url`, or in a `cluster`, or where
/// `sentinels` say that `master` is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://user:password@host:port/db`, `rediss://` for TLS, or `unix:///path`.
    pub url: Option<Secret>,
    /// Addresses of nodes of a Cluster; each leads to the one that holds the desk, so name as many as may
    /// be down at one time, and one more.
    #[serde(default)]
    pub cluster: Vec<Secret>,
    /// Sentinels, asked in turn: `host:port`, or an address like `url` with their own password or TLS.
    #[serde(default)]
    pub sentinels: Vec<Secret>,
    /// The name by which the Sentinels know the master.
    pub master: Option<String>,
    /// User for addresses that name none.
    pub user: Option<String>,
    /// Password for addresses that have none.
    pub password: Option<Secret>,
    /// PEM file of the certificates that sign the servers' ones; `None` trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, for servers that ask for one.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its key.
    pub client_key_file: Option<PathBuf>,
    /// First word of every key.
    #[serde(default = "ringdown")]
    pub key_prefix: String,
    /// Longest wait for a connection.
    #[serde(
        rename = "connect_timeout_ms",
        default = "two_seconds",
        deserialize_with = "millis"
    )]
    pub connect_timeout: Duration,
    /// Longest wait for an answer.
    #[serde(
        rename = "command_timeout_ms",
        default = "one_second",
        deserialize_with = "millis"
    )]
    pub command_timeout: Duration,
    /// How long a node may be silent before the others take its calls for over.
    #[serde(
        rename = "node_lease_s",
        default = "fifteen_seconds",
        deserialize_with = "seconds"
    )]
    pub node_lease: Duration,
    /// How long a dispatcher that died keeps another from dispatching.
    #[serde(
        rename = "lead_lease_s",
        default = "three_seconds",
        deserialize_with = "seconds"
    )]
    pub lead_lease: Duration,
}

impl Redis {
    /// A desk at one address, with the usual bounds.
    pub fn at(url: Secret) -> Self {
        Self {
            url: Some(url),
            cluster: Vec::new(),
            sentinels: Vec::new(),
            master: None,
            user: None,
            password: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            key_prefix: ringdown(),
            connect_timeout: two_seconds(),
            command_timeout: one_second(),
            node_lease: fifteen_seconds(),
            lead_lease: three_seconds(),
        }
    }

    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let files = [
            &mut self.ca_file,
            &mut self.client_cert_file,
            &mut self.client_key_file,
        ];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }
}

/// Notes what contradicts itself or could not work.
pub(super) fn check(redis: &Redis, source: &mut Source<'_>) {
    let path = |key| [Key("redis"), Key(key)];
    let ways = [
        redis.url.is_some(),
        !redis.cluster.is_empty(),
        !redis.sentinels.is_empty(),
    ];
    if ways.iter().filter(|is_named| **is_named).count() != 1 {
        let sentence = "needs one of `url`, `cluster`, or `sentinels` with `master`";
        source.note_at(&[Key("redis")], sentence);
    }
    if redis.master.is_some() == redis.sentinels.is_empty() {
        let sentence = "`sentinels` and `master` are named together";
        source.note_at(&path("master"), sentence);
    }
    let is_address = |address: &Secret, schemes: &[&str]| {
        let address = address.expose();
        schemes.iter().any(|scheme| address.starts_with(scheme))
    };
    let addresses = ["redis://", "rediss://", "unix://"];
    if let Some(url) = &redis.url
        && !is_address(url, &addresses)
    {
        source.note_at(&path("url"), "must begin with `redis://` or `rediss://`");
    }
    if !redis
        .cluster
        .iter()
        .all(|url| is_address(url, &addresses[..2]))
    {
        let sentence = "each must begin with `redis://` or `rediss://`";
        source.note_at(&path("cluster"), sentence);
    }
    let is_sentinel =
        |url: &Secret| !url.expose().contains("://") || is_address(url, &addresses[..2]);
    if !redis.sentinels.iter().all(is_sentinel) {
        let sentence = "each is `host:port`, `redis://` or `rediss://`";
        source.note_at(&path("sentinels"), sentence);
    }
    if redis.client_cert_file.is_some() != redis.client_key_file.is_some() {
        let sentence = "`client_cert_file` and `client_key_file` are named together";
        source.note_at(&path("client_cert_file"), sentence);
    }
    if redis.user.is_some() && redis.password.is_none() {
        source.note_at(&path("user"), "has no `password`");
    }
    let leases = [
        ("node_lease_s", redis.node_lease),
        ("lead_lease_s", redis.lead_lease),
    ];
    for (key, lease) in leases {
        if !(LEASE_MIN..=LEASE_MAX).contains(&lease) {
            let least = LEASE_MIN.as_secs_f32();
            let most = LEASE_MAX.as_secs();
            source.note_at(&path(key), format!("must be {least} to {most}"));
        }
    }
}

/// A shorter lease ends while a machine is merely busy.
const LEASE_MIN: Duration = Duration::from_millis(500);

/// A longer one keeps agents in calls that are over.
const LEASE_MAX: Duration = Duration::from_secs(600);

fn ringdown() -> String {
    "ringdown".to_owned()
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn three_seconds() -> Duration {
    Duration::from_secs(3)
}

fn fifteen_seconds() -> Duration {
    Duration::from_secs(15)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn faults_are(text: &str, wanted: &[&str]) {
        let faults = match Config::parse("r.toml".as_ref(), text, &[]) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(faults, wanted);
    }

    #[test]
    fn redis_is_in_one_place_and_has_what_that_place_needs() {
        let on = |section: &str| format!("[site]\nregion = \"TW\"\n[redis]\n{section}");
        let good = [
            "url = \"rediss://h/1\"\nca_file = \"ca.pem\"\n",
            "cluster = [\"redis://a\", \"redis://b\"]\nuser = \"u\"\npassword = \"p\"\n",
            "sentinels = [\"a:26379\", \"rediss://b\"]\nmaster = \"desk\"\nnode_lease_s = 0.5\n",
        ];
        for section in good {
            faults_are(&on(section), &[]);
        }
        faults_are(
            &on("key_prefix = \"x\"\n"),
            &["r.toml:3:1: needs one of `url`, `cluster`, or `sentinels` with `master`"],
        );
        let confused = "url = \"http://h\"\nsentinels = [\"ftp://s\"]\nuser = \"u\"\nlead_lease_s = 0.1\n\
                    client_key_file = \"k\"\n";
        faults_are(
            &on(confused),
            &[
                "r.toml:3:1: needs one of `url`, `cluster`, or `sentinels` with `master`",
                "r.toml:3:1: `sentinels` and `master` are named together",
                "r.toml:3:1: `client_cert_file` and `client_key_file` are named together",
                "r.toml:4:7: must begin with `redis://` or `rediss://`",
                "r.toml:5:13: each is `host:port`, `redis://` or `rediss://`",
                "r.toml:6:8: has no `password`",
                "r.toml:7:16: must be 0.5 to 600",
            ],
        );
    }
}
