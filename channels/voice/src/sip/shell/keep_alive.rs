//! Keep-alives on datagrams: what they are, and the answer to those that want one.

use std::net::{IpAddr, SocketAddr};

/// What a datagram is to the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Datagram {
    /// Something for a shard.
    Message,
    /// Keeps a NAT's mapping; wants no answer.
    Silence,
    /// Keeps a NAT's mapping and wants this answer.
    Answer(Vec<u8>),
}

/// Tells keep-alives from messages.
///
/// Phones send CR LF, a space or zero bytes (RFC 5626 knows them on streams only), and with
/// `outbound` STUN binding requests (RFC 5626 §3.5.2), answered with the address they came from.
pub(super) fn classify(bytes: &[u8], source: SocketAddr) -> Datagram {
    if bytes.len() <= BLANK_BYTES_MAX && bytes.iter().all(|byte| b"\r\n\t \0".contains(byte)) {
        return Datagram::Silence;
    }
    // RFC 8489 §5: the first two bits of STUN are zero and the cookie follows; no SIP message begins
    // with a control character, but for empty lines.
    let is_text = bytes.first().is_none_or(|first| *first >= 0x20) || bytes.starts_with(b"\r\n");
    if is_text {
        return Datagram::Message;
    }
    match bytes {
        [0, 1, high, low, 0x21, 0x12, 0xa4, 0x42, rest @ ..]
            if rest.len() == 12 + usize::from(u16::from_be_bytes([*high, *low])) =>
        {
            let mut transaction = [0; 12];
            transaction.copy_from_slice(&rest[..12]);
            Datagram::Answer(binding_response(transaction, source))
        }
        _ => Datagram::Silence,
    }
}

/// RFC 8489 §14.2: a binding success with XOR-MAPPED-ADDRESS.
fn binding_response(transaction: [u8; 12], source: SocketAddr) -> Vec<u8> {
    let mut key = COOKIE.to_vec();
    key.extend_from_slice(&transaction);
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let port = source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let value_bytes = u16::try_from(4 + address.len()).unwrap_or(0);
    let mut response = vec![0x01, 0x01];
    response.extend_from_slice(&(4 + value_bytes).to_be_bytes());
    response.extend_from_slice(&key);
    response.extend_from_slice(&XOR_MAPPED_ADDRESS.to_be_bytes());
    response.extend_from_slice(&value_bytes.to_be_bytes());
    response.extend_from_slice(&[0, family]);
    response.extend_from_slice(&port.to_be_bytes());
    response.extend(address.iter().zip(&key).map(|(byte, key)| byte ^ key));
    response
}

/// RFC 8489 §5.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// RFC 8489 §18.3.1.
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Longer blanks are no keep-alive but somebody's mistake; the parser says so.
const BLANK_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Datagram) {
        let source = "192.0.2.1:32853".parse().unwrap();
        assert_eq!(classify(bytes, source), expected, "{bytes:?}");
    }

    #[test]
    fn blanks_and_stun_lookalikes_reach_no_shard() {
        for blank in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b" ", b"\0"] {
            check(blank, Datagram::Silence);
        }
        check(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], Datagram::Silence);
        check(
            &[1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3],
            Datagram::Silence,
        );
        check(b"OPTIONS", Datagram::Message);
        check(b"\r\nOPTIONS", Datagram::Message);
        check(&[0xff, 0xfe], Datagram::Message);
    }

    /// The answer of RFC 5769 §2.2 names 192.0.2.1:32853 under this transaction id.
    #[test]
    fn stun_binding_request_is_told_where_it_came_from() {
        let transaction = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend_from_slice(&transaction);
        let mut expected = vec![1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        expected.extend_from_slice(&transaction);
        expected.extend_from_slice(&[0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        check(&request, Datagram::Answer(expected));
    }
}
