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
    assert!(text.contains(" 0 rounds of evidence against true assumptions"));
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

#[test]
fn a_model_that_is_not_there_is_named() {
    let output = loop_rounds(&["--model", "no-such.tlm"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: no-such.tlm: "), "{text}");
}
