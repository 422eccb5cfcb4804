//! Rule *relaxation*: ranges of every neuron in a place, then one linear bound of the constraint.

use super::affine::Expression;
use super::clamp::Above;
use super::exact::{Overflow, product};
use super::phase::Phase;
use super::region::{Place, Shown, Weighted};
use super::rejection::Reason;
use super::relu::{Lines, SLOPE_BITS, SLOPE_ONE};
use super::target::Target;
use crate::format::Witness;
use crate::semantics::Range;

/// Ranges and lines of the values in one place, layer by layer, as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Relaxation {
    pub(super) of: Of,
    /// Ranges before ReLU and clamp.
    pub(super) values: Vec<Vec<Range>>,
    pub(super) lines: Vec<Vec<Lines>>,
}

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Those of one input.
    Input,
    /// What those of a second input have more than those of a first one.
    Difference,
}

/// Checks a relaxation leaf: the constraint holds at every point of the place, or there is none.
pub(super) fn check(
    place: &Place<'_>,
    target: &Target<'_>,
    witness: &Witness,
) -> Result<Shown, Reason> {
    let weighted = place.weighted(witness, place.program.hidden_neurons())?;
    let mut relaxation = Relaxation::new(Of::Input);
    if relaxation.bound_hidden(place, &witness.alpha)? == Shown::Empty {
        return Ok(Shown::Empty);
    }
    // What is weighed is meant for the whole left-hand side, which may be one head.
    let one_head = target.heads.len() == 1 && target.features.is_empty();
    let none = Weighted::default();
    let of_heads = if one_head { &weighted } else { &none };
    let outputs = relaxation.bound_outputs(place, target, of_heads)?;
    if outputs.iter().any(Range::is_empty) {
        return Ok(Shown::Empty);
    }
    let above = |head, sign| Above::clamp(outputs.get(head), sign);
    relaxation.conclude(place, target, &weighted, above)
}

impl Relaxation {
    /// Nothing is known yet.
    pub(super) const fn new(of: Of) -> Self {
        Self {
            of,
            values: vec![],
            lines: vec![],
        }
    }

    /// Ranges of every hidden neuron: intervals first, backward bounds where the interval leaves
    /// the neuron's phase open, and what the phases say. Slopes that are not given are chosen.
    pub(super) fn bound_hidden(
        &mut self,
        place: &Place<'_>,
        alpha: &[u8],
    ) -> Result<Shown, Reason> {
        let mut alpha = alpha.iter().copied().chain(core::iter::repeat(u8::MAX));
        for number in 0..place.program.hidden().len() {
            let mut layer = place.program.next_layer(&place.input, &self.values);
            for (neuron, range) in layer.iter_mut().enumerate() {
                // The first layer's intervals are attained; stable neurons need no better bound.
                if number > 0 && range.low < 0 && range.high > 0 {
                    *range = self.refine(place, neuron, *range, 1, &Weighted::default())?;
                }
                let here = |phase: &&Phase| (phase.layer, phase.neuron) == (number, neuron);
                for phase in place.phases.iter().filter(here) {
                    *range = range.meet(phase.range());
                }
            }
            if layer.iter().any(Range::is_empty) {
                return Ok(Shown::Empty);
            }
            let lines = layer.iter().zip(alpha.by_ref());
            let lines = lines.map(|(&range, alpha)| Lines::new(range, alpha));
            self.lines.push(lines.collect());
            self.values.push(layer);
        }
        Ok(Shown::Holds)
    }

    /// Ranges of the outputs before the clamp, for the heads that the target names; intervals for
    /// the others.
    pub(super) fn bound_outputs(
        &self,
        place: &Place<'_>,
        target: &Target<'_>,
        weighted: &Weighted<'_>,
    ) -> Result<Vec<Range>, Reason> {
        let mut outputs = place.program.next_layer(&place.input, &self.values);
        for &(head, coefficient) in &target.heads {
            if let Some(range) = outputs.get_mut(head) {
                let scale = i128::from(coefficient).saturating_abs();
                *range = self.refine(place, head, *range, scale, weighted)?;
            }
        }
        Ok(outputs)
    }

    /// Intersects the range of a value of the next layer with backward bounds of `±scale` times it,
    /// since weights are meant for a multiple.
    pub(super) fn refine(
        &self,
        place: &Place<'_>,
        value: usize,
        range: Range,
        scale: i128,
        weighted: &Weighted<'_>,
    ) -> Result<Range, Reason> {
        let layer = self.values.len();
        let end = |sign| {
            let mut expression = Expression::new(place, layer, 0);
            expression.add_value(value, product(scale, sign)?)?;
            let scaled = self.bound(place, layer, expression, weighted)?;
            scaled.checked_div_euclid(scale).ok_or(Overflow)
        };
        let (upper, lower) = (end(1)?, end(-1)?.saturating_neg());
        // An end beyond 64 bits is no news.
        Ok(range.meet(Range {
            low: i64::try_from(lower).unwrap_or(i64::MIN),
            high: i64::try_from(upper).unwrap_or(i64::MAX),
        }))
    }

    /// Accepts the target if one of two bounds suffices: that of every term for itself, or one
    /// backward bound of all of them, with a line above every head.
    pub(super) fn conclude(
        &self,
        place: &Place<'_>,
        target: &Target<'_>,
        weighted: &Weighted<'_>,
        above: impl Fn(usize, i64) -> Above,
    ) -> Result<Shown, Reason> {
        let apart = target.reached(&place.input, |head, c| above(head, c).most)?;
        if apart <= target.bound {
            return target.accept(apart);
        }
        let heads = place.program.hidden().len();
        let mut together = Expression::new(place, heads, SLOPE_BITS);
        for &(head, coefficient) in &target.heads {
            let (c, line) = (i128::from(coefficient), above(head, coefficient));
            together.add_value(head, product(c, line.slope)?)?;
            together.add_constant(product(c.saturating_abs(), line.offset)?)?;
        }
        for &(index, coefficient) in target.features {
            together.add_feature(index, product(i128::from(coefficient), SLOPE_ONE)?)?;
        }
        let together = self.bound(place, heads, together, weighted)?;
        target.accept(apart.min(together))
    }
}
