//! Throws millions of inputs, and tells what broke: a rule, the patience, or the memory.

use std::fmt::Debug;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No input takes a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is fed may go on filling its bounded tables, and the allocator may fragment.
const GROWTH_KIB_MAX: usize = 4_096;

/// Runs a pounding whose command line is `NAME [INPUTS] [SEED]`.
pub fn run(
    name: &str,
    inputs: u64,
    pound: impl FnOnce(&Pounding) -> Result<String, String>,
) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        let argument = arguments.next();
        argument.map_or(Some(default), |text| text.parse::<u64>().ok())
    };
    let (Some(inputs), Some(seed)) = (number(inputs), number(1)) else {
        eprintln!("usage: {name} [INPUTS] [SEED]");
        return ExitCode::from(2);
    };
    let pounding = Pounding {
        name: name.to_owned(),
        inputs,
        seed,
    };
    match pound(&pounding) {
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

/// What is asked for.
pub struct Pounding {
    name: String,
    inputs: u64,
    /// From which all inputs follow.
    pub seed: u64,
}

impl Pounding {
    /// Feeds so many inputs, each with its door, and reports.
    pub fn feed_all<D: Copy + Debug>(
        &self,
        doors: &[D],
        mut next: impl FnMut(D) -> Vec<u8>,
        mut feed: impl FnMut(D, &[u8]),
    ) -> Result<String, String> {
        let Self { name, inputs, seed } = self;
        let watched = watch(*seed);
        let started = Instant::now();
        let (mut warm_kib, mut bytes) = (0, 0);
        for (number, door) in (0..*inputs).zip(doors.iter().cycle().copied()) {
            let input = next(door);
            bytes += input.len();
            watched.store(number, Ordering::Relaxed);
            if catch_unwind(AssertUnwindSafe(|| feed(door, &input))).is_err() {
                let _ = std::fs::write(format!("{name}.crash"), &input);
                return Err(format!(
                    "input {number} of seed {seed} broke {door:?}: see {name}.crash"
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
                eprintln!("input {now} of seed {seed} hangs");
                std::process::exit(1);
            }
            last = now;
        }
    });
    number
}

/// Resident memory of this process; 0 where the system does not tell.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
