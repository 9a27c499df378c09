//! Fuzzes the reading of protobuf frames.
#![no_main]

use faceshare_biz::domain::instruction::WireFormat;

libfuzzer_sys::fuzz_target!(|message: &[u8]| faceshare_fuzz::frames::check(
    WireFormat::Proto,
    message
));
