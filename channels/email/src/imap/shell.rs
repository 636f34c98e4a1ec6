//! One folder of an IMAP server, open: what is in it, its mails, and word when a new one comes.

use super::way::{Allowance, Stream, Way};
use super::{Existing, Look, Position, folder_on_the_wire};
use async_imap::types::{Capabilities, Fetch, UnsolicitedResponse};
use async_imap::{Authenticator, Client, Session};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Where a folder is, and how one gets in.
#[derive(Clone)]
pub struct Account {
    /// The server's name; with TLS its certificate must be of this name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is kept secret.
    pub tls: Tls,
    /// Certificates (PEM) that vouch for it, besides those this machine trusts.
    pub authority: Option<Vec<u8>>,
    /// The account.
    pub user: String,
    /// What proves that it is ours.
    pub proof: Proof,
    /// The folder, in Unicode.
    pub folder: String,
    /// Where mails go that were taken; they stay and are marked as read when not given.
    pub move_to: Option<String>,
    /// Most octets taken of one mail.
    pub mail_bytes_max: u64,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            user,
            folder,
            ..
        } = self;
        write!(f, "{user}@{host}:{port}/{folder}")
    }
}

/// How the way to the server is kept secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// By TLS from the first octet (RFC 8314), port 993.
    #[default]
    Tls,
    /// By STARTTLS, port 143; nothing else is said before.
    Starttls,
    /// Not at all: for a server on this machine.
    None,
}

/// What proves that an account is ours.
#[derive(Clone)]
pub enum Proof {
    /// Its password (LOGIN).
    Password(String),
    /// An OAuth 2.0 access token (XOAUTH2, as Google and Microsoft have it).
    AccessToken(String),
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// The server is out of reach, or broke off.
    #[error("{0}")]
    Lost(#[from] std::io::Error),
    /// The server said no, or something that is no IMAP.
    #[error("{doing}: {source}")]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// What it said.
        source: async_imap::error::Error,
    },
    /// The server did not answer in time.
    #[error("{0}: no answer within {seconds} s", seconds = ANSWER_MAX.as_secs())]
    Silent(&'static str),
    /// Its certificate, or ours, cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// It has no UIDs, so no mail could be told from another.
    #[error("the folder has no UIDVALIDITY or no UIDNEXT")]
    NoUids,
}

/// A mail in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedMail {
    /// Its octets; only the first [`Account::mail_bytes_max`] when there are more.
    pub raw: Bytes,
    /// Whether there are more.
    pub is_cut: bool,
}

impl FetchedMail {
    fn of(mut raw: Vec<u8>, most: usize) -> Self {
        let is_cut = raw.len() > most;
        raw.truncate(most);
        Self {
            raw: Bytes::from(raw),
            is_cut,
        }
    }
}

/// An open folder.
pub struct Folder {
    // Away only while the server tells news; an error there ends the folder.
    session: Option<Session<Way>>,
    allowance: Allowance,
    account: Account,
    validity: u32,
    uid_next: u32,
    can: Can,
}

#[derive(Clone, Copy, Debug)]
struct Can {
    idle: bool,
    move_mails: bool,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.account, self.can)
    }
}

impl Folder {
    /// Connects, logs in and opens the folder.
    pub async fn open(account: &Account) -> Result<Self, FolderFault> {
        let allowance = Allowance::default();
        let client = within("connecting", connect(account, &allowance)).await?;
        Self::begin(client, allowance, account).await
    }

    /// Logs in and opens the folder of a server to which there is a stream already.
    pub async fn over(
        stream: impl Stream + 'static,
        account: &Account,
    ) -> Result<Self, FolderFault> {
        let allowance = Allowance::default();
        allowance.renew();
        let client = Client::new(Way::over(stream, &allowance));
        let client = within("connecting", greeted(client)).await?;
        Self::begin(client, allowance, account).await
    }

    async fn begin(
        client: Client<Way>,
        allowance: Allowance,
        account: &Account,
    ) -> Result<Self, FolderFault> {
        allowance.renew();
        let mut session = within("logging in", log_in(client, account)).await?;
        allowance.renew();
        let can = within("asking what the server can", async {
            let all = session.capabilities().await;
            all.map(|all| can(&all)).map_err(refused("CAPABILITY"))
        })
        .await?;
        allowance.renew();
        let selected = within("opening the folder", async {
            let name = folder_on_the_wire(&account.folder);
            session.select(name).await.map_err(refused("SELECT"))
        })
        .await?;
        Ok(Self {
            session: Some(session),
            allowance,
            account: account.clone(),
            validity: selected.uid_validity.ok_or(FolderFault::NoUids)?,
            uid_next: selected.uid_next.ok_or(FolderFault::NoUids)?,
            can,
        })
    }

    /// What to ask for, from what was taken before.
    pub fn decide(&self, known: Option<Position>, existing: Existing) -> Look {
        Look::decide(known, self.validity, existing)
    }

    /// UIDVALIDITY.
    pub fn validity(&self) -> u32 {
        self.validity
    }

    /// The highest UID that was given out when the folder was opened.
    pub fn uid_max(&self) -> u32 {
        self.uid_next.saturating_sub(1)
    }

    /// The UIDs of what a look wants, in order.
    pub async fn look(&mut self, look: &Look) -> Result<Vec<u32>, FolderFault> {
        let Some(search) = look.search() else {
            return Ok(Vec::new());
        };
        let session = self.session()?;
        let found = within("searching", async {
            let found = session.uid_search(search).await;
            found.map_err(refused("UID SEARCH"))
        })
        .await?;
        let mut uids: Vec<u32> = found.into_iter().filter(|uid| look.wants(*uid)).collect();
        uids.sort_unstable();
        Ok(uids)
    }

    /// How many octets the server says a mail has; `None` when it is gone meanwhile.
    pub async fn bytes_of(&mut self, uid: u32) -> Result<Option<u64>, FolderFault> {
        let session = self.session()?;
        let told = within("asking for the size of a mail", async {
            let told = one(session, uid, "(RFC822.SIZE)").await;
            told.map_err(refused("UID FETCH"))
        })
        .await?;
        Ok(told.map(|told| told.size.map_or(0, u64::from)))
    }

    /// Fetches a mail, one piece after the other, and leaves it as it is; `None` when it is gone meanwhile.
    pub async fn fetch(&mut self, uid: u32) -> Result<Option<FetchedMail>, FolderFault> {
        timeout(FETCH_MAX, self.fetch_pieces(uid))
            .await
            .map_err(|_| FolderFault::Silent("fetching a mail"))?
    }

    async fn fetch_pieces(&mut self, uid: u32) -> Result<Option<FetchedMail>, FolderFault> {
        let most = usize::try_from(self.account.mail_bytes_max).unwrap_or(usize::MAX);
        let mut raw = Vec::new();
        loop {
            // One octet more tells whether there is more.
            let wanted = most.saturating_add(1).saturating_sub(raw.len());
            let wanted = wanted.min(PIECE_BYTES);
            let window = format!("(BODY.PEEK[]<{}.{wanted}>)", raw.len());
            let fetched = one(self.session()?, uid, &window).await;
            let fetched = fetched.map_err(refused("UID FETCH"))?;
            let Some(piece) = fetched.as_ref().and_then(Fetch::body) else {
                let is_at_its_end = fetched.is_some() && !raw.is_empty();
                return Ok(is_at_its_end.then(|| FetchedMail::of(raw, most)));
            };
            raw.extend_from_slice(piece);
            // More than was asked for is all there is, of a server that knows no pieces.
            if piece.len() != wanted || raw.len() > most {
                return Ok(Some(FetchedMail::of(raw, most)));
            }
        }
    }

    /// Marks a mail as read, and moves it where taken mails go. A mail that was cut stays, flagged for a person.
    pub async fn put_away(&mut self, uid: u32, mail: &FetchedMail) -> Result<(), FolderFault> {
        let marks = match mail.is_cut {
            true => r"+FLAGS.SILENT (\Seen \Flagged)",
            false => r"+FLAGS.SILENT (\Seen)",
        };
        let target = self.account.move_to.as_deref().filter(|_| !mail.is_cut);
        let target = target.map(folder_on_the_wire);
        let can_move = self.can.move_mails;
        let session = self.session()?;
        within("putting a mail away", async {
            mark(session, uid, marks)
                .await
                .map_err(refused("UID STORE"))?;
            let Some(target) = target else { return Ok(()) };
            if can_move {
                let moved = session.uid_mv(uid.to_string(), &target).await;
                return moved.map_err(refused("UID MOVE"));
            }
            let copied = session.uid_copy(uid.to_string(), &target).await;
            copied.map_err(refused("UID COPY"))?;
            mark(session, uid, r"+FLAGS.SILENT (\Deleted)")
                .await
                .map_err(refused("UID STORE"))
        })
        .await
    }

    /// Waits until the server tells of something new (IDLE, RFC 2177), but no longer than this. A server
    /// that cannot tell is asked again after that time.
    pub async fn wait(&mut self, longest: Duration) -> Result<(), FolderFault> {
        if self.has_news()? {
            return Ok(());
        }
        if !self.can.idle {
            tokio::time::sleep(longest).await;
            let session = self.session()?;
            return within("asking for news", async {
                session.noop().await.map_err(refused("NOOP"))
            })
            .await;
        }
        self.allowance.renew();
        let session = self.session.take().ok_or_else(broken_off)?;
        let mut idle = session.idle();
        within("IDLE", async { idle.init().await.map_err(refused("IDLE")) }).await?;
        {
            let (told, _interrupt) = idle.wait_with_timeout(longest.min(IDLE_MAX));
            told.await.map_err(refused("IDLE"))?;
        }
        let session = within("DONE", async { idle.done().await.map_err(refused("DONE")) }).await?;
        self.session = Some(session);
        Ok(())
    }

    /// Says good-bye.
    pub async fn close(mut self) {
        if let Some(mut session) = self.session.take() {
            // The server frees what it holds of us with or without it.
            let _ = timeout(Duration::from_secs(2), session.logout()).await;
        }
    }

    /// Whether the server told of new mails beside its answers, after the last look.
    fn has_news(&mut self) -> Result<bool, FolderFault> {
        let told = &self.session()?.unsolicited_responses;
        let mut has_news = false;
        while let Ok(response) = told.try_recv() {
            has_news |= matches!(response, UnsolicitedResponse::Exists(_));
        }
        Ok(has_news)
    }

    /// For the next command.
    fn session(&mut self) -> Result<&mut Session<Way>, FolderFault> {
        self.allowance.renew();
        self.session.as_mut().ok_or_else(broken_off)
    }
}

fn broken_off() -> FolderFault {
    FolderFault::Lost(std::io::ErrorKind::NotConnected.into())
}

fn refused(doing: &'static str) -> impl Fn(async_imap::error::Error) -> FolderFault {
    move |source| {
        if let async_imap::error::Error::Io(error) = source {
            return FolderFault::Lost(error);
        }
        FolderFault::Refused { doing, source }
    }
}

async fn within<T>(
    doing: &'static str,
    work: impl Future<Output = Result<T, FolderFault>>,
) -> Result<T, FolderFault> {
    timeout(ANSWER_MAX, work)
        .await
        .map_err(|_| FolderFault::Silent(doing))?
}

async fn one(
    session: &mut Session<Way>,
    uid: u32,
    wanted: &str,
) -> Result<Option<Fetch>, async_imap::error::Error> {
    use futures_util::TryStreamExt as _;
    let mut answers = session.uid_fetch(uid.to_string(), wanted).await?;
    let mut found = None;
    // To the end, so that the next command begins with a clean line.
    while let Some(fetch) = answers.try_next().await? {
        // What the server tells unasked, such as flags, has no place in it.
        let is_asked_for = fetch.body().is_some() || fetch.size.is_some() || found.is_none();
        if fetch.uid == Some(uid) && is_asked_for {
            found = Some(fetch);
        }
    }
    Ok(found)
}

async fn mark(
    session: &mut Session<Way>,
    uid: u32,
    marks: &str,
) -> Result<(), async_imap::error::Error> {
    use futures_util::TryStreamExt as _;
    let answers = session.uid_store(uid.to_string(), marks).await?;
    answers.try_for_each(|_| async { Ok(()) }).await
}

fn can(all: &Capabilities) -> Can {
    Can {
        idle: all.has_str("IDLE"),
        move_mails: all.has_str("MOVE"),
    }
}

async fn log_in(client: Client<Way>, account: &Account) -> Result<Session<Way>, FolderFault> {
    match &account.proof {
        Proof::Password(password) => client
            .login(&account.user, password)
            .await
            .map_err(|(fault, _)| refused("LOGIN")(fault)),
        Proof::AccessToken(token) => client
            .authenticate(
                "XOAUTH2",
                Bearer {
                    words: format!("user={}\x01auth=Bearer {token}\x01\x01", account.user),
                    is_said: false,
                },
            )
            .await
            .map_err(|(fault, _)| refused("AUTHENTICATE XOAUTH2")(fault)),
    }
}

/// XOAUTH2: the token first; a second challenge is the reason of a refusal, to be acknowledged by nothing.
struct Bearer {
    words: String,
    is_said: bool,
}

impl Authenticator for Bearer {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        match std::mem::replace(&mut self.is_said, true) {
            false => self.words.clone(),
            true => String::new(),
        }
    }
}

async fn connect(account: &Account, allowance: &Allowance) -> Result<Client<Way>, FolderFault> {
    allowance.renew();
    let plain = TcpStream::connect((account.host.as_str(), account.port)).await?;
    plain.set_nodelay(true)?;
    match account.tls {
        Tls::None => greeted(Client::new(Way::over(plain, allowance))).await,
        Tls::Tls => {
            let stream = wrap_in_tls(plain, &account.host, account.authority.as_deref()).await?;
            greeted(Client::new(Way::over(stream, allowance))).await
        }
        Tls::Starttls => {
            let mut client = greeted(Client::new(Way::over(plain, allowance))).await?;
            client
                .run_command_and_check_ok("STARTTLS", None)
                .await
                .map_err(refused("STARTTLS"))?;
            let plain = client.into_inner().into_inner();
            let stream = wrap_in_tls(plain, &account.host, account.authority.as_deref()).await?;
            Ok(Client::new(Way::over(stream, allowance)))
        }
    }
}

async fn greeted(mut client: Client<Way>) -> Result<Client<Way>, FolderFault> {
    match client.read_response().await? {
        Some(_) => Ok(client),
        None => Err(broken_off()),
    }
}

/// Speaks TLS to a server of this name, for which a certificate of this machine vouches, or one of `authority` (PEM).
pub async fn wrap_in_tls<S>(
    plain: S,
    host: &str,
    authority: Option<&[u8]>,
) -> Result<TlsStream<S>, FolderFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let bad = |fault: &dyn fmt::Display| FolderFault::Tls(fault.to_string());
    let mut roots = RootCertStore::empty();
    // Certificates of this machine that cannot be read vouch for nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = authority {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|fault| bad(&fault))?;
            roots.add(certificate).map_err(|fault| bad(&fault))?;
        }
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|fault| bad(&fault))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector
        .connect(name, plain)
        .await
        .map_err(|fault| bad(&fault))
}

/// Octets of a mail that are asked for at one time.
const PIECE_BYTES: usize = 1_024 * 1_024;
/// Longest time for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Longest time for one mail.
const FETCH_MAX: Duration = Duration::from_secs(600);
/// RFC 2177: servers may log off who idles for 30 minutes.
const IDLE_MAX: Duration = Duration::from_secs(28 * 60);
