//! Sweeps: any number of threads, interruptions, and what may be taken from earlier calls.

use std::path::Path;
use std::time::Duration;

use super::{GRID, SCENARIO, TABLES, figures, has_extension, read};
use crate::run::{Said, file, names_in, run, tautline, text};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn a_sweep_gives_the_same_files_for_any_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let grid = file(&folder, "grid.toml", GRID);
    let with = |jobs: &str| {
        let out = folder.path().join(jobs);
        let args = [
            "sim",
            text(&grid),
            "--controllers",
            "cubic,newreno",
            "--seeds",
            "2",
        ];
        let more = ["--plots", "svg", "--jobs", jobs, "--out", text(&out)];
        run(args.into_iter().chain(more)).exits(0);
        out
    };
    let (one, two) = (with("1"), with("2"));
    assert_eq!(figures(&one)["runs"].as_array().unwrap().len(), 16);
    assert_eq!(figures(&one), figures(&two));
    for name in TABLES.iter().filter(|name| **name != "runs.json") {
        assert_eq!(read(&one.join(name)), read(&two.join(name)), "{name}");
    }
    for folder in ["cells", "plots"] {
        assert_eq!(names_in(&one.join(folder)), names_in(&two.join(folder)));
    }
    for name in names_in(&one.join("plots")) {
        let chart = |out: &Path| read(&out.join("plots").join(&name));
        assert_eq!(chart(&one), chart(&two), "{name}");
    }
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    // Minutes of work, in runs of a second or less.
    let grid = GRID.replace("duration_s = 2", "duration_s = 60");
    let grid = file(
        &folder,
        "grid.toml",
        grid.replace("rate_mbps = 10", "rate_mbps = 50"),
    );
    let out = folder.path().join("results");
    let args = [
        "sim",
        text(&grid),
        "--plots",
        "none",
        "--jobs",
        "1",
        "--out",
        text(&out),
    ];
    let many = args.into_iter().chain(["--seeds", "5000"]);
    let child = tautline(many).spawn().unwrap();
    let cells = out.join("cells");
    // Nobody sends: each wait ends by itself.
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    let finished = || {
        let Ok(entries) = std::fs::read_dir(&cells) else {
            return 0;
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| has_extension(name, "json")).count()
    };
    while finished() < 3 {
        assert!(receiver.recv_timeout(Duration::from_millis(20)).is_err());
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    said.exits(130)
        .complains_of(&["--resume", "are finished and kept", "of 20000"]);
    let kept = names_in(&cells);
    assert!(kept.len() >= 3 && !out.join("runs.csv").exists());

    // The first cells of the first scenario are those of a smaller call too.
    let resumed = run(args.into_iter().chain(["--seeds", "2", "--resume"]));
    resumed
        .exits(0)
        .complains_of(&["2 of 8 runs were finished"]);
    let fresh = folder.path().join("fresh");
    let again = [
        "sim",
        text(&grid),
        "--plots",
        "none",
        "--out",
        text(&fresh),
        "--seeds",
        "2",
    ];
    run(again).exits(0);
    assert_eq!(figures(&out), figures(&fresh));
    assert_eq!(
        read(&out.join("timelines.csv")),
        read(&fresh.join("timelines.csv"))
    );
    assert!(kept.iter().all(|cell| cells.join(cell).exists()));
}

#[test]
fn a_cell_is_taken_only_where_nothing_changed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("results");
    let resume = |scenario: &str, more: &[&str]| {
        let scenario = file(&folder, "short.toml", scenario);
        let args = [
            "sim",
            text(&scenario),
            "--plots",
            "none",
            "--out",
            text(&out),
            "--resume",
        ];
        run(args.into_iter().chain(more.iter().copied())).exits(0)
    };
    resume(SCENARIO, &[]).complains_of(&["0 of 1 runs"]);
    resume(SCENARIO, &[]).complains_of(&["1 of 1 runs"]);
    resume(
        &SCENARIO.replace("base_rtt_ms = 20", "base_rtt_ms = 21"),
        &[],
    )
    .complains_of(&["0 of 1"]);
    resume(SCENARIO, &["--controllers", "newreno"]).complains_of(&["0 of 1"]);
    resume(SCENARIO, &["--seeds", "2"]).complains_of(&["1 of 2"]);
    // What was not recorded then is recorded now.
    resume(SCENARIO, &["--pcap"]).complains_of(&["0 of 1"]);
    resume(SCENARIO, &["--pcap"]).complains_of(&["1 of 1"]);
    // Nor is the capture of another run taken for its own.
    let other = SCENARIO.replace("base_rtt_ms = 20", "base_rtt_ms = 21");
    resume(&other, &["--pcap"]).complains_of(&["0 of 1"]);
    resume(SCENARIO, &["--pcap"]).complains_of(&["0 of 1"]);
    resume(SCENARIO, &[]).complains_of(&["1 of 1"]);
    // Half a cell is none.
    for cell in names_in(&out.join("cells")) {
        let path = out.join("cells").join(cell);
        let whole = read(&path);
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    }
    resume(SCENARIO, &[]).complains_of(&["0 of 1"]);
    // Without the flag nothing is taken, and old cells are gone.
    let scenario = file(&folder, "short.toml", SCENARIO);
    let said = run([
        "sim",
        text(&scenario),
        "--plots",
        "none",
        "--out",
        text(&out),
    ])
    .exits(0);
    assert!(
        !said.stderr.contains("finished by an earlier call"),
        "{}",
        said.stderr
    );
    let cells = names_in(&out.join("cells")).into_iter();
    assert_eq!(cells.filter(|name| has_extension(name, "json")).count(), 1);
}

#[test]
fn a_changed_trace_makes_new_cells() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("results");
    let traced = SCENARIO.replace("rate_mbps = 10", "trace = \"link.trace\"");
    let traced = traced.replace("buffer_bdp = 2", "buffer_packets = 100");
    let scenario = file(&folder, "short.toml", traced);
    let resume = |trace: &str| {
        file(&folder, "link.trace", trace);
        let args = [
            "sim",
            text(&scenario),
            "--plots",
            "none",
            "--out",
            text(&out),
            "--resume",
        ];
        run(args).exits(0)
    };
    resume("1\n2\n3\n5\n").complains_of(&["0 of 1"]);
    resume("1\n2\n3\n5\n").complains_of(&["1 of 1"]);
    // As long, as many, but at other times.
    resume("1\n2\n4\n5\n").complains_of(&["0 of 1"]);
}
