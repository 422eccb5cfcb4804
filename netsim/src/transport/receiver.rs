//! The receiving side: ranges of what arrived and when to say so.

use tautline_core::units::Timestamp;

use super::reassembly::Reassembly;
use super::{Ack, Ecn, MAX_RANGES, NEVER, Packet, Range};
use crate::endpoint::Endpoint;
use crate::scenario::TransportSpec;

/// Acknowledges every `ack_every` packets, at once where packets are missing, and never later
/// than `max_ack_delay` (RFC 9000 §13.2).
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Newest first, disjoint, with gaps between them.
    ranges: [Range; MAX_RANGES],
    count: usize,
    largest_arrival_ns: u64,
    unacknowledged: u32,
    /// When the pending acknowledgement is due; [`NEVER`] without one.
    due_ns: u64,
    ack_every: u32,
    max_ack_delay_ns: u64,
    duplicates: u64,
    overhead: u64,
    ce_count: u16,
    stream: Reassembly,
}

impl Receiver {
    /// A receiver that has seen nothing.
    pub fn new(transport: &TransportSpec) -> Self {
        Self {
            ranges: [Range { start: 0, end: 0 }; MAX_RANGES],
            count: 0,
            largest_arrival_ns: 0,
            unacknowledged: 0,
            due_ns: NEVER,
            ack_every: transport.ack_every,
            max_ack_delay_ns: tautline_core::units::duration_nanos(transport.max_ack_delay),
            duplicates: 0,
            overhead: u64::from(transport.overhead_bytes),
            ce_count: 0,
            stream: Reassembly::default(),
        }
    }

    /// Packets that arrived more than once.
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Payload that arrived without a gap since the start.
    pub const fn read_total(&self) -> u64 {
        self.stream.contiguous()
    }

    /// Takes a packet in; answers how much of its payload is new.
    #[inline]
    pub fn accept(&mut self, now: Timestamp, packet: Packet) -> u64 {
        let now_ns = now.as_nanos();
        let in_order = self.insert(now_ns, packet.number);
        if self.count > 1 {
            self.forget_below(packet.floor);
        }
        self.unacknowledged += 1;
        // RFC 9000 §13.2.1: gaps and marks are reported at once.
        let marked = packet.ecn == Ecn::Ce;
        self.ce_count = self.ce_count.wrapping_add(u16::from(marked));
        if !in_order || marked || self.unacknowledged >= self.ack_every {
            self.due_ns = now_ns;
        } else if self.due_ns == NEVER {
            self.due_ns = now_ns.saturating_add(self.max_ack_delay_ns);
        }
        let payload = u64::from(packet.bytes).saturating_sub(self.overhead);
        self.stream.insert(packet.offset, payload)
    }

    /// Adds `number` to the ranges; true where it continues what arrived before.
    fn insert(&mut self, now_ns: u64, number: u64) -> bool {
        let in_order = if self.count == 0 {
            number == 0
        } else {
            self.ranges[0].end + 1 == number
        };
        if in_order && self.count > 0 {
            self.ranges[0].end = number;
            self.largest_arrival_ns = now_ns;
            return true;
        }
        if self.count == 0 || number > self.ranges[0].end {
            self.open(0, number);
            self.largest_arrival_ns = now_ns;
            return in_order;
        }
        self.fill(number);
        false
    }

    /// Opens a range of one packet at `position`; the oldest range falls out where there are
    /// too many.
    fn open(&mut self, position: usize, number: u64) {
        if position >= MAX_RANGES {
            return;
        }
        let last = self.count.min(MAX_RANGES - 1);
        self.ranges.copy_within(position..last, position + 1);
        self.ranges[position] = Range {
            start: number,
            end: number,
        };
        self.count = (self.count + 1).min(MAX_RANGES);
    }

    /// Places a packet older than the newest one.
    fn fill(&mut self, number: u64) {
        let position = (0..self.count).find(|&at| self.ranges[at].start <= number);
        let position = position.unwrap_or(self.count);
        if position < self.count && number <= self.ranges[position].end {
            self.duplicates += 1;
            return;
        }
        // The range above cannot hold it; it may touch it, the one below, or both.
        let touches_above = position > 0 && self.ranges[position - 1].start == number + 1;
        let touches_below = position < self.count && self.ranges[position].end + 1 == number;
        match (touches_above, touches_below) {
            (true, true) => {
                self.ranges[position - 1].start = self.ranges[position].start;
                self.ranges.copy_within(position + 1..self.count, position);
                self.count -= 1;
            }
            (true, false) => self.ranges[position - 1].start = number,
            (false, true) => self.ranges[position].end = number,
            (false, false) => self.open(position, number),
        }
    }

    fn forget_below(&mut self, floor: u64) {
        while self.count > 1 && self.ranges[self.count - 1].end < floor {
            self.count -= 1;
        }
    }
}

impl Endpoint for Receiver {
    type Incoming = Packet;
    type Outgoing = Ack;

    #[inline]
    fn receive(&mut self, now: Timestamp, incoming: Packet) {
        self.accept(now, incoming);
    }

    fn wake(&mut self, _now: Timestamp) {
        // The due time itself tells `transmit` what to do.
    }

    #[inline]
    fn transmit(&mut self, now: Timestamp) -> Option<Ack> {
        let now_ns = now.as_nanos();
        if self.due_ns > now_ns {
            return None;
        }
        self.due_ns = NEVER;
        self.unacknowledged = 0;
        let delay_ns = now_ns.saturating_sub(self.largest_arrival_ns);
        Some(Ack::new(&self.ranges[..self.count], delay_ns).with_ce_count(self.ce_count))
    }

    #[inline]
    fn next_wake(&self) -> Timestamp {
        Timestamp::from_nanos(self.due_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Direction;

    fn receive(receiver: &mut Receiver, now_ns: u64, number: u64) -> Option<Ack> {
        let now = Timestamp::from_nanos(now_ns);
        let packet = Packet {
            offset: number * 1448,
            ..Packet::new(0, Direction::Forward, number, 1500)
        };
        receiver.receive(now, packet);
        receiver.transmit(now)
    }

    #[test]
    fn every_second_packet_is_acknowledged_at_once() {
        let mut receiver = Receiver::new(&TransportSpec::default());
        assert_eq!(receive(&mut receiver, 10, 0), None);
        assert_eq!(receiver.next_wake(), Timestamp::from_nanos(25_000_010));
        let ack = receive(&mut receiver, 20, 1).unwrap();
        assert_eq!((ack.largest(), ack.delay_ns), (1, 0));
        assert_eq!(receiver.next_wake(), Timestamp::MAX);
    }

    #[test]
    fn a_lone_packet_is_acknowledged_after_the_maximum_delay() {
        let mut receiver = Receiver::new(&TransportSpec::default());
        assert_eq!(receive(&mut receiver, 0, 0), None);
        let due = receiver.next_wake();
        let ack = receiver.transmit(due).unwrap();
        assert_eq!(ack.delay_ns, 25_000_000);
    }

    #[test]
    fn gaps_and_late_packets_are_acknowledged_at_once_with_merged_ranges() {
        let mut receiver = Receiver::new(&TransportSpec::default());
        receive(&mut receiver, 1, 0);
        let ack = receive(&mut receiver, 2, 2).unwrap();
        let ranges: Vec<Range> = ack.ascending().collect();
        assert_eq!(
            ranges,
            [Range { start: 0, end: 0 }, Range { start: 2, end: 2 }]
        );
        let ack = receive(&mut receiver, 3, 1).unwrap();
        let ranges: Vec<Range> = ack.ascending().collect();
        assert_eq!(ranges, [Range { start: 0, end: 2 }]);
        assert_eq!(receiver.duplicates(), 0);
        receive(&mut receiver, 4, 1);
        assert_eq!(receiver.duplicates(), 1);
    }

    #[test]
    fn only_the_newest_ranges_are_kept() {
        let mut receiver = Receiver::new(&TransportSpec::default());
        for number in 0..20 {
            receive(&mut receiver, number, 2 * number);
        }
        let ack = receive(&mut receiver, 50, 40).unwrap();
        assert_eq!(ack.ascending().count(), MAX_RANGES);
        assert_eq!(ack.ascending().next(), Some(Range { start: 32, end: 32 }));
    }
}
