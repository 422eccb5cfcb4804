//! What passes an end of a connection, for figures that smoltcp does not tell.

use std::collections::VecDeque;
use std::time::Duration;

use smoltcp::wire::{Ipv4Packet, TcpPacket, TcpSeqNumber};
use tautline_core::units::{Bytes, Timestamp, duration_nanos};

/// Looks at the packets of one connection and changes nothing.
///
/// Round-trip times are those of segments that were sent once, up to the acknowledgement that covers
/// them; one that covers a segment which was sent again tells none (RFC 6298 §3).
#[derive(Debug, Default)]
pub(super) struct Watch {
    sent_packets: u64,
    retransmissions: u64,
    /// Payload that left for the first time.
    departed: u64,
    /// Segments not acknowledged yet, in their order.
    outstanding: VecDeque<Sent>,
    /// First byte that is not acknowledged, and the one behind the last that left.
    una: Option<TcpSeqNumber>,
    next: Option<TcpSeqNumber>,
    pub(super) round_trips: RoundTrips,
}

/// A segment with data.
#[derive(Clone, Copy, Debug)]
struct Sent {
    end: TcpSeqNumber,
    at: Timestamp,
    again: bool,
}

/// Samples since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RoundTrips {
    pub(super) samples: u64,
    pub(super) sum: Duration,
    /// Zero before the first, as the next.
    pub(super) least: Duration,
    /// RFC 6298 §2.
    pub(super) smoothed: Duration,
}

impl RoundTrips {
    fn sample(&mut self, rtt: Duration) {
        if self.samples == 0 {
            self.least = rtt;
            self.smoothed = rtt;
        } else {
            self.least = self.least.min(rtt);
            let smoothed = u128::from(duration_nanos(self.smoothed)) * 7;
            let mixed = (smoothed + u128::from(duration_nanos(rtt))) / 8;
            self.smoothed = Duration::from_nanos(u64::try_from(mixed).unwrap_or(u64::MAX));
        }
        self.samples += 1;
        self.sum = self.sum.saturating_add(rtt);
    }
}

impl Watch {
    /// Packets that left, pure acknowledgements included.
    pub(super) const fn sent_packets(&self) -> u64 {
        self.sent_packets
    }

    /// Segments that left with data of which some had left before.
    pub(super) const fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    /// Bytes of payload that left, those sent again counted once.
    pub(super) const fn departed(&self) -> u64 {
        self.departed
    }

    /// Payload between the first byte that is not acknowledged and the last that left.
    pub(super) fn bytes_in_flight(&self) -> Bytes {
        match (self.una, self.next) {
            (Some(una), Some(next)) if next > una => Bytes::new((next - una) as u64),
            _ => Bytes::ZERO,
        }
    }

    /// A packet left.
    pub(super) fn on_departure(&mut self, now: Timestamp, packet: &[u8]) {
        self.sent_packets += 1;
        let Some(segment) = segment(packet) else {
            return;
        };
        let (start, payload) = (segment.seq_number(), segment.payload().len());
        // The byte of a SYN stands before the data.
        let start = if segment.syn() { start + 1 } else { start };
        let next = *self.next.get_or_insert(start);
        self.una.get_or_insert(start);
        if payload == 0 {
            return;
        }
        let end = start + payload;
        if start < next {
            self.retransmissions += 1;
            let touched = |sent: &&mut Sent| start < sent.end;
            let touched = self.outstanding.iter_mut().filter(touched);
            touched
                .take_while(|sent| sent.end <= end)
                .for_each(|sent| sent.again = true);
        }
        if end > next {
            self.next = Some(end);
            self.departed += (end - next) as u64;
            let again = start < next;
            self.outstanding.push_back(Sent {
                end,
                at: now,
                again,
            });
        }
    }

    /// A packet arrived.
    pub(super) fn on_arrival(&mut self, now: Timestamp, packet: &[u8]) {
        let Some(segment) = segment(packet) else {
            return;
        };
        let (Some(una), Some(next)) = (self.una, self.next) else {
            return;
        };
        let ack = segment.ack_number();
        if !segment.ack() || ack <= una || ack > next {
            return;
        }
        self.una = Some(ack);
        let mut newest = None;
        let mut again = false;
        while let Some(&sent) = self.outstanding.front()
            && sent.end <= ack
        {
            self.outstanding.pop_front();
            again |= sent.again;
            newest = Some(sent.at);
        }
        if let (Some(at), false) = (newest, again) {
            let rtt = now.as_nanos().saturating_sub(at.as_nanos());
            self.round_trips.sample(Duration::from_nanos(rtt));
        }
    }
}

/// The TCP segment in an IPv4 packet, if there is one.
fn segment(packet: &[u8]) -> Option<TcpPacket<&[u8]>> {
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    TcpPacket::new_checked(packet.payload()).ok()
}

#[cfg(test)]
mod tests {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Address, Ipv4Repr, TcpControl, TcpRepr};

    use super::*;

    /// Below the wrap of sequence numbers.
    const FIRST: i32 = -1500;

    fn packet(seq: i32, ack: Option<i32>, control: TcpControl, payload: &[u8]) -> Vec<u8> {
        let tcp = TcpRepr {
            src_port: 1000,
            dst_port: 2000,
            control,
            seq_number: TcpSeqNumber(seq),
            ack_number: ack.map(TcpSeqNumber),
            window_len: 1000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let address = Ipv4Address::new(10, 0, 0, 1);
        let ip = Ipv4Repr {
            src_addr: address,
            dst_addr: address,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        };
        let mut bytes = vec![0; 20 + tcp.buffer_len()];
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
        ip.emit(&mut packet, &ChecksumCapabilities::default());
        let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
        let end = IpAddress::Ipv4(address);
        tcp.emit(&mut segment, &end, &end, &ChecksumCapabilities::default());
        bytes
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    /// Three segments of 1000 bytes a millisecond apart, across the wrap.
    fn sent() -> Watch {
        let mut watch = Watch::default();
        let data = [0; 1000];
        watch.on_departure(at(0), &packet(FIRST - 1, None, TcpControl::Syn, &[]));
        for (millis, seq) in [(1, FIRST), (2, FIRST + 1000), (3, FIRST + 2000)] {
            watch.on_departure(at(millis), &packet(seq, Some(1), TcpControl::None, &data));
        }
        watch
    }

    fn ack(watch: &mut Watch, millis: u64, number: i32) {
        let ack = packet(1, Some(number), TcpControl::None, &[]);
        watch.on_arrival(at(millis), &ack);
    }

    #[test]
    fn an_acknowledgement_is_a_sample_of_the_newest_segment_it_covers() {
        let mut watch = sent();
        assert_eq!(watch.bytes_in_flight(), Bytes::new(3000));
        assert_eq!(watch.departed(), 3000);
        ack(&mut watch, 42, FIRST + 2000);
        assert_eq!(watch.round_trips.least, Duration::from_millis(40));
        assert_eq!(watch.bytes_in_flight(), Bytes::new(1000));
        // Twice the same, and one of what never left.
        ack(&mut watch, 43, FIRST + 2000);
        ack(&mut watch, 44, FIRST + 4000);
        ack(&mut watch, 91, FIRST + 3000);
        assert_eq!(watch.round_trips.samples, 2);
        assert_eq!(watch.round_trips.sum, Duration::from_millis(128));
        assert_eq!(watch.round_trips.smoothed, Duration::from_millis(46));
        assert_eq!(watch.bytes_in_flight(), Bytes::ZERO);
        assert_eq!((watch.sent_packets(), watch.retransmissions()), (4, 0));
    }

    #[test]
    fn an_acknowledgement_of_what_was_sent_again_is_no_sample() {
        let mut watch = sent();
        let again = packet(FIRST, Some(1), TcpControl::None, &[0; 1000]);
        watch.on_departure(at(30), &again);
        assert_eq!((watch.retransmissions(), watch.departed()), (1, 3000));
        ack(&mut watch, 70, FIRST + 2000);
        assert_eq!(watch.round_trips.samples, 0);
        ack(&mut watch, 71, FIRST + 3000);
        assert_eq!(watch.round_trips.least, Duration::from_millis(68));
    }

    #[test]
    fn what_is_no_segment_is_left_alone() {
        let mut watch = Watch::default();
        for bytes in [&[][..], &[0x45; 10], &[0x60; 80]] {
            watch.on_departure(at(0), bytes);
            watch.on_arrival(at(0), bytes);
        }
        assert_eq!(watch.round_trips, RoundTrips::default());
    }
}
