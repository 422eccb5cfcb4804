//! Round-trip times: the smoothed one for pacing and the minimum for queueing.

use core::time::Duration;

use crate::units::duration_nanos;

/// RFC 9002 §5.3's smoothed RTT, without the acknowledgement delay that not every stack reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmoothedRtt(Duration);

impl SmoothedRtt {
    /// No sample yet.
    pub const fn new() -> Self {
        Self(Duration::ZERO)
    }

    /// Takes a sample.
    pub fn update(&mut self, sample: Duration) {
        self.0 = if self.0.is_zero() {
            sample
        } else {
            let old = duration_nanos(self.0).saturating_mul(7);
            Duration::from_nanos(old.saturating_add(duration_nanos(sample)) >> 3)
        };
    }

    /// The current value; zero before the first sample.
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// The minimum RTT m, which may rise only when a drain ends.
///
/// A filter that lets old minima expire on their own follows its own standing queue upwards
/// without bound. Here an epoch ends with a drain, and m is the minimum over the epoch that just
/// ended and the one under way, so after a route change m is right from the second drain on.
#[derive(Clone, Copy, Debug)]
pub struct MinRtt {
    previous_epoch: Duration,
    current_epoch: Duration,
}

impl MinRtt {
    /// No sample yet.
    pub const fn new() -> Self {
        Self {
            previous_epoch: Duration::MAX,
            current_epoch: Duration::MAX,
        }
    }

    /// Takes a sample; m only falls.
    pub fn update(&mut self, sample: Duration) {
        self.current_epoch = self.current_epoch.min(sample);
    }

    /// A drain ended: forgets the epoch before the last.
    pub fn end_epoch(&mut self) {
        self.previous_epoch = self.current_epoch;
        self.current_epoch = Duration::MAX;
    }

    /// m, if there was any sample.
    pub fn get(self) -> Option<Duration> {
        let least = self.previous_epoch.min(self.current_epoch);
        (least != Duration::MAX).then_some(least)
    }
}

impl Default for MinRtt {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_minimum_rises_only_when_a_second_drain_ends() {
        let mut min = MinRtt::new();
        assert_eq!(min.get(), None);
        min.update(MS(40));
        min.update(MS(55));
        assert_eq!(min.get(), Some(MS(40)));
        min.end_epoch();
        assert_eq!(min.get(), Some(MS(40)));
        min.update(MS(80));
        assert_eq!(min.get(), Some(MS(40)));
        min.end_epoch();
        assert_eq!(min.get(), Some(MS(80)));
        min.update(MS(60));
        assert_eq!(min.get(), Some(MS(60)), "it falls at once");
    }

    #[test]
    fn smoothing_follows_rfc_9002() {
        let mut smoothed = SmoothedRtt::default();
        smoothed.update(MS(40));
        smoothed.update(MS(80));
        assert_eq!(smoothed.get(), MS(45));
    }
}
