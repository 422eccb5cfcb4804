//! Ways through the links.

use core::time::Duration;

use tautline_core::units::Timestamp;

use super::ValidScenario;
use super::range::InKeyUnits as _;
use crate::scenario::error::quoted;
use crate::scenario::{FlowSpec, LinkSpec, Problem, RouteSpec, ScenarioError};

/// A way whose links are places in [`ValidScenario::links`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// When it comes into force.
    pub at: Timestamp,
    /// Towards the receiver; at least one link.
    pub forward: Vec<u16>,
    /// Back.
    pub backward: Vec<u16>,
}

/// Name of the link that acknowledgements of a dumbbell take.
pub const REVERSE: &str = "reverse";

impl ValidScenario {
    /// The ways of `flow`, in the order of their times.
    pub fn routes(&self, flow: &FlowSpec) -> Vec<Route> {
        if flow.routes.is_empty() {
            let back = self.place(REVERSE).filter(|&place| place > 0);
            return vec![Route {
                at: Timestamp::ZERO,
                forward: vec![0],
                backward: back.into_iter().collect(),
            }];
        }
        let places = |names: &[String]| names.iter().filter_map(|name| self.place(name)).collect();
        let routes = flow.routes.iter().map(|route| Route {
            at: route.at,
            forward: places(&route.forward),
            backward: places(&route.backward),
        });
        routes.collect()
    }

    /// Propagation of `flow` behind its last link, towards the receiver and back: what its links do
    /// not hold of its base round-trip time, and its own extra delay.
    ///
    /// Without a base round-trip time of its own, a flow with routes has what its links hold; a way
    /// back over no links is as long as the first way there.
    pub fn one_way_delays(&self, flow: &FlowSpec) -> (Duration, Duration) {
        let (ahead, back) = self.held(flow);
        let base_rtt = match flow.base_rtt {
            Some(base_rtt) => base_rtt,
            None if flow.routes.is_empty() => self.link().base_rtt,
            None => {
                let mirrored = if back.is_zero() { ahead } else { back };
                return (flow.extra_one_way_delay, mirrored.saturating_sub(back));
            }
        };
        let rest = base_rtt.saturating_sub(ahead).saturating_sub(back);
        let forward = (base_rtt / 2).saturating_sub(ahead).min(rest);
        (
            forward + flow.extra_one_way_delay,
            rest.saturating_sub(forward),
        )
    }

    /// Propagation of `flow` behind its last link on the way back, for each of its routes: that of
    /// the first, as long as both ways back have links or both have none. Where only a later one
    /// has none, it is as long as the first way back, or as the first way there in a flow without a
    /// base round-trip time; where only the first has none, later ones are as long as their links.
    pub fn ways_back(&self, flow: &FlowSpec) -> Vec<Duration> {
        let (_, first) = self.one_way_delays(flow);
        let (ahead, back) = self.held(flow);
        let routes = self.routes(flow);
        let linked = routes
            .first()
            .is_some_and(|route| !route.backward.is_empty());
        let without_links = match flow.base_rtt {
            Some(_) => back + first,
            None => ahead,
        };
        let tails = routes
            .iter()
            .map(|route| match (linked, route.backward.is_empty()) {
                (true, true) => without_links,
                (false, false) => Duration::ZERO,
                (true, false) | (false, true) => first,
            });
        tails.collect()
    }

    /// Propagation in the links of the flow's first way, there and back.
    fn held(&self, flow: &FlowSpec) -> (Duration, Duration) {
        let routes = self.routes(flow);
        let delay = |links: &[u16]| {
            let delays = links.iter().map(|&place| self.delay(place));
            delays.sum::<Duration>()
        };
        routes.first().map_or_else(Default::default, |route| {
            (delay(&route.forward), delay(&route.backward))
        })
    }

    fn delay(&self, place: u16) -> Duration {
        let link = self.links.get(usize::from(place));
        link.map_or(Duration::ZERO, |link| link.delay)
    }

    fn place(&self, name: &str) -> Option<u16> {
        self.places.get(name).copied()
    }

    /// Checks the routes of flow `index`.
    pub(super) fn check_routes(&self, index: usize, flow: &FlowSpec) -> Result<(), ScenarioError> {
        let mut ends = None;
        let mut last: Option<Timestamp> = None;
        for (number, route) in flow.routes.iter().enumerate() {
            let path = match number.checked_sub(1) {
                None => format!("flow[{index}]"),
                Some(reroute) => format!("flow[{index}].reroutes[{reroute}]"),
            };
            let in_order = last.map_or(route.at == Timestamp::ZERO, |last| route.at > last);
            if !in_order {
                let expected = "times that increase, the first route's at 0";
                let got = route.at.as_nanos() as f64 / 1e9;
                return Err(ScenarioError::value(&format!("{path}.at_s"), expected, got));
            }
            last = Some(route.at);
            self.check_route(&path, route, &mut ends)?;
        }
        if let Some(base_rtt) = flow.base_rtt {
            let (ahead, back) = self.held(flow);
            if base_rtt < ahead + back {
                let field = format!("flow[{index}].base_rtt_ms");
                let held = (ahead + back).shown(&field);
                let expected = format!("at least {held}, which its links hold");
                return Err(ScenarioError::value(
                    &field,
                    expected,
                    base_rtt.shown(&field),
                ));
            }
        }
        Ok(())
    }

    /// Checks a way there and back; `ends` are those of the flow's first.
    fn check_route<'s>(
        &'s self,
        path: &str,
        route: &RouteSpec,
        ends: &mut Option<(&'s str, &'s str)>,
    ) -> Result<(), ScenarioError> {
        let field = format!("{path}.route");
        let (from, to) = self.check_way(&field, &route.forward)?;
        let &mut (first_from, first_to) = ends.get_or_insert((from, to));
        check_ends(&field, (first_from, first_to), (from, to))?;
        if route.backward.is_empty() {
            return Ok(());
        }
        let field = format!("{path}.return_route");
        let back = self.check_way(&field, &route.backward)?;
        check_ends(&field, (first_to, first_from), back)
    }

    /// Checks a way over `names` and gives its ends, which are empty where nodes have no names.
    fn check_way(&self, field: &str, names: &[String]) -> Result<(&str, &str), ScenarioError> {
        let mut links: Vec<&LinkSpec> = Vec::new();
        for name in names {
            let place = self.place(name).map(usize::from);
            let link = place.and_then(|place| self.links.get(place));
            let link = link.ok_or_else(|| {
                let known = self.links.iter().map(|link| link.name.as_str());
                let (name, known) = (name.clone(), quoted(known.take(MOST_SHOWN)));
                ScenarioError::new(field, Problem::UnknownLink { name, known })
            })?;
            links.push(link);
        }
        let (Some(first), Some(last)) = (links.first(), links.last()) else {
            return Err(ScenarioError::new(field, Problem::EmptyRoute));
        };
        let mut passed = vec![first.from.as_str()];
        for pair in links.windows(2) {
            let (link, next) = (pair[0], pair[1]);
            if link.to != next.from && !link.to.is_empty() && !next.from.is_empty() {
                let problem = Problem::Gap {
                    link: link.name.clone(),
                    to: link.to.clone(),
                    next: next.name.clone(),
                    from: next.from.clone(),
                };
                return Err(ScenarioError::new(field, problem));
            }
            passed.push(&link.to);
        }
        passed.push(&last.to);
        passed.retain(|node| !node.is_empty());
        let again = twice(&passed).or_else(|| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            twice(&names)
        });
        match again {
            Some(node) => Err(ScenarioError::new(field, Problem::CyclicRoute { node })),
            None => Ok((&first.from, &last.to)),
        }
    }
}

fn check_ends(
    field: &str,
    (from, to): (&str, &str),
    got: (&str, &str),
) -> Result<(), ScenarioError> {
    let same = |one: &str, other: &str| one == other || one.is_empty() || other.is_empty();
    if same(from, got.0) && same(to, got.1) {
        return Ok(());
    }
    let problem = Problem::OtherEnds {
        from: from.to_owned(),
        to: to.to_owned(),
        got_from: got.0.to_owned(),
        got_to: got.1.to_owned(),
    };
    Err(ScenarioError::new(field, problem))
}

/// The first name that stands twice.
fn twice(names: &[&str]) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    let again = names.iter().find(|name| !seen.insert(**name));
    again.map(|name| (*name).to_owned())
}

/// Links that a message lists at most.
const MOST_SHOWN: usize = 20;
