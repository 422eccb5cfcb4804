//! Round-trip time estimation (RFC 9002 §5).

use super::GRANULARITY_NS;

/// Smoothed round-trip time, its variation and its minimum, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct RttEstimator {
    latest: u64,
    smoothed: u64,
    variation: u64,
    min: u64,
    first_sample: Option<u64>,
}

impl Default for RttEstimator {
    fn default() -> Self {
        Self {
            latest: 0,
            smoothed: INITIAL_RTT_NS,
            variation: INITIAL_RTT_NS / 2,
            min: u64::MAX,
            first_sample: None,
        }
    }
}

impl RttEstimator {
    /// Takes a sample of an acknowledgement that arrived at `now_ns` and was held back for
    /// `ack_delay_ns` (RFC 9002 §5.3).
    pub fn sample(&mut self, now_ns: u64, latest_ns: u64, ack_delay_ns: u64) {
        self.latest = latest_ns;
        if self.first_sample.is_none() {
            self.first_sample = Some(now_ns);
            self.min = latest_ns;
            self.smoothed = latest_ns;
            self.variation = latest_ns / 2;
            return;
        }
        self.min = self.min.min(latest_ns);
        let adjusted = if latest_ns >= self.min.saturating_add(ack_delay_ns) {
            latest_ns - ack_delay_ns
        } else {
            latest_ns
        };
        let deviation = self.smoothed.abs_diff(adjusted);
        self.variation = (3 * self.variation + deviation) / 4;
        self.smoothed = (7 * self.smoothed + adjusted) / 8;
    }

    /// Starts the minimum afresh from the latest sample, after persistent congestion
    /// (RFC 9002 §5.2).
    pub const fn restart_minimum(&mut self) {
        self.min = self.latest;
    }

    /// The probe timeout before backoff, without the peer's acknowledgement delay
    /// (RFC 9002 §6.2.1).
    pub fn timeout_ns(&self) -> u64 {
        self.smoothed + (4 * self.variation).max(GRANULARITY_NS)
    }

    /// How long a packet may stay unacknowledged once a later one is (RFC 9002 §6.1.2).
    pub fn loss_delay_ns(&self) -> u64 {
        let longest = self.latest.max(self.smoothed);
        (longest + longest / 8).max(GRANULARITY_NS)
    }

    /// The latest sample; zero before the first.
    pub const fn latest_ns(&self) -> u64 {
        self.latest
    }

    /// The smoothed round-trip time; the initial 333 ms before the first sample.
    pub const fn smoothed_ns(&self) -> u64 {
        self.smoothed
    }

    /// Its variation (RFC 9002 §5.3); half of the initial 333 ms before the first sample.
    pub const fn variation_ns(&self) -> u64 {
        self.variation
    }

    /// The smallest sample, if there was one.
    pub fn min_sample_ns(&self) -> Option<u64> {
        self.first_sample.map(|_| self.min)
    }

    /// When the first sample was taken.
    pub const fn first_sample_ns(&self) -> Option<u64> {
        self.first_sample
    }
}

/// RFC 9002 §6.2.2.
const INITIAL_RTT_NS: u64 = 333_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_replaces_the_initial_estimate() {
        let mut rtt = RttEstimator::default();
        assert_eq!(rtt.timeout_ns(), 999_000_000);
        rtt.sample(50, 40_000_000, 0);
        assert_eq!(
            (rtt.smoothed_ns(), rtt.min_sample_ns()),
            (40_000_000, Some(40_000_000))
        );
        assert_eq!(rtt.timeout_ns(), 40_000_000 + 80_000_000);
    }

    #[test]
    fn the_acknowledgement_delay_is_subtracted_unless_it_undercuts_the_minimum() {
        let mut rtt = RttEstimator::default();
        rtt.sample(0, 40_000_000, 0);
        rtt.sample(1, 48_000_000, 8_000_000);
        assert_eq!(rtt.smoothed_ns(), 40_000_000);
        rtt.sample(2, 48_000_000, 9_000_000);
        assert_eq!(rtt.smoothed_ns(), 41_000_000);
    }

    #[test]
    fn the_loss_delay_is_nine_eighths_of_the_larger_estimate() {
        let mut rtt = RttEstimator::default();
        rtt.sample(0, 80_000_000, 0);
        rtt.sample(1, 40_000_000, 0);
        assert_eq!(rtt.smoothed_ns(), 75_000_000);
        assert_eq!(rtt.loss_delay_ns(), 84_375_000);
    }
}
