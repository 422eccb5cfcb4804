//! Who is in charge, with the data that only that phase needs.

use core::time::Duration;

use crate::controller::{AckedPacket, HyStart, NewReno, SlowStart, initial_window};
use crate::fixed::Q16;
use crate::units::{Bytes, PacketNumber, Timestamp, duration_nanos};

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
    /// Decisions since it began.
    pub(super) rounds: u8,
}

/// Slow start with its window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Startup {
    hystart: HyStart,
    pub(super) window: Bytes,
    largest_acked: PacketNumber,
    next_number: PacketNumber,
}

impl Startup {
    pub(super) const fn new(max_datagram_size: Bytes) -> Self {
        Self {
            hystart: HyStart::new(),
            window: initial_window(max_datagram_size),
            largest_acked: PacketNumber::new(0),
            next_number: PacketNumber::new(0),
        }
    }

    pub(super) const fn on_packet_sent(&mut self, number: PacketNumber) {
        self.next_number = number.next();
    }

    pub(super) fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.hystart
            .on_sample(now.saturating_since(packet.time_sent));
        self.largest_acked = packet.number;
    }

    /// Grows, and judges the round so far against the `base` minimum RTT.
    ///
    /// Beside RFC 9406's five conservative rounds, slow start ends when such a round shows a
    /// standing queue of a quarter of the base RTT: the policy aims at about as much, and a policy
    /// that is certified to drain need not be kept waiting.
    pub(super) fn on_ack_end(
        &mut self,
        acked: Bytes,
        in_flight: Bytes,
        base: Duration,
    ) -> SlowStart {
        // RFC 9002 §7.8: no growth while less than half of the window is used.
        if in_flight.saturating_mul(2) >= self.window {
            let growth = acked.scale(1, self.hystart.growth_divisor());
            self.window = self.window.saturating_add(growth);
        }
        let verdict = self
            .hystart
            .on_ack_end(self.largest_acked, self.next_number);
        let queued = self.hystart.conservative_round_min().is_some_and(|round| {
            let queue = duration_nanos(round).saturating_sub(duration_nanos(base));
            queue.saturating_mul(4) >= duration_nanos(base)
        });
        if queued { SlowStart::Finished } else { verdict }
    }

    /// Loss or marks: half the window (RFC 9002 §7.3.1).
    pub(super) const fn on_congestion(&mut self) {
        self.window = self.window.scale(1, 2);
    }
}
