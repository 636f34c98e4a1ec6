#![no_main]

use ringdown_email_fuzz::inputs::{Door, feed};

libfuzzer_sys::fuzz_target!(|input: &[u8]| feed(Door::Folder, input));
