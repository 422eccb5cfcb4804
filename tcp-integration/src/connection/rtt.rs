//! Round-trip times and the timeouts made of them.

use core::time::Duration;

use tautline_core::controller::RetryTiming;
use tautline_core::fixed::Q16;
use tautline_core::units::duration_nanos;

/// The estimator of RFC 6298 §2, with nanoseconds for its clock, and the smallest sample.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTripTimes {
    /// Smoothed, its variation, and the smallest; none before the first sample.
    state: Option<Estimate>,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    smoothed: u64,
    variation: u64,
    least: u64,
}

impl RoundTripTimes {
    /// Takes a sample.
    pub(super) fn sample(&mut self, sample: Duration) {
        let sample = duration_nanos(sample);
        self.state = Some(match self.state {
            // RFC 6298 (2.2)
            None => Estimate {
                smoothed: sample,
                variation: sample >> 1,
                least: sample,
            },
            // RFC 6298 (2.3): α = 1/8, β = 1/4.
            Some(old) => {
                let difference = old.smoothed.abs_diff(sample);
                Estimate {
                    smoothed: old.smoothed.saturating_mul(7).saturating_add(sample) >> 3,
                    variation: old.variation.saturating_mul(3).saturating_add(difference) >> 2,
                    least: old.least.min(sample),
                }
            }
        });
    }

    /// The smoothed round-trip time.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.state.map(|state| Duration::from_nanos(state.smoothed))
    }

    /// The smallest sample.
    pub(super) fn least(&self) -> Option<Duration> {
        self.state.map(|state| Duration::from_nanos(state.least))
    }

    /// Silence after which a probe is due, before any factor (RFC 9002 §6.2.1); none before the
    /// first sample: there the stack's own first timeout of a second is right (RFC 6298 (2.1)).
    pub(super) fn probe_timeout(&self, acknowledgement_delay: Duration) -> Option<Duration> {
        let state = self.state?;
        let variation = state.variation.saturating_mul(4).max(GRANULARITY_NANOS);
        Some(
            Duration::from_nanos(state.smoothed.saturating_add(variation))
                .saturating_add(acknowledgement_delay),
        )
    }

    /// Losses over at least this time are persistent congestion (RFC 9002 §7.6.1).
    pub(super) fn persistent_duration(&self) -> Option<Duration> {
        let timeout = self.probe_timeout(ACKNOWLEDGEMENT_DELAY)?;
        Some(timeout.saturating_mul(PERSISTENT_THRESHOLD))
    }
}

/// `timeout` scaled for the probe that follows `probes` others.
pub(super) fn backed_off(timeout: Duration, probes: u32, retry: RetryTiming) -> Duration {
    let scale = |time: u64, factor: Q16| factor.scale(time);
    let mut nanos = scale(duration_nanos(timeout), retry.timeout_factor());
    for _ in 0..probes.min(MAX_BACKOFFS) {
        nanos = scale(nanos, retry.backoff_factor());
    }
    Duration::from_nanos(nanos)
}

/// How long a peer may wait with an acknowledgement while more data is on its way: the default of
/// RFC 9000 §18.2.
pub(super) const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(25);
/// The same while it has a single segment to acknowledge (RFC 8985 §7.2).
pub(super) const LONE_ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(200);
/// RFC 9002 §6.1.2.
const GRANULARITY_NANOS: u64 = 1_000_000;
/// RFC 9002 §7.6.1.
const PERSISTENT_THRESHOLD: u32 = 3;
/// Beyond as many doublings every timeout of a connection is longer than the stack's own cap.
const MAX_BACKOFFS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_estimator_follows_rfc_6298() {
        let mut times = RoundTripTimes::default();
        assert_eq!(times.smoothed(), None);
        assert_eq!(times.probe_timeout(Duration::ZERO), None);
        times.sample(MS(40));
        assert_eq!(times.probe_timeout(Duration::ZERO), Some(MS(40 + 4 * 20)));
        times.sample(MS(80));
        assert_eq!(times.smoothed(), Some(MS(45)));
        assert_eq!(times.least(), Some(MS(40)));
        assert_eq!(times.probe_timeout(MS(25)), Some(MS(45 + 4 * 25 + 25)));
    }

    #[test]
    fn a_loopback_of_zero_is_a_sample() {
        let mut times = RoundTripTimes::default();
        times.sample(Duration::ZERO);
        assert_eq!(times.smoothed(), Some(Duration::ZERO));
        assert_eq!(times.probe_timeout(Duration::ZERO), Some(MS(1)));
    }

    #[test]
    fn probes_back_off_by_the_policys_factors() {
        let retry =
            RetryTiming::at_least_rfc9002(Q16::from_units(3 << 15), Q16::from_units(3 << 16));
        assert_eq!(backed_off(MS(100), 0, RetryTiming::RFC9002), MS(100));
        assert_eq!(backed_off(MS(100), 2, RetryTiming::RFC9002), MS(400));
        assert_eq!(backed_off(MS(100), 1, retry), MS(450));
        assert!(backed_off(Duration::MAX, u32::MAX, retry) > MS(1 << 30));
    }
}
