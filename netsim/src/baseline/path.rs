//! An ideal path for tests of controllers: rounds of packets with one round-trip time each.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, RoundTrip, SentPacket,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp, duration_nanos};

pub(super) const MTU: Bytes = Bytes::new(1500);

/// A controller and what has happened to it.
pub(super) struct Path<C> {
    pub(super) controller: C,
    pub(super) now_ns: u64,
    next: u64,
}

impl<C: Controller> Path<C> {
    pub(super) fn new(controller: C) -> Self {
        Self {
            controller,
            now_ns: 1_000_000_000,
            next: 0,
        }
    }

    /// The congestion window in datagrams.
    pub(super) fn segments(&self) -> f64 {
        self.controller.decision().congestion_window.as_u64() as f64 / 1500.0
    }

    /// Sends a window at once and acknowledges its packets one by one, each after `rtt`.
    pub(super) fn round(&mut self, rtt: Duration) {
        self.marked_round(rtt, 0);
    }

    /// The same, where each of the last `marks` packets was marked.
    pub(super) fn marked_round(&mut self, rtt: Duration, marks: u64) {
        let packets = self.segments() as u64;
        self.exchange(rtt, packets, Bytes::MAX, marks);
    }

    /// Sends only `packets`, far less than the window.
    pub(super) fn idle_round(&mut self, rtt: Duration, packets: u64) {
        self.exchange(rtt, packets, MTU, 0);
    }

    /// In flight stays a window, or `most` where that is less.
    fn exchange(&mut self, rtt: Duration, packets: u64, most: Bytes, marks: u64) {
        let (sent_ns, first) = (self.now_ns + 1, self.next);
        for number in first..first + packets {
            let packet = SentPacket {
                number: PacketNumber::new(number),
                bytes: MTU,
                bytes_in_flight: MTU.saturating_mul(number - first + 1),
            };
            self.controller
                .on_packet_sent(Timestamp::from_nanos(sent_ns), packet);
        }
        self.next += packets;
        // The packets leave and arrive spread over a tenth of the round trip.
        let spread_ns = duration_nanos(rtt) / 10 / packets.max(1);
        for place in 0..packets {
            let time_sent = sent_ns + place * spread_ns;
            self.now_ns = time_sent + duration_nanos(rtt);
            let ecn_ce_count = u64::from(place + marks >= packets);
            let window = self.controller.decision().congestion_window;
            let in_flight = window.saturating_sub(MTU).min(most);
            self.acknowledge(first + place, time_sent, in_flight, ecn_ce_count);
        }
    }

    fn acknowledge(&mut self, number: u64, sent_ns: u64, bytes_in_flight: Bytes, marks: u64) {
        let now = Timestamp::from_nanos(self.now_ns);
        let packet = AckedPacket {
            number: PacketNumber::new(number),
            bytes: MTU,
            time_sent: Timestamp::from_nanos(sent_ns),
            round_trip: RoundTrip::Measured,
        };
        self.controller.on_packet_acked(now, packet);
        let batch = AckBatch {
            bytes_in_flight,
            ecn_ce_count: marks,
        };
        self.controller.on_ack_end(now, batch);
        if marks > 0 {
            self.congest(CongestionTrigger::EcnCe);
        }
    }

    fn congest(&mut self, trigger: CongestionTrigger) {
        let event = CongestionEvent {
            trigger,
            number: PacketNumber::new(self.next.saturating_sub(1)),
            time_sent: Timestamp::from_nanos(self.now_ns),
            bytes_in_flight: Bytes::ZERO,
        };
        let now = Timestamp::from_nanos(self.now_ns);
        self.controller.on_congestion_event(now, event);
    }

    /// Loses `packets` that just left.
    pub(super) fn lose(&mut self, packets: u64) {
        let bytes = MTU.saturating_mul(packets);
        self.congest(CongestionTrigger::Loss { packets, bytes });
    }

    /// Persistent congestion.
    pub(super) fn persist(&mut self) {
        self.congest(CongestionTrigger::Persistent);
    }
}
