//! A token bucket that drops what comes too fast (RFC 2697's committed bucket alone).

use super::spec::PolicerSpec;

/// Tokens in billionths of a byte, so that a nanosecond at one byte per second is one token and
/// nothing is divided while filling.
#[derive(Clone, Debug)]
pub struct Policer {
    tokens: u128,
    capacity: u128,
    rate_bytes_per_sec: u64,
    filled_ns: u64,
}

impl Policer {
    /// A bucket that is full at the start.
    pub const fn new(spec: &PolicerSpec) -> Self {
        let capacity = spec.burst.as_u64() as u128 * TOKENS_PER_BYTE;
        Self {
            tokens: capacity,
            capacity,
            rate_bytes_per_sec: spec.rate.as_bytes_per_sec(),
            filled_ns: 0,
        }
    }

    /// Whether a packet of `bytes` that arrives now has its tokens, which it takes; otherwise it is
    /// to be dropped. Calls must not go back in time.
    #[inline]
    pub const fn admits(&mut self, now_ns: u64, bytes: u32) -> bool {
        self.fill(now_ns);
        let needed = bytes as u128 * TOKENS_PER_BYTE;
        if needed > self.tokens {
            return false;
        }
        self.tokens -= needed;
        true
    }

    #[inline]
    const fn fill(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.filled_ns);
        self.filled_ns = now_ns;
        // Below 2¹²⁸ together, whatever the numbers of 64 bits are.
        let earned = elapsed_ns as u128 * self.rate_bytes_per_sec as u128;
        let tokens = self.tokens.saturating_add(earned);
        self.tokens = if tokens < self.capacity {
            tokens
        } else {
            self.capacity
        };
    }
}

const TOKENS_PER_BYTE: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tautline_core::units::{Bandwidth, Bytes};

    use super::*;

    fn policer(rate_bytes_per_sec: u64, burst: u64) -> Policer {
        Policer::new(&PolicerSpec {
            rate: Bandwidth::from_bytes_per_sec(rate_bytes_per_sec),
            burst: Bytes::new(burst),
        })
    }

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate() {
        let mut policer = policer(1_500_000, 3000);
        let passed: Vec<bool> = (0..3).map(|_| policer.admits(0, 1500)).collect();
        assert_eq!(passed, [true, true, false]);
        assert!(!policer.admits(999_999, 1500));
        assert!(policer.admits(1_000_000, 1500));
        assert!(!policer.admits(1_000_000, 1));
    }

    #[test]
    fn an_idle_time_fills_the_bucket_up_to_the_burst_only() {
        let mut policer = policer(1_000_000_000, 3000);
        assert!(policer.admits(0, 3000));
        assert!(policer.admits(3_600_000_000_000, 3000));
        assert!(!policer.admits(3_600_000_000_000, 1));
    }

    #[test]
    fn the_largest_burst_passes_whole_and_fills_again() {
        // 2⁴⁰ bytes at 2⁴⁰ bytes per second.
        let mut policer = policer(1 << 40, 1 << 40);
        let mut pass_all = |now_ns| {
            let passed = (0..256).map(|_| policer.admits(now_ns, u32::MAX));
            assert!(passed.into_iter().all(|passed| passed), "at {now_ns}");
            // What 256 packets of 2³² − 1 bytes leave.
            assert!(policer.admits(now_ns, 256));
            assert!(!policer.admits(now_ns, 1));
        };
        pass_all(0);
        pass_all(1_000_000_000);
        pass_all(1_000_000_000_000);
    }

    proptest! {
        #[test]
        fn no_interval_passes_more_than_burst_and_rate(
            rate in 1_u64..10_000_000,
            burst in 1500_u64..100_000,
            arrivals in prop::collection::vec((0_u64..5_000_000, 1_u32..1500), 1..200),
        ) {
            let mut policer = policer(rate, burst);
            let mut now_ns = 0;
            let mut passed: Vec<(u64, u64)> = Vec::new();
            for (gap_ns, bytes) in arrivals {
                now_ns += gap_ns;
                if policer.admits(now_ns, bytes) {
                    passed.push((now_ns, u64::from(bytes)));
                }
            }
            for first in 0..passed.len() {
                let mut sum = 0_u128;
                for &(at_ns, bytes) in &passed[first..] {
                    sum += u128::from(bytes);
                    let earned = u128::from(at_ns - passed[first].0) * u128::from(rate);
                    prop_assert!(sum * 1_000_000_000 <= u128::from(burst) * 1_000_000_000 + earned);
                }
            }
        }

        #[test]
        fn what_stays_below_the_rate_always_passes(
            rate in 1_500_u64..10_000_000,
            bytes in prop::collection::vec(1_u32..1500, 1..200),
        ) {
            let mut policer = policer(rate, 1500);
            let mut now_ns = 0_u64;
            for bytes in bytes {
                prop_assert!(policer.admits(now_ns, bytes));
                now_ns += (u64::from(bytes) * 1_000_000_000).div_ceil(rate);
            }
        }
    }
}
