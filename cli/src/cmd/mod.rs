//! One module per command.

mod certify;
mod check;
mod closed_loop;
pub(crate) mod demo;
mod embed;
mod export_smt2;
mod perf;
mod sim;
mod train;
mod verify;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Train congestion controllers, prove what they do, check the proofs, and carry traffic.
///
/// A controller is a small integer neural network (a model, .tlm). Claims say what it must never
/// do and always do; a certificate (.tlc) proves every claim for every input, and an independent
/// checker accepts or rejects that proof. A certified controller then drives real QUIC
/// connections behind a guard.
///
/// New here? `tautline demo` shows all of it in a few minutes.
#[derive(Debug, Parser)]
#[command(name = "tautline", version, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done and accepted · 1 rejected, violated or undecided · \
    2 wrong usage, or input or output failed · 3 proven, but a signature is missing or bad (check) · \
    130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Train(train::Args),
    Certify(certify::Args),
    Check(check::Args),
    Embed(embed::Args),
    ExportSmt2(export_smt2::Args),
    Sim(sim::Args),
    Perf(perf::Args),
    Verify(verify::Args),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Demo(args) => demo::run(&args),
            Command::Train(args) => train::run(&args),
            Command::Certify(args) => certify::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Embed(args) => embed::run(&args),
            Command::ExportSmt2(args) => export_smt2::run(&args),
            Command::Sim(args) => sim::run(&args),
            Command::Perf(args) => perf::run(&args),
            Command::Verify(args) => verify::run(&args),
        }
    }
}

/// A positive number of seconds on the command line.
fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a number of seconds above 0, got `{text}`");
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| expected())?;
    if duration.is_zero() || duration > LONGEST {
        return Err(expected());
    }
    Ok(duration)
}

/// A year: more is a slip of the pen, and near overflow.
const LONGEST: Duration = Duration::from_hours(365 * 24);
