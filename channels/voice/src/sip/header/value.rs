//! Header values the stack reads for every message, split by scanners that borrow.

use super::scan::{
    List, Params, is_gap, is_space, is_token, is_token_byte, number, quoted_length, trim,
    trim_start,
};
use crate::sip::message::Method;
use crate::sip::uri::{Uri, split_host_port};
use std::borrow::Cow;

/// One `Via` value (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or another token, case kept.
    pub transport: &'a [u8],
    /// The host of sent-by.
    pub host: &'a [u8],
    /// The port of sent-by; `None` means the transport's default.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Splits one value; white space may stand around `/` and before the parameters.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let rest = token_then_slash(value, |name| name.eq_ignore_ascii_case(b"SIP"))?;
        let rest = token_then_slash(rest, |version| version == b"2.0")?;
        let end = rest.iter().position(|byte| is_space(*byte))?;
        let (transport, rest) = (&rest[..end], trim_start(&rest[end..]));
        let end = rest
            .iter()
            .position(|byte| *byte == b';')
            .unwrap_or(rest.len());
        let sent_by = trim(&rest[..end]);
        // RFC 4475 §3.1.2.1 (badinv01): a semicolon with nothing behind it is no parameter.
        if !is_token(transport) || sent_by.is_empty() || has_empty_param(&rest[end..]) {
            return None;
        }
        let (host, port) = match sent_by.iter().position(|byte| is_space(*byte)) {
            None => split_host_port(sent_by)?,
            Some(at) => {
                // RFC 3261 §25.1 `COLON` may have white space around it.
                let colon = sent_by.iter().rposition(|byte| *byte == b':')?;
                let (host, _) = split_host_port(trim(&sent_by[..at.min(colon)]))?;
                (
                    host,
                    Some(u16::try_from(number(trim(&sent_by[colon + 1..]))?).ok()?),
                )
            }
        };
        Some(Self {
            transport,
            host,
            port,
            params: Params::new(&rest[end..]),
        })
    }

    /// The branch parameter.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.value("branch")
    }
}

/// Whether two semicolons stand in a row; a single one at the end is let pass.
fn has_empty_param(params: &[u8]) -> bool {
    let mut is_after_semicolon = false;
    params.iter().any(|byte| match byte {
        b';' => std::mem::replace(&mut is_after_semicolon, true),
        byte => {
            is_after_semicolon &= is_space(*byte);
            false
        }
    })
}

fn token_then_slash(text: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let slash = text.iter().position(|byte| *byte == b'/')?;
    is_wanted(trim(&text[..slash])).then(|| trim_start(&text[slash + 1..]))
}

/// One address with a display name and parameters: From, To, Contact, Route (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    display: &'a [u8],
    uri: &'a [u8],
    params: &'a [u8],
}

impl<'a> NameAddr<'a> {
    /// Splits one value; the URI itself is not looked into, except that a bare one holds no `?` and no space.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let value = trim(value);
        let display_end = match value.first()? {
            b'"' => quoted_length(value)?,
            _ => 0,
        };
        match value[display_end..].iter().position(|byte| *byte == b'<') {
            Some(open) if is_display(&value[display_end..display_end + open], display_end) => {
                let open = display_end + open;
                let close = open + value[open..].iter().position(|byte| *byte == b'>')?;
                let uri = &value[open + 1..close];
                let params = trim_start(&value[close + 1..]);
                let is_sound = !uri.is_empty()
                    && !uri.iter().any(|byte| is_gap(*byte))
                    && matches!(params.first(), None | Some(b';'));
                is_sound.then(|| Self {
                    display: trim(&value[..open]),
                    uri,
                    params,
                })
            }
            Some(_) => None,
            None if display_end > 0 => None,
            None => {
                let end = value
                    .iter()
                    .position(|byte| *byte == b';')
                    .unwrap_or(value.len());
                let uri = trim(&value[..end]);
                let is_bare = !uri.is_empty()
                    && !uri
                        .iter()
                        .any(|byte| is_gap(*byte) || matches!(byte, b'?' | b',' | b'>' | b'"'));
                is_bare.then(|| Self {
                    display: b"",
                    uri,
                    params: &value[end..],
                })
            }
        }
    }

    /// The display name as written, quotes included; empty without one.
    pub const fn display(&self) -> &'a [u8] {
        self.display
    }

    /// The display name as text: quotes and escapes resolved, folding joined, odd bytes replaced.
    pub fn display_text(&self) -> Cow<'a, str> {
        let unfolded = super::scan::unfold(self.display);
        let quoted = matches!(unfolded.as_ref(), [b'"', .., b'"']) && unfolded.len() > 1;
        if !quoted {
            return match unfolded {
                Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
                Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            };
        }
        let mut plain = Vec::with_capacity(unfolded.len());
        let mut inner = unfolded[1..unfolded.len() - 1].iter();
        while let Some(byte) = inner.next() {
            plain.push(if *byte == b'\\' {
                *inner.next().unwrap_or(&b'\\')
            } else {
                *byte
            });
        }
        Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
    }

    /// The URI as written.
    pub const fn uri_bytes(&self) -> &'a [u8] {
        self.uri
    }

    /// The URI, split.
    pub fn uri(&self) -> Option<Uri<'a>> {
        Uri::parse(self.uri)
    }

    /// The parameters after the address.
    pub const fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// The `tag` parameter; an empty one counts as none.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params().value("tag").filter(|tag| !tag.is_empty())
    }
}

/// What stands before `<`: after a quoted string only white space, otherwise words. RFC 3261 wants
/// tokens; phones write commas, dots and UTF-8 there, which are taken as they are.
fn is_display(text: &[u8], quoted: usize) -> bool {
    if quoted > 0 {
        return text.iter().all(|byte| is_space(*byte));
    }
    text.iter().all(|byte| {
        is_space(*byte)
            || is_token_byte(*byte)
            || *byte >= 0x80
            || !matches!(byte, b'"' | b'>' | b';' | b'<' | 0..0x20)
    })
}

/// The `CSeq` value (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number, below 2^31.
    pub number: u32,
    /// The method's text.
    pub method: &'a [u8],
}

impl<'a> CSeq<'a> {
    /// Splits the value; RFC 3261 §8.1.1.5 bounds the number.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let value = trim(value);
        let end = value.iter().position(|byte| is_space(*byte))?;
        let number = sequence(&value[..end])?;
        let method = trim_start(&value[end..]);
        is_token(method).then_some(Self { number, method })
    }
}

/// The `RAck` value (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq that is acknowledged.
    pub response: u32,
    /// The CSeq number of the request it answered.
    pub sequence: u32,
    /// The method of that request.
    pub method: Method,
}

impl RAck {
    /// Splits the value.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = trim(value);
        let end = value.iter().position(|byte| is_space(*byte))?;
        let cseq = CSeq::parse(&value[end..])?;
        Some(Self {
            response: u32::try_from(number(&value[..end])?).ok()?,
            sequence: cseq.number,
            method: Method::new(cseq.method),
        })
    }
}

/// Who refreshes a session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered it.
    Uas,
}

/// The `Session-Expires` value (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The session interval in seconds.
    pub seconds: u32,
    /// Who refreshes; `None` leaves it to the answering side.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Splits the value; an unknown refresher counts as none.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let end = value
            .iter()
            .position(|byte| *byte == b';')
            .unwrap_or(value.len());
        let seconds = u32::try_from(number(trim(&value[..end]))?).ok()?;
        let refresher = match Params::new(&value[end..]).value("refresher") {
            Some(text) if text.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(text) if text.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            Some(_) | None => None,
        };
        Some(Self { seconds, refresher })
    }
}

/// A number below 2^31, as CSeq and RSeq need.
pub(crate) fn sequence(text: &[u8]) -> Option<u32> {
    u32::try_from(number(text)?)
        .ok()
        .filter(|number| *number < 1 << 31)
}

/// Says whether a list of tokens (Require, Supported, Allow) holds `wanted`, compared without case.
pub fn list_has(value: &[u8], wanted: &str) -> bool {
    List::new(value).any(|token| token.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn via_values_may_be_tortuous() {
        let via =
            Via::parse(b"SIP  / 2.0\r\n /UDP\r\n    192.0.2.2 : 5062 ;branch = 390skdjuw").unwrap();
        assert_eq!(
            (via.transport, via.host, via.port),
            (b"UDP".as_slice(), b"192.0.2.2".as_slice(), Some(5062))
        );
        assert_eq!(via.branch(), Some(b"390skdjuw".as_slice()));
        let via = Via::parse(b"SIP/2.0/TLS [2001:db8::9:1]:6050;received=[::1];branch=z9hG4bK-x")
            .unwrap();
        assert_eq!(
            (via.host, via.port),
            (b"[2001:db8::9:1]".as_slice(), Some(6050))
        );
        for bad in [
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ;branch=a",
            "SIP/3.0/UDP a",
            "SIP/2.0 a",
            "SIP/2.0/UDP 192.0.2.15; ;",
        ] {
            assert_eq!(Via::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn addresses_split_with_and_without_brackets() {
        let from = NameAddr::parse(
            b"\"J Rosenberg \\\\\\\"\"       <sip:j@example.com>  ;\r\n  tag = 98asjd8",
        )
        .unwrap();
        assert_eq!(from.display_text(), "J Rosenberg \\\"");
        assert_eq!(
            (from.uri_bytes(), from.tag()),
            (b"sip:j@example.com".as_slice(), Some(b"98asjd8".as_slice()))
        );
        let bare = NameAddr::parse(b"sip:a@b.c;tag=1").unwrap();
        assert_eq!(
            (bare.uri_bytes(), bare.tag()),
            (b"sip:a@b.c".as_slice(), Some(b"1".as_slice()))
        );
        let tight = NameAddr::parse(b"caller<sip:caller@example.com>;tag=323").unwrap();
        assert_eq!(tight.display_text(), "caller");
        for bad in [
            "\"Mr. J. User <sip:j@example.com>",
            "sip:user@example.com?Route=%3Csip:x%3E",
            "\"W, T\" < sip:t@x >",
            "<sip:a@b",
            "",
            "<>",
        ] {
            assert_eq!(NameAddr::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn sequence_numbers_are_bounded() {
        assert_eq!(
            CSeq::parse(b"0009\r\n  INVITE"),
            Some(CSeq {
                number: 9,
                method: b"INVITE"
            })
        );
        assert_eq!(CSeq::parse(b"36893488147419103232 REGISTER"), None);
        assert_eq!(CSeq::parse(b"2147483648 INVITE"), None);
        assert_eq!(CSeq::parse(b"1"), None);
    }

    #[test]
    fn session_and_reliability_values_split() {
        assert_eq!(
            SessionExpires::parse(b"1800 ; refresher=UAS"),
            Some(SessionExpires {
                seconds: 1800,
                refresher: Some(Refresher::Uas)
            })
        );
        assert_eq!(
            RAck::parse(b"776656 1 INVITE"),
            Some(RAck {
                response: 776_656,
                sequence: 1,
                method: Method::Invite
            })
        );
    }
}
