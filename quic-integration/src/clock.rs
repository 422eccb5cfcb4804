//! quinn's instants as the controllers' timestamps.

use std::time::{Duration, Instant};

use tautline_core::units::Timestamp;

/// Maps the monotonic instants of one connection to [`Timestamp`]s.
///
/// The connection's start becomes [`Clock::ORIGIN`] rather than zero: after a path change quinn
/// builds a fresh controller and still reports packets that left before it existed, and their
/// round-trip times must not shrink.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// The timestamp of the start: one hour, longer than any packet is tracked.
    pub const ORIGIN: Timestamp = Timestamp::from_nanos(3_600_000_000_000);

    /// A clock whose [`Clock::ORIGIN`] is `start`.
    pub const fn starting_at(start: Instant) -> Self {
        Self { start }
    }

    /// The timestamp of `instant`; instants over an hour before the start count as zero.
    pub fn timestamp(&self, instant: Instant) -> Timestamp {
        let after = instant.saturating_duration_since(self.start);
        if after.is_zero() {
            let before = self.start.saturating_duration_since(instant);
            let since_zero = Self::ORIGIN.saturating_since(Timestamp::ZERO);
            let remaining: Duration = since_zero.saturating_sub(before);
            return Timestamp::ZERO.saturating_add(remaining);
        }
        Self::ORIGIN.saturating_add(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_instants_survive_on_both_sides_of_the_start() {
        #[expect(clippy::disallowed_methods, reason = "some instant is needed")]
        let start = Instant::now() + Duration::from_hours(2);
        let clock = Clock::starting_at(start);
        let earlier = clock.timestamp(start.checked_sub(Duration::from_millis(30)).unwrap());
        let later = clock.timestamp(start + Duration::from_millis(12));
        assert_eq!(later.saturating_since(earlier), Duration::from_millis(42));
        assert_eq!(clock.timestamp(start), Clock::ORIGIN);
        let ancient = clock.timestamp(start.checked_sub(Duration::from_hours(2)).unwrap());
        assert_eq!(ancient, Timestamp::ZERO);
    }
}
