//! The bottleneck: a queue, a transmitter with a rate, and the path behind it.

mod drop_tail;
mod path;
mod rate;

pub use drop_tail::DropTail;
pub use path::Path;
pub use rate::RateSchedule;

use crate::transport::Packet;

/// What stands before a transmitter.
pub trait Queue {
    /// Takes `packet` in, or hands it back where it is dropped.
    ///
    /// # Errors
    /// The packet that does not fit.
    fn enqueue(&mut self, packet: Packet) -> Result<(), Packet>;

    /// The packet that is transmitted next.
    fn dequeue(&mut self) -> Option<Packet>;

    /// The packets that wait, in order.
    fn waiting(&self) -> impl Iterator<Item = &Packet>;
}

/// A transmitter that serves one packet at a time from a queue.
#[derive(Debug)]
pub struct Bottleneck<Q> {
    queue: Q,
    rates: RateSchedule,
    in_service: Option<Packet>,
    departure_ns: u64,
}

/// A packet whose transmission began, and how long it had waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceStart {
    /// The flow of the packet.
    pub flow: u32,
    /// Time between its arrival and the start of its transmission.
    pub waited_ns: u64,
}

impl<Q: Queue> Bottleneck<Q> {
    /// An idle transmitter.
    pub const fn new(queue: Q, rates: RateSchedule) -> Self {
        Self {
            queue,
            rates,
            in_service: None,
            departure_ns: u64::MAX,
        }
    }

    /// When the packet in transmission leaves; `u64::MAX` while idle.
    #[inline]
    pub const fn departure_ns(&self) -> u64 {
        self.departure_ns
    }

    /// Packets in transmission and in the queue.
    pub fn backlog(&self) -> impl Iterator<Item = &Packet> {
        self.in_service.iter().chain(self.queue.waiting())
    }

    /// A packet arrives: it starts transmission at once where the transmitter is idle.
    ///
    /// # Errors
    /// The packet itself where the queue drops it.
    #[inline]
    pub fn arrive(&mut self, now_ns: u64, packet: Packet) -> Result<Option<ServiceStart>, Packet> {
        if self.in_service.is_some() {
            return self.queue.enqueue(packet).map(|()| None);
        }
        Ok(Some(self.serve(now_ns, packet)))
    }

    /// The packet in transmission leaves at [`Bottleneck::departure_ns`], and the next one starts.
    #[inline]
    pub fn depart(&mut self) -> Option<(Packet, Option<ServiceStart>)> {
        let packet = self.in_service.take()?;
        let now_ns = self.departure_ns;
        self.departure_ns = u64::MAX;
        let next = self.queue.dequeue().map(|next| self.serve(now_ns, next));
        Some((packet, next))
    }

    #[inline]
    fn serve(&mut self, now_ns: u64, packet: Packet) -> ServiceStart {
        self.departure_ns = self.rates.finish_ns(now_ns, packet.bytes);
        self.in_service = Some(packet);
        ServiceStart {
            flow: packet.flow,
            waited_ns: now_ns - packet.enqueued_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::RateStep;
    use tautline_core::units::{Bandwidth, Bytes};

    fn packet(number: u64, enqueued_ns: u64) -> Packet {
        Packet {
            number,
            floor: 0,
            enqueued_ns,
            bytes: 1500,
            flow: 0,
        }
    }

    #[test]
    fn the_packet_in_transmission_does_not_occupy_the_queue() {
        let rates = RateSchedule::new(&[RateStep::from_start(Bandwidth::from_bits_per_sec(
            12_000_000,
        ))]);
        let mut link = Bottleneck::new(DropTail::new(Bytes::new(3000)), rates);
        assert!(link.arrive(0, packet(0, 0)).unwrap().is_some());
        assert_eq!(link.arrive(0, packet(1, 0)), Ok(None));
        assert_eq!(link.arrive(0, packet(2, 0)), Ok(None));
        assert_eq!(link.arrive(0, packet(3, 0)), Err(packet(3, 0)));
        assert_eq!(link.departure_ns(), 1_000_000);
        let (left, next) = link.depart().unwrap();
        assert_eq!(left.number, 0);
        assert_eq!(
            next,
            Some(ServiceStart {
                flow: 0,
                waited_ns: 1_000_000
            })
        );
        assert_eq!(
            (link.departure_ns(), link.backlog().count()),
            (2_000_000, 2)
        );
    }
}
