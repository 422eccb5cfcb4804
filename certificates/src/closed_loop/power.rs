//! Rule *powers*: powers of two from the table that controller and model share, proven before use.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "entries are below 2^32 and powers below 2^57; every product is of two numbers below 2^64"
)]

use tautline_core::log2::STEPS;

use super::{ONE_BITS, in_range};
use crate::Reason;

/// Largest magnitude of a logarithm, in 2⁻⁸ octaves.
const LOG_MOST: i64 = 24 << 8;
/// The controller interpolates linearly between entries: its powers are at most 2⁻¹⁸ above those of
/// the real line, and the table's error of one unit is below that as well.
const INTERPOLATION_BITS: u32 = 18;
/// Fraction bits of a power whose 256th power is taken.
const WIDE_BITS: u32 = 62;

/// A proven table of 2^(i/256), i from 0 to 256, in units of 2⁻³⁰.
#[derive(Clone, Debug)]
pub struct Powers([u64; STEPS + 1]);

impl Powers {
    /// Proves every entry to lie within one unit of the real power.
    ///
    /// # Soundness
    /// x ↦ x²⁵⁶ rises on positive numbers, so t − 1 ≤ 2^(i/256)·2³⁰ ≤ t + 1 where
    /// (t − 1)²⁵⁶ ≤ 2^i·2⁷⁶⁸⁰ ≤ (t + 1)²⁵⁶, and eight squarings, each rounded outwards, show that.
    ///
    /// # Errors
    /// [`Reason::PowerEntry`] with the first entry that is not.
    pub fn prove(table: &[u64; STEPS + 1]) -> Result<Self, Reason> {
        for (entry, &got) in table.iter().enumerate() {
            let wrong = Reason::PowerEntry { entry, got };
            let possible = (1 << ONE_BITS..=2 << ONE_BITS).contains(&got);
            let one = 1 << WIDE_BITS;
            let above = possible && ratio_to_power(got + 1, entry, Rounding::Down) >= one;
            if !above || ratio_to_power(got - 1, entry, Rounding::Up) > one {
                return Err(wrong);
            }
        }
        Ok(Self(*table))
    }

    /// Bounds of 2^x, in units of 2⁻³⁰, for x in 2⁻⁸ octaves.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] beyond 24 octaves on either side.
    pub(super) fn of(&self, x: i32) -> Result<(i64, i64), Reason> {
        in_range("a logarithm", x, -LOG_MOST, LOG_MOST)?;
        let (whole, part) = (x >> 8, usize::try_from(x & 0xff).unwrap_or_default());
        let entry = self.0.get(part).copied().unwrap_or_default();
        let entry = i64::try_from(entry).unwrap_or_default();
        let shift = whole.unsigned_abs();
        Ok(if whole < 0 {
            ((entry - 1) >> shift, ((entry + 1) >> shift) + 1)
        } else {
            ((entry - 1) << shift, (entry + 1) << shift)
        })
    }

    /// Bounds of the controller's window where its logarithm is x, before it is cut to bytes.
    pub(super) fn window(&self, x: i32) -> Result<(i64, i64), Reason> {
        let (low, high) = self.of(x)?;
        let error = |power: i64| (power >> INTERPOLATION_BITS) + 1;
        Ok((low - error(low), high + error(high)))
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Up,
}

/// (t/2³⁰)²⁵⁶ / 2^i with 62 fraction bits. Where a bit of i comes up between squarings the number
/// is halved, so it stays near one.
fn ratio_to_power(t: u64, i: usize, rounding: Rounding) -> u128 {
    let cut = |value: u128, bits: u32| match rounding {
        Rounding::Down => value >> bits,
        Rounding::Up => (value >> bits) + u128::from(value & ((1 << bits) - 1) != 0),
    };
    let halved = |value: u128, bit: u32| cut(value, u32::from(i >> bit & 1 == 1));
    let start = halved(u128::from(t) << (WIDE_BITS - ONE_BITS), 8);
    (0..8).rev().fold(start, |power, bit| {
        halved(cut(power * power, WIDE_BITS), bit)
    })
}
