//! Signals in the middle of a simulation.

use std::io::Write as _;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{file, tautline, text};

/// Hours of work in one run, which does not ask whether it was interrupted.
const LONG: &str = r#"version = 1
duration_s = 80000

[link]
rate_mbps = 1000
base_rtt_ms = 40
buffer_bdp = 1

[[flow]]
controller = "cubic"
"#;

#[test]
fn a_second_signal_ends_a_simulation_even_where_nobody_reads_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "long.toml", LONG);
    let out = folder.path().join("results");
    // The pipe of standard error is full, so that every message waits for a reader.
    let (reader, mut filler) = std::io::pipe().unwrap();
    let stderr = filler.try_clone().unwrap();
    let filling = std::thread::spawn(move || while filler.write_all(&[b' '; 4096]).is_ok() {});
    let mut child = tautline(["sim", text(&scenario), "--out", text(&out)])
        .stderr(stderr)
        .spawn()
        .unwrap();
    // Nobody sends: each wait ends by itself.
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    let wait = || assert!(receiver.recv_timeout(Duration::from_millis(20)).is_err());
    while !out.join("cells").exists() {
        assert!(child.try_wait().unwrap().is_none());
        wait();
    }
    for signal in [Signal::TERM, Signal::INT] {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    for _ in 0..3000 {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(130));
            drop(reader);
            filling.join().unwrap();
            return;
        }
        wait();
    }
    child.kill().unwrap();
    panic!("it goes on");
}
