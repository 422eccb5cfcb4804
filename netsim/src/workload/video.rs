//! Video in chunks, whose rate is chosen by what is buffered.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Timestamp, duration_nanos};

use super::draw::as_megabits;
use super::measure::Window;
use super::{ApplicationReport, Behaviour, End, Span, VideoReport};
use crate::endpoint::Request;

/// A player with BBA-0 and the server that it asks.
///
/// One chunk is outstanding at a time. The player asks for the next as soon as the buffer has room
/// for it, begins to play with the first chunk, and again with the next one after an interruption.
/// The viewer leaves at the stop.
///
/// # Source
/// Huang et al., "A Buffer-Based Approach to Rate Adaptation", SIGCOMM 2014, Algorithm 1, with its
/// reservoir (90 s of 240 s) and its upper reservoir (24 s of 240 s) scaled to this buffer.
#[derive(Clone, Debug)]
pub(super) struct Video {
    span: Span,
    chunk: Duration,
    ladder: Vec<Bandwidth>,
    buffer: Duration,
    player: Player,
    rung: usize,
    /// Chunks that came whole, and the bytes of all of them.
    complete: u64,
    complete_bytes: u64,
    /// Where the chunk that is waited for ends in the stream.
    chunk_end: u64,
    phase: Phase,
    outbox: Option<Request>,
    /// Chunks that the server has written, and the bytes of all of them.
    served: u64,
    written: u64,
    window: Window,
    counts: VideoReport,
    sum_mbps: f64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Asks for the next chunk at this time.
    Full { until: Timestamp },
    /// Waits for a chunk; asks again where nothing of it came by then.
    Waiting { repeat: Timestamp, wait: Duration },
    /// There is nothing to ask for.
    Ended,
}

impl Video {
    pub(super) fn new(span: Span, chunk: Duration, ladder: &[Bandwidth], buffer: Duration) -> Self {
        let mut ladder = ladder.to_vec();
        ladder.sort_unstable();
        ladder.dedup();
        ladder.truncate(MAX_RUNGS);
        let phase = if ladder.is_empty() {
            Phase::Ended
        } else {
            Phase::Full { until: span.start }
        };
        let chunk = chunk.max(Duration::from_nanos(1));
        Self {
            span,
            chunk,
            ladder,
            buffer: buffer.max(chunk),
            player: Player::default(),
            rung: 0,
            complete: 0,
            complete_bytes: 0,
            chunk_end: 0,
            phase,
            outbox: None,
            served: 0,
            written: 0,
            window: Window::default(),
            counts: VideoReport::default(),
            sum_mbps: 0.0,
        }
    }

    fn rate(&self, rung: usize) -> Bandwidth {
        self.ladder.get(rung).copied().unwrap_or_default()
    }

    fn chunk_bytes(&self, rung: usize) -> u64 {
        self.rate(rung).bytes_in(self.chunk).as_u64().max(1)
    }

    /// Algorithm 1: the lowest rate in the reservoir, the highest in the upper one, and between
    /// them the rate map, left only where it crosses a neighbour of the present rate.
    fn choose(&self) -> usize {
        let top = self.ladder.len().saturating_sub(1);
        let level = duration_nanos(self.player.level);
        let whole = duration_nanos(self.buffer);
        let reservoir = share_of(whole, RESERVOIR);
        // A chunk is only asked for where it fits, so no level above that is ever seen here.
        let fullest = whole.saturating_sub(duration_nanos(self.chunk));
        let upper = share_of(whole, UPPER).min(fullest);
        if level <= reservoir {
            return 0;
        }
        if level >= upper {
            return top;
        }
        let (low, high) = (self.rate(0), self.rate(top));
        let width = u128::from(upper.saturating_sub(reservoir).max(1));
        let range = high.as_bytes_per_sec() - low.as_bytes_per_sec();
        let above = u128::from(range) * u128::from(level - reservoir) / width;
        let mapped = low.as_bytes_per_sec() + above as u64;
        let rate = |rung| self.rate(rung).as_bytes_per_sec();
        if self.rung < top && mapped >= rate(self.rung + 1) {
            self.ladder
                .iter()
                .rposition(|step| step.as_bytes_per_sec() < mapped)
                .unwrap_or(0)
        } else if self.rung > 0 && mapped <= rate(self.rung - 1) {
            self.ladder
                .iter()
                .position(|step| step.as_bytes_per_sec() > mapped)
                .unwrap_or(top)
        } else {
            self.rung
        }
    }

    /// Where a chunk that begins at `begin` ends, if the stream may be that long.
    fn within_limit(&self, begin: u64, rung: usize) -> Option<u64> {
        let end = begin.checked_add(self.chunk_bytes(rung))?;
        (end <= self.span.limit).then_some(end)
    }

    fn ask(&mut self, at: Timestamp) {
        self.player.advance(at, &self.window, &mut self.counts);
        let before = self.rung;
        self.rung = self.choose();
        let Some(end) = self.within_limit(self.complete_bytes, self.rung) else {
            self.phase = Phase::Ended;
            return;
        };
        self.chunk_end = end;
        self.window.begin(self.complete, at);
        if self.window.covers(self.complete) {
            self.counts.chunks += 1;
            self.counts.switches += u64::from(self.complete > 0 && self.rung != before);
        }
        self.send(at, FIRST_REPEAT);
    }

    fn send(&mut self, at: Timestamp, wait: Duration) {
        self.outbox = Some(Request {
            id: (self.complete << RUNG_BITS) | self.rung as u64,
            bytes: REQUEST_BYTES,
        });
        let repeat = at.saturating_add(wait);
        self.phase = Phase::Waiting { repeat, wait };
    }

    fn on_chunk(&mut self, now: Timestamp) {
        if self.window.covers(self.complete) {
            self.counts.completed += 1;
            self.sum_mbps += as_megabits(self.rate(self.rung));
        }
        self.complete_bytes = self.chunk_end;
        self.complete += 1;
        if now >= self.span.stop {
            self.phase = Phase::Ended;
            return;
        }
        if self.player.start(now, self.chunk) {
            self.player.startup = now.saturating_since(self.span.start);
        }
        let full = self.player.level.saturating_add(self.chunk);
        let until = now.saturating_add(full.saturating_sub(self.buffer));
        self.phase = Phase::Full { until };
    }

    fn catch_up(&mut self, now: Timestamp) {
        loop {
            let due = self.next_wake();
            if due >= now {
                return;
            }
            self.step(due);
        }
    }

    fn step(&mut self, due: Timestamp) {
        match self.phase {
            Phase::Full { .. } => self.ask(due),
            Phase::Waiting { wait, .. } => {
                let longer = wait.saturating_mul(2).min(LAST_REPEAT);
                self.send(due, longer);
            }
            Phase::Ended => {}
        }
    }
}

impl Behaviour for Video {
    fn waking_end(&self) -> End {
        End::Receiving
    }

    fn next_wake(&self) -> Timestamp {
        self.span.until_stop(match self.phase {
            Phase::Full { until } => until,
            Phase::Waiting { repeat, .. } => repeat,
            Phase::Ended => Timestamp::MAX,
        })
    }

    fn wake(&mut self, now: Timestamp) {
        self.catch_up(now);
        if self.next_wake() == now && now < Timestamp::MAX {
            self.step(now);
        }
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn on_delivered(&mut self, now: Timestamp, total: u64) {
        self.catch_up(now);
        let Phase::Waiting { wait, .. } = self.phase else {
            return;
        };
        if total >= self.chunk_end {
            let now = now.min(self.span.stop);
            self.player.advance(now, &self.window, &mut self.counts);
            self.on_chunk(now);
        } else if total > self.complete_bytes {
            // It is on its way; the transport sees to the rest.
            let repeat = Timestamp::MAX;
            self.phase = Phase::Waiting { repeat, wait };
        }
    }

    fn next_request(&mut self) -> Option<Request> {
        self.outbox.take()
    }

    fn on_request(&mut self, _now: Timestamp, request: Request) {
        let rung = (request.id & (MAX_RUNGS as u64 - 1)) as usize;
        if request.id >> RUNG_BITS != self.served || rung >= self.ladder.len() {
            return;
        }
        if let Some(end) = self.within_limit(self.written, rung) {
            self.served += 1;
            self.written = end;
        }
    }

    fn start_measuring(&mut self, since: Timestamp) {
        // What has not been played yet is counted later, and only its part since then.
        self.window = Window::from(since);
        self.counts = VideoReport::default();
        self.sum_mbps = 0.0;
    }

    fn report(&self, now: Timestamp) -> ApplicationReport {
        let mut counts = self.counts;
        let mut player = self.player.clone();
        let until = now.min(self.span.stop);
        player.advance(until, &self.window, &mut counts);
        if counts.completed > 0 {
            counts.bitrate_mbps = self.sum_mbps / counts.completed as f64;
        }
        counts.startup_s = self.player.startup.as_secs_f64();
        ApplicationReport::Video(counts)
    }
}

/// What is on the screen.
#[derive(Clone, Debug, Default)]
struct Player {
    /// Playing time that is buffered, at `as_of`.
    level: Duration,
    as_of: Timestamp,
    screen: Screen,
    startup: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Screen {
    #[default]
    Dark,
    Playing,
    Interrupted,
}

impl Player {
    /// Plays until `now`, and notes an interruption where the buffer runs dry before.
    fn advance(&mut self, now: Timestamp, window: &Window, counts: &mut VideoReport) {
        if now <= self.as_of {
            return;
        }
        if self.screen == Screen::Playing {
            let dry = self.as_of.saturating_add(self.level);
            let end = dry.min(now);
            counts.played_s += window.overlap(self.as_of, end).as_secs_f64();
            self.level = dry.saturating_since(end);
            self.as_of = end;
            if dry < now {
                self.screen = Screen::Interrupted;
                counts.rebuffers += u64::from(dry >= window.since());
            }
        }
        if self.screen == Screen::Interrupted {
            counts.rebuffer_s += window.overlap(self.as_of, now).as_secs_f64();
        }
        self.as_of = now;
    }

    /// Adds a chunk at the time up to which it has played; returns whether it is the first.
    fn start(&mut self, now: Timestamp, chunk: Duration) -> bool {
        let first = self.screen == Screen::Dark;
        self.as_of = self.as_of.max(now);
        self.screen = Screen::Playing;
        self.level = self.level.saturating_add(chunk);
        first
    }
}

const fn share_of(whole: u64, (numerator, denominator): (u64, u64)) -> u64 {
    (whole as u128 * numerator as u128 / denominator as u128) as u64
}

/// The reservoir of 90 s in a buffer of 240 s.
const RESERVOIR: (u64, u64) = (90, 240);
/// Where the upper reservoir begins: 216 s in a buffer of 240 s.
const UPPER: (u64, u64) = (216, 240);
/// Low bits of a request's number, which say the rate of the chunk.
const RUNG_BITS: u32 = 8;
const MAX_RUNGS: usize = 1 << RUNG_BITS;
/// An HTTP GET with its headers.
const REQUEST_BYTES: u32 = 400;
/// When a chunk of which nothing came is asked for again, at first and at most.
const FIRST_REPEAT: Duration = Duration::from_secs(1);
const LAST_REPEAT: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::{at_ms, span_ms};

    fn mbps(rate: u64) -> Bandwidth {
        Bandwidth::from_bits_per_sec(rate * 1_000_000)
    }

    fn video(ladder: &[u64], chunk_s: u64, buffer_s: u64) -> Video {
        let ladder: Vec<Bandwidth> = ladder.iter().map(|&rate| mbps(rate)).collect();
        let chunk = Duration::from_secs(chunk_s);
        Video::new(
            span_ms(1000, 61_000),
            chunk,
            &ladder,
            Duration::from_secs(buffer_s),
        )
    }

    /// The whole round: the request leaves, is served, and its chunk is there at `millis`.
    fn fetch(video: &mut Video, millis: u64) -> u64 {
        video.wake(video.next_wake());
        let request = video.next_request().expect("a chunk is due");
        video.on_request(at_ms(millis), request);
        video.on_delivered(at_ms(millis), video.written());
        request.id
    }

    fn report(video: &Video, millis: u64) -> VideoReport {
        match video.report(at_ms(millis)) {
            ApplicationReport::Video(report) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rates_follow_algorithm_1() {
        // f(B) = 1 + 4 · (B - 90) / 126 Mbit/s.
        let mut video = video(&[1, 2, 3, 5], 4, 240);
        for (rung, level_s, chosen) in [
            (0, 0, 0),
            (3, 90, 0),
            (0, 100, 0),
            (0, 125, 1),
            (0, 160, 2),
            (1, 95, 1),
            (2, 95, 1),
            (3, 150, 2),
            (3, 200, 3),
            (2, 200, 2),
            (2, 216, 3),
            (0, 240, 3),
        ] {
            video.rung = rung;
            video.player.level = Duration::from_secs(level_s);
            assert_eq!(video.choose(), chosen, "{rung} at {level_s} s");
        }
    }

    #[test]
    fn a_level_at_the_edge_of_the_reservoir_does_not_raise_the_rate() {
        let mut video = video(&[1, 2, 3, 5], 4, 240);
        video.player.level = Duration::from_secs(90) + Duration::from_nanos(1);
        assert_eq!(video.choose(), 0);
        video.rung = 3;
        video.player.level = Duration::from_secs(216) - Duration::from_nanos(1);
        assert_eq!(video.choose(), 3);
    }

    #[test]
    fn the_highest_rate_is_reached_with_a_buffer_of_few_chunks() {
        let mut video = video(&[1, 2, 5, 8], 1, 8);
        for _ in 0..30 {
            let due_ms = video.next_wake().as_nanos() / 1_000_000;
            fetch(&mut video, due_ms + 10);
        }
        assert_eq!(video.rung, 3);
    }

    #[test]
    fn an_empty_buffer_interrupts_and_a_full_one_waits() {
        let mut video = video(&[1], 2, 6);
        assert_eq!(video.next_wake(), at_ms(1000));
        assert_eq!(fetch(&mut video, 1500), 0);
        assert_eq!(video.written(), 250_000);
        let found = report(&video, 1500);
        assert_eq!((found.startup_s, found.rebuffers), (0.5, 0));
        // Two seconds of video last until 3.5 s.
        assert_eq!(report(&video, 3500).rebuffers, 0);
        assert_eq!(report(&video, 3700).rebuffers, 1);
        assert!((report(&video, 3700).rebuffer_s - 0.2).abs() < 1e-9);
        assert_eq!(fetch(&mut video, 4000), 1 << 8);
        assert_eq!(video.next_wake(), at_ms(4000));
        fetch(&mut video, 4100);
        assert_eq!(video.next_wake(), at_ms(4100));
        fetch(&mut video, 4200);
        // 5.8 s are buffered; there is room for two more at 4.0 s.
        assert_eq!(video.next_wake(), at_ms(6000));
        let found = report(&video, 6000);
        assert_eq!((found.rebuffers, found.rebuffer_s), (1, 0.5));
        assert_eq!((found.played_s, found.bitrate_mbps), (4.0, 1.0));
        assert_eq!((found.chunks, found.completed, found.switches), (4, 4, 0));
    }

    #[test]
    fn rates_rise_with_the_buffer_and_the_mean_tells() {
        let mut video = video(&[1, 2], 2, 20);
        // Reservoir 7.5 s, upper reservoir at 18 s.
        let ids: Vec<u64> = (0..12)
            .map(|_| {
                let due = video.next_wake().as_nanos() / 1_000_000;
                fetch(&mut video, due) & 255
            })
            .collect();
        assert_eq!(ids, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
        let found = report(&video, 1000);
        assert_eq!(found.switches, 1);
        assert!((found.bitrate_mbps - 15.0 / 12.0).abs() < 1e-9);
    }

    #[test]
    fn a_lost_request_is_repeated_and_a_second_copy_is_not_served() {
        let mut video = video(&[1], 2, 6);
        let mut seen = Vec::new();
        for _ in 0..6 {
            let due = video.next_wake();
            video.wake(due);
            let request = video.next_request().expect("a request");
            assert_eq!((request.id, request.bytes), (0, REQUEST_BYTES));
            seen.push(due.as_nanos() / 1_000_000_000);
        }
        assert_eq!(seen, [1, 2, 4, 8, 16, 24]);
        let request = Request { id: 0, bytes: 400 };
        video.on_request(at_ms(24_000), request);
        video.on_request(at_ms(24_001), request);
        assert_eq!(video.written(), 250_000);
        // Something came: there is nothing to repeat any more.
        video.on_delivered(at_ms(24_100), 1);
        assert_eq!(video.next_wake(), Timestamp::MAX);
        assert_eq!(report(&video, 24_100).chunks, 1);
    }

    #[test]
    fn the_viewer_leaves_at_the_stop() {
        let mut video = video(&[1], 2, 6);
        fetch(&mut video, 60_500);
        video.wake(at_ms(60_600));
        assert!(video.next_request().is_some());
        let found = report(&video, 90_000);
        assert_eq!((found.played_s, found.rebuffers), (0.5, 0));
        assert_eq!((found.chunks, found.completed), (2, 1));
        // What still comes is counted once, and nothing follows.
        video.on_request(
            at_ms(61_500),
            Request {
                id: 1 << 8,
                bytes: 400,
            },
        );
        video.on_delivered(at_ms(62_000), 500_000);
        video.on_delivered(at_ms(62_001), 500_000);
        let found = report(&video, 90_000);
        assert_eq!((found.completed, found.played_s), (2, 0.5));
        assert_eq!(video.next_wake(), Timestamp::MAX);
    }

    #[test]
    fn a_window_measures_its_part_of_an_interruption() {
        let mut video = video(&[1], 2, 6);
        video.start_measuring(at_ms(5000));
        fetch(&mut video, 1500);
        fetch(&mut video, 7000);
        let found = report(&video, 7000);
        // It began at 3.5 s, outside the window.
        assert_eq!((found.rebuffers, found.rebuffer_s), (0, 2.0));
        assert_eq!((found.chunks, found.startup_s), (0, 0.5));
    }

    #[test]
    fn an_empty_ladder_asks_for_nothing() {
        assert_eq!(video(&[], 2, 6).next_wake(), Timestamp::MAX);
    }
}
