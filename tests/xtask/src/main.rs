//! `cargo xtask`: runs that need a release build and some minutes, so they are no tests.
//!
//! Each builds the gateway, starts it with `fixtures/config/rig.toml` in a folder of its own, drives it from
//! both sides with the generator of `tests/harness`, prints one JSON object a line on standard output
//! and a table on standard error. Nothing else of any weight should run on the machine meanwhile.

mod bench;
mod desk;
mod mails;
mod run;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask load  [--calls 2000] [--rate 100] [--redis yes]   calls through the queue with audio; 0 failures wanted
cargo xtask leak  [--calls 20000] [--rate 200]                memory slope over short calls; under 1 kB a call wanted, 0.1 kB once stores are full
cargo xtask bench [uas|queue|rate|bridge|waiting]...          the figures of README.md; all without a name
cargo xtask core                                              the signalling core alone (cargo bench of channels/voice)
cargo xtask mails [--mails 10000] [--kill-every 400] [--senders 16] [--bytes 10000] [--postgres yes] [--program PATH]
                                                              mails while the gateway is killed; each once on its ticket wanted
cargo xtask large [--mails 8] [--bytes 50000000] [--room 134217728] [--program PATH]
                                                              one large mail, then several at one time; how much memory they take
cargo xtask config [--agents 20]                              prints the configuration of the runs

--seconds N     length of a measured window (20)
--waiting N,N   waiting callers of `bench waiting` (200,10000)
--bridged N     bridged calls of `bench bridge` (100)
--gateway HOST:PORT --pid PID   drive a gateway that runs already, with that configuration
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let order = match run::Order::parse(&words) {
        Ok(order) => order,
        Err(fault) => {
            eprintln!("{fault}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let answer = match order.command.as_str() {
        "config" => desk::print(order.number("agents", 20)),
        "load" => bench::load(&order),
        "leak" => bench::leak(&order),
        "bench" => bench::bench(&order),
        "mails" => mails::deliver(&order),
        "large" => mails::deliver_large(&order),
        "core" => desk::bench_core(),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(if order.command == "help" { 0 } else { 2 });
        }
    };
    match answer {
        Ok(run::Verdict::Good) => ExitCode::SUCCESS,
        Ok(run::Verdict::No) => ExitCode::from(1),
        Err(fault) => {
            eprintln!("xtask: {fault}");
            ExitCode::from(1)
        }
    }
}
