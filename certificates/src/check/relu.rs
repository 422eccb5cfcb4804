//! Rule *ReLU*: two lines around `h = max(z, 0)` for `l ≤ z ≤ u`.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "l and u lie within 2^33, so every product with K stays below 2^44"
)]

use crate::format::ALPHA_ONE;
use crate::semantics::Range;

/// Denominator of all slopes, as a shift.
pub(super) const SLOPE_BITS: u32 = 10;
/// Denominator of all slopes, K.
pub(super) const SLOPE_ONE: i64 = 1 << SLOPE_BITS;
/// α counts 1/128, so this many bits make it a slope over K.
const ALPHA_BITS: u32 = 3;

/// `lower·z + below ≤ K·h ≤ upper·z + offset`.
///
/// # Soundness
/// For every integer z in [l, u]. The upper line meets or exceeds K·h at both ends, and `h` is
/// convex; the lower line is a share in [0, 1] of z, which is at most `h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) lower: i64,
    pub(super) below: i64,
    pub(super) upper: i64,
    pub(super) offset: i64,
}

impl Lines {
    /// h is z.
    pub(super) const SAME: Self = Self {
        lower: SLOPE_ONE,
        below: 0,
        upper: SLOPE_ONE,
        offset: 0,
    };

    /// The lines for `z` in `[low, high]` and a lower slope of `alpha`/128; above 128, it is one or
    /// zero, whichever leaves the smaller area.
    pub(super) fn new(Range { low, high }: Range, mut alpha: u8) -> Self {
        if low >= 0 {
            return Self::SAME;
        }
        if high <= 0 {
            return Self::default();
        }
        if alpha > ALPHA_ONE {
            alpha = if high > -low { ALPHA_ONE } else { 0 };
        }
        let (upper, offset) = upper_line(Range { low, high });
        Self {
            lower: i64::from(alpha) << ALPHA_BITS,
            below: 0,
            upper,
            offset,
        }
    }
}

/// The upper line for `low < 0 < high`: slope ⌈K·u/(u−l)⌉ and the least offset that covers both
/// ends.
pub(super) fn upper_line(Range { low, high }: Range) -> (i64, i64) {
    let scaled = SLOPE_ONE * high;
    let width = (high - low).max(1);
    // Both are positive, so this is the ceiling.
    let slope = (scaled + width - 1).div_euclid(width);
    let offset = (scaled - slope * high).max(-slope * low);
    (slope, offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_lines_hold_at_every_point(
            low in -2_000_000_000i64..=0, width in 0i64..4_000_000_000, place in 0i64..=1000,
            alpha in 0u8..=129,
        ) {
            let high = low + width;
            let lines = Lines::new(Range { low, high }, alpha);
            let sampled = low + width / 1000 * place;
            for z in [low, high, sampled, 0.clamp(low, high), 1.clamp(low, high)] {
                let h = SLOPE_ONE * z.max(0);
                prop_assert!(lines.lower * z + lines.below <= h, "lower at {z}");
                prop_assert!(h <= lines.upper * z + lines.offset, "upper at {z}");
            }
        }
    }

    #[test]
    fn stable_neurons_are_exact() {
        assert_eq!(Lines::new(Range { low: 0, high: 5 }, 7), Lines::SAME);
        assert_eq!(Lines::new(Range { low: -5, high: 0 }, 7), Lines::default());
        assert_eq!(upper_line(Range { low: -1, high: 1 }), (512, 512));
    }
}
