//! The simulator beside the kernel, ns-3 and quinn, and smoltcp's own controllers beside ours: the
//! program `validate` of the benches.

use std::process::Command;

use anyhow::Result;

use crate::steps::check;
use crate::workspace::Workspace;

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only the small dumbbells and a few scenarios of the comparison with quinn; no speed
    #[arg(long)]
    quick: bool,
    /// Rewrite the tables of docs/validation.md
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    write: bool,
    /// Only these parts: agreement, bbr, switches, mismatch, smoltcp, speed
    #[arg(long, value_name = "A,B")]
    only: Option<String>,
}

/// Prints the tables; an error where a figure leaves its limit.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    check(&mut command(workspace, arguments))
}

fn command(workspace: &Workspace, arguments: &Arguments) -> Command {
    let mut command = workspace.cargo("run");
    command.arg("--release").args(PROGRAM).arg("--");
    if arguments.quick {
        command.arg("--quick");
    }
    if arguments.write {
        command.arg("--write");
        command.arg(workspace.root().join("docs/validation.md"));
    }
    if let Some(parts) = &arguments.only {
        command.args(["--only", parts]);
    }
    command
}

const PROGRAM: [&str; 4] = ["--package", "tautline-benches", "--bin", "validate"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::shown;

    #[test]
    fn the_program_exists_and_is_run_optimised() {
        let workspace = Workspace::find().unwrap();
        let [_, package, _, program] = PROGRAM;
        let mut packages = workspace.packages().iter();
        let benches = packages.find(|found| found.name.as_str() == package);
        let targets = &benches.unwrap().targets;
        assert!(
            targets
                .iter()
                .any(|target| target.is_bin() && target.name == program)
        );
        let arguments = Arguments {
            quick: true,
            write: false,
            only: Some("bbr".to_owned()),
        };
        assert_eq!(
            shown(&command(&workspace, &arguments)),
            "cargo run --release --package tautline-benches --bin validate -- --quick --only bbr"
        );
    }

    #[test]
    fn the_file_that_is_rewritten_has_every_marker() {
        let workspace = Workspace::find().unwrap();
        let text = std::fs::read_to_string(workspace.root().join("docs/validation.md")).unwrap();
        let parts = [
            "agreement",
            "bbr",
            "switches",
            "mismatch",
            "smoltcp",
            "speed",
        ];
        for part in parts {
            for end in ["generated", "end"] {
                let marker = format!("<!-- {part}: {end} -->");
                assert_eq!(text.matches(&marker).count(), 1, "{marker}");
            }
        }
        assert!(text.lines().count() <= 350);
    }
}
