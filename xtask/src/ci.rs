//! The steps of `cargo xtask test`, cheapest first.

use anyhow::{Result, bail};

use crate::examples::{self, Expected};
use crate::prerequisites::{self, Installing};
use crate::size::Targets;
use crate::steps::{Steps, check, say};
use crate::workspace::Workspace;
use crate::{deps, no_std, size, solver, tidy};

/// Everything that must hold before a change is merged. Tests come last, so that the output ends
/// on cargo's own summary.
pub(crate) fn test(workspace: &Workspace, installing: Installing) -> Result<()> {
    let mut steps = Steps::new(10);
    steps.run("prerequisites", || {
        prerequisites::ensure(workspace, installing)
    })?;
    steps.run("format", || {
        check(workspace.cargo("fmt").args(["--all", "--check"]))
    })?;
    steps.run("tidy", || tidy(workspace))?;
    steps.run("clippy", || {
        let mut command = workspace.cargo("clippy");
        command.args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
        check(&mut command)
    })?;
    steps.run("documentation", || {
        let mut command = workspace.cargo("doc");
        command.args(["--workspace", "--no-deps"]);
        check(command.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("no-std proof", || no_std::prove(workspace, installing))?;
    steps.run("size", || size::run(workspace, Targets::One, installing))?;
    steps.run("examples", || {
        examples::run_all(workspace, Expected::Compare)
    })?;
    steps.run("second opinions", || {
        solver::second_opinions(workspace, installing)
    })?;
    steps.run("tests and doctests", || {
        check(workspace.cargo("test").arg("--workspace"))
    })?;
    steps.summary()
}

/// Dependency edges and house rules.
pub(crate) fn tidy(workspace: &Workspace) -> Result<()> {
    let mut violations = deps::violations(workspace.packages());
    violations.extend(tidy::violations(workspace)?);
    if violations.is_empty() {
        return Ok(());
    }
    for violation in &violations {
        say(format_args!("  {violation}"))?;
    }
    bail!("{} house rules are broken", violations.len())
}
