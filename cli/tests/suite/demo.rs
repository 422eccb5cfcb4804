//! `tautline demo`, and what all commands share.

use std::io::{BufRead as _, BufReader};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{file, names_in, run, tautline, text};

#[test]
#[ignore = "takes over a minute of real time; run with --ignored on a quiet machine"]
fn the_quick_demo_proves_checks_tampers_transfers_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    run(["demo", "--quick", "--out", text(&out)]).exits(0);
    let names = ["certificate.tlc", "demo.json", "model.tlm", "report.html"];
    assert_eq!(names_in(&out), names);
    let demo = std::fs::read_to_string(out.join("demo.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_str(&demo).unwrap();
    for claim in demo["claims"].as_array().unwrap() {
        assert_eq!(claim["qc"], "1/1", "{claim}");
        assert_eq!(claim["accepted"], true, "{claim}");
    }
    assert_eq!(demo["tamper"]["rejected"], true);
    let runs = demo["runs"].as_array().unwrap();
    let pairs: Vec<_> = runs
        .iter()
        .map(|run| {
            (
                run["link"].as_str().unwrap(),
                run["controller"].as_str().unwrap(),
            )
        })
        .collect();
    let controllers = ["certified", "cubic", "newreno", "bbr"];
    let expected: Vec<_> = ["fixed", "varying"]
        .into_iter()
        .flat_map(|link| controllers.map(|controller| (link, controller)))
        .collect();
    assert_eq!(pairs, expected);
    for run in runs {
        let late = run["lateness_p99_us"].as_f64().unwrap();
        assert_eq!(run["valid"].as_bool().unwrap(), late <= 1000.0, "{run}");
        assert_eq!(run["goodput_mbps"].is_null(), late > 1000.0, "{run}");
    }
    let figures = |controller| {
        let mut runs = runs.iter();
        let run = runs.find(|run| run["link"] == "fixed" && run["controller"] == controller);
        run.filter(|run| run["valid"] == true)
    };
    if let Some(certified) = figures("certified") {
        let figure = |name: &str| certified[name].as_f64().unwrap();
        assert!(figure("utilisation") >= 0.85, "{certified}");
        assert!(figure("certified_share") >= 0.95, "{certified}");
        assert!(figure("lateness_p99_us") <= 1000.0, "{certified}");
        if let Some(cubic) = figures("cubic") {
            let delay = cubic["queue_delay_mean_ms"].as_f64().unwrap();
            assert!(figure("queue_delay_mean_ms") < delay, "{certified} {cubic}");
        }
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"));
    run([
        "check",
        text(&out.join("model.tlm")),
        text(&out.join("certificate.tlc")),
    ])
    .exits(0);
}

#[test]
fn an_interrupted_demo_leaves_nothing_of_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["certificate.tlc", "demo.json", "model.tlm", "report.html"] {
        file(&folder, name, "earlier");
    }
    file(&folder, "notes.txt", "mine");
    let mut child = tautline(["demo", "--quick", "--out", text(folder.path())])
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("1/6 training"), "{line}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    std::io::Read::read_to_string(&mut stderr, &mut line).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{line}");
    assert_eq!(names_in(folder.path()), ["notes.txt"]);
}

#[test]
fn a_demo_without_a_place_for_its_files_fails_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = file(&folder, "blocked", "");
    run(["demo", "--out", text(&blocked)])
        .exits(2)
        .complains_of(&["cannot write", "blocked"]);
    run(["demo", "--out", "/proc/tautline"]).exits(2);
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in ["demo", "train", "certify", "check", "sim", "perf"] {
        let said = run([command, "--help"]).exits(0);
        let example = format!("tautline {command}");
        let examples = said.stdout.split("Examples:").nth(1);
        assert!(
            examples.is_some_and(|it| it.contains(&example)),
            "{}",
            said.stdout
        );
        assert!(said.stdout.contains("Exit codes"), "{}", said.stdout);
    }
    run(["--version"]).exits(0);
    run(["conquer"]).exits(2);
}
