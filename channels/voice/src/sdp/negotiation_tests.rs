//! Stories of offers and answers.

use super::*;
use proptest::prelude::*;

const HEAD: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";

fn leg() -> Negotiation {
    Negotiation::new("198.51.100.1:4000".parse().unwrap(), 42)
}

fn offered(lines: &str) -> (Negotiation, Result<String, Refusal>) {
    let mut leg = leg();
    let answer = leg.handle_offer(format!("{HEAD}{lines}").as_bytes());
    (leg, answer.map(|answer| text(&answer)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn media_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

fn version(text: &str) -> u64 {
    let (description, faults) = parse(text.as_bytes());
    assert_eq!(faults, [], "our own text is clean: {text}");
    description.origin.unwrap().session_version
}

#[test]
fn the_answer_keeps_the_offers_codec_order_and_numbers() {
    let (leg, answer) = offered(
        "m=audio 5000 RTP/AVP 18 8 97 0\r\na=rtpmap:18 G729/8000\r\na=rtpmap:97 telephone-event/8000\r\n\
         a=fmtp:97 0-16\r\na=ptime:30\r\n",
    );
    let answer = answer.unwrap();
    assert_eq!(media_lines(&answer), ["m=audio 4000 RTP/AVP 8 0 97"]);
    for line in [
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:97 telephone-event/8000",
        "a=ptime:30",
        "a=sendrecv",
        "o=- 42 1 IN IP4 198.51.100.1",
    ] {
        assert!(answer.lines().any(|l| l == line), "{line} in {answer}");
    }
    let remote = leg.remote().unwrap();
    assert_eq!(remote.rtp, "192.0.2.9:5000".parse().unwrap());
    assert_eq!(remote.rtcp, "192.0.2.9:5001".parse().unwrap());
    assert_eq!(remote.codec(), Codec::Pcma);
    assert_eq!(remote.send.telephone_event, Some(97));
    assert_eq!(remote.ptime_ms, 30);
}

#[test]
fn a_dynamic_number_for_g711_is_answered_with_that_number() {
    let (leg, answer) = offered("m=audio 5000 RTP/AVP 96\r\na=rtpmap:96 pcmu/8000/1\r\n");
    assert_eq!(media_lines(&answer.unwrap()), ["m=audio 4000 RTP/AVP 96"]);
    assert_eq!(leg.remote().unwrap().send.pcmu, Some(96));
    assert_eq!(leg.remote().unwrap().send.telephone_event, None);
}

#[test]
fn a_static_number_mapped_to_something_else_is_that_something() {
    let (_, answer) = offered("m=audio 5000 RTP/AVP 0\r\na=rtpmap:0 opus/48000/2\r\n");
    assert_eq!(answer, Err(Refusal::NoCommonCodec));
}

#[test]
fn each_refusal_has_its_status() {
    for (lines, refusal, status) in [
        ("m=audio 5000 RTP/AVP 18\r\n", Refusal::NoCommonCodec, 488),
        ("m=video 5000 RTP/AVP 31\r\n", Refusal::NoAudio, 488),
        ("m=audio 0 RTP/AVP 0\r\n", Refusal::NoAudio, 488),
        ("", Refusal::NoAudio, 488),
        (
            "m=audio 5000 RTP/SAVP 0\r\n",
            Refusal::TransportUnusable,
            488,
        ),
        (
            "m=audio 5000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n",
            Refusal::AddressUnusable,
            488,
        ),
        (
            "m=audio 5000 RTP/AVP 0\r\nc=IN IP4 pbx.example\r\n",
            Refusal::AddressUnusable,
            488,
        ),
        (
            "m=audio 5000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n",
            Refusal::AddressUnusable,
            488,
        ),
    ] {
        let (leg, answer) = offered(lines);
        assert_eq!(answer, Err(refusal), "{lines}");
        assert_eq!(refusal.status(), status);
        assert_eq!(leg.remote(), None);
    }
    assert_eq!(leg().handle_offer(b"hello"), Err(Refusal::Malformed));
    assert_eq!(leg().handle_offer(&[b' '; 40_000]), Err(Refusal::TooLarge));
}

#[test]
fn refused_streams_keep_their_places() {
    let (mut leg, answer) = offered(
        "m=video 6000 RTP/AVP 31 32\r\nm=audio 5000 RTP/SAVP 0\r\nm=audio 5002 RTP/AVP 0\r\nm=image 7000 udptl t38\r\n",
    );
    let ours = [
        "m=video 0 RTP/AVP 31",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 4000 RTP/AVP 0",
        "m=image 0 udptl t38",
    ];
    assert_eq!(media_lines(&answer.unwrap()), ours);
    let again = text(&leg.make_offer());
    assert_eq!(
        media_lines(&again).len(),
        4,
        "an offer never drops a line: {again}"
    );
    assert_eq!(media_lines(&again)[2], "m=audio 4000 RTP/AVP 0 8");
}

#[test]
fn hold_by_the_peer_is_answered_in_its_three_forms() {
    for (lines, ours) in [
        (
            "m=audio 5000 RTP/AVP 0\r\na=sendonly\r\n",
            Direction::RecvOnly,
        ),
        (
            "m=audio 5000 RTP/AVP 0\r\na=inactive\r\n",
            Direction::Inactive,
        ),
        (
            "m=audio 5000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n",
            Direction::RecvOnly,
        ),
        (
            "a=recvonly\r\nm=audio 5000 RTP/AVP 0\r\n",
            Direction::SendOnly,
        ),
    ] {
        let (leg, answer) = offered(lines);
        let attribute = format!("a={}", ours.name());
        assert!(
            answer.unwrap().lines().any(|line| line == attribute),
            "{lines}"
        );
        assert_eq!(leg.remote().unwrap().direction, ours);
    }
}

#[test]
fn the_version_grows_by_one_with_every_change_and_only_then() {
    let offer = format!("{HEAD}m=audio 5000 RTP/AVP 0\r\n");
    let mut leg = leg();
    assert_eq!(
        version(&text(&leg.handle_offer(offer.as_bytes()).unwrap())),
        1
    );
    assert_eq!(
        version(&text(&leg.handle_offer(offer.as_bytes()).unwrap())),
        1
    );
    assert_eq!(version(&text(&leg.current().unwrap())), 1);
    let held = format!("{HEAD}m=audio 5000 RTP/AVP 0\r\na=sendonly\r\n");
    assert_eq!(
        version(&text(&leg.handle_offer(held.as_bytes()).unwrap())),
        2
    );
    assert_eq!(
        version(&text(&leg.handle_offer(offer.as_bytes()).unwrap())),
        3
    );
}

#[test]
fn an_offer_of_ours_is_answered_early_or_late() {
    let mut leg = leg();
    leg.prefer(Codec::Pcma);
    let offer = text(&leg.make_offer());
    assert_eq!(media_lines(&offer), ["m=audio 4000 RTP/AVP 8 0 101"]);
    assert_eq!(text(&leg.make_offer()), offer, "made again, it is the same");
    let answer = format!(
        "{HEAD}m=audio 5000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=rtcp:6001\r\n"
    );
    assert_eq!(leg.handle_offer(answer.as_bytes()), Err(Refusal::Glare));
    leg.handle_answer(answer.as_bytes()).unwrap();
    let remote = leg.remote().unwrap();
    assert_eq!(remote.rtcp, "192.0.2.9:6001".parse().unwrap());
    assert_eq!(remote.codec(), Codec::Pcma);
    assert_eq!(
        remote.send.telephone_event,
        Some(96),
        "theirs on what we send"
    );
    assert_eq!(
        remote.receive.telephone_event,
        Some(101),
        "ours on what they send"
    );
    assert_eq!(
        leg.handle_answer(answer.as_bytes()),
        Err(Refusal::Unexpected)
    );
}

#[test]
fn audio_flows_by_a_preview_and_the_answer_counts() {
    let mut leg = leg();
    leg.make_offer();
    let preview = format!("{HEAD}m=audio 5000 RTP/AVP 8\r\n");
    leg.handle_preview(preview.as_bytes()).unwrap();
    assert_eq!(leg.remote().unwrap().rtp.port(), 5000);
    assert!(leg.is_offering());
    let nonsense = format!("{HEAD}m=audio 0 RTP/AVP 8\r\n");
    assert_eq!(
        leg.handle_preview(nonsense.as_bytes()),
        Err(Refusal::NoAudio)
    );
    let answer = format!("{HEAD}m=audio 6000 RTP/AVP 0\r\n");
    leg.handle_answer(answer.as_bytes()).unwrap();
    let remote = leg.remote().unwrap();
    assert_eq!((remote.rtp.port(), remote.codec()), (6000, Codec::Pcmu));
    assert_eq!(
        leg.handle_preview(answer.as_bytes()),
        Err(Refusal::Unexpected)
    );
}

#[test]
fn a_refused_audio_line_in_the_answer_is_no_audio() {
    let mut leg = leg();
    leg.make_offer();
    let answer = format!("{HEAD}m=audio 0 RTP/AVP 0\r\n");
    assert_eq!(leg.handle_answer(answer.as_bytes()), Err(Refusal::NoAudio));
    assert_eq!(leg.remote(), None);
}

#[test]
fn an_answer_with_a_codec_we_did_not_offer_is_refused() {
    let mut leg = leg();
    leg.make_offer();
    let answer = format!("{HEAD}m=audio 5000 RTP/AVP 18\r\n");
    assert_eq!(
        leg.handle_answer(answer.as_bytes()),
        Err(Refusal::NoCommonCodec)
    );
}

#[test]
fn we_hold_and_resume_and_a_refused_hold_changes_nothing() {
    let (mut leg, _) = offered("m=audio 5000 RTP/AVP 0\r\n");
    leg.set_direction(Direction::SendOnly);
    let hold = text(&leg.make_offer());
    assert!(hold.ends_with("a=sendonly\r\n"), "{hold}");
    assert_eq!(version(&hold), 2);
    leg.withdraw_offer();
    assert_eq!(leg.remote().unwrap().direction, Direction::SendRecv);
    leg.make_offer();
    let answer = format!("{HEAD}m=audio 5000 RTP/AVP 0\r\na=recvonly\r\n");
    leg.handle_answer(answer.as_bytes()).unwrap();
    assert_eq!(leg.remote().unwrap().direction, Direction::SendOnly);
    leg.set_direction(Direction::SendRecv);
    assert!(text(&leg.make_offer()).ends_with("a=sendrecv\r\n"));
    let answer = format!("{HEAD}m=audio 5000 RTP/AVP 0\r\n");
    leg.handle_answer(answer.as_bytes()).unwrap();
    assert_eq!(leg.remote().unwrap().direction, Direction::SendRecv);
}

#[test]
fn our_hold_stands_when_the_peer_offers_meanwhile() {
    let (mut leg, _) = offered("m=audio 5000 RTP/AVP 0\r\n");
    leg.set_direction(Direction::SendOnly);
    leg.handle_offer(format!("{HEAD}m=audio 5000 RTP/AVP 0\r\n").as_bytes())
        .unwrap();
    assert_eq!(leg.remote().unwrap().direction, Direction::SendOnly);
}

#[test]
fn rtcp_mux_is_taken_when_offered() {
    let (leg, answer) = offered("m=audio 5000 RTP/AVPF 0\r\na=rtcp-mux\r\na=rtcp:9\r\n");
    let answer = answer.unwrap();
    assert!(answer.contains("a=rtcp-mux\r\n") && answer.contains(" RTP/AVPF 0\r\n"));
    let remote = leg.remote().unwrap();
    assert!(remote.has_rtcp_mux);
    assert_eq!(remote.rtcp, remote.rtp);
}

#[test]
fn reports_never_go_to_a_third_host() {
    let (leg, _) = offered("m=audio 5000 RTP/AVP 0\r\na=rtcp:53 IN IP4 203.0.113.7\r\n");
    assert_eq!(leg.remote().unwrap().rtcp, "192.0.2.9:53".parse().unwrap());
}

#[test]
fn ending_the_audio_of_a_settled_call_is_answered_and_it_can_come_back() {
    let (mut leg, _) = offered("m=audio 5000 RTP/AVP 0\r\n");
    let answer = leg
        .handle_offer(format!("{HEAD}m=audio 0 RTP/AVP 0\r\n").as_bytes())
        .unwrap();
    assert_eq!(media_lines(&text(&answer)), ["m=audio 0 RTP/AVP 0"]);
    assert_eq!(leg.remote(), None);
    leg.handle_offer(format!("{HEAD}m=audio 5000 RTP/AVP 0\r\n").as_bytes())
        .unwrap();
    assert!(leg.remote().is_some());
}

#[test]
fn ipv6_is_spoken_to_ipv6() {
    let mut leg = Negotiation::new("[2001:db8::1]:4000".parse().unwrap(), 1);
    let offer = "v=0\r\no=- 1 1 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";
    let answer = text(&leg.handle_offer(offer.as_bytes()).unwrap());
    assert!(answer.contains("c=IN IP6 2001:db8::1\r\n"), "{answer}");
    assert_eq!(
        leg.remote().unwrap().rtp,
        "[2001:db8::9]:5000".parse().unwrap()
    );
}

#[test]
fn a_leg_stays_small() {
    assert!(
        size_of::<Negotiation>() < 500,
        "{}",
        size_of::<Negotiation>()
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse(&bytes);
        let mut leg = leg();
        let _ = leg.handle_offer(&bytes);
        leg.make_offer();
        let _ = leg.handle_answer(&bytes);
    }

    #[test]
    fn an_answer_has_as_many_streams_as_the_offer(
        lines in prop::collection::vec("m=(audio|video|x) [0-9]{1,5} (RTP/AVP|RTP/SAVP|y) (0|8|18|97|t38)( 0)?\r\n(a=(sendonly|inactive|rtcp-mux|rtpmap:97 PCMA/8000)\r\n)?", 0..8)
    ) {
        let offer = format!("{HEAD}{}", lines.concat());
        let mut leg = leg();
        if let Ok(answer) = leg.handle_offer(offer.as_bytes()) {
            let answer = text(&answer);
            version(&answer);
            prop_assert_eq!(media_lines(&answer).len(), lines.len());
            let again = text(&leg.make_offer());
            prop_assert!(media_lines(&again).len() >= lines.len());
        }
    }
}
