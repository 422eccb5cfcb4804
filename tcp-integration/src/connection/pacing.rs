//! Departures at the controller's rate: a token bucket (RFC 9002 §7.7).

use tautline_core::units::{Bandwidth, Bytes, Timestamp};

/// Tokens for bytes, refilled at the controller's rate up to one burst.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    tokens: Bytes,
    refilled: Timestamp,
    /// The rate since then: the time before a change counts at the old one.
    rate: Bandwidth,
}

/// How to pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// The rate; [`Bandwidth::MAX`] for none.
    pub(super) rate: Bandwidth,
    /// What may leave at once.
    pub(super) burst: Bytes,
}

impl Pacer {
    /// A full bucket.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            tokens: Bytes::MAX,
            refilled: now,
            rate: Bandwidth::MAX,
        }
    }

    /// Bytes that may leave `now`.
    pub(super) fn allowance(&mut self, now: Timestamp, pace: Pace) -> Bytes {
        if pace.rate == Bandwidth::MAX {
            self.tokens = pace.burst;
            self.refilled = now;
            self.rate = pace.rate;
            return Bytes::MAX;
        }
        let earned = self.rate.bytes_in(now.saturating_since(self.refilled));
        self.rate = pace.rate;
        // Where less than a byte was earned, the time counts for the next one.
        if earned > Bytes::ZERO {
            self.tokens = self.tokens.saturating_add(earned);
            self.refilled = now;
        }
        self.tokens = self.tokens.min(pace.burst);
        self.tokens
    }

    /// Bytes left.
    pub(super) fn spend(&mut self, bytes: Bytes) {
        self.tokens = self.tokens.saturating_sub(bytes);
    }

    /// When the allowance reaches `bytes`, as far as it was refilled; never for a rate of zero,
    /// and where a burst is less.
    pub(super) fn reaches(&self, bytes: Bytes, pace: Pace) -> Timestamp {
        if pace.rate == Bandwidth::MAX || self.tokens >= bytes {
            return self.refilled;
        }
        if pace.burst < bytes {
            return Timestamp::MAX;
        }
        let missing = bytes.saturating_sub(self.tokens);
        self.refilled.saturating_add(pace.rate.time_for(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use proptest::prelude::*;

    const PACE: Pace = Pace {
        rate: Bandwidth::from_bytes_per_sec(1_000_000),
        burst: Bytes::new(3000),
    };

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_nanos(micros * 1000)
    }

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_at_the_rate() {
        let mut pacer = Pacer::new(at(0));
        assert_eq!(pacer.allowance(at(0), PACE), Bytes::new(3000));
        pacer.spend(Bytes::new(3000));
        assert_eq!(pacer.reaches(Bytes::new(1000), PACE), at(1000));
        assert_eq!(pacer.allowance(at(999), PACE), Bytes::new(999));
        assert_eq!(pacer.allowance(at(1000), PACE), Bytes::new(1000));
        assert_eq!(pacer.allowance(at(60_000_000), PACE), Bytes::new(3000));
    }

    #[test]
    fn a_rate_of_zero_waits_for_ever_and_no_rate_never() {
        let mut pacer = Pacer::new(at(0));
        let stopped = Pace {
            rate: Bandwidth::ZERO,
            ..PACE
        };
        let _ = pacer.allowance(at(0), stopped);
        pacer.spend(Bytes::MAX);
        assert_eq!(pacer.allowance(at(1_000_000), stopped), Bytes::ZERO);
        assert_eq!(pacer.reaches(Bytes::new(1), stopped), Timestamp::MAX);
        let free = Pace {
            rate: Bandwidth::MAX,
            ..PACE
        };
        assert_eq!(pacer.allowance(at(0), free), Bytes::MAX);
    }

    #[test]
    fn time_before_a_change_counts_at_the_old_rate() {
        let mut pacer = Pacer::new(at(0));
        let _ = pacer.allowance(at(0), PACE);
        pacer.spend(Bytes::new(3000));
        let faster = Pace {
            rate: Bandwidth::from_bytes_per_sec(3_000_000),
            ..PACE
        };
        assert_eq!(pacer.allowance(at(500), faster), Bytes::new(500));
        assert_eq!(pacer.allowance(at(1000), faster), Bytes::new(2000));
    }

    proptest! {
        #[test]
        fn the_bytes_are_there_when_the_bucket_said(
            rate in 1u64..u64::from(u32::MAX),
            wanted in 1u64..100_000,
            early in 0u64..1000,
        ) {
            let pace = Pace {
                rate: Bandwidth::from_bytes_per_sec(rate),
                burst: Bytes::new(100_000),
            };
            let mut pacer = Pacer::new(at(0));
            let _ = pacer.allowance(at(0), pace);
            pacer.spend(Bytes::MAX);
            let _ = pacer.allowance(at(early), pace);
            let due = pacer.reaches(Bytes::new(wanted), pace);
            prop_assert!(pacer.allowance(due, pace) >= Bytes::new(wanted));
            let limit = due.saturating_since(at(0)).saturating_add(Duration::from_nanos(1));
            prop_assert!(pace.rate.bytes_in(limit) >= Bytes::new(wanted), "never more than the rate");
        }
    }
}
