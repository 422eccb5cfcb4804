//! The z3 program, asked over its standard input.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tautline_abstract_interp::opinion::formula::{Answer, Formula};

/// Asks within `work` units of z3's own; values that it finds are checked in exact arithmetic.
pub(crate) fn ask(formula: &Formula, work: u64) -> Answer {
    let program = std::env::var_os("TAUTLINE_Z3").expect("TAUTLINE_Z3 names the z3 program");
    let mut child = Command::new(program)
        .arg(format!("rlimit={work}"))
        .arg("-in")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(formula.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let answer = formula.answer(&String::from_utf8(output.stdout).unwrap());
    if let Answer::Sat(values) = &answer {
        assert!(formula.is_satisfied(values), "values break the formula");
    }
    answer
}
