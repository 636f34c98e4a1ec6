//! The header values of digest: challenges and credentials, read from bytes as they come.

use super::Algorithm;
use std::borrow::Cow;

/// What a digest covers (`qop`, RFC 7616 §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// `auth`: method and URI.
    Authentication,
    /// `auth-int`: the body too.
    Integrity,
}

impl Protection {
    /// The token on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "auth",
            Self::Integrity => "auth-int",
        }
    }

    fn from_wire(token: &[u8]) -> Option<Self> {
        [Self::Authentication, Self::Integrity]
            .into_iter()
            .find(|p| token.eq_ignore_ascii_case(p.as_str().as_bytes()))
    }
}

/// Why a value is not a digest challenge or digest credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsFault {
    /// Another scheme, such as `Basic` or `Bearer`.
    #[error("the scheme is not Digest")]
    OtherScheme,
    /// The list of parameters cannot be read.
    #[error("the parameters cannot be read")]
    Malformed,
    /// A parameter that must be there is not; its name.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The algorithm is none we know.
    #[error("the algorithm is not known")]
    UnknownAlgorithm,
    /// The protection is none we know.
    #[error("the quality of protection is not known")]
    UnknownProtection,
    /// Longer, or with more parameters, than anything we read.
    #[error("the value is too long")]
    TooLong,
}

/// One digest challenge: a value of WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose passwords are wanted.
    pub realm: Vec<u8>,
    /// The server's nonce.
    pub nonce: Vec<u8>,
    /// To be sent back as it is.
    pub opaque: Option<Vec<u8>>,
    /// MD5 when the server names none.
    pub algorithm: Algorithm,
    /// The protections offered that we know; empty is the form of RFC 2069.
    pub protections: Vec<Protection>,
    /// The former credentials were right and only their nonce was not.
    pub is_stale: bool,
}

impl Challenge {
    /// Reads every challenge of one header value; several may stand in one, separated by commas.
    pub fn parse_all(value: &[u8]) -> Vec<Result<Self, ParamsFault>> {
        match read_schemes(value) {
            Ok(schemes) => schemes.iter().map(Self::from_scheme).collect(),
            Err(fault) => vec![Err(fault)],
        }
    }

    fn from_scheme(scheme: &Scheme<'_>) -> Result<Self, ParamsFault> {
        scheme.expect_digest()?;
        let qop = scheme.find("qop");
        let protections: Vec<_> = qop
            .into_iter()
            .flat_map(|list| list.split(|b| *b == b','))
            .filter_map(|token| Protection::from_wire(token.trim_ascii()))
            .collect();
        if protections.is_empty() && qop.is_some_and(|list| !list.trim_ascii().is_empty()) {
            return Err(ParamsFault::UnknownProtection);
        }
        Ok(Self {
            realm: scheme.need("realm")?.to_vec(),
            nonce: scheme.need("nonce")?.to_vec(),
            opaque: scheme.find("opaque").map(<[u8]>::to_vec),
            algorithm: scheme.algorithm()?,
            protections,
            is_stale: scheme
                .find("stale")
                .is_some_and(|v| v.eq_ignore_ascii_case(b"true")),
        })
    }
}

/// One set of digest credentials: a value of Authorization or Proxy-Authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who wants in.
    pub username: Vec<u8>,
    /// Where.
    pub realm: Vec<u8>,
    /// The server's nonce, as the client gives it back.
    pub nonce: Vec<u8>,
    /// What the client says it asked for.
    pub uri: Vec<u8>,
    /// The proof, in hexadecimal.
    pub response: Vec<u8>,
    /// MD5 when the client names none.
    pub algorithm: Algorithm,
    /// The client's half of the exchange; `None` is the form of RFC 2069.
    pub count: Option<ClientCount>,
}

/// Client nonce, nonce count and protection of [`Credentials`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCount {
    /// The client's nonce.
    pub cnonce: Vec<u8>,
    /// The count as it stands on the wire: it is hashed as text.
    pub nc_text: Vec<u8>,
    /// The count as a number.
    pub nc: u32,
    /// What the digest covers.
    pub protection: Protection,
}

impl Credentials {
    /// Reads the credentials of one header value.
    pub fn parse(value: &[u8]) -> Result<Self, ParamsFault> {
        let schemes = read_schemes(value)?;
        let scheme = schemes.first().ok_or(ParamsFault::Malformed)?;
        scheme.expect_digest()?;
        let username = match scheme.find("username") {
            Some(name) => name.to_vec(),
            None => {
                let extended = scheme.find("username*");
                read_extended(extended.ok_or(ParamsFault::Missing("username"))?)?
            }
        };
        Ok(Self {
            username,
            realm: scheme.need("realm")?.to_vec(),
            nonce: scheme.need("nonce")?.to_vec(),
            uri: scheme.need("uri")?.to_vec(),
            response: scheme.need("response")?.to_ascii_lowercase(),
            algorithm: scheme.algorithm()?,
            count: Self::read_count(scheme)?,
        })
    }

    /// Picks the credentials for `realm` out of all header values of a request.
    ///
    /// `None` when there are none; a fault when the only digest credentials cannot be read.
    pub fn for_realm<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
        realm: &[u8],
    ) -> Option<Result<Self, ParamsFault>> {
        let mut unreadable = None;
        for value in values.into_iter().take(VALUES_MAX) {
            match Self::parse(value) {
                Ok(credentials) if credentials.realm == realm => return Some(Ok(credentials)),
                Ok(_) | Err(ParamsFault::OtherScheme) => {}
                Err(fault) => unreadable = Some(Err(fault)),
            }
        }
        unreadable
    }

    fn read_count(scheme: &Scheme<'_>) -> Result<Option<ClientCount>, ParamsFault> {
        let Some(qop) = scheme.find("qop") else {
            return Ok(None);
        };
        let nc_text = scheme.need("nc")?;
        if nc_text.len() != 8 {
            return Err(ParamsFault::Malformed);
        }
        let nc = std::str::from_utf8(nc_text)
            .ok()
            .filter(|text| !text.starts_with('+'))
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .ok_or(ParamsFault::Malformed)?;
        Ok(Some(ClientCount {
            cnonce: scheme.need("cnonce")?.to_vec(),
            nc_text: nc_text.to_vec(),
            nc,
            protection: Protection::from_wire(qop).ok_or(ParamsFault::UnknownProtection)?,
        }))
    }
}

/// A scheme's name and its parameters.
struct Scheme<'a> {
    name: &'a [u8],
    params: Vec<(&'a [u8], Cow<'a, [u8]>)>,
}

impl Scheme<'_> {
    fn expect_digest(&self) -> Result<(), ParamsFault> {
        if self.name.eq_ignore_ascii_case(b"Digest") {
            Ok(())
        } else {
            Err(ParamsFault::OtherScheme)
        }
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        self.params
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_ref())
    }

    fn need(&self, name: &'static str) -> Result<&[u8], ParamsFault> {
        self.find(name).ok_or(ParamsFault::Missing(name))
    }

    fn algorithm(&self) -> Result<Algorithm, ParamsFault> {
        self.find("algorithm")
            .map_or(Some(Algorithm::Md5), Algorithm::from_wire)
            .ok_or(ParamsFault::UnknownAlgorithm)
    }
}

/// Reads `scheme name=value, name="value", scheme ...`; spaces, line folds and empty elements may
/// stand anywhere between tokens, as phones send them.
fn read_schemes(value: &[u8]) -> Result<Vec<Scheme<'_>>, ParamsFault> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(ParamsFault::TooLong);
    }
    let mut schemes: Vec<Scheme<'_>> = Vec::new();
    let mut rest = skip(value, |b| is_space(b) || b == b',');
    let mut params_count = 0;
    while !rest.is_empty() {
        let (name, after) = take_token(rest)?;
        let after_space = skip(after, is_space);
        if let Some(after_equals) = after_space.strip_prefix(b"=") {
            let (text, after_value) = take_value(skip(after_equals, is_space))?;
            let scheme = schemes.last_mut().ok_or(ParamsFault::Malformed)?;
            scheme.params.push((name, text));
            params_count += 1;
            let after_value = skip(after_value, is_space);
            if !after_value.is_empty() && after_value[0] != b',' {
                return Err(ParamsFault::Malformed);
            }
            rest = skip(after_value, |b| is_space(b) || b == b',');
        } else {
            schemes.push(Scheme {
                name,
                params: Vec::new(),
            });
            rest = skip(after_space, |b| is_space(b) || b == b',');
        }
        if params_count > PARAMS_MAX || schemes.len() > PARAMS_MAX {
            return Err(ParamsFault::TooLong);
        }
    }
    Ok(schemes)
}

fn skip(bytes: &[u8], skipped: impl Fn(u8) -> bool) -> &[u8] {
    let start = bytes.iter().position(|b| !skipped(*b));
    &bytes[start.unwrap_or(bytes.len())..]
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

const fn ends_token(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b',' | b'=' | b'"')
}

fn take_token(bytes: &[u8]) -> Result<(&[u8], &[u8]), ParamsFault> {
    let end = bytes.iter().position(|b| ends_token(*b));
    match bytes.split_at(end.unwrap_or(bytes.len())) {
        ([], _) => Err(ParamsFault::Malformed),
        split => Ok(split),
    }
}

/// Takes a token or a quoted string; a token may hold `=` (base64) where RFC 3261 has none.
fn take_value(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), ParamsFault> {
    let Some(quoted) = bytes.strip_prefix(b"\"") else {
        let end = bytes.iter().position(|b| is_space(*b) || *b == b',');
        let (token, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if token.contains(&b'"') {
            return Err(ParamsFault::Malformed);
        }
        return Ok((Cow::Borrowed(token), rest));
    };
    let mut unescaped: Option<Vec<u8>> = None;
    let mut position = 0;
    loop {
        match *quoted.get(position).ok_or(ParamsFault::Malformed)? {
            b'"' => {
                let text = match unescaped {
                    Some(text) => Cow::Owned(text),
                    None => Cow::Borrowed(&quoted[..position]),
                };
                return Ok((text, &quoted[position + 1..]));
            }
            b'\\' => {
                let escaped = *quoted.get(position + 1).ok_or(ParamsFault::Malformed)?;
                unescaped
                    .get_or_insert_with(|| quoted[..position].to_vec())
                    .push(escaped);
                position += 2;
            }
            byte => {
                if let Some(text) = &mut unescaped {
                    text.push(byte);
                }
                position += 1;
            }
        }
    }
}

/// Reads `UTF-8''percent%20encoded` (RFC 7616 §3.4 `username*`, RFC 5987 §3.2).
fn read_extended(value: &[u8]) -> Result<Vec<u8>, ParamsFault> {
    let mut parts = value.splitn(3, |b| *b == b'\'');
    let (charset, _language, encoded) = (parts.next(), parts.next(), parts.next());
    let encoded = encoded.ok_or(ParamsFault::Malformed)?;
    if !charset.is_some_and(|name| name.eq_ignore_ascii_case(b"UTF-8")) {
        return Err(ParamsFault::Malformed);
    }
    let mut text = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            text.push(*byte);
            continue;
        }
        let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
        let (high, low) = (digit(bytes.next()), digit(bytes.next()));
        let code = high.zip(low).map(|(high, low)| high * 16 + low);
        text.push(
            code.and_then(|code| u8::try_from(code).ok())
                .ok_or(ParamsFault::Malformed)?,
        );
    }
    Ok(text)
}

/// Longest value we read; a 512-byte nonce and opaque with every other parameter fit.
const VALUE_BYTES_MAX: usize = 4_096;
/// Most parameters, over all schemes of one value.
const PARAMS_MAX: usize = 64;
/// Most Authorization headers we look through in one request.
const VALUES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_with_odd_spacing_folds_and_escapes_is_read() {
        let value = b"dIgEsT  realm = \"a \\\"b\\\" , c\" ,, nonce=\t\"n=1,2\"\r\n , QOP=\" auth-int ,auth,x\",\
            algorithm=sha-256 , stale=TRUE,opaque=\"\"";
        let all = Challenge::parse_all(value);
        assert_eq!(
            all,
            [Ok(Challenge {
                realm: b"a \"b\" , c".to_vec(),
                nonce: b"n=1,2".to_vec(),
                opaque: Some(Vec::new()),
                algorithm: Algorithm::Sha256,
                protections: vec![Protection::Integrity, Protection::Authentication],
                is_stale: true,
            })]
        );
    }

    #[test]
    fn several_challenges_in_one_value_are_told_apart() {
        let value = b"Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256, Basic realm=\"b\", \
            Digest realm=\"r\", nonce=\"2\"";
        let all = Challenge::parse_all(value);
        assert_eq!(all.len(), 3);
        assert_eq!(all[0], Err(ParamsFault::UnknownAlgorithm));
        assert_eq!(all[1], Err(ParamsFault::OtherScheme));
        assert_eq!(all[2].as_ref().unwrap().nonce, b"2");
    }

    #[test]
    fn credentials_of_phones_are_read() {
        let value = b"Digest username=\"anna\",realm=\"desk\",nonce=\"n==\",uri=\"sip:desk;x=1\",\
            response=\"ABCDEF\",algorithm=MD5,cnonce=\"c\",qop=auth,nc=0000000a";
        let credentials = Credentials::parse(value).unwrap();
        assert_eq!(credentials.username, b"anna");
        assert_eq!(credentials.response, b"abcdef");
        assert_eq!(credentials.count.unwrap().nc, 10);
        let extended =
            b"Digest username*=UTF-8''J%C3%A4s%C3%B8n, realm=desk, nonce=n==, uri=/, response=0";
        let credentials = Credentials::parse(extended).unwrap();
        assert_eq!(credentials.username, "J\u{e4}s\u{f8}n".as_bytes());
        assert_eq!(credentials.nonce, b"n==");
        assert_eq!(credentials.count, None);
    }

    #[test]
    fn credentials_that_cannot_be_read_say_why() {
        let check = |value: &[u8], fault| assert_eq!(Credentials::parse(value), Err(fault));
        check(b"", ParamsFault::Malformed);
        check(b"Basic QWxhZGRpbjpvcGVu", ParamsFault::OtherScheme);
        check(b"Digest", ParamsFault::Missing("username"));
        check(b"Digest username=\"anna", ParamsFault::Malformed);
        check(b"Digest username=\"anna\\", ParamsFault::Malformed);
        check(b"Digest username=\"a\"b=c", ParamsFault::Malformed);
        check(b"=\"a\"", ParamsFault::Malformed);
        check(b"realm=\"a\"", ParamsFault::Malformed);
        check(&[b'a'; VALUE_BYTES_MAX + 1], ParamsFault::TooLong);
        check(&b"a ".repeat(PARAMS_MAX + 1), ParamsFault::TooLong);
        let complete = |tail: &str| {
            format!("Digest username=a, realm=r, nonce=n, uri=u, response=0, {tail}").into_bytes()
        };
        check(
            &complete("qop=auth, nc=1, cnonce=c"),
            ParamsFault::Malformed,
        );
        check(
            &complete("qop=auth, nc=+0000001, cnonce=c"),
            ParamsFault::Malformed,
        );
        check(
            &complete("qop=auth, nc=00000001"),
            ParamsFault::Missing("cnonce"),
        );
        check(
            &complete("qop=x, nc=00000001, cnonce=c"),
            ParamsFault::UnknownProtection,
        );
        check(&complete("algorithm=MD4"), ParamsFault::UnknownAlgorithm);
    }

    #[test]
    fn credentials_are_picked_by_realm() {
        let ours = &b"Digest username=a, realm=desk, nonce=n, uri=u, response=0"[..];
        let other = &b"Digest username=a, realm=proxy, nonce=n, uri=u, response=0"[..];
        let broken = &b"Digest username=\""[..];
        let pick = |values: &[&'static [u8]]| {
            Credentials::for_realm(values.iter().copied(), b"desk")
                .map(|found| found.map(|c| c.realm))
        };
        assert_eq!(pick(&[other, ours]), Some(Ok(b"desk".to_vec())));
        assert_eq!(pick(&[other, b"Basic x"]), None);
        assert_eq!(pick(&[broken, ours]), Some(Ok(b"desk".to_vec())));
        assert_eq!(pick(&[broken]), Some(Err(ParamsFault::Malformed)));
    }
}
