//! The judge's own meter of paces.

use tautline_core::controller::Decision;
use tautline_core::units::Bandwidth;

/// A virtual queue that drains at the rate in force and holds at most the burst in force.
///
/// Equivalently: in any interval that ends with a departure, no more leaves than the burst at its
/// end and rate · time. Where the rate changes between two departures, the largest one counts for
/// the time between them; where the burst shrinks, what the larger one allowed is forgiven.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// Billionths of a byte.
    backlog: i128,
    burst: i128,
    rate: Option<u64>,
    /// The largest rate since the last departure; none is the largest of all.
    largest: Option<u64>,
    at_nanos: u64,
}

impl Bucket {
    /// `decision` comes into force.
    pub(crate) fn change(&mut self, decision: &Decision, max_segment: i64) {
        let burst = i128::from(decision.send_quantum.as_u64()).max(i128::from(max_segment));
        self.burst = (burst + WINDOW_STEP) * BILLION;
        self.backlog = self.backlog.min(self.burst);
        let paced = decision.pacing_rate != Bandwidth::MAX;
        self.rate = paced.then(|| decision.pacing_rate.as_bytes_per_sec());
        self.largest = self
            .largest
            .zip(self.rate)
            .map(|(largest, rate)| largest.max(rate));
    }

    /// `bytes` leave at `now` (µs); returns how many bytes too many that is.
    pub(crate) fn take(&mut self, now: i64, bytes: i64) -> i64 {
        self.drain(now as u64 * 1000);
        if self.rate.is_none() {
            return 0;
        }
        self.backlog += i128::from(bytes) * BILLION;
        let excess = (self.backlog - self.burst + BILLION - 1) / BILLION;
        if excess <= 0 {
            return 0;
        }
        self.backlog = self.burst;
        excess as i64
    }

    fn drain(&mut self, nanos: u64) {
        let passed = nanos.saturating_sub(self.at_nanos);
        self.at_nanos = self.at_nanos.max(nanos);
        self.backlog = match self.largest {
            None => 0,
            Some(rate) => (self.backlog - i128::from(passed) * i128::from(rate)).max(0),
        };
        self.largest = self.rate;
    }
}

/// The stack is told windows in steps of 32 bytes, rounded up, so a pace can be exceeded by one
/// step; what left too early counts towards the next turn.
const WINDOW_STEP: i128 = 32;
const BILLION: i128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use tautline_core::units::Bytes;

    use super::*;

    fn paced(rate: u64, burst: u64) -> Decision {
        Decision {
            pacing_rate: Bandwidth::from_bytes_per_sec(rate),
            send_quantum: Bytes::new(burst),
            ..Decision::unpaced(Bytes::new(100_000))
        }
    }

    #[test]
    fn a_burst_and_then_one_segment_per_turn() {
        let mut bucket = Bucket::default();
        bucket.change(&paced(1_000_000, 3000), 1000);
        assert_eq!([0; 3].map(|_| bucket.take(5000, 1000)), [0; 3]);
        assert_eq!(bucket.take(5000, 1000), 1000 - 32);
        assert_eq!(bucket.take(5999, 1000), 1);
        assert_eq!(bucket.take(6999, 1000), 0);
    }

    #[test]
    fn a_larger_burst_counts_at_once_and_a_smaller_one_forgives() {
        let mut bucket = Bucket::default();
        bucket.change(&paced(1_000_000, 1000), 1000);
        assert_eq!(bucket.take(0, 1000), 0);
        bucket.change(&paced(1_000_000, 3000), 1000);
        assert_eq!([0; 2].map(|_| bucket.take(0, 1000)), [0; 2]);
        bucket.change(&paced(1_000_000, 1000), 1000);
        assert_eq!(bucket.take(1000, 1000), 0);
    }
}
