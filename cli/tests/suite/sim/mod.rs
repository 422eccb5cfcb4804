//! `tautline sim`.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::{Fixture, Said, file, names_in, run, tautline, text};

mod folder;

const SCENARIO: &str = r#"version = 1
name = "short"
duration_s = 4

[link]
rate_mbps = 10
base_rtt_ms = 20
buffer_bdp = 2

[[flow]]
controller = "cubic"
"#;

const WEAK: &str = r#"version = 1
feature_table = 1

[[claim]]
name = "not-absurd"
kind = "point"
says = "Hardly anything."
then = ["rate <= 16"]
"#;

#[test]
fn results_have_the_documented_shape() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let args = [
        "sim",
        text(&scenario),
        "--controllers",
        "cubic,newreno",
        "--seeds",
        "2",
    ];
    let report = run(args.into_iter().chain(["--json", "-"])).exits(0).json();
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    for (run, (controller, seed)) in
        runs.iter()
            .zip([("cubic", 1), ("cubic", 2), ("newreno", 1), ("newreno", 2)])
    {
        assert_eq!(run["scenario"], "short");
        assert_eq!(run["controller"], controller);
        assert_eq!(run["seed"], seed);
        assert_eq!(run["duration_s"], 4.0);
        assert!(run["data_packets"].as_u64().unwrap() > 1000, "{run}");
        assert!(
            run["flows"][0]["goodput_mbps"].as_f64().unwrap() > 5.0,
            "{run}"
        );
        assert!(run["link"]["utilisation"].as_f64().unwrap() > 0.8, "{run}");
        for number in ["cpu_s", "jain"] {
            assert!(run[number].is_f64(), "{number} in {run}");
        }
        for number in ["queue_delay_mean_ms", "queue_delay_p95_ms", "loss"] {
            assert!(run["link"][number].is_f64(), "{number} in {run}");
        }
        for number in ["loss", "rtt_mean_ms"] {
            assert!(run["flows"][0][number].is_f64(), "{number} in {run}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let lossy = SCENARIO.replace("buffer_bdp = 2", "buffer_bdp = 2\nloss_percent = 1");
    let scenario = file(&folder, "lossy.toml", lossy);
    let with_threads = |threads: &str| {
        let args = ["sim", text(&scenario), "--seeds", "5", "--json", "-"];
        let output = tautline(args).env("RAYON_NUM_THREADS", threads).output();
        let mut report = Said::of(&output.unwrap()).exits(0).json();
        for run in report["runs"].as_array_mut().unwrap() {
            run["cpu_s"] = Value::Null;
        }
        report
    };
    assert_eq!(with_threads("1"), with_threads("3"));
}

#[test]
fn the_certified_controller_runs_only_with_an_accepted_certificate() {
    let fixture = Fixture::shared();
    let (model, certificate) = (fixture.model(), fixture.certificate());
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let args = [
        "sim",
        text(&scenario),
        "--controllers",
        "certified",
        "--json",
        "-",
    ];
    run(args)
        .exits(2)
        .complains_of(&["needs --model", "--certificate"]);
    let with = |certificate: &str| {
        run(args
            .into_iter()
            .chain(["--model", text(&model), "--certificate", certificate]))
    };
    let flow = with(text(&certificate)).exits(0).json()["runs"][0]["flows"][0].clone();
    assert!(flow["certified_decisions"].as_u64().unwrap() > 20, "{flow}");
    let bad = file(&folder, "bad.tlc", "bad");
    with(text(&bad))
        .exits(1)
        .complains_of(&["bad.tlc", "certificate rejected at file"]);
}

#[test]
fn a_proof_of_other_claims_counts_only_where_they_are_asked_for() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let claims = file(&folder, "weak.toml", WEAK);
    let weak = folder.path().join("weak.tlc");
    let named = ["--claims", text(&claims)];
    let certify = ["certify", text(&model), "--out", text(&weak)];
    run(certify.into_iter().chain(named)).exits(0);
    let args = ["sim", text(&scenario), "--controllers", "certified"];
    let with = |certificate: &str, more: &[&str]| {
        let both = ["--model", text(&model), "--certificate", certificate];
        run(args.into_iter().chain(both).chain(more.iter().copied()))
    };
    with(text(&weak), &[])
        .exits(1)
        .complains_of(&["weak.tlc", "certificate rejected"]);
    with(text(&weak), &named).exits(0);
    with(text(&Fixture::shared().certificate()), &named).exits(1);

    let server = ["perf", "server", "--model", text(&model), "--certificate"];
    run(server.into_iter().chain([text(&weak)]))
        .exits(1)
        .complains_of(&["weak.tlc", "certificate rejected"]);
}

#[test]
fn malformed_scenarios_name_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            SCENARIO.replace("rate_mbps = 10", "rate_mbps = \"10\""),
            ":6: ",
            "rate_mbps",
        ),
        (
            SCENARIO.replace("buffer_bdp = 2", "buffer = 2"),
            ":8: ",
            "buffer",
        ),
        (
            SCENARIO.replace("duration_s = 4", "duration_s = -4"),
            ":3: ",
            "duration_s",
        ),
    ];
    for (content, line, field) in cases {
        let scenario = file(&folder, "wrong.toml", content);
        let place = format!("wrong.toml{line}");
        run(["sim", text(&scenario)])
            .exits(2)
            .complains_of(&[&place, field]);
    }
    let scenario = file(&folder, "short.toml", SCENARIO);
    run(["sim", text(&scenario), "--controllers", "reno"])
        .exits(2)
        .complains_of(&["reno", "newreno", "certified"]);
    run(["sim", text(&folder.path().join("missing.toml"))])
        .exits(2)
        .complains_of(&["missing.toml", "No such file"]);
}

const DUEL: &str = r#"version = 1
name = "duel"
duration_s = 3

[link]
rate_mbps = 10
base_rtt_ms = 20
buffer_bdp = 1
loss_percent = 0.2

[[flow]]
controller = "cubic"

[[flow]]
controller = "newreno"
start_s = 0.5
"#;

const GRID: &str = r#"version = 1
name = "grid"
duration_s = 2

[link]
rate_mbps = 10
base_rtt_ms = 20
buffer_bdp = 1

[[flow]]
controller = "cubic"

[sweep]
"link.rate_mbps" = [5, 10]
"link.buffer_bdp" = [0.5, 2]
"#;

const TABLES: [&str; 7] = [
    "applications.csv",
    "flows.csv",
    "links.csv",
    "matrix.csv",
    "runs.csv",
    "runs.json",
    "timelines.csv",
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|it| it == extension)
}

/// Results without the processor time.
fn figures(folder: &Path) -> Value {
    let mut results: Value = serde_json::from_str(&read(&folder.join("runs.json"))).unwrap();
    for run in results["runs"].as_array_mut().unwrap() {
        run["cpu_s"] = Value::Null;
    }
    results
}

#[test]
fn a_results_folder_holds_every_table() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "duel.toml", DUEL);
    let out = folder.path().join("deep/results");
    let args = ["sim", text(&scenario), "--seeds", "3", "--plots", "none"];
    let said = run(args.into_iter().chain(["--out", text(&out)])).exits(0);
    let mut expected = TABLES.to_vec();
    expected.insert(1, "cells");
    expected.insert(0, ".lock");
    assert_eq!(names_in(&out), expected);
    // 3 s in bins of 100 ms, 2 flows, 3 seeds, and the header.
    for (name, lines) in [
        ("timelines.csv", 181),
        ("runs.csv", 4),
        ("flows.csv", 7),
        ("links.csv", 4),
        ("matrix.csv", 2),
    ] {
        let table = read(&out.join(name));
        assert_eq!(table.lines().count(), lines, "{name}");
        let columns = table.lines().map(|line| line.matches(',').count());
        let columns: Vec<_> = columns.collect();
        assert!(columns.iter().all(|&count| count == columns[0]), "{name}");
    }
    let results = figures(&out);
    let row = &results["matrix"][0];
    assert_eq!(
        (&row["seeds"], &row["controller"]),
        (&3.into(), &"cubic+newreno".into())
    );
    let goodputs = results["runs"].as_array().unwrap().iter().map(|run| {
        let flows = run["flows"].as_array().unwrap().iter();
        flows
            .map(|flow| flow["goodput_mbps"].as_f64().unwrap())
            .sum::<f64>()
    });
    let goodputs: Vec<f64> = goodputs.collect();
    let mean = goodputs.iter().sum::<f64>() / 3.0;
    let variance = goodputs.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 2.0;
    let half = 4.302_653 * (variance / 3.0).sqrt();
    assert!((row["goodput_mbps"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9);
    assert!(
        (row["goodput_mbps"]["ci95"].as_f64().unwrap() - half).abs() < 1e-6,
        "{row}"
    );
    assert!(half > 0.0);
    // The matrix stands in place of the runs.
    assert!(
        said.stdout.contains('±') && said.stdout.lines().count() == 3,
        "{}",
        said.stdout
    );

    let blocked = file(&folder, "blocked", "");
    run(["sim", text(&scenario), "--out", text(&blocked)])
        .exits(2)
        .complains_of(&["cannot write", "blocked"]);

    let taken = folder.path().join("taken");
    std::fs::create_dir_all(taken.join("timelines.csv")).unwrap();
    run(["sim", text(&scenario), "--out", text(&taken)])
        .exits(2)
        .complains_of(&["cannot write", "timelines.csv"]);
    assert_eq!(names_in(&taken), ["timelines.csv"]);
    let runs = out.join("runs.json");
    let args = ["sim", text(&scenario), "--out", text(&out), "--json"];
    run(args.into_iter().chain([text(&runs)]))
        .exits(2)
        .complains_of(&["runs.json is the place of two outputs"]);
}

#[test]
fn charts_are_drawn_in_the_formats_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "duel.toml", DUEL);
    let out = folder.path().join("results");
    let args = [
        "sim",
        text(&scenario),
        "--controllers",
        "cubic,newreno",
        "--out",
    ];
    run(args.into_iter().chain([text(&out)])).exits(0);
    let charts = [
        "duel-cubic-1-delay-distribution",
        "duel-cubic-1-fairness",
        "duel-cubic-1-timeline",
        "duel-newreno-1-timeline",
        "trade-off",
    ];
    let both = charts.map(|chart| [format!("{chart}.png"), format!("{chart}.svg")]);
    assert_eq!(names_in(&out.join("plots")), both.concat());
    for chart in charts {
        let svg = read(&out.join("plots").join(format!("{chart}.svg")));
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
            "{chart}"
        );
        assert!(svg.matches("<polyline").count() > 10, "{chart}");
        let png = std::fs::read(out.join("plots").join(format!("{chart}.png"))).unwrap();
        assert!(
            png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 10_000,
            "{chart}"
        );
    }
    let svg = read(&out.join("plots/duel-cubic-1-timeline.svg"));
    for words in [
        "capacity",
        "goodput (Mbit/s)",
        "queueing delay (ms)",
        "window (kB)",
        "time (s)",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    let only = folder.path().join("only");
    let args = [
        "sim",
        text(&scenario),
        "--plots",
        "svg",
        "--out",
        text(&only),
    ];
    run(args).exits(0);
    assert!(
        names_in(&only.join("plots"))
            .iter()
            .all(|name| has_extension(name, "svg"))
    );
}

#[test]
fn captures_and_logs_are_written_per_run() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "duel.toml", DUEL);
    let out = folder.path().join("results");
    let args = [
        "sim",
        text(&scenario),
        "--pcap",
        "--qlog",
        "--plots",
        "none",
        "--out",
    ];
    run(args.into_iter().chain([text(&out)])).exits(0);
    assert_eq!(names_in(&out.join("pcap")), ["duel-cubic+newreno-1.pcapng"]);
    let capture = std::fs::read(out.join("pcap/duel-cubic+newreno-1.pcapng")).unwrap();
    assert!(capture.starts_with(&[0x0A, 0x0D, 0x0D, 0x0A]) && capture.len() > 100_000);
    let logs = [
        "duel-cubic+newreno-1-flow0.sqlog",
        "duel-cubic+newreno-1-flow1.sqlog",
    ];
    assert_eq!(names_in(&out.join("qlog")), logs);
    let log = read(&out.join("qlog").join(logs[1]));
    let mut records = log.split('\u{1e}').skip(1);
    let header: Value = serde_json::from_str(records.next().unwrap()).unwrap();
    assert_eq!(header["title"], "duel, seed 1, flow 1");
    let events = records.map(|record| serde_json::from_str::<Value>(record).unwrap());
    let mut sent = events.filter(|event| event["name"] == "quic:packet_sent");
    assert_eq!(sent.next().unwrap()["time"], 500.0);
    assert!(sent.count() > 500);
    // Recording changes nothing.
    let plain = folder.path().join("plain");
    run([
        "sim",
        text(&scenario),
        "--plots",
        "none",
        "--out",
        text(&plain),
    ])
    .exits(0);
    assert_eq!(figures(&plain), figures(&out));
}

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

#[test]
fn flags_that_make_no_sense_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let scenario = text(&scenario);
    let out = folder.path().join("results");
    for (more, words) in [
        (&["--pcap"][..], "--out"),
        (&["--qlog"], "--out"),
        (&["--resume"], "--out"),
        (&["--plots", "svg"], "--out"),
        (&["--jobs", "0"], "--jobs"),
        (&["--seeds", "0"], "--seeds"),
        (&["--out", text(&out), "--plots", "gif"], "svg, png, none"),
        (
            &["--out", text(&out), "--plots", "svg,none"],
            "`none` alone",
        ),
        (&["--controllers", "quinn-cubic"], "stack = \"quinn\""),
        (&["--controllers", "reno"], "unknown controller `reno`"),
    ] {
        let args = ["sim", scenario].into_iter().chain(more.iter().copied());
        run(args).exits(2).complains_of(&[words]);
    }
    assert!(!out.exists());
}

#[test]
fn quinn_and_the_model_share_a_bottleneck() {
    let folder = tempfile::tempdir().unwrap();
    let quinn = DUEL.replace("start_s = 0.5", "stack = \"quinn\"");
    let quinn = file(&folder, "duel.toml", quinn);
    let out = folder.path().join("results");
    let args = [
        "sim",
        text(&quinn),
        "--pcap",
        "--qlog",
        "--plots",
        "none",
        "--out",
        text(&out),
    ];
    run(args).exits(0);
    let results = figures(&out);
    for flow in results["runs"][0]["flows"].as_array().unwrap() {
        assert!(flow["goodput_mbps"].as_f64().unwrap() > 1.0, "{flow}");
    }
    let only = SCENARIO.replace("[[flow]]", "[[flow]]\nstack = \"quinn\"");
    let only = file(&folder, "only.toml", only);
    let controllers = "cubic,newreno,quinn-cubic,quinn-newreno,quinn-bbr";
    let args = [
        "sim",
        text(&only),
        "--controllers",
        controllers,
        "--json",
        "-",
    ];
    let results = run(args).exits(0).json();
    for run in results["runs"].as_array().unwrap() {
        assert!(run["link"]["utilisation"].as_f64().unwrap() > 0.7, "{run}");
    }
    assert_eq!(results["runs"].as_array().unwrap().len(), 5);
}

#[test]
fn figures_of_applications_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let web = SCENARIO.replace(
        "controller = \"cubic\"",
        "controller = \"cubic\"\nworkload = { kind = \"web\", every_ms = 100, \
         object = { kind = \"pareto\", min_bytes = 10000, shape = 1.2, max_bytes = 50000 } }",
    );
    let scenario = file(&folder, "web.toml", web);
    let out = folder.path().join("results");
    run([
        "sim",
        text(&scenario),
        "--plots",
        "none",
        "--out",
        text(&out),
    ])
    .exits(0);
    let application = &figures(&out)["runs"][0]["flows"][0]["application"];
    assert_eq!(application["kind"], "web");
    assert!(
        application["completed"].as_u64().unwrap() > 10,
        "{application}"
    );
    let table = read(&out.join("applications.csv"));
    assert!(
        table.contains("short,cubic,1,0,web,completion.mean_ms,"),
        "{table}"
    );
}

#[test]
fn a_full_standard_output_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = tautline(["sim", text(&scenario)])
        .stdout(full)
        .output()
        .unwrap();
    Said::of(&output)
        .exits(2)
        .complains_of(&["cannot write to standard output"]);
}
