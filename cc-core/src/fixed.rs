//! The scalar of the deployed program: a Q-format integer with 16 fractional bits.

/// A fixed-point number: an `i32` that counts units of 2⁻¹⁶.
///
/// # Rounding
/// Constructors from ratios round towards minus infinity, as the policy's rescale does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Q16(i32);

impl Q16 {
    /// Fractional bits of the format.
    pub const FRACTION_BITS: u32 = 16;
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One, which is 65 536 units.
    pub const ONE: Self = Self(1 << Self::FRACTION_BITS);
    /// Minus one.
    pub const NEG_ONE: Self = Self(-(1 << Self::FRACTION_BITS));
    /// The largest number.
    pub const MAX: Self = Self(i32::MAX);

    /// The number of `units` of 2⁻¹⁶.
    pub const fn from_units(units: i32) -> Self {
        Self(units)
    }

    /// The number in units of 2⁻¹⁶.
    pub const fn units(self) -> i32 {
        self.0
    }

    /// `numerator / denominator`, rounded down and saturated; a zero denominator gives
    /// [`Q16::MAX`], or zero where the numerator is zero too.
    pub const fn from_ratio(numerator: u64, denominator: u64) -> Self {
        if denominator == 0 {
            return if numerator == 0 {
                Self::ZERO
            } else {
                Self::MAX
            };
        }
        let scaled = crate::units::mul_div(numerator, 1 << Self::FRACTION_BITS, denominator);
        Self(saturate_u64(scaled))
    }

    /// Sum, saturated.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, saturated.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Product, rounded down and saturated.
    pub const fn saturating_mul(self, other: Self) -> Self {
        Self::saturate(widen(self.0).saturating_mul(widen(other.0)) >> Self::FRACTION_BITS)
    }

    /// `self · 2^-shift`, rounded down.
    pub const fn shift_right(self, shift: u32) -> Self {
        Self(if shift > 31 {
            self.0 >> 31
        } else {
            self.0 >> shift
        })
    }

    /// The nearest number to a count of units in 64 bits.
    pub const fn saturate(units: i64) -> Self {
        if units > widen(i32::MAX) {
            Self(i32::MAX)
        } else if units < widen(i32::MIN) {
            Self(i32::MIN)
        } else {
            Self(narrow(units))
        }
    }

    /// The nearest number in `[low, high]`; `high` wins where they cross.
    pub const fn clamp(self, low: Self, high: Self) -> Self {
        let raised = if self.0 < low.0 { low.0 } else { self.0 };
        Self(if raised > high.0 { high.0 } else { raised })
    }

    /// The smaller of two numbers.
    pub const fn min(self, other: Self) -> Self {
        if self.0 < other.0 { self } else { other }
    }

    /// The larger of two numbers.
    pub const fn max(self, other: Self) -> Self {
        if self.0 > other.0 { self } else { other }
    }

    /// `value · self`, rounded down, for a number that is not negative; a negative one gives zero.
    pub const fn scale(self, value: u64) -> u64 {
        if self.0 <= 0 {
            return 0;
        }
        crate::units::mul_div(value, magnitude(self.0), 1 << Self::FRACTION_BITS)
    }
}

#[expect(
    clippy::as_conversions,
    reason = "i32 to i64 loses nothing; From is not const"
)]
const fn widen(value: i32) -> i64 {
    value as i64
}

#[expect(
    clippy::as_conversions,
    reason = "callers compare with the bounds of i32 first"
)]
const fn narrow(value: i64) -> i32 {
    value as i32
}

#[expect(
    clippy::as_conversions,
    reason = "unsigned_abs widened; From is not const"
)]
const fn magnitude(value: i32) -> u64 {
    value.unsigned_abs() as u64
}

#[expect(clippy::as_conversions, reason = "compared with i32::MAX first")]
const fn saturate_u64(value: u64) -> i32 {
    if value > i32::MAX as u64 {
        i32::MAX
    } else {
        value as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_round_down_and_saturate() {
        assert_eq!(Q16::from_ratio(1, 3).units(), 21_845);
        assert_eq!(Q16::from_ratio(0, 0), Q16::ZERO);
        assert_eq!(Q16::from_ratio(1, 0), Q16::MAX);
        assert_eq!(Q16::from_ratio(u64::MAX, 1), Q16::MAX);
    }

    #[test]
    fn products_floor_like_an_arithmetic_shift() {
        assert_eq!(
            Q16::from_units(-1)
                .saturating_mul(Q16::from_units(1))
                .units(),
            -1
        );
        assert_eq!(Q16::ONE.saturating_mul(Q16::NEG_ONE), Q16::NEG_ONE);
        assert_eq!(Q16::MAX.saturating_mul(Q16::MAX), Q16::MAX);
        assert_eq!(Q16::from_units(-3).shift_right(1).units(), -2);
    }

    #[test]
    fn scaling_a_count_floors() {
        assert_eq!(Q16::from_units(98_304).scale(3), 4);
        assert_eq!(Q16::NEG_ONE.scale(3), 0);
    }
}
