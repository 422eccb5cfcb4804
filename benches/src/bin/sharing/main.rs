//! Two flows on one bottleneck: the tables of docs/closed-loop.md, "Two flows".
//!
//! `cargo run --release -p tautline-benches --bin sharing -- shares models/steady/model.tlm`

mod constants;
mod late;
mod laws;
mod paths;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Parser as _;
use rayon::prelude::*;
use tautline_core::controller::{Learned, Proposer};
use tautline_core::features::TABLE_1;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::Policy;
use tautline_core::units::Bytes;
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::scenario::TransportSpec;

use constants::Region;
use late::{Late, Side};
use laws::{ByHand, Law};
use paths::{Adversary, Paths, Shares};

/// Two flows on one bottleneck.
#[derive(Debug, clap::Parser)]
enum Args {
    /// Print a claims file whose constants are as sharp as the prover reaches them
    Constants(Where),
    /// What two flows of a model share in simulation, beside what the prover reaches
    Shares {
        #[command(flatten)]
        place: Where,
        /// Simulated time
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
    /// Flows of unequal base RTTs under laws written by hand
    Laws {
        /// Simulated time
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
}

/// A model, and where its two flows are.
#[derive(Debug, clap::Args)]
struct Where {
    /// The model
    #[arg(value_name = "MODEL.tlm")]
    model: PathBuf,
    /// Queueing features, as shares of the minimum RTT: least and largest
    #[arg(long, num_args = 2, default_values_t = [0.2, 0.5])]
    queue: Vec<f64>,
    /// log₂ of windows in datagrams: least and largest
    #[arg(long, num_args = 2, default_values_t = [6.0, 12.0])]
    log_window: Vec<f64>,
    /// Largest magnitude of the last step
    #[arg(long, default_value_t = 0.3)]
    last_step: f64,
    /// Jitter as a share of the base RTT: a bound for each
    #[arg(long, num_args = 1.., default_values_t = [0.0, 0.01, 0.05, 0.1])]
    jitter: Vec<f64>,
    /// Boxes per constraint and constant
    #[arg(long, default_value_t = 300)]
    boxes: u64,
}

impl Where {
    fn region(&self, jitter: f64) -> Region {
        Region {
            queue: (self.queue[0], self.queue[1]),
            log_window: (self.log_window[0], self.log_window[1]),
            last_step: self.last_step,
            jitter,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match Args::parse() {
        Args::Constants(place) => {
            let policy = load(&place.model)?;
            let found = place.jitter.iter().map(|&jitter| {
                let region = place.region(jitter);
                Ok((region, constants::find(&policy, &region, place.boxes)?))
            });
            let found: Vec<_> = found.collect::<anyhow::Result<_>>()?;
            write!(out, "{}", constants::file(&found, gain(&policy))?)?;
        }
        Args::Shares { place, seconds } => shares(&mut out, &place, seconds)?,
        Args::Laws { seconds } => laws(&mut out, seconds)?,
    }
    Ok(())
}

/// Bound and simulation per jitter.
fn shares(out: &mut impl io::Write, place: &Where, seconds: u64) -> anyhow::Result<()> {
    let policy = load(&place.model)?;
    let names = Adversary::ALL.map(Adversary::name).join(" | ");
    writeln!(
        out,
        "| D | d1 | d2 | c | eps | closes | bound | {names} | queue |"
    )?;
    writeln!(out, "|{}", " --- |".repeat(8 + Adversary::ALL.len()))?;
    for &jitter in &place.jitter {
        let found = constants::find(&policy, &place.region(jitter), place.boxes)?;
        let bound = found.log_ratio(jitter, gain(&policy));
        let simulated = simulate(&Adversary::ALL, |adversary| {
            let paths = Paths {
                mbps: MBPS,
                base_ms: [10.0; 2],
                jitter,
                adversary,
            };
            paths.run(guarded(&policy, &paths)?, seconds)
        })?;
        let above = |one: &Shares| bound.is_some_and(|bound| one.worst > bound);
        anyhow::ensure!(
            !simulated.iter().any(above),
            "above the bound: {simulated:?}"
        );
        let cells = simulated.iter().map(cell);
        let queue = simulated.iter().map(|one| one.queue);
        let queue = queue.fold(0.0, f64::max);
        writeln!(
            out,
            "| {:.0} % | {:.4} | {:.4} | {:.3} | {:.3} | {} | {} | {} | {queue:.2} |",
            100.0 * jitter,
            found.least_slope / 16.0,
            found.most_slope / 16.0,
            found.rise + found.fall,
            found.noise,
            octaves(found.closes.map(|windows| 16.0 * windows)),
            octaves(bound),
            cells.collect::<Vec<_>>().join(" | "),
        )?;
    }
    Ok(())
}

fn octaves(number: Option<f64>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| format!("{number:.2}"))
}

/// Laws against each other: where base RTTs differ, and on faster and slower bottlenecks.
fn laws(out: &mut impl io::Write, seconds: u64) -> anyhow::Result<()> {
    let ratio = |slope| Law::Ratio { target: 0.4, slope };
    let own = |datagrams| Law::OwnQueue { datagrams };
    writeln!(
        out,
        "| law | Mbit/s | RTTs | D = 0 | D = 5 %, worst | queue | utilisation |"
    )?;
    writeln!(out, "|{}", " --- |".repeat(7))?;
    let unequal = [1.0, 2.0, 4.0].map(|times| (MBPS, times));
    for law in [
        ratio(0.0125),
        ratio(0.05),
        ratio(0.1),
        own(75.0),
        own(150.0),
    ] {
        for (mbps, times) in unequal {
            row(out, law, (mbps, times), seconds)?;
        }
    }
    for law in [ratio(0.05), own(75.0)] {
        for mbps in [100, 200, 800, 1600] {
            row(out, law, (mbps, 1.0), seconds)?;
        }
    }
    Ok(())
}

fn row(
    out: &mut impl io::Write,
    law: Law,
    (mbps, times): (u64, f64),
    seconds: u64,
) -> anyhow::Result<()> {
    let run = |adversary, jitter| {
        let paths = Paths {
            mbps,
            base_ms: [10.0 * times, 10.0],
            jitter,
            adversary,
        };
        paths.run(guarded(&ByHand::new(law), &paths)?, seconds)
    };
    let still = run(Adversary::Constant, 0.0)?;
    let late = simulate(&Adversary::ALL, |adversary| run(adversary, 0.05))?;
    let late = late.iter();
    let most = late.max_by(|one, other| one.mean.abs().total_cmp(&other.mean.abs()));
    writeln!(
        out,
        "| {} | {mbps} | {times}:1 | {} | {} | {:.2} | {:.3} |",
        law.name(),
        cell(&still),
        cell(most.context("there are adversaries")?),
        still.queue,
        still.utilisation,
    )?;
    Ok(())
}

/// One run per adversary, in their order.
fn simulate(
    adversaries: &[Adversary],
    run: impl Fn(Adversary) -> anyhow::Result<Shares> + Sync,
) -> anyhow::Result<Vec<Shares>> {
    adversaries.par_iter().map(|&one| run(one)).collect()
}

/// log₂ of the mean ratio, of the worst second's in brackets, and returns to the fallback if any.
fn cell(shares: &Shares) -> String {
    let fallbacks = match shares.fallbacks {
        0 => String::new(),
        some => format!(", {some} fallbacks"),
    };
    format!("{:.2} ({:.2}{fallbacks})", shares.mean, shares.worst)
}

/// Two flows' controllers, which see what the paths' adversary lets them see.
fn guarded<P: Proposer + Clone + Send + 'static>(
    proposer: &P,
    paths: &Paths,
) -> anyhow::Result<[BoxedController; 2]> {
    let datagram: Bytes = TransportSpec::default().max_datagram_size();
    let one = |flow, side| {
        let digest = proposer.digest();
        let envelope = UncheckedEnvelope::dangerously_unchecked(digest, &TABLE_1);
        let learned = Learned::new(proposer.clone(), envelope, datagram)?;
        anyhow::Ok(match paths.adversary {
            Adversary::Seen => BoxedController::new(Late::new(learned, side, paths.most(flow))),
            _ => BoxedController::new(learned),
        })
    };
    Ok([one(0, Side::Longer)?, one(1, Side::Shorter)?])
}

fn load(path: &Path) -> anyhow::Result<Policy<Vec<i16>>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let (header, parameters) = tautline_core::policy::decode(&bytes)?;
    Ok(Policy::new(header, parameters.iter().collect())?)
}

fn gain(policy: &Policy<Vec<i16>>) -> f64 {
    f64::from(policy.header().step_gain.units()) / 65_536.0
}

/// 333 datagrams per 10 ms.
const MBPS: u64 = 400;
