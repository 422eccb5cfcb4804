//! How much scenarios may hold: a small file must not fill the memory.

use core::fmt;

use super::ValidScenario;
use crate::scenario::{CapacitySpec, FlowSpec, LinkSpec, RouteSpec, ScenarioError, WorkloadSpec};

/// Refuses flow `index` where it changes its route too often.
pub(super) fn check_reroutes(index: usize, flow: &FlowSpec) -> Result<(), ScenarioError> {
    let reroutes = flow.routes.len().saturating_sub(1);
    if reroutes <= MOST_REROUTES {
        return Ok(());
    }
    let field = format!("flow[{index}].reroutes");
    let expected = format!("at most {MOST_REROUTES} routes");
    Err(ScenarioError::value(&field, expected, reroutes))
}

/// Links in the routes of all flows of a scenario, each flow on its own.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::scenario) struct RouteLinks(u64);

impl RouteLinks {
    /// Counts `flow`, `count` times.
    pub(in crate::scenario) fn add(
        &mut self,
        flow: &FlowSpec,
        count: u32,
    ) -> Result<(), ScenarioError> {
        let all = route_links(flow).saturating_mul(u64::from(count));
        self.0 = self.0.saturating_add(all);
        let what = "links in the routes of all flows together";
        at_most("flow", (self.0, MOST_ENTRIES), what, self.0)
    }
}

/// What the scenarios of a grid hold together.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::scenario) struct Extent {
    flows: u64,
    links: u64,
    /// Entries of the lists of flows and links.
    entries: u64,
}

impl Extent {
    /// Counts one more `scenario`.
    pub(in crate::scenario) fn add(
        &mut self,
        scenario: &ValidScenario,
    ) -> Result<(), ScenarioError> {
        let (flows, links) = (scenario.flows(), scenario.links());
        self.flows += flows.len() as u64;
        self.links += links.len() as u64;
        self.entries += flows.iter().map(entries_of_flow).sum::<u64>();
        self.entries += links.iter().map(entries_of_link).sum::<u64>();
        for (got, most, what) in [
            (self.flows, MOST_GRID_FLOWS, "flows"),
            (self.links, MOST_GRID_LINKS, "links"),
            (
                self.entries,
                MOST_ENTRIES,
                "entries of routes, rate steps, blackouts and ladders",
            ),
        ] {
            let what = format!("{what} in all cells together");
            at_most("sweep", (got, most), &what, format_args!("{got} or more"))?;
        }
        Ok(())
    }
}

fn at_most(
    field: &str,
    (number, most): (u64, u64),
    what: &str,
    got: impl fmt::Display,
) -> Result<(), ScenarioError> {
    if number <= most {
        return Ok(());
    }
    let expected = format!("at most {most} {what}");
    Err(ScenarioError::value(field, expected, got))
}

fn route_links(flow: &FlowSpec) -> u64 {
    let links = |route: &RouteSpec| route.forward.len() + route.backward.len();
    flow.routes.iter().map(|route| links(route) as u64).sum()
}

fn entries_of_flow(flow: &FlowSpec) -> u64 {
    let ladder = match &flow.workload {
        WorkloadSpec::Video { ladder, .. } => ladder.len() as u64,
        _ => 0,
    };
    route_links(flow) + ladder
}

fn entries_of_link(link: &LinkSpec) -> u64 {
    let steps = match &link.capacity {
        CapacitySpec::Rates(steps) => steps.len(),
        _ => 0,
    };
    (steps + link.blackouts.len()) as u64
}

/// Most changes of a flow's route.
const MOST_REROUTES: usize = 1000;
/// Most entries of lists that are kept per flow or per link.
const MOST_ENTRIES: u64 = 2_000_000;
const MOST_GRID_FLOWS: u64 = 1_000_000;
const MOST_GRID_LINKS: u64 = 1_000_000;
