//! What is known of the points that a node speaks about; rule *empty*.

use super::exact::{Overflow, product, sum};
use super::phase::Phase;
use super::rejection::{Reason, Rule};
use crate::claim::LinearConstraint;
use crate::format::{NodeKind, Witness};
use crate::semantics::{Program, Range};

/// The integer points, or pairs of points, of a box that satisfy the facts and whose fixed neurons
/// are in their phases.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) program: &'a Program,
    pub(super) input: Vec<Range>,
    pub(super) facts: &'a [LinearConstraint],
    pub(super) phases: Vec<Phase>,
    /// Below a corner: the points are moved ones.
    pub(super) moved: bool,
    /// The region that holds both inputs of the pairs, if it is pairs.
    pub(super) pairs_in: Option<&'a [Range]>,
}

/// Inequalities that hold in a place, each with the weight that a witness gives it, in units of
/// 2⁻¹⁶.
#[derive(Clone, Debug, Default)]
pub(super) struct Weighted<'a> {
    pub(super) facts: Vec<(&'a LinearConstraint, u32)>,
    pub(super) phases: Vec<(Phase, u32)>,
}

/// What a leaf has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The constraint holds everywhere in the place.
    Holds,
    /// The place has no point.
    Empty,
}

impl<'a> Place<'a> {
    /// The fact that a witness names.
    fn fact(&self, index: u8) -> Result<&'a LinearConstraint, Reason> {
        let facts = self.facts.len();
        let fact = self.facts.get(usize::from(index));
        fact.ok_or(Reason::UnknownFact { index, facts })
    }

    /// The rule under which no node of this kind may stand here.
    pub(super) const fn forbids(&self, kind: NodeKind) -> Option<Rule> {
        match kind {
            NodeKind::Corner if self.moved => Some(Rule::Corner),
            NodeKind::Corner if !self.phases.is_empty() => Some(Rule::PhaseSplit),
            NodeKind::Corner | NodeKind::PhaseSplit { .. } | NodeKind::Interval
                if self.pairs_in.is_some() =>
            {
                Some(Rule::Difference)
            }
            _ => None,
        }
    }

    /// What a witness weighs; it must have `slopes` slopes and weigh every phase.
    pub(super) fn weighted(
        &self,
        witness: &Witness,
        slopes: usize,
    ) -> Result<Weighted<'a>, Reason> {
        let (alphas, betas) = (witness.alpha.len(), witness.beta.len());
        let counts = [
            ("slopes", slopes, alphas),
            ("phases", self.phases.len(), betas),
        ];
        let wrong = counts.into_iter().find(|count| count.1 != count.2);
        if let Some((what, expected, got)) = wrong {
            return Err(Reason::WitnessCount {
                what,
                expected,
                got,
            });
        }
        let facts = witness.multipliers.iter();
        let facts = facts.map(|&(index, weight)| Ok((self.fact(index)?, weight)));
        let phases = self.phases.iter().copied();
        Ok(Weighted {
            facts: facts.collect::<Result<_, Reason>>()?,
            phases: phases.zip(witness.beta.iter().copied()).collect(),
        })
    }

    /// Rule *split*: integers x with low ≤ x ≤ high have x ≤ cut or x ≥ cut + 1.
    pub(super) fn halves(&self, feature: u8, cut: i32) -> Result<[Range; 2], Reason> {
        let inputs = self.input.len();
        let whole = self.input.get(usize::from(feature));
        let &Range { low, high } = whole.ok_or(Reason::SplitFeature { feature, inputs })?;
        let left = Range {
            low,
            high: i64::from(cut),
        };
        let right = Range {
            low: left.high.saturating_add(1),
            high,
        };
        if left.is_empty() || right.is_empty() {
            return Err(Reason::SplitCut {
                feature,
                cut,
                low,
                high,
            });
        }
        Ok([left, right])
    }

    /// Replaces the range of a feature; returns what it was.
    pub(super) fn narrow(&mut self, feature: u8, to: Range) -> Range {
        let range = self.input.get_mut(usize::from(feature));
        range.map_or(to, |range| core::mem::replace(range, to))
    }

    /// Rule *empty*: the fact cannot hold in the box, because even its smallest left-hand side
    /// there exceeds its bound.
    pub(super) fn check_empty(&self, index: u8) -> Result<Shown, Reason> {
        let fact = self.fact(index)?;
        let terms = fact.terms.iter();
        let negated = terms.map(|&(index, c)| (index, i128::from(c).saturating_neg()));
        let smallest = maximum(&self.input, negated)?.saturating_neg();
        let bound = fact.bound;
        if smallest > i128::from(bound) {
            return Ok(Shown::Empty);
        }
        Err(Reason::NotEmpty {
            index,
            smallest,
            bound,
        })
    }
}

/// The largest Σ coefficient · x in a box, exact and attained.
pub(super) fn maximum(
    input: &[Range],
    mut terms: impl Iterator<Item = (usize, i128)>,
) -> Result<i128, Overflow> {
    terms.try_fold(0, |total, (index, coefficient)| {
        let range = input.get(index).ok_or(Overflow)?;
        let end = if coefficient > 0 {
            range.high
        } else {
            range.low
        };
        sum(total, product(coefficient, end)?)
    })
}
