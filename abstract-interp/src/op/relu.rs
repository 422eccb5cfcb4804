//! `h = max(z, 0)`.

use super::Offset;
use crate::interval::Interval;
use crate::zonotope::Forms;

/// The concrete map.
pub const fn concrete(value: i64) -> i64 {
    if value > 0 { value } else { 0 }
}

/// Intervals.
pub fn interval(input: Interval) -> Interval {
    Interval {
        low: concrete(input.low),
        high: concrete(input.high),
    }
}

/// Two lines around ReLU over an interval: `lower·z ≤ h ≤ upper·z + offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lines {
    /// Slope below.
    pub lower: f64,
    /// Slope above.
    pub upper: f64,
    /// Constant above.
    pub offset: f64,
}

impl Lines {
    /// True if the sign is open, so that the lines differ.
    pub fn is_open(&self) -> bool {
        self.offset > 0.0
    }
}

/// The dyadic upper line `h ≤ (slope·z + offset) / 2¹⁰` over an interval with `low < 0 < high`.
///
/// The slope is rounded up to a multiple of 2⁻¹⁰ and the offset is the least that covers both
/// ends, which suffices because ReLU is convex.
pub fn upper_line(input: Interval) -> (i64, i64) {
    let Interval { low, high } = input;
    let scale = 1i64 << LINE_BITS;
    let slope = (scale * high + (high - low) - 1) / (high - low);
    (slope, (scale * high - slope * high).max(-slope * low))
}

/// The lines over `input`, with the lower slope `alpha`/128 where the sign is open.
///
/// # Source
/// Singh et al., "An abstract domain for certifying neural networks" (`DeepPoly`), POPL 2019, §4.3;
/// Zhang et al., "Efficient neural network robustness certification" (CROWN), 2018, §3.
pub fn lines(input: Interval, alpha: u8) -> Lines {
    if input.low >= 0 {
        return Lines {
            lower: 1.0,
            upper: 1.0,
            offset: 0.0,
        };
    }
    if input.high <= 0 {
        return Lines::default();
    }
    let (slope, offset) = upper_line(input);
    Lines {
        lower: f64::from(alpha) * (1.0 / f64::from(ALPHA_ONE)),
        upper: slope as f64 * LINE_UNIT,
        offset: offset as f64 * LINE_UNIT,
    }
}

/// The lower slope with the smaller area: one where most of the interval is active.
pub fn adaptive_alpha(input: Interval) -> u8 {
    if input.high > -input.low {
        ALPHA_ONE
    } else {
        0
    }
}

/// Zonotopes: the parallelogram of least area around the ReLU over `bounds`, as `slope·z + offset`
/// and a symbol.
///
/// # Source
/// Singh et al. (`DeepZ`), `NeurIPS` 2018, §3: slope u/(u − l), between zero and −slope·l above it.
pub fn zonotope(forms: &mut Forms, place: usize, bounds: Interval) {
    if bounds.low >= 0 {
        return;
    }
    if bounds.high <= 0 {
        forms.set(place, 0.0);
        return;
    }
    // Any slope s within [0, 1] is sound with h − s·z between 0 and max(−s·l, (1 − s)·u).
    let (low, high) = (bounds.low as f64, bounds.high as f64);
    let slope = high / (high - low);
    let half = 0.5 * (-slope * low).max((1.0 - slope) * high) * (1.0 + 8.0 * f64::EPSILON);
    forms.scale(place, slope, half, half);
}

/// Linear bounds, backward: coefficients of h become coefficients of z, in place.
pub fn backward(lines: &[Lines], coefficients: &mut [f64], offset: &mut Offset) {
    for (line, coefficient) in lines.iter().zip(coefficients) {
        if *coefficient > 0.0 {
            offset.add(*coefficient * line.offset);
            *coefficient *= line.upper;
        } else {
            *coefficient *= line.lower;
        }
    }
}

/// Fractional bits of an upper line.
pub const LINE_BITS: u32 = 10;
/// The lower slope that means one.
pub const ALPHA_ONE: u8 = 128;
const LINE_UNIT: f64 = 1.0 / (1u64 << LINE_BITS) as f64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_lines_enclose_relu(low in -9_000_000i64..-1, high in 1i64..9_000_000, at in 0.0..1.0, alpha in 0u8..=128) {
            let z = low + ((high - low) as f64 * at) as i64;
            let (slope, offset) = upper_line(Interval { low, high });
            for z in [z, low, high, 0] {
                prop_assert!(concrete(z) << LINE_BITS <= slope * z + offset);
                prop_assert!(concrete(z) * 128 >= i64::from(alpha) * z);
            }
            prop_assert!(slope <= 1 << LINE_BITS && offset >= 0);
        }
    }
}
