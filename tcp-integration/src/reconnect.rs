//! How long to wait before connecting again.

use core::time::Duration;

use tautline_core::controller::RetryTiming;
use tautline_core::fixed::Q16;
use tautline_core::units::duration_nanos;

/// Exponential backoff between attempts to connect to one peer.
///
/// smoltcp repeats the SYN of one attempt by itself; this is about the next attempt after the
/// socket gave up or the connection broke. The controller's [`RetryTiming`] makes the waits
/// longer, never shorter than plain doubling.
///
/// # Source
/// RFC 6298 §2.1 and §5.5: one second, doubled per failure; §2.5: a cap of at least 60 seconds.
///
/// # Examples
/// ```
/// use core::time::Duration;
/// use tautline_core::controller::RetryTiming;
/// use tautline_tcp_integration::Reconnect;
///
/// let mut reconnect = Reconnect::new();
/// let retry = RetryTiming::RFC9002;
/// assert_eq!(reconnect.next_delay(retry, 0), Duration::from_secs(1));
/// assert_eq!(reconnect.next_delay(retry, 0), Duration::from_secs(2));
/// assert_eq!(reconnect.next_delay(retry, 1 << 31), Duration::from_secs(4 + 1));
/// reconnect.on_connected();
/// assert_eq!(reconnect.next_delay(retry, 0), Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    initial: Duration,
    cap: Duration,
    /// The next wait before jitter; none before the first failure.
    next: Option<Duration>,
    failures: u32,
}

impl Reconnect {
    /// Waits from one second to 64 seconds.
    pub const fn new() -> Self {
        Self::with_limits(INITIAL, CAP)
    }

    /// Waits from `initial` to `cap`, both raised to what RFC 6298 asks for: one second and 60
    /// seconds.
    pub const fn with_limits(initial: Duration, cap: Duration) -> Self {
        let initial = longer(initial, INITIAL);
        Self {
            initial,
            cap: longer(longer(cap, LEAST_CAP), initial),
            next: None,
            failures: 0,
        }
    }

    /// An attempt failed: how long to wait before the next one.
    ///
    /// `jitter` is drawn uniformly by the caller; it adds up to half of the wait, above the cap
    /// too, so that peers that lost the same server do not come back in step.
    pub fn next_delay(&mut self, retry: RetryTiming, jitter: u32) -> Duration {
        let wait = self
            .next
            .unwrap_or_else(|| self.clamp(scale(retry.timeout_factor(), self.initial)));
        self.next = Some(self.clamp(scale(retry.backoff_factor(), wait)));
        self.failures = self.failures.saturating_add(1);
        // A cap set by the caller is far below 2³² seconds times this; saturation is harmless.
        let added = (u128::from(duration_nanos(wait)) * u128::from(jitter)) >> 33;
        wait.saturating_add(Duration::from_nanos(
            u64::try_from(added).unwrap_or(u64::MAX),
        ))
    }

    /// The connection is established: the next failure counts as the first.
    pub const fn on_connected(&mut self) {
        self.next = None;
        self.failures = 0;
    }

    /// Failures since the last established connection.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    fn clamp(&self, wait: Duration) -> Duration {
        wait.min(self.cap)
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

/// `factor · time`, saturating at 584 years.
fn scale(factor: Q16, time: Duration) -> Duration {
    Duration::from_nanos(factor.scale(duration_nanos(time)))
}

const fn longer(a: Duration, b: Duration) -> Duration {
    if a.as_nanos() < b.as_nanos() { b } else { a }
}

/// RFC 6298 §2.1.
const INITIAL: Duration = Duration::from_secs(1);
/// RFC 6298 §2.5.
const LEAST_CAP: Duration = Duration::from_mins(1);
/// Six doublings.
const CAP: Duration = Duration::from_secs(64);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn impatient() -> RetryTiming {
        RetryTiming::at_least_rfc9002(Q16::ZERO, Q16::ZERO)
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let mut reconnect = Reconnect::new();
        let waits: Vec<u64> = (0..9)
            .map(|_| reconnect.next_delay(impatient(), 0).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        assert_eq!(reconnect.failures(), 9);
    }

    #[test]
    fn limits_below_those_of_the_rfc_are_raised() {
        let mut reconnect = Reconnect::with_limits(Duration::ZERO, Duration::ZERO);
        let last = (0..20).map(|_| reconnect.next_delay(impatient(), 0)).last();
        assert_eq!(last, Some(LEAST_CAP));
    }

    proptest! {
        #[test]
        fn no_timing_and_no_jitter_is_more_impatient_than_doubling(
            timeout in 0_i32..(8 << 16),
            backoff in 0_i32..(8 << 16),
            jitters in proptest::collection::vec(any::<u32>(), 1..12),
        ) {
            let retry = RetryTiming::at_least_rfc9002(
                Q16::from_units(timeout),
                Q16::from_units(backoff),
            );
            let (mut scaled, mut plain) = (Reconnect::new(), Reconnect::new());
            for jitter in jitters {
                let wait = scaled.next_delay(retry, jitter);
                prop_assert!(wait >= plain.next_delay(RetryTiming::RFC9002, 0));
                prop_assert!(wait <= CAP + CAP / 2);
            }
        }
    }
}
