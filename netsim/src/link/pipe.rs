//! Packets on their way, in the order of their arrival.

use std::collections::VecDeque;

use crate::transport::Packet;

/// Packets with the times at which they arrive; equal times keep the order of entry.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    packets: VecDeque<(u64, Packet)>,
}

impl Pipe {
    /// When the first packet arrives; `u64::MAX` without any.
    #[inline]
    pub(crate) fn next_ns(&self) -> u64 {
        self.packets.front().map_or(u64::MAX, |first| first.0)
    }

    /// Adds a packet that arrives at `arrival_ns`; later ones are passed over from the back, which
    /// costs as many steps as there are packets that it overtakes.
    #[inline]
    pub(crate) fn push(&mut self, arrival_ns: u64, packet: Packet) {
        if self.packets.back().is_none_or(|last| last.0 <= arrival_ns) {
            self.packets.push_back((arrival_ns, packet));
            return;
        }
        let later = self.packets.iter().rev();
        let later = later.take_while(|waiting| waiting.0 > arrival_ns).count();
        let place = self.packets.len() - later;
        self.packets.insert(place, (arrival_ns, packet));
    }

    /// The first packet, where it arrives by `now_ns`.
    #[inline]
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Packet> {
        if self.next_ns() > now_ns {
            return None;
        }
        self.packets.pop_front().map(|(_, packet)| packet)
    }

    /// The packets on their way.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &Packet> {
        self.packets.iter().map(|(_, packet)| packet)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::Direction;

    proptest! {
        #[test]
        fn packets_come_out_by_time_and_ties_by_entry(times in prop::collection::vec(0_u64..20, 0..60)) {
            let mut pipe = Pipe::default();
            for (number, &time) in times.iter().enumerate() {
                pipe.push(time, Packet::new(0, Direction::Forward, number as u64, 1));
            }
            let mut expected: Vec<(u64, u64)> = times.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            for (time, number) in expected {
                prop_assert_eq!(pipe.next_ns(), time);
                prop_assert_eq!(pipe.pop_due(time).map(|packet| packet.number), Some(number));
            }
            prop_assert_eq!(pipe.pop_due(u64::MAX), None);
        }
    }
}
