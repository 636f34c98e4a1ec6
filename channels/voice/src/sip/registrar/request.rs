//! What a REGISTER asks for.

use super::Reply;
use super::binding::Quality;
use crate::sip::header::scan::number;
use crate::sip::header::{Header, NameAddr};
use crate::sip::message::Message;
use crate::sip::uri::{Scheme, Uri};

/// The facts of a REGISTER that the registrar acts on.
pub(super) struct Asked<'a> {
    pub(super) user: String,
    pub(super) call_id: &'a [u8],
    pub(super) sequence: u32,
    /// The Expires header, in seconds.
    pub(super) expires: Option<u32>,
    pub(super) contacts: Contacts<'a>,
    pub(super) path: Vec<&'a str>,
    pub(super) sender: Sender,
    supports_outbound: bool,
}

/// The Contact headers.
pub(super) enum Contacts<'a> {
    /// None: a query.
    None,
    /// `*`: take out everything.
    All,
    /// These.
    Some(Vec<ContactAsked<'a>>),
}

/// One Contact value.
pub(super) struct ContactAsked<'a> {
    pub(super) uri: Uri<'a>,
    /// The same as text.
    pub(super) text: &'a str,
    pub(super) quality: Quality,
    pub(super) expires: Option<u32>,
    pub(super) outbound: Option<Outbound<'a>>,
}

/// `+sip.instance` and `reg-id` (RFC 5626 §4.2): one flow of one device.
#[derive(Clone, Copy)]
pub(super) struct Outbound<'a> {
    pub(super) instance: &'a [u8],
    pub(super) reg_id: u32,
}

/// How the request came, as its Via tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The phone itself, which listens where it sends from (RFC 3581 `rport`).
    Symmetric,
    /// The phone itself, which may listen elsewhere.
    Plain,
    /// A proxy that left no Path.
    Proxy,
}

impl<'a> Asked<'a> {
    pub(super) fn read(request: &'a Message) -> Result<Self, Reply> {
        let unsupported = unsupported(request);
        if !unsupported.is_empty() {
            return Err(Reply::new(420, "Bad Extension").with(Header::Unsupported, unsupported));
        }
        // RFC 3261 §10.2: the address of record is a SIP or SIPS URI.
        let to = request
            .to()
            .and_then(|to| to.uri())
            .filter(|uri| is_sip(uri.scheme()))
            .ok_or_else(|| Reply::new(400, "To Is No SIP URI"))?;
        let user = to
            .user_text()
            .ok_or_else(|| Reply::new(404, "No User In To"))?;
        let supports_outbound = request
            .headers(Header::Supported)
            .any(|option| option.eq_ignore_ascii_case(b"outbound"));
        let path = request
            .headers(Header::Path)
            .map(std::str::from_utf8)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Reply::new(400, "Unreadable Path"))?;
        if path.len() > PATHS_MAX
            || path.iter().map(|value| value.len()).sum::<usize>() > PATH_BYTES_MAX
        {
            return Err(Reply::new(400, "Path Too Long"));
        }
        let mut asked = Self {
            user,
            call_id: request.call_id(),
            sequence: request.sequence(),
            expires: request.header(Header::Expires).map(read_expires),
            contacts: Contacts::None,
            sender: read_sender(request, &path),
            path,
            supports_outbound,
        };
        asked.contacts = asked.read_contacts(request)?;
        Ok(asked)
    }

    /// Whether the 200 tells the phone that its flows are kept (RFC 5626 §6).
    pub(super) fn uses_outbound(&self) -> bool {
        match &self.contacts {
            Contacts::None | Contacts::All => false,
            Contacts::Some(contacts) => contacts.iter().any(|c| c.outbound.is_some()),
        }
    }

    fn read_contacts(&self, request: &'a Message) -> Result<Contacts<'a>, Reply> {
        let values: Vec<_> = request
            .headers(Header::Contact)
            .take(CONTACTS_MAX + 1)
            .collect();
        if values.contains(&&b"*"[..]) {
            // RFC 3261 §10.3 step 6.
            return if values.len() == 1 && self.expires == Some(0) {
                Ok(Contacts::All)
            } else {
                Err(Reply::new(400, "Star Contact With Others Or Expires"))
            };
        }
        if values.is_empty() {
            return Ok(Contacts::None);
        }
        if values.len() > CONTACTS_MAX {
            return Err(Reply::new(403, "Too Many Contacts"));
        }
        values
            .into_iter()
            .map(|value| self.read_contact(value))
            .collect::<Option<_>>()
            .map(Contacts::Some)
            .ok_or_else(|| Reply::new(400, "Unreadable Contact"))
    }

    fn read_contact(&self, value: &'a [u8]) -> Option<ContactAsked<'a>> {
        if value.len() > CONTACT_BYTES_MAX {
            return None;
        }
        let address = NameAddr::parse(value)?;
        let uri = address.uri()?;
        if !is_sip(uri.scheme()) {
            return None;
        }
        let params = address.params();
        let instance = params.value("+sip.instance");
        let reg_id = params
            .value("reg-id")
            .and_then(number)
            .and_then(|id| u32::try_from(id).ok())
            .filter(|id| *id > 0);
        Some(ContactAsked {
            uri,
            text: std::str::from_utf8(uri.as_bytes()).ok()?,
            quality: params
                .value("q")
                .map_or(Some(Quality::DEFAULT), Quality::parse)?,
            expires: params.value("expires").map(read_expires),
            // RFC 5626 §6: reg-id counts only with an instance and a client that knows `outbound`.
            outbound: instance
                .zip(reg_id)
                .filter(|_| self.supports_outbound)
                .map(|(instance, reg_id)| Outbound { instance, reg_id }),
        })
    }
}

const fn is_sip(scheme: Scheme) -> bool {
    match scheme {
        Scheme::Sip | Scheme::Sips => true,
        Scheme::Tel | Scheme::Other => false,
    }
}

/// RFC 3261 §20.19: what is no number of 32 bits counts as one hour.
fn read_expires(value: &[u8]) -> u32 {
    number(value.trim_ascii())
        .and_then(|seconds| u32::try_from(seconds).ok())
        .unwrap_or(3_600)
}

/// RFC 3261 §8.2.2.3: the options required of us that we do not have, as a list.
fn unsupported(request: &Message) -> String {
    let lacking: Vec<_> = request
        .headers(Header::Require)
        .filter(|option| {
            !KNOWN_OPTIONS
                .iter()
                .any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
        })
        .map(String::from_utf8_lossy)
        .collect();
    lacking.join(", ")
}

fn read_sender(request: &Message, path: &[&str]) -> Sender {
    let mut vias = request.headers(Header::Via);
    let is_symmetric = request
        .top_via()
        .is_some_and(|via| via.params.get("rport").is_some());
    vias.next();
    if vias.next().is_some() && path.is_empty() {
        Sender::Proxy
    } else if is_symmetric {
        Sender::Symmetric
    } else {
        Sender::Plain
    }
}

const KNOWN_OPTIONS: [&str; 2] = ["path", "outbound"];
/// Most Contact values in one request.
const CONTACTS_MAX: usize = 16;
/// Longest Contact value.
const CONTACT_BYTES_MAX: usize = 1_024;
/// Most Path values in one request.
const PATHS_MAX: usize = 8;
/// All Path values together.
const PATH_BYTES_MAX: usize = 2_048;
