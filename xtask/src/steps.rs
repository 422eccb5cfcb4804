//! Named steps with headings and times, on standard error so that standard output stays cargo's.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Runs steps one after the other and says how long each took.
#[derive(Debug)]
pub(crate) struct Steps {
    total: usize,
    finished: Vec<(String, Duration)>,
}

impl Steps {
    /// A sequence of `total` steps.
    pub(crate) const fn new(total: usize) -> Self {
        Self {
            total,
            finished: Vec::new(),
        }
    }

    /// Runs one step; an error names it.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        say(format_args!(
            "\n=== [{}/{}] {name}",
            self.finished.len() + 1,
            self.total
        ))?;
        let start = now();
        step().with_context(|| format!("step `{name}` failed"))?;
        let elapsed = start.elapsed();
        say(format_args!("--- {name}: ok, {}", Seconds(elapsed)))?;
        self.finished.push((name.to_owned(), elapsed));
        Ok(())
    }

    /// Prints one line per finished step and their sum.
    pub(crate) fn summary(&self) -> Result<()> {
        say("\nTime per step")?;
        for (name, elapsed) in &self.finished {
            say(format_args!("  {name:<28} {:>9}", Seconds(*elapsed)))?;
        }
        let sum = self.finished.iter().map(|(_, elapsed)| *elapsed).sum();
        say(format_args!("  {:<28} {:>9}", "all", Seconds(sum)))?;
        Ok(())
    }
}

struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.1} s", self.0.as_secs_f64()))
    }
}

/// Prints one line to standard error.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}

/// Prints the chain of causes; the exit code is 1.
pub(crate) fn report_failure(error: &anyhow::Error) -> ExitCode {
    // Standard error may be closed; the exit code still tells.
    if say(format_args!("\nerror: {error:#}")).is_err() {
        return ExitCode::FAILURE;
    }
    ExitCode::FAILURE
}

/// Runs a command with its output passed through; an exit code other than 0 is an error.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    say(format_args!("$ {shown}"))?;
    let status = command
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// The command as it would be typed, with the variables that it sets.
pub(crate) fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}='{value}'", name.to_string_lossy()))
    });
    let program = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or_else(|| command.get_program());
    let words = std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned());
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time of a step is a measurement, not an input"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_named_and_the_next_one_does_not_count_it() {
        let mut steps = Steps::new(2);
        let error = steps.run("first", || bail!("cause")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `first` failed: cause");
        steps.run("second", || Ok(())).unwrap();
        assert_eq!(steps.finished.len(), 1);
    }

    #[test]
    fn a_command_that_ends_with_an_error_is_shown_as_typed() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]).env("MODE", "a b");
        let error = check(&mut command).unwrap_err().to_string();
        assert!(
            error.starts_with("`MODE='a b' sh -c exit 3` ended with"),
            "{error}"
        );
        assert!(error.ends_with('3'), "{error}");
    }

    #[test]
    fn a_command_that_does_not_exist_is_named() {
        let error = check(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot run `no-such-program-here`"));
    }
}
