//! Who is in charge, with the data that only that phase needs.

use core::time::Duration;

use crate::controller::{HyStart, NewReno, SlowStart, initial_window};
use crate::fixed::Q16;
use crate::units::{Bytes, PacketNumber};

/// The phase of a learned controller.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Slow start until its own rules or a congestion signal end it.
    Startup(Startup),
    /// The policy proposes every round.
    Policy,
    /// The guard empties the queue for a fresh minimum RTT.
    Drain(Drain),
    /// NewReno until probation is served.
    Fallback {
        /// The controller in charge.
        reno: NewReno,
        /// Consecutive rounds whose features lay in the certified region.
        clean_rounds: u32,
    },
}

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// The log window to come back to.
    pub(super) restore: Q16,
    /// The policy takes over after it.
    pub(super) entry: bool,
    /// Decisions since it began.
    pub(super) rounds: u8,
    /// The decision that ends it.
    pub(super) last: u8,
}

/// Slow start with its window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Startup {
    hystart: HyStart,
    pub(super) window: Bytes,
    largest_acked: PacketNumber,
    next_number: PacketNumber,
    /// Consecutive samples, up to the newest, that showed a queue.
    queued_samples: u64,
}

impl Startup {
    pub(super) const fn new(max_datagram_size: Bytes) -> Self {
        Self {
            hystart: HyStart::new(),
            window: initial_window(max_datagram_size),
            largest_acked: PacketNumber::new(0),
            next_number: PacketNumber::new(0),
            queued_samples: 0,
        }
    }

    pub(super) const fn on_packet_sent(&mut self, number: PacketNumber) {
        self.next_number = number.next();
    }

    pub(super) fn on_packet_acked(
        &mut self,
        number: PacketNumber,
        sample: Option<Duration>,
        base: Duration,
    ) {
        self.largest_acked = number;
        let Some(sample) = sample else {
            return;
        };
        self.hystart.on_sample(sample);
        let threshold = base.checked_div(8).unwrap_or(base).max(MIN_QUEUE);
        let queued = sample.saturating_sub(base) >= threshold;
        self.queued_samples = if queued {
            self.queued_samples.saturating_add(1)
        } else {
            0
        };
    }

    /// Grows, and judges the path so far.
    ///
    /// RFC 9406 compares the minima of whole rounds, so a queue that grows within a round shows
    /// two doublings late. Slow start therefore also ends when every sample over an eighth of a
    /// window, and at least eight, showed a queue of an eighth of the base RTT: the policy aims
    /// at more than that.
    pub(super) fn on_ack_end(
        &mut self,
        acked: Bytes,
        in_flight: Bytes,
        max_datagram_size: Bytes,
    ) -> SlowStart {
        // RFC 9002 §7.8: no growth while less than half of the window is used.
        if in_flight.saturating_mul(2) >= self.window {
            let growth = acked.scale(1, self.hystart.growth_divisor());
            self.window = self.window.saturating_add(growth);
        }
        let verdict = self
            .hystart
            .on_ack_end(self.largest_acked, self.next_number);
        let eighth = self
            .window
            .scale(1, max_datagram_size.as_u64().saturating_mul(8));
        if self.queued_samples >= eighth.as_u64().max(MIN_QUEUED_SAMPLES) {
            return SlowStart::Finished;
        }
        verdict
    }

    /// Loss or marks: half the window (RFC 9002 §7.3.1).
    pub(super) const fn on_congestion(&mut self) {
        self.window = self.window.scale(1, 2);
    }
}

/// As in RFC 9406 §4.3, so that timer noise on short paths is no queue.
const MIN_QUEUE: Duration = Duration::from_millis(4);
/// As RFC 9406's N_RTT_SAMPLE.
const MIN_QUEUED_SAMPLES: u64 = 8;
