//! Someone who follows every packet and every byte of a run.

use std::collections::BTreeMap;

use tautline_core::units::duration_nanos;
use tautline_netsim::scenario::{
    Blacked, EcnSpec, FlowSpec, LinkSpec, LossSpec, QueueSpec, Route, ValidScenario,
};
use tautline_netsim::sim::{Content, DropCause, Observation, Observer};
use tautline_netsim::transport::{Direction, Ecn, Packet};

/// A packet's flow, direction and number.
type Name = (u32, u8, u64);

/// Follows the packets of a run and panics where one does what none may.
pub(crate) struct Witness<'a> {
    scenario: &'a ValidScenario,
    routes: Vec<Vec<Route>>,
    now_ns: u64,
    observations: u64,
    /// Packets in the network, with the time at which they were sent.
    travelling: BTreeMap<Name, (u64, Packet)>,
    /// The last number that arrived, by flow, direction and route.
    last_arrived: BTreeMap<(u32, u8, u16), u64>,
    streams: Vec<Stream>,
    /// Packets dropped or lost, by link.
    pub(crate) gone: Vec<u64>,
}

/// The bytes of a flow.
#[derive(Default)]
struct Stream {
    /// Where new bytes start.
    next: u64,
    /// Payload in packets, by packet number.
    sent: BTreeMap<u64, (u64, u64)>,
    /// Payload that was declared lost and not sent again since.
    missing: BTreeMap<(u64, u64), u64>,
    /// What arrived: start and end of pieces that do not touch.
    arrived: BTreeMap<u64, u64>,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(scenario: &'a ValidScenario) -> Self {
        let flows = scenario.flows();
        Self {
            scenario,
            routes: flows.iter().map(|flow| scenario.routes(flow)).collect(),
            now_ns: 0,
            observations: 0,
            travelling: BTreeMap::new(),
            last_arrived: BTreeMap::new(),
            streams: flows.iter().map(|_| Stream::default()).collect(),
            gone: vec![0; scenario.links().len()],
        }
    }

    /// Data packets of a flow that neither arrived nor went missing.
    pub(crate) fn in_network(&self, flow: u32) -> u64 {
        let data = Direction::Forward as u8;
        let names = self
            .travelling
            .range((flow, data, 0)..=(flow, data, u64::MAX));
        names.count() as u64
    }

    /// Different bytes of a flow that arrived.
    pub(crate) fn arrived_bytes(&self, flow: usize) -> u64 {
        let pieces = self.streams[flow].arrived.iter();
        pieces.map(|(start, end)| end - start).sum()
    }

    /// Bytes of a flow that left at least once.
    pub(crate) fn sent_bytes(&self, flow: usize) -> u64 {
        self.streams[flow].next
    }

    fn way(&self, packet: &Packet) -> &[u16] {
        let route = &self.routes[packet.flow as usize][usize::from(packet.route)];
        match packet.direction {
            Direction::Forward => &route.forward,
            Direction::Backward => &route.backward,
        }
    }

    fn links(&self, packet: &Packet) -> impl Iterator<Item = &LinkSpec> {
        let links = self.scenario.links();
        self.way(packet)
            .iter()
            .map(|&place| &links[usize::from(place)])
    }

    fn flow(&self, packet: &Packet) -> &FlowSpec {
        &self.scenario.flows()[packet.flow as usize]
    }

    fn propagation_ns(&self, packet: &Packet) -> u64 {
        let flow = self.flow(packet);
        let behind = match packet.direction {
            Direction::Forward => self.scenario.one_way_delays(flow).0,
            Direction::Backward => self.scenario.ways_back(flow)[usize::from(packet.route)],
        };
        let within = self.links(packet).map(|link| duration_nanos(link.delay));
        within.sum::<u64>() + duration_nanos(behind)
    }

    /// Whether packets on this way must arrive in the order of their departure.
    fn keeps_order(&self, packet: &Packet) -> bool {
        if self.links(packet).any(|link| link.jitter.reorders()) {
            return false;
        }
        // A classic packet that was marked before takes the other queue of a DualPI2 link.
        let is_dual = |link: &LinkSpec| matches!(link.queue, QueueSpec::DualPi2 { .. });
        let classic = self.flow(packet).ecn == EcnSpec::Classic;
        !(classic && packet.direction == Direction::Forward && self.links(packet).any(is_dual))
    }

    fn arrive(&mut self, packet: &Packet) {
        let direction = packet.direction as u8;
        let travelled = self
            .travelling
            .remove(&(packet.flow, direction, packet.number));
        let (sent_ns, sent) = travelled.expect("a packet that was sent and had not arrived");
        assert_eq!((sent.bytes, sent.offset), (packet.bytes, packet.offset));
        assert_eq!(
            usize::from(packet.hop),
            self.way(packet).len(),
            "{packet:?}"
        );
        let took_ns = self.now_ns - sent_ns;
        let least_ns = self.propagation_ns(packet);
        assert!(
            took_ns >= least_ns,
            "{took_ns} of {least_ns} ns: {packet:?}"
        );
        let marked = packet.ecn == Ecn::Ce && sent.ecn != Ecn::NotEct;
        assert!(packet.ecn == sent.ecn || marked, "{sent:?} {packet:?}");
        let keeps_order = self.keeps_order(packet);
        let way = (packet.flow, direction, packet.route);
        let last = self.last_arrived.insert(way, packet.number);
        if keeps_order {
            assert!(last < Some(packet.number), "{last:?} before {packet:?}");
        }
    }

    fn go_missing(&mut self, link: usize, packet: &Packet, cause: DropCause) {
        let name = (packet.flow, packet.direction as u8, packet.number);
        assert!(self.travelling.remove(&name).is_some(), "{packet:?}");
        let here = usize::from(packet.hop).checked_sub(1).unwrap();
        assert_eq!(usize::from(self.way(packet)[here]), link, "{packet:?}");
        let spec = &self.scenario.links()[link];
        let possible = match cause {
            DropCause::Queue => true,
            DropCause::Policer => spec.policer.is_some(),
            DropCause::Path => {
                let lost = |blackout: &_| matches!(blackout, Blacked::Lost);
                let blackouts = spec.blackouts.iter().map(|blackout| blackout.packets);
                spec.loss != LossSpec::default() || blackouts.into_iter().any(|kind| lost(&kind))
            }
        };
        assert!(possible, "{cause:?} at {spec:?}");
        self.gone[link] += 1;
    }
}

impl Stream {
    /// New bytes follow each other, and only what was lost is sent again.
    fn send(&mut self, packet: &Packet, payload: u64) {
        if payload == 0 {
            return;
        }
        let piece = (packet.offset, payload);
        if packet.offset == self.next {
            self.next += payload;
        } else {
            let missing = self.missing.get_mut(&piece);
            let missing = missing.expect("a piece that was lost");
            *missing -= 1;
            if *missing == 0 {
                self.missing.remove(&piece);
            }
        }
        self.sent.insert(packet.number, piece);
    }

    fn lose(&mut self, number: u64) {
        if let Some(&piece) = self.sent.get(&number) {
            *self.missing.entry(piece).or_default() += 1;
        }
    }

    fn arrive(&mut self, packet: &Packet, payload: u64) {
        let (mut start, mut end) = (packet.offset, packet.offset + payload);
        assert!(end <= self.next, "{packet:?} was never sent");
        if payload == 0 {
            return;
        }
        while let Some((&other, &other_end)) = self.arrived.range(..=end).next_back()
            && other_end >= start
        {
            self.arrived.remove(&other);
            (start, end) = (start.min(other), end.max(other_end));
        }
        self.arrived.insert(start, end);
    }
}

impl Observer for Witness<'_> {
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        assert!(now_ns >= self.now_ns, "{now_ns} after {}", self.now_ns);
        self.now_ns = now_ns;
        self.observations += 1;
        assert!(
            self.observations < MOST_OBSERVATIONS,
            "the run does not end"
        );
        match *observation {
            Observation::Sent(packet, content) => {
                let name = (packet.flow, packet.direction as u8, packet.number);
                let again = self.travelling.insert(name, (now_ns, *packet));
                assert_eq!(again, None, "{packet:?}");
                if let Content::Data { payload } = content {
                    self.streams[packet.flow as usize].send(packet, payload);
                }
            }
            Observation::Received(packet, content) => {
                self.arrive(packet);
                if let Content::Data { payload } = content {
                    self.streams[packet.flow as usize].arrive(packet, payload);
                }
            }
            Observation::Dropped {
                link,
                packet,
                cause,
                ..
            } => self.go_missing(link, packet, cause),
            Observation::Lost { flow, number } => self.streams[flow as usize].lose(number),
            Observation::Metrics { .. } => {}
        }
    }
}

const MOST_OBSERVATIONS: u64 = 2_000_000;
