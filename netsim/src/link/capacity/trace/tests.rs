use std::fs;
use std::io::Write as _;

use proptest::prelude::*;
use tautline_core::units::duration_nanos;
use tempfile::NamedTempFile;

use super::*;
use crate::link::capacity::Capacity as _;
use crate::link::capacity::opportunities::Opportunities;

const MS: u64 = 1_000_000;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn lines(times: &[u32]) -> String {
    let lines: Vec<String> = times.iter().map(|time| format!("{time}\n")).collect();
    lines.concat()
}

/// The same trace kept in memory and streamed.
fn both(file: &NamedTempFile) -> [TraceSpec; 2] {
    let kept = TraceSpec::load(file.path()).unwrap();
    let streamed = TraceSpec::load_keeping(file.path(), 0).unwrap();
    assert_eq!((kept.streams(), streamed.streams()), (false, true));
    [kept, streamed]
}

fn link(spec: &TraceSpec) -> Opportunities<TraceInstants> {
    Opportunities::new(TraceInstants::new(spec))
}

/// Message of the error without the directory of the file.
fn message(text: &str) -> String {
    let file = file(text);
    let error = TraceSpec::load(file.path()).unwrap_err().to_string();
    error.replace(file.path().to_str().unwrap(), "x.down")
}

#[test]
fn a_trace_starts_over_behind_its_last_time() {
    let file = file("0\n3\n3\n10\n");
    for spec in both(&file) {
        assert_eq!(
            (spec.opportunities(), spec.length()),
            (4, Duration::from_millis(10))
        );
        let mut link = link(&spec);
        let times: Vec<u64> = (0..9).map(|at| link.finish_ns(at, 1504) / MS).collect();
        assert_eq!(times, [0, 3, 3, 10, 10, 13, 13, 20, 20]);
    }
}

#[test]
fn capacity_counts_opportunities_over_rounds() {
    let file = file("0\n3\n3\n10");
    for spec in both(&file) {
        let link = link(&spec);
        let opportunities = |from_ns, until_ns| link.capacity_bytes(from_ns, until_ns) / 1504;
        assert_eq!(opportunities(0, 0), 0);
        assert_eq!(opportunities(0, 1), 1);
        assert_eq!(opportunities(0, 3 * MS), 1);
        assert_eq!(opportunities(0, 3 * MS + 1), 3);
        assert_eq!(opportunities(0, 10 * MS), 3);
        assert_eq!(opportunities(0, 10 * MS + 1), 5);
        assert_eq!(opportunities(10 * MS, 10 * MS + 1), 2);
        assert_eq!(opportunities(5 * MS, 1000 * MS), 396);
    }
}

#[test]
fn the_mean_rate_is_that_of_full_use() {
    let file = file("5\n10\n");
    let spec = TraceSpec::load(file.path()).unwrap();
    assert_eq!(spec.mean_rate().as_bytes_per_sec(), 300_800);
}

#[test]
fn errors_name_file_line_and_what_stands_there() {
    assert_eq!(
        message(""),
        "x.down: the trace is empty: expected at least one time in milliseconds"
    );
    assert_eq!(
        message("1\n\n2\n"),
        "x.down:2: expected a time in milliseconds, got an empty line"
    );
    assert_eq!(
        message("1\n12a4\n"),
        "x.down:2: expected a time in whole milliseconds, 0 to 4294967295, got \"12a4\""
    );
    assert_eq!(
        message("-1\n"),
        "x.down:1: expected a time in whole milliseconds, 0 to 4294967295, got \"-1\""
    );
    assert_eq!(
        message("1\r\n"),
        "x.down:1: expected a time in whole milliseconds, 0 to 4294967295, got \"1\\r\""
    );
    assert_eq!(
        message("4294967296\n"),
        "x.down:1: expected a time in whole milliseconds, 0 to 4294967295, got \"4294967296\""
    );
    assert_eq!(
        message("7\n5"),
        "x.down:2: times must not decrease: got 5 ms after 7 ms"
    );
    assert_eq!(
        message("0\n0\n"),
        "x.down:2: the last time is the length of the trace and must be above 0 ms, got 0 ms"
    );
    assert!(message(&"9".repeat(100)).contains(&format!("got \"{}\"", "9".repeat(32))));
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let error = TraceSpec::load("no/such/trace.down")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("no/such/trace.down: cannot read the trace: "),
        "{error}"
    );
}

#[test]
fn a_streamed_file_that_changes_ends_the_capacity_and_says_why() {
    let changed = file("1\n2\n3\n");
    let [kept, streamed] = both(&changed);
    for (text, reason) in [
        ("1\n2\n", "the trace changed after it was checked"),
        ("1\n2\n9\n", "the trace changed after it was checked"),
        ("1\n2\nx\n", "expected a time"),
    ] {
        fs::write(changed.path(), text).unwrap();
        let mut link = link(&streamed);
        assert_eq!(link.finish_ns(0, 3008), 2 * MS);
        assert_eq!(link.finish_ns(2 * MS, 1504), u64::MAX);
        let failure = link.instants().failure().unwrap();
        assert!(failure.contains(reason), "{failure}");
    }
    let mut link = link(&kept);
    assert_eq!(link.finish_ns(0, 4512), 3 * MS);
    assert_eq!(link.instants().failure(), None);
}

#[test]
fn a_clone_in_the_middle_of_a_file_reads_on() {
    // More than one block.
    let times: Vec<u32> = (0..40_000).map(|number| number / 3).collect();
    let file = file(&lines(&times));
    let [_, streamed] = both(&file);
    let mut link = link(&streamed);
    let mut now_ns = 0;
    for _ in 0..30_000 {
        now_ns = link.finish_ns(now_ns, 1504);
    }
    let mut again = link.clone();
    for _ in 0..30_000 {
        let finish_ns = link.finish_ns(now_ns, 1504);
        assert_eq!(finish_ns, again.finish_ns(now_ns, 1504));
        now_ns = finish_ns;
    }
    assert_eq!(link.instants().failure(), None);
}

#[test]
fn recorded_traces_load_and_full_use_passes_their_capacity() {
    let folder = std::env::var_os("TAUTLINE_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let Ok(entries) = fs::read_dir(folder.join("traces")) else {
        println!("skipped: no recorded traces in {}", folder.display());
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let kept = TraceSpec::load(&path).unwrap();
        let streamed = TraceSpec::load_keeping(&path, 0).unwrap();
        let (mut ahead, mut reading) = (link(&kept), link(&streamed));
        let (mut now_ns, mut passed) = (0, 0);
        // One round and a third.
        let until_ns = duration_nanos(kept.length()) / 3 * 4;
        loop {
            let finish_ns = ahead.finish_ns(now_ns, 1500);
            assert_eq!(finish_ns, reading.finish_ns(now_ns, 1500));
            if finish_ns >= until_ns {
                break;
            }
            now_ns = finish_ns;
            passed += 1500;
        }
        let offered = ahead.capacity_bytes(0, until_ns);
        assert_eq!(offered, reading.capacity_bytes(0, until_ns));
        assert!(
            passed <= offered && offered < passed + 1500 + 1504,
            "{passed} of {offered}"
        );
    }
}

/// When packets of (arrival, bytes) leave, by the loop of mahimahi's `LinkQueue::rationalize`:
/// opportunity after opportunity, each serving the packet in transit and what waits.
fn departures_of_mahimahi(times: &[u32], packets: &[(u64, u32)]) -> Vec<u64> {
    let length_ms = u64::from(*times.last().unwrap());
    let mut departures = Vec::new();
    let (mut waiting, mut in_transit) = (packets.iter().peekable(), 0_u32);
    for round in 0.. {
        for &time_ms in times {
            let now_ns = (round * length_ms + u64::from(time_ms)) * MS;
            let mut left = OPPORTUNITY_BYTES;
            while left > 0 {
                if in_transit == 0 {
                    let Some(next) = waiting.next_if(|packet| packet.0 <= now_ns) else {
                        break;
                    };
                    in_transit = next.1;
                }
                let sent = left.min(in_transit);
                left -= sent;
                in_transit -= sent;
                if in_transit == 0 {
                    departures.push(now_ns);
                }
            }
        }
        if departures.len() == packets.len() {
            break;
        }
    }
    departures
}

proptest! {
    #[test]
    fn packets_leave_when_they_leave_mahimahi(
        gaps in prop::collection::vec(0_u32..6, 1..50),
        packets in prop::collection::vec((0_u64..8 * MS, 1_u32..4000), 1..200),
    ) {
        let times: Vec<u32> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        prop_assume!(times.last().is_some_and(|&last| last > 0));
        let packets: Vec<(u64, u32)> = packets
            .iter()
            .scan(0, |at, &(gap_ns, bytes)| { *at += gap_ns; Some((*at, bytes)) })
            .collect();
        let file = file(&lines(&times));
        let mut link = link(&TraceSpec::load(file.path()).unwrap());
        let mut last_ns = 0;
        let departures: Vec<u64> = packets
            .iter()
            .map(|&(arrival_ns, bytes)| {
                last_ns = link.finish_ns(arrival_ns.max(last_ns), bytes);
                last_ns
            })
            .collect();
        prop_assert_eq!(departures, departures_of_mahimahi(&times, &packets));
    }

    #[test]
    fn streaming_and_memory_give_equal_times_and_counts(
        gaps in prop::collection::vec(0_u32..20, 1..200),
        packets in prop::collection::vec((1_u32..4000, 0_u64..30 * MS), 1..300),
    ) {
        let times: Vec<u32> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        prop_assume!(times.last().is_some_and(|&last| last > 0));
        let file = file(&lines(&times));
        let [kept, streamed] = both(&file);
        let (mut kept, mut streamed) = (link(&kept), link(&streamed));
        let mut now_ns = 0;
        for (bytes, gap_ns) in packets {
            let finish_ns = kept.finish_ns(now_ns, bytes);
            prop_assert_eq!(finish_ns, streamed.finish_ns(now_ns, bytes));
            prop_assert!(finish_ns >= now_ns && finish_ns % MS == 0 || finish_ns == now_ns);
            let counted = kept.capacity_bytes(now_ns, finish_ns);
            prop_assert_eq!(counted, streamed.capacity_bytes(now_ns, finish_ns));
            now_ns = finish_ns + gap_ns;
        }
    }
}
