//! Running a scenario.
//!
//! The structure that makes it fast: everything that keeps its order waits in a queue of its own
//! (per link, per flow), and only the heads compete, in two winner trees.

use tautline_core::controller::Controller;
use tautline_core::units::duration_nanos;

use crate::link::Link;
use crate::report::{Histogram, Recorder};
use crate::scenario::ValidScenario;

mod agenda;
mod application;
mod build;
mod digest;
mod error;
mod flow;
mod links;
mod model;
mod observer;
mod options;
mod parcels;
mod real;
mod summary;

pub use error::RunError;
pub use observer::{Content, DropCause, Metrics, Observation, Observer};
pub use options::{Carrier, Outcome, RunOptions};

use agenda::Agenda;
use digest::Digest;
use flow::Flow;

/// Runs `scenario` over the transport model with one controller per flow.
///
/// Equal arguments give equal outcomes. The controllers' names in the scenario are not looked at;
/// [`crate::baseline::by_name`] resolves those of the baselines.
///
/// # Errors
/// [`RunError`] where there are not as many controllers as flows, or a trace file failed.
pub fn run<C: Controller>(
    scenario: &ValidScenario,
    seed: u64,
    controllers: Vec<C>,
    options: &RunOptions,
) -> Result<Outcome<C>, RunError> {
    let carriers = controllers.into_iter().map(Carrier::Model).collect();
    run_carriers(scenario, seed, carriers, options, None)
}

/// Runs `scenario` with one carrier per flow, and tells `observer` about it.
///
/// # Errors
/// As for [`run`].
pub fn run_carriers<C: Controller>(
    scenario: &ValidScenario,
    seed: u64,
    carriers: Vec<Carrier<C>>,
    options: &RunOptions,
    observer: Option<&mut dyn Observer>,
) -> Result<Outcome<C>, RunError> {
    let expected = scenario.flows().len();
    if carriers.len() != expected {
        let got = carriers.len();
        return Err(RunError::Carriers { expected, got });
    }
    let mut simulation = Simulation::new(scenario, seed, carriers, options, observer);
    simulation.run_before(duration_nanos(scenario.warmup()));
    simulation.start_measuring();
    simulation.run_before(simulation.end_ns.saturating_add(1));
    simulation.finish(scenario)
}

/// A run in progress.
struct Simulation<'o, C> {
    flows: Vec<Flow<C>>,
    links: Vec<Link>,
    usages: Vec<Usage>,
    /// Which flow acts next.
    flow_agenda: Agenda,
    /// Which link acts next.
    link_agenda: Agenda,
    /// 0 before the measurement window, 1 in it.
    phase: usize,
    warmup_ns: u64,
    end_ns: u64,
    overhead: u64,
    ack_bytes: u32,
    digest: Digest,
    recorder: Option<Box<Recorder>>,
    observer: Option<&'o mut dyn Observer>,
}

/// What is counted per link.
#[derive(Debug, Default)]
struct Usage {
    queue_delay: Histogram,
    counts: [LinkTally; 2],
}

/// Packets at a link, separately before and in the measurement window.
#[derive(Clone, Copy, Debug, Default)]
struct LinkTally {
    arrived: u64,
    left: u64,
    left_bytes: u64,
    dropped: u64,
    lost: u64,
    /// Packets that the queue marked.
    marked: u64,
}

impl<C: Controller> Simulation<'_, C> {
    /// Everything that happens before `until_ns`; at equal times links act first, by number, then
    /// flows by number.
    fn run_before(&mut self, until_ns: u64) {
        loop {
            let (link_ns, link) = self.link_agenda.first();
            let (flow_ns, flow) = self.flow_agenda.first();
            if link_ns <= flow_ns {
                if link_ns >= until_ns {
                    return;
                }
                self.act_at_link(link_ns, link);
            } else {
                if flow_ns >= until_ns {
                    return;
                }
                self.act_at_flow(flow_ns, flow);
            }
        }
    }

    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        if let Some(observer) = &mut self.observer {
            observer.observe(now_ns, observation);
        }
    }
}
