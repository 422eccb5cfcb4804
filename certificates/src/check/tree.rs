//! Walks one tree in pre-order, in memory bounded by its depth.

use super::phase::{self, Phase, Side};
use super::region::{Place, Shown};
use super::rejection::{Reason, Rejection, Rule, Step, at};
use super::target::Target;
use super::{interval, pair, relaxation, sign};
use crate::format::{MAX_DEPTH, MAX_NODES, NodeKind, NodeReader, Witness};

/// A tree under way.
struct Walk<'a, 'r, 'p> {
    /// The claim and its constraint, for reports.
    which: (usize, usize),
    target: &'a Target<'a>,
    reader: &'r mut NodeReader<'p>,
    /// The place of the next node.
    place: Place<'a>,
    witness: Witness,
    nodes: u64,
    leaves: u64,
    empty: u64,
}

/// Checks that the next tree of `reader` proves `target` over `place`, for a constraint of a claim;
/// returns its leaves.
pub(super) fn check_tree<'a>(
    reader: &mut NodeReader<'_>,
    place: Place<'a>,
    target: &'a Target<'a>,
    which: (usize, usize),
) -> Result<u64, Rejection> {
    let mut walk = Walk {
        which,
        target,
        reader,
        place,
        witness: Witness::default(),
        nodes: 0,
        leaves: 0,
        empty: 0,
    };
    walk.subtree(0)?;
    // A region without a point would prove anything.
    if walk.leaves == walk.empty {
        let last = walk.nodes.saturating_sub(1);
        return Err(at(walk.step(last), Rule::Empty)(Reason::Vacuous));
    }
    Ok(walk.leaves)
}

impl Walk<'_, '_, '_> {
    /// Reads and checks the subtree that comes next, below `depth` inner nodes; the place is the
    /// same afterwards.
    fn subtree(&mut self, depth: usize) -> Result<(), Rejection> {
        let step = self.step(self.nodes);
        if depth > MAX_DEPTH {
            let limit = MAX_DEPTH;
            return Err(at(step, Rule::Format)(Reason::TooDeep { limit }));
        }
        if self.nodes >= MAX_NODES {
            let limit = MAX_NODES;
            return Err(at(step, Rule::Format)(Reason::TooManyNodes { limit }));
        }
        self.nodes = self.nodes.saturating_add(1);
        let kind = self.reader.node(&mut self.witness);
        let kind = kind.map_err(at(step, Rule::Format))?;
        let fails = at(step, self.rule_of(kind));
        if let Some(under) = self.place.forbids(kind) {
            return Err(fails(Reason::Misplaced { under }));
        }
        let (place, target) = (&self.place, self.target);
        let below = depth.saturating_add(1);
        let shown = match kind {
            NodeKind::Split { feature, cut } => {
                let halves = place.halves(feature, cut).map_err(fails)?;
                for half in halves {
                    let whole = self.place.narrow(feature, half);
                    self.subtree(below)?;
                    self.place.narrow(feature, whole);
                }
                return Ok(());
            }
            NodeKind::PhaseSplit { neuron } => {
                let found = phase::find(place.program, &place.phases, neuron);
                let (layer, neuron) = found.map_err(fails)?;
                for side in [Side::Inactive, Side::Active] {
                    let phase = Phase {
                        layer,
                        neuron,
                        side,
                    };
                    self.place.phases.push(phase);
                    self.subtree(below)?;
                    self.place.phases.pop();
                }
                return Ok(());
            }
            NodeKind::Corner => {
                let corner = sign::corner(place, target);
                let whole = core::mem::replace(&mut self.place, corner);
                self.subtree(below)?;
                self.place = whole;
                return Ok(());
            }
            NodeKind::Relaxation => match place.pairs_in {
                None => relaxation::check(place, target, &self.witness),
                Some(region) => pair::check(place, region, target, &self.witness),
            },
            NodeKind::Interval => interval::check(place, target),
            NodeKind::Empty { index } => place.check_empty(index),
        };
        let empty = shown.map_err(fails)? == Shown::Empty;
        self.leaves = self.leaves.saturating_add(1);
        self.empty = self.empty.saturating_add(u64::from(empty));
        Ok(())
    }

    /// A node of this tree.
    const fn step(&self, node: u64) -> Step {
        let (claim, constraint) = self.which;
        Step::Node {
            claim,
            constraint,
            node,
        }
    }

    const fn rule_of(&self, kind: NodeKind) -> Rule {
        match kind {
            NodeKind::Relaxation if self.place.pairs_in.is_some() => Rule::Difference,
            NodeKind::Relaxation => Rule::Relaxation,
            NodeKind::Split { .. } => Rule::Split,
            NodeKind::PhaseSplit { .. } => Rule::PhaseSplit,
            NodeKind::Corner => Rule::Corner,
            NodeKind::Empty { .. } => Rule::Empty,
            NodeKind::Interval => Rule::Interval,
        }
    }
}
