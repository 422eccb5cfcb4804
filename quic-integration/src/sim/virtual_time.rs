//! Simulated time as the instants that quinn wants.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tautline_core::units::{Timestamp, duration_nanos};

/// The instant that stands for [`Timestamp::ZERO`], the same for the whole process.
fn zero() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "quinn counts in instants, and one must come from somewhere; only differences \
                  from it are ever used"
    )]
    *ZERO.get_or_init(Instant::now)
}

/// The instant of `time`; times beyond the platform's range, centuries away, count as zero.
pub(super) fn instant(time: Timestamp) -> Instant {
    let zero = zero();
    zero.checked_add(Duration::from_nanos(time.as_nanos()))
        .unwrap_or(zero)
}

/// The time of `instant`.
pub(super) fn timestamp(instant: Instant) -> Timestamp {
    Timestamp::from_nanos(duration_nanos(instant.saturating_duration_since(zero())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_to_the_nanosecond() {
        for nanos in [0, 1, 999_999_999, 1_000_000_001, 86_400_000_000_007] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!(timestamp(instant(time)), time);
        }
    }
}
