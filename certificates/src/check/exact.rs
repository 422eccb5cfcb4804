//! Checked integer arithmetic: a result is exact or there is none.

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
        Err(_) => a.checked_mul(i128::from(b)).ok_or(Overflow),
    }
}

/// `a + b`.
#[inline]
pub(super) fn sum(a: i128, b: i128) -> Result<i128, Overflow> {
    a.checked_add(b).ok_or(Overflow)
}

/// `a · 2^bits`.
#[inline]
pub(super) fn shifted(a: i128, bits: u32) -> Result<i128, Overflow> {
    let moved = a.checked_shl(bits).ok_or(Overflow)?;
    if moved.checked_shr(bits) == Some(a) {
        Ok(moved)
    } else {
        Err(Overflow)
    }
}
