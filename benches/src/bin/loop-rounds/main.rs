//! Rounds of the packet simulator, held to what docs/closed-loop.md promises about every one.
//!
//! `cargo run --release -p tautline-benches --bin loop-rounds` draws paths, adversaries of jitter
//! and steps of the window, and counts rounds outside of the intervals. Any is a failure.

mod checker;
mod flight;
mod follow;
mod hands;
mod intervals;
mod path;
mod proof;
mod runs;
mod tally;
mod watch;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{ArgAction, Parser};
use rayon::prelude::*;
use tautline_core::policy::{self, Policy};

use crate::intervals::Mistake;
use crate::proof::{Proof, Ranked};
use crate::runs::{Family, Who};
use crate::tally::Tallies;

/// Hold simulated rounds to the intervals of closed-loop certificates
#[derive(Debug, Parser)]
#[command(name = "loop-rounds")]
struct Arguments {
    /// The model that is one of those who propose
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A closed-loop certificate of it: paths are drawn from its slices, and the model is held to its
    /// ranks and bounds
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// One slice of it, by its number over all claims
    #[arg(long, value_name = "N", requires = "certificate")]
    slice: Option<usize>,
    /// Decisions at 16 to 64 packets per bandwidth-delay product
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    rounds: u64,
    /// Decisions in each larger octave, up to 2^16 packets
    #[arg(long, value_name = "N", default_value_t = 1000)]
    larger: u64,
    /// A hundredth of it, and octaves up to 2^9 packets only
    #[arg(long)]
    quick: bool,
    /// D to draw from, in thousandths of the base RTT
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "0,10,50,200"
    )]
    jitter: Vec<u64>,
    /// Buffers to draw from, in thousandths of the bandwidth-delay product, 0 for no bound
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "0,300,1000,2500"
    )]
    buffer: Vec<u64>,
    /// Whether the pacing rate is followed; both are drawn from
    #[arg(
        long, value_name = "BOOL", value_delimiter = ',', action = ArgAction::Append,
        default_values_t = [true, false]
    )]
    paced: Vec<bool>,
    /// Who proposes
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "model,linear,walk"
    )]
    hand: Vec<Who>,
    /// Where the random numbers start
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Make a mistake, which must show
    #[arg(long, value_enum, default_value_t = Mistake::None)]
    mistake: Mistake,
}

fn main() -> ExitCode {
    match hold(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if writeln!(io::stderr(), "error: {error:#}").is_err() {
                return ExitCode::FAILURE;
            }
            ExitCode::from(2)
        }
    }
}

/// Answers whether everything held.
fn hold(arguments: &Arguments) -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = arguments
        .model
        .clone()
        .unwrap_or_else(|| root.join("models/demo/model.tlm"));
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    let (header, parameters) = policy::decode(&bytes)?;
    let parameters: Arc<[i16]> = parameters.iter().collect();
    let proof = arguments.certificate.as_ref().map(|file| {
        let certificate = fs::read(file)?;
        Proof::check(&bytes, &certificate, arguments.slice)
    });
    let named = || {
        format!(
            "{}",
            arguments.certificate.as_deref().unwrap_or(&file).display()
        )
    };
    let family = Family {
        policy: Policy::new(header, parameters)?,
        jitters: arguments.jitter.clone(),
        buffers: arguments.buffer.clone(),
        paced: arguments.paced.clone(),
        hands: arguments.hand.clone(),
        mistake: arguments.mistake,
        proof: proof.transpose().with_context(named)?,
    };
    let (rounds, octaves) = if arguments.quick {
        (arguments.rounds / 100, 9)
    } else {
        (arguments.rounds, 16)
    };
    let all = match &family.proof {
        None => octaves_of(&family, rounds, octaves, arguments)?,
        Some(proof) => slices_of(&family, proof, rounds, octaves, arguments)?,
    };
    let held = all.violations() == 0;
    let mut out = io::stdout().lock();
    write!(out, "{all}")?;
    let verdict = if held {
        "everything held"
    } else {
        "not everything held"
    };
    writeln!(out, "{verdict}")?;
    Ok(held)
}

/// Every octave of paths.
fn octaves_of(
    family: &Family,
    rounds: u64,
    octaves: u32,
    arguments: &Arguments,
) -> anyhow::Result<Tallies> {
    let mut all = slice(family, SMALL, None, rounds, arguments.seed)?;
    for octave in 6..octaves {
        let bdp = (1 << octave, 2 << octave);
        all.merge(slice(family, bdp, None, arguments.larger, arguments.seed)?);
    }
    Ok(all)
}

/// Every slice of the certificate, the parts of small products as one number of decisions together.
fn slices_of(
    family: &Family,
    proof: &Proof,
    rounds: u64,
    octaves: u32,
    arguments: &Arguments,
) -> anyhow::Result<Tallies> {
    let has = |bdp: (u64, u64), ranked: &Ranked| {
        let (least, largest) = ranked.products(bdp);
        least <= largest
    };
    let large = (SMALL.1, 1 << octaves);
    let small = proof.slices.iter().filter(|ranked| has(SMALL, ranked));
    let each = rounds.div_ceil(small.count().max(1) as u64);
    let mut all = Tallies::default();
    for ranked in &proof.slices {
        for (bdp, decisions) in [(SMALL, each), (large, arguments.larger)] {
            if decisions == 0 || !has(bdp, ranked) {
                continue;
            }
            let run = slice(family, bdp, Some(ranked), decisions, arguments.seed)?;
            for reached in run.reached.values() {
                write!(io::stderr(), "slice {}: {reached}", ranked.number)?;
            }
            all.merge(run);
        }
    }
    Ok(all)
}

/// At least `decisions` decisions with a product of `bdp` packets.
fn slice(
    family: &Family,
    bdp: (u64, u64),
    ranked: Option<&Arc<Ranked>>,
    decisions: u64,
    seed: u64,
) -> anyhow::Result<Tallies> {
    let mut sum = Tallies::default();
    let mut next = seed << 32;
    // A fixed number of runs at once, so that what is run does not depend on the threads.
    let per_run = (decisions / AT_ONCE).clamp(125, 2000);
    while sum.decisions < decisions {
        let seeds = next..next + AT_ONCE;
        next = seeds.end;
        let runs: Vec<Tallies> = seeds
            .into_par_iter()
            .map(|seed| family.run(bdp, ranked, per_run, seed))
            .collect::<anyhow::Result<_>>()?;
        for tallies in runs {
            if tallies.violations() > 0 && sum.violations() == 0 {
                writeln!(io::stderr(), "\nthe first run that is outside:\n{tallies}")?;
            }
            sum.merge(tallies);
        }
        let mut log = io::stderr().lock();
        write!(log, "\r{}..{} packets: {}    ", bdp.0, bdp.1, sum.summary())?;
    }
    writeln!(io::stderr())?;
    Ok(sum)
}

/// Products with most of the decisions, in packets.
const SMALL: (u64, u64) = (16, 64);
/// Runs between two reports of progress.
const AT_ONCE: u64 = 8;
