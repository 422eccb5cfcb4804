//! Lines around the difference of two activations.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "values lie within 2^33, so every product with K stays below 2^46"
)]

use crate::check::relu::{Lines, SLOPE_ONE};
use crate::semantics::ONE;

/// Inclusive bounds.
type Ends = (i64, i64);

/// A value at both inputs, and what it has more at the second one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    first: Ends,
    second: Ends,
    pub(super) difference: Ends,
}

impl Pair {
    /// Two values, of whose difference nothing else is known.
    pub(super) const fn new(first: Ends, second: Ends) -> Self {
        Self {
            first,
            second,
            difference: (second.0 - first.1, second.1 - first.0),
        }
    }

    /// The same with the inputs' roles exchanged.
    pub(super) const fn swapped(self) -> Self {
        let (low, high) = self.difference;
        Self {
            first: self.second,
            second: self.first,
            difference: (-high, -low),
        }
    }

    /// True if both are active or both inactive everywhere.
    pub(super) fn is_stable(self) -> bool {
        self.first.0.min(self.second.0) >= 0 || self.first.1.max(self.second.1) <= 0
    }

    /// Lines around what the activation has more at the second input.
    pub(super) fn lines(self) -> Lines {
        if self.first.0.min(self.second.0) >= 0 {
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
        let (low, high) = self.first;
        let at = |d: i64| {
            if d >= 0 {
                (d + high.min(0)).max(0)
            } else {
                d.max(-low.max(0))
            }
        };
        let most = self.second.1.max(0) - low.max(0);
        chord(self.difference, at, most)
    }

    /// The largest difference of the clamped values that their own bounds allow, and a line
    /// above K times the difference.
    pub(super) fn clamped(self) -> (i64, (i64, i64)) {
        let stop = |value: i64| value.clamp(-ONE, ONE);
        let (first, second) = (self.first, self.second);
        let most = stop(second.1) - stop(first.0);
        let is_above = first.0.min(second.0) >= -ONE;
        let is_below = first.1.max(second.1) <= ONE;
        let line = if is_above && is_below {
            (SLOPE_ONE, 0)
        } else if is_below {
            // clamp(y) = max(y + 1, 0) − 1.
            let moved = |(low, high): Ends| (low + ONE, high + ONE);
            self.with(moved(first), moved(second)).above_relu()
        } else if is_above {
            // clamp(y) = 1 − max(1 − y, 0).
            let mirrored = |(low, high): Ends| (ONE - high, ONE - low);
            self.with(mirrored(second), mirrored(first)).above_relu()
        } else {
            chord(self.difference, |d| d.max(0), most)
        };
        (most, line)
    }

    const fn with(self, first: Ends, second: Ends) -> Self {
        Self {
            first,
            second,
            difference: self.difference,
        }
    }
}

/// A line above K times a convex function of Δ that is at most `most`: through both ends of the
/// function, or constant where that is lower in the middle.
fn chord((from, to): Ends, at: impl Fn(i64) -> i64, most: i64) -> (i64, i64) {
    let (low, high) = (at(from), at(to));
    if 2 * most <= low + high {
        return (0, SLOPE_ONE * most);
    }
    let width = (to - from).max(1);
    let slope = (SLOPE_ONE * (high - low) + width - 1).div_euclid(width);
    let offset = (SLOPE_ONE * low - slope * from).max(SLOPE_ONE * high - slope * to);
    (slope, offset)
}
