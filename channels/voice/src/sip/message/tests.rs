//! Framing, told as stories.

use super::{Builder, Fault, HEADERS_MAX, MESSAGE_BYTES_MAX, Malformed, Message, Method};
use crate::sip::header::{Header, HeaderName};
use bytes::Bytes;
use proptest::prelude::*;

const SOUND: &str = "INVITE sip:42@192.0.2.1 SIP/2.0\r\n\
v: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa, SIP/2.0/TCP 192.0.2.8;branch=z9hG4bKb\r\n\
f: \"A, B\" <sip:a@b>;tag=1\r\nTO :\r\n <sip:42@192.0.2.1>\r\ni: c1\r\nCSeq: 0009\r\n  INVITE\r\n\
X-Odd: \u{e9}\r\nContact: <sip:a@192.0.2.9>\r\n";

fn parse(text: impl Into<Vec<u8>>) -> Result<Message, Box<Malformed>> {
    Message::parse_datagram(Bytes::from(text.into()))
}

fn check_fault(text: String, fault: Fault, status: Option<u16>) {
    let malformed = parse(text.clone()).unwrap_err();
    assert_eq!(
        (malformed.fault(), malformed.status()),
        (fault, status),
        "{text}"
    );
}

#[test]
fn a_datagram_without_content_length_is_body_to_its_end() {
    let message = parse(format!("\r\n\r\n{SOUND}\r\nv=0\r\n")).unwrap();
    assert_eq!(message.body().as_ref(), b"v=0\r\n");
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(message.request_uri(), Some(b"sip:42@192.0.2.1".as_slice()));
    assert_eq!(message.sequence(), 9);
    assert_eq!(message.headers(Header::Via).count(), 2);
    assert_eq!(
        message.top_via().unwrap().branch(),
        Some(b"z9hG4bKa".as_slice())
    );
    assert_eq!(message.from().unwrap().tag(), Some(b"1".as_slice()));
    assert_eq!(message.to().unwrap().uri_bytes(), b"sip:42@192.0.2.1");
    assert_eq!(message.call_id(), b"c1");
    assert_eq!(message.header("x-odd"), Some("\u{e9}".as_bytes()));
    assert!(
        message
            .all_headers()
            .any(|(name, _)| name == HeaderName::Other(b"X-Odd"))
    );
}

#[test]
fn content_length_cuts_the_body_and_never_stretches_it() {
    let message = parse(format!("{SOUND}l: 3\r\n\r\nabcdef")).unwrap();
    assert_eq!(message.body().as_ref(), b"abc");
    check_fault(
        format!("{SOUND}l: 7\r\n\r\nabcdef"),
        Fault::ContentLength,
        Some(400),
    );
    check_fault(
        format!("{SOUND}l: -1\r\n\r\nabcdef"),
        Fault::ContentLength,
        Some(400),
    );
    check_fault(
        format!("{SOUND}l: 3\r\nl: 3\r\n\r\nabcdef"),
        Fault::Repeated(Header::ContentLength),
        Some(400),
    );
}

#[test]
fn bytes_that_are_not_utf8_and_unknown_methods_are_kept() {
    let mut text = SOUND.replace("INVITE", "RE%47IST%45R").into_bytes();
    text.extend_from_slice(b"Subject: \xff\xfe\x00!\r\n\r\n");
    let message = parse(text).unwrap();
    assert_eq!(
        (message.method(), message.method_text()),
        (Method::Other, b"RE%47IST%45R".as_slice())
    );
    assert_eq!(
        message.header(Header::Subject),
        Some(b"\xff\xfe\x00!".as_slice())
    );
}

#[test]
fn faults_of_the_start_line_get_their_status() {
    let check = |from: &str, to: &str, fault, status| {
        check_fault(format!("{}\r\n", SOUND.replace(from, to)), fault, status)
    };
    check("SIP/2.0\r\nv", "SIP/7.0\r\nv", Fault::Version, Some(505));
    check(
        "SIP/2.0\r\nv",
        "SIP/2.0  \r\nv",
        Fault::StartLine,
        Some(400),
    );
    check("INVITE sip", "INVITE  sip", Fault::RequestUri, Some(400));
    check(
        "sip:42@192.0.2.1 SIP",
        "<sip:42@192.0.2.1> SIP",
        Fault::RequestUri,
        Some(400),
    );
    check(
        "sip:42@192.0.2.1 SIP",
        "sip:42@192.0.2.1; lr SIP",
        Fault::RequestUri,
        Some(400),
    );
    check(
        "sip:42@192.0.2.1 SIP",
        "sip:42@192.0.2.1?Route=%3C SIP",
        Fault::RequestUri,
        Some(400),
    );
    check(
        "INVITE sip:42@192.0.2.1 SIP/2.0",
        "hello",
        Fault::StartLine,
        None,
    );
    check(
        "INVITE sip",
        "OPTIONS sip",
        Fault::MethodMismatch,
        Some(400),
    );
    check("INVITE sip", "ACK sip", Fault::MethodMismatch, None);
}

#[test]
fn faults_of_the_headers_are_answered_with_what_could_be_read() {
    let check = |from: &str, to: &str, fault| {
        check_fault(format!("{}\r\n", SOUND.replace(from, to)), fault, Some(400))
    };
    check("i: c1\r\n", "", Fault::Missing(Header::CallId));
    check(
        "i: c1\r\n",
        "i: c1\r\ni: c2\r\n",
        Fault::Repeated(Header::CallId),
    );
    check("\"A, B\"", "\"A, B", Fault::Value(Header::From));
    check("0009", "36893488147419103232", Fault::Value(Header::CSeq));
    check("X-Odd: ", "X-Odd\r\n", Fault::HeaderLine);
    check("X-Odd: ", "X-Odd: a\rContact: b", Fault::HeaderLine);
    check(
        "v: SIP/2.0/UDP 192.0.2.9",
        "v: SIP/2.0/UDP",
        Fault::Value(Header::Via),
    );
    let malformed = parse(format!("{}l: 9\r\n\r\n", SOUND)).unwrap_err();
    let answer = parse(
        malformed
            .answer("192.0.2.77:99".parse().unwrap(), "t")
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        (answer.status(), answer.reason().as_ref()),
        (Some(400), "Bad Content-Length")
    );
    assert_eq!(answer.to().unwrap().tag(), Some(b"t".as_slice()));
    assert_eq!(answer.headers(Header::Via).count(), 2);
    let via = answer.top_via().unwrap();
    assert_eq!(
        (via.branch(), via.params.value("received")),
        (Some(b"z9hG4bKa".as_slice()), Some(b"192.0.2.77".as_slice()))
    );
}

#[test]
fn size_and_number_of_headers_are_bounded() {
    let many = "X: y\r\n".repeat(HEADERS_MAX);
    check_fault(
        format!("{SOUND}{many}\r\n"),
        Fault::TooManyHeaders,
        Some(400),
    );
    let long = "z".repeat(MESSAGE_BYTES_MAX);
    check_fault(format!("{SOUND}\r\n{long}"), Fault::TooLong, Some(513));
    assert_eq!(parse("\r\n\r\n").unwrap_err().fault(), Fault::KeepAlive);
}

#[test]
fn status_lines_may_lack_a_reason_and_hold_any_bytes() {
    let response = |line: &str| {
        parse(format!(
            "{line}\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 2 INVITE\r\n\r\n"
        ))
    };
    let message = response("SIP/2.0 183 = 2**3 * 61 невероятно").unwrap();
    assert_eq!(
        (
            message.status(),
            message.reason().as_ref(),
            message.method()
        ),
        (Some(183), "= 2**3 * 61 невероятно", Method::Invite)
    );
    assert_eq!(response("SIP/2.0 100 ").unwrap().reason(), "");
    assert_eq!(
        response("SIP/2.0 4294967301 better").unwrap_err().status(),
        None
    );
}

#[test]
fn responses_tell_a_natted_phone_its_address_and_port() {
    let text = SOUND.replace(
        "192.0.2.9;branch",
        "192.0.2.9:7;rport;received=[::1];x=y;branch",
    );
    let request = parse(format!("{text}\r\n")).unwrap();
    let remote = "192.0.2.9:4000".parse().unwrap();
    let response = parse(Builder::response_to(&request, remote, 200, "OK", None).finish()).unwrap();
    let expected = b"SIP/2.0/UDP 192.0.2.9:7;x=y;branch=z9hG4bKa;received=192.0.2.9;rport=4000, SIP/2.0/TCP 192.0.2.8;branch=z9hG4bKb";
    assert_eq!(response.header(Header::Via), Some(expected.as_slice()));
}

#[test]
fn a_value_never_ends_its_line() {
    let mut builder = Builder::request(Method::Options, b"sip:a@b\r\nEvil: 1");
    builder.header(Header::Subject, "a\r\nVia: b\n\u{7f}c");
    let text = builder.finish();
    assert_eq!(
        text.as_ref(),
        b"OPTIONS sip:a@b  Evil: 1 SIP/2.0\r\nSubject: a  Via: b  c\r\nContent-Length: 0\r\n\r\n"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(noise.clone());
        let _ = super::frame_stream(&noise);
        let _ = super::call_id_of(&noise);
    }

    #[test]
    fn no_mutation_of_a_sound_message_makes_its_readers_panic(places in proptest::collection::vec((0_usize..360, any::<u8>()), 1..6)) {
        let mut text = format!("{SOUND}l: 3\r\n\r\nabc").into_bytes();
        for (place, byte) in places {
            let place = place % text.len();
            text[place] = byte;
        }
        let message = match parse(text) {
            Ok(message) => Some(message),
            Err(malformed) => { let _ = malformed.answer("192.0.2.77:99".parse().unwrap(), "t"); malformed.salvaged().cloned() }
        };
        if let Some(message) = message {
            let _ = (message.top_via(), message.from().map(|from| (from.uri(), from.display_text().into_owned())), message.contact(), message.cseq(), message.body());
            let _ = message.all_headers().count();
        }
    }
}
