//! As much as fits in exponential periods, nothing in between.

use core::time::Duration;

use tautline_core::units::{Timestamp, duration_nanos};

use super::draw::{Draws, megabits_per_sec};
use super::measure::{Delivered, Window};
use super::{ApplicationReport, Behaviour, OnOffReport, Span};
use crate::rng::Stream;

/// A source that falls silent and returns; its periods do not depend on the network.
#[derive(Clone, Debug)]
pub(super) struct OnOff {
    span: Span,
    means: [Duration; 2],
    lengths: Draws,
    /// Periods that have begun; the odd ones carry data.
    begun: u64,
    /// When the present period began and ends.
    since: Timestamp,
    until: Timestamp,
    taken: u64,
    window: Window,
    measured_on: Duration,
    measured_periods: u64,
    delivered: Delivered,
}

impl OnOff {
    pub(super) fn new(span: Span, on: Duration, off: Duration, mut stream: Stream) -> Self {
        Self {
            span,
            means: [on, off],
            lengths: Draws::new(&mut stream),
            begun: 0,
            since: Timestamp::ZERO,
            until: span.start.min(span.stop),
            taken: 0,
            window: Window::default(),
            measured_on: Duration::ZERO,
            measured_periods: 0,
            delivered: Delivered::default(),
        }
    }

    const fn on(&self) -> bool {
        self.begun % 2 == 1
    }

    fn step(&mut self) {
        let at = self.until;
        if self.on() {
            self.measured_on = self
                .measured_on
                .saturating_add(self.window.overlap(self.since, at));
        }
        if at >= self.span.stop {
            // Silence from here on.
            self.begun = 0;
            self.until = Timestamp::MAX;
            return;
        }
        let mean = self.means[(self.begun % 2) as usize];
        let length = self.lengths.exponential(self.begun, mean);
        self.begun += 1;
        self.since = at;
        self.until = at.saturating_add(length).min(self.span.stop);
        if self.on() && at >= self.window.since() {
            self.measured_periods += 1;
        }
    }
}

impl Behaviour for OnOff {
    fn next_wake(&self) -> Timestamp {
        self.until
    }

    fn wake(&mut self, now: Timestamp) {
        while self.until <= now && self.until < Timestamp::MAX {
            self.step();
        }
    }

    fn written(&self) -> u64 {
        self.taken
    }

    fn unlimited(&self) -> bool {
        self.on()
    }

    fn on_taken(&mut self, total: u64) {
        self.taken = self.taken.max(total.min(self.span.limit));
    }

    fn on_delivered(&mut self, now: Timestamp, total: u64) {
        self.on_taken(total);
        self.delivered.record(now, total);
    }

    fn start_measuring(&mut self, since: Timestamp) {
        self.window = Window::from(since);
        self.measured_on = Duration::ZERO;
        self.measured_periods = 0;
        self.delivered.restart(since);
    }

    fn report(&self, now: Timestamp) -> ApplicationReport {
        let running = if self.on() {
            self.window.overlap(self.since, self.until.min(now))
        } else {
            Duration::ZERO
        };
        let on = self.measured_on.saturating_add(running);
        let delivered_bytes = self.delivered.bytes();
        ApplicationReport::OnOff(OnOffReport {
            periods: self.measured_periods,
            on_s: on.as_secs_f64(),
            delivered_bytes,
            rate_while_on_mbps: megabits_per_sec(delivered_bytes, duration_nanos(on)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::{at_ms, seeded, span_ms};

    #[test]
    fn periods_alternate_from_the_start_and_end_at_the_stop() {
        let second = Duration::from_secs(1);
        let mut source = OnOff::new(span_ms(100, 60_000), second, second, seeded(1));
        assert!(!source.unlimited() && source.next_wake() == at_ms(100));
        let (mut was_on, mut changes) = (false, 0);
        while source.next_wake() < Timestamp::MAX {
            let due = source.next_wake();
            source.wake(due);
            assert!(source.next_wake() > due);
            assert!(due == at_ms(60_000) || source.unlimited() != was_on);
            was_on = source.unlimited();
            changes += 1;
        }
        assert!(!was_on && (40..80).contains(&changes), "{changes}");
    }

    #[test]
    fn time_with_data_is_half_where_both_means_are_equal() {
        let mean = Duration::from_millis(10);
        let mut source = OnOff::new(span_ms(0, 100_000), mean, mean, seeded(2));
        source.start_measuring(at_ms(50_000));
        source.wake(at_ms(100_000));
        source.on_delivered(at_ms(60_000), 1_000_000);
        let ApplicationReport::OnOff(report) = source.report(at_ms(100_000)) else {
            panic!("another kind of report");
        };
        assert!((report.on_s - 25.0).abs() < 2.0, "{report:?}");
        assert!((2300..2700).contains(&report.periods), "{report:?}");
        assert!((report.rate_while_on_mbps - 8.0 / report.on_s).abs() < 1e-9);
    }

    #[test]
    fn a_period_that_lasts_counts_up_to_now() {
        let forever = Duration::from_secs(1 << 40);
        let mut source = OnOff::new(span_ms(0, 100_000), forever, forever, seeded(3));
        source.wake(Timestamp::ZERO);
        let ApplicationReport::OnOff(report) = source.report(at_ms(2500)) else {
            panic!("another kind of report");
        };
        assert_eq!((report.on_s, report.periods), (2.5, 1));
    }

    #[test]
    fn what_was_taken_stays_written_in_silence() {
        let second = Duration::from_secs(1);
        let mut source = OnOff::new(span_ms(0, 10), second, second, seeded(4));
        source.wake(at_ms(0));
        source.on_taken(5000);
        source.on_delivered(at_ms(1), 4000);
        source.wake(at_ms(10));
        assert!(!source.unlimited());
        assert_eq!(source.written(), 5000);
    }
}
