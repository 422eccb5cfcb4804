//! What every kind of application measures in the same way.

use core::time::Duration;

use tautline_core::units::{Timestamp, duration_nanos};

use super::report::TimeSummary;
use crate::report::Histogram;

/// Which items belong to the measurement window: those that begin in it.
///
/// An item that began earlier is not measured even where it ends in the window, so that what is
/// completed never exceeds what was begun.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    since: Timestamp,
    first: Option<u64>,
}

impl Window {
    /// The window that begins at `since`; nothing that began before this call belongs to it.
    pub(super) const fn from(since: Timestamp) -> Self {
        Self { since, first: None }
    }

    /// When it begins.
    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    /// Item `index` begins; indices and instants must not fall.
    pub(super) fn begin(&mut self, index: u64, at: Timestamp) {
        if self.first.is_none() && at >= self.since {
            self.first = Some(index);
        }
    }

    /// Whether item `index` began in the window.
    pub(super) fn covers(&self, index: u64) -> bool {
        self.first.is_some_and(|first| index >= first)
    }

    /// Index of the first item, or `next` where none began.
    pub(super) fn first_or(&self, next: u64) -> u64 {
        self.first.unwrap_or(next)
    }

    /// The part of `from..to` that lies in the window.
    pub(super) fn overlap(&self, from: Timestamp, to: Timestamp) -> Duration {
        to.saturating_since(from.max(self.since))
    }
}

/// Bytes that were delivered in the window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivered {
    since: Timestamp,
    before: u64,
    total: u64,
}

impl Delivered {
    /// `total` bytes have been read.
    pub(super) fn record(&mut self, now: Timestamp, total: u64) {
        self.total = self.total.max(total);
        if now < self.since {
            self.before = self.total;
        }
    }

    /// Counts from `since` on.
    pub(super) const fn restart(&mut self, since: Timestamp) {
        self.since = since;
        self.before = self.total;
    }

    /// Bytes read in the window.
    pub(super) const fn bytes(&self) -> u64 {
        self.total.saturating_sub(self.before)
    }
}

/// Times of completed items; costs nothing until the first.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    histogram: Option<Box<Histogram>>,
    max_ns: u64,
}

impl Times {
    /// Counts one item.
    pub(super) fn record(&mut self, time: Duration) {
        let nanos = duration_nanos(time);
        self.max_ns = self.max_ns.max(nanos);
        self.histogram.get_or_insert_default().record(nanos);
    }

    /// Number of items.
    pub(super) fn count(&self) -> u64 {
        self.histogram
            .as_ref()
            .map_or(0, |histogram| histogram.total())
    }

    /// The figures that a report carries.
    pub(super) fn summary(&self) -> TimeSummary {
        let Some(histogram) = &self.histogram else {
            return TimeSummary::default();
        };
        let max_ms = self.max_ns as f64 / 1e6;
        let quantile_ms = |share| (histogram.quantile_ns(share) / 1e6).min(max_ms);
        TimeSummary {
            count: histogram.total(),
            mean_ms: histogram.mean_ns() / 1e6,
            p50_ms: quantile_ms(0.5),
            p95_ms: quantile_ms(0.95),
            p99_ms: quantile_ms(0.99),
            max_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_items_that_begin_in_the_window_belong_to_it() {
        let mut window = Window::from(Timestamp::from_nanos(10));
        window.begin(4, Timestamp::from_nanos(9));
        assert!(!window.covers(4));
        window.begin(5, Timestamp::from_nanos(10));
        window.begin(6, Timestamp::from_nanos(11));
        assert!(!window.covers(4) && window.covers(5) && window.covers(6));
        assert_eq!(window.first_or(7), 5);
    }

    #[test]
    fn bytes_count_from_the_window_on_even_where_it_was_named_in_advance() {
        let mut delivered = Delivered::default();
        delivered.restart(Timestamp::from_nanos(10));
        delivered.record(Timestamp::from_nanos(9), 700);
        delivered.record(Timestamp::from_nanos(12), 1000);
        assert_eq!(delivered.bytes(), 300);
        delivered.restart(Timestamp::from_nanos(12));
        assert_eq!(delivered.bytes(), 0);
    }

    #[test]
    fn a_summary_never_exceeds_its_maximum() {
        let mut times = Times::default();
        assert_eq!(times.summary(), TimeSummary::default());
        for millis in 1..=100 {
            times.record(Duration::from_millis(millis));
        }
        let summary = times.summary();
        assert_eq!(summary.count, 100);
        assert!((summary.mean_ms - 50.5).abs() < 1e-9);
        assert!((summary.p95_ms / 95.0 - 1.0).abs() < 1.0 / 64.0);
        assert!(summary.p99_ms <= summary.max_ms && summary.max_ms == 100.0);
    }
}
