//! quinn's instants as the controllers' timestamps.

use std::time::Instant;

use tautline_core::units::{Timestamp, duration_nanos};

/// Maps the monotonic instants of one connection to [`Timestamp`]s.
///
/// The connection's start becomes [`Clock::ORIGIN`] rather than zero: after a path change quinn
/// builds a fresh controller and still reports packets that left before it existed, and their
/// round-trip times must not shrink.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
    /// What `zero` is: [`Timestamp::ZERO`] wherever instants reach back an hour.
    zero_nanos: u64,
}

impl Clock {
    /// The timestamp of the start: one hour, longer than any packet is tracked.
    pub const ORIGIN: Timestamp = Timestamp::from_nanos(3_600_000_000_000);

    /// A clock whose [`Clock::ORIGIN`] is `start`.
    ///
    /// Where the platform's instants do not reach back an hour, which is possible right after it
    /// started, instants before `start` count as `start`.
    pub fn starting_at(start: Instant) -> Self {
        let reach = Self::ORIGIN.saturating_since(Timestamp::ZERO);
        match start.checked_sub(reach) {
            Some(zero) => Self {
                zero,
                zero_nanos: 0,
            },
            None => Self {
                zero: start,
                zero_nanos: Self::ORIGIN.as_nanos(),
            },
        }
    }

    /// The timestamp of `instant`; instants over an hour before the start count as zero.
    #[inline]
    pub fn timestamp(&self, instant: Instant) -> Timestamp {
        let since = duration_nanos(instant.saturating_duration_since(self.zero));
        Timestamp::from_nanos(self.zero_nanos.saturating_add(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
