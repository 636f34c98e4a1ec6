//! Throws millions of mutated mails at the reader and at everything behind it:
//!
//!     cargo run --release -p ringdown-email --example pound_mails -- [INPUTS] [SEED]
//!
//! Ends with status 1 when an input breaks a rule (it is written to `pound_mails.crash`), takes for
//! ever, or when memory goes on growing.

#[path = "../fuzz/src/inputs.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod inputs;
#[path = "../fuzz/src/mutation.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod mutation;

use inputs::{DOORS, feed};
use mutation::{Dice, Seeds};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No input takes a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The allocator may fragment.
const GROWTH_KIB_MAX: usize = 4_096;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        let argument = arguments.next();
        argument.map_or(Some(default), |text| text.parse::<u64>().ok())
    };
    let (Some(inputs), Some(seed)) = (number(1_000_000), number(1)) else {
        eprintln!("usage: pound_mails [INPUTS] [SEED]");
        return ExitCode::from(2);
    };
    match pound(inputs, seed) {
        Ok(report) => {
            let _ = writeln!(std::io::stdout(), "{report}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn pound(inputs: u64, seed: u64) -> Result<String, String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let seeds = Seeds::read(&fixtures).map_err(|fault| format!("no fixtures: {fault}"))?;
    let mut dice = Dice::new(seed);
    let watched = watch(seed);
    let started = Instant::now();
    let mut warm_kib = 0;
    let mut bytes = 0;
    for (number, door) in (0..inputs).zip(DOORS.into_iter().cycle()) {
        let input = seeds.mutate(&mut dice);
        bytes += input.len();
        watched.store(number, Ordering::Relaxed);
        if catch_unwind(AssertUnwindSafe(|| feed(door, &input))).is_err() {
            let _ = std::fs::write("pound_mails.crash", &input);
            return Err(format!(
                "input {number} of seed {seed} broke {door:?}: see pound_mails.crash"
            ));
        }
        if number == inputs / 10 {
            warm_kib = resident_kib();
        }
    }
    let kib = resident_kib();
    let report = format!(
        "{inputs} inputs, {} MB, {:.1} s, resident {warm_kib} KiB after a tenth, {kib} KiB at the end",
        bytes / 1_000_000,
        started.elapsed().as_secs_f64(),
    );
    if kib > warm_kib + GROWTH_KIB_MAX {
        return Err(format!("memory grows: {report}"));
    }
    Ok(report)
}

/// Ends the process when one input takes for ever.
fn watch(seed: u64) -> Arc<AtomicU64> {
    let number = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&number);
    std::thread::spawn(move || {
        let mut last = u64::MAX;
        loop {
            std::thread::sleep(PATIENCE);
            let now = watched.load(Ordering::Relaxed);
            if now == last {
                eprintln!("input {now} of seed {seed} hangs {:?}", door_of(now));
                std::process::exit(1);
            }
            last = now;
        }
    });
    number
}

fn door_of(number: u64) -> Option<inputs::Door> {
    let place = usize::try_from(number % DOORS.len() as u64).ok()?;
    DOORS.get(place).copied()
}

/// Resident memory of this process; 0 where the system does not tell.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
