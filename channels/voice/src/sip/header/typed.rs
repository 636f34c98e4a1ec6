//! Owned header values of the `rsip` crate, for seldom use; folding is joined before it reads them.

use super::scan::unfold;
use rsip::headers::{ToTypedHeader as _, UntypedHeader as _};

/// A URI in parts that live on their own.
pub type Uri = rsip::Uri;
/// The `Contact` header with its parts; `Contact` alone is a customer's contact here.
pub type ContactHeader = rsip::typed::Contact;
/// The `Content-Type` header.
pub type ContentType = rsip::typed::ContentType;

/// Reads a URI.
pub fn uri(text: &[u8]) -> Option<Uri> {
    Uri::try_from(std::str::from_utf8(text).ok()?).ok()
}

/// Reads one value of a `Contact` header.
pub fn contact(value: &[u8]) -> Option<ContactHeader> {
    let text = String::from_utf8(unfold(value).into_owned()).ok()?;
    rsip::headers::Contact::new(text).into_typed().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_comes_with_owned_parts() {
        let contact =
            contact(b"\"Desk 7\"\r\n <sip:7@192.0.2.4:5062;transport=tcp>;expires=60").unwrap();
        assert_eq!(contact.uri.user(), Some("7"));
        assert_eq!(contact.uri.port().map(|port| *port.value()), Some(5062));
        assert!(contact.expires().is_some());
        assert_eq!(uri(b"sip:").map(|uri| uri.to_string()), None);
    }
}
