//! Lines around activations of one input and around differences of activations.

use crate::interval::Interval;
use crate::op::clamp::{self, ONE};
use crate::op::relu::{self, LINE_BITS};

/// `lower(v) ≤ 2¹⁰·f(v) ≤ upper(v)`, each a slope and an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Band {
    /// Slope and offset below.
    pub(super) lower: (i64, i64),
    /// Slope and offset above.
    pub(super) upper: (i64, i64),
    /// Largest v.
    pub(super) high: i64,
}

impl Band {
    const fn same(high: i64) -> Self {
        Self {
            lower: (UNIT, 0),
            upper: (UNIT, 0),
            high,
        }
    }

    /// Around `max(z, 0)`, with a lower slope of one or zero, whichever leaves the smaller area.
    pub(super) fn of_relu(z: Interval) -> Self {
        if z.low >= 0 {
            return Self::same(z.high);
        }
        let lower = if z.high > -z.low { UNIT } else { 0 };
        Self {
            lower: (lower, 0),
            upper: if z.high > 0 {
                relu::upper_line(z)
            } else {
                (0, 0)
            },
            high: z.high,
        }
    }

    /// Lower and upper line at a value, apart from each other by this much.
    pub(super) fn gap(&self, at: f64) -> f64 {
        let line = |(slope, offset): (i64, i64)| slope as f64 * at + offset as f64;
        (line(self.upper) - line(self.lower)) / UNIT as f64
    }
}

/// A value at both inputs, and what it has more at the second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) first: Interval,
    pub(super) second: Interval,
    pub(super) difference: Interval,
}

impl Pair {
    /// Two values of whose difference nothing else is known.
    pub(super) const fn new(first: Interval, second: Interval) -> Self {
        let difference = Interval {
            low: second.low - first.high,
            high: second.high - first.low,
        };
        Self {
            first,
            second,
            difference,
        }
    }

    /// The inputs' roles exchanged.
    pub(super) const fn swapped(self) -> Self {
        Self {
            first: self.second,
            second: self.first,
            difference: Interval {
                low: -self.difference.high,
                high: -self.difference.low,
            },
        }
    }

    /// True if both are active everywhere, or both inactive.
    pub(super) fn is_stable(self) -> bool {
        self.is_active() || self.first.high.max(self.second.high) <= 0
    }

    fn is_active(self) -> bool {
        self.first.low.min(self.second.low) >= 0
    }

    /// Lines in Δ around `max(z', 0) − max(z, 0)`.
    ///
    /// For Δ ≥ 0 the difference never falls as z rises, for Δ < 0 it never rises: it is at most its
    /// value at z's upper or lower end, a convex function of Δ. Below, the same with both inputs
    /// exchanged.
    pub(super) fn band(self) -> Band {
        if self.is_active() {
            return Band::same(self.difference.high);
        }
        let (slope, offset) = self.swapped().above_relu();
        Band {
            lower: (slope, -offset),
            upper: self.above_relu(),
            high: self.difference.high,
        }
    }

    fn above_relu(self) -> (i64, i64) {
        let Interval { low, high } = self.first;
        let at = |d: i64| {
            if d >= 0 {
                (d + high.min(0)).max(0)
            } else {
                d.max(-low.max(0))
            }
        };
        chord(
            self.difference,
            at,
            relu::concrete(self.second.high) - relu::concrete(low),
        )
    }

    /// The most that the clamped value can rise by, from its bounds at either input.
    pub(super) fn clamped_most(self) -> i64 {
        clamp::concrete(self.second.high) - clamp::concrete(self.first.low)
    }

    /// A line in Δ above `2¹⁰·(clamp(y') − clamp(y))`.
    pub(super) fn above_clamp(self) -> (i64, i64) {
        let above = self.first.low.min(self.second.low) >= -ONE;
        let below = self.first.high.max(self.second.high) <= ONE;
        let with = |first, second| Self {
            first,
            second,
            ..self
        };
        match (above, below) {
            (true, true) => (UNIT, 0),
            // clamp(y) = max(y + 1, 0) − 1.
            (false, true) => {
                let moved = |y: Interval| Interval {
                    low: y.low + ONE,
                    high: y.high + ONE,
                };
                with(moved(self.first), moved(self.second)).above_relu()
            }
            // clamp(y) = 1 − max(1 − y, 0).
            (true, false) => {
                let mirrored = |y: Interval| Interval {
                    low: ONE - y.high,
                    high: ONE - y.low,
                };
                with(mirrored(self.second), mirrored(self.first)).above_relu()
            }
            (false, false) => chord(self.difference, |d| d.max(0), self.clamped_most()),
        }
    }
}

/// A line above 2¹⁰ times a convex function of Δ that is at most `most`: through its ends, or
/// constant where that is lower in the middle.
fn chord(d: Interval, at: impl Fn(i64) -> i64, most: i64) -> (i64, i64) {
    let (low, high) = (at(d.low), at(d.high));
    if 2 * most <= low + high {
        return (0, UNIT * most);
    }
    let width = d.width().max(1);
    let slope = (UNIT * (high - low) + width - 1).div_euclid(width);
    let offset = (UNIT * low - slope * d.low).max(UNIT * high - slope * d.high);
    (slope, offset)
}

const UNIT: i64 = 1 << LINE_BITS;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two values and bounds around them; the scale decides how often phases change.
    fn pair() -> impl Strategy<Value = (i64, i64, Pair)> {
        let value = prop_oneof![-300_000i64..300_000, -3i64..3];
        let slack = || prop_oneof![0i64..400_000, 0i64..3];
        (value.clone(), value, prop::array::uniform6(slack())).prop_map(|(z, other, slack)| {
            let around = |value: i64, below: i64, above: i64| Interval {
                low: value - below,
                high: value + above,
            };
            let mut pair = Pair::new(
                around(z, slack[0], slack[1]),
                around(other, slack[2], slack[3]),
            );
            let d = around(other - z, slack[4], slack[5]);
            pair.difference = pair.difference.intersection(d);
            (z, other, pair)
        })
    }

    proptest! {
        #[test]
        fn bands_hold_for_every_pair((z, other, pair) in pair()) {
            let d = other - z;
            let moved = (relu::concrete(other) - relu::concrete(z)) << LINE_BITS;
            let band = pair.band();
            prop_assert!(band.lower.0 * d + band.lower.1 <= moved);
            prop_assert!(moved <= band.upper.0 * d + band.upper.1);
        }

        #[test]
        fn the_line_above_the_clamp_holds_for_every_pair((y, other, pair) in pair()) {
            let moved = clamp::concrete(other) - clamp::concrete(y);
            let (slope, offset) = pair.above_clamp();
            prop_assert!(moved << LINE_BITS <= slope * (other - y) + offset);
            prop_assert!(moved <= pair.clamped_most());
            let (slope, offset) = pair.swapped().above_clamp();
            prop_assert!(-moved << LINE_BITS <= slope * (y - other) + offset);
        }

        #[test]
        fn a_band_around_one_activation_holds(low in -300_000i64..300_000, width in 0i64..300_000, at in 0.0..=1.0) {
            let z = Interval { low, high: low + width };
            let band = Band::of_relu(z);
            for value in [z.low, z.high, low + (width as f64 * at) as i64] {
                let h = relu::concrete(value) << LINE_BITS;
                prop_assert!(band.lower.0 * value + band.lower.1 <= h);
                prop_assert!(h <= band.upper.0 * value + band.upper.1);
            }
        }
    }

    #[test]
    fn differences_of_stable_neurons_are_exact() {
        let at = |low, high| Interval { low, high };
        assert_eq!(Pair::new(at(0, 5), at(3, 9)).band(), Band::same(9));
        let off = Pair::new(at(-5, 0), at(-9, -3)).band();
        assert_eq!((off.lower, off.upper), ((0, 0), (0, 0)));
        // From active to inactive: the difference is what was there.
        let lost = Pair::new(at(7, 7), at(-2, -1)).band();
        assert_eq!((lost.lower, lost.upper), ((0, -7 * UNIT), (0, -7 * UNIT)));
    }
}
