//! The quick part of `cargo xtask validate`.

use std::process::{Command, Output};

fn validate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_validate"));
    command.args(arguments).output().unwrap()
}

#[test]
fn the_small_dumbbells_and_a_few_scenarios_with_quinn_are_within_their_limits() {
    let output = validate(&["--quick"]);
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    assert!(output.status.success(), "{:?}", output.status);
    let rows = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(rows("| 10 | "), 6);
    assert_eq!(rows("| newreno | ") + rows("| certified | "), 4);
    assert!(text.ends_with("every figure is within its limit\n"));
}

#[test]
fn without_references_ours_stand_alone_and_the_text_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_validate"));
    command.args(["--quick", "--only", "agreement"]);
    let folder = tempfile::tempdir().unwrap();
    let output = command.env("TAUTLINE_SHARED_DATA", folder.path()).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(text.contains("ours stand alone"), "{text}");
    assert!(!text.contains('✓'), "{text}");
}

#[test]
fn a_broken_reference_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let reference = folder.path().join("reference");
    std::fs::create_dir(&reference).unwrap();
    std::fs::write(reference.join("kernel-6.18.csv"), "cc,rate\nreno\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_validate"));
    command.args(["--quick", "--only", "agreement"]);
    let output = command.env("TAUTLINE_SHARED_DATA", folder.path()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("kernel-6.18.csv: line 2: expected a column `rate`"),
        "{text}"
    );
}

#[test]
fn a_part_is_never_written_and_a_part_that_does_not_exist_is_refused() {
    assert_eq!(
        validate(&["--quick", "--write", "x.md"]).status.code(),
        Some(2)
    );
    assert_eq!(validate(&["--only", "everything"]).status.code(), Some(2));
}
