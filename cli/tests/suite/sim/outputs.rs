//! Tables, charts, captures and logs.

use serde_json::Value;

use super::{DUEL, TABLES, figures, has_extension, read};
use crate::run::{file, names_in, run, text};

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
