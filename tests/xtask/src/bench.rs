//! The runs: what each offers, and what it reads off.

use crate::desk::Desk;
use crate::run::{Order, Verdict};
use ringdown_harness::load::{self, Audio, Ending, Outcome, Plan};
use ringdown_harness::measure::{descriptors_max, resident_kb, slope};
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Rates of `bench rate`, until one fails.
const RATES: [f64; 7] = [100.0, 200.0, 400.0, 600.0, 800.0, 1_200.0, 1_600.0];

/// Memory that a call may add while what is kept for a while fills up: 1 kB.
const FILL_KB_MAX: f64 = 1.0;

/// Memory that a call may leave behind for good; a tenth of that, for the pages of the heap move a little.
const LEAK_KB_MAX: f64 = 0.1;

/// Steps in which `leak` reads the memory.
const LEAK_STEPS: u64 = 10;

/// How long a run goes on before memory is compared: finished transactions are kept for 32 s (RFC 3261
/// §17.1.1.2, timers D, H and J), so until then each call adds to them.
const WARM_UP: Duration = Duration::from_secs(45);

/// When all that is kept for a while is full: the statistics keep a contact for 300 s after its end and let
/// go in steps of an eighth of that; the desk keeps 20,000 that ended, the feed 4,096 events.
const FULL_AFTER: Duration = Duration::from_secs(350);

/// Callers that have the line at once in runs of short calls.
const CALLERS_MAX: usize = 3_000;

/// One run of `bench`.
type Run = fn(&Order) -> Result<Vec<Figure>, String>;

/// One line of the table.
struct Figure {
    name: String,
    value: Option<f64>,
    unit: &'static str,
    wanted: &'static str,
}

/// `cargo xtask load`: every call is answered, heard both ways and ended, or the answer is no.
pub(crate) fn load(order: &Order) -> Result<Verdict, String> {
    let calls = order.number("calls", 2_000);
    let mut desk = Desk::open(order, 100)?;
    let plan = Plan {
        calls: Some(calls),
        rate: order.number("rate", 100) as f64,
        callers_max: 60,
        ending: Ending::Caller(Duration::from_millis(500)),
        audio: Audio::Both,
        window: Duration::from_secs(calls.max(100) / 5),
        pid: desk.pid,
        ..Plan::new(desk.gateway, "8002", desk.agent_port)
    };
    let outcome = drive("load", &plan)?;
    desk.must_live()?;
    let is_good = outcome.answered == calls
        && outcome.failed() == 0
        && outcome.heard == calls * 2
        && outcome.crossed == 0
        && outcome.left_over == 0
        && outcome.ended_by_gateway == 0;
    eprintln!(
        "{} of {calls} calls answered, {} failed, {} of {} ends heard, {} crossed, {} left over",
        outcome.answered,
        outcome.failed(),
        outcome.heard,
        calls * 2,
        outcome.crossed,
        outcome.left_over
    );
    Ok(if is_good { Verdict::Good } else { Verdict::No })
}

/// `cargo xtask leak`: memory after each tenth of the calls, first once finished transactions come and go
/// evenly, then again once everything that is kept for a while is full.
pub(crate) fn leak(order: &Order) -> Result<Verdict, String> {
    let calls = order.number("calls", 20_000);
    let rate = order.number("rate", 200);
    let mut desk = Desk::open(order, 100)?;
    let mut memory = Memory {
        pid: desk.pid.ok_or("--pid is needed to read the memory")?,
        rate,
        done: 0,
    };
    let began = Instant::now();
    memory.after(&mut desk, rate * WARM_UP.as_secs())?;
    let filling = memory.slope_over(&mut desk, calls)?;
    let left = FULL_AFTER.saturating_sub(began.elapsed());
    memory.after(&mut desk, rate * left.as_secs())?;
    let full = memory.slope_over(&mut desk, calls)?;
    print(
        &json!({ "run": "leak", "calls": memory.done, "kb_per_call": filling, "kb_per_call_full": full }),
    );
    table(&[
        figure(
            "memory added by a call while stores fill",
            Some(filling),
            "kB",
            "below 1",
        ),
        figure(
            "memory left behind by a call once they are full",
            Some(full),
            "kB",
            "below 0.1",
        ),
    ]);
    Ok(if filling < FILL_KB_MAX && full < LEAK_KB_MAX {
        Verdict::Good
    } else {
        Verdict::No
    })
}

/// The memory of a gateway over short calls.
struct Memory {
    pid: u32,
    /// Calls a second.
    rate: u64,
    /// Calls so far.
    done: u64,
}

impl Memory {
    /// Lets so many calls pass; gives all calls so far and the memory then, in kB.
    fn after(&mut self, desk: &mut Desk, calls: u64) -> Result<(f64, f64), String> {
        let plan = Plan {
            calls: Some(calls),
            rate: self.rate as f64,
            callers_max: 80,
            ending: Ending::Caller(Duration::from_millis(20)),
            window: WARM_UP + Duration::from_secs(calls / self.rate.max(1) * 2),
            pid: desk.pid,
            ..Plan::new(desk.gateway, "8002", desk.agent_port)
        };
        let outcome = drive("leak", &plan)?;
        desk.must_live()?;
        if outcome.failed() > 0 {
            return Err(format!("calls failed: {:?}", outcome.failures));
        }
        self.done += outcome.answered;
        let kb = resident_kb(self.pid);
        eprintln!("{} calls, {kb} kB", self.done);
        Ok((self.done as f64, kb as f64))
    }

    /// The slope over so many calls, in kB a call.
    fn slope_over(&mut self, desk: &mut Desk, calls: u64) -> Result<f64, String> {
        let mut points = vec![(self.done as f64, resident_kb(self.pid) as f64)];
        for _ in 0..LEAK_STEPS {
            points.push(self.after(desk, calls / LEAK_STEPS)?);
        }
        Ok(slope(&points))
    }
}

/// `cargo xtask bench`: the figures, measured only.
pub(crate) fn bench(order: &Order) -> Result<Verdict, String> {
    let mut figures = Vec::new();
    let runs: [(&str, Run); 5] = [
        ("uas", uas),
        ("queue", queue),
        ("rate", rate),
        ("bridge", bridge),
        ("waiting", waiting),
    ];
    for (name, run) in runs {
        if order.wants(name) {
            figures.extend(run(order)?);
        }
    }
    table(&figures);
    Ok(Verdict::Good)
}

/// The gateway answers and nobody comes: the caller hangs up. Everything but the second leg.
fn uas(order: &Order) -> Result<Vec<Figure>, String> {
    let mut desk = Desk::open(order, 0)?;
    let plan = Plan {
        rate: 200.0,
        callers_max: CALLERS_MAX,
        window: order.window(),
        pid: desk.pid,
        ..Plan::new(desk.gateway, "8004", desk.agent_port)
    };
    let outcome = drive("uas", &plan)?;
    desk.must_live()?;
    Ok(vec![
        figure(
            "CPU per call answered and abandoned in the queue",
            per(
                outcome.window.gateway_s * 1e6,
                outcome.window.answered as f64,
            ),
            "us",
            "",
        ),
        failures("uas", &outcome),
    ])
}

/// Short calls through the queue at a rate that leaves room.
fn queue(order: &Order) -> Result<Vec<Figure>, String> {
    let mut desk = Desk::open(order, 200)?;
    let plan = Plan {
        rate: 200.0,
        callers_max: CALLERS_MAX,
        window: order.window(),
        pid: desk.pid,
        ..Plan::new(desk.gateway, "8002", desk.agent_port)
    };
    let outcome = drive("queue", &plan)?;
    desk.must_live()?;
    Ok(vec![
        figure(
            "CPU per queued call",
            per(
                outcome.window.gateway_s * 1e3,
                outcome.window.answered as f64,
            ),
            "ms",
            "below 0.6",
        ),
        figure(
            "INVITE to 200 through the agent, p50",
            outcome.window.invite_to_answer.quantile_ms(0.5),
            "ms",
            "",
        ),
        figure(
            "INVITE to 200 through the agent, p99",
            outcome.window.invite_to_answer.quantile_ms(0.99),
            "ms",
            "",
        ),
        failures("queue", &outcome),
    ])
}

/// Higher and higher rates, until calls fail or wait.
fn rate(order: &Order) -> Result<Vec<Figure>, String> {
    let mut desk = Desk::open(order, 1_000)?;
    let mut best = None;
    for rate in RATES {
        let plan = Plan {
            rate,
            callers_max: CALLERS_MAX,
            window: Duration::from_secs(10),
            pid: desk.pid,
            ..Plan::new(desk.gateway, "8002", desk.agent_port)
        };
        let outcome = drive("rate", &plan)?;
        desk.must_live()?;
        let reached = outcome.window.answered as f64 / outcome.window.length.as_secs_f64();
        let is_held = outcome.failed() == 0
            && reached > rate * 0.95
            && outcome
                .window
                .invite_to_answer
                .quantile_ms(0.95)
                .is_some_and(|ms| ms < 500.0);
        if !is_held {
            break;
        }
        best = Some(reached);
    }
    Ok(vec![figure(
        "calls a second through the queue without a failure",
        best,
        "1/s",
        "above 325",
    )])
}

/// Bridged calls with G.711 both ways.
fn bridge(order: &Order) -> Result<Vec<Figure>, String> {
    let calls = order.number("bridged", 100);
    let mut desk = Desk::open(order, calls)?;
    let plan = Plan {
        rate: 50.0,
        callers_max: usize::try_from(calls).unwrap_or(usize::MAX),
        ending: Ending::Nobody,
        audio: Audio::Both,
        ramp_max: Duration::from_secs(calls / 40 + 5),
        settle: Duration::from_secs(3),
        window: order.window(),
        pid: desk.pid,
        ..Plan::new(desk.gateway, "8001", desk.agent_port)
    };
    let outcome = drive("bridge", &plan)?;
    desk.must_live()?;
    let window = &outcome.window;
    let bridged = window.agents_at_start as f64;
    let minutes = bridged * window.length.as_secs_f64() / 60.0;
    let lost = window.frames_sent.saturating_sub(window.frames_heard);
    Ok(vec![
        figure(
            &format!("CPU seconds per bridged call-minute, {bridged} calls"),
            per(window.gateway_s, minutes),
            "s",
            "below 0.05",
        ),
        figure(
            "memory per bridged call",
            memory_per(&outcome, bridged),
            "kB",
            "below 48",
        ),
        figure(
            "audio one way, p50",
            window.one_way.quantile_ms(0.5),
            "ms",
            "",
        ),
        figure(
            "audio one way, p99",
            window.one_way.quantile_ms(0.99),
            "ms",
            "",
        ),
        figure(
            "audio frames lost",
            per(lost as f64 * 100.0, window.frames_sent as f64),
            "%",
            "0",
        ),
        failures("bridge", &outcome),
    ])
}

/// Callers that wait while 20 agents talk a second to three seconds each.
fn waiting(order: &Order) -> Result<Vec<Figure>, String> {
    let lengths = order.text("waiting").unwrap_or("200,10000").to_owned();
    let mut figures = Vec::new();
    for length in lengths
        .split(',')
        .filter_map(|length| length.parse::<usize>().ok())
    {
        let mut desk = Desk::open(order, 20)?;
        let length = desk
            .pid
            .map_or(length, |pid| within_descriptors(pid, length));
        let plan = Plan {
            rate: 400.0,
            callers_max: length + 20,
            ending: Ending::Agent(Duration::from_secs(2)),
            ramp_max: Duration::from_secs(length as u64 / 300 + 30),
            settle: Duration::from_secs(4),
            window: order.window(),
            pid: desk.pid,
            ..Plan::new(desk.gateway, "8003", desk.agent_port)
        };
        let outcome = drive("waiting", &plan)?;
        desk.must_live()?;
        let waits = outcome
            .window
            .callers_at_start
            .saturating_sub(outcome.window.agents_at_start) as f64;
        figures.extend([
            figure(
                &format!("memory per waiting call, {waits} waiting"),
                memory_per(&outcome, waits),
                "kB",
                "below 16",
            ),
            figure(
                &format!("hang-up to next ring, p50, {waits} waiting"),
                outcome.window.dispatch.quantile_ms(0.5),
                "ms",
                "",
            ),
            figure(
                &format!("hang-up to next ring, p95, {waits} waiting"),
                outcome.window.dispatch.quantile_ms(0.95),
                "ms",
                "",
            ),
            figure(
                &format!("hang-up to next ring, p99, {waits} waiting"),
                outcome.window.dispatch.quantile_ms(0.99),
                "ms",
                "below 5",
            ),
            failures(&format!("waiting {length}"), &outcome),
        ]);
    }
    Ok(figures)
}

/// The most callers that can wait beside 20 who talk: each leg holds two descriptors, and a call that talks has
/// two legs. A caller beyond that gets 503, which would be measured as the gateway's failure.
fn within_descriptors(pid: u32, waiting: usize) -> usize {
    let descriptors = descriptors_max(pid).unwrap_or(usize::MAX);
    let possible = descriptors.saturating_sub(SPARE_DESCRIPTORS) / 2;
    if possible < waiting {
        eprintln!(
            "{descriptors} descriptors are allowed here: {possible} callers wait, not {waiting}"
        );
    }
    waiting.min(possible)
}

/// Descriptors for 20 talking calls, the listeners, the database and what else a gateway opens.
const SPARE_DESCRIPTORS: usize = 300;

fn drive(name: &str, plan: &Plan) -> Result<Outcome, String> {
    let outcome = load::run(plan).map_err(|fault| format!("the generator: {fault}"))?;
    let mut line = outcome.to_json();
    line["run"] = json!(name);
    line["number"] = json!(plan.number);
    line["rate"] = json!(plan.rate);
    line["callers_max"] = json!(plan.callers_max);
    print(&line);
    Ok(outcome)
}

fn memory_per(outcome: &Outcome, calls: f64) -> Option<f64> {
    let (before, then) = outcome.window.resident_kb;
    per(then.saturating_sub(before) as f64, calls)
}

fn per(sum: f64, count: f64) -> Option<f64> {
    (count > 0.0).then(|| sum / count)
}

fn failures(name: &str, outcome: &Outcome) -> Figure {
    figure(
        &format!("failed calls ({name})"),
        Some(outcome.failed() as f64),
        "",
        "0",
    )
}

fn figure(name: &str, value: Option<f64>, unit: &'static str, wanted: &'static str) -> Figure {
    Figure {
        name: name.to_owned(),
        value,
        unit,
        wanted,
    }
}

fn print(value: &Value) {
    // With nobody reading there is nobody left to tell.
    let _ = writeln!(std::io::stdout(), "{value}");
}

fn table(figures: &[Figure]) {
    for figure in figures {
        let value = figure.value.map_or("none".to_owned(), |value| {
            if value >= 100.0 {
                format!("{value:.0}")
            } else {
                format!("{value:.3}")
            }
        });
        eprintln!(
            "{:<60} {value:>10} {:<4} {}",
            figure.name,
            figure.unit,
            if figure.wanted.is_empty() {
                String::new()
            } else {
                format!("(wanted: {})", figure.wanted)
            }
        );
    }
}
