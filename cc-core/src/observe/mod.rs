//! The per-ACK fold and what it yields once a round.
//!
//! Rounds are delimited by packet number, never by a timer. Decision k notes the next packet
//! number as its marker; decision k+1 falls with the first acknowledgement that covers a packet
//! at or after it. Its statistics cover exactly the packets sent between decisions k−1 and k, so a
//! round is never shorter than one round-trip time and the marker packet counts in the next one.

mod memory;
mod rtt;

pub use memory::{Memory, View};
pub use rtt::{MinRtt, SmoothedRtt};

use core::time::Duration;

use crate::controller::{AckedPacket, SentPacket};
use crate::units::{Bytes, PacketNumber, Timestamp, duration_nanos};

/// What one round showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Mean of the round's RTT samples, one per acknowledgement; zero if there was none.
    pub mean_rtt: Duration,
    /// Smallest of them.
    pub min_rtt: Duration,
    /// Packets of the round that were acknowledged.
    pub acked_packets: u64,
    /// Their size.
    pub acked_bytes: Bytes,
    /// Packets declared lost during the round.
    pub lost_packets: u64,
    /// Packets reported as ECN-CE marked during the round.
    pub ce_packets: u64,
    /// Most bytes in flight at any departure of the round.
    pub max_bytes_in_flight: Bytes,
}

/// Folds events into rounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rounds {
    /// First packet of the round being judged: the marker of the decision before last.
    start: PacketNumber,
    /// First packet of the round after it: the last decision's marker.
    marker: PacketNumber,
    next_number: PacketNumber,
    current: Fold,
    next: Fold,
    marker_acked: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fold {
    rtt_sum_nanos: u64,
    rtt_samples: u64,
    min_rtt_nanos: u64,
    /// The largest packet of the acknowledgement under way speaks for it: the others waited for
    /// it at the receiver.
    pending_rtt: Option<Duration>,
    acked_packets: u64,
    acked_bytes: Bytes,
    lost_packets: u64,
    ce_packets: u64,
    max_bytes_in_flight: Bytes,
}

impl Rounds {
    /// Notes a departure.
    pub fn on_packet_sent(&mut self, packet: SentPacket) {
        self.next_number = packet.number.next();
        self.next.max_bytes_in_flight = self.next.max_bytes_in_flight.max(packet.bytes_in_flight);
    }

    /// Folds one acknowledged packet.
    pub fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        let fold = if packet.number >= self.marker {
            self.marker_acked = true;
            &mut self.next
        } else if packet.number >= self.start {
            &mut self.current
        } else {
            return;
        };
        fold.acked_packets = fold.acked_packets.saturating_add(1);
        fold.acked_bytes = fold.acked_bytes.saturating_add(packet.bytes);
        if let Some(sample) = packet.round_trip_time(now) {
            fold.pending_rtt = Some(sample);
        }
    }

    /// Closes one acknowledgement; yields the judged round if this acknowledgement ended it.
    pub fn on_ack_end(&mut self, ecn_ce_count: u64) -> Option<Observation> {
        self.current.settle_rtt();
        self.next.settle_rtt();
        self.current.ce_packets = self.current.ce_packets.saturating_add(ecn_ce_count);
        if !self.marker_acked {
            return None;
        }
        let observation = self.current.observation(&self.next);
        self.marker_acked = false;
        self.current = core::mem::take(&mut self.next);
        self.start = self.marker;
        self.marker = self.next_number;
        Some(observation)
    }

    /// Counts packets declared lost; reports that come after the acknowledgement that ended a
    /// round count in the next one.
    pub fn on_lost(&mut self, packets: u64) {
        self.current.lost_packets = self.current.lost_packets.saturating_add(packets);
    }
}

impl Fold {
    fn settle_rtt(&mut self) {
        let Some(sample) = self.pending_rtt.take() else {
            return;
        };
        let nanos = duration_nanos(sample);
        self.rtt_sum_nanos = self.rtt_sum_nanos.saturating_add(nanos);
        self.rtt_samples = self.rtt_samples.saturating_add(1);
        self.min_rtt_nanos = if self.rtt_samples == 1 {
            nanos
        } else {
            self.min_rtt_nanos.min(nanos)
        };
    }

    /// A round whose every packet was lost borrows the RTT of the one that followed.
    fn observation(&self, next: &Self) -> Observation {
        let rtt = if self.rtt_samples == 0 { next } else { self };
        let mean = rtt.rtt_sum_nanos.checked_div(rtt.rtt_samples).unwrap_or(0);
        Observation {
            mean_rtt: Duration::from_nanos(mean),
            min_rtt: Duration::from_nanos(rtt.min_rtt_nanos),
            acked_packets: self.acked_packets,
            acked_bytes: self.acked_bytes,
            lost_packets: self.lost_packets,
            ce_packets: self.ce_packets,
            max_bytes_in_flight: self.max_bytes_in_flight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::RoundTrip;

    fn sent(rounds: &mut Rounds, number: u64) {
        rounds.on_packet_sent(SentPacket {
            number: PacketNumber::new(number),
            bytes: Bytes::new(1000),
            bytes_in_flight: Bytes::new(1000 * (number + 1)),
        });
    }

    fn acked(rounds: &mut Rounds, number: u64, rtt_millis: u64) {
        rounds.on_packet_acked(
            Timestamp::from_nanos(rtt_millis * 1_000_000),
            AckedPacket {
                number: PacketNumber::new(number),
                bytes: Bytes::new(1000),
                time_sent: Timestamp::ZERO,
                round_trip: RoundTrip::Measured,
            },
        );
    }

    #[test]
    fn the_marker_packet_counts_in_the_next_round() {
        let mut rounds = Rounds::default();
        (0..4).for_each(|number| sent(&mut rounds, number));
        acked(&mut rounds, 0, 40);
        assert!(
            rounds.on_ack_end(0).is_some(),
            "packet 0 is the first marker"
        );
        (4..8).for_each(|number| sent(&mut rounds, number));
        for number in 1..4 {
            acked(&mut rounds, number, 40 + number);
            assert!(rounds.on_ack_end(0).is_none());
        }
        rounds.on_lost(2);
        acked(&mut rounds, 4, 90);
        let round = rounds.on_ack_end(0).unwrap();
        assert_eq!(round.acked_packets, 4, "packets 0 to 3");
        assert_eq!(round.mean_rtt, Duration::from_micros(41_500));
        assert_eq!(round.min_rtt, Duration::from_millis(40));
        assert_eq!(round.lost_packets, 2);
    }

    #[test]
    fn a_lost_marker_does_not_stop_the_rounds() {
        let mut rounds = Rounds::default();
        (0..4).for_each(|number| sent(&mut rounds, number));
        acked(&mut rounds, 2, 40);
        assert!(rounds.on_ack_end(0).is_some());
    }

    #[test]
    fn the_largest_packet_of_an_acknowledgement_gives_its_round_trip_time() {
        let mut rounds = Rounds::default();
        sent(&mut rounds, 0);
        acked(&mut rounds, 0, 40);
        rounds.on_ack_end(0);
        (1..3).for_each(|number| sent(&mut rounds, number));
        acked(&mut rounds, 1, 60);
        acked(&mut rounds, 2, 50);
        rounds.on_ack_end(0);
        sent(&mut rounds, 3);
        acked(&mut rounds, 3, 45);
        let round = rounds.on_ack_end(0).unwrap();
        assert_eq!(
            (round.mean_rtt, round.acked_packets),
            (Duration::from_millis(50), 2)
        );
    }

    #[test]
    fn a_round_lost_whole_borrows_the_next_ones_round_trip_time() {
        let mut rounds = Rounds::default();
        sent(&mut rounds, 0);
        acked(&mut rounds, 0, 40);
        rounds.on_ack_end(0);
        sent(&mut rounds, 1);
        sent(&mut rounds, 2);
        rounds.on_ack_end(0);
        let marker = 3;
        acked(&mut rounds, 1, 41);
        rounds.on_ack_end(0);
        rounds.on_lost(1);
        sent(&mut rounds, marker);
        acked(&mut rounds, marker, 70);
        let round = rounds.on_ack_end(0).unwrap();
        assert_eq!(round.mean_rtt, Duration::from_millis(41));
    }
}
