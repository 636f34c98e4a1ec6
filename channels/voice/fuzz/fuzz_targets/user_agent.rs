#![no_main]

use ringdown_voice_fuzz::inputs::{Door, House};

// One call needs several messages: the input is cut at zero bytes.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut house = House::default();
    for message in input.split(|byte| *byte == 0).take(64) {
        house.feed(Door::UserAgent, message);
    }
});
