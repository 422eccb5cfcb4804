//! Packets on their way, in the order of their arrival.

use core::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::transport::Packet;

/// Packets with the times at which they arrive; equal times keep the order of entry.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// Those that overtook nothing, in order.
    in_order: VecDeque<(u64, Packet)>,
    /// Those that arrive before one of the others that entered before them.
    overtaking: BinaryHeap<Overtaking>,
    /// How many overtook up to now.
    overtakings: u64,
}

impl Pipe {
    /// When the first packet arrives; `u64::MAX` without any.
    #[inline]
    pub(crate) fn next_ns(&self) -> u64 {
        let in_order_ns = self.in_order.front().map_or(u64::MAX, |first| first.0);
        match self.overtaking.peek() {
            None => in_order_ns,
            Some(first) => first.arrival_ns.min(in_order_ns),
        }
    }

    /// Adds a packet that arrives at `arrival_ns`; in constant time where it overtakes nothing,
    /// else with the logarithm of the number of packets that did.
    #[inline]
    pub(crate) fn push(&mut self, arrival_ns: u64, packet: Packet) {
        if self.in_order.back().is_none_or(|last| last.0 <= arrival_ns) {
            self.in_order.push_back((arrival_ns, packet));
        } else {
            self.overtake(arrival_ns, packet);
        }
    }

    #[inline(never)]
    fn overtake(&mut self, arrival_ns: u64, packet: Packet) {
        self.overtakings += 1;
        self.overtaking.push(Overtaking {
            arrival_ns,
            entry: self.overtakings,
            packet,
        });
    }

    /// The first packet, where it arrives by `now_ns`.
    #[inline]
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Packet> {
        let in_order_ns = self.in_order.front().map_or(u64::MAX, |first| first.0);
        if let Some(first) = self.overtaking.peek()
            // What overtook something later is behind all that is in order at its time: while it
            // waits, so does what it overtook, and nothing that arrives sooner enters in order.
            && first.arrival_ns < in_order_ns
        {
            if first.arrival_ns > now_ns {
                return None;
            }
            return self.overtaking.pop().map(|first| first.packet);
        }
        if in_order_ns > now_ns {
            return None;
        }
        self.in_order.pop_front().map(|(_, packet)| packet)
    }

    /// The packets on their way, in no particular order.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &Packet> {
        let in_order = self.in_order.iter().map(|(_, packet)| packet);
        in_order.chain(self.overtaking.iter().map(|waiting| &waiting.packet))
    }
}

/// A packet that overtook another; the greatest arrives first.
#[derive(Debug)]
struct Overtaking {
    arrival_ns: u64,
    /// Counts up with each.
    entry: u64,
    packet: Packet,
}

impl Ord for Overtaking {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.arrival_ns, other.entry).cmp(&(self.arrival_ns, self.entry))
    }
}

impl PartialOrd for Overtaking {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Overtaking {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Overtaking {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::Direction;

    fn packet(number: u64) -> Packet {
        Packet::new(0, Direction::Forward, number, 1)
    }

    #[test]
    fn a_packet_that_overtakes_very_many_comes_out_before_them() {
        let mut pipe = Pipe::default();
        let count = 1 << 18;
        for number in (0..count).rev() {
            pipe.push(1000 + number, packet(number));
        }
        assert_eq!(pipe.packets().count() as u64, count);
        for number in 0..count {
            assert_eq!(pipe.pop_due(999 + number), None);
            assert_eq!(pipe.pop_due(1000 + number), Some(packet(number)));
        }
        assert_eq!(pipe.next_ns(), u64::MAX);
    }

    proptest! {
        #[test]
        fn packets_come_out_by_time_and_ties_by_entry(times in prop::collection::vec(0_u64..20, 0..60)) {
            let mut pipe = Pipe::default();
            for (number, &time) in times.iter().enumerate() {
                pipe.push(time, packet(number as u64));
            }
            let mut expected: Vec<(u64, u64)> = times.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            for (time, number) in expected {
                prop_assert_eq!(pipe.next_ns(), time);
                prop_assert_eq!(pipe.pop_due(time).map(|packet| packet.number), Some(number));
            }
            prop_assert_eq!(pipe.pop_due(u64::MAX), None);
        }

        #[test]
        fn packets_that_enter_while_others_leave_keep_time_and_entry(
            steps in prop::collection::vec((0_u64..3, 0_u64..8), 0..80),
        ) {
            let mut pipe = Pipe::default();
            let mut waiting: Vec<(u64, u64)> = Vec::new();
            let mut now_ns = 0;
            for (number, (gap_ns, delay_ns)) in (0_u64..).zip(steps) {
                now_ns += gap_ns;
                pipe.push(now_ns + delay_ns, packet(number));
                waiting.push((now_ns + delay_ns, number));
                waiting.sort_unstable();
                prop_assert_eq!(pipe.next_ns(), waiting[0].0);
                while waiting.first().is_some_and(|first| first.0 <= now_ns) {
                    prop_assert_eq!(pipe.pop_due(now_ns), Some(packet(waiting.remove(0).1)));
                }
                prop_assert_eq!(pipe.pop_due(now_ns), None);
                prop_assert_eq!(pipe.packets().count(), waiting.len());
            }
        }
    }
}
