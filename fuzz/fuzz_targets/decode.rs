//! `cargo xtask fuzz` or `cargo fuzz run decode`.
#![no_main]

#[path = "../src/targets.rs"]
#[expect(dead_code, reason = "each target calls its own part")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::decode(data);
});
