//! Binary logarithm and exponential from one integer table.
//!
//! A window is kept as w = log₂(window / datagram), so the controller, the closed-loop model and
//! the checker need the same 2ˣ. The table is computed at compile time from integer square roots;
//! no platform's `libm` has a say.

use crate::fixed::Q16;

/// 2^x, rounded down, for `x` in units of 2⁻¹⁶; saturates at `u64::MAX` and is zero where the
/// power is below one.
///
/// # Rounding
/// Within 2⁻¹⁵ of the true power relatively (linear interpolation between 257 table entries),
/// monotone in `x`, exact for whole `x`.
pub fn exp2(x: Q16) -> u64 {
    exp2_scaled(x, 1)
}

/// `factor · 2^x`, rounded down once; saturates at `u64::MAX`.
pub fn exp2_scaled(x: Q16, factor: u64) -> u64 {
    let whole = x.units() >> Q16::FRACTION_BITS;
    let mantissa = mantissa(x.units() & FRACTION_MASK);
    let product = u128::from(mantissa).saturating_mul(u128::from(factor));
    let shift = whole.saturating_sub(MANTISSA_BITS);
    let power = if shift >= 0 {
        let left = shift.unsigned_abs();
        if left > product.leading_zeros() {
            u128::MAX
        } else {
            product.wrapping_shl(left)
        }
    } else {
        product.checked_shr(shift.unsigned_abs()).unwrap_or(0)
    };
    u64::try_from(power).unwrap_or(u64::MAX)
}

/// log₂(`numerator` / `denominator`) in units of 2⁻¹⁶: the difference of the two logarithms, each
/// rounded down, so within one unit of the floor on either side.
///
/// Zero counts as one, in either place, so the result is always finite.
pub fn log2_ratio(numerator: u64, denominator: u64) -> Q16 {
    log2(numerator).saturating_sub(log2(denominator))
}

/// log₂(`value`) in units of 2⁻¹⁶, rounded down; zero counts as one.
pub fn log2(value: u64) -> Q16 {
    let value = value.max(1);
    let whole = i32::try_from(value.ilog2()).unwrap_or(0);
    // The mantissa in [1, 2) with MANTISSA_BITS fraction bits.
    let shift = MANTISSA_BITS.saturating_sub(whole);
    let mantissa = if shift >= 0 {
        value.wrapping_shl(shift.unsigned_abs())
    } else {
        value.wrapping_shr(shift.unsigned_abs())
    };
    Q16::from_units((whole << Q16::FRACTION_BITS).saturating_add(fraction_of(mantissa)))
}

/// The table behind [`exp2_scaled`] and [`log2`]: 2^(i/256) for i in 0..=256, in units of 2⁻³⁰. The
/// checker of closed-loop certificates proves every entry before it relies on one.
pub const fn table() -> &'static [u64; STEPS + 1] {
    &POWERS
}

/// 2^(fraction / 2¹⁶) with [`MANTISSA_BITS`] fraction bits, by linear interpolation.
fn mantissa(fraction: i32) -> u64 {
    let fraction = fraction & FRACTION_MASK;
    let index = usize::try_from(fraction >> STEP_BITS).unwrap_or(0);
    let rest = u64::try_from(fraction & STEP_MASK).unwrap_or(0);
    let low = entry(index);
    let high = entry(index.saturating_add(1));
    let rise = high.saturating_sub(low).saturating_mul(rest) >> STEP_BITS;
    low.saturating_add(rise)
}

/// The largest fraction whose [`mantissa`] does not exceed `target`.
fn fraction_of(target: u64) -> i32 {
    let index = POWERS
        .partition_point(|&power| power <= target)
        .saturating_sub(1)
        .min(STEPS - 1);
    let low = entry(index);
    let rise = entry(index.saturating_add(1)).saturating_sub(low);
    let above = target.saturating_sub(low);
    // floor(rise · r / 2⁸) ≤ above  ⇔  r ≤ (above · 2⁸ + 2⁸ − 1) / rise.
    let scaled = (above << STEP_BITS).saturating_add((1 << STEP_BITS) - 1);
    let rest = scaled
        .checked_div(rise)
        .unwrap_or(0)
        .min((1 << STEP_BITS) - 1);
    let base = i32::try_from(index).unwrap_or(0) << STEP_BITS;
    base.saturating_add(i32::try_from(rest).unwrap_or(0))
}

fn entry(index: usize) -> u64 {
    POWERS.get(index).copied().unwrap_or(2 << MANTISSA_BITS)
}

const MANTISSA_BITS: i32 = 30;
const FRACTION_MASK: i32 = 0xffff;
const STEP_BITS: i32 = 8;
const STEP_MASK: i32 = 0xff;
/// Steps of the table per octave.
pub const STEPS: usize = 256;

/// 2^(i/256) for i in 0..=256, with 30 fraction bits, rounded down.
static POWERS: [u64; STEPS + 1] = powers();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated at compile time, where overflow or a bad index stops the build"
)]
const fn powers() -> [u64; STEPS + 1] {
    // 2^(1/256) with 60 fraction bits: eight integer square roots of two.
    let mut root: u128 = 2 << 60;
    let mut taken = 0;
    while taken < 8 {
        root = (root << 60).isqrt();
        taken += 1;
    }
    let mut table = [0; STEPS + 1];
    let mut power: u128 = 1 << 60;
    let mut index = 0;
    while index <= STEPS {
        // Half a unit of the last place absorbs the accumulated truncation of 256 products.
        table[index] = ((power + (1 << 20)) >> 30) as u64;
        power = (power * root) >> 60;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_powers_are_exact() {
        for bit in 0..63 {
            let x = Q16::from_units(bit << 16);
            assert_eq!(exp2(x), 1 << bit);
            assert_eq!(log2(1 << bit), x);
        }
        assert_eq!(exp2(Q16::from_units(64 << 16)), u64::MAX);
        assert_eq!(exp2(Q16::from_units(-1)), 0);
        assert_eq!(log2(0), Q16::ZERO);
    }

    proptest! {
        #[test]
        fn powers_stay_within_the_documented_error(units in 0i32..(18 << 16), factor in 1u64..10_000) {
            let exact = (f64::from(units) / 65536.0).exp2() * factor as f64;
            let got = exp2_scaled(Q16::from_units(units), factor) as f64;
            prop_assert!(got <= exact * (1.0 + 1.0 / 32768.0));
            prop_assert!(got >= exact * (1.0 - 1.0 / 32768.0) - 1.0);
        }

        #[test]
        fn powers_are_monotone(units in -200_000i32..(40 << 16), factor in 1u64..10_000) {
            let here = exp2_scaled(Q16::from_units(units), factor);
            prop_assert!(here <= exp2_scaled(Q16::from_units(units + 1), factor));
        }

        #[test]
        fn the_logarithm_inverts_the_power(units in 0i32..(18 << 16)) {
            let x = Q16::from_units(units);
            let back = log2(exp2_scaled(x, 1 << 20)).units() - (20 << 16);
            prop_assert!((back - units).abs() <= 1, "{units} came back as {back}");
        }

        #[test]
        fn logarithms_are_monotone(value in 1u64..u64::MAX) {
            prop_assert!(log2(value) <= log2(value.saturating_add(1)));
        }
    }
}
