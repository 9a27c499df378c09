//! Fuzzes the session kernel.
#![no_main]

libfuzzer_sys::fuzz_target!(|story: &[u8]| faceshare_fuzz::session::run(story));
