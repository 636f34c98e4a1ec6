//! Throws millions of mutated mails at the reader and at everything behind it, and as many sessions at the SMTP
//! server:
//!
//!     cargo run --release -p ringdown-email --example pound_mails -- [INPUTS] [SEED]
//!
//! Ends with status 1 when an input breaks a rule (it is written to `pound_mails.crash`), takes for
//! ever, or when memory goes on growing.

#[path = "../fuzz/src/folder.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod folder;
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
#[path = "../fuzz/src/session.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod session;

use inputs::{DOORS, feed};
use mutation::Dice;
use pound::Pounding;
use seeds::SeedsByDoor;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    pound::run("pound_mails", 1_000_000, pound_mails)
}

fn pound_mails(pounding: &Pounding) -> Result<String, String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let seeds = SeedsByDoor::read(&fixtures).map_err(|fault| format!("no fixtures: {fault}"))?;
    let mut dice = Dice::new(pounding.seed);
    pounding.feed_all(&DOORS, |door| seeds.mutate(door, &mut dice), feed)
}
