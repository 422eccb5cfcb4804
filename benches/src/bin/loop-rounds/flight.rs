//! What is in flight over time, and what is acknowledged.

use std::collections::VecDeque;

/// Of the last base RTT: what was in flight before each instant with an event.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// Times and amounts of which each is less than all later ones.
    least: VecDeque<(u64, f64)>,
    noted_ns: Option<u64>,
    /// Times of acknowledgements, and the bytes acknowledged up to each.
    acked: VecDeque<(u64, u64)>,
    acked_total: u64,
    /// Most in flight at a departure: of the judged round, and of the one under way.
    peaks: (f64, f64),
}

impl Flight {
    /// Others were in charge: what was in flight means nothing.
    pub(crate) fn forget(&mut self) {
        self.least.clear();
        self.noted_ns = None;
        self.acked.clear();
        self.peaks = (0.0, 0.0);
    }

    /// `before` was in flight before what happens now; only what happened from `horizon_ns` on
    /// counts any longer. Of one instant, the first counts.
    pub(crate) fn note(&mut self, now_ns: u64, before: f64, horizon_ns: u64) {
        while self.least.front().is_some_and(|first| first.0 < horizon_ns) {
            self.least.pop_front();
        }
        if self.noted_ns.replace(now_ns) == Some(now_ns) {
            return;
        }
        while self.least.back().is_some_and(|last| last.1 >= before) {
            self.least.pop_back();
        }
        self.least.push_back((now_ns, before));
    }

    /// The least of what was noted.
    pub(crate) fn least(&self) -> Option<f64> {
        self.least.front().map(|first| first.1)
    }

    /// A packet left, and `in_flight` with it.
    pub(crate) const fn depart(&mut self, in_flight: f64) {
        self.peaks.1 = self.peaks.1.max(in_flight);
    }

    /// A decision began a new round.
    pub(crate) const fn next_round(&mut self) {
        self.peaks = (self.peaks.1, 0.0);
    }

    /// Most in flight in the round that the next decision judges.
    pub(crate) const fn peak(&self) -> f64 {
        self.peaks.0
    }

    /// Counts `bytes` acknowledged now; answers what was acknowledged in the last `span_ns`, where
    /// that is known.
    pub(crate) fn acknowledge(&mut self, now_ns: u64, bytes: u64, span_ns: u64) -> Option<u64> {
        self.acked_total += bytes;
        self.acked.push_back((now_ns, self.acked_total));
        let from_ns = now_ns.checked_sub(span_ns)?;
        // The first that stays is the last before the span.
        while self.acked.get(1).is_some_and(|second| second.0 <= from_ns) {
            self.acked.pop_front();
        }
        let first = self.acked.front()?;
        (first.0 <= from_ns).then(|| self.acked_total - first.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_of_the_last_time_and_of_the_first_of_an_instant() {
        let mut flight = Flight::default();
        for (now_ns, before) in [(10, 3.0), (10, 1.0), (20, 4.0), (30, 5.0)] {
            flight.note(now_ns, before, 0);
        }
        assert_eq!(flight.least(), Some(3.0));
        flight.note(40, 6.0, 11);
        assert_eq!(flight.least(), Some(4.0));
    }

    #[test]
    fn acknowledged_bytes_are_those_behind_the_start_of_the_span() {
        let mut flight = Flight::default();
        let seen: Vec<Option<u64>> = [10, 20, 30, 40]
            .map(|now_ns| flight.acknowledge(now_ns, 1, 15))
            .into();
        assert_eq!(seen, [None, None, Some(2), Some(2)]);
    }
}
