//! Links: a policer, a queue, a transmitter with a capacity, impairments, and propagation.

pub mod capacity;
pub mod impair;
pub mod queue;

mod pipe;

pub(crate) use pipe::Pipe;

use capacity::{AnyCapacity, Capacity as _};
use impair::{Impairments, Policer};
use queue::{AnyQueue, Queue as _};
use tautline_core::units::duration_nanos;

use crate::rng::{Component, Stream};
use crate::scenario::LinkSpec;
use crate::transport::Packet;

/// A transmitter that serves one packet at a time from a queue, and the way behind it.
#[derive(Debug)]
pub struct Link {
    policer: Option<Policer>,
    queue: AnyQueue,
    capacity: AnyCapacity,
    impairments: Impairments,
    delay_ns: u64,
    in_service: Option<Packet>,
    departure_ns: u64,
    /// Packets that propagate towards the next link.
    pipe: Pipe,
    /// Packets that the queue dropped in the call that is going on.
    dropped: Vec<Packet>,
}

/// A packet whose transmission began, and how long it had waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceStart {
    /// The packet.
    pub packet: Packet,
    /// Time between its arrival and the start of its transmission.
    pub waited_ns: u64,
}

/// Where a packet that arrives goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// To the queue, which may still drop it.
    Queued,
    /// Nowhere: the policer has no tokens for it.
    Policed,
}

impl Link {
    /// The link number `number` of a scenario, idle, in a run with `seed`.
    pub fn new(spec: &LinkSpec, number: u32, seed: u64) -> Self {
        let stream = |component| Stream::at_place(seed, component, number);
        let capacity = AnyCapacity::new(&spec.capacity, stream(Component::Capacity));
        Self {
            policer: spec.policer.as_ref().map(Policer::new),
            queue: AnyQueue::new(&spec.queue, spec.limit(), stream(Component::Queue)),
            capacity: capacity.with_blackouts(&spec.blackouts),
            impairments: Impairments::new(
                &spec.loss,
                &spec.jitter,
                spec.aggregation,
                &spec.blackouts,
                (seed, number),
            ),
            delay_ns: duration_nanos(spec.delay),
            in_service: None,
            departure_ns: u64::MAX,
            pipe: Pipe::default(),
            dropped: Vec::new(),
        }
    }

    /// The same link in a run that ends at `end_ns`: transmissions that end later need no answer,
    /// so random capacities are not drawn any further. To be called before the first packet.
    #[must_use]
    pub fn until(mut self, end_ns: u64) -> Self {
        self.capacity = self.capacity.until(end_ns);
        self
    }

    /// When something happens here; `u64::MAX` for never.
    #[inline]
    pub fn next_ns(&self) -> u64 {
        self.departure_ns.min(self.pipe.next_ns())
    }

    /// When the packet in transmission leaves; `u64::MAX` while idle.
    #[inline]
    pub const fn departure_ns(&self) -> u64 {
        self.departure_ns
    }

    /// Packets in transmission and in the queue.
    pub fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.in_service.iter().chain(self.queue.waiting())
    }

    /// Packets in the queue, in transmission and in propagation to the next link.
    pub fn backlog(&self) -> impl Iterator<Item = &Packet> {
        self.waiting().chain(self.pipe.packets())
    }

    /// Whether packets may come out in another order than they went in.
    pub fn reorders(&self) -> bool {
        self.impairments.reorders()
    }

    /// Bytes that would pass between two times at full use.
    pub fn capacity_bytes(&self, from_ns: u64, until_ns: u64) -> u64 {
        self.capacity.capacity_bytes(from_ns, until_ns)
    }

    /// The same between each two neighbours of `times_ns`, which increase.
    pub fn capacity_between(&self, times_ns: &[u64]) -> Vec<u64> {
        self.capacity.capacity_between(times_ns)
    }

    /// Why the capacity ended early, if it did.
    pub fn failure(&self) -> Option<String> {
        self.capacity.failure().map(ToString::to_string)
    }

    /// A packet arrives. [`Link::take_dropped`] tells what the queue dropped, and
    /// [`Link::serve`] starts a transmission where the transmitter is idle.
    #[inline]
    pub fn arrive(&mut self, now_ns: u64, packet: Packet) -> Admission {
        if let Some(policer) = &mut self.policer
            && !policer.admits(now_ns, packet.bytes)
        {
            return Admission::Policed;
        }
        self.queue.enqueue(now_ns, packet, &mut self.dropped);
        Admission::Queued
    }

    /// Starts the next transmission where the transmitter is idle and something waits.
    #[inline]
    pub fn serve(&mut self, now_ns: u64) -> Option<ServiceStart> {
        if self.in_service.is_some() {
            return None;
        }
        let packet = self.queue.dequeue(now_ns, &mut self.dropped)?;
        self.departure_ns = self.capacity.finish_ns(now_ns, packet.bytes);
        self.in_service = Some(packet);
        Some(ServiceStart {
            packet,
            waited_ns: now_ns - packet.enqueued_ns,
        })
    }

    /// The packet in transmission leaves at [`Link::departure_ns`].
    #[inline]
    pub fn depart(&mut self) -> Option<Packet> {
        self.departure_ns = u64::MAX;
        self.in_service.take()
    }

    /// When `packet`, which left the transmitter now, reaches the end of the link; `None` where it
    /// is lost on the way.
    #[inline]
    pub fn exit_ns(&mut self, now_ns: u64, packet: &Packet) -> Option<u64> {
        let stay_ns = now_ns.saturating_sub(packet.enqueued_ns);
        let exit_ns = self.impairments.exit_ns(now_ns, stay_ns)?;
        Some(exit_ns.saturating_add(self.delay_ns))
    }

    /// One of the packets that the queue dropped.
    #[inline]
    pub fn take_dropped(&mut self) -> Option<Packet> {
        self.dropped.pop()
    }

    /// Lets `packet` propagate to the next link, where it arrives at `exit_ns`.
    #[inline]
    pub(crate) fn propagate(&mut self, exit_ns: u64, packet: Packet) {
        self.pipe.push(exit_ns, packet);
    }

    /// The packet that reached the end of the link by `now_ns`.
    #[inline]
    pub(crate) fn take_exited(&mut self, now_ns: u64) -> Option<Packet> {
        self.pipe.pop_due(now_ns)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use tautline_core::units::{Bandwidth, Bytes};

    use super::capacity::{CapacitySpec, CellularSpec};
    use super::*;
    use crate::scenario::Buffer;
    use crate::transport::Direction;

    // Without an end, the search for the first opportunity would take ten billion steps.
    #[test]
    fn a_cellular_link_that_hardly_ever_serves_is_soon_known_not_to() {
        let rate = Bandwidth::from_bits_per_sec(1000);
        let mut spec = LinkSpec::new(rate, Duration::ZERO, Buffer::Bytes(Bytes::new(3000)));
        spec.capacity = CapacitySpec::Cellular(CellularSpec {
            mean: rate,
            volatility: 0.5,
            outage_every: Duration::from_millis(1),
            outage: Duration::from_hours(1),
        });
        let second_ns = 1_000_000_000;
        let mut link = Link::new(&spec, 0, 1).until(second_ns);
        link.arrive(0, Packet::new(0, Direction::Forward, 0, 1500));
        assert!(link.serve(0).is_some());
        assert_eq!(link.departure_ns(), u64::MAX);
        assert_eq!(link.capacity_bytes(0, second_ns), 0);
    }

    #[test]
    fn the_packet_in_transmission_does_not_occupy_the_queue() {
        let rate = Bandwidth::from_bits_per_sec(12_000_000);
        let spec = LinkSpec::new(rate, Duration::ZERO, Buffer::Bytes(Bytes::new(3000)));
        let mut link = Link::new(&spec, 0, 1);
        let packet = |number| Packet::new(0, Direction::Forward, number, 1500);
        let starts: Vec<bool> = (0..4)
            .map(|number| {
                link.arrive(0, packet(number));
                link.serve(0).is_some()
            })
            .collect();
        assert_eq!(starts, [true, false, false, false]);
        assert_eq!(link.take_dropped(), Some(packet(3)));
        assert_eq!(link.departure_ns(), 1_000_000);
        assert_eq!(link.depart(), Some(packet(0)));
        let start = link.serve(1_000_000).unwrap();
        assert_eq!((start.packet.number, start.waited_ns), (1, 1_000_000));
        assert_eq!(
            (link.departure_ns(), link.backlog().count()),
            (2_000_000, 2)
        );
    }
}
