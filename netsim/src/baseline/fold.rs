//! What the controllers here fold from the packets of one acknowledgement.

use tautline_core::controller::{AckBatch, AckedPacket, RoundTrip, SentPacket};
use tautline_core::units::{Bytes, PacketNumber, Timestamp, duration_nanos};

/// Collects packets until the end of their acknowledgement, and knows about recovery, rounds and
/// whether the window is what limits the flow.
#[derive(Clone, Debug, Default)]
pub(super) struct AckFold {
    open: Acknowledged,
    next_number: PacketNumber,
    round_end: PacketNumber,
    recovery_start: Option<Timestamp>,
    window_used: bool,
    /// The last sample; zero before the first.
    rtt_ns: u64,
}

/// One acknowledgement.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acknowledged {
    /// Packets newly acknowledged.
    pub(super) packets: u64,
    /// Bytes of those that left after the last reduction; only these may grow the window
    /// (RFC 9002 §7.3.2).
    pub(super) growth_bytes: u64,
    /// The largest packet.
    pub(super) number: PacketNumber,
    /// When it left.
    pub(super) time_sent: Timestamp,
    /// Its round-trip time, the only sample of the acknowledgement (RFC 9002 §5.1).
    pub(super) rtt_ns: u64,
    /// Whether the window was in use since the last acknowledgement (RFC 9002 §7.8).
    pub(super) window_used: bool,
}

impl AckFold {
    /// A packet left while `window` was in force; less than `slack` below it counts as used.
    pub(super) fn on_packet_sent(&mut self, packet: SentPacket, window: Bytes, slack: Bytes) {
        self.next_number = packet.number.next();
        self.window_used |= packet.bytes_in_flight.saturating_add(slack) >= window;
    }

    /// A packet of the acknowledgement under way.
    pub(super) fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.open.packets += 1;
        if !self.in_recovery(packet.time_sent) {
            self.open.growth_bytes += packet.bytes.as_u64();
        }
        self.open.number = packet.number;
        self.open.time_sent = packet.time_sent;
        // Where the stack cannot tell, the last sample stands.
        if packet.round_trip == RoundTrip::Measured || self.rtt_ns == 0 {
            self.rtt_ns = duration_nanos(now.saturating_since(packet.time_sent)).max(1);
        }
        self.open.rtt_ns = self.rtt_ns;
    }

    /// Ends the acknowledgement under way; nothing where it named no new packet.
    pub(super) fn end(
        &mut self,
        batch: AckBatch,
        window: Bytes,
        slack: Bytes,
    ) -> Option<Acknowledged> {
        let mut acked = core::mem::take(&mut self.open);
        if acked.packets == 0 {
            return None;
        }
        let before = batch
            .bytes_in_flight
            .saturating_add(Bytes::new(acked.growth_bytes));
        acked.window_used = self.window_used || before.saturating_add(slack) >= window;
        self.window_used = false;
        Some(acked)
    }

    /// True for packets that left before the last reduction.
    pub(super) fn in_recovery(&self, time_sent: Timestamp) -> bool {
        self.recovery_start.is_some_and(|start| time_sent <= start)
    }

    /// Begins a recovery period; false for losses that belong to the one under way
    /// (RFC 9002 §7.3.2).
    pub(super) fn enter_recovery(&mut self, now: Timestamp, time_sent: Timestamp) -> bool {
        if self.in_recovery(time_sent) {
            return false;
        }
        self.recovery_start = Some(now);
        true
    }

    /// Forgets the recovery period, after persistent congestion (RFC 9002 §7.6.2).
    pub(super) const fn leave_recovery(&mut self) {
        self.recovery_start = None;
    }

    /// True once a packet is acknowledged that left after the round began.
    pub(super) fn round_is_over(&self, acked: &Acknowledged) -> bool {
        acked.number >= self.round_end
    }

    /// Begins a round: it ends with the acknowledgement of the next packet that leaves.
    pub(super) const fn begin_round(&mut self) {
        self.round_end = self.next_number;
    }
}

/// RFC 9002 §7.2: the minimum is two datagrams; one byte more, because a stack that compares
/// `in_flight + datagram >= window` would stop there.
pub(super) const fn minimum_window(max_datagram_size: Bytes) -> Bytes {
    max_datagram_size
        .saturating_mul(2)
        .saturating_add(Bytes::new(1))
}

/// `segments` in whole bytes, at least the minimum window.
pub(super) fn window_bytes(segments: f64, max_datagram_size: Bytes) -> Bytes {
    let bytes = segments * max_datagram_size.as_u64() as f64;
    Bytes::new((bytes + 0.5) as u64).max(minimum_window(max_datagram_size))
}

/// Bytes as segments of `max_datagram_size`.
pub(super) fn segments(bytes: u64, max_datagram_size: Bytes) -> f64 {
    bytes as f64 / max_datagram_size.as_u64().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: Bytes = Bytes::new(1500);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn acked(number: u64, sent_ms: u64) -> AckedPacket {
        AckedPacket {
            number: PacketNumber::new(number),
            bytes: MTU,
            time_sent: at(sent_ms),
            round_trip: RoundTrip::Measured,
        }
    }

    fn end(fold: &mut AckFold, in_flight: u64) -> Option<Acknowledged> {
        let batch = AckBatch {
            bytes_in_flight: Bytes::new(in_flight),
            ecn_ce_count: 0,
        };
        fold.end(batch, Bytes::new(15_000), Bytes::new(3001))
    }

    #[test]
    fn an_acknowledgement_has_one_sample_and_grows_by_what_left_after_the_reduction() {
        let mut fold = AckFold::default();
        assert!(fold.enter_recovery(at(20), at(5)));
        assert!(!fold.enter_recovery(at(21), at(20)));
        fold.on_packet_acked(at(60), acked(1, 10));
        fold.on_packet_acked(at(60), acked(2, 25));
        let acked = end(&mut fold, 0).unwrap();
        assert_eq!((acked.packets, acked.growth_bytes), (2, 1500));
        assert_eq!(acked.rtt_ns, 35_000_000);
        assert!(end(&mut fold, 0).is_none());
    }

    #[test]
    fn a_window_in_use_counts_once() {
        let mut fold = AckFold::default();
        let sent = SentPacket {
            number: PacketNumber::new(9),
            bytes: MTU,
            bytes_in_flight: Bytes::new(12_000),
        };
        fold.on_packet_sent(sent, Bytes::new(15_000), Bytes::new(3001));
        fold.on_packet_acked(at(60), acked(1, 10));
        assert!(end(&mut fold, 0).unwrap().window_used);
        fold.on_packet_acked(at(61), acked(2, 10));
        assert!(!end(&mut fold, 0).unwrap().window_used);
        fold.begin_round();
        fold.on_packet_acked(at(62), acked(9, 10));
        let early = end(&mut fold, 0).unwrap();
        assert!(!fold.round_is_over(&early));
        fold.on_packet_acked(at(63), acked(10, 11));
        let late = end(&mut fold, 0).unwrap();
        assert!(fold.round_is_over(&late));
    }
}
