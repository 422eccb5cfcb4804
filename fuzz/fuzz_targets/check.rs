//! `cargo xtask fuzz` or `cargo fuzz run check`.
#![no_main]

#[path = "../src/targets.rs"]
#[expect(dead_code, reason = "each target calls its own part")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::check(data);
});
