//! Rule *clamp*: heads are `a = min(max(y, −1), 1)`, with one as 2¹⁶ units.

use super::affine::Backward;
use super::exact::{Overflow, product};
use super::relu::{SLOPE_BITS, SLOPE_ONE, upper_line};
use super::target::Target;
use crate::semantics::ONE;

/// An upper bound of `coefficient · a` from one of `coefficient · y`.
///
/// # Soundness
/// `c·a = min(max(c·y, −|c|), |c|)`, which does not fall as `c·y` grows.
pub(super) fn of_bound(raw: i128, coefficient: i64) -> i128 {
    let most = i128::from(coefficient)
        .saturating_abs()
        .saturating_mul(i128::from(ONE));
    raw.clamp(most.saturating_neg(), most)
}

/// Starts a backward bound of the target over outputs with `low ≤ y ≤ high`, in units of 1/K.
pub(super) fn start(
    backward: &mut Backward,
    target: &Target<'_>,
    low: &[i64],
    high: &[i64],
) -> Result<(), Overflow> {
    for &(head, coefficient) in target.heads() {
        let low = low.get(head).copied().unwrap_or(i64::MIN);
        let high = high.get(head).copied().unwrap_or(i64::MAX);
        // A negative coefficient bounds −a = clamp(−y) from above.
        let (slope, offset) = if coefficient > 0 {
            line(low, high)
        } else {
            line(high.saturating_neg(), low.saturating_neg())
        };
        let magnitude = i128::from(coefficient).saturating_abs();
        backward.add_output(
            head,
            product(i128::from(coefficient), slope)?,
            product(magnitude, offset)?,
        )?;
    }
    for &(index, coefficient) in target.features() {
        backward.add_feature(index, product(i128::from(coefficient), SLOPE_ONE)?)?;
    }
    backward.set_denominator(SLOPE_BITS);
    Ok(())
}

/// `K·clamp(y) ≤ slope·y + offset` for `y` in `[low, high]`.
///
/// # Soundness
/// Constant where the clamp is; y itself where the lower stop is out of reach, since the upper one
/// only lowers; else −1 + relu(y + 1) with the upper line of rule *ReLU*.
fn line(low: i64, high: i64) -> (i64, i64) {
    let one = SLOPE_ONE.saturating_mul(ONE);
    if high <= -ONE {
        (0, one.saturating_neg())
    } else if low >= ONE {
        (0, one)
    } else if low >= -ONE {
        (SLOPE_ONE, 0)
    } else {
        let (slope, offset) = upper_line(low.saturating_add(ONE), high.saturating_add(ONE));
        let moved = slope.saturating_mul(ONE).saturating_add(offset);
        (slope, moved.saturating_sub(one))
    }
}

/// The largest `coefficient · a` for `y` in `[low, high]`.
pub(super) fn largest(coefficient: i64, low: i64, high: i64) -> Result<i128, Overflow> {
    let end = if coefficient > 0 { high } else { low };
    product(i128::from(coefficient), end.clamp(-ONE, ONE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_line_lies_above_the_clamp(
            low in -4 * ONE..4 * ONE, width in 0..6 * ONE, step in 0..6 * ONE,
        ) {
            let high = low + width;
            let (slope, offset) = line(low, high);
            for y in [low, high, (low + step).min(high), (-ONE).clamp(low, high), ONE.clamp(low, high)] {
                prop_assert!(SLOPE_ONE * y.clamp(-ONE, ONE) <= slope * y + offset, "at {y}");
            }
        }

        #[test]
        fn a_clamped_bound_bounds_the_clamped_head(
            y in -4 * ONE..4 * ONE, slack in 0..ONE, coefficient in -9i64..=9,
        ) {
            let raw = i128::from(coefficient * y + slack);
            let head = i128::from(coefficient * y.clamp(-ONE, ONE));
            prop_assert!(head <= of_bound(raw, coefficient));
        }
    }
}
