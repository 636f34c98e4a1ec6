//! URIs as SIP writes them (RFC 3261 §19.1, `tel` of RFC 3966), borrowed from the bytes they came in.

use super::header::scan::{Params, is_gap, number};
use std::borrow::Cow;
use std::net::IpAddr;

/// A URI, split; the parts stay as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    text: &'a [u8],
    scheme: &'a [u8],
    user: Option<&'a [u8]>,
    host: &'a [u8],
    port: Option<u16>,
    params: &'a [u8],
    headers: &'a [u8],
}

/// What kind of URI it is, by its scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// A scheme this stack cannot follow: a request for it is answered 416.
    Other,
}

impl<'a> Uri<'a> {
    /// Splits a URI; `None` when it is none, or a `sip` one that breaks RFC 3261 §25.1.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if text
            .iter()
            .any(|byte| is_gap(*byte) || matches!(byte, b'<' | b'>' | b'"'))
        {
            return None;
        }
        let colon = text.iter().position(|byte| *byte == b':')?;
        let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
        if !scheme.first()?.is_ascii_alphabetic() || rest.is_empty() {
            return None;
        }
        let mut uri = Self {
            text,
            scheme,
            user: None,
            host: b"",
            port: None,
            params: b"",
            headers: b"",
        };
        match uri.scheme() {
            Scheme::Sip | Scheme::Sips => uri.split_sip(rest)?,
            Scheme::Tel => {
                let end = rest
                    .iter()
                    .position(|byte| *byte == b';')
                    .unwrap_or(rest.len());
                uri.user = Some(&rest[..end]);
                uri.params = &rest[end..];
            }
            Scheme::Other => {}
        }
        Some(uri)
    }

    fn split_sip(&mut self, rest: &'a [u8]) -> Option<()> {
        // `@` may stand in no other part of the URI unescaped but the headers after `?`, which come later
        // than the host; `;` and `?` may stand in the user part.
        let (user, rest) = match rest.iter().position(|byte| *byte == b'@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        if user.is_some_and(<[u8]>::is_empty) {
            return None;
        }
        self.user = user.map(|user| {
            let end = user
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(user.len());
            &user[..end]
        });
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b';' | b'?'))
            .unwrap_or(rest.len());
        let (host, port) = split_host_port(&rest[..end])?;
        (self.host, self.port) = (host, port);
        let rest = &rest[end..];
        let end = rest
            .iter()
            .position(|byte| *byte == b'?')
            .unwrap_or(rest.len());
        (self.params, self.headers) = (&rest[..end], &rest[end..]);
        Some(())
    }

    /// The whole URI as written.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// The kind of URI.
    pub fn scheme(&self) -> Scheme {
        if self.scheme.eq_ignore_ascii_case(b"sip") {
            Scheme::Sip
        } else if self.scheme.eq_ignore_ascii_case(b"sips") {
            Scheme::Sips
        } else if self.scheme.eq_ignore_ascii_case(b"tel") {
            Scheme::Tel
        } else {
            Scheme::Other
        }
    }

    /// The user part without a password, escapes kept; of a `tel` URI its number.
    pub const fn user(&self) -> Option<&'a [u8]> {
        self.user
    }

    /// The user part with its escapes resolved (RFC 3261 §19.1.2), odd bytes replaced.
    pub fn user_text(&self) -> Option<String> {
        self.user
            .map(|user| String::from_utf8_lossy(&unescape(user)).into_owned())
    }

    /// The host as written, an IPv6 address with its brackets; empty for other schemes.
    pub const fn host(&self) -> &'a [u8] {
        self.host
    }

    /// The host when it is an address.
    pub fn ip(&self) -> Option<IpAddr> {
        ip_of(self.host)
    }

    /// The port when one is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters.
    pub const fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// The text after the host's parameters, from `?` on.
    pub const fn headers(&self) -> &'a [u8] {
        self.headers
    }
}

/// Reads a host as an address, brackets of IPv6 taken off.
pub fn ip_of(host: &[u8]) -> Option<IpAddr> {
    let inner = match host {
        [b'[', inner @ .., b']'] => inner,
        _ => host,
    };
    std::str::from_utf8(inner).ok()?.parse().ok()
}

/// Splits `host[:port]`, IPv6 in brackets.
pub(crate) fn split_host_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_end = match text {
        [b'[', ..] => text.iter().position(|byte| *byte == b']')? + 1,
        _ => text
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host_end);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_sound = match host {
        [b'[', ..] => ip_of(host).is_some(),
        _ => !host.is_empty() && host.iter().all(is_plain),
    };
    if !is_sound {
        return None;
    }
    match rest {
        [] => Some((host, None)),
        [b':', digits @ ..] => Some((host, Some(u16::try_from(number(digits)?).ok()?))),
        _ => None,
    }
}

/// Resolves `%41` escapes; a broken escape stays as it is.
pub fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escaped = match (text[at], text.get(at + 1), text.get(at + 2)) {
            (b'%', Some(high), Some(low)) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                at += 3;
            }
            None => {
                plain.push(text[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sip_uris_split_into_their_parts() {
        let uri =
            Uri::parse(b"sip:user;par=u%40example.net:pw@[2001:db8::1]:5070;transport=tcp;lr?a=b")
                .unwrap();
        assert_eq!(uri.scheme(), Scheme::Sip);
        assert_eq!(uri.user_text().unwrap(), "user;par=u@example.net");
        assert_eq!(uri.ip().unwrap().to_string(), "2001:db8::1");
        assert_eq!(uri.port(), Some(5070));
        assert_eq!(uri.params().value("transport"), Some(b"tcp".as_slice()));
        assert_eq!(uri.headers(), b"?a=b");
    }

    #[test]
    fn tel_uris_give_their_number() {
        let uri = Uri::parse(b"tel:+886-2-1234;phone-context=example.com").unwrap();
        assert_eq!(
            (uri.scheme(), uri.user()),
            (Scheme::Tel, Some(b"+886-2-1234".as_slice()))
        );
    }

    #[test]
    fn broken_uris_are_none() {
        for text in [
            "sip:",
            "<sip:a@b>",
            "sip:a@",
            "sip:@b",
            "sip:a b@c",
            "sip:a@b:99999",
            "sip:[::1",
            "nothing",
            "sip:a@b c",
        ] {
            assert_eq!(Uri::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            Uri::parse(b"soap.beep://host").unwrap().scheme(),
            Scheme::Other
        );
    }
}
