//! When a request is sent again, and when a client may not.

use core::time::Duration;

use tautline_core::units::duration_nanos;

use super::RetrySpec;
use super::draw::Draws;

/// Waits and attempts of one client.
#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    spec: RetrySpec,
    jitter: Draws,
    /// Millionths of retries that the budget holds.
    saved: u64,
}

/// Why a request is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was sent as often as it may be.
    Attempts,
    /// The budget holds no retry.
    Budget,
}

impl RetryPolicy {
    pub(super) const fn new(spec: &RetrySpec, jitter: Draws) -> Self {
        Self {
            spec: *spec,
            jitter,
            saved: 0,
        }
    }

    /// A request is sent for the first time and earns its share of a retry.
    pub(super) fn on_request(&mut self) {
        let earned = (self.spec.budget * MILLION as f64) as u64;
        self.saved = self.saved.saturating_add(earned).min(MOST_SAVED);
    }

    /// Takes one retry out of the budget for a request that was sent `sendings` times.
    ///
    /// # Errors
    /// Why there is none to take.
    pub(super) fn take(&mut self, sendings: u32) -> Result<(), Refusal> {
        if sendings >= self.spec.attempts {
            return Err(Refusal::Attempts);
        }
        self.saved = self.saved.checked_sub(MILLION).ok_or(Refusal::Budget)?;
        Ok(())
    }

    /// How long request `id` waits after its sending number `sendings`, counted from 1.
    ///
    /// `w = timeout · backoff^(sendings − 1)`, of which the share `jitter` is uniform at random:
    /// "full jitter" for a share of 1, "equal jitter" for one half (Brooker 2015).
    pub(super) fn wait(&self, id: u64, sendings: u32) -> Duration {
        let exponent = f64::from(sendings.saturating_sub(1));
        let factor = libm::pow(self.spec.backoff.max(1.0), exponent);
        let whole = duration_nanos(self.spec.timeout) as f64 * factor;
        let share = self.spec.jitter.clamp(0.0, 1.0);
        let number = id.wrapping_shl(16).wrapping_add(u64::from(sendings));
        let nanos = whole * (1.0 - share + share * self.jitter.unit(number));
        Duration::from_nanos((nanos as u64).max(1))
    }
}

const MILLION: u64 = 1_000_000;
/// Retries that a long calm can save up: ten.
const MOST_SAVED: u64 = 10 * MILLION;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::seeded;

    fn policy(jitter: f64, budget: f64) -> RetryPolicy {
        let spec = RetrySpec {
            timeout: Duration::from_millis(100),
            backoff: 2.0,
            jitter,
            attempts: 4,
            budget,
        };
        RetryPolicy::new(&spec, Draws::new(&mut seeded(1)))
    }

    #[test]
    fn waits_double_without_jitter() {
        let policy = policy(0.0, 1.0);
        let waits = [1, 2, 3].map(|sendings| policy.wait(7, sendings).as_millis());
        assert_eq!(waits, [100, 200, 400]);
    }

    #[test]
    fn jitter_takes_at_most_its_share_of_a_wait() {
        let policy = policy(0.5, 1.0);
        let waits: Vec<u128> = (0..2000).map(|id| policy.wait(id, 1).as_millis()).collect();
        assert!(waits.iter().all(|wait| (50..=100).contains(wait)));
        assert!(waits.iter().any(|&wait| wait < 55) && waits.iter().any(|&wait| wait > 95));
    }

    #[test]
    fn a_tenth_of_a_retry_per_request_allows_one_after_ten() {
        let mut policy = policy(0.0, 0.1);
        for _ in 0..9 {
            policy.on_request();
        }
        assert_eq!(policy.take(1), Err(Refusal::Budget));
        policy.on_request();
        assert_eq!(policy.take(1), Ok(()));
        assert_eq!(policy.take(1), Err(Refusal::Budget));
    }

    #[test]
    fn a_long_calm_saves_up_ten_retries() {
        let mut policy = policy(0.0, 10.0);
        for _ in 0..1000 {
            policy.on_request();
        }
        assert_eq!((0..100).filter(|_| policy.take(1).is_ok()).count(), 10);
    }

    #[test]
    fn attempts_count_the_first_sending() {
        let mut policy = policy(0.0, 10.0);
        policy.on_request();
        assert_eq!(policy.take(3), Ok(()));
        assert_eq!(policy.take(4), Err(Refusal::Attempts));
    }
}
