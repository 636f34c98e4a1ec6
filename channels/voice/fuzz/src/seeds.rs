//! Sound inputs of the SIP fixtures, with session descriptions, packets and header values.

use super::mutation::{Seeds, read_files};
use std::path::Path;

/// What sound inputs look like.
pub fn seeds(fixtures: &Path) -> std::io::Result<Seeds> {
    let mut seeds = read_files(&fixtures.join("sip"), "dat")?;
    let bodies: Vec<_> = seeds.iter().filter_map(|seed| body_of(seed)).collect();
    seeds.extend(bodies);
    seeds.extend(TEXTS.iter().map(|text| text.as_bytes().to_vec()));
    seeds.extend(PACKETS.iter().map(|packet| packet.to_vec()));
    Ok(Seeds::new(seeds, &WORDS, INPUT_BYTES_MAX))
}

fn body_of(message: &[u8]) -> Option<Vec<u8>> {
    let end = message.windows(4).position(|part| part == b"\r\n\r\n")?;
    Some(message[end + 4..].to_vec()).filter(|body| !body.is_empty())
}

/// More than the longest message, so that the bound is met.
const INPUT_BYTES_MAX: usize = 80_000;

const WORDS: [&str; 44] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\r\n ",
    ";;",
    ",,",
    "<",
    ">",
    "\"",
    "\\",
    "%00",
    "%",
    "=",
    "sip:",
    "sips:",
    "tel:+",
    "@",
    "[::1]",
    "SIP/2.0",
    "SIP/2.0/UDP ",
    "z9hG4bK",
    ";rport",
    ";received=",
    ";tag=",
    ";lr",
    "Content-Length: ",
    "Call-ID: ",
    "i:",
    "Via: ",
    "Contact: *",
    "Expires: 0",
    "4294967296",
    "-1",
    "99999999999999999999",
    "a=rtpmap:",
    "m=audio 0 RTP/AVP ",
    "a=sendonly\r\n",
    "c=IN IP6 ::1\r\n",
    "Digest ",
    "nc=ffffffff",
    "qop=auth-int",
    "INVITE ",
    "\u{fffd}",
];

const TEXTS: [&str; 8] = [
    "Digest realm=\"desk.example\", nonce=\"00\", algorithm=SHA-256, qop=\"auth,auth-int\", stale=true, opaque=\"x\"",
    "Digest username=\"anna\", realm=\"desk.example\", nonce=\"00\", uri=\"sip:desk.example\", response=\"00\", algorithm=MD5, cnonce=\"c\", nc=00000001, qop=auth",
    "Digest username*=UTF-8''%C3%A4, realm=\"desk.example\", nonce=\"0\\\"0\", uri=\"sip:desk.example\", response=\"00\"",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101 13\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\na=rtcp-mux\r\n",
    "v=0\r\no=- 1 1 IN IP6 2001:db8::7\r\ns=-\r\nt=0 0\r\na=inactive\r\nm=video 0 RTP/AVP 96\r\nm=audio 4000 RTP/SAVPF 0\r\nc=IN IP6 2001:db8::7\r\na=rtcp:4001 IN IP6 2001:db8::8\r\na=rtpmap:0 PCMU/8000/1\r\nm=image 9 udptl t38\r\n",
    "INVITE sip:100@192.0.2.1 SIP/2.0\r\nv: SIP/2.0/TCP h:5061;branch=z9hG4bKa;rport\r\nf: <sip:a@b>;tag=1\r\nt: <sip:100@192.0.2.1>\r\ni: x\r\nCSeq: 1 INVITE\r\nm: <sip:a@h;transport=tcp>\r\nk: 100rel, timer\r\nx: 90;refresher=uac\r\nMax-Forwards: 70\r\nc: application/sdp\r\nl: 0\r\n\r\n",
    "\r\n\r\nREGISTER sip:desk.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb;rport\r\nFrom: <sip:anna@desk.example>;tag=2\r\nTo: <sip:anna@desk.example>\r\nCall-ID: y\r\nCSeq: 2 REGISTER\r\nContact: <sip:anna@10.0.0.1:5062;ob>;expires=60;q=0.5;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\nSupported: outbound, path\r\nPath: <sip:edge.example;lr;ob>\r\nExpires: 120\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKc;received=192.0.2.1\r\nFrom: <sip:a@b>;tag=3\r\nTo: <sip:c@d>;tag=4\r\nCall-ID: z\r\nCSeq: 3 INVITE\r\nRSeq: 1\r\nRequire: 100rel\r\nRecord-Route: <sip:p;lr>\r\nContact: <sip:c@d>\r\nContent-Length: 0\r\n\r\n",
];

/// RTP plain, with telephone event, with contributors, extension and padding; RTCP sender and receiver reports.
const PACKETS: [&[u8]; 5] = [
    &[
        0x80, 0x80, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff,
    ],
    &[0x80, 0xe5, 0, 2, 0, 0, 1, 64, 1, 2, 3, 4, 5, 0x8a, 3, 0x20],
    &[
        0xb1, 0, 0, 3, 0, 0, 1, 224, 1, 2, 3, 4, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 0x10, 7, 0, 0, 1, 2,
        3, 2,
    ],
    &[
        0x81, 200, 0, 12, 1, 2, 3, 4, 0, 0, 0, 9, 0x80, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, 5, 0, 0, 3,
        32, 9, 8, 7, 6, 0x19, 0, 0, 7, 0, 1, 0, 2, 0, 0, 0, 30, 0, 0, 0, 9, 0, 0, 1, 0,
    ],
    &[0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 203, 0, 1, 1, 2, 3, 4],
];
