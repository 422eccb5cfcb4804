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
