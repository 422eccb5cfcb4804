//! A threshold on the waiting time.

use core::time::Duration;

use super::fifo::{Fifo, sojourn_ns};
use super::{Limit, Queue, nanoseconds};
use crate::transport::{Ecn, Packet};

/// First in, first out; ECN-capable packets that waited for a threshold or longer are marked as
/// they leave, unless nothing waits behind them. Drops what does not fit.
///
/// The exception is Th_len of RFC 9332 Appendix A: where one packet takes longer on the wire than
/// the threshold, a sender of two packets per round trip would be marked for ever without it.
#[derive(Debug)]
pub struct Step {
    fifo: Fifo,
    limit: Limit,
    threshold_ns: u64,
}

impl Step {
    /// An empty queue of at most `limit`.
    pub fn new(threshold: Duration, limit: Limit) -> Self {
        Self {
            fifo: Fifo::new(),
            limit,
            threshold_ns: nanoseconds(threshold),
        }
    }
}

impl Queue for Step {
    #[inline]
    fn enqueue(&mut self, _now_ns: u64, packet: Packet, dropped: &mut Vec<Packet>) {
        if self.limit.fits(self.fifo.len(), self.fifo.bytes(), &packet) {
            self.fifo.push(packet);
        } else {
            dropped.push(packet);
        }
    }

    #[inline]
    fn dequeue(&mut self, now_ns: u64, _dropped: &mut Vec<Packet>) -> Option<Packet> {
        let mut packet = self.fifo.pop()?;
        let is_late = sojourn_ns(&packet, now_ns) >= self.threshold_ns;
        if is_late && packet.ecn.is_capable() && !self.fifo.is_empty() {
            packet.ecn = Ecn::Ce;
        }
        Some(packet)
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.fifo.iter()
    }

    #[inline]
    fn bytes(&self) -> u64 {
        self.fifo.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::queue::tests::packet;

    #[test]
    fn capable_packets_are_marked_from_the_threshold_on_unless_nothing_waits_behind() {
        let mut queue = Step::new(Duration::from_millis(1), Limit::Packets(10));
        let mut dropped = vec![];
        let arriving = [Ecn::Ect1, Ecn::Ect1, Ecn::NotEct, Ecn::Ect0, Ecn::Ect1];
        for (number, ecn) in arriving.into_iter().enumerate() {
            queue.enqueue(0, packet(0, number as u64, 1500, ecn), &mut dropped);
        }
        let mut marked_at = |now_ns| queue.dequeue(now_ns, &mut dropped).unwrap().ecn;
        assert_eq!(marked_at(999_999), Ecn::Ect1);
        assert_eq!(marked_at(1_000_000), Ecn::Ce);
        assert_eq!(marked_at(2_000_000), Ecn::NotEct);
        assert_eq!(marked_at(2_000_000), Ecn::Ce);
        assert_eq!(marked_at(2_000_000), Ecn::Ect1);
        assert_eq!(dropped, []);
    }
}
