//! The one place where smoltcp's time (microseconds, signed) and ours (nanoseconds) meet.

use smoltcp::time::Instant;
use tautline_core::units::Timestamp;

const NANOS_PER_MICRO: u64 = 1000;

/// An instant of smoltcp; those before its start count as the start.
pub(super) fn timestamp(instant: Instant) -> Timestamp {
    let micros = u64::try_from(instant.total_micros()).unwrap_or(0);
    Timestamp::from_nanos(micros.saturating_mul(NANOS_PER_MICRO))
}

/// The first instant of smoltcp that is not before `timestamp`; none for never.
pub(super) fn instant(timestamp: Timestamp) -> Option<Instant> {
    if timestamp == Timestamp::MAX {
        return None;
    }
    let micros = timestamp.as_nanos().div_ceil(NANOS_PER_MICRO);
    Some(Instant::from_micros(
        i64::try_from(micros).unwrap_or(i64::MAX),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_never_due_before_its_time() {
        let exact = Timestamp::from_nanos(5_000);
        assert_eq!(instant(exact), Some(Instant::from_micros(5)));
        let between = Timestamp::from_nanos(5_001);
        assert_eq!(instant(between), Some(Instant::from_micros(6)));
        assert_eq!(instant(Timestamp::MAX), None);
    }

    #[test]
    fn instants_before_the_start_are_the_start() {
        assert_eq!(timestamp(Instant::from_micros(-7)), Timestamp::ZERO);
        assert_eq!(
            timestamp(Instant::from_micros(7)),
            Timestamp::from_nanos(7_000)
        );
        assert_eq!(
            timestamp(Instant::from_micros(i64::MAX)),
            Timestamp::MAX,
            "584 years saturate"
        );
    }
}
