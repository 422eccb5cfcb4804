//! The bottleneck's rate over time.

use std::time::Duration;

/// Why a rate schedule was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScheduleError {
    /// There is nothing in it.
    #[error("a rate schedule needs at least one segment")]
    Empty,
    /// Packets would never leave.
    #[error("the last rate of a schedule lasts for ever, so it must be above 0 bit/s")]
    EndsAtZero,
}

/// Rates in bit/s, each for a while; the last one for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RateSchedule {
    /// Start of each segment and its rate; the first starts at zero.
    segments: Vec<(Duration, u64)>,
}

impl RateSchedule {
    /// `segments` of (how long, bit/s); the last length is ignored.
    ///
    /// # Errors
    /// [`ScheduleError`] if it is empty or ends with a rate of zero. Zero elsewhere is an outage.
    pub(crate) fn new(segments: &[(Duration, u64)]) -> Result<Self, ScheduleError> {
        match segments.last() {
            None => return Err(ScheduleError::Empty),
            Some((_, 0)) => return Err(ScheduleError::EndsAtZero),
            Some(_) => {}
        }
        let mut start = Duration::ZERO;
        let segments = segments
            .iter()
            .map(|&(length, rate)| {
                let segment = (start, rate);
                start += length;
                segment
            })
            .collect();
        Ok(Self { segments })
    }

    /// One rate for ever.
    ///
    /// # Errors
    /// [`ScheduleError::EndsAtZero`] for a rate of zero.
    #[cfg(test)]
    pub(crate) fn constant(rate_bits_per_sec: u64) -> Result<Self, ScheduleError> {
        Self::new(&[(Duration::ZERO, rate_bits_per_sec)])
    }

    /// The rate at `at`, bit/s.
    pub(crate) fn rate_at(&self, at: Duration) -> u64 {
        let after = self.segments.partition_point(|&(start, _)| start <= at);
        self.segments
            .get(after.saturating_sub(1))
            .map_or(0, |&(_, rate)| rate)
    }

    /// When the last of `bytes` has left if the first starts at `start`.
    pub(crate) fn finish(&self, start: Duration, bytes: u64) -> Duration {
        let mut left = u128::from(bytes) * 8 * NANOS_PER_SEC;
        let mut at = start;
        loop {
            let rate = u128::from(self.rate_at(at));
            let next = self
                .segments
                .iter()
                .map(|&(start, _)| start)
                .find(|&start| start > at);
            let capacity = next.map(|next| next.saturating_sub(at).as_nanos() * rate);
            match (next, capacity) {
                (Some(next), Some(capacity)) if capacity < left => {
                    left -= capacity;
                    at = next;
                }
                _ => return at + Duration::from_nanos(left.div_ceil(rate.max(1)) as u64),
            }
        }
    }

    /// Bits that fit through between `from` and `to`.
    pub(crate) fn capacity_bits(&self, from: Duration, to: Duration) -> f64 {
        let ends = self.segments.iter().skip(1).map(|&(start, _)| start);
        self.segments
            .iter()
            .zip(ends.chain([Duration::MAX]))
            .map(|(&(start, rate), end)| {
                let overlap = end.min(to).saturating_sub(start.max(from));
                rate as f64 * overlap.as_secs_f64()
            })
            .sum()
    }
}

const NANOS_PER_SEC: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_packet_may_span_several_rates_and_an_outage() {
        // 10 ms at 1 Mbit/s (10 000 bits), 5 ms of nothing, then 2 Mbit/s.
        let schedule =
            RateSchedule::new(&[(ms(10), 1_000_000), (ms(5), 0), (ms(0), 2_000_000)]).unwrap();
        assert_eq!(schedule.finish(ms(0), 1250), ms(10));
        assert_eq!(schedule.finish(ms(5), 1250), Duration::from_micros(17_500));
        assert_eq!(schedule.finish(ms(12), 250), ms(16));
        assert_eq!(schedule.finish(ms(20), 250), ms(21));
        assert_eq!(schedule.rate_at(ms(9)), 1_000_000);
        assert_eq!(schedule.rate_at(ms(10)), 0);
    }

    #[test]
    fn capacity_adds_up_over_segments() {
        let schedule = RateSchedule::new(&[(ms(10), 1_000_000), (ms(10), 3_000_000)]).unwrap();
        let bits = schedule.capacity_bits(ms(5), ms(15));
        assert!((bits - 20_000.0).abs() < 1e-6, "{bits}");
    }

    #[test]
    fn schedules_without_an_end_are_refused() {
        assert_eq!(RateSchedule::new(&[]), Err(ScheduleError::Empty));
        assert_eq!(RateSchedule::constant(0), Err(ScheduleError::EndsAtZero));
    }
}
