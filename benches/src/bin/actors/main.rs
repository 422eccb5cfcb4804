//! How much of Canopy's properties the published actors of Orca and Astraea keep, and how much of
//! that three methods can tell: sampling, interval slices, linear bounds with a search.
//!
//! `cargo run --release -p tautline-benches --bin actors` prints the table of docs/experiments.md.

mod actor;
mod claims;
mod measure;
mod state;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Parser;
use rayon::prelude::*;

use crate::actor::Actor;
use crate::claims::Claim;
use crate::state::State;

/// Certify Canopy's properties of the published Orca and Astraea actors, and print the table
#[derive(Debug, Parser)]
#[command(name = "actors")]
struct Arguments {
    /// Folder with `orca` and `astraea`, exported weights with a manifest.json each
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// Steady states per actor
    #[arg(long, value_name = "N", default_value_t = 64)]
    states: usize,
    /// Where the states' random numbers start
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Boxes bounded per state and claim
    #[arg(long, value_name = "N", default_value_t = 400)]
    boxes: usize,
}

/// Shares of one question, or their sums.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    sampled: f64,
    released: [f64; 3],
    slices: [f64; 3],
    holds: f64,
    fails: f64,
    boxes: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = arguments.models.clone().unwrap_or_else(published);
    let mut out = io::stdout().lock();
    if !folder.is_dir() {
        writeln!(out, "skipped: no weights in {}", folder.display())?;
        return Ok(());
    }
    writeln!(out, "{HEADING}")?;
    let orca = actor::orca(&folder.join("orca"))?;
    let astraea = actor::astraea(&folder.join("astraea"))?;
    let (seed, count) = (arguments.seed, arguments.states);
    for (actor, states) in [
        (orca, state::orca(seed, count)),
        (astraea, state::astraea(seed, count)),
    ] {
        for claim in Claim::ALL {
            let row = average(&actor, &states, claim, arguments.boxes)?;
            writeln!(out, "{}", line(actor.name, claim, &row))?;
        }
    }
    Ok(())
}

fn average(actor: &Actor, states: &[State], claim: Claim, boxes: usize) -> anyhow::Result<Row> {
    let rows: Vec<Row> = states
        .par_iter()
        .map(|state| ask(actor, state, claim, boxes))
        .collect::<anyhow::Result<_>>()?;
    let share = 1.0 / rows.len() as f64;
    let mean = |part: &dyn Fn(&Row) -> f64| rows.iter().map(part).sum::<f64>() * share;
    let three = |part: &dyn Fn(&Row) -> [f64; 3]| [0, 1, 2].map(|n| mean(&|row| part(row)[n]));
    Ok(Row {
        sampled: mean(&|row| row.sampled),
        released: three(&|row| row.released),
        slices: three(&|row| row.slices),
        holds: mean(&|row| row.holds),
        fails: mean(&|row| row.fails),
        boxes: mean(&|row| row.boxes),
    })
}

fn ask(actor: &Actor, state: &State, claim: Claim, boxes: usize) -> anyhow::Result<Row> {
    let linked = claim.for_actor(actor, state, &|_| 0.0).follows;
    let point = state::network(actor, state, linked_unknowns(&linked), &linked)?;
    let at = |input: &[f64]| {
        let mut input: Vec<f32> = input.iter().map(|&value| value as f32).collect();
        input.resize(point.inputs(), 0.0);
        f64::from(point.forward(&input)[0])
    };
    let question = claim.for_actor(actor, state, &at);
    let unknowns = question.input.len();
    let network = state::network(actor, state, unknowns, &question.follows)?;
    let released = state::network(actor, state, unknowns, &question.released)?;
    let (input, allowed) = (&question.input, question.allowed);
    let cut = |network, count| measure::slices(network, input, allowed, question.sliced, count);
    let decided = measure::searched(&network, input, allowed, boxes);
    Ok(Row {
        sampled: measure::sampled(&network, input, allowed),
        released: SLICES.map(|count| cut(&released, count)),
        slices: SLICES.map(|count| cut(&network, count)),
        holds: decided.holds,
        fails: decided.fails,
        boxes: decided.boxes as f64,
    })
}

fn linked_unknowns(follows: &[(usize, state::Follows)]) -> usize {
    let numbers = follows.iter().map(|&(_, how)| match how {
        state::Follows::Unknown(number) => number + 1,
        state::Follows::DelayMetric => 1,
    });
    numbers.max().unwrap_or(1)
}

fn line(actor: &str, claim: Claim, row: &Row) -> String {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let three = |shares: [f64; 3]| shares.map(percent).join(" / ");
    format!(
        "| {actor} | {} | {} | {} | {} | {} | {} | {:.0} |",
        claim.name(),
        percent(row.sampled),
        three(row.released),
        three(row.slices),
        percent(row.holds),
        percent(row.fails),
        row.boxes
    )
}

/// Where the exported weights lie beside the project.
fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/models")
}

const SLICES: [usize; 3] = [5, 25, 50];
const HEADING: &str = "| actor | claim | holds, sampled % | interval slices 5 / 25 / 50, linked feature left free % | the same, linked % | certified here % | refuted here % | boxes |\n| --- | --- | --- | --- | --- | --- | --- | --- |";
