//! Scenarios that were checked.

mod extent;
mod flow;
mod link;
mod range;
mod topology;
mod workload;

use core::time::Duration;
use std::collections::BTreeMap;

use tautline_core::units::Bytes;

pub(super) use self::extent::{Extent, RouteLinks};
use self::range::{seconds, within};
use super::{FlowSpec, LinkSpec, Problem, Scenario, ScenarioError, TransportSpec};

pub use self::topology::{REVERSE, Route};

/// A scenario within all ranges, with every flow listed on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidScenario {
    name: String,
    links: Vec<LinkSpec>,
    /// The place of each link by its name.
    places: BTreeMap<String, u16>,
    naming: Naming,
    flows: Vec<FlowSpec>,
    transport: TransportSpec,
    duration: Duration,
    warmup: Duration,
}

/// How errors call the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `link`, and `reverse` where there is one.
    Single,
    /// `links[0]`, `links[1]` and so on.
    Listed,
}

/// The parts of a scenario that were read from a file.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) links: Vec<LinkSpec>,
    pub(super) naming: Naming,
    pub(super) flows: Vec<FlowSpec>,
    pub(super) transport: TransportSpec,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
}

impl ValidScenario {
    /// A scenario built in code, measured from the start, with default transport parameters.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the first field outside its range.
    pub fn new(
        link: LinkSpec,
        flows: Vec<FlowSpec>,
        duration: Duration,
    ) -> Result<Self, ScenarioError> {
        Self::over(vec![link], flows, duration)
    }

    /// A scenario over several links, which the flows' routes name.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the first field outside its range.
    pub fn over(
        links: Vec<LinkSpec>,
        flows: Vec<FlowSpec>,
        duration: Duration,
    ) -> Result<Self, ScenarioError> {
        let naming = if links.len() > 1 {
            Naming::Listed
        } else {
            Naming::Single
        };
        Self::from_parts(Parts {
            name: String::new(),
            links,
            naming,
            flows,
            transport: TransportSpec::default(),
            duration,
            warmup: Duration::ZERO,
        })
    }

    /// Reads the only scenario of a file; `file` names it in errors, and traces are relative to it.
    ///
    /// # Errors
    /// [`ScenarioError`] with file, line and field; also where the file has a sweep.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScenarioError> {
        Scenario::from_toml(text, file)?.check()
    }

    /// Reads all scenarios of a file: one, or a grid where it has a sweep, whose names end in the
    /// swept values.
    ///
    /// # Errors
    /// [`ScenarioError`] with file, line and field.
    pub fn grid_from_toml(text: &str, file: &str) -> Result<Vec<Self>, ScenarioError> {
        let cells = Scenario::expand(text, file)?;
        Ok(cells.into_iter().map(|cell| cell.scenario).collect())
    }

    /// A scenario of parts that were read from a file.
    pub(super) fn from_parts(parts: Parts) -> Result<Self, ScenarioError> {
        let scenario = Self {
            name: parts.name,
            links: parts.links,
            places: BTreeMap::new(),
            naming: parts.naming,
            flows: parts.flows,
            transport: parts.transport,
            duration: parts.duration,
            warmup: parts.warmup,
        };
        scenario.checked()
    }

    /// The same scenario with further links, for routes over several and for the way back.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the first field outside its range.
    pub fn with_links(mut self, links: Vec<LinkSpec>) -> Result<Self, ScenarioError> {
        if links.iter().any(|link| link.name != REVERSE) {
            self.naming = Naming::Listed;
        }
        self.links.extend(links);
        self.checked()
    }

    /// The same scenario, measured from `warmup` to the end.
    ///
    /// # Errors
    /// [`ScenarioError`] where the warm-up is not shorter than the duration.
    pub fn with_warmup(self, warmup: Duration) -> Result<Self, ScenarioError> {
        Self { warmup, ..self }.checked()
    }

    /// The same scenario with other transport parameters.
    ///
    /// # Errors
    /// [`ScenarioError`] where one is outside its range.
    pub fn with_transport(self, transport: TransportSpec) -> Result<Self, ScenarioError> {
        Self { transport, ..self }.checked()
    }

    /// The same scenario under `name`.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// The same scenario with every flow under `controller`.
    #[must_use]
    pub fn with_controller(mut self, controller: &str) -> Self {
        for flow in &mut self.flows {
            controller.clone_into(&mut flow.controller);
        }
        self
    }

    /// Its name; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first link: the bottleneck of a dumbbell.
    pub fn link(&self) -> &LinkSpec {
        &self.links[0]
    }

    /// Every link; routes name them by their place here.
    pub fn links(&self) -> &[LinkSpec] {
        &self.links
    }

    /// Every flow, with a count of one each.
    pub fn flows(&self) -> &[FlowSpec] {
        &self.flows
    }

    /// Parameters of the transport model.
    pub const fn transport(&self) -> &TransportSpec {
        &self.transport
    }

    /// Simulated time.
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// Start of the measurement.
    pub const fn warmup(&self) -> Duration {
        self.warmup
    }

    /// The path of a link in errors.
    fn link_path(&self, place: u16) -> String {
        match (self.naming, self.links.get(usize::from(place))) {
            (Naming::Single, Some(link)) if place > 0 && link.name == REVERSE => REVERSE.to_owned(),
            (Naming::Single, _) => "link".to_owned(),
            (Naming::Listed, _) => format!("links[{place}]"),
        }
    }

    fn checked(mut self) -> Result<Self, ScenarioError> {
        let durations = Duration::from_millis(1)..=LONGEST;
        within("duration_s", self.duration, durations)?;
        if self.warmup >= self.duration {
            let got = seconds(self.warmup);
            let expected = "less than `duration_s`";
            return Err(ScenarioError::value("warmup_s", expected, got));
        }
        check_transport(&self.transport)?;
        self.places = self.check_links()?;
        let flows = self.listed_flows()?;
        Ok(Self { flows, ..self })
    }

    /// Checks every link and gives their places.
    fn check_links(&self) -> Result<BTreeMap<String, u16>, ScenarioError> {
        if self.links.is_empty() || self.links.len() > MOST_LINKS {
            let expected = format!("1 to {MOST_LINKS} links");
            return Err(ScenarioError::value("links", expected, self.links.len()));
        }
        let mut places = BTreeMap::new();
        for (place, link) in (0_u16..).zip(&self.links) {
            let path = self.link_path(place);
            link::check(&path, link, &self.transport)?;
            if let Some(first) = places.insert(link.name.clone(), place) {
                let field = format!("{path}.name");
                let (name, first) = (link.name.clone(), self.link_path(first));
                return Err(ScenarioError::new(
                    &field,
                    Problem::DuplicateName { name, first },
                ));
            }
        }
        Ok(places)
    }

    /// The flows, each checked and on its own.
    fn listed_flows(&self) -> Result<Vec<FlowSpec>, ScenarioError> {
        if self.flows.is_empty() {
            return Err(ScenarioError::value("flow", "at least one flow", "none"));
        }
        let mut total = 0_u64;
        let mut route_links = RouteLinks::default();
        for (index, flow) in self.flows.iter().enumerate() {
            flow::check(index, flow, self.duration)?;
            extent::check_reroutes(index, flow)?;
            self.check_routes(index, flow)?;
            route_links.add(flow, flow.count)?;
            total += u64::from(flow.count);
        }
        if total > u64::from(MOST_FLOWS) {
            let expected = format!("at most {MOST_FLOWS} flows together");
            return Err(ScenarioError::value("flow", expected, total));
        }
        let mut flows = Vec::new();
        let mut names = BTreeMap::new();
        for (index, flow) in self.flows.iter().enumerate() {
            for number in 1..=flow.count {
                let mut one = flow.clone();
                one.count = 1;
                if flow.count > 1 && !flow.name.is_empty() {
                    one.name = format!("{}-{number}", flow.name);
                }
                if let Some(first) = names.insert(one.name.clone(), index)
                    && !one.name.is_empty()
                {
                    let (name, first) = (one.name, format!("flow[{first}]"));
                    let field = format!("flow[{index}].name");
                    return Err(ScenarioError::new(
                        &field,
                        Problem::DuplicateName { name, first },
                    ));
                }
                flows.push(one);
            }
        }
        Ok(flows)
    }
}

fn check_transport(transport: &TransportSpec) -> Result<(), ScenarioError> {
    within("transport.mtu_bytes", transport.mtu_bytes, 64..=65_535)?;
    let overheads = 1..=transport.mtu_bytes - 1;
    within(
        "transport.overhead_bytes",
        transport.overhead_bytes,
        overheads,
    )?;
    let headers = 0..=transport.overhead_bytes - 1;
    within("transport.header_bytes", transport.header_bytes, headers)?;
    within("transport.ack_every", transport.ack_every, 1..=64)?;
    let delays = Duration::ZERO..=Duration::from_secs(1);
    within(
        "transport.max_ack_delay_ms",
        transport.max_ack_delay,
        delays,
    )?;
    let smallest = Bytes::new(2 * u64::from(transport.mtu_bytes));
    let windows = smallest..=Bytes::new(1 << 32);
    within(
        "transport.receive_window_bytes",
        transport.receive_window,
        windows,
    )?;
    within("transport.ack_bytes", transport.ack_bytes, 1..=65_535)
}

const LONGEST: Duration = Duration::from_hours(24);
const MOST_FLOWS: u32 = 100_000;
const MOST_LINKS: usize = 10_000;
