//! Names of header fields: the known ones as one byte, all others as they came.

/// The names, most frequent first: the look-up compares lengths and stops at the first match.
macro_rules! known_headers {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(| $compact:literal)?;)*) => {
        /// A header field this stack knows by name (RFC 3261 section 20 and the extensions it obeys).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Header {
            $(#[doc = concat!("`", $name, "`.")] $(#[$doc])* $variant,)*
        }

        impl Header {
            /// The long form, as this stack writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// RFC 3261 §7.3.1 and §7.3.3: names compare without case, and some have a compact form.
            pub fn from_name(name: &[u8]) -> Option<Self> {
                if name.len() == 1 {
                    let letter = name[0].to_ascii_lowercase();
                    $($(if letter == $compact { return Some(Self::$variant); })?)*
                    return None;
                }
                KNOWN.iter().find(|(known, _)| known.len() == name.len() && known.eq_ignore_ascii_case(name))
                    .map(|(_, header)| *header)
            }
        }

        const KNOWN: &[(&[u8], Header)] = &[$(($name.as_bytes(), Header::$variant),)*];
    };
}

known_headers! {
    Via = "Via" | b'v';
    From = "From" | b'f';
    To = "To" | b't';
    CallId = "Call-ID" | b'i';
    CSeq = "CSeq";
    MaxForwards = "Max-Forwards";
    Contact = "Contact" | b'm';
    ContentLength = "Content-Length" | b'l';
    ContentType = "Content-Type" | b'c';
    RecordRoute = "Record-Route";
    Route = "Route";
    Allow = "Allow";
    Supported = "Supported" | b'k';
    Require = "Require";
    UserAgent = "User-Agent";
    Server = "Server";
    SessionExpires = "Session-Expires" | b'x';
    MinSe = "Min-SE";
    RSeq = "RSeq";
    RAck = "RAck";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    AlertInfo = "Alert-Info";
    AllowEvents = "Allow-Events" | b'u';
    CallInfo = "Call-Info";
    ContentDisposition = "Content-Disposition";
    ContentEncoding = "Content-Encoding" | b'e';
    ContentLanguage = "Content-Language";
    Date = "Date";
    ErrorInfo = "Error-Info";
    Event = "Event" | b'o';
    Expires = "Expires";
    History = "History-Info";
    Identity = "Identity" | b'y';
    InfoPackage = "Info-Package";
    InReplyTo = "In-Reply-To";
    MimeVersion = "MIME-Version";
    MinExpires = "Min-Expires";
    Organization = "Organization";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    Path = "Path";
    Priority = "Priority";
    Privacy = "Privacy";
    ProxyRequire = "Proxy-Require";
    Reason = "Reason";
    RecvInfo = "Recv-Info";
    ReferTo = "Refer-To" | b'r';
    ReferredBy = "Referred-By" | b'b';
    RemotePartyId = "Remote-Party-ID";
    Replaces = "Replaces";
    ReplyTo = "Reply-To";
    RetryAfter = "Retry-After";
    ServiceRoute = "Service-Route";
    Subject = "Subject" | b's';
    SubscriptionState = "Subscription-State";
    Timestamp = "Timestamp";
    Unsupported = "Unsupported";
    Warning = "Warning";
}

/// A header field's name: known, or carried as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderName<'a> {
    /// A name this stack knows.
    Known(Header),
    /// Any other name; compared without case.
    Other(&'a [u8]),
}

impl<'a> HeaderName<'a> {
    /// Finds the name a text spells, in long or compact form.
    pub fn new(name: &'a [u8]) -> Self {
        Header::from_name(name).map_or(Self::Other(name), Self::Known)
    }

    /// The name as bytes, known ones in their long form.
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Known(header) => header.as_str().as_bytes(),
            Self::Other(name) => name,
        }
    }
}

impl From<Header> for HeaderName<'_> {
    fn from(header: Header) -> Self {
        Self::Known(header)
    }
}

impl<'a> From<&'a str> for HeaderName<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_in_compact_form() {
        for (text, header) in [
            ("via", Header::Via),
            ("v", Header::Via),
            ("CALL-id", Header::CallId),
            ("I", Header::CallId),
            ("x", Header::SessionExpires),
            ("cseq", Header::CSeq),
        ] {
            assert_eq!(HeaderName::from(text), HeaderName::Known(header), "{text}");
        }
        assert_eq!(HeaderName::from("X-Odd"), HeaderName::Other(b"X-Odd"));
        assert_eq!(HeaderName::from("z"), HeaderName::Other(b"z"));
    }
}
