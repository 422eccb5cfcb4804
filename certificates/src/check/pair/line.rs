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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every range within two ends.
    fn ranges(from: i64, to: i64) -> impl Iterator<Item = Range> {
        (from..=to).flat_map(move |low| (low..=to).map(move |high| Range { low, high }))
    }

    /// What a function has more at the second value, by K, less slope · Δ: the largest and the
    /// smallest of all pairs, if there is one.
    fn ends(pair: Pair, of: impl Fn(i64) -> i64, slope: i64) -> Option<(i64, i64)> {
        let seconds = |first: i64| {
            let moved = pair.difference.map(|d| first.saturating_add(d));
            let second = moved.meet(pair.second);
            second.low..=second.high
        };
        let firsts = pair.first.low..=pair.first.high;
        let pairs = firsts.flat_map(|first| seconds(first).map(move |second| (first, second)));
        let rest =
            |(first, second)| SLOPE_ONE * (of(second) - of(first)) - slope * (second - first);
        pairs.map(rest).fold(None, |found, value| {
            let (low, high) = found.unwrap_or((value, value));
            Some((value.min(low), value.max(high)))
        })
    }

    fn relu(z: i64) -> i64 {
        z.max(0)
    }

    fn clamp(y: i64) -> i64 {
        y.clamp(-ONE, ONE)
    }

    #[test]
    fn lines_hold_for_every_pair_of_small_integers_in_every_range() {
        for first in ranges(-3, 4) {
            for second in ranges(-4, 3) {
                let pair = Pair::new(first, second);
                let Range { low, high } = pair.difference;
                assert_eq!(
                    (low, high),
                    (second.low - first.high, second.high - first.low)
                );
                for difference in ranges(low, high) {
                    let pair = Pair { difference, ..pair };
                    let lines = pair.lines();
                    if let Some((least, _)) = ends(pair, relu, lines.lower) {
                        assert!(lines.below <= least, "{pair:?}: {lines:?}");
                    }
                    if let Some((_, most)) = ends(pair, relu, lines.upper) {
                        assert!(most <= lines.offset, "{pair:?}: {lines:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn lines_meet_a_pair_where_the_second_value_is_free() {
        for first in ranges(-5, 5) {
            for difference in ranges(-7, 7) {
                // Room for every difference.
                for second in [Range { low: -50, high: 60 }, Range { low: -13, high: 12 }] {
                    let pair = Pair {
                        first,
                        second,
                        difference,
                    };
                    let (slope, offset) = pair.above_relu();
                    assert_eq!(ends(pair, relu, slope).unwrap().1, offset, "{pair:?}");
                    // Then the first value is free as the second one was.
                    let turned = pair.swapped();
                    let (least, _) = ends(turned, relu, turned.lines().lower).unwrap();
                    assert_eq!(turned.lines().below, least, "{turned:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_is_constant_where_the_largest_difference_is_lower() {
        let pair = Pair::new(Range { low: -9, high: 2 }, Range { low: -9, high: 1 });
        let lines = pair.lines();
        assert_eq!((lines.upper, lines.offset), (0, SLOPE_ONE));
        assert_eq!(ends(pair, relu, 0).unwrap().1, lines.offset);
    }

    #[test]
    fn clamped_differences_hold_for_every_pair_near_the_stops_and_across_both() {
        let near = |end: i64| ranges(end - 2, end + 2);
        let around: Vec<Range> = near(-ONE).chain(near(ONE)).chain(near(0)).collect();
        for &first in &around {
            for &second in &around {
                let pair = Pair::new(first, second);
                let Range { low, high } = pair.difference;
                for difference in ranges(low, high) {
                    let pair = Pair { difference, ..pair };
                    let above = pair.clamped();
                    let Some((_, most)) = ends(pair, clamp, above.slope) else {
                        continue;
                    };
                    assert!(most <= above.offset, "{pair:?}: {above:?}");
                    let (_, most) = ends(pair, clamp, 0).unwrap();
                    assert!(most <= SLOPE_ONE * above.most, "{pair:?}: {above:?}");
                }
            }
        }
    }

    #[test]
    fn clamped_differences_meet_a_pair_where_one_value_is_free() {
        let wide = |low: i64, high: i64| Range { low, high };
        // Near the lower stop the second value is free, near the upper one the first.
        let free = [wide(-ONE - 20, ONE), wide(-ONE, ONE + 20)];
        for step in ranges(-3, 3) {
            for difference in ranges(-5, 6) {
                let near = [-ONE, ONE].map(|end| step.map(|step| end + step));
                for (first, second) in [
                    (near[0], free[0]),
                    (free[1], near[1]),
                    (step, wide(-ONE, ONE)),
                ] {
                    let pair = Pair {
                        first,
                        second,
                        difference,
                    };
                    let above = pair.clamped();
                    let (_, most) = ends(pair, clamp, above.slope).unwrap();
                    assert_eq!(most, above.offset, "{pair:?}: {above:?}");
                }
            }
        }
        // The largest difference is attained from the lowest first value to the highest second one.
        let (wide, low) = (ONE + 9, -ONE - 9);
        for (first, second, most) in [
            ((low, 5), (-5, wide), 2 * ONE),
            ((7, 9), (-5, wide), ONE - 7),
            ((low, 0), (0, 11), ONE + 11),
            ((3, wide), (low, 4), 1),
        ] {
            let [first, second] = [first, second].map(|(low, high)| Range { low, high });
            assert_eq!(Pair::new(first, second).clamped().most, most);
        }
    }
}
