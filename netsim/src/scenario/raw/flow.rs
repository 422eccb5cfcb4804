//! Flows as written.

use tautline_core::units::{Bytes, Timestamp};

use super::section::Section;
use super::topology::{FORWARD, Shape, hop_name};
use super::workload::workload;
use crate::scenario::valid::RouteLinks;
use crate::scenario::{EcnSpec, FlowSpec, LinkSpec, REVERSE, RouteSpec, ScenarioError, Stack};

/// `[[flow]]`.
pub(super) const FLOW: &[&str] = &[
    "name",
    "controller",
    "start_s",
    "stop_s",
    "limit_bytes",
    "stack",
    "ecn",
    "workload",
    "extra_one_way_delay_ms",
    "base_rtt_ms",
    "count",
];
/// `[[flow]]` of a dumbbell.
pub(super) const DUMBBELL_FLOW: &[&str] = &["direction"];
/// `[[flow]]` of a parking lot.
pub(super) const PARKING_LOT_FLOW: &[&str] = &["enter", "exit"];
/// `[[flow]]` of a graph.
pub(super) const GRAPH_FLOW: &[&str] = &["route", "return_route", "reroutes"];
/// Entries of `reroutes`.
pub(super) const REROUTE: &[&str] = &["at_s", "route", "return_route"];

/// The flows of a file whose links are `links`.
pub(super) fn flows(
    root: &Section<'_>,
    shape: Shape,
    links: &[LinkSpec],
) -> Result<Vec<FlowSpec>, ScenarioError> {
    let sections = root.sections("flow")?;
    // Counted while they are read: a flow over all hops is short to write.
    let mut route_links = RouteLinks::default();
    let flows = sections.iter().map(|flow| {
        let flow = one(flow, shape, links)?;
        route_links.add(&flow, 1)?;
        Ok(flow)
    });
    flows.collect()
}

fn one(flow: &Section<'_>, shape: Shape, links: &[LinkSpec]) -> Result<FlowSpec, ScenarioError> {
    let own = match shape {
        Shape::Dumbbell { .. } => DUMBBELL_FLOW,
        Shape::ParkingLot { .. } => PARKING_LOT_FLOW,
        Shape::Graph => GRAPH_FLOW,
    };
    for (keys, reason) in [
        (DUMBBELL_FLOW, "only flows of a dumbbell have a direction"),
        (
            PARKING_LOT_FLOW,
            "only flows of a parking lot enter and exit",
        ),
        (GRAPH_FLOW, "only flows over `[[links]]` have routes"),
    ] {
        if keys != own {
            flow.without(keys, reason)?;
        }
    }
    flow.only(&[FLOW, own])?;
    let stacks = [
        ("model", Stack::Model),
        ("quinn", Stack::Quinn),
        ("smoltcp", Stack::Smoltcp),
    ];
    let marks = [
        ("auto", EcnSpec::Auto),
        ("off", EcnSpec::Off),
        ("classic", EcnSpec::Classic),
        ("l4s", EcnSpec::L4s),
    ];
    let controller = flow.name("controller")?;
    let controller = flow.needed("controller", controller, "the name of a controller")?;
    if controller.is_empty() {
        let field = flow.field("controller");
        return Err(ScenarioError::value(&field, "a name", "an empty text"));
    }
    let (routes, base_rtt) = routes(flow, shape, links)?;
    Ok(FlowSpec {
        name: flow.name("name")?.unwrap_or_default().to_owned(),
        start: flow.instant("start_s")?.unwrap_or(Timestamp::ZERO),
        stop: flow.instant("stop_s")?.unwrap_or(Timestamp::MAX),
        limit: flow.bytes("limit_bytes")?.unwrap_or(Bytes::MAX),
        stack: flow.choice("stack", &stacks)?.unwrap_or_default(),
        workload: workload(flow)?,
        ecn: flow.choice("ecn", &marks)?.unwrap_or_default(),
        routes,
        extra_one_way_delay: flow.time("extra_one_way_delay_ms")?.unwrap_or_default(),
        base_rtt: flow.time("base_rtt_ms")?.or(base_rtt),
        count: flow.count("count")?.unwrap_or(1),
        ..FlowSpec::new(controller)
    })
}

type Routed = (Vec<RouteSpec>, Option<core::time::Duration>);

/// The flow's ways, and its base round-trip time where they do not say it.
fn routes(flow: &Section<'_>, shape: Shape, links: &[LinkSpec]) -> Result<Routed, ScenarioError> {
    match shape {
        Shape::Dumbbell { reverse } => {
            let ways = [("forward", false), ("reverse", true)];
            if !flow.choice("direction", &ways)?.unwrap_or(false) {
                return Ok((Vec::new(), None));
            }
            if !reverse {
                let reason = "a flow in that direction needs a table `[reverse]`";
                return Err(ScenarioError::misplaced(&flow.field("direction"), reason));
            }
            let route = RouteSpec {
                at: Timestamp::ZERO,
                forward: vec![REVERSE.to_owned()],
                backward: vec![FORWARD.to_owned()],
            };
            Ok((vec![route], links.first().map(|link| link.base_rtt)))
        }
        Shape::ParkingLot { hops } => Ok((vec![parked(flow, hops)?], None)),
        Shape::Graph => {
            let mut all = vec![listed(flow, Timestamp::ZERO)?];
            for reroute in flow.sections("reroutes")? {
                reroute.only(&[REROUTE])?;
                let at = reroute.needed("at_s", reroute.instant("at_s")?, "a time")?;
                all.push(listed(&reroute, at)?);
            }
            Ok((all, None))
        }
    }
}

fn parked(flow: &Section<'_>, hops: u32) -> Result<RouteSpec, ScenarioError> {
    let enter = flow.count("enter")?.unwrap_or(1);
    if !(1..=hops).contains(&enter) {
        let expected = format!("1 to {hops}");
        return Err(ScenarioError::value(&flow.field("enter"), expected, enter));
    }
    let exit = flow.count("exit")?.unwrap_or(hops);
    if !(enter..=hops).contains(&exit) {
        let expected = format!("{enter} to {hops}");
        return Err(ScenarioError::value(&flow.field("exit"), expected, exit));
    }
    Ok(RouteSpec {
        at: Timestamp::ZERO,
        forward: (enter..=exit).map(hop_name).collect(),
        backward: Vec::new(),
    })
}

fn listed(section: &Section<'_>, at: Timestamp) -> Result<RouteSpec, ScenarioError> {
    let route = section.texts("route")?;
    Ok(RouteSpec {
        at,
        forward: section.needed("route", route, "a list of links")?,
        backward: section.texts("return_route")?.unwrap_or_default(),
    })
}
