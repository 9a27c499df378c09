//! Fuzzes the reading of JSON frames.
#![no_main]

use faceshare_biz::domain::instruction::WireFormat;

libfuzzer_sys::fuzz_target!(|message: &[u8]| faceshare_fuzz::frames::check(
    WireFormat::Json,
    message
));
