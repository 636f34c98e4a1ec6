//! What a configuration must be beyond the shape of its values.

use super::check_reports::{check_costs, check_reports};
use super::source::Step::{Index, Key};
use super::source::{Source, Step, nearest};
use super::{Config, Mailbox, NoAgents, Queue, QueueHours, Rights, SkillStep, Then, WayOut};
use ringdown_email::imap::shell::Tls;
use ringdown_routing::contact::Channel;
use ringdown_routing::queue::{RING_ALL_MAX_MOST, Strategy};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Notes every fault of meaning.
pub(super) fn check(config: &Config, source: &mut Source<'_>) {
    let queues = source.texts("queue", "id");
    let skills = source.texts("skill", "id");
    check_sip(config, source);
    check_media(config, source);
    check_listeners(config, source);
    check_duplicates(config, source);
    check_trunks(config, source);
    for (place, number) in config.numbers.iter().enumerate() {
        let path = [Key("number"), Index(place), Key("queue")];
        check_known(source, &path, "queue", number.queue.as_str(), &queues);
        let path = [Key("number"), Index(place), Key("skills")];
        check_steps(source, &path, &number.skills, &skills);
    }
    for (place, queue) in config.queues.iter().enumerate() {
        check_queue(config, source, place, queue, &queues);
        let path = [Key("queue"), Index(place), Key("skills")];
        check_steps(source, &path, &queue.skills, &skills);
    }
    for (place, agent) in config.agents.iter().enumerate() {
        for queue in agent.queues.keys() {
            let path = [Key("agent"), Index(place), Key("queues")];
            check_known(source, &path, "queue", queue.as_str(), &queues);
        }
        for (skill, level) in &agent.skills {
            let path = [
                Key("agent"),
                Index(place),
                Key("skills"),
                Key(skill.as_str()),
            ];
            check_known(source, &path, "skill", skill.as_str(), &skills);
            if *level == 0 {
                source.note_at(&path, "the level of a skill counts from 1");
            }
        }
        if let Some(contact) = &agent.contact {
            check_sip_uri(
                source,
                &[Key("agent"), Index(place), Key("contact")],
                contact,
            );
        }
    }
    check_not_ready_reasons(config, source);
    check_calendars(config, source);
    check_mail(config, source, &queues);
    check_reports(config, source, &queues);
    check_costs(config, source);
    check_tickets(config, source);
    check_services(config, source);
}

fn check_sip(config: &Config, source: &mut Source<'_>) {
    let sip = &config.sip;
    if sip.listen_udp.is_empty() && sip.listen_tcp.is_empty() {
        source.note_at(&[Key("sip")], "there is no address to listen on");
    }
    if sip.domain.is_empty() {
        source.note_at(&[Key("sip"), Key("domain")], "the domain is empty");
    }
    if sip.t1.is_zero() || sip.t2 < sip.t1 {
        source.note_at(
            &[Key("sip"), Key("t1_ms")],
            "T1 must be above 0 and not above T2 (RFC 3261 §17.1.2.2)",
        );
    }
    if sip.session_expires_min.as_secs() < 90 {
        source.note_at(
            &[Key("sip"), Key("session_expires_min_s")],
            "must be at least 90 (RFC 4028 §5)",
        );
    }
    if sip.session_expires < sip.session_expires_min {
        source.note_at(
            &[Key("sip"), Key("session_expires_s")],
            "must not be below `session_expires_min_s`",
        );
    }
    if sip.registration_max < sip.registration_min || sip.registration_min.is_zero() {
        source.note_at(
            &[Key("sip"), Key("registration_max_s")],
            "must not be below `registration_min_s`, which must be above 0",
        );
    }
    if sip.shards == Some(0) {
        source.note_at(&[Key("sip"), Key("shards")], "must be at least 1");
    }
}

fn check_media(config: &Config, source: &mut Source<'_>) {
    let media = &config.media;
    if media.port_min < 1_024 || media.port_max <= media.port_min {
        source.note_at(
            &[Key("media"), Key("port_min")],
            format!(
                "the ports {} to {} are not a range above 1023",
                media.port_min, media.port_max
            ),
        );
    }
    if !media.port_min.is_multiple_of(2) {
        source.note_at(
            &[Key("media"), Key("port_min")],
            "must be even: RTP has the even port of a pair (RFC 3550 §11)",
        );
    }
    if media.threads == 0 {
        source.note_at(&[Key("media"), Key("threads")], "must be at least 1");
    }
    for (key, folder) in [("prompts", &media.prompts), ("music", &media.music)] {
        if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
            let sentence = format!("there is no folder {}", folder.display());
            source.note_at(&[Key("media"), Key(key)], sentence);
        }
    }
}

/// Two sockets of one kind cannot have one address, and SIP must stay out of the RTP range.
fn check_listeners(config: &Config, source: &mut Source<'_>) {
    let mut taken: BTreeMap<(&str, SocketAddr), String> = BTreeMap::new();
    let sip = &config.sip;
    let mail = [
        ("listen", config.email.listen),
        ("lmtp_listen", config.email.lmtp_listen),
    ];
    let udp = sip.listen_udp.iter().enumerate();
    let tcp = sip.listen_tcp.iter().enumerate();
    let listeners = udp
        .map(|(place, at)| {
            (
                "udp",
                *at,
                vec![Key("sip"), Key("listen_udp"), Index(place)],
            )
        })
        .chain(tcp.map(|(place, at)| {
            (
                "tcp",
                *at,
                vec![Key("sip"), Key("listen_tcp"), Index(place)],
            )
        }))
        .chain(
            mail.into_iter()
                .filter_map(|(key, at)| Some(("tcp", at?, vec![Key("email"), Key(key)]))),
        )
        .chain([
            ("tcp", config.web.listen, vec![Key("web"), Key("listen")]),
            (
                "tcp",
                config.web.operations_listen,
                vec![Key("web"), Key("operations_listen")],
            ),
        ]);
    for (transport, address, path) in listeners {
        let name: Vec<&str> = path.iter().filter_map(step_name).collect();
        let name = name.join(".");
        if address.port() != 0
            && let Some(other) = taken.insert((transport, address), name)
        {
            let sentence = format!("{transport} {address} is taken by `{other}` already");
            source.note_at(&path, sentence);
        }
        let media = &config.media;
        let is_rtp = (media.port_min..=media.port_max).contains(&address.port());
        if transport == "udp" && is_rtp {
            source.note_at(
                &path,
                format!("port {} lies in the RTP range of [media]", address.port()),
            );
        }
    }
}

fn step_name<'s>(step: &Step<'s>) -> Option<&'s str> {
    match step {
        Key(key) => Some(key),
        Index(_) => None,
    }
}

fn check_duplicates(config: &Config, source: &mut Source<'_>) {
    let trunks = config.trunks.iter().map(|trunk| trunk.name.as_str());
    check_unique(source, "trunk", "name", trunks);
    let numbers = config.numbers.iter().map(|number| number.number.as_str());
    check_unique(source, "number", "number", numbers);
    let queues = config.queues.iter().map(|queue| queue.id.as_str());
    check_unique(source, "queue", "id", queues);
    let agents = config.agents.iter().map(|agent| agent.id.as_str());
    check_unique(source, "agent", "id", agents);
    let skills = config.skills.iter().map(|skill| skill.id.as_str());
    check_unique(source, "skill", "id", skills);
    let reasons = config.not_ready_reasons.iter();
    let reasons = reasons.map(|reason| reason.id.as_str());
    check_unique(source, "not_ready_reason", "id", reasons);
}

fn check_unique<'c>(
    source: &mut Source<'_>,
    section: &str,
    key: &str,
    names: impl Iterator<Item = &'c str>,
) {
    let mut seen = BTreeSet::new();
    for (place, name) in names.enumerate() {
        let path = [Key(section), Index(place), Key(key)];
        if name.is_empty() {
            source.note_at(&path, format!("the {key} of a {section} is empty"));
        } else if !seen.insert(name) {
            source.note_at(&path, format!("there is another {section} `{name}` above"));
        }
    }
}

fn check_trunks(config: &Config, source: &mut Source<'_>) {
    for (place, trunk) in config.trunks.iter().enumerate() {
        let path = |key| [Key("trunk"), Index(place), Key(key)];
        if trunk.addresses.is_empty() && trunk.user.is_none() {
            source.note_at(
                &path("name"),
                "the trunk has neither `addresses` nor `user`, so nothing would be recognised as it",
            );
        }
        if trunk.user.is_some() != trunk.password.is_some() {
            source.note_at(&path("user"), "`user` and `password` go together");
        }
        if let Some(outbound) = &trunk.outbound {
            check_sip_uri(source, &path("outbound"), outbound);
        }
    }
}

fn check_queue(
    config: &Config,
    source: &mut Source<'_>,
    place: usize,
    queue: &Queue,
    queues: &BTreeSet<String>,
) {
    let path = |key| [Key("queue"), Index(place), Key(key)];
    if queue.ring_timeout.is_zero() {
        source.note_at(&path("ring_timeout_s"), "must be above 0");
    }
    if queue.take_timeout.contains_key(&Channel::Voice) {
        let sentence = "a call rings a phone: see `ring_timeout_s`";
        source.note_at(&path("take_timeout_s"), sentence);
    }
    if queue.take_timeout.values().any(Duration::is_zero) {
        source.note_at(&path("take_timeout_s"), "must be above 0");
    }
    let mail = &queue.mail;
    if mail.satisfaction && config.email.survey_url.is_none() {
        let path = [Key("queue"), Index(place), Key("mail"), Key("satisfaction")];
        source.note_at(
            &path,
            "there is no `[email] survey_url` for the question to lead to",
        );
    }
    if let Some(to) = &mail.escalation.queue {
        let path = [Key("queue"), Index(place), Key("mail"), Key("escalation")];
        check_known(source, &path, "queue", to.as_str(), queues);
        if *to == queue.id {
            source.note_at(&path, "the escalation leads back into the same queue");
        }
    }
    let due = mail
        .first_answer_due
        .values()
        .chain(mail.next_answer_due.values());
    if due
        .min()
        .is_some_and(|least| *least <= mail.escalate_before)
    {
        let path = [
            Key("queue"),
            Index(place),
            Key("mail"),
            Key("escalate_before_s"),
        ];
        source.note_at(&path, "must be shorter than every due time of the queue");
    }
    if let Some(most) = queue.ring_all_max {
        if queue.strategy != Strategy::RingAll {
            let sentence = "is only for a queue with `strategy = \"ring_all\"`";
            source.note_at(&path("ring_all_max"), sentence);
        } else if !(1..=RING_ALL_MAX_MOST).contains(&most) {
            let sentence = format!("must be from 1 to {RING_ALL_MAX_MOST}");
            source.note_at(&path("ring_all_max"), sentence);
        }
    }
    if queue.waiting_max == 0 {
        source.note_at(&path("waiting_max"), "must be at least 1");
    }
    if queue
        .announce_every
        .is_some_and(|every| every.as_secs() < 5)
    {
        source.note_at(
            &path("announce_every_s"),
            "must be at least 5; leave it out for no announcements",
        );
    }
    for (step, overflow) in queue.overflow.iter().enumerate() {
        let path = |key| {
            [
                Key("queue"),
                Index(place),
                Key("overflow"),
                Index(step),
                Key(key),
            ]
        };
        if overflow.after.is_zero() {
            source.note_at(&path("after_s"), "must be above 0");
        }
        if overflow.to == queue.id {
            source.note_at(&path("to"), "the overflow leads back into the same queue");
        }
        check_known(source, &path("to"), "queue", overflow.to.as_str(), queues);
    }
    check_queue_hours(config, source, &path("hours"), queue, queues);
    if queue.callback.tries == 0 || queue.callback.ring.is_zero() {
        source.note_at(&path("callback"), "`tries` and `ring_s` must be above 0");
    }
    if let Some(offer) = &queue.callback_offer {
        if offer.after.or(offer.wait_over).is_none() && offer.position_over.is_none() {
            source.note_at(
                &path("callback_offer"),
                "says not when: give `after_s`, `position_over` or `wait_over_s`",
            );
        }
        if !config.trunks.iter().any(|trunk| trunk.outbound.is_some()) {
            let sentence = "no trunk has `outbound`, so nobody can be called back";
            source.note_at(&path("callback_offer"), sentence);
        }
    }
    if queue.when_emergency.say.is_some() {
        source.note_at(
            &path("when_emergency"),
            "`say` is not for `when_emergency`: whoever orders the emergency says what callers hear",
        );
    }
    let no_agents = match &queue.when_no_agents {
        NoAgents::Wait => None,
        NoAgents::Leave(way_out) => Some(way_out),
    };
    let ways_out = [
        ("when_closed", Some(&queue.when_closed)),
        ("when_emergency", Some(&queue.when_emergency)),
        ("when_full", Some(&queue.when_full)),
        ("when_no_agents", no_agents),
        ("when_waited", Some(&queue.when_waited)),
    ];
    for (key, way_out) in ways_out {
        if let Some(way_out) = way_out {
            check_way_out(config, source, &path(key), queue, way_out, queues);
        }
    }
}

fn check_not_ready_reasons(config: &Config, source: &mut Source<'_>) {
    for (place, reason) in config.not_ready_reasons.iter().enumerate() {
        let path = |key| [Key("not_ready_reason"), Index(place), Key(key)];
        if reason.max_s == Some(0) {
            source.note_at(&path("max_s"), "must be above 0; leave it out for no limit");
        }
        let is_line = |text: &str| !text.chars().any(char::is_control);
        if reason.id.chars().count() > REASON_LETTERS_MAX || !is_line(&reason.id) {
            let sentence = format!("is one line of at most {REASON_LETTERS_MAX} letters");
            source.note_at(&path("id"), sentence);
        }
    }
}

/// Most letters of a not-ready reason, as of one that agents write.
const REASON_LETTERS_MAX: usize = 100;

/// Skills are known, levels count from 1, and each step is longer than the one before.
fn check_steps(
    source: &mut Source<'_>,
    path: &[Step<'_>],
    steps: &[SkillStep],
    skills: &BTreeSet<String>,
) {
    let mut last = Some(Duration::ZERO);
    for step in steps {
        for (skill, level) in &step.need {
            check_known(source, path, "skill", skill.as_str(), skills);
            if *level == 0 {
                source.note_at(path, "the level of a skill counts from 1");
            }
        }
        match (last, step.until) {
            (None, _) => source.note_at(path, "nothing follows a step without `until_s`"),
            (Some(before), Some(until)) if until <= before => {
                source.note_at(path, "each step ends later than the one before");
            }
            (Some(_), _) => {}
        }
        last = step.until;
    }
}

fn check_queue_hours(
    config: &Config,
    source: &mut Source<'_>,
    path: &[Step<'_>],
    queue: &Queue,
    queues: &BTreeSet<String>,
) {
    let known: BTreeSet<String> = config.hours.keys().cloned().collect();
    match &queue.hours {
        None => {}
        Some(QueueHours::Named(hours)) => {
            check_known(source, path, "opening hours", hours, &known);
        }
        Some(QueueHours::Groups(groups)) => {
            if groups.is_empty() {
                source.note_at(path, "a list of groups has at least one");
            }
            for group in groups {
                check_known(source, path, "opening hours", &group.hours, &known);
                if let Some(line) = group.queue.as_ref().filter(|line| **line != queue.id) {
                    check_known(source, path, "queue", line.as_str(), queues);
                    let follows = config
                        .queue(line)
                        .is_some_and(|other| matches!(other.hours, Some(QueueHours::Groups(_))));
                    if follows {
                        let sentence = format!("the queue `{line}` has groups of its own");
                        source.note_at(path, sentence);
                    }
                }
            }
        }
    }
}

fn check_calendars(config: &Config, source: &mut Source<'_>) {
    let known: BTreeSet<String> = config.holidays.keys().cloned().collect();
    for (name, hours) in &config.hours {
        for calendar in &hours.holidays {
            let path = [Key("hours"), Key(name), Key("holidays")];
            check_known(source, &path, "holiday calendar", calendar, &known);
        }
    }
}

fn check_way_out(
    config: &Config,
    source: &mut Source<'_>,
    path: &[Step<'_>],
    queue: &Queue,
    way_out: &WayOut,
    queues: &BTreeSet<String>,
) {
    match &way_out.then {
        Then::HangUp => {}
        Then::Queue(other) if *other == queue.id => {
            source.note_at(path, "the way out leads back into the same queue");
        }
        Then::Queue(other) => check_known(source, path, "queue", other.as_str(), queues),
        Then::Transfer(to) if to.starts_with("sip:") => check_sip_uri(source, path, to),
        Then::Transfer(to) => {
            if !config.trunks.iter().any(|trunk| trunk.outbound.is_some()) {
                let sentence = format!("no trunk has `outbound`, so {to} cannot be reached");
                source.note_at(path, sentence);
            }
        }
    }
}

pub(super) fn check_known(
    source: &mut Source<'_>,
    path: &[Step<'_>],
    what: &str,
    name: &str,
    known: &BTreeSet<String>,
) {
    if known.contains(name) {
        return;
    }
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    };
    source.note_at(path, format!("there is no {what} `{name}`{hint}"));
}

fn check_sip_uri(source: &mut Source<'_>, path: &[Step<'_>], uri: &str) {
    let rest = uri.strip_prefix("sip:").unwrap_or("");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?']).next().unwrap_or("");
    if host.is_empty() || uri.contains(char::is_whitespace) {
        source.note_at(
            path,
            format!("`{uri}` is not a SIP URI such as `sip:phone@192.0.2.1:5060`"),
        );
    }
}

fn check_mail(config: &Config, source: &mut Source<'_>, queues: &BTreeSet<String>) {
    let email = &config.email;
    let has_door = email.listen.is_some() || email.lmtp_listen.is_some();
    if has_door && config.mailboxes.is_empty() {
        let sentence = "there is no [[mailbox]], so no mail would be taken";
        source.note_at(&[Key("email")], sentence);
    }
    if let Some(smarthost) = &email.smarthost {
        let path = |key| [Key("email"), Key("smarthost"), Key(key)];
        if smarthost.user.is_some() != smarthost.password.is_some() {
            source.note_at(&path("user"), "`user` and `password` go together");
        }
        let is_plain = smarthost.tls == crate::config::SmarthostTls::None;
        if is_plain && smarthost.password.is_some() {
            source.note_at(&path("tls"), "a password is not sent without TLS");
        }
    }
    if let Some(url) = &email.survey_url
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        let path = [Key("email"), Key("survey_url")];
        source.note_at(
            &path,
            "must begin with `https://`, or `http://` within the house",
        );
    }
    if email.certificate.is_some() != email.key.is_some() {
        let path = [Key("email"), Key("certificate")];
        source.note_at(&path, "`certificate` and `key` go together");
    }
    if email.tls_required && email.certificate.is_none() {
        let path = [Key("email"), Key("tls_required")];
        source.note_at(&path, "there is no `certificate` to begin TLS with");
    }
    for (key, limit) in [
        ("recipients_max", u64::from(email.recipients_max)),
        ("connections_max", u64::from(email.connections_max)),
        (
            "connections_per_source_max",
            u64::from(email.connections_per_source_max),
        ),
        (
            "mails_per_minute_max",
            u64::from(email.mails_per_minute_max),
        ),
        ("mail_bytes_max", email.mail_bytes_max),
        ("answer_bytes_max", email.answer_bytes_max),
    ] {
        if limit == 0 {
            source.note_at(&[Key("email"), Key(key)], "must be at least 1");
        }
    }
    if email.answer_bytes_max > ANSWER_BYTES_MOST {
        let sentence = format!("must be at most {ANSWER_BYTES_MOST}");
        source.note_at(&[Key("email"), Key("answer_bytes_max")], sentence);
    }
    let mut seen = BTreeSet::new();
    for (place, mailbox) in config.mailboxes.iter().enumerate() {
        let path = |key| [Key("mailbox"), Index(place), Key(key)];
        check_known(
            source,
            &path("queue"),
            "queue",
            mailbox.queue.as_str(),
            queues,
        );
        for address in mailbox.addresses() {
            if !seen.insert(address.key()) {
                let sentence = format!("{address} is an address of another mailbox already");
                source.note_at(&path("address"), sentence);
            }
        }
    }
    check_folders(config, source);
    super::authentication::check(config, source);
    for (place, rule) in email.rules.iter().enumerate() {
        let path = [Key("email"), Key("rule"), Index(place)];
        if let Some(queue) = &rule.then.queue {
            check_known(source, &path, "queue", queue.as_str(), queues);
        }
    }
}

fn check_folders(config: &Config, source: &mut Source<'_>) {
    let addresses = config.mailboxes.iter().flat_map(Mailbox::addresses);
    let addresses: BTreeSet<String> = addresses.map(|address| address.key()).collect();
    let mut seen = BTreeSet::new();
    for (place, folder) in config.email.folders.iter().enumerate() {
        let path = |key| [Key("email"), Key("imap"), Index(place), Key(key)];
        let mailbox = folder.mailbox.0.key();
        check_known(source, &path("mailbox"), "mailbox", &mailbox, &addresses);
        let proofs = [
            folder.password.is_some(),
            folder.token_file.is_some(),
            folder.oauth.is_some(),
        ];
        if proofs.into_iter().filter(|is_given| *is_given).count() != 1 {
            let sentence =
                "one of `password`, `token_file` and `oauth` proves that the account is ours";
            source.note_at(&path("user"), sentence);
        }
        if folder.tls == Tls::None && !super::value::is_loopback(&folder.host) {
            let sentence = "a password is not sent to another machine without TLS";
            source.note_at(&path("tls"), sentence);
        }
        if folder.poll.is_zero() {
            source.note_at(&path("poll_s"), "must be at least 1");
        }
        if folder.move_to.as_deref() == Some(&*folder.folder) {
            let sentence = "the folder that mails are taken from cannot be where they go";
            source.note_at(&path("move_to"), sentence);
        }
        if !seen.insert((&folder.host, folder.port(), &folder.user, &folder.folder)) {
            source.note_at(&path("folder"), "this folder is named already");
        }
    }
}

fn check_tickets(config: &Config, source: &mut Source<'_>) {
    let tickets = &config.tickets;
    let path = |key| [Key("tickets"), Key(key)];
    if tickets
        .matrix
        .iter()
        .flatten()
        .any(|priority| !(1..=9).contains(priority))
    {
        source.note_at(&path("matrix"), "each priority is 1 to 9");
    }
    let is_grade = |grade: &u8| (1..=3).contains(grade);
    if !tickets.impact_by_class.iter().all(is_grade) {
        source.note_at(&path("impact_by_class"), "each impact is 1 to 3");
    }
    if !is_grade(&tickets.impact_unknown) {
        source.note_at(&path("impact_unknown"), "an impact is 1 to 3");
    }
    if !is_grade(&tickets.urgency) {
        source.note_at(&path("urgency"), "an urgency is 1 to 3");
    }
    if tickets.targets_s.len() > 9 || tickets.targets_s.contains(&0) {
        source.note_at(
            &path("targets_s"),
            "at most 9 times, by priority, each above 0",
        );
    }
    let is_symptom = |name: &String| {
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        (1..=40).contains(&name.len()) && name.bytes().all(is_letter)
    };
    if tickets.tolerable_wait_s.len() > 50 || !tickets.tolerable_wait_s.keys().all(is_symptom) {
        source.note_at(
            &path("tolerable_wait_s"),
            "at most 50 symptoms, each named by 1 to 40 of a-z, 0-9 and _",
        );
    }
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
    if tickets.prefix.is_empty() || tickets.prefix.len() > 12 || !is_word(&tickets.prefix) {
        source.note_at(&path("prefix"), "must be 1 to 12 letters and digits");
    }
}

fn check_services(config: &Config, source: &mut Source<'_>) {
    if config.cms.deadline.is_zero() {
        source.note_at(&[Key("cms"), Key("deadline_ms")], "must be above 0");
    }
    if let Some(redis) = &config.redis {
        super::redis::check(redis, source);
    }
    if let Some(database) = &config.database {
        let url = database.url.expose();
        let schemes = ["postgres://", "postgresql://", "sqlite:"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            source.note_at(
                &[Key("database"), Key("url")],
                "must begin with `postgres://` or `sqlite:`",
            );
        }
        if database.connections_max == 0 {
            source.note_at(
                &[Key("database"), Key("connections_max")],
                "must be at least 1",
            );
        }
    }
    for (place, token) in config.web.tokens.iter().enumerate() {
        if (token.rights == Rights::Agent) != token.agent.is_some() {
            source.note_at(
                &[Key("web"), Key("tokens"), Index(place)],
                "`rights = \"agent\"` and `agent` go together",
            );
        }
        if token.token.expose().len() < TOKEN_LETTERS_MIN {
            source.note_at(
                &[Key("web"), Key("tokens"), Index(place)],
                format!(
                    "the token of `{}` is shorter than {TOKEN_LETTERS_MIN} letters",
                    token.name
                ),
            );
        }
    }
    if let Some(url) = &config.web.public_url {
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(|host| {
            host.is_empty() || host.starts_with('/') || host.contains(char::is_whitespace)
        }) {
            source.note_at(
                &[Key("web"), Key("public_url")],
                "must be an address such as `https://desk.example`",
            );
        }
    }
    super::retention::check(&config.retention, source);
    let limits = &config.limits;
    for (key, limit) in [
        ("calls_max", limits.calls_max),
        ("calls_per_second_max", limits.calls_per_second_max),
        ("registrations_max", limits.registrations_max),
        ("connections_max", limits.connections_max),
        ("unwritten_max", limits.unwritten_max),
    ] {
        if limit == 0 {
            source.note_at(&[Key("limits"), Key(key)], "must be at least 1");
        }
    }
}

/// Most octets of the files of one answer: it is whole in memory while it is put together and sent.
const ANSWER_BYTES_MOST: u64 = 100 * 1_024 * 1_024;

/// Least letters of a bearer token; fewer can be guessed.
const TOKEN_LETTERS_MIN: usize = 16;
