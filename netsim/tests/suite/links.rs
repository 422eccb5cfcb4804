//! One link of any kind, driven packet by packet.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tautline_core::units::duration_nanos;
use tautline_netsim::link::{Admission, Link};
use tautline_netsim::scenario::{Blacked, CapacitySpec, LinkSpec, QueueSpec};
use tautline_netsim::transport::{Direction, Ecn, Packet};

use crate::graphs::link;

/// Gap before it in nanoseconds, and a packet.
type Arrival = (u64, Packet);

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let ecn = prop_oneof![
        Just(Ecn::NotEct),
        Just(Ecn::Ect0),
        Just(Ecn::Ect1),
        Just(Ecn::Ce),
    ];
    // Half of them come in bursts.
    let gap = prop_oneof![Just(0), 1_u64..4_000_000];
    prop::collection::vec((gap, 0_u32..5, 40_u32..1501, ecn), 1..400).prop_map(|arrivals| {
        let arrivals = arrivals.into_iter().zip(0..);
        let arrival = |((gap, flow, bytes, ecn), number)| {
            let packet = Packet::new(flow, Direction::Forward, number, bytes);
            (gap, Packet { ecn, ..packet })
        };
        arrivals.map(arrival).collect()
    })
}

/// A link under observation.
struct Driven {
    spec: LinkSpec,
    link: Link,
    now_ns: u64,
    arrived: u64,
    dropped: u64,
    left: u64,
    /// Since when the transmitter is busy, and bytes that left it since.
    busy: Option<(u64, u64)>,
    /// The packet that left last, by what keeps its order.
    last_left: BTreeMap<u32, u64>,
}

impl Driven {
    fn new(spec: LinkSpec, seed: u64) -> Self {
        Self {
            link: Link::new(&spec, 0, seed),
            spec,
            now_ns: 0,
            arrived: 0,
            dropped: 0,
            left: 0,
            busy: None,
            last_left: BTreeMap::new(),
        }
    }

    fn arrive(&mut self, gap_ns: u64, packet: Packet) {
        let now_ns = self.now_ns + gap_ns;
        while self.link.departure_ns() <= now_ns {
            self.depart();
        }
        self.now_ns = now_ns;
        self.arrived += 1;
        let packet = Packet {
            enqueued_ns: now_ns,
            ..packet
        };
        if self.link.arrive(now_ns, packet) == Admission::Policed {
            assert!(self.spec.policer.is_some());
            self.dropped += 1;
        }
        self.serve();
    }

    fn serve(&mut self) {
        if let Some(start) = self.link.serve(self.now_ns) {
            assert_eq!(start.waited_ns, self.now_ns - start.packet.enqueued_ns);
            assert!(self.link.departure_ns() >= self.now_ns);
            self.busy.get_or_insert((self.now_ns, 0));
        }
        while self.link.take_dropped().is_some() {
            self.dropped += 1;
        }
        let waiting = self.link.waiting().count() as u64;
        if self.link.departure_ns() == u64::MAX {
            assert_eq!(waiting, 0, "idle while packets wait: {:?}", self.spec);
            self.busy = None;
        } else {
            let bytes = self
                .link
                .waiting()
                .skip(1)
                .map(|packet| u64::from(packet.bytes));
            assert!(self.spec.limit().holds(waiting - 1, bytes.sum()));
        }
        assert_eq!(self.arrived, self.dropped + self.left + waiting);
    }

    fn depart(&mut self) {
        let departure_ns = self.link.departure_ns();
        assert!(departure_ns >= self.now_ns);
        self.now_ns = departure_ns;
        let packet = self.link.depart().unwrap();
        self.left += 1;
        let last = self.last_left.insert(self.class(&packet), packet.number);
        assert!(last < Some(packet.number), "{last:?} before {packet:?}");
        if let Some(exit_ns) = self.link.exit_ns(departure_ns, &packet) {
            assert!(exit_ns >= departure_ns + duration_nanos(self.spec.delay));
        }
        self.check_capacity(&packet);
        self.serve();
    }

    /// Packets of one class leave in the order of their arrival.
    fn class(&self, packet: &Packet) -> u32 {
        match self.spec.queue {
            QueueSpec::FqCoDel { .. } => packet.flow,
            // Flows with odd numbers take the low-latency queue.
            QueueSpec::DualPi2 { .. } => packet.flow % 2,
            _ => 0,
        }
    }

    /// What left since the transmitter was idle last is what its capacity carries.
    fn check_capacity(&mut self, packet: &Packet) {
        let (start_ns, bytes) = self.busy.as_mut().unwrap();
        *bytes += u64::from(packet.bytes);
        let carried = self.link.capacity_bytes(*start_ns, self.now_ns);
        let opportunities = matches!(
            self.spec.capacity,
            CapacitySpec::Trace(_) | CapacitySpec::Cellular(_)
        );
        let repeated = self.spec.blackouts.iter();
        let repeats = repeated
            .into_iter()
            .any(|blackout| blackout.packets == Blacked::Held);
        if opportunities || repeats {
            // Capacity goes to waste where a packet does not fill an opportunity, or is cut; one
            // opportunity may have begun before.
            let carried = self.link.capacity_bytes(*start_ns, self.now_ns + 1);
            let most = carried + OPPORTUNITY_BYTES + self.left;
            assert!(*bytes <= most, "{bytes} of {most}: {:?}", self.spec);
        } else {
            let error = bytes.abs_diff(carried);
            assert!(
                error <= 2 + self.left / 4,
                "{bytes} of {carried}: {:?}",
                self.spec
            );
        }
    }
}

proptest! {
    #[test]
    fn a_link_works_while_something_waits_in_order_and_within_its_limit(
        spec in link(),
        arrivals in arrivals(),
        seed: u64,
    ) {
        let mut driven = Driven::new(spec, seed);
        let dual = matches!(driven.spec.queue, QueueSpec::DualPi2 { .. });
        for (gap_ns, mut packet) in arrivals {
            if dual {
                // Each flow in one of the two queues.
                packet.ecn = [Ecn::NotEct, Ecn::Ect1, Ecn::Ect0, Ecn::Ce][packet.flow as usize % 4];
            }
            driven.arrive(gap_ns, packet);
        }
        while driven.link.departure_ns() < u64::MAX {
            driven.depart();
        }
        prop_assert_eq!(driven.link.backlog().count(), 0);
        prop_assert_eq!(driven.arrived, driven.left + driven.dropped);
    }
}

/// A delivery opportunity of a trace.
const OPPORTUNITY_BYTES: u64 = 1504;
