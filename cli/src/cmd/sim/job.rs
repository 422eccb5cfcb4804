//! One run: a scenario under a controller with a seed.

use std::time::Duration;

use anyhow::Context as _;
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::scenario::{FlowSpec, ValidScenario};
use tautline_netsim::sim::{self, Carrier, RunOptions};

use super::recording::Recording;
use super::results::{Detailed, Name};
use super::table::shown;
use crate::clock;
use crate::controllers::Controllers;

/// One run to do.
#[derive(Clone, Debug)]
pub(super) struct Job<'a> {
    scenario: &'a ValidScenario,
    /// As reported.
    pub(super) controller: String,
    /// Every flow keeps the controller that the file names.
    as_written: bool,
    pub(super) seed: u64,
}

/// Every scenario under every controller, or as written where none is named, with the seeds from
/// one to `seeds`.
pub(super) fn jobs<'a>(
    scenarios: &'a [ValidScenario],
    controllers: &[String],
    seeds: u64,
) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for scenario in scenarios {
        let as_written = [label(scenario)];
        let names = if controllers.is_empty() {
            &as_written[..]
        } else {
            controllers
        };
        for controller in names {
            jobs.extend((1..=seeds).map(|seed| Job {
                scenario,
                controller: controller.clone(),
                as_written: controllers.is_empty(),
                seed,
            }));
        }
    }
    jobs
}

/// The distinct controllers of a scenario's flows, in order of appearance: `cubic+newreno`.
fn label(scenario: &ValidScenario) -> String {
    let mut names: Vec<&str> = Vec::new();
    for flow in scenario.flows() {
        if !names.contains(&flow.controller.as_str()) {
            names.push(&flow.controller);
        }
    }
    names.join("+")
}

impl Job<'_> {
    /// What it is known by.
    pub(super) fn name(&self) -> Name<'_> {
        Name {
            scenario: self.scenario.name(),
            controller: &self.controller,
            seed: self.seed,
        }
    }

    /// Number of its flows.
    pub(super) fn flows(&self) -> usize {
        self.scenario.flows().len()
    }

    /// The scenario with the controllers that its flows get.
    pub(super) fn scenario(&self) -> ValidScenario {
        let scenario = self.scenario.clone();
        if self.as_written {
            scenario
        } else {
            scenario.with_controller(&self.controller)
        }
    }

    /// Fails where a flow's controller cannot be made, before any work.
    pub(super) fn check(&self, controllers: &Controllers) -> anyhow::Result<()> {
        let scenario = self.scenario();
        let mut seen: Vec<&FlowSpec> = Vec::new();
        for (number, flow) in scenario.flows().iter().enumerate() {
            let alike = |other: &&FlowSpec| {
                (&other.controller, other.stack) == (&flow.controller, flow.stack)
            };
            if !seen.iter().any(alike) {
                self.carrier(controllers, &scenario, (number, flow))?;
                seen.push(flow);
            }
        }
        Ok(())
    }

    /// Does the run, with its course where `keep_course`.
    pub(super) fn run(
        &self,
        controllers: &Controllers,
        keep: Keep,
        mut recording: Recording,
    ) -> anyhow::Result<Detailed> {
        let scenario = self.scenario();
        let flows = scenario.flows().iter().enumerate();
        let carriers = flows.map(|flow| self.carrier(controllers, &scenario, flow));
        let carriers = carriers.collect::<anyhow::Result<Vec<_>>>()?;
        let options = match keep {
            Keep::Figures => RunOptions::default(),
            Keep::Course => RunOptions::default().with_timeline(bin(&scenario)),
        };
        let started = clock::processor_time();
        let outcome = recording.with_observer(|observer| {
            sim::run_carriers(&scenario, self.seed, carriers, &options, observer)
        });
        let cpu = clock::processor_time().saturating_sub(started);
        let outcome = outcome.with_context(|| format!("cannot run {}", shown(scenario.name())))?;
        recording.finish()?;
        let duration = scenario.duration();
        Ok(Detailed::of(self.name(), duration, cpu, outcome))
    }

    fn carrier(
        &self,
        controllers: &Controllers,
        scenario: &ValidScenario,
        (number, flow): (usize, &FlowSpec),
    ) -> anyhow::Result<Carrier<BoxedController>> {
        // Random choices of controllers and stacks differ between the flows of a run.
        let seed = self.seed ^ (number as u64).wrapping_mul(GOLDEN_RATIO);
        controllers
            .carrier(flow, scenario.transport(), seed)
            .with_context(|| format!("scenario {}, flow {number}", shown(scenario.name())))
    }
}

/// What of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The figures of its end.
    Figures,
    /// Those and its course over time.
    Course,
}

/// 100 ms, wider where many flows would make files too large.
fn bin(scenario: &ValidScenario) -> Duration {
    let flows = scenario.flows().len() as u64;
    let most_bins = (MOST_BINS_OF_ALL_FLOWS / flows.max(1)).max(50);
    let needed = scenario.duration().as_secs_f64() / most_bins as f64;
    TIMELINE_BIN.max(Duration::from_secs_f64(needed))
}

const TIMELINE_BIN: Duration = Duration::from_millis(100);
const MOST_BINS_OF_ALL_FLOWS: u64 = 200_000;
/// 2⁶⁴ over the golden ratio: products with small numbers differ in many bits.
const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
