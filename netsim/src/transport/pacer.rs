//! A token bucket that spreads departures (RFC 9002 §7.7).

use tautline_core::controller::Decision;
use tautline_core::units::Bandwidth;

use super::NEVER;

/// Tokens in billionths of a byte, so that a nanosecond at one byte per second is one token and
/// nothing is divided while filling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    tokens: u64,
    capacity: u64,
    rate_bytes_per_sec: u64,
    filled_ns: u64,
    paced: bool,
}

impl Pacer {
    /// A bucket that is full at the start, whatever its capacity.
    pub(super) const fn new() -> Self {
        Self {
            tokens: NEVER,
            capacity: NEVER,
            rate_bytes_per_sec: 0,
            filled_ns: 0,
            paced: false,
        }
    }

    /// Fills at the old rate until now, then follows `decision`.
    #[inline]
    pub(super) fn follow(&mut self, now_ns: u64, decision: &Decision, mtu: u64) {
        let rate = decision.pacing_rate;
        self.fill(now_ns);
        self.paced = rate != Bandwidth::MAX;
        self.rate_bytes_per_sec = rate.as_bytes_per_sec();
        self.capacity = decision
            .send_quantum
            .as_u64()
            .max(mtu)
            .saturating_mul(TOKENS_PER_BYTE);
        self.tokens = self.tokens.min(self.capacity);
    }

    #[inline]
    fn fill(&mut self, now_ns: u64) {
        let elapsed = now_ns - self.filled_ns;
        self.filled_ns = now_ns;
        let earned = elapsed.saturating_mul(self.rate_bytes_per_sec);
        self.tokens = self.tokens.saturating_add(earned).min(self.capacity);
    }

    /// When `bytes` may leave: now, later, or never at rate zero.
    #[inline]
    pub(super) fn ready_ns(&mut self, now_ns: u64, bytes: u64) -> u64 {
        if !self.paced {
            return now_ns;
        }
        self.fill(now_ns);
        let needed = bytes.saturating_mul(TOKENS_PER_BYTE);
        if self.tokens >= needed {
            return now_ns;
        }
        match (needed - self.tokens).checked_div(self.rate_bytes_per_sec) {
            // One more nanosecond rounds up.
            Some(wait) => now_ns.saturating_add(wait + 1),
            None => NEVER,
        }
    }

    /// Takes the tokens of a departure; probes may overdraw, down to an empty bucket.
    #[inline]
    pub(super) const fn spend(&mut self, bytes: u64) {
        self.tokens = self
            .tokens
            .saturating_sub(bytes.saturating_mul(TOKENS_PER_BYTE));
    }
}

const TOKENS_PER_BYTE: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use tautline_core::controller::RetryTiming;
    use tautline_core::units::Bytes;

    use super::*;

    fn decision(rate: Bandwidth, quantum: u64) -> Decision {
        Decision {
            congestion_window: Bytes::new(100_000),
            pacing_rate: rate,
            send_quantum: Bytes::new(quantum),
            buffer_cap: Bytes::MAX,
            retry: RetryTiming::RFC9002,
        }
    }

    #[test]
    fn a_quantum_leaves_at_once_and_the_rest_at_the_rate() {
        let mut pacer = Pacer::new();
        pacer.follow(
            0,
            &decision(Bandwidth::from_bytes_per_sec(1_500_000), 3000),
            1500,
        );
        for _ in 0..2 {
            assert_eq!(pacer.ready_ns(0, 1500), 0);
            pacer.spend(1500);
        }
        let ready = pacer.ready_ns(0, 1500);
        assert!((1_000_000..=1_000_001).contains(&ready), "{ready}");
        assert_eq!(pacer.ready_ns(ready, 1500), ready);
    }

    #[test]
    fn rate_zero_never_sends_and_the_largest_rate_always_does() {
        let mut pacer = Pacer::new();
        pacer.follow(0, &decision(Bandwidth::ZERO, 1500), 1500);
        pacer.spend(1500);
        assert_eq!(pacer.ready_ns(9, 1500), NEVER);
        pacer.follow(9, &decision(Bandwidth::MAX, 1500), 1500);
        assert_eq!(pacer.ready_ns(9, 1500), 9);
    }
}
