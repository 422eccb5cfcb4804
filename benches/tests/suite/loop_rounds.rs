//! Simulated rounds against the intervals of closed-loop certificates.

use std::process::{Command, Output};

fn loop_rounds(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loop-rounds"));
    command.args(arguments).output().unwrap()
}

/// The row called `name`: how many checks and violations.
fn row(text: &str, name: &str) -> (u64, u64) {
    let row = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(' '));
    let words: Vec<&str> = row.unwrap().split_whitespace().collect();
    assert_eq!((words[1], words[3]), ("checks", "violations,"), "{words:?}");
    (words[0].parse().unwrap(), words[2].parse().unwrap())
}

#[test]
fn a_hundred_thousand_rounds_stay_within_every_interval() {
    let output = loop_rounds(&["--quick"]);
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    assert!(output.status.success(), "{:?}", output.status);
    let evidence = "0 rounds of evidence against true assumptions";
    assert!(text.lines().any(|line| line == evidence));
    for name in [
        "queueing",
        "standing_queue",
        "loss",
        "own_queue",
        "last_step",
        "checker: queueing",
        "checker: loss",
        "checker: own_queue",
        "rtt of a packet",
        "in flight",
        "most in flight",
        "carried",
    ] {
        let (checks, violations) = row(&text, name);
        assert!(checks > 100_000 && violations == 0, "{name}: {checks}");
    }
    assert!(text.ends_with("everything held\n"));
}

// Both were made in the prototype of the model.
#[test]
fn a_rise_that_is_forgotten_and_a_marker_in_the_wrong_round_show() {
    let small = ["--rounds", "20000", "--larger", "0", "--jitter", "0,50"];
    for mistake in ["no-rise", "marker"] {
        let mut arguments = small.to_vec();
        arguments.extend(["--buffer", "0", "--mistake", mistake]);
        let output = loop_rounds(&arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{mistake}: {text}");
        let (_, violations) = row(&text, "rtt of a packet");
        assert!(violations > 0, "{mistake}: {text}");
        assert!(text.ends_with("not everything held\n"));
    }
}

/// Rounds of models/steady in the slice of 2^5.125 to 2^5.625 datagrams, whose ranks are checked first.
fn certified_rounds(more: &[&str]) -> Output {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/steady/");
    let (model, certificate) = (
        format!("{models}model.tlm"),
        format!("{models}closed-loop.tlc"),
    );
    let mut arguments = vec!["--model", &model, "--certificate", &certificate];
    arguments.extend(["--slice", "4", "--rounds", "40000", "--larger", "0"]);
    arguments.extend(["--buffer", "0,1000,2500", "--hand", "model,thrown"]);
    arguments.extend(more);
    loop_rounds(&arguments)
}

/// The number before `what` in the line about the slice.
fn reached(output: &Output, what: &str) -> u64 {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find_map(|line| line.strip_prefix("slice 4: "));
    let line = line.unwrap_or_else(|| panic!("no line about slice 4: {text}"));
    let (before, _) = line.split_once(what).unwrap();
    before
        .split([' ', ','])
        .rfind(|word| !word.is_empty())
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn rounds_of_the_shipped_policy_have_the_ranks_that_its_certificate_promises() {
    let output = certified_rounds(&["--jitter", "0,10,50"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.ends_with("everything held\n"), "{text}");
    assert!(reached(&output, "states") > 20_000);
    assert!(reached(&output, "settled,") > 10_000);
    assert_eq!(reached(&output, "of other rank"), 0);
}

// Half of the bandwidth-delay product: another slice's states.
#[test]
fn ranks_of_a_path_that_is_not_simulated_are_missed() {
    let output = certified_rounds(&["--jitter", "0,10,50", "--mistake", "product"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text.ends_with("not everything held\n"), "{text}");
    assert!(reached(&output, "of other rank") > 0);
}

#[test]
fn no_path_has_more_jitter_than_the_certificate_allows() {
    let output = certified_rounds(&["--jitter", "200"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("nothing to draw from"), "{text}");
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let output = loop_rounds(&["--model", "no-such.tlm"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: no-such.tlm: "), "{text}");
}
