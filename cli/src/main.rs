//! The `tautline` command: train, certify, check, simulate and deploy congestion controllers.

mod cmd;
mod controllers;
mod cpu_time;
mod exit;
mod files;
mod interrupt;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser as _;

use cmd::Cli;
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = interrupt::install().and_then(|()| cli.run());
    outcome
        .unwrap_or_else(|error| {
            output::error(&error);
            Exit::of_error(&error)
        })
        .into()
}
