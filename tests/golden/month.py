#!/usr/bin/env python3
"""Counts an event log by the definitions and by nothing else: python3 month.py LOG FROM_MS,TO_MS,WIDTH,ZONE[,QUEUE]...

Knows nothing of the gateway's own fold and shares no code with it. Every contact is looked at as a whole, every
figure is a plain sum over lists, every percentile is read from the sorted times. What it prints is a JSON document
for each question, whose figures have the names of the report's: `statistics` (by queue), `total`, `intervals`, `numbers`,
`caller_classes`, `skills`, `contacts_by_agent`, `agents` and of `tables` the transfers. WIDTH is in seconds, 86400 is a day by the wall clock;
ZONE is `berlin` or `taipei`, whose rules stand below, so that no time zone database is needed.
"""

import bisect
import json
import math
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone

WEEK_MS = 7 * 24 * 3600 * 1000
HOUR_MS = 3600 * 1000


# ---- the wall clock -------------------------------------------------------------------------------------------

def last_sunday(year, month):
    """Midnight UTC of the last Sunday of a month of 31 days, in milliseconds."""
    day = datetime(year, month, 31, tzinfo=timezone.utc)
    while day.weekday() != 6:
        day -= timedelta(days=1)
    return int(day.timestamp() * 1000)


def offset_ms(zone, at_ms):
    """How far the wall clock is ahead of UTC."""
    if zone == "taipei":
        return 8 * HOUR_MS
    year = datetime.fromtimestamp(at_ms / 1000, timezone.utc).year
    # Directive 2000/84/EC: summer time from the last Sunday of March to that of October, 01:00 UTC both.
    is_summer = last_sunday(year, 3) + HOUR_MS <= at_ms < last_sunday(year, 10) + HOUR_MS
    return (2 if is_summer else 1) * HOUR_MS


def local_text(zone, at_ms):
    ahead = timezone(timedelta(milliseconds=offset_ms(zone, at_ms)))
    return datetime.fromtimestamp(at_ms / 1000, ahead).isoformat(timespec="seconds")


def intervals_of(zone, from_ms, to_ms, width_s):
    """The rows of a report: whole hours and parts of them by UTC, days from midnight to midnight there."""
    width_ms = width_s * 1000
    start = from_ms
    while start < to_ms:
        if width_s < 86400:
            end = start + width_ms
        else:
            # A day has 23 to 25 hours: the first whole hour at which the wall clock shows midnight again.
            end = start + HOUR_MS
            while (end + offset_ms(zone, end)) % (24 * HOUR_MS) != 0:
                end += HOUR_MS
        yield start, end
        start = end


# ---- the log --------------------------------------------------------------------------------------------------

def read(path):
    """Every event once, in the order of time; those of one origin and instant in the order of their numbers."""
    once = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            once[(event["id"]["origin"], event["id"]["number"])] = event
    return sorted(once.values(), key=lambda e: (e["at"], e["id"]["origin"], e["id"]["number"]))


class Rules:
    """T and the limit of short abandons of every queue, by when they came into force."""

    def __init__(self, events):
        self.changes = defaultdict(list)
        for event in events:
            if event["event"] == "queue_changed":
                rules = event["rules"]
                self.changes[rules["id"]].append((event["at"], millis(rules["service_level"]), millis(rules["short_abandon"])))

    def of(self, queue, at_ms):
        changes = self.changes[queue]
        in_force = changes[0]
        for change in changes:
            if change[0] <= at_ms:
                in_force = change
        return in_force[1], in_force[2]


def millis(duration):
    return duration["secs"] * 1000 + duration["nanos"] // 1_000_000


# ---- contacts -------------------------------------------------------------------------------------------------

class Contact:
    """One contact with everything that its events say of it."""

    def __init__(self, events):
        self.events = events
        arrived = first(events, "arrived")
        self.arrived_at = arrived["at"]
        self.channel = arrived["channel"]
        self.number = arrived["to"]
        self.address = arrived["from"].lower()
        self.meant_for = arrived.get("queue")
        self.closed = first(events, "closed")
        self.person = None
        self.caller_class = None
        self.people = set()
        self.skills = set()
        for event in events:
            if event["event"] == "identified":
                if event["outcome"] in ("known", "claimed") and "caller" in event:
                    self.person = event["caller"]
                    self.people.add(event["caller"])
                if "class" in event:
                    self.caller_class = event["class"]
            if event["event"] == "enqueued":
                for step in event.get("skills", [])[:1]:
                    self.skills.update(step["need"])

    def who(self):
        if self.person is not None:
            return ("person", self.person)
        return ("address", self.address) if self.address else None

    def known_as(self):
        keys = {("person", person) for person in self.people}
        if self.address:
            keys.add(("address", self.address))
        return keys


def first(events, kind):
    return next((event for event in events if event["event"] == kind), None)


def stays_of(contact, rules, as_of):
    """Every stay in a queue as a dictionary of what it counts for; one without a queue who never stood in any."""
    stays = []
    for event in contact.events:
        kind = event["event"]
        if kind == "enqueued":
            if stays and stays[-1]["end"] is None:
                stays[-1]["end"] = "flowed_out"
            stays.append({"queue": event["queue"], "since": event["enqueued_at"], "end": None, "agent": None,
                          "to": None, "handed_over": None, "handed_over_by": None})
            continue
        if not stays:
            continue
        stay = stays[-1]
        if kind == "answered" and stay["end"] is None:
            stay.update(end="answered", wait=event["wait_ms"], agent=event["agent"], talk=None)
        elif kind == "requeued" and stay["end"] == "answered" and stay["talk"] is None:
            stay.update(end=None, agent=None)
            if event["reason"] == "handed_over":
                stay["handed_over"] = (event["at"], event["agent"])
        elif kind == "abandoned" and stay["end"] is None:
            stay.update(end="abandoned", wait=event["wait_ms"])
        elif kind == "overflowed" and stay["end"] is None:
            stay.update(end="flowed_out", to=event["to"])
            if stay["handed_over"] and stay["handed_over"][0] == event["at"]:
                stay["handed_over_by"] = stay["handed_over"][1]
        elif kind == "ended" and stay["end"] == "answered" and stay["talk"] is None:
            stay.update(talk=event["talk_ms"], hold=event["hold_ms"], ended_at=event["at"],
                        wrapped_up_at=event.get("wrap_up_until", event["at"]))
        elif kind == "wrap_up_extended" and stay["end"] == "answered" and stay["talk"] is not None:
            stay["wrapped_up_at"] = event["until"]
        elif kind == "ready" and event["after_wrap_up"] and stay["end"] == "answered" and stay["talk"] is not None:
            stay["wrapped_up_at"] = min(stay["wrapped_up_at"], event["at"])

    result = contact.closed["result"] if contact.closed else None
    if not stays:
        counts = blank()
        if first(contact.events, "blocked") or result == "blocked":
            counts["blocked"] = 1
        elif result == "failed":
            counts["failed"] = 1
        elif result == "informed":
            counts["informed"] = 1
        elif result is not None:
            counts["left_before_queue"] = 1
        else:
            return []
        return [{"queue": contact.meant_for, "counts": counts, "agent": None, "to": None, "handed_over_by": None}]

    told = []
    for place, stay in enumerate(stays):
        threshold, short = rules.of(stay["queue"], contact.arrived_at)
        counts = blank()
        end = stay["end"]
        if place == len(stays) - 1 and result == "call_back" and end in (None, "flowed_out"):
            end = "call_back"
        if place == len(stays) - 1 and result == "failed" and end in (None, "abandoned"):
            told.append({"queue": stay["queue"], "counts": dict(counts, failed=1), "agent": None, "to": None,
                         "handed_over_by": None})
            continue
        counts["offered"] = 1
        if end is None:
            counts["waiting"] = 1
            counts["longest_wait_ms"] = max(0, as_of - stay["since"])
        elif end == "flowed_out":
            counts["flowed_out"] = 1
        elif end == "call_back":
            counts["callbacks"] = 1
        elif end == "abandoned":
            counts["abandoned"] = 1
            counts["abandoned_within"] = int(stay["wait"] <= threshold)
            counts["short_abandoned"] = int(stay["wait"] < short)
            counts["abandon_wait_ms"] = counts["longest_wait_ms"] = stay["wait"]
        else:
            counts["answered"] = 1
            counts["answered_within"] = int(stay["wait"] <= threshold)
            counts["answer_wait_ms"] = counts["longest_wait_ms"] = stay["wait"]
            if stay["talk"] is None:
                counts["in_progress"] = 1
            else:
                counts["talk_ms"] = stay["talk"]
                counts["hold_ms"] = stay["hold"]
                counts["wrap_up_ms"] = max(0, min(stay["wrapped_up_at"], as_of) - stay["ended_at"])
        told.append({"queue": stay["queue"], "counts": counts, "agent": stay["agent"] if end == "answered" else None,
                     "to": stay["to"], "handed_over_by": stay["handed_over_by"]})
    return told


COUNTS = ("offered answered abandoned flowed_out callbacks waiting unaccounted short_abandoned answered_within "
          "abandoned_within blocked failed left_before_queue informed in_progress identified repeated answer_wait_ms "
          "abandon_wait_ms longest_wait_ms talk_ms hold_ms wrap_up_ms").split()


def blank():
    return dict.fromkeys(COUNTS, 0)


# ---- agents ---------------------------------------------------------------------------------------------------

# The first of these that an agent does is what their time counts as.
ORDER = ["talk", "hold", "wrap_up", "ringing"]


def spans_of(events, as_of):
    """What an agent did, as (from, to, what, reason of a pause, queues served), and (when, what, queues served) for
    offers and their ends."""
    spans, marks = [], []
    status, reason, is_reachable, now = "logged_off", None, True, None
    serves = frozenset()
    doing = {}  # contact: (what, until)

    def what_now():
        active = [what for what, until in doing.values() if until is None or until > now]
        for what in ORDER:
            if what in active:
                return what
        if status == "available":
            return "idle" if is_reachable else "unreachable"
        return "not_ready" if status == "not_ready" else None

    for event in events + [{"event": "end", "at": as_of}]:
        at, kind, contact = event["at"], event["event"], event.get("contact")
        if now is not None:
            while now < at:
                bounds = [until for _, until in doing.values() if until is not None and now < until < at]
                until = min(bounds, default=at)
                what = what_now()
                if what is not None:
                    spans.append((now, until, what, reason if what == "not_ready" else None, serves))
                now = until
        now = at
        if kind == "agent_changed":
            serves = frozenset(queues_of(event["profile"]))
        elif kind == "agent_status":
            status, reason = event["status"], event.get("reason")
        elif kind == "agent_reachable":
            is_reachable = event["is_reachable"]
        elif kind == "offered":
            doing[contact] = ("ringing", event["deadline"])
            marks.append((at, "offers", serves))
        elif kind == "answered":
            doing[contact] = ("talk", None)
            marks.append((at, "answers", serves))
        elif kind == "held":
            doing[contact] = ("hold", None)
        elif kind == "resumed":
            doing[contact] = ("talk", None)
        elif kind == "ended":
            doing.pop(contact, None)
            if "wrap_up_until" in event:
                doing[contact] = ("wrap_up", event["wrap_up_until"])
        elif kind == "wrap_up_extended":
            doing[contact] = ("wrap_up", event["until"])
        elif kind in ("declined", "ring_timeout", "requeued", "abandoned", "overflowed", "ready", "offer_expired"):
            doing.pop(contact, None)
            if kind == "declined":
                marks.append((at, "declines", serves))
            if kind == "ring_timeout":
                marks.append((at, "ring_timeouts", serves))
    return spans, marks


TIMES = "idle ringing talk hold wrap_up not_ready unreachable".split()


def no_time():
    return {what + "_ms": 0 for what in TIMES} | {"offers": 0, "answers": 0, "declines": 0, "ring_timeouts": 0}


def between(items, from_ms, to_ms, at):
    """Those of a list in the order of `at` that lie in a span."""
    return items[bisect.bisect_left(items, from_ms, key=at):bisect.bisect_left(items, to_ms, key=at)]


def queues_of(profile):
    return {queue if isinstance(queue, str) else queue["id"] for queue in profile["queues"]}


def time_of(spans, marks, from_ms, to_ms, queue=None):
    """Spans are in order and do not overlap. Of a queue only what was spent while it was served."""
    mine = lambda serves: queue is None or queue in serves
    time = no_time()
    first = bisect.bisect_right(spans, from_ms, key=lambda span: span[1])
    for start, end, what, _, serves in spans[first:]:
        if start >= to_ms:
            break
        if mine(serves):
            time[what + "_ms"] += min(end, to_ms) - max(start, from_ms)
    for _, mark, serves in between(marks, from_ms, to_ms, lambda mark: mark[0]):
        time[mark] += mine(serves)
    return time


# ---- tickets, symptoms, marks ---------------------------------------------------------------------------------

def last_words(events):
    """How every ticket stands, every contact's symptom, and every mark, at the end of the log."""
    tickets, symptoms, marks = {}, {}, []
    for event in events:
        if event["event"] == "ticket_changed":
            tickets[event["ticket"]] = event["now"]
        elif event["event"] == "symptom_recorded":
            symptoms[event["contact"]] = (event.get("queue"), event["now"])
        elif event["event"] == "rated":
            marks.append((event.get("queue"), event.get("agent"), event))
    return list(tickets.values()), list(symptoms.values()), marks


def opened_at(ticket):
    return ticket["opened_at"]


def symptom_of(symptom):
    """When the contact arrived whose symptom it is."""
    return symptom[1]["arrived_at"]


def mark_of(mark):
    """When the contact arrived that has the mark."""
    return mark[2]["arrived_at"]


# ---- figures --------------------------------------------------------------------------------------------------

def over(part, whole):
    return part / whole if whole else None


def percentiles(times):
    """The time at the rank of each share, in seconds."""
    times = sorted(times)
    at = lambda per_mille: times[max(1, math.ceil(len(times) * per_mille / 1000)) - 1] / 1000
    names = {"p50": 500, "p80": 800, "p90": 900, "p95": 950, "p99": 990}
    return {name: at(per_mille) if times else None for name, per_mille in names.items()}


def figures(stays, time, tickets, symptoms, marks):
    counts = blank()
    for stay in stays:
        for name in COUNTS:
            value = stay["counts"][name]
            counts[name] = max(counts[name], value) if name == "longest_wait_ms" else counts[name] + value
    c = counts
    tried = c["offered"] + c["blocked"] + c["failed"]
    lost = c["abandoned"] - c["short_abandoned"]
    handled = time["talk_ms"] + time["hold_ms"] + time["wrap_up_ms"]
    logged_in = sum(time[what + "_ms"] for what in TIMES)
    first_line = [t for t in tickets if t["is_eligible"] and t.get("solved_at") and not t.get("escalated_at")]
    at_once = [t for t in first_line if t.get("is_at_first_contact") and not t.get("came_again")]
    eligible = [t for t in tickets if t["is_eligible"]]
    escalated = [t for t in tickets if t.get("escalated_at")]
    with_target = [t for t in tickets if t.get("solved_at") and t.get("target_ms")]
    within = [t for t in with_target if t["solved_at"] - t["opened_at"] <= t["target_ms"]]
    reviewed = [t for t in tickets if t.get("solved_at") and t.get("closed_at")]
    mean_s = lambda times: over(sum(times), 1000 * len(times))
    told = dict(counts)
    told.update({
        "asa_s": over(c["answer_wait_ms"], 1000 * c["answered"]),
        "aht_s": over(c["talk_ms"] + c["hold_ms"] + c["wrap_up_ms"], 1000 * c["answered"]),
        "service_level": {
            "negative": over(c["answered_within"], c["offered"]),
            "positive": over(c["answered_within"] + c["abandoned_within"], c["offered"]),
            "ignored": over(c["answered_within"], c["offered"] - c["abandoned_within"]),
            "handled": over(c["answered_within"], c["answered"]),
        },
        "abandon_rate": over(c["abandoned"], c["offered"]),
        "abandon_rate_net": over(lost, c["offered"] - c["short_abandoned"]),
        "longest_wait_s": c["longest_wait_ms"] / 1000 if c["answered"] + c["abandoned"] + c["waiting"] else None,
        "abandon_wait_s": over(c["abandon_wait_ms"], 1000 * c["abandoned"]),
        "occupancy": over(handled, handled + time["idle_ms"]),
        "utilisation": over(handled, logged_in),
        "handling_rate": over(c["answered"], tried),
        "failure_rate": over(c["blocked"] + c["failed"] + lost, tried),
        "failure_rate_parts": {
            "blocked": over(c["blocked"], tried),
            "failed": over(c["failed"], tried),
            "abandoned": over(lost, tried),
        },
        "distinct_callers": len({stay["who"] for stay in stays if stay["who"]}),
        "repeat_caller_share": over(c["repeated"], c["identified"]),
        "incident_share": over(sum(t["is_incident"] for t in tickets), len(tickets)),
        "first_contact_resolution": over(len(at_once), len(eligible)),
        "first_line_resolution": over(len(first_line), len(eligible)),
        "mean_time_to_resolve_s": mean_s([t["solved_at"] - t["opened_at"] for t in first_line]),
        "mean_time_to_escalate_s": mean_s([t["escalated_at"] - t["opened_at"] for t in escalated]),
        "mean_time_to_close_s": mean_s([t["closed_at"] - t["solved_at"] for t in reviewed]),
        "solved_within_target": over(len(within), len(with_target)),
        "tolerable_wait_share": over(sum(s["wait_ms"] <= s["tolerable_ms"] for s in symptoms), len(symptoms)),
        "satisfaction": over(sum(marks), len(marks)),
        "agent_time": time,
        "logged_in_ms": logged_in,
        "is_conserved": c["offered"] == c["answered"] + c["abandoned"] + c["flowed_out"] + c["callbacks"] + c["waiting"],
        "percentiles": {
            "answer_wait_s": percentiles([s["counts"]["answer_wait_ms"] for s in stays if s["counts"]["answered"]]),
            "abandon_wait_s": percentiles([s["counts"]["abandon_wait_ms"] for s in stays if s["counts"]["abandoned"]]),
            "handle_time_s": percentiles([
                s["counts"]["talk_ms"] + s["counts"]["hold_ms"] + s["counts"]["wrap_up_ms"]
                for s in stays if s["counts"]["answered"] and not s["counts"]["in_progress"]
            ]),
        },
    })
    return told


class Desk:
    """The whole log, looked at once."""

    def __init__(self, events):
        self.as_of = max(event["at"] for event in events)
        rules = Rules(events)
        of_contact, of_agent = defaultdict(list), defaultdict(list)
        served = set()
        for event in events:
            if "contact" in event:
                of_contact[event["contact"]].append(event)
            if "agent" in event:
                of_agent[event["agent"]].append(event)
            if event["event"] == "agent_changed":
                served.update(queues_of(event["profile"]))
        contacts = [Contact(told) for told in of_contact.values() if first(told, "arrived")]
        came = defaultdict(list)
        for contact in contacts:
            for key in contact.known_as():
                came[key].append(contact.arrived_at)
        for arrivals in came.values():
            arrivals.sort()
        self.stays = []
        for contact in contacts:
            who = contact.who()
            week = (contact.arrived_at - WEEK_MS, contact.arrived_at)
            before = bool(between(came[who], *week, lambda at: at)) if who else False
            for stay in stays_of(contact, rules, self.as_of):
                stay["counts"]["identified"] = int(who is not None)
                stay["counts"]["repeated"] = int(before)
                stay.update(at=contact.arrived_at, who=who, contact=contact)
                self.stays.append(stay)
        self.stays.sort(key=lambda stay: stay["at"])
        self.agents = {agent: spans_of(told, self.as_of) for agent, told in of_agent.items()}
        self.tickets, self.symptoms, self.marks = last_words(events)
        self.tickets.sort(key=opened_at)
        self.symptoms.sort(key=symptom_of)
        self.marks.sort(key=mark_of)
        self.queues = {stay["queue"] for stay in self.stays if stay["queue"]} | served

    def part(self, from_ms, to_ms, queue):
        span = (from_ms, to_ms)
        mine = lambda it: queue is None or it == queue
        time = no_time()
        for spans, marks in self.agents.values():
            for name, value in time_of(spans, marks, from_ms, to_ms, queue).items():
                time[name] += value
        return figures(
            [stay for stay in between(self.stays, *span, lambda stay: stay["at"]) if mine(stay["queue"])],
            time,
            [ticket for ticket in between(self.tickets, *span, opened_at) if mine(ticket.get("queue"))],
            [facts for at_queue, facts in between(self.symptoms, *span, symptom_of) if mine(at_queue)],
            [mark["score"] for at_queue, _, mark in between(self.marks, *span, mark_of) if mine(at_queue)],
        )

    def facet(self, from_ms, to_ms, queue, of_stay, of_facets):
        """The contacts of a period by something else than their queue, with what was told of them later."""
        inside = lambda at: from_ms <= at < to_ms
        mine = lambda it: queue is None or it == queue
        groups = defaultdict(lambda: ([], [], [], []))
        for stay in self.stays:
            if inside(stay["at"]) and mine(stay["queue"]):
                for name in of_stay(stay):
                    groups[name][0].append(stay)
        for ticket in self.tickets:
            if inside(ticket["opened_at"]) and mine(ticket.get("queue")):
                for name in of_facets(ticket.get("facets", {})):
                    groups[name][1].append(ticket)
        for at_queue, facts in self.symptoms:
            if inside(facts["arrived_at"]) and mine(at_queue):
                for name in of_facets(facts.get("facets", {})):
                    groups[name][2].append(facts)
        for at_queue, agent, mark in self.marks:
            if inside(mark["arrived_at"]) and mine(at_queue):
                for name in of_facets(dict(mark.get("facets", {}), agent=agent)):
                    groups[name][3].append(mark["score"])
        return {name: figures(stays, no_time(), *told) for name, (stays, *told) in groups.items()}

    def handed_over(self, from_ms, to_ms, queue):
        """Those that went on to elsewhere: from where, to where, by whom; how many."""
        sums = defaultdict(int)
        for stay in self.stays:
            if from_ms <= stay["at"] < to_ms and queue in (None, stay["queue"]) and stay["counts"]["flowed_out"] and stay["to"]:
                sums[(stay["queue"], stay["to"], stay["handed_over_by"] or "")] += 1
        return [
            {"queue": name, "to": to, "agent": agent or None, "contacts": count}
            for (name, to, agent), count in sorted(sums.items(), key=lambda it: (it[0][:2], not it[0][2], it[0][2]))
        ]


def one(name, told=lambda name: name):
    return [] if name is None else [told(name)]


def count(desk, from_ms, to_ms, width_s, zone, queue=None):
    """What one question asks."""
    queues = sorted(desk.queues) if queue is None else [queue]
    span = (from_ms, to_ms, queue)
    rows = [
        {"start": local_text(zone, start), "end": local_text(zone, end), "queue": name, **desk.part(start, end, name)}
        for start, end in intervals_of(zone, from_ms, to_ms, width_s)
        for name in queues
    ]
    agents = {}
    for agent, (spans, marks) in desk.agents.items():
        time = time_of(spans, marks, from_ms, to_ms)
        pauses = defaultdict(int)
        for start, end, what, reason, _ in spans:
            if what == "not_ready" and start < to_ms and end > from_ms:
                pauses[reason] += min(end, to_ms) - max(start, from_ms)
        agents[agent] = dict(time, logged_in_ms=sum(time[what + "_ms"] for what in TIMES), not_ready_by_reason_ms=dict(pauses))
    return {
        "statistics": {name: desk.part(from_ms, to_ms, name) for name in queues},
        "total": desk.part(*span),
        "intervals": rows,
        "numbers": desk.facet(
            *span, lambda stay: [stay["contact"].number], lambda facets: one(facets.get("number"))
        ),
        "caller_classes": desk.facet(
            *span,
            lambda stay: one(stay["contact"].caller_class, str),
            lambda facets: one(facets.get("class"), str),
        ),
        "skills": desk.facet(
            *span, lambda stay: sorted(stay["contact"].skills), lambda facets: facets.get("skills", [])
        ),
        "contacts_by_agent": desk.facet(
            *span, lambda stay: one(stay["agent"]), lambda facets: one(facets.get("agent"))
        ),
        "tables": {"transfers": {"rows": desk.handed_over(*span)}},
        "agents": agents,
    }


def main():
    desk = Desk(read(sys.argv[1]))
    for question in sys.argv[2:]:
        from_ms, to_ms, width_s, *where = question.split(",")
        print(json.dumps(count(desk, int(from_ms), int(to_ms), int(width_s), *where)))


main()
