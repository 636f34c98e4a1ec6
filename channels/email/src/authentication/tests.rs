use super::results::{of_sealer, of_site};
use super::*;
use crate::reading::{mail::Limits, read};
use bytes::Bytes;

fn of_fields(fields: &str) -> Verdict {
    let raw = format!("{fields}From: Anna <anna@example.org>\r\n\r\nx\r\n");
    let mail = read(&Bytes::from(raw), &Limits::default());
    judge(of_site(&mail, "mx.desk.example"), None, 1)
}

fn check(fields: &str, wanted: Authentication) {
    let told = of_fields(fields);
    assert_eq!(told.judgement, wanted, "{fields}: {told:?}");
}

fn field(results: &str) -> String {
    format!("Authentication-Results: mx.desk.example; {results}\r\n")
}

#[test]
fn the_sites_own_server_confirms_a_sender() {
    use Authentication::{Failed, Passed, Unknown};
    check(&field("dmarc=pass header.from=example.org"), Passed);
    check(&field("dkim=pass header.d=example.org"), Passed);
    let second = "dkim=fail header.d=example.org; dkim=pass header.d=mail.example.org";
    check(&field(second), Passed);
    check(&field("spf=pass smtp.mailfrom=anna@example.org"), Passed);
    let other = "spf=pass smtp.mailfrom=news@sender.example; dmarc=none";
    check(&field(other), Unknown);
    check(&field("dkim=pass header.d=evilexample.org"), Unknown);
    check(&field("dkim=pass header.d=org"), Unknown);
    check(&field("dkim=pass header.d=example.org; dmarc=fail"), Failed);
    let late = "dkim=pass header.d=example.org; dmarc=temperror";
    check(&field(late), Unknown);
    check(&field("none"), Unknown);
    check("", Unknown);
}

#[test]
fn a_strangers_word_confirms_nobody() {
    let elsewhere = "Authentication-Results: mx.elsewhere.example; dmarc=pass\r\n";
    check(elsewhere, Authentication::Unknown);
    let alike = "Authentication-Results: mx.desk.example.evil; dmarc=pass\r\n";
    check(alike, Authentication::Unknown);
    // The first field of that name is the server's; one below came with the mail.
    let below = format!("{}{}", field("dmarc=fail"), field("dmarc=pass"));
    check(&below, Authentication::Failed);
}

#[test]
fn what_the_sender_wrote_into_comments_and_quotes_is_not_read() {
    check(
        &field(
            "spf=fail (no; dkim=pass header.d=example.org; \\) dmarc=pass) smtp.mailfrom=a@b.example",
        ),
        Authentication::Unknown,
    );
    check(
        &field("spf=fail smtp.mailfrom=\"x; dmarc=pass\"@b.example"),
        Authentication::Unknown,
    );
    check(
        &field("dmarc=pass (p=reject (really)) header.from=example.org"),
        Authentication::Passed,
    );
    check(
        &field("spf=fail (never closed; dmarc=pass"),
        Authentication::Unknown,
    );
}

fn finding(method: Method, outcome: Outcome, is_aligned: bool) -> Finding {
    Finding {
        method,
        outcome,
        domain: Some("example.org".to_owned()),
        is_aligned,
        by: Witness::Ours,
        reason: "because".to_owned(),
    }
}

#[test]
fn only_a_trusted_sealer_overrules_a_failure() {
    let failed = finding(Method::Dmarc, Outcome::Fail, true);
    let chain = finding(Method::Arc, Outcome::Pass, false);
    let told = judge(vec![failed.clone(), chain.clone()], Some(Policy::Reject), 1);
    assert_eq!(told.judgement, Authentication::Failed);
    assert_eq!(told.policy, Some(Policy::Reject));
    let sealed = Finding {
        by: Witness::Sealer("list.example".to_owned()),
        ..chain
    };
    let told = judge(vec![failed, sealed], Some(Policy::Reject), 1);
    assert_eq!(
        (told.judgement, told.policy),
        (Authentication::Passed, None)
    );
}

#[test]
fn two_authors_or_none_are_not_confirmed() {
    for authors in [0, 2] {
        let told = judge(
            vec![finding(Method::Dmarc, Outcome::Pass, true)],
            None,
            authors,
        );
        assert_eq!(told.judgement, Authentication::Unknown);
    }
}

#[test]
fn a_sealers_word_on_the_chain_says_nothing_of_the_author() {
    let said = of_sealer(
        " i=2; mx.forward.example; arc=pass; dkim=fail header.d=example.org; dmarc=fail header.from=example.org",
        "example.org",
        "forward.example",
    );
    assert_eq!(judge(said, None, 1).judgement, Authentication::Failed);
    let said = of_sealer(
        " i=2; mx.forward.example; arc=pass",
        "example.org",
        "forward.example",
    );
    assert_eq!(judge(said, None, 1).judgement, Authentication::Unknown);
}

#[test]
fn a_sealers_results_stand_behind_its_instance() {
    let told = of_sealer(
        " i=2; mx.list.example; dkim=pass header.d=example.org; dmarc=pass header.from=example.org",
        "example.org",
        "list.example",
    );
    let methods: Vec<_> = told.iter().map(|it| (it.method, it.outcome)).collect();
    let wanted = [
        (Method::Dkim, Outcome::Pass),
        (Method::Dmarc, Outcome::Pass),
    ];
    assert_eq!(methods, wanted);
    assert!(told.iter().all(|it| it.is_aligned));
}
