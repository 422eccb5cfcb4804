//! One module per command.

mod sim;

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
    2 wrong usage, or input or output failed · 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    Sim(sim::Args),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Sim(args) => sim::run(&args),
        }
    }
}
