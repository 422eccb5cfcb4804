//! As much as fits, from the start to the stop or the limit.

use tautline_core::units::Timestamp;

use super::measure::Delivered;
use super::{ApplicationReport, Behaviour, BulkReport, Span};

/// A transfer without structure.
#[derive(Clone, Debug)]
pub(super) struct Bulk {
    span: Span,
    phase: Phase,
    taken: u64,
    delivered: Delivered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Open,
    Ended,
}

impl Bulk {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            phase: Phase::Before,
            taken: 0,
            delivered: Delivered::default(),
        }
    }
}

impl Behaviour for Bulk {
    fn next_wake(&self) -> Timestamp {
        match self.phase {
            Phase::Before => self.span.until_stop(self.span.start),
            Phase::Open => self.span.stop,
            Phase::Ended => Timestamp::MAX,
        }
    }

    fn wake(&mut self, now: Timestamp) {
        if now >= self.span.stop {
            self.phase = Phase::Ended;
        } else if now >= self.span.start {
            self.phase = Phase::Open;
        }
    }

    fn written(&self) -> u64 {
        self.taken
    }

    fn unlimited(&self) -> bool {
        self.phase == Phase::Open
    }

    fn on_taken(&mut self, total: u64) {
        self.taken = self.taken.max(total.min(self.span.limit));
    }

    fn on_delivered(&mut self, now: Timestamp, total: u64) {
        self.on_taken(total);
        self.delivered.record(now, total);
    }

    fn start_measuring(&mut self, since: Timestamp) {
        self.delivered.restart(since);
    }

    fn report(&self, _now: Timestamp) -> ApplicationReport {
        ApplicationReport::Bulk(BulkReport {
            delivered_bytes: self.delivered.bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::{at_ms, span_ms};

    #[test]
    fn it_writes_as_much_as_fits_from_the_start_to_the_stop() {
        let mut bulk = Bulk::new(span_ms(10, 20));
        assert_eq!((bulk.next_wake(), bulk.unlimited()), (at_ms(10), false));
        bulk.wake(at_ms(9));
        assert!(!bulk.unlimited());
        bulk.wake(at_ms(10));
        assert_eq!((bulk.next_wake(), bulk.unlimited()), (at_ms(20), true));
        bulk.on_taken(3000);
        bulk.on_delivered(at_ms(15), 1500);
        bulk.wake(at_ms(20));
        assert_eq!(
            (bulk.next_wake(), bulk.unlimited()),
            (Timestamp::MAX, false)
        );
        assert_eq!(bulk.written(), 3000);
    }

    #[test]
    fn it_never_takes_more_than_its_limit() {
        let span = Span {
            limit: 5000,
            ..span_ms(0, 20)
        };
        let mut bulk = Bulk::new(span);
        bulk.wake(at_ms(0));
        bulk.on_taken(9000);
        assert_eq!(bulk.written(), 5000);
    }

    #[test]
    fn it_reports_what_the_window_delivered() {
        let mut bulk = Bulk::new(span_ms(0, 20));
        bulk.on_delivered(at_ms(5), 1000);
        bulk.start_measuring(at_ms(6));
        bulk.on_delivered(at_ms(7), 1700);
        let expected = BulkReport {
            delivered_bytes: 700,
        };
        assert_eq!(bulk.report(at_ms(8)), ApplicationReport::Bulk(expected));
    }
}
