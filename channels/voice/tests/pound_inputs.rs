//! Throws mutated inputs at everything that reads strangers' bytes; `examples/pound_inputs.rs` throws millions.

#[path = "../fuzz/src/inputs.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod inputs;
#[path = "../../../tests/pounding/mutation.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod mutation;
#[path = "../fuzz/src/seeds.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod seeds;
#[path = "../fuzz/src/stranger.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod stranger;

use inputs::{DOORS, House};
use mutation::Dice;
use std::path::Path;

const INPUTS: usize = 20_000;
const SEED: u64 = 0x5eed;

#[test]
fn no_input_from_the_network_panics_or_hangs() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let seeds = seeds::seeds(&fixtures).expect("the fixtures can be read");
    let mut dice = Dice::new(SEED);
    let mut house = House::default();
    for number in 0..INPUTS {
        let input = seeds.mutate(&mut dice);
        let door = DOORS[number % DOORS.len()];
        // Shown only when the test fails: what was thrown last.
        let thrown = Thrown {
            door,
            input: &input,
        };
        house.feed(door, thrown.input);
    }
    house.leave();
}

struct Thrown<'a> {
    door: inputs::Door,
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
