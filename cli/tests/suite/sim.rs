//! `tautline sim`.

use serde_json::Value;

use crate::run::{Fixture, Said, file, names_in, run, tautline, text};

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
    run(["sim", text(&scenario), "--controllers", "vegas"])
        .exits(2)
        .complains_of(&["vegas", "newreno", "certified"]);
    run(["sim", text(&folder.path().join("missing.toml"))])
        .exits(2)
        .complains_of(&["missing.toml", "No such file"]);
}

#[test]
fn a_results_folder_holds_runs_and_timelines() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let out = folder.path().join("deep/results");
    run(["sim", text(&scenario), "--out", text(&out)]).exits(0);
    assert_eq!(names_in(&out), ["runs.csv", "runs.json", "timelines.csv"]);
    let timelines = std::fs::read_to_string(out.join("timelines.csv")).unwrap();
    // 4 s in bins of 100 ms, and the header.
    assert_eq!(timelines.lines().count(), 41);

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
