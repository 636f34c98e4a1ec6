//! Where the Redis of a desk is: one server, nodes of a Cluster, or whoever the Sentinels call the master.

use super::store::StoreLost;
use crate::config::{self, Secret};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a shared desk is, and how long it may take.
#[derive(Clone, Debug)]
pub struct RedisPlace {
    /// Whom to ask for it.
    pub servers: RedisServers,
    /// The user for those whose address names none.
    pub user: Option<String>,
    /// The password for those whose address has none.
    pub password: Option<Secret>,
    /// What `rediss://` needs beyond the system's certificates.
    pub tls: TlsFiles,
    /// First word of every key.
    pub key_prefix: String,
    /// Which of several desks in one Redis; one desk is one shard.
    pub shard: String,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer.
    pub command_timeout: Duration,
    /// How long silence is borne.
    pub leases: Leases,
    /// Which database the desk's events go to, if that is to be one for all of its gateways.
    pub database: Option<String>,
}

/// Whom to ask for the desk. An address is `redis://`, `rediss://` or `unix://`.
#[derive(Clone, Debug)]
pub enum RedisServers {
    /// One server, or nodes of a Cluster: each of those leads to the one that holds the desk.
    Seeds(Vec<Secret>),
    /// Sentinels, each of which knows the master by this name. Where they are asked by `rediss://`, the
    /// master is spoken to by TLS as well; their own accounts are in their addresses.
    Sentinels {
        /// Their addresses.
        sentinels: Vec<Secret>,
        /// The master's name.
        master: String,
    },
}

/// Somebody to be asked for the desk.
pub(super) struct Seed<'p> {
    pub(super) address: &'p str,
    /// The master to ask a Sentinel for; `None` when this is a server itself.
    pub(super) master: Option<&'p str>,
}

/// PEM files for TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Certificates of those who sign the servers' ones, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, where the servers ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How long silence is borne. Each lease is renewed three times before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leases {
    /// How long a node may be silent before its calls are taken for over.
    pub node: Duration,
    /// How long a dispatcher that stopped keeps others from dispatching.
    pub lead: Duration,
}

impl Leases {
    pub(super) fn node_renewal(self) -> Duration {
        self.node / RENEWALS
    }

    pub(super) fn lead_renewal(self) -> Duration {
        self.lead / RENEWALS
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            node: Duration::from_secs(15),
            lead: Duration::from_secs(3),
        }
    }
}

/// How often a lease is renewed before it would end: two renewals may get lost.
const RENEWALS: u32 = 3;

impl RedisPlace {
    /// A desk at one address, with the usual bounds.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            servers: RedisServers::Seeds(vec![Secret::new(url.into())]),
            user: None,
            password: None,
            tls: TlsFiles::default(),
            key_prefix: "ringdown".to_owned(),
            shard: "0".to_owned(),
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(1),
            leases: Leases::default(),
            database: None,
        }
    }

    /// Who is asked for the desk, in turn.
    pub(super) fn seeds(&self) -> impl Iterator<Item = Seed<'_>> {
        let (addresses, master) = match &self.servers {
            RedisServers::Seeds(seeds) => (seeds, None),
            RedisServers::Sentinels { sentinels, master } => (sentinels, Some(master.as_str())),
        };
        addresses.iter().map(move |address| Seed {
            address: address.expose(),
            master,
        })
    }

    /// How a server is spoken to whose address is written out.
    pub(super) fn client(&self, url: &str) -> Result<Client, StoreLost> {
        let mut info = url.into_connection_info()?;
        let settings = info.redis_settings();
        if settings.password().is_none() && settings.username().is_none() {
            info = self.with_account(info);
        }
        self.client_of(info)
    }

    /// How a Sentinel is spoken to; `redis://` may be left out of its address.
    pub(super) fn sentinel_client(&self, address: &str) -> Result<Client, StoreLost> {
        let info = if address.contains("://") {
            address.into_connection_info()?
        } else {
            format!("redis://{address}").into_connection_info()?
        };
        self.client_of(info)
    }

    /// How the master is spoken to that a Sentinel named.
    pub(super) fn master_client(
        &self,
        sentinel: &Client,
        host: String,
        port: u16,
    ) -> Result<Client, StoreLost> {
        let told_by = sentinel.get_connection_info();
        let info = (host.as_str(), port).into_connection_info()?;
        let info = info.set_addr(sibling(told_by.addr(), host, port));
        self.client_of(self.with_account(info))
    }

    /// How the node of a Cluster is spoken to that another one named.
    pub(super) fn node_client(&self, asked: &Client, address: &str) -> Option<Client> {
        let info = asked.get_connection_info().clone();
        let (host, port) = address.rsplit_once(':')?;
        let host = match info.addr() {
            // A node that does not know its own name means the one we know it by.
            ConnectionAddr::Tcp(known, _) | ConnectionAddr::TcpTls { host: known, .. }
                if host.is_empty() =>
            {
                known.clone()
            }
            ConnectionAddr::Tcp(..) | ConnectionAddr::TcpTls { .. } | _ => host.to_owned(),
        };
        let address = sibling(info.addr(), host, port.parse().ok()?);
        Client::open(info.set_addr(address)).ok()
    }

    fn with_account(&self, info: ConnectionInfo) -> ConnectionInfo {
        let mut settings = info.redis_settings().clone();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose());
        }
        info.set_redis_settings(settings)
    }

    fn client_of(&self, info: ConnectionInfo) -> Result<Client, StoreLost> {
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if !is_tls {
            return Ok(Client::open(info)?);
        }
        // Another part of the process may have chosen before; any provider will do.
        drop(rustls::crypto::ring::default_provider().install_default());
        if self.tls.ca.is_none() && self.tls.client.is_none() {
            return Ok(Client::open(info)?);
        }
        let client_tls = match &self.tls.client {
            Some((certificate, key)) => Some(ClientTlsConfig {
                client_cert: read(certificate)?,
                client_key: read(key)?,
            }),
            None => None,
        };
        let root_cert = self.tls.ca.as_deref().map(read).transpose()?;
        let certificates = TlsCertificates {
            client_tls,
            root_cert,
        };
        Ok(Client::build_with_tls(info, certificates)?)
    }
}

/// Another address, spoken to in the same manner.
fn sibling(like: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        // Addresses of other kinds (the library may add some) are not those of siblings.
        ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) | _ => ConnectionAddr::Tcp(host, port),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, StoreLost> {
    std::fs::read(file).map_err(|error| {
        StoreLost::Misconfigured(format!("{} cannot be read: {error}", file.display()))
    })
}

/// Shows the addresses without accounts.
impl fmt::Display for RedisPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, seed) in self.seeds().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{}", without_account(seed.address))?;
        }
        match &self.servers {
            RedisServers::Seeds(_) => Ok(()),
            RedisServers::Sentinels { master, .. } => write!(f, " (master `{master}`)"),
        }
    }
}

fn without_account(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

impl From<&config::Redis> for RedisPlace {
    fn from(redis: &config::Redis) -> Self {
        let servers = match &redis.master {
            Some(master) => RedisServers::Sentinels {
                sentinels: redis.sentinels.clone(),
                master: master.clone(),
            },
            None => RedisServers::Seeds(redis.url.iter().chain(&redis.cluster).cloned().collect()),
        };
        let client_files = redis
            .client_cert_file
            .clone()
            .zip(redis.client_key_file.clone());
        Self {
            servers,
            user: redis.user.clone(),
            password: redis.password.clone(),
            tls: TlsFiles {
                ca: redis.ca_file.clone(),
                client: client_files,
            },
            key_prefix: redis.key_prefix.clone(),
            connect_timeout: redis.connect_timeout,
            command_timeout: redis.command_timeout,
            leases: Leases {
                node: redis.node_lease,
                lead: redis.lead_lease,
            },
            ..Self::at("")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_accounts() {
        let place = RedisPlace::at("redis://me:secret@host:6379/1");
        assert_eq!(place.to_string(), "redis://host:6379/1");
        let sentinels = vec![
            Secret::new("redis://:secret@one:26379"),
            Secret::new("two:26379"),
        ];
        let servers = RedisServers::Sentinels {
            sentinels,
            master: "desk".to_owned(),
        };
        let place = RedisPlace { servers, ..place };
        assert_eq!(
            place.to_string(),
            "redis://one:26379, two:26379 (master `desk`)"
        );
    }

    #[test]
    fn an_address_without_an_account_gets_the_configured_one() {
        let place = RedisPlace {
            user: Some("desk".to_owned()),
            password: Some(Secret::new("secret")),
            ..RedisPlace::at("")
        };
        let account = |url: &str| {
            let client = place.client(url).unwrap();
            let settings = client.get_connection_info().redis_settings().clone();
            [settings.username(), settings.password()].map(|text| text.map(str::to_owned))
        };
        let [user, password] = ["desk", "secret"].map(|text| Some(text.to_owned()));
        assert_eq!(account("redis://host"), [user, password]);
        assert_eq!(account("redis://:own@host"), [None, Some("own".to_owned())]);
    }

    #[test]
    fn a_missing_certificate_is_told_with_its_file() {
        let mut place = RedisPlace::at("");
        place.tls.ca = Some(PathBuf::from("nowhere/ca.pem"));
        let fault = place.client("rediss://host").unwrap_err().to_string();
        assert!(fault.contains("nowhere/ca.pem"), "{fault}");
    }

    #[test]
    fn a_node_without_a_name_is_at_the_host_that_was_asked() {
        let place = RedisPlace::at("");
        let asked = place.client("redis://host:7000").unwrap();
        let address = |told| {
            let client = place.node_client(&asked, told).unwrap();
            client.get_connection_info().addr().to_string()
        };
        assert_eq!(address(":7001"), "host:7001");
        assert_eq!(address("other:7001"), "other:7001");
    }
}
