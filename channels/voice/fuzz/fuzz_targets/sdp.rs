#![no_main]

use ringdown_voice_fuzz::inputs::{Door, House};

libfuzzer_sys::fuzz_target!(|input: &[u8]| House::default().feed(Door::Sdp, input));
