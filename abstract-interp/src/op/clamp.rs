//! `a = clamp(y, −1, 1)`.

use tautline_core::fixed::Q16;

use super::relu;
use crate::interval::Interval;
use crate::zonotope::Forms;

/// One, in units of 2⁻¹⁶.
pub const ONE: i64 = 1 << Q16::FRACTION_BITS;

/// The concrete map.
pub fn concrete(value: i64) -> i64 {
    value.clamp(-ONE, ONE)
}

/// Intervals.
pub fn interval(input: Interval) -> Interval {
    Interval {
        low: concrete(input.low),
        high: concrete(input.high),
    }
}

/// Zonotopes: a − s·y over `bounds` for one slope s is largest and smallest at an end or a stop, so
/// half of its range is a symbol. The slope is that of the line between the ends.
pub fn zonotope(forms: &mut Forms, place: usize, bounds: Interval) {
    if -ONE <= bounds.low && bounds.high <= ONE {
        return;
    }
    let image = interval(bounds);
    if image.width() <= 0 {
        forms.set(place, image.low as f64);
        return;
    }
    let slope = image.width() as f64 / bounds.width() as f64;
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for y in [bounds.low, bounds.high, -ONE, ONE] {
        if bounds.contains(y) {
            let rest = concrete(y) as f64 - slope * y as f64;
            (least, most) = (least.min(rest), most.max(rest));
        }
    }
    // Far above what floats lose in the few steps here.
    let error = 1e-12 * (bounds.low.abs().max(bounds.high.abs()) + ONE) as f64;
    forms.scale(
        place,
        slope,
        0.5 * (least + most),
        0.5 * (most - least) + error,
    );
}

/// A line `coefficient·y + offset` above `c·a`, exactly: both in units of 2⁻¹⁰.
///
/// With c > 0, a = −1 + relu(y + 1) − relu(y − 1) is at most y where y ≥ −1 everywhere, and at most
/// −1 plus the upper line of relu(y + 1) otherwise; c < 0 is the mirror image.
pub fn upper_line(c: i64, y: Interval) -> (i128, i128) {
    let wide = i128::from(c);
    let (unit, one) = (1i128 << relu::LINE_BITS, i128::from(ONE));
    if y.low >= ONE {
        return (0, wide * one * unit);
    }
    if y.high <= -ONE {
        return (0, -wide * one * unit);
    }
    if (c >= 0 && y.low >= -ONE) || (c < 0 && y.high <= ONE) {
        return (wide * unit, 0);
    }
    let shifted = if c >= 0 {
        Interval {
            low: y.low + ONE,
            high: y.high + ONE,
        }
    } else {
        Interval {
            low: ONE - y.high,
            high: ONE - y.low,
        }
    };
    let (slope, offset) = relu::upper_line(shifted);
    let (slope, offset) = (i128::from(slope), i128::from(offset));
    let constant = wide.abs() * (slope * one + offset - one * unit);
    (wide * slope, constant)
}

/// Linear bounds, backward: the line above `c·a` in floats.
pub fn backward(c: i64, y: Interval) -> (f64, f64) {
    let (coefficient, offset) = upper_line(c, y);
    let unit = 1.0 / (1u64 << relu::LINE_BITS) as f64;
    (coefficient as f64 * unit, offset as f64 * unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_line_is_above_the_clamped_head(low in -300_000i64..300_000, width in 0i64..400_000, at in 0.0..=1.0, c in -50i64..50) {
            let y = Interval { low, high: low + width };
            let (coefficient, offset) = upper_line(c, y);
            for value in [low, low + (width as f64 * at) as i64, y.high] {
                let exact = i128::from(c * concrete(value)) << relu::LINE_BITS;
                prop_assert!(exact <= coefficient * i128::from(value) + offset);
            }
        }
    }
}
