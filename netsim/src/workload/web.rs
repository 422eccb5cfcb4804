//! Objects at the instants of a Poisson process, one behind the other.

use core::time::Duration;

use tautline_core::units::Timestamp;

use super::draw::Draws;
use super::measure::{Times, Window};
use super::{ApplicationReport, Behaviour, SizeSpec, Span, WebReport};
use crate::rng::Stream;

/// An open-loop source of objects.
///
/// Writer and reader walk over the same sequence, which is drawn by index: no object is
/// remembered, however many are outstanding.
#[derive(Clone, Debug)]
pub(super) struct Web {
    span: Span,
    writer: Cursor,
    reader: Cursor,
    written: u64,
    window: Window,
    completed_bytes: u64,
    completion: Times,
}

/// One object of the sequence.
#[derive(Clone, Debug)]
struct Cursor {
    every: Duration,
    object: SizeSpec,
    gaps: Draws,
    sizes: Draws,
    index: u64,
    arrival: Timestamp,
    bytes: u64,
    /// Where it ends in the stream.
    end: u64,
}

impl Cursor {
    fn new(start: Timestamp, every: Duration, object: SizeSpec, mut stream: Stream) -> Self {
        let gaps = Draws::new(&mut stream);
        let sizes = Draws::new(&mut stream);
        let bytes = sizes.size(0, &object);
        Self {
            every,
            object,
            gaps,
            sizes,
            index: 0,
            arrival: start.saturating_add(gaps.exponential(0, every)),
            bytes,
            end: bytes,
        }
    }

    fn advance(&mut self) {
        self.index += 1;
        let gap = self.gaps.exponential(self.index, self.every);
        self.arrival = self.arrival.saturating_add(gap);
        self.bytes = self.sizes.size(self.index, &self.object);
        self.end = self.end.saturating_add(self.bytes);
    }
}

impl Web {
    pub(super) fn new(span: Span, every: Duration, object: SizeSpec, stream: Stream) -> Self {
        let cursor = Cursor::new(span.start, every, object, stream);
        Self {
            span,
            writer: cursor.clone(),
            reader: cursor,
            written: 0,
            window: Window::default(),
            completed_bytes: 0,
            completion: Times::default(),
        }
    }
}

impl Behaviour for Web {
    fn next_wake(&self) -> Timestamp {
        if self.writer.end > self.span.limit {
            return Timestamp::MAX;
        }
        self.span.until_stop(self.writer.arrival)
    }

    fn wake(&mut self, now: Timestamp) {
        while self.next_wake() <= now && self.next_wake() < Timestamp::MAX {
            self.window.begin(self.writer.index, self.writer.arrival);
            self.written = self.writer.end;
            self.writer.advance();
        }
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn on_delivered(&mut self, now: Timestamp, total: u64) {
        while self.reader.index < self.writer.index && self.reader.end <= total {
            if self.window.covers(self.reader.index) {
                let time = now.saturating_since(self.reader.arrival);
                self.completion.record(time);
                self.completed_bytes = self.completed_bytes.saturating_add(self.reader.bytes);
            }
            self.reader.advance();
        }
    }

    fn start_measuring(&mut self, since: Timestamp) {
        self.window = Window::from(since);
        self.completed_bytes = 0;
        self.completion = Times::default();
    }

    fn report(&self, _now: Timestamp) -> ApplicationReport {
        let next = self.writer.index;
        ApplicationReport::Web(WebReport {
            objects: next - self.window.first_or(next),
            completed: self.completion.count(),
            completed_bytes: self.completed_bytes,
            completion: self.completion.summary(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tautline_core::units::Bytes;

    use super::*;
    use crate::workload::tests::{at_ms, seeded, span_ms};

    fn web(limit: u64) -> Web {
        let span = Span {
            limit,
            ..span_ms(1000, 61_000)
        };
        let object = SizeSpec::Fixed(Bytes::new(1000));
        Web::new(span, Duration::from_millis(10), object, seeded(5))
    }

    fn report(web: &Web) -> WebReport {
        match web.report(Timestamp::MAX) {
            ApplicationReport::Web(report) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arrivals_are_a_poisson_process_between_start_and_stop() {
        let mut web = web(u64::MAX);
        assert!(web.next_wake() > at_ms(1000));
        let (mut gaps, mut last) = (Vec::new(), at_ms(1000));
        while web.next_wake() < Timestamp::MAX {
            let due = web.next_wake();
            web.wake(due);
            gaps.push(due.saturating_since(last).as_secs_f64());
            last = due;
        }
        assert!(last < at_ms(61_000));
        // 6000 expected; the standard deviation of a Poisson count is its root, 77.
        assert!((5700..6300).contains(&gaps.len()), "{}", gaps.len());
        assert_eq!(web.written(), 1000 * gaps.len() as u64);
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let squares = gaps.iter().map(|gap| (gap - mean) * (gap - mean));
        let deviation = (squares.sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((deviation / mean - 1.0).abs() < 0.08, "{deviation} {mean}");
    }

    #[test]
    fn an_object_completes_with_its_last_byte() {
        let mut web = web(u64::MAX);
        let first = web.next_wake();
        web.wake(first);
        let second = web.next_wake();
        web.wake(second);
        web.on_delivered(second, 999);
        assert_eq!(report(&web).completed, 0);
        let later = second.saturating_add(Duration::from_millis(7));
        web.on_delivered(later, 1999);
        let found = report(&web);
        assert_eq!((found.objects, found.completed), (2, 1));
        let expected = later.saturating_since(first).as_nanos() as f64 / 1e6;
        assert!((found.completion.max_ms - expected).abs() < 1e-9);
        web.on_delivered(later, 2000);
        assert_eq!(report(&web).completed_bytes, 2000);
        assert_eq!(report(&web).completion.max_ms, expected);
    }

    #[test]
    fn objects_of_before_the_window_are_not_measured() {
        let mut web = web(u64::MAX);
        web.wake(at_ms(2000));
        let before = web.written();
        web.start_measuring(at_ms(2000));
        web.wake(at_ms(3000));
        web.on_delivered(at_ms(3000), web.written());
        let found = report(&web);
        assert_eq!(found.completed_bytes, web.written() - before);
        assert_eq!(found.completed, found.objects);
        assert!(found.objects > 50);
    }

    #[test]
    fn an_object_beyond_the_limit_is_not_written() {
        let mut web = web(2500);
        web.wake(at_ms(60_000));
        assert_eq!(web.written(), 2000);
        assert_eq!(web.next_wake(), Timestamp::MAX);
    }

    #[test]
    fn nothing_is_read_that_was_not_written() {
        let mut web = web(u64::MAX);
        web.wake(web.next_wake());
        web.on_delivered(at_ms(60_000), u64::MAX);
        assert_eq!(report(&web).completed, 1);
    }
}
