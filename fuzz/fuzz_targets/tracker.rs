//! `cargo xtask fuzz` or `cargo fuzz run tracker`.
#![no_main]

#[path = "../src/tracker.rs"]
mod tracker;
#[path = "../src/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    tracker::tracker(data);
});
