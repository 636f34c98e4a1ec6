//! Looks up whether a mail's author is who the mail says: SPF, DKIM, DMARC and ARC by the DNS.
//!
//! SPF needs the client's address and the envelope, which only a mail that came straight to our SMTP door has.
//! Of a mail from a server of the site, by LMTP, from a folder or a pipe they are not known: there SPF is what
//! the site's server says (`[email] authserv_id`), and DKIM, DMARC and ARC are looked at all the same. Without
//! SPF a missing signature proves nothing, so that DMARC then passes or says nothing, but never fails.
//!
//! Everything together has one deadline (`authenticate_max_ms`). What is not found by then is `temperror`, the
//! sender stays claimed, and the mail goes on. Answers of the DNS are kept as long as they live, at most
//! [`CACHE_NAMES_MAX`] of them; SPF makes at most ten look-ups, of which two may find nothing (RFC 7208 §4.6.4),
//! and of the signatures of one mail the first [`SIGNATURES_MAX`] count.

use super::intake::{MailArrival, SmtpClient};
use super::spf_limits::{Lookups, makes_sense};
use crate::config::Email;
use bytes::Bytes;
use mail_auth::common::crypto::Algorithm;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use mail_auth::hickory_resolver::system_conf::read_system_conf;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcOutput, DmarcResult, MessageAuthenticator,
    Parameters, SpfOutput, SpfResult, dmarc,
};
use ringdown_email::EmailAddress;
use ringdown_email::authentication::{
    Finding, Method, Outcome, Policy, Verdict, Witness, is_same_organisation, judge, results,
};
use ringdown_email::reading::mail::{Fault, Mail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Looks senders up; clones share what was found.
#[derive(Clone, Debug)]
pub(super) struct Authenticator {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` when nothing is to be looked up, or no name server is known.
    dns: Option<MessageAuthenticator>,
    is_wanted: bool,
    max: Duration,
    authserv_id: Option<String>,
    sealers: Vec<String>,
    host: String,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut told = f.debug_struct("Shared");
        told.field("max", &self.max).finish_non_exhaustive()
    }
}

/// A mail's author as our reader sees it.
#[derive(Clone, Debug)]
struct Author {
    address: String,
    domain: String,
}

impl Authenticator {
    /// By the configuration; `host` is the name we give ourselves.
    pub(super) fn new(email: &Email, host: &str) -> Self {
        let dns = email.authenticate.then(|| dns(&email.resolver)).transpose();
        let dns = dns.unwrap_or_else(|fault| {
            tracing::warn!(fault, "no DNS to look senders up in: they stay claimed");
            None
        });
        Self {
            shared: Arc::new(Shared {
                dns,
                is_wanted: email.authenticate,
                max: email.authenticate_max,
                authserv_id: email.authserv_id.clone(),
                sealers: email.arc_sealers.iter().map(ToString::to_string).collect(),
                host: host.to_owned(),
            }),
        }
    }

    /// What is known of the sender of a mail.
    pub(super) async fn verify(&self, raw: &Bytes, mail: &Mail, arrival: &MailArrival) -> Verdict {
        let client = arrival.client.as_ref();
        let said = match &self.shared.authserv_id {
            Some(authserv_id) if arrival.is_relay => results::of_site(mail, authserv_id),
            Some(_) | None => Vec::new(),
        };
        let Some(from) = &mail.from else {
            return judge(said, None, 0);
        };
        let authors = if mail.faults.contains(&Fault::SeveralSenders) {
            2
        } else {
            1
        };
        let author = Author {
            address: from.email.as_str().to_owned(),
            domain: from.email.domain().to_ascii_lowercase(),
        };
        if !self.shared.is_wanted {
            return judge(said, None, authors);
        }
        let is_signed =
            mail.headers.get("DKIM-Signature").is_some() || mail.headers.get("ARC-Seal").is_some();
        // With neither a client nor a signature there is nothing to ask the DNS for.
        if client.is_none() && !is_signed {
            let mut found = said;
            found.push(spf_unknown());
            return judge(found, None, authors);
        }
        let work = Work {
            shared: Arc::clone(&self.shared),
            raw: raw.clone(),
            author,
            client: client.cloned(),
            mail_from: arrival.envelope_from().to_owned(),
            said: said.clone(),
        };
        // A task of its own, so that a fault in it costs the verdict and not the mail.
        let task = if raw.len() <= AT_ONCE_BYTES_MAX {
            tokio::spawn(work.verify())
        } else {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(work.verify()))
        };
        let abort = task.abort_handle();
        match tokio::time::timeout(self.shared.max, task).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => {
                tracing::error!(%error, "the look at a mail's sender broke off");
                self.given_up(said, client, "could not be looked at")
            }
            Err(_) => {
                abort.abort();
                self.given_up(said, client, "the DNS did not answer in time")
            }
        }
    }

    fn given_up(&self, said: Vec<Finding>, client: Option<&SmtpClient>, why: &str) -> Verdict {
        let methods = [Method::Dkim, Method::Dmarc].into_iter();
        let methods = methods.chain(client.map(|_| Method::Spf));
        let mut found = said;
        found.extend(methods.map(|method| ours(method, Outcome::Temperror, None, why.to_owned())));
        judge(found, None, 1)
    }
}

/// One mail to look at.
struct Work {
    shared: Arc<Shared>,
    raw: Bytes,
    author: Author,
    client: Option<SmtpClient>,
    mail_from: String,
    said: Vec<Finding>,
}

impl Work {
    async fn verify(self) -> Verdict {
        let mut found = self.said.clone();
        let Some(dns) = &self.shared.dns else {
            let why = "there is no DNS to ask".to_owned();
            found.push(ours(Method::Dmarc, Outcome::Temperror, None, why));
            return judge(found, None, 1);
        };
        let Some(mut message) = AuthenticatedMessage::parse(&self.raw) else {
            return judge(found, None, 0);
        };
        message.dkim_headers.truncate(SIGNATURES_MAX);
        // Where two readers see different authors, neither is confirmed.
        let is_author = |only: &String| {
            let read = EmailAddress::parse(only);
            read.is_some_and(|it| it.as_str().eq_ignore_ascii_case(&self.author.address))
        };
        let is_one = matches!(message.from.as_slice(), [only] if is_author(only));
        let authors = if is_one { 1 } else { message.from.len().max(2) };
        let (spf, sender_domain) = self.spf(dns).await;
        found.push(
            spf.clone()
                .map_or_else(spf_unknown, |output| self.told_spf(&output)),
        );
        let dkim = dns.verify_dkim(&message).await;
        found.extend(dkim.iter().map(|output| self.told_dkim(output)));
        let arc = self.arc(dns, &message).await;
        found.extend(arc);
        // What the site's server saw pass counts for DMARC like what we saw.
        let spf_said = found
            .iter()
            .find(|it| it.method == Method::Spf && it.by == Witness::Site);
        let (spf, sender_domain) = match (spf, spf_said) {
            (Some(spf), _) => (spf, sender_domain),
            (None, Some(said)) if said.outcome == Outcome::Pass => {
                let domain = said.domain.clone().unwrap_or_default();
                let output = SpfOutput::new(domain.clone()).with_result(SpfResult::Pass);
                (output, domain)
            }
            (None, _) => (SpfOutput::default(), String::new()),
        };
        if !is_one {
            let why = "there is no policy for a mail of several authors (DMARC)".to_owned();
            found.push(ours(Method::Dmarc, Outcome::None, None, why));
            return judge(found, None, authors);
        }
        let counted: Vec<DkimOutput<'_>> = dkim.into_iter().filter(|it| !is_weak(it)).collect();
        let dmarc = dns
            .verify_dmarc(DmarcParameters {
                message: &message,
                dkim_output: &counted,
                dkim2_output: None,
                rfc5321_mail_from_domain: &sender_domain,
                spf_output: &spf,
            })
            .await;
        found.push(self.told_dmarc(&dmarc));
        judge(found, policy_of(&dmarc), authors)
    }

    /// SPF of the envelope's sender, of the client's name for a bounce (RFC 7208 §2.4), and the domain it is about.
    async fn spf(&self, dns: &MessageAuthenticator) -> (Option<SpfOutput>, String) {
        let Some(client) = &self.client else {
            return (None, String::new());
        };
        let (address, helo, host) = (client.address, client.helo.as_str(), &self.shared.host);
        let domain = self
            .mail_from
            .rsplit_once('@')
            .map_or(helo, |(_, domain)| domain);
        let parameters = if self.mail_from.is_empty() {
            SpfParameters::verify_ehlo(address, helo, host)
        } else {
            SpfParameters::verify_mail_from(address, helo, host, &self.mail_from)
        };
        let lookups = Lookups::default();
        let [txt, a, aaaa, mx, ptr] = lookups.seen();
        let parameters = Parameters::new(parameters)
            .with_txt_cache(&txt)
            .with_ipv4_cache(&a)
            .with_ipv6_cache(&aaaa)
            .with_mx_cache(&mx)
            .with_ptr_cache(&ptr);
        let output = dns.verify_spf(parameters).await;
        let output = match output.result() {
            SpfResult::TempError | SpfResult::None => output,
            SpfResult::Pass
            | SpfResult::Fail
            | SpfResult::SoftFail
            | SpfResult::Neutral
            | SpfResult::PermError => {
                if lookups.are_too_many() || !makes_sense(dns, domain, &lookups).await {
                    output.with_result(SpfResult::PermError)
                } else {
                    output
                }
            }
        };
        (Some(output), domain.to_ascii_lowercase())
    }

    /// A chain of seals, and what the trusted ones at its end say.
    async fn arc(
        &self,
        dns: &MessageAuthenticator,
        message: &AuthenticatedMessage<'_>,
    ) -> Vec<Finding> {
        let output = dns.verify_arc(message).await;
        let sets = output.sets();
        let Some(last) = sets.last() else {
            return Vec::new();
        };
        let (outcome, why) = of_dkim(output.result());
        let domain = last.seal.header.d.to_ascii_lowercase();
        let is_trusted = |domain: &str| {
            let mut sealers = self.shared.sealers.iter();
            sealers.any(|sealer| sealer.eq_ignore_ascii_case(domain))
        };
        let reason = match (outcome, is_trusted(&domain)) {
            (Outcome::Pass, true) => format!("the chain of seals is whole; {domain} is trusted"),
            (Outcome::Pass, false) => {
                format!("the chain of seals is whole, but nobody trusts {domain}")
            }
            (_, _) => format!("the chain of seals up to {domain}: {why}"),
        };
        let mut found = vec![ours(Method::Arc, outcome, Some(domain), reason)];
        if outcome != Outcome::Pass {
            return found;
        }
        let trusted = sets.iter().rev();
        let trusted = trusted.take_while(|set| is_trusted(&set.seal.header.d));
        for set in trusted {
            let sealer = set.seal.header.d.to_ascii_lowercase();
            let field = String::from_utf8_lossy(set.results.value);
            let said = results::of_sealer(&field, &self.author.domain, &sealer);
            let judged = judge(said, None, 1);
            if judged.is_confirmed() {
                found.push(Finding {
                    method: Method::Arc,
                    outcome: Outcome::Pass,
                    domain: Some(sealer.clone()),
                    is_aligned: true,
                    by: Witness::Sealer(sealer),
                    reason: judged.reason,
                });
                break;
            }
        }
        found
    }

    fn told_spf(&self, output: &SpfOutput) -> Finding {
        let outcome = match output.result() {
            SpfResult::Pass => Outcome::Pass,
            SpfResult::Fail => Outcome::Fail,
            SpfResult::SoftFail => Outcome::Softfail,
            SpfResult::Neutral => Outcome::Neutral,
            SpfResult::TempError => Outcome::Temperror,
            SpfResult::PermError => Outcome::Permerror,
            SpfResult::None => Outcome::None,
        };
        let client = self.client.as_ref();
        let address = client.map_or(String::new(), |client| client.address.to_string());
        let domain = output.domain().to_ascii_lowercase();
        let reason = match outcome {
            Outcome::Pass => format!("{domain} lets {address} send for it (SPF)"),
            Outcome::Fail => format!("{domain} does not let {address} send for it (SPF)"),
            Outcome::Softfail => {
                format!("{domain} rather does not let {address} send for it (SPF)")
            }
            Outcome::Neutral | Outcome::Policy => {
                format!("{domain} says nothing of {address} (SPF)")
            }
            Outcome::None => format!("{domain} has no SPF"),
            Outcome::Temperror => format!("SPF of {domain} could not be looked up"),
            Outcome::Permerror => {
                format!("SPF of {domain} makes no sense, or wants too many look-ups")
            }
        };
        let is_aligned = is_same_organisation(&domain, &self.author.domain);
        Finding {
            is_aligned,
            ..ours(Method::Spf, outcome, Some(domain), reason)
        }
    }

    fn told_dkim(&self, output: &DkimOutput<'_>) -> Finding {
        let (mut outcome, mut why) = of_dkim(output.result());
        let domain = output
            .signature()
            .map(|signature| signature.d.to_ascii_lowercase());
        if is_weak(output) && outcome == Outcome::Pass {
            outcome = Outcome::Policy;
            why = "rsa-sha1 counts for nothing (RFC 8301)".to_owned();
        }
        let signer = domain.as_deref().unwrap_or("somebody");
        let reason = if outcome == Outcome::Pass {
            format!("{signer} signed the mail as it is (DKIM)")
        } else {
            format!("the signature of {signer}: {why}")
        };
        let is_aligned = domain
            .as_deref()
            .is_some_and(|domain| is_same_organisation(domain, &self.author.domain));
        Finding {
            is_aligned,
            ..ours(Method::Dkim, outcome, domain, reason)
        }
    }

    fn told_dmarc(&self, output: &DmarcOutput) -> Finding {
        let domain = &self.author.domain;
        let (mut outcome, why) = match output.result() {
            DmarcResult::Pass => (Outcome::Pass, String::new()),
            DmarcResult::Fail(error) => (Outcome::Fail, error.to_string()),
            DmarcResult::TempError(error) => (Outcome::Temperror, error.to_string()),
            DmarcResult::PermError(error) => (Outcome::Permerror, error.to_string()),
            DmarcResult::None => (Outcome::None, String::new()),
        };
        let is_blind = outcome == Outcome::Fail && self.client.is_none();
        if is_blind {
            outcome = Outcome::Neutral;
        }
        let policy = match output.policy() {
            dmarc::Policy::Reject => "reject",
            dmarc::Policy::Quarantine => "quarantine",
            dmarc::Policy::None | dmarc::Policy::Unspecified => "none",
        };
        let by_dkim = *output.dkim_result() == DmarcResult::Pass;
        let reason = match outcome {
            Outcome::Pass if by_dkim => format!("{domain} vouches for it by its signature (DMARC)"),
            Outcome::Pass => format!("{domain} vouches for it by its servers (DMARC)"),
            Outcome::Fail => {
                format!("{domain} does not vouch for it and wants such mail: {policy} (DMARC)")
            }
            Outcome::Neutral => {
                format!("no signature of {domain}, and its servers are not known here (DMARC)")
            }
            Outcome::None => format!("{domain} has no DMARC policy"),
            Outcome::Softfail | Outcome::Policy | Outcome::Temperror | Outcome::Permerror => {
                format!("DMARC of {domain}: {why}")
            }
        };
        Finding {
            is_aligned: outcome == Outcome::Pass,
            ..ours(Method::Dmarc, outcome, Some(domain.clone()), reason)
        }
    }
}

fn ours(method: Method, outcome: Outcome, domain: Option<String>, reason: String) -> Finding {
    let by = Witness::Ours;
    Finding {
        method,
        outcome,
        domain,
        is_aligned: false,
        by,
        reason: reason.chars().take(REASON_CHARS_MAX).collect(),
    }
}

fn spf_unknown() -> Finding {
    let why = "the sending server is not known here: the mail came by a server of the site";
    ours(Method::Spf, Outcome::None, None, why.to_owned())
}

/// RFC 8301 §3.1: such a signature is none.
fn is_weak(output: &DkimOutput<'_>) -> bool {
    let signature = output.signature();
    signature.is_some_and(|signature| signature.a == Algorithm::RsaSha1)
}

fn of_dkim(result: &DkimResult) -> (Outcome, String) {
    match result {
        DkimResult::Pass => (Outcome::Pass, String::new()),
        DkimResult::Neutral(error) => (Outcome::Neutral, error.to_string()),
        DkimResult::Fail(error) => (Outcome::Fail, error.to_string()),
        DkimResult::PermError(error) => (Outcome::Permerror, error.to_string()),
        DkimResult::TempError(error) => (Outcome::Temperror, error.to_string()),
        DkimResult::None => (Outcome::None, String::new()),
    }
}

fn policy_of(output: &DmarcOutput) -> Option<Policy> {
    match output.policy() {
        dmarc::Policy::Reject => Some(Policy::Reject),
        dmarc::Policy::Quarantine => Some(Policy::Quarantine),
        dmarc::Policy::None => Some(Policy::None),
        dmarc::Policy::Unspecified => None,
    }
}

/// Asks these name servers, else those of this machine.
pub(super) fn dns(servers: &[SocketAddr]) -> Result<MessageAuthenticator, String> {
    let (config, mut options) = if servers.is_empty() {
        read_system_conf().map_err(|error| error.to_string())?
    } else {
        let servers = servers.iter().map(name_server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        (config, ResolverOpts::default())
    };
    options.cache_size = CACHE_NAMES_MAX;
    options.timeout = QUESTION_MAX;
    options.attempts = QUESTIONS_MAX;
    options.positive_max_ttl = Some(KEPT_MAX);
    options.negative_max_ttl = Some(NOTHING_KEPT_MAX);
    // What this machine calls itself proves nothing.
    options.use_hosts_file = ResolveHosts::Never;
    MessageAuthenticator::new(config, options).map_err(|error| error.to_string())
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

/// Most octets of a mail that is looked at on the tasks' own threads.
const AT_ONCE_BYTES_MAX: usize = 64 * 1_024;

/// Signatures of one mail that count.
const SIGNATURES_MAX: usize = 10;

/// Answers of the DNS that are kept.
const CACHE_NAMES_MAX: u64 = 8_192;

/// Longest time an answer is kept, whatever its owner says.
const KEPT_MAX: Duration = Duration::from_secs(3_600);

/// Longest time it is kept that there is none.
const NOTHING_KEPT_MAX: Duration = Duration::from_secs(300);

/// Longest wait for the answer to one question, which is then asked again.
const QUESTION_MAX: Duration = Duration::from_secs(1);

/// How often a question is asked.
const QUESTIONS_MAX: usize = 4;

/// Letters of a reason.
const REASON_CHARS_MAX: usize = 200;
