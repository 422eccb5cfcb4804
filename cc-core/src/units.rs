//! Quantities that cross a crate border: bytes, rates, instants and packet numbers.
//!
//! None of them has operators. Every operation is a named method that says how it saturates and
//! rounds, so that an overflow cannot hide in an expression.

use core::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// The largest representable count, used for "no limit".
    pub const MAX: Self = Self(u64::MAX);

    /// A count of `bytes`.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The count.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Sum, or [`Bytes::MAX`] where it would overflow.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, or zero where it would be negative.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Product with a plain factor, or [`Bytes::MAX`] where it would overflow.
    pub const fn saturating_mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// `self · numerator / denominator`, rounded down; a zero denominator counts as one.
    pub const fn scale(self, numerator: u64, denominator: u64) -> Self {
        Self(mul_div(self.0, numerator, denominator))
    }
}

/// A rate of transfer.
///
/// # Units
/// Bytes per second inside; bits per second at the edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bandwidth(u64);

impl Bandwidth {
    /// A rate of nothing.
    pub const ZERO: Self = Self(0);
    /// The largest representable rate, used for "unpaced".
    pub const MAX: Self = Self(u64::MAX);

    /// A rate in bytes per second.
    pub const fn from_bytes_per_sec(rate_bytes_per_sec: u64) -> Self {
        Self(rate_bytes_per_sec)
    }

    /// A rate in bits per second, rounded down to whole bytes per second.
    pub const fn from_bits_per_sec(rate_bits_per_sec: u64) -> Self {
        Self(rate_bits_per_sec >> 3)
    }

    /// `bytes` per `time`, rounded down; [`Bandwidth::MAX`] where `time` is zero.
    pub const fn from_transfer(bytes: Bytes, time: Duration) -> Self {
        let nanos = duration_nanos(time);
        if nanos == 0 {
            return Self::MAX;
        }
        Self(mul_div(bytes.0, NANOS_PER_SEC, nanos))
    }

    /// The rate in bytes per second.
    pub const fn as_bytes_per_sec(self) -> u64 {
        self.0
    }

    /// The rate in bits per second, or `u64::MAX` where it would overflow.
    pub const fn as_bits_per_sec(self) -> u64 {
        self.0.saturating_mul(8)
    }

    /// The time that `bytes` take at this rate, rounded up; [`Duration::MAX`] at rate zero.
    pub const fn time_for(self, bytes: Bytes) -> Duration {
        if self.0 == 0 {
            return Duration::MAX;
        }
        let floor = mul_div(bytes.0, NANOS_PER_SEC, self.0);
        let exact = mul_div(floor, self.0, NANOS_PER_SEC) == bytes.0;
        Duration::from_nanos(if exact {
            floor
        } else {
            floor.saturating_add(1)
        })
    }

    /// The bytes that pass in `time` at this rate, rounded down.
    pub const fn bytes_in(self, time: Duration) -> Bytes {
        Bytes(mul_div(self.0, duration_nanos(time), NANOS_PER_SEC))
    }
}

/// An instant: nanoseconds since an arbitrary start that all events of one connection share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The arbitrary start.
    pub const ZERO: Self = Self(0);
    /// Later than every instant of a connection, used for "never".
    pub const MAX: Self = Self(u64::MAX);

    /// `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, or zero where `earlier` is the later one.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant `time` later, or [`Timestamp::MAX`].
    pub const fn saturating_add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(duration_nanos(time)))
    }
}

/// The number of a packet; increases by one with every packet sent (RFC 9000 §12.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketNumber(u64);

impl PacketNumber {
    /// The packet number `number`.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The plain number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number after this one; the largest number is its own successor.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// `a · b / c` through 128 bits, rounded down, saturating; a zero `c` counts as one.
pub(crate) const fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    // Windows and round-trip times of real paths stay within 64 bits, where division is cheap.
    if let Some(product) = a.checked_mul(b) {
        return match product.checked_div(c) {
            Some(quotient) => quotient,
            None => product,
        };
    }
    let divisor = if c == 0 { 1 } else { widen(c) };
    match widen(a).saturating_mul(widen(b)).checked_div(divisor) {
        Some(quotient) if quotient <= widen(u64::MAX) => narrow(quotient),
        _ => u64::MAX,
    }
}

/// Nanoseconds of `time`, saturating at `u64::MAX` (584 years).
pub const fn duration_nanos(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(NANOS_PER_SEC)
        .saturating_add(widen_u32(time.subsec_nanos()))
}

#[expect(
    clippy::as_conversions,
    reason = "u64 to u128 loses nothing; From is not const"
)]
const fn widen(value: u64) -> u128 {
    value as u128
}

#[expect(
    clippy::as_conversions,
    reason = "u32 to u64 loses nothing; From is not const"
)]
const fn widen_u32(value: u32) -> u64 {
    value as u64
}

#[expect(clippy::as_conversions, reason = "callers compare with u64::MAX first")]
const fn narrow(value: u128) -> u64 {
    value as u64
}

const NANOS_PER_SEC: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_zero_never_finishes_a_transfer() {
        assert_eq!(Bandwidth::ZERO.time_for(Bytes::new(1)), Duration::MAX);
        assert_eq!(
            Bandwidth::from_transfer(Bytes::new(1), Duration::ZERO),
            Bandwidth::MAX
        );
    }

    #[test]
    fn transfer_times_round_up_and_volumes_round_down() {
        let rate = Bandwidth::from_bits_per_sec(20_000_000);
        assert_eq!(rate.time_for(Bytes::new(1500)), Duration::from_micros(600));
        assert_eq!(
            Bandwidth::from_bytes_per_sec(3)
                .time_for(Bytes::new(1))
                .as_nanos(),
            333_333_334
        );
        assert_eq!(rate.bytes_in(Duration::from_micros(600)), Bytes::new(1500));
        assert_eq!(
            rate.bytes_in(Duration::from_nanos(599_999)),
            Bytes::new(1499)
        );
    }

    #[test]
    fn differences_saturate() {
        let early = Timestamp::from_nanos(5);
        let late = Timestamp::from_nanos(9);
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(late.saturating_since(early), Duration::from_nanos(4));
        assert_eq!(Bytes::new(3).saturating_sub(Bytes::new(4)), Bytes::ZERO);
        assert_eq!(Bytes::MAX.scale(3, 2), Bytes::MAX);
        assert_eq!(Bytes::new(7).scale(3, 2), Bytes::new(10));
        assert_eq!(
            PacketNumber::new(u64::MAX).next(),
            PacketNumber::new(u64::MAX)
        );
    }
}
