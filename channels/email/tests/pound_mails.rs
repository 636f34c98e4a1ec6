//! Throws mutated mails at the reader and at everything behind it, sessions at the SMTP server and answers at the IMAP client; `examples/pound_mails.rs` throws millions.

#[path = "../fuzz/src/folder.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod folder;
#[path = "../fuzz/src/inputs.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod inputs;
#[path = "../../../tests/pounding/mutation.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod mutation;
#[path = "../fuzz/src/seeds.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod seeds;
#[path = "../fuzz/src/session.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod session;

use inputs::{DOORS, Door, feed};
use mutation::Dice;
use seeds::SeedsByDoor;
use std::path::Path;

const INPUTS: usize = 1_600;
const SEED: u64 = 0x5eed;

#[test]
fn no_mail_panics_or_breaks_what_must_hold() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let seeds = SeedsByDoor::read(&fixtures).expect("the fixtures can be read");
    let mut dice = Dice::new(SEED);
    for number in 0..INPUTS {
        let door = DOORS[number % DOORS.len()];
        let input = seeds.mutate(door, &mut dice);
        // Shown only when the test fails: what was thrown last.
        let thrown = Thrown {
            door,
            input: &input,
        };
        feed(thrown.door, thrown.input);
    }
}

struct Thrown<'a> {
    door: Door,
    input: &'a [u8],
}

impl Drop for Thrown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "{:?} does not bear {:?}",
                self.door,
                self.input.escape_ascii().to_string()
            );
        }
    }
}
