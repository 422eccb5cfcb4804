//! Project automation without any tool beyond cargo: `cargo xtask test` is the whole gate.

mod ci;
mod demo;
mod deps;
mod examples;
mod fuzz;
mod icount;
mod no_std;
mod prerequisites;
mod size;
mod solver;
mod steps;
mod tidy;
mod validate;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::examples::Expected;
use crate::prerequisites::{InstallArguments, Installing};
use crate::size::Targets;
use crate::steps::Steps;
use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Builds, tests and checks the whole workspace",
    version
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must hold before a change is merged; stops at the first failing step
    Test(InstallArguments),
    /// Run every example and compare its output with examples/expected/NAME.txt where that exists
    Examples {
        /// Rewrite the expected outputs that exist instead of comparing with them
        #[arg(long)]
        bless: bool,
    },
    /// Run the quick demo in target/demo and check what it found: proofs, tampering, figures
    Demo,
    /// Compare the simulator with the kernel, ns-3 and quinn, and our controllers over smoltcp with
    /// its own; print the tables
    Validate(validate::Arguments),
    /// Fuzz the certificate decoder and checker for a bounded time each; needs a C++ compiler
    Fuzz(fuzz::Arguments),
    /// Prove that the controller core and its gate for smoltcp link without std and without an
    /// allocator
    NoStd(InstallArguments),
    /// Code, constants and RAM of policy, controller and guard on a microcontroller; fails beyond
    /// the limits
    Size(InstallArguments),
    /// Instructions per acknowledgement and per decision, by callgrind
    Icount(icount::Arguments),
    /// Fetch z3 into target/z3 and ask it for its opinion on the prover's small nets
    SecondOpinions,
    /// Check the rules that no compiler holds: dependency edges, file lengths, who may use what
    Tidy,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => steps::report_failure(&error),
    }
}

fn run(task: &Task) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Test(install) => ci::test(&workspace, install.installing()),
        Task::Examples { bless } => {
            let expected = if *bless {
                Expected::Rewrite
            } else {
                Expected::Compare
            };
            Steps::new(1).run("examples", || examples::run_all(&workspace, expected))
        }
        Task::Demo => Steps::new(1).run("demo", || demo::run(&workspace)),
        Task::Validate(arguments) => {
            Steps::new(1).run("validate", || validate::run(&workspace, arguments))
        }
        Task::SecondOpinions => Steps::new(1).run("second opinions", || {
            solver::second_opinions(&workspace, Installing::Allowed)
        }),
        Task::Fuzz(arguments) => Steps::new(1).run("fuzz", || fuzz::run(&workspace, arguments)),
        Task::NoStd(install) => Steps::new(1).run("no-std proof", || {
            no_std::prove(&workspace, install.installing())
        }),
        Task::Size(install) => Steps::new(1).run("size", || {
            size::run(&workspace, Targets::All, install.installing())
        }),
        Task::Icount(arguments) => {
            Steps::new(1).run("instruction counts", || icount::run(&workspace, arguments))
        }
        Task::Tidy => Steps::new(1).run("tidy", || ci::tidy(&workspace)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Task, String> {
        let all = std::iter::once(&"xtask").chain(words);
        let arguments = Arguments::try_parse_from(all);
        arguments
            .map(|arguments| arguments.task)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn whatever_may_install_can_be_asked_not_to() {
        let installing = |words: &[&str]| match parsed(words).unwrap() {
            Task::Test(install) | Task::NoStd(install) | Task::Size(install) => {
                install.installing()
            }
            other => panic!("{other:?}"),
        };
        for task in ["test", "no-std", "size"] {
            assert_eq!(installing(&[task]), Installing::Allowed);
            assert_eq!(installing(&[task, "--no-install"]), Installing::Refused);
        }
        assert!(parsed(&["icount", "--no-install", "--seeds", "2"]).is_ok());
    }

    #[test]
    fn validate_is_known_and_never_writes_a_part() {
        assert!(matches!(parsed(&["validate"]), Ok(Task::Validate(_))));
        assert!(matches!(
            parsed(&["validate", "--write"]),
            Ok(Task::Validate(_))
        ));
        for other in [["--quick"].as_slice(), &["--only", "bbr"]] {
            let words = [["validate", "--write"].as_slice(), other].concat();
            let error = parsed(&words).unwrap_err();
            assert!(error.contains("cannot be used with"), "{error}");
        }
    }
}
