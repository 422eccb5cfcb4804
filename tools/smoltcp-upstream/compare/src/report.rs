//! What a run gives.

use std::time::{Duration, Instant};

use crate::link::Tally;

/// One run of a sender over a path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub seconds: f64,
    pub received_bytes: u64,
    pub link: Tally,
    pub polls: u64,
    /// Processor time that the sender's polls took, as far as a wall clock tells.
    pub sender_time: Duration,
}

impl Outcome {
    pub fn goodput_mbit(&self) -> f64 {
        self.received_bytes as f64 * 8.0 / self.seconds / 1e6
    }

    pub fn mean_queue_ms(&self) -> f64 {
        let passed = self.link.data_frames - self.link.dropped;
        self.link.queued_us as f64 / passed.max(1) as f64 / 1e3
    }

    /// Bytes sent beyond those received, in percent of those received; the last flight included.
    pub fn repeated_percent(&self) -> f64 {
        let extra = self.link.data_bytes.saturating_sub(self.received_bytes);
        extra as f64 / self.received_bytes.max(1) as f64 * 100.0
    }

    /// Counts the time of one of the sender's polls, unless something else had the processor.
    pub fn add_poll(&mut self, time: Duration) {
        if time < INTERRUPTED {
            self.sender_time += time;
        }
    }

    /// True if everything but the processor time is the same.
    pub fn same_as(&self, other: &Self) -> bool {
        self.received_bytes == other.received_bytes
            && self.polls == other.polls
            && self.link == other.link
    }

    pub fn nanos_per_segment(&self) -> f64 {
        self.sender_time.as_nanos() as f64 / self.link.data_frames.max(1) as f64
    }
}

/// No poll of a single connection takes that long by itself: they take a few microseconds.
const INTERRUPTED: Duration = Duration::from_micros(100);

/// The only clock: times what runs take, never what they do.
pub fn wall_clock() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measures processor time")]
    Instant::now()
}
