//! Rule *clamp*: heads are `a = min(max(y, −1), 1)`, with one as 2¹⁶ units.

use super::relu::{SLOPE_ONE, upper_line};
use crate::semantics::{ONE, Range};

/// What a head, or a difference of heads, does not exceed: `most`, and a line in y, the value before
/// the clamp, over K. Where the head's coefficient is negative, both are about −a and −y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Above {
    pub(super) most: i64,
    pub(super) slope: i64,
    pub(super) offset: i64,
}

impl Above {
    /// For y in its range, and a coefficient of that sign.
    ///
    /// # Soundness
    /// −a = clamp(−y). The line is constant where the clamp is; y itself where the lower stop is out
    /// of reach, since the upper one only lowers; else −1 + relu(y + 1) with the upper line of rule
    /// *ReLU*.
    pub(super) fn clamp(range: Option<&Range>, sign: i64) -> Self {
        let range = range.copied().unwrap_or_default();
        let y = if sign > 0 { range } else { range.negated() };
        let most = y.high.clamp(-ONE, ONE);
        let (slope, offset) = if y.high <= -ONE || y.low >= ONE {
            (0, SLOPE_ONE.saturating_mul(most))
        } else if y.low >= -ONE {
            (SLOPE_ONE, 0)
        } else {
            let (slope, offset) = upper_line(y.map(|y| y.saturating_add(ONE)));
            let moved = slope.saturating_sub(SLOPE_ONE).saturating_mul(ONE);
            (slope, moved.saturating_add(offset))
        };
        Self {
            most,
            slope,
            offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_lies_below_its_line_and_its_largest_value(
            low in -4 * ONE..4 * ONE, width in 0..6 * ONE, step in 0..6 * ONE,
            coefficient in prop_oneof![Just(-3i64), Just(3)],
        ) {
            let high = low + width;
            let above = Above::clamp(Some(&Range { low, high }), coefficient);
            for y in [low, high, (low + step).min(high), (-ONE).clamp(low, high), ONE.clamp(low, high)] {
                let (y, a) = (coefficient.signum() * y, coefficient.signum() * y.clamp(-ONE, ONE));
                prop_assert!(a <= above.most, "at {y}");
                prop_assert!(SLOPE_ONE * a <= above.slope * y + above.offset, "at {y}");
            }
        }
    }
}
