//! Frames at a constant rate, each with a deadline.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Timestamp, duration_nanos};

use super::measure::{Times, Window};
use super::{ApplicationReport, Behaviour, RealTimeReport, Span};

/// A source with a clock: frame `k` is written at `start + k · frame_every`, whatever happened to
/// those before it.
#[derive(Clone, Debug)]
pub(super) struct RealTime {
    span: Span,
    rate: Bandwidth,
    every_ns: u64,
    deadline: Duration,
    frames: u64,
    written: u64,
    /// Where the next frame will end in the stream.
    next_end: u64,
    read: u64,
    /// Where the next frame that is read ends.
    read_end: u64,
    window: Window,
    late: u64,
    delay: Times,
}

impl RealTime {
    pub(super) fn new(
        span: Span,
        rate: Bandwidth,
        frame_every: Duration,
        deadline: Duration,
    ) -> Self {
        let mut source = Self {
            span,
            rate,
            every_ns: duration_nanos(frame_every).max(1),
            deadline,
            frames: 0,
            written: 0,
            next_end: 0,
            read: 0,
            read_end: 0,
            window: Window::default(),
            late: 0,
            delay: Times::default(),
        };
        source.next_end = source.end_of(1);
        source.read_end = source.next_end;
        source
    }

    /// When frame `index` is written.
    fn written_at(&self, index: u64) -> Timestamp {
        let offset = Duration::from_nanos(self.every_ns.saturating_mul(index));
        self.span.start.saturating_add(offset)
    }

    /// Where the stream ends behind `frames` frames: rate times time, so that rounding to whole
    /// bytes never adds up, but at least a byte per frame.
    fn end_of(&self, frames: u64) -> u64 {
        let time = |count| Duration::from_nanos(self.every_ns.saturating_mul(count));
        if self.rate.bytes_in(time(1)).as_u64() == 0 {
            return frames;
        }
        self.rate.bytes_in(time(frames)).as_u64()
    }

    /// Measured frames that are not delivered although their deadline has passed.
    fn overdue(&self, now: Timestamp) -> u64 {
        let first = self.read.max(self.window.first_or(self.frames));
        let allowed = self.span.start.saturating_add(self.deadline);
        let since = duration_nanos(now.saturating_since(allowed));
        // Frame k is overdue where k · every < since.
        let passed = since.div_ceil(self.every_ns);
        passed.min(self.frames).saturating_sub(first)
    }
}

impl Behaviour for RealTime {
    fn next_wake(&self) -> Timestamp {
        if self.next_end > self.span.limit {
            return Timestamp::MAX;
        }
        self.span.until_stop(self.written_at(self.frames))
    }

    fn wake(&mut self, now: Timestamp) {
        loop {
            let due = self.next_wake();
            if due > now || due == Timestamp::MAX {
                return;
            }
            self.window.begin(self.frames, due);
            self.frames += 1;
            self.written = self.next_end;
            self.next_end = self.end_of(self.frames + 1);
        }
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn on_delivered(&mut self, now: Timestamp, total: u64) {
        while self.read < self.frames && self.read_end <= total {
            if self.window.covers(self.read) {
                let delay = now.saturating_since(self.written_at(self.read));
                self.delay.record(delay);
                self.late += u64::from(delay > self.deadline);
            }
            self.read += 1;
            self.read_end = self.end_of(self.read + 1);
        }
    }

    fn start_measuring(&mut self, since: Timestamp) {
        self.window = Window::from(since);
        self.late = 0;
        self.delay = Times::default();
    }

    fn report(&self, now: Timestamp) -> ApplicationReport {
        let delivered = self.delay.count();
        let overdue = self.overdue(now);
        let judged = delivered + overdue;
        let late = self.late + overdue;
        ApplicationReport::RealTime(RealTimeReport {
            frames: self.frames - self.window.first_or(self.frames),
            delivered,
            late,
            late_fraction: if judged == 0 {
                0.0
            } else {
                late as f64 / judged as f64
            },
            delay: self.delay.summary(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::{at_ms, span_ms};

    /// 30 frames per second at 2.5 Mbit/s: 10,416 ⅔ bytes each.
    fn stream() -> RealTime {
        RealTime::new(
            span_ms(1000, 11_000),
            Bandwidth::from_bits_per_sec(2_500_000),
            Duration::from_nanos(33_333_333),
            Duration::from_millis(100),
        )
    }

    fn report(stream: &RealTime, now_ms: u64) -> RealTimeReport {
        match stream.report(at_ms(now_ms)) {
            ApplicationReport::RealTime(report) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_rate_is_kept_to_the_byte() {
        let mut stream = stream();
        stream.wake(at_ms(1000));
        assert_eq!(stream.written(), 10_416);
        assert_eq!(
            stream.next_wake(),
            at_ms(1000).saturating_add(Duration::from_nanos(33_333_333))
        );
        stream.wake(at_ms(11_000));
        // 301 frames begin in 10 s: at 0, 33.3, …, 9,999.9999 ms.
        assert_eq!(report(&stream, 11_000).frames, 301);
        assert_eq!(stream.written(), 312_500 * 301 * 33_333_333 / 1_000_000_000);
        assert_eq!(stream.next_wake(), Timestamp::MAX);
    }

    #[test]
    fn frames_are_late_beyond_their_deadline_whether_or_not_they_came() {
        let mut stream = stream();
        stream.wake(at_ms(1070));
        assert_eq!(stream.frames, 3);
        stream.on_delivered(at_ms(1100), 10_416);
        let found = report(&stream, 1100);
        assert_eq!((found.delivered, found.late), (1, 0));
        assert_eq!(found.delay.max_ms, 100.0);
        // The second frame's deadline is 33.3 ms later, the third's 66.7 ms.
        assert_eq!(report(&stream, 1133).late, 0);
        assert_eq!(report(&stream, 1134).late, 1);
        stream.on_delivered(at_ms(1134), 20_833);
        let found = report(&stream, 1134);
        assert_eq!((found.delivered, found.late), (2, 1));
        assert_eq!(found.late_fraction, 0.5);
        let found = report(&stream, 5000);
        assert_eq!((found.delivered, found.late, found.frames), (2, 2, 3));
    }

    #[test]
    fn a_backlog_costs_no_memory_and_ends_in_order() {
        let mut stream = stream();
        stream.wake(at_ms(6000));
        stream.start_measuring(at_ms(6000));
        stream.wake(at_ms(10_999));
        stream.on_delivered(at_ms(10_999), stream.written());
        let found = report(&stream, 11_000);
        assert_eq!(found.delivered, found.frames);
        // All but those of the last 100 ms.
        assert_eq!(found.late, found.frames - 3);
    }

    #[test]
    fn less_than_a_byte_per_frame_still_is_one() {
        let span = span_ms(0, 10);
        let rate = Bandwidth::ZERO;
        let mut stream = RealTime::new(span, rate, Duration::from_millis(1), Duration::ZERO);
        stream.wake(at_ms(10));
        assert_eq!(stream.written(), 10);
    }
}
