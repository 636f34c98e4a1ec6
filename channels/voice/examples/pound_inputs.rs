//! Throws millions of mutated inputs at everything that reads strangers' bytes:
//!
//!     cargo run --release -p ringdown-voice --example pound_inputs -- [INPUTS] [SEED]
//!
//! Ends with status 1 when an input breaks a rule (it is written to `pound_inputs.crash`), takes for
//! ever, or when memory goes on growing.

#[path = "../fuzz/src/inputs.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod inputs;
#[path = "../../../tests/pounding/mutation.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod mutation;
#[path = "../../../tests/pounding/pound.rs"]
#[expect(unreachable_pub, reason = "shared by the channels")]
mod pound;
#[path = "../fuzz/src/seeds.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod seeds;
#[path = "../fuzz/src/stranger.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod stranger;

use inputs::{DOORS, House};
use mutation::Dice;
use pound::Pounding;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    pound::run("pound_inputs", 10_000_000, pound_house)
}

fn pound_house(pounding: &Pounding) -> Result<String, String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let seeds = seeds::seeds(&fixtures).map_err(|fault| format!("no fixtures: {fault}"))?;
    let mut dice = Dice::new(pounding.seed);
    let mut house = House::default();
    let report = pounding.feed_all(
        &DOORS,
        |_| seeds.mutate(&mut dice),
        |door, input| house.feed(door, input),
    )?;
    if catch_unwind(AssertUnwindSafe(|| house.leave())).is_err() {
        let seed = pounding.seed;
        return Err(format!("something stays behind after seed {seed}"));
    }
    Ok(report)
}
