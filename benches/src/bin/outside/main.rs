//! How soon the guard notices that a path is not as closed-loop claims assume, with their
//! assumptions loaded and without: the table of docs/closed-loop.md.
//!
//! `cargo run --release -p tautline-benches --bin outside -- scenarios/outside-*.toml`

mod watched;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use tautline_core::features::TABLE_1;
use tautline_core::fixed::Q16;
use tautline_core::guard::{LoopAssumptions, UncheckedEnvelope};
use tautline_core::policy::{self, Policy};
use tautline_core::units::{Timestamp, duration_nanos};
use tautline_netsim::baseline::{by_name, flow_seed};
use tautline_netsim::report::FlowReport;
use tautline_netsim::scenario::ValidScenario;
use tautline_netsim::sim::{RunOptions, run};
use tautline_quic_integration::GuardedFactory;

use watched::{Party, Watched};

/// How soon the guard notices that a path is not as closed-loop claims assume.
#[derive(Debug, clap::Parser)]
struct Args {
    /// Scenarios, each with the change where its measurement begins
    #[arg(required = true, value_name = "SCENARIO.toml")]
    scenarios: Vec<PathBuf>,
    /// The model under the guard
    #[arg(long, default_value = "models/demo/model.tlm")]
    model: PathBuf,
    /// Seeds per scenario, of which the slowest counts
    #[arg(long, default_value_t = 5)]
    seeds: u64,
}

/// 5 % of jitter, 2⁴ to 2¹² datagrams, buffers of half a bandwidth-delay product and more.
const ASSUMED: LoopAssumptions = LoopAssumptions {
    jitter: Q16::from_units(3277),
    log_bdp: (Q16::from_units(4 << 16), Q16::from_units(12 << 16)),
    buffer: (Q16::from_units(1 << 15), None),
    start: (Q16::NEG_ONE, Q16::from_units(3 << 15)),
    log_window: (Q16::from_units(3 << 16), Q16::from_units(14 << 16)),
};

/// What one run showed.
struct Noticed {
    /// Since the change, the fallback's first time and decisions.
    fallback: Option<(f64, u64)>,
    /// The assumption that gave way, or what else it was.
    reason: &'static str,
    evidence_before: u64,
    report: FlowReport,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let model = std::fs::read(&args.model).with_context(|| args.model.display().to_string())?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| scenario | noticed as | after, ms | rounds | with: Mbit/s, queue ms, loss % | \
         without: fallback after, ms | Mbit/s, queue ms, loss % |"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for path in &args.scenarios {
        let scenario = read(path)?;
        let runs = |assumed: Option<LoopAssumptions>| -> anyhow::Result<Noticed> {
            let mut worst: Option<Noticed> = None;
            for seed in 1..=args.seeds {
                let noticed = watch(&scenario, &model, assumed, seed)?;
                let key = |it: &Noticed| it.fallback.map_or(f64::INFINITY, |(ms, _)| ms);
                if worst
                    .as_ref()
                    .is_none_or(|worst| key(&noticed) > key(worst))
                {
                    worst = Some(noticed);
                }
            }
            worst.context("no seeds")
        };
        let (with, without) = (runs(Some(ASSUMED))?, runs(None)?);
        anyhow::ensure!(
            with.evidence_before == 0,
            "{}: evidence on a path as assumed",
            path.display()
        );
        writeln!(out, "{}", row(scenario.name(), &with, &without))?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<ValidScenario> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(ValidScenario::from_toml(
        &text,
        &path.display().to_string(),
    )?)
}

/// Runs the scenario with the model in its first flow.
fn watch(
    scenario: &ValidScenario,
    model: &[u8],
    assumed: Option<LoopAssumptions>,
    seed: u64,
) -> anyhow::Result<Noticed> {
    let (header, parameters) = policy::decode(model)?;
    let parameters: Arc<[i16]> = parameters.iter().collect();
    let policy = Policy::new(header, parameters)?;
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1)
        .with_loop_assumptions(assumed);
    let factory = GuardedFactory::new(policy, envelope)?;
    let size = scenario.transport().max_datagram_size();
    let from = Timestamp::from_nanos(duration_nanos(scenario.warmup()));
    let mut parties = vec![];
    for (place, flow) in (0..).zip(scenario.flows()) {
        parties.push(if place == 0 {
            let controller = factory.controller(size)?;
            Party::Guarded(Box::new(Watched::new(controller, from)))
        } else {
            Party::Other(by_name(&flow.controller, size, flow_seed(seed, place))?)
        });
    }
    let outcome = run(scenario, seed, parties, &RunOptions::default())?;
    let report = outcome.flows.into_iter().next().context("no flow")?;
    let Some(Party::Guarded(watched)) = outcome.controllers.into_iter().next() else {
        anyhow::bail!("no guarded flow");
    };
    let change = watched
        .at_change
        .context("the run ended before the change")?;
    let fallback = watched.fallback.map(|(at, counters)| {
        let after = at.saturating_since(from).as_secs_f64() * 1000.0;
        (after, counters.decisions.saturating_sub(change.decisions))
    });
    let broken = watched.fallback.and_then(|(_, counters)| {
        let new = counters.broken_assumptions > change.broken_assumptions;
        counters.last_broken.filter(|_| new)
    });
    Ok(Noticed {
        fallback,
        reason: match (broken, fallback) {
            (Some(broken), _) => broken.assumption.name(),
            (None, Some(_)) => "other",
            (None, None) => "—",
        },
        evidence_before: change.evidence_rounds,
        report,
    })
}

fn row(name: &str, with: &Noticed, without: &Noticed) -> String {
    let figures = |report: &FlowReport| {
        format!(
            "{:.2}, {:.1}, {:.2}",
            report.goodput_mbps,
            report.queue_delay_mean_ms,
            100.0 * report.loss
        )
    };
    let after = |it: &Noticed| {
        it.fallback
            .map_or_else(|| "never".to_owned(), |(ms, _)| format!("{ms:.0}"))
    };
    let rounds = with
        .fallback
        .map_or_else(|| "—".to_owned(), |(_, rounds)| rounds.to_string());
    format!(
        "| {name} | {} | {} | {rounds} | {} | {} | {} |",
        with.reason,
        after(with),
        figures(&with.report),
        after(without),
        figures(&without.report)
    )
}
