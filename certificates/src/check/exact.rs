//! Checked integer arithmetic: a result is exact or there is none.
//!
//! −2¹²⁷ counts as overflow as well. Every result then has a negation and a magnitude, so that
//! neither can saturate to another value where a bound is formed from one.

/// A number left 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// `a · b`; a factor that fits 64 bits needs no check, since the product fits 128.
#[inline]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "|a·b| <= 2^126 for two factors of 64 bits"
)]
pub(super) fn product(a: i128, b: i64) -> Result<i128, Overflow> {
    match i64::try_from(a) {
        Ok(a) => Ok(i128::from(a) * i128::from(b)),
        Err(_) => a
            .checked_mul(i128::from(b))
            .ok_or(Overflow)
            .and_then(symmetric),
    }
}

/// `a + b`.
#[inline]
pub(super) fn sum(a: i128, b: i128) -> Result<i128, Overflow> {
    a.checked_add(b).ok_or(Overflow).and_then(symmetric)
}

/// `a · 2^bits`.
#[inline]
pub(super) fn shifted(a: i128, bits: u32) -> Result<i128, Overflow> {
    let moved = a.checked_shl(bits).ok_or(Overflow)?;
    if moved.checked_shr(bits) == Some(a) {
        symmetric(moved)
    } else {
        Err(Overflow)
    }
}

/// A value whose negation exists too.
#[inline]
const fn symmetric(value: i128) -> Result<i128, Overflow> {
    if value == i128::MIN {
        Err(Overflow)
    } else {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_number_without_a_negation_is_an_overflow() {
        let half = -(1i128 << 126);
        assert_eq!(sum(half, half), Err(Overflow));
        assert_eq!(product(half, 2), Err(Overflow));
        assert_eq!(shifted(half, 1), Err(Overflow));
        assert_eq!(sum(half, half + 1), Ok(i128::MIN + 1));
        assert_eq!(shifted(1, 126), Ok(1 << 126));
    }
}
