#![no_main]

use ringdown_email_fuzz::inputs::{DOORS, feed};

// The first byte chooses what the rest is the body of.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((first, rest)) = input.split_first() {
        feed(DOORS[usize::from(*first) % DOORS.len()], rest);
    }
});
