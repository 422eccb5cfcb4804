//! Lines around the difference of two activations.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "values lie within 2^33, so every product with K stays below 2^46"
)]

use crate::check::clamp::Above;
use crate::check::relu::{Lines, SLOPE_ONE};
use crate::semantics::{ONE, Range};

/// A value at both inputs, and what it has more at the second one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair {
    first: Range,
    second: Range,
    pub(super) difference: Range,
}

impl Pair {
    /// Two values, of whose difference nothing else is known.
    pub(super) const fn new(first: Range, second: Range) -> Self {
        let difference = Range {
            low: second.low - first.high,
            high: second.high - first.low,
        };
        Self {
            first,
            second,
            difference,
        }
    }

    /// The same with the inputs' roles exchanged.
    pub(super) const fn swapped(self) -> Self {
        Self {
            first: self.second,
            second: self.first,
            difference: self.difference.negated(),
        }
    }

    /// True if both are active or both inactive everywhere.
    pub(super) fn is_stable(self) -> bool {
        self.is_above(0) || self.first.high.max(self.second.high) <= 0
    }

    /// Lines around what the activation has more at the second input.
    pub(super) fn lines(self) -> Lines {
        if self.is_above(0) {
            return Lines::SAME;
        }
        let (upper, offset) = self.above_relu();
        let (lower, below) = self.swapped().above_relu();
        Lines {
            lower,
            below: -below,
            upper,
            offset,
        }
    }

    /// `K·(max(z', 0) − max(z, 0)) ≤ slope·Δ + offset`.
    ///
    /// # Soundness
    /// For Δ ≥ 0 the difference never falls as z rises, for Δ < 0 it never rises, so it is at most
    /// its value at z's upper or lower end, which is convex in Δ: a line that is above both
    /// of its ends is above it.
    fn above_relu(self) -> (i64, i64) {
        let Range { low, high } = self.first;
        let at = |d: i64| {
            if d >= 0 {
                (d + high.min(0)).max(0)
            } else {
                d.max(-low.max(0))
            }
        };
        let most = self.second.high.max(0) - low.max(0);
        chord(self.difference, at, most)
    }

    /// What the difference of the clamped values does not exceed.
    pub(super) fn clamped(self) -> Above {
        let stop = |value: i64| value.clamp(-ONE, ONE);
        let most = stop(self.second.high) - stop(self.first.low);
        let up = |y: i64| y + ONE;
        // clamp(y) = max(y + 1, 0) − 1 below the upper stop, and the other way round.
        let moved = |first: Range, second: Range| Self {
            first: first.map(up),
            second: second.map(up),
            difference: self.difference,
        };
        let raised = moved(self.first, self.second);
        let mirrored = moved(self.second.negated(), self.first.negated());
        let (slope, offset) = match (raised.is_above(0), mirrored.is_above(0)) {
            (true, true) => (SLOPE_ONE, 0),
            (false, true) => raised.above_relu(),
            (true, false) => mirrored.above_relu(),
            (false, false) => chord(self.difference, |d| d.max(0), most),
        };
        Above {
            most,
            slope,
            offset,
        }
    }

    /// True if both values are at least that.
    fn is_above(self, least: i64) -> bool {
        self.first.low.min(self.second.low) >= least
    }
}

/// A line above K times a convex function of Δ that is at most `most`: through both ends of the
/// function, or constant where that is lower in the middle.
fn chord(difference: Range, at: impl Fn(i64) -> i64, most: i64) -> (i64, i64) {
    let Range {
        low: from,
        high: to,
    } = difference;
    let (low, high) = (at(from), at(to));
    if 2 * most <= low + high {
        return (0, SLOPE_ONE * most);
    }
    let width = (to - from).max(1);
    let slope = (SLOPE_ONE * (high - low) + width - 1).div_euclid(width);
    let offset = (SLOPE_ONE * low - slope * from).max(SLOPE_ONE * high - slope * to);
    (slope, offset)
}
