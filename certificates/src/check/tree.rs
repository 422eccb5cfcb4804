//! Walks one tree in pre-order, in memory bounded by its depth; rule *split*.

use super::interval::Intervals;
use super::pair::PairRelaxation;
use super::region::{InputBox, check_empty};
use super::rejection::{Reason, Rule};
use super::relaxation::Relaxation;
use super::sign::{Sign, fix_corner, of_target};
use super::target::Target;
use crate::claim::LinearConstraint;
use crate::format::{MAX_DEPTH, MAX_NODES, NodeKind, NodeReader, Witness};
use crate::semantics::Program;

/// A tree that is not a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) node: u64,
    pub(super) rule: Rule,
    pub(super) reason: Reason,
}

/// Room for checking trees of one program.
#[derive(Clone, Debug)]
pub(super) struct Checker<'a> {
    program: &'a Program,
    relaxation: Relaxation,
    /// Present while trees speak of two inputs.
    pub(super) pair: Option<PairRelaxation>,
    intervals: Intervals,
    witness: Witness,
    frames: Vec<Frame>,
    /// How the target moves with each feature; computed at a tree's first corner.
    signs: Option<Vec<Sign>>,
}

/// What to undo when a subtree is done.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// The left child of a split: the right one is next.
    Left { feature: usize, cut: i64, high: i64 },
    /// The right child of a split.
    Right { feature: usize, low: i64 },
    /// The child of a corner.
    Corner,
}

/// The box of the next node, and the one to go back to after a corner.
struct Place<'a> {
    input: InputBox,
    before_corner: Option<InputBox>,
    facts: &'a [LinearConstraint],
}

impl<'a> Checker<'a> {
    pub(super) fn new(program: &'a Program) -> Self {
        Self {
            program,
            relaxation: Relaxation::new(program),
            pair: None,
            intervals: Intervals::default(),
            witness: Witness::default(),
            frames: vec![],
            signs: None,
        }
    }

    /// Checks that the next tree of `reader` proves `target` over `input`; returns its leaves.
    pub(super) fn check_tree(
        &mut self,
        reader: &mut NodeReader<'_>,
        input: InputBox,
        facts: &[LinearConstraint],
        target: &Target<'_>,
    ) -> Result<u64, Fault> {
        let mut place = Place {
            input,
            before_corner: None,
            facts,
        };
        self.frames.clear();
        self.signs = None;
        let mut leaves = 0u64;
        let mut proven = 0u64;
        for node in 0..MAX_NODES {
            let fault = |(rule, reason)| Fault { node, rule, reason };
            let kind = reader
                .node(&mut self.witness)
                .map_err(|error| fault((Rule::Format, error.into())))?;
            let is_leaf = self.step(kind, &mut place, target).map_err(fault)?;
            if is_leaf {
                leaves = leaves.saturating_add(1);
                proven = proven.saturating_add(u64::from(!matches!(kind, NodeKind::Empty { .. })));
                let more = self
                    .next_branch(&mut place)
                    .map_err(|reason| fault((rule_of(kind), reason)))?;
                if !more {
                    // A region without a point would prove anything.
                    return if proven > 0 {
                        Ok(leaves)
                    } else {
                        Err(fault((Rule::Empty, Reason::Vacuous)))
                    };
                }
            } else if self.frames.len() > MAX_DEPTH {
                let limit = MAX_DEPTH;
                return Err(fault((rule_of(kind), Reason::TooDeep { limit })));
            }
        }
        Err(Fault {
            node: MAX_NODES,
            rule: Rule::Format,
            reason: Reason::TooManyNodes { limit: MAX_NODES },
        })
    }

    /// Checks one node; true if it is a leaf.
    fn step(
        &mut self,
        kind: NodeKind,
        place: &mut Place<'_>,
        target: &Target<'_>,
    ) -> Result<bool, (Rule, Reason)> {
        let program = self.program;
        if let Some(pair) = &mut self.pair {
            let result = match kind {
                NodeKind::Relaxation => {
                    pair.check(program, &place.input, place.facts, target, &self.witness)
                }
                NodeKind::Split { .. } | NodeKind::Empty { .. } => Ok(()),
                _ => Err(Reason::PairNode),
            };
            result.map_err(|reason| (Rule::Difference, reason))?;
            if kind == NodeKind::Relaxation {
                return Ok(true);
            }
        }
        // Facts do not hold at an artificial corner.
        let facts = match place.before_corner {
            Some(_) => &[],
            None => place.facts,
        };
        let result = match kind {
            NodeKind::Relaxation => {
                let relaxation = &mut self.relaxation;
                relaxation.check(program, &place.input, facts, target, &self.witness)
            }
            NodeKind::Interval => self.intervals.check(program, &place.input, target),
            NodeKind::Empty { index } => check_empty(&place.input, facts, index),
            NodeKind::Split { feature, cut } => self.split(place, feature, cut),
            NodeKind::PhaseSplit { .. } => Err(Reason::NestedCorner),
            NodeKind::Corner => self.corner(place, target),
        };
        result.map_err(|reason| (rule_of(kind), reason))?;
        Ok(!matches!(kind, NodeKind::Split { .. } | NodeKind::Corner))
    }

    /// Rule *split*: integers x with low ≤ x ≤ high have x ≤ cut or x ≥ cut + 1.
    fn split(&mut self, place: &mut Place<'_>, feature: u8, cut: i32) -> Result<(), Reason> {
        let index = usize::from(feature);
        let inputs = place.input.low.len();
        let (low, high) = (place.input.low.get(index), place.input.high.get_mut(index));
        let (Some(&low), Some(high)) = (low, high) else {
            return Err(Reason::SplitFeature { feature, inputs });
        };
        let wide = i64::from(cut);
        if wide < low || wide >= *high {
            return Err(Reason::SplitCut {
                feature,
                cut,
                low,
                high: *high,
            });
        }
        self.frames.push(Frame::Left {
            feature: index,
            cut: wide,
            high: *high,
        });
        *high = wide;
        Ok(())
    }

    fn corner(&mut self, place: &mut Place<'_>, target: &Target<'_>) -> Result<(), Reason> {
        if place.before_corner.is_some() {
            return Err(Reason::NestedCorner);
        }
        place.before_corner = Some(place.input.clone());
        let program = self.program;
        let signs = self.signs.get_or_insert_with(|| of_target(program, target));
        fix_corner(signs, &mut place.input);
        self.frames.push(Frame::Corner);
        Ok(())
    }

    /// After a leaf: goes to the next open branch; false if there is none.
    fn next_branch(&mut self, place: &mut Place<'_>) -> Result<bool, Reason> {
        while let Some(frame) = self.frames.pop() {
            match frame {
                Frame::Left { feature, cut, high } => {
                    *place.input.high.get_mut(feature).ok_or(Reason::Overflow)? = high;
                    let low = place.input.low.get_mut(feature).ok_or(Reason::Overflow)?;
                    let frame = Frame::Right { feature, low: *low };
                    *low = cut.saturating_add(1);
                    self.frames.push(frame);
                    return Ok(true);
                }
                Frame::Right { feature, low } => {
                    *place.input.low.get_mut(feature).ok_or(Reason::Overflow)? = low;
                }
                Frame::Corner => {
                    place.input = place.before_corner.take().ok_or(Reason::NestedCorner)?;
                }
            }
        }
        Ok(false)
    }
}

const fn rule_of(kind: NodeKind) -> Rule {
    match kind {
        NodeKind::Relaxation => Rule::Relaxation,
        NodeKind::Split { .. } | NodeKind::PhaseSplit { .. } => Rule::Split,
        NodeKind::Corner => Rule::Corner,
        NodeKind::Empty { .. } => Rule::Empty,
        NodeKind::Interval => Rule::Interval,
    }
}
