use super::*;
use ringdown_routing::queue::Strategy;

fn check(text: &str, variables: &[(&str, &str)], wanted: &[&str]) {
    let variables: Vec<(String, String)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let faults = match Config::parse(Path::new("r.toml"), text, &variables) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(faults, wanted);
}

const SITE: &str = "[site]\nregion = \"TW\"\n";

#[test]
fn the_sample_is_good_and_binds_to_loopback_only() {
    let config = Config::demo();
    for address in config.sip.listen_udp.iter().chain(&config.sip.listen_tcp) {
        assert!(address.ip().is_loopback());
    }
    assert!(config.media.bind.is_loopback());
    assert_eq!(config.number("100").unwrap().queue.as_str(), "helpdesk");
}

#[test]
fn at_the_rig_of_the_load_runs_nobody_has_to_prove_who_they_are() {
    let rig = include_str!("../../fixtures/config/rig.toml");
    let agent =
        "\n[[agent]]\nid = \"a0\"\nqueues = [\"music\"]\ncontact = \"sip:a0@127.0.0.1:15080\"\n";
    let config = Config::parse(Path::new("rig.toml"), &format!("{rig}{agent}"), &[]).unwrap();
    for address in config.sip.listen_udp.iter().chain(&config.sip.listen_tcp) {
        assert!(address.ip().is_loopback());
    }
    assert!(config.web.listen.ip().is_loopback() && config.media.bind.is_loopback());
    for trunk in &config.trunks {
        assert!(trunk.is_source("127.0.0.1".parse().unwrap()) && trunk.trusted_identity);
        assert!(trunk.user.is_none() && trunk.password.is_none());
    }
    assert!(
        config
            .agents
            .iter()
            .all(|agent| agent.sip_password.is_none())
    );
    assert!(config.number("8004").is_some());
}

#[test]
fn a_site_alone_is_a_configuration_on_loopback() {
    let config = Config::parse(Path::new("/etc/r.toml"), SITE, &[]).unwrap();
    assert!(config.web.listen.ip().is_loopback());
    assert!(config.sip.listen_udp[0].ip().is_loopback());
    assert!(config.redis.is_none());
    assert_eq!(
        config.database_url().expose(),
        "sqlite:/etc/ringdown-data/ringdown.sqlite"
    );
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    check(
        r#"
[site]
region = "XX"
time_zone = "Asia/Taipeh"

[sip]
lisen_udp = ["127.0.0.1:5060"]
t1_ms = "fast"

[[number]]
number = "100"
queue = "helpdsk"

[[queue]]
id = "helpdesk"
stratgy = "longest_idle"
strategy = "longest_idel"

[[queue]]
id = "helpdesk"

[[agent]]
name = "nobody"
"#,
        &[],
        &[
            "r.toml:3:10: `XX` is not a region with a known numbering plan, such as `TW`",
            "r.toml:4:13: `Asia/Taipeh` is not a time zone such as `Asia/Taipei` or `UTC`",
            "r.toml:7:1: unknown key `lisen_udp`; did you mean `listen_udp`?",
            "r.toml:8:9: invalid type: string \"fast\", expected u32",
            "r.toml:12:9: there is no queue `helpdsk`; did you mean `helpdesk`?",
            "r.toml:16:1: unknown key `stratgy`; did you mean `strategy`?",
            "r.toml:17:12: unknown value `longest_idel`; did you mean `longest_idle`?",
            "r.toml:20:6: there is another queue `helpdesk` above",
            "r.toml:22:1: the key `id` is missing",
        ],
    );
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let faults = Config::parse(Path::new("r.toml"), "[site]\nregion = \n", &[]).unwrap_err();
    assert!(faults.to_string().starts_with("r.toml:2:1"), "{faults}");
}

#[test]
fn variables_override_keys_and_are_named_when_wrong() {
    let text = format!("{SITE}[[queue]]\nid = \"q\"\n");
    let variables = [
        ("RINGDOWN_SIP__DOMAIN".to_owned(), "desk.example".to_owned()),
        ("RINGDOWN_SIP__T1_MS".to_owned(), "250".to_owned()),
        (
            "RINGDOWN_DATA_DIR".to_owned(),
            "/var/lib/ringdown".to_owned(),
        ),
        ("RINGDOWN_LOG".to_owned(), "debug".to_owned()),
    ];
    let config = Config::parse(Path::new("r.toml"), &text, &variables).unwrap();
    assert_eq!(config.sip.domain, "desk.example");
    assert_eq!(config.sip.t1.as_millis(), 250);
    assert_eq!(config.data_dir, Path::new("/var/lib/ringdown"));
    check(
        &text,
        &[
            ("RINGDOWN_SIP__DOMAN", "x"),
            ("RINGDOWN_SIP__T1_MS", "\"x\""),
            ("RINGDOWN_QUEUE__ID", "x"),
        ],
        &[
            "RINGDOWN_QUEUE__ID: names a list or a single value of the file; only keys of sections \
             can be overridden",
            "RINGDOWN_SIP__DOMAN: unknown key `doman`; did you mean `domain`?",
            "RINGDOWN_SIP__T1_MS: invalid type: string \"x\", expected u32",
        ],
    );
}

#[test]
fn a_secret_comes_from_its_file_or_is_told_missing() {
    let folder = std::env::temp_dir().join(format!("ringdown-secret-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("pw"), "hush\nsecond line\n").unwrap();
    let text = format!("{SITE}[[agent]]\nid = \"a\"\nsip_password = {{ file = \"pw\" }}\n");
    let config = Config::parse(&folder.join("r.toml"), &text, &[]).unwrap();
    let password = config.agents[0].sip_password.as_ref().unwrap();
    assert_eq!(password.expose(), "hush");
    std::fs::remove_dir_all(&folder).unwrap();
    let faults = Config::parse(&folder.join("r.toml"), &text, &[]).unwrap_err();
    assert!(
        faults.to_string().contains(":5:16: the secret file"),
        "{faults}"
    );
}

#[test]
fn listeners_that_clash_and_ports_out_of_range_are_told() {
    check(
        r#"
[site]
region = "TW"
[sip]
listen_udp = ["127.0.0.1:5060", "127.0.0.1:20002"]
listen_tcp = ["127.0.0.1:8080"]
[media]
port_min = 20001
port_max = 20002
"#,
        &[],
        &[
            "r.toml:1:1: tcp 127.0.0.1:8080 is taken by `sip.listen_tcp` already",
            "r.toml:5:33: port 20002 lies in the RTP range of [media]",
            "r.toml:8:12: must be even: RTP has the even port of a pair (RFC 3550 §11)",
        ],
    );
}

#[test]
fn a_way_out_is_one_way_and_leads_somewhere() {
    check(
        r#"
[site]
region = "TW"
[[queue]]
id = "a"
when_full = { queue = "a" }
when_closed = { transfer = "+886212345678" }
when_no_agents = { wait = true, say = "sorry" }
when_waited = { queue = "b", transfer = "1" }
"#,
        &[],
        &[
            "r.toml:6:13: the way out leads back into the same queue",
            "r.toml:7:15: no trunk has `outbound`, so +886212345678 cannot be reached",
            "r.toml:8:18: `wait = true` leaves no room for a way out",
            "r.toml:9:15: a way out is either `transfer` or `queue`, not both",
        ],
    );
}

#[test]
fn an_agents_queues_are_names_or_tables_with_their_precedence() {
    let text = format!(
        r#"{SITE}[[queue]]
id = "a"
strategy = "weighted"
aging_per_s = 0.25
[[queue]]
id = "b"
[[agent]]
id = "anna"
queues = ["a", {{ id = "b", precedence = 2 }}]
weight = 3
"#
    );
    let config = Config::parse(Path::new("r.toml"), &text, &[]).unwrap();
    assert_eq!(config.queues[0].rules(true).aging.thousandths(), 250);
    let profile = config.agents[0].profile();
    let served: Vec<_> = profile
        .queues
        .iter()
        .map(|(id, at)| (id.as_str(), at.0))
        .collect();
    assert_eq!((served, profile.weight), (vec![("a", 1), ("b", 2)], 3));
    check(
        &text
            .replace("0.25", "-1")
            .replace("id = \"b\", pre", "di = \"b\", pre"),
        &[],
        &[
            "r.toml:6:15: is a number of points from 0 to 1000",
            "r.toml:11:16: the key `id` is missing",
            "r.toml:11:18: unknown key `di`; known here: id, precedence",
        ],
    );
}

#[test]
fn hours_name_calendars_and_groups_that_are_there() {
    check(
        r#"
[site]
region = "TW"
[holidays.land]
closed = ["10-10", "2027-13-01"]
[hours.day]
mon = ["09:00-17:00"]
holidays = ["land", "sea"]
[[queue]]
id = "a"
hours = [{ hours = "day", queue = "b" }, { hours = "dya" }]
when_emergency = { say = "fire" }
[[queue]]
id = "b"
hours = [{ hours = "day", queue = "c" }]
[[queue]]
id = "d"
hours = []
"#,
        &[],
        &[
            "r.toml:5:10: `2027-13-01` is not a day such as `2027-02-08`, or `10-10` for every year",
            "r.toml:8:12: there is no holiday calendar `sea`",
            "r.toml:11:9: the queue `b` has groups of its own",
            "r.toml:11:9: there is no opening hours `dya`",
            "r.toml:12:18: `say` is not for `when_emergency`: whoever orders the emergency says what \
             callers hear",
            "r.toml:15:9: there is no queue `c`",
            "r.toml:18:9: a list of groups has at least one",
        ],
    );
}

#[test]
fn an_overflow_leads_to_another_queue_after_a_while() {
    let text = format!(
        r#"{SITE}[[queue]]
id = "a"
active_max = 5
wrap_up_max_s = 90
overflow = [{{ after_s = 60, to = "b" }}, {{ after_s = 0, to = "a" }}]
[[queue]]
id = "b"
[[agent]]
id = "anna"
capacity = {{ voice = 1, chat = 3 }}
capacity_total = 3
while_holding = {{ voice = {{ chat = 0 }} }}
interrupted_by = {{ chat = ["voice"] }}
"#
    );
    check(
        &text,
        &[],
        &[
            "r.toml:7:53: must be above 0",
            "r.toml:7:61: the overflow leads back into the same queue",
        ],
    );
    let text = text.replace(", { after_s = 0, to = \"a\" }", "");
    let config = Config::parse(Path::new("r.toml"), &text, &[]).unwrap();
    let rules = config.queues[0].rules(true);
    assert_eq!(rules.overflow[0].after.as_secs(), 60);
    assert_eq!(
        (rules.active_max, rules.wrap_up_max.as_secs()),
        (Some(5), 90)
    );
    let profile = config.agents[0].profile();
    assert_eq!(
        (profile.capacity_total, profile.while_holding.len()),
        (Some(3), 1)
    );
}

#[test]
fn a_queue_that_rings_all_has_a_bound() {
    let text = format!(
        r#"{SITE}[[queue]]
id = "a"
strategy = "ring_all"
ring_all_max = 65
[[queue]]
id = "b"
ring_all_max = 3
"#
    );
    check(
        &text,
        &[],
        &[
            "r.toml:6:16: must be from 1 to 64",
            "r.toml:9:16: is only for a queue with `strategy = \"ring_all\"`",
        ],
    );
    let text = text.replace("ring_all_max = 65\n", "").replace(
        "ring_all_max = 3",
        "strategy = \"ring_all\"\nring_all_max = 3",
    );
    let config = Config::parse(Path::new("r.toml"), &text, &[]).unwrap();
    let rules: Vec<_> = config
        .queues
        .iter()
        .map(|queue| queue.rules(true))
        .collect();
    let told: Vec<_> = rules
        .iter()
        .map(|rules| (rules.strategy, rules.ring_all_max))
        .collect();
    assert_eq!(told, [(Strategy::RingAll, 16), (Strategy::RingAll, 3)]);
}

#[test]
fn skill_steps_grow_and_name_skills_that_are_there() {
    check(
        r#"
[site]
region = "TW"
[[skill]]
id = "net"
[[number]]
number = "1"
queue = "a"
skills = [{ need = { nett = 1 }, until_s = 30 }, { need = { net = 0 }, until_s = 30 }]
[[queue]]
id = "a"
skills = [{ need = { net = 5 } }, { need = { net = 1 }, until_s = 60 }]
affinity = { within_s = 3600 }
"#,
        &[],
        &[
            "r.toml:9:10: there is no skill `nett`; did you mean `net`?",
            "r.toml:9:10: the level of a skill counts from 1",
            "r.toml:9:10: each step ends later than the one before",
            "r.toml:12:10: nothing follows a step without `until_s`",
            "r.toml:13:12: the key `for_s` is missing",
        ],
    );
}

#[test]
fn not_ready_reasons_are_named_once_and_last_some_time() {
    check(
        r#"
[site]
region = "TW"

[[not_ready_reason]]
id = "lunch"
max_s = 0

[[not_ready_reason]]
id = "lunch"
productiv = true
"#,
        &[],
        &[
            "r.toml:7:9: must be above 0; leave it out for no limit",
            "r.toml:10:6: there is another not_ready_reason `lunch` above",
            "r.toml:11:1: unknown key `productiv`; did you mean `productive`?",
        ],
    );
}

#[test]
fn a_folder_of_mail_is_for_a_mailbox_and_has_one_way_in() {
    let text = format!(
        "{SITE}[[queue]]\nid = \"desk\"\n[[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n\
         [[email.imap]]\nmailbox = \"hlep@desk.example\"\nhost = \"imap.example\"\nuser = \"u\"\ntls = \"none\"\npassword = \"p\"\n\
         [[email.imap]]\nmailbox = \"help@desk.example\"\nhost = \"imap.example\"\nuser = \"u\"\nfolder = \"A\"\nmove_to = \"A\"\n"
    );
    let first = SITE.lines().count() + 1;
    let at = |line: usize, rest: &str| format!("r.toml:{}:{rest}", first + line);
    let wanted = [
        at(
            6,
            "11: there is no mailbox `hlep@desk.example`; did you mean `help@desk.example`?",
        ),
        at(
            9,
            "7: a password is not sent to another machine without TLS",
        ),
        at(
            14,
            "8: one of `password`, `token_file` and `oauth` proves that the account is ours",
        ),
        at(
            16,
            "11: the folder that mails are taken from cannot be where they go",
        ),
    ];
    check(&text, &[], &wanted.each_ref().map(String::as_str));
}

#[test]
fn what_the_sample_shows_in_comments_are_keys_it_could_have() {
    // A comment of words has a space behind its sign.
    let lines = super::DEMO.lines().map(|line| {
        let shown = line.strip_prefix('#');
        shown.filter(|it| !it.starts_with(' ')).unwrap_or(line)
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(text.contains("\ndmarc_reject = ") && text.contains("\n[[email.dkim]]\n"));
    let faults = Config::parse(Path::new("x.toml"), &text, &[]).unwrap_err();
    let faults: Vec<String> = faults.0.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].contains("dkim.pem"),
        "only the file of the key is not there: {faults:?}"
    );
}
