//! The `tautline` command: train, certify, check, simulate and deploy congestion controllers.

mod clock;
mod cmd;
mod controllers;
mod exact;
mod exit;
mod files;
mod interrupt;
mod model;
mod net;
mod output;
mod plot;
mod priority;
mod progress;
mod report;
mod training;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use cmd::Cli;
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.run()
        .unwrap_or_else(|error| {
            output::error(&error);
            Exit::of_error(&error)
        })
        .into()
}
