//! Topologies as written: a dumbbell, a parking lot, or any graph.

use core::time::Duration;

use super::link::{CAPACITY, LINK, link};
use super::queue::BUFFER;
use super::section::Section;
use super::traces::Traces;
use crate::scenario::valid::Naming;
use crate::scenario::{LinkSpec, REVERSE, ScenarioError};

/// `[topology]`.
pub(super) const TOPOLOGY: &[&str] = &["kind", "hops"];
/// Further keys of the link of a dumbbell.
pub(super) const DUMBBELL_LINK: &[&str] = &["base_rtt_ms"];
/// Further keys of the links of a parking lot.
pub(super) const HOP: &[&str] = &["delay_ms", "base_rtt_ms"];
/// Further keys of the links of a graph.
pub(super) const GRAPH_LINK: &[&str] = &["name", "from", "to", "delay_ms", "base_rtt_ms"];

/// How the links hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One link, and another one back where there is a `[reverse]`.
    Dumbbell { reverse: bool },
    /// A row of links that are called hop1, hop2 and so on.
    ParkingLot { hops: u32 },
    /// Links by name.
    Graph,
}

impl Shape {
    /// How errors name the links.
    pub(super) const fn naming(self) -> Naming {
        match self {
            Self::Graph => Naming::Listed,
            Self::Dumbbell { .. } | Self::ParkingLot { .. } => Naming::Single,
        }
    }
}

/// The links of a file.
pub(super) fn links(
    root: &Section<'_>,
    traces: &Traces,
) -> Result<(Shape, Vec<LinkSpec>), ScenarioError> {
    if root.one_of(
        &["link", "links"],
        "a table `[link]`, or a list `[[links]]`",
    )? == "links"
    {
        root.without(&["topology"], "`[[links]]` are a topology of their own")?;
        root.without(
            &["reverse"],
            "give the links of the way back in `[[links]]`",
        )?;
        return Ok((Shape::Graph, graph(root, traces)?));
    }
    let table = root.section("link")?;
    let section = root.needed("link", table, "a table")?;
    match hops(root)? {
        Some(hops) => {
            root.without(&["reverse"], "only a dumbbell has one way back")?;
            let links = parking_lot(&section, traces, hops)?;
            Ok((Shape::ParkingLot { hops }, links))
        }
        None => dumbbell(root, &section, traces),
    }
}

/// The links of a parking lot; none for a dumbbell.
fn hops(root: &Section<'_>) -> Result<Option<u32>, ScenarioError> {
    let Some(topology) = root.section("topology")? else {
        return Ok(None);
    };
    topology.only(&[TOPOLOGY])?;
    let kind = topology.text("kind")?;
    match topology.needed("kind", kind, KINDS)? {
        "dumbbell" => {
            topology.without(&["hops"], "only a parking lot has hops")?;
            Ok(None)
        }
        "parking-lot" => {
            let hops = topology.needed("hops", topology.count("hops")?, "a number of links")?;
            if !(1..=MOST_HOPS).contains(&hops) {
                let expected = format!("1 to {MOST_HOPS}");
                return Err(ScenarioError::value(
                    &topology.field("hops"),
                    expected,
                    hops,
                ));
            }
            Ok(Some(hops))
        }
        other => Err(topology.strange("kind", KINDS, other)),
    }
}

fn dumbbell(
    root: &Section<'_>,
    section: &Section<'_>,
    traces: &Traces,
) -> Result<(Shape, Vec<LinkSpec>), ScenarioError> {
    let elsewhere = "a dumbbell's propagation is its `base_rtt_ms`";
    section.without(&["delay_ms"], elsewhere)?;
    section.only(&[CAPACITY, BUFFER, DUMBBELL_LINK, LINK])?;
    let base_rtt = section.time("base_rtt_ms")?;
    let base_rtt = section.needed("base_rtt_ms", base_rtt, "a round-trip time")?;
    let ahead = LinkSpec {
        base_rtt,
        ..link(section, traces)?
    };
    let Some(section) = root.section("reverse")? else {
        return Ok((Shape::Dumbbell { reverse: false }, vec![ahead]));
    };
    let elsewhere = "the propagation of both ways is `link.base_rtt_ms`";
    section.without(&["delay_ms", "base_rtt_ms"], elsewhere)?;
    section.only(&[CAPACITY, BUFFER, LINK])?;
    let named = |link: LinkSpec, name: &str, from: &str, to: &str| LinkSpec {
        name: name.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        base_rtt,
        ..link
    };
    let back = named(link(&section, traces)?, REVERSE, "right", "left");
    let ahead = named(ahead, FORWARD, "left", "right");
    Ok((Shape::Dumbbell { reverse: true }, vec![ahead, back]))
}

fn parking_lot(
    section: &Section<'_>,
    traces: &Traces,
    hops: u32,
) -> Result<Vec<LinkSpec>, ScenarioError> {
    section.only(&[CAPACITY, BUFFER, HOP, LINK])?;
    let one = spaced(section, traces)?;
    let links = (1..=hops).map(|hop| LinkSpec {
        name: hop_name(hop),
        from: format!("node{}", hop - 1),
        to: format!("node{hop}"),
        ..one.clone()
    });
    Ok(links.collect())
}

fn graph(root: &Section<'_>, traces: &Traces) -> Result<Vec<LinkSpec>, ScenarioError> {
    let sections = root.sections("links")?;
    if sections.len() > MOST_LINKS {
        let expected = format!("at most {MOST_LINKS} links");
        return Err(ScenarioError::value("links", expected, sections.len()));
    }
    let links = sections.iter().map(|section| {
        section.only(&[GRAPH_LINK, CAPACITY, BUFFER, LINK])?;
        let named = |key: &str, expected: &str| {
            let text = section.needed(key, section.name(key)?, expected)?;
            if text.is_empty() {
                let got = "an empty text";
                return Err(ScenarioError::value(&section.field(key), expected, got));
            }
            Ok(text.to_owned())
        };
        Ok(LinkSpec {
            name: named("name", "the link's name")?,
            from: named("from", "the node where it starts")?,
            to: named("to", "the node where it ends")?,
            ..spaced(section, traces)?
        })
    });
    links.collect()
}

/// A link with propagation of its own.
fn spaced(section: &Section<'_>, traces: &Traces) -> Result<LinkSpec, ScenarioError> {
    let delay = section.time("delay_ms")?;
    let delay: Duration = section.needed("delay_ms", delay, "the propagation one way")?;
    let base_rtt = section.time("base_rtt_ms")?;
    Ok(LinkSpec {
        base_rtt: base_rtt.unwrap_or_else(|| delay.saturating_mul(2)),
        delay,
        ..link(section, traces)?
    })
}

/// Name of a parking lot's link, counted from 1.
pub(super) fn hop_name(hop: u32) -> String {
    format!("hop{hop}")
}

/// Name of a dumbbell's link where there is one back.
pub(super) const FORWARD: &str = "link";
const KINDS: &str = "`dumbbell`, `parking-lot`";
const MOST_HOPS: u32 = 1000;
const MOST_LINKS: usize = 10_000;
