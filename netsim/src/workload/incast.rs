//! Bursts at instants that all such flows share.

use core::time::Duration;

use tautline_core::units::{Bytes, Timestamp, duration_nanos};

use super::measure::{Times, Window};
use super::{ApplicationReport, Behaviour, IncastReport, Span};

/// A worker that answers at every multiple of `every` since the start of the run.
///
/// The instants do not depend on the flow's own start, so that flows burst together wherever they
/// begin; the first burst of a flow is the first such instant at or after its start.
#[derive(Clone, Debug)]
pub(super) struct Incast {
    span: Span,
    burst: u64,
    every_ns: u64,
    first: u64,
    written: u64,
    read: u64,
    window: Window,
    completion: Times,
    completions_ms: Vec<f64>,
}

impl Incast {
    pub(super) fn new(span: Span, burst: Bytes, every: Duration) -> Self {
        let every_ns = duration_nanos(every).max(1);
        let first = span.start.as_nanos().div_ceil(every_ns);
        Self {
            span,
            burst: burst.as_u64().max(1),
            every_ns,
            first,
            written: 0,
            read: 0,
            window: Window::default(),
            completion: Times::default(),
            completions_ms: Vec::new(),
        }
    }

    /// The instant of this flow's burst `index`.
    const fn instant(&self, index: u64) -> Timestamp {
        let number = self.first.saturating_add(index);
        Timestamp::from_nanos(self.every_ns.saturating_mul(number))
    }

    const fn end_of(&self, bursts: u64) -> u64 {
        self.burst.saturating_mul(bursts)
    }
}

impl Behaviour for Incast {
    fn next_wake(&self) -> Timestamp {
        let next = self.written.saturating_add(1);
        if self
            .burst
            .checked_mul(next)
            .is_none_or(|end| end > self.span.limit)
        {
            return Timestamp::MAX;
        }
        self.span.until_stop(self.instant(self.written))
    }

    fn wake(&mut self, now: Timestamp) {
        loop {
            let due = self.next_wake();
            if due > now || due == Timestamp::MAX {
                return;
            }
            self.window.begin(self.written, due);
            self.written += 1;
        }
    }

    fn written(&self) -> u64 {
        self.end_of(self.written)
    }

    fn on_delivered(&mut self, now: Timestamp, total: u64) {
        while self.read < self.written && self.end_of(self.read + 1) <= total {
            if self.window.covers(self.read) {
                let time = now.saturating_since(self.instant(self.read));
                self.completion.record(time);
                if self.completions_ms.len() < MAX_LISTED {
                    self.completions_ms.push(duration_nanos(time) as f64 / 1e6);
                }
            }
            self.read += 1;
        }
    }

    fn start_measuring(&mut self, since: Timestamp) {
        self.window = Window::from(since);
        self.completion = Times::default();
        self.completions_ms.clear();
    }

    fn report(&self, _now: Timestamp) -> ApplicationReport {
        let first = self.window.first_or(self.written);
        ApplicationReport::Incast(IncastReport {
            bursts: self.written - first,
            completed: self.completion.count(),
            completion: self.completion.summary(),
            first_burst: self.first.saturating_add(first),
            completions_ms: self.completions_ms.clone(),
        })
    }
}

/// Bursts whose times are kept one by one.
const MAX_LISTED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::{at_ms, span_ms};

    fn worker(start_ms: u64) -> Incast {
        let span = span_ms(start_ms, 1000);
        Incast::new(span, Bytes::new(64_000), Duration::from_millis(100))
    }

    fn report(worker: &Incast) -> IncastReport {
        match worker.report(Timestamp::MAX) {
            ApplicationReport::Incast(report) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flows_burst_together_wherever_they_begin() {
        let (mut early, mut late) = (worker(0), worker(101));
        assert_eq!(early.next_wake(), at_ms(0));
        assert_eq!(late.next_wake(), at_ms(200));
        early.wake(at_ms(200));
        late.wake(at_ms(200));
        assert_eq!((early.written(), late.written()), (192_000, 64_000));
        assert_eq!(early.next_wake(), late.next_wake());
        early.on_delivered(at_ms(230), 192_000);
        late.on_delivered(at_ms(250), 64_000);
        let reports = [report(&early), report(&late)];
        assert_eq!(reports[0].completions_ms, [230.0, 130.0, 30.0]);
        assert_eq!(reports[1].first_burst, 2);
        assert_eq!(IncastReport::batch_completions_ms(&reports), [50.0]);
    }

    #[test]
    fn a_burst_completes_with_its_last_byte_and_none_begins_at_the_stop() {
        let mut worker = worker(900);
        worker.wake(at_ms(1000));
        assert_eq!(worker.written(), 64_000);
        assert_eq!(worker.next_wake(), Timestamp::MAX);
        worker.on_delivered(at_ms(910), 63_999);
        assert_eq!((report(&worker).bursts, report(&worker).completed), (1, 0));
        worker.on_delivered(at_ms(911), 64_000);
        assert_eq!(report(&worker).completion.max_ms, 11.0);
    }

    #[test]
    fn the_list_of_times_is_bounded() {
        let span = span_ms(0, 5000);
        let mut worker = Incast::new(span, Bytes::new(1), Duration::from_millis(1));
        worker.wake(at_ms(5000));
        worker.on_delivered(at_ms(5000), worker.written());
        let found = report(&worker);
        assert_eq!(found.completions_ms.len(), MAX_LISTED);
        assert_eq!(found.completed, 5000);
    }
}
