//! Whatever happens to a session.
#![no_main]

libfuzzer_sys::fuzz_target!(|story: &[u8]| faceshare_fuzz::session::run(story));
