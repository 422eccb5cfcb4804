//! One flow while a run goes on: both of its ends and its way through the network.

use std::collections::VecDeque;

use tautline_core::controller::Controller;
use tautline_core::units::{Timestamp, duration_nanos};

use super::Content;
use super::digest::Digest;
use super::parcels::Parcels;
use super::real::content;
use crate::endpoint::{Datagram, Endpoint as _, Layer, Request, StackEndpoint};
use crate::link::Pipe;
use crate::report::PacketCounts;
use crate::scenario::{FlowSpec, Route, ValidScenario, WorkloadSpec};
use crate::transport::{Ack, Direction, Packet, Receiver, Sender, SenderStats};
use crate::workload::Application;

/// What is counted per flow, separately before and in the measurement window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) delivered: u64,
    /// Payload that arrived for the first time.
    pub(super) delivered_bytes: u64,
    pub(super) dropped: u64,
    pub(super) random_lost: u64,
}

/// A flow: what stands at its ends, and how packets get from one to the other.
#[derive(Debug)]
pub(super) struct Flow<C> {
    pub(super) ends: Ends<C>,
    /// What stands on top of the ends; none for bulk data over the transport model, which the
    /// sender knows itself.
    pub(super) application: Option<Box<Application>>,
    pub(super) way: Way,
    pub(super) tallies: [Tally; 2],
    /// What the sender had done when the measurement began.
    pub(super) at_warmup: SenderStats,
    /// Data packets still on their way when the run ends.
    pub(super) in_network: u64,
    /// Number and sum of the waits at each hop, in nanoseconds, in the measurement window.
    pub(super) waits: Vec<(u64, u64)>,
    /// Arrivals at the receiver, in their order.
    pub(super) arrivals: Digest,
}

/// What stands at the ends of a flow.
#[derive(Debug)]
pub(super) enum Ends<C> {
    /// The transport model.
    Model(Box<Model<C>>),
    /// Two endpoints of a real stack.
    Real(Real),
}

/// A sender, its receiver, and the acknowledgements between them.
#[derive(Debug)]
pub(super) struct Model<C> {
    pub(super) sender: Sender<C>,
    pub(super) receiver: Receiver,
    /// Acknowledgements on a way back without links, with the time of their arrival, which never
    /// decreases.
    pub(super) acks: VecDeque<(u64, Ack)>,
    /// What travels back as packets.
    pub(super) parcels: Parcels<Parcel>,
}

/// What a packet on the way back carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parcel {
    Ack(Ack),
    Request(Request),
}

/// Two endpoints of a real stack.
pub(super) struct Real {
    /// What the datagrams of both ends are.
    pub(super) layer: Layer,
    pub(super) sender: Box<dyn StackEndpoint>,
    pub(super) receiver: Box<dyn StackEndpoint>,
    /// Datagrams in the network, by direction.
    pub(super) datagrams: [Parcels<Datagram>; 2],
    /// Bytes that the receiver had read at the last look.
    pub(super) read: u64,
    /// When it last read something new.
    pub(super) read_at: Timestamp,
}

impl core::fmt::Debug for Real {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Real").finish_non_exhaustive()
    }
}

/// How a flow's packets get from end to end.
#[derive(Debug)]
pub(super) struct Way {
    routes: Vec<Route>,
    current: u16,
    change_ns: u64,
    /// Propagation behind the last link, towards the receiver and back on each route.
    ahead_ns: u64,
    back_ns: Vec<u64>,
    /// Packets behind the last link, by direction.
    pub(super) arriving: [Pipe; 2],
    /// What the receiver does on an arrival is computed when the arrival is certain, ahead of time:
    /// nothing can overtake a packet behind its last link, and acknowledgements meet nobody on
    /// their way back. Everything else is then known without an event of its own.
    pub(super) express: bool,
    /// Nothing but acknowledgements travels back, and over no links, so that they need not become
    /// packets to keep their place among others of the same instant.
    pub(super) only_acks_return: bool,
}

impl Way {
    pub(super) fn new(spec: &FlowSpec, scenario: &ValidScenario, express: bool) -> Self {
        let routes = scenario.routes(spec);
        let (ahead, _) = scenario.one_way_delays(spec);
        let back = scenario.ways_back(spec);
        let free = routes.iter().all(|route| route.backward.is_empty());
        let asks = matches!(
            spec.workload,
            WorkloadSpec::RequestResponse { .. } | WorkloadSpec::Video { .. }
        );
        let change_ns = routes.get(1).map_or(u64::MAX, |route| route.at.as_nanos());
        Self {
            routes,
            current: 0,
            change_ns,
            ahead_ns: duration_nanos(ahead),
            back_ns: back.into_iter().map(duration_nanos).collect(),
            arriving: [Pipe::default(), Pipe::default()],
            express,
            only_acks_return: free && !asks,
        }
    }

    /// The route in force now.
    #[inline]
    pub(super) fn route_at(&mut self, now_ns: u64) -> u16 {
        while now_ns >= self.change_ns {
            self.current += 1;
            let next = self.routes.get(usize::from(self.current) + 1);
            self.change_ns = next.map_or(u64::MAX, |route| route.at.as_nanos());
        }
        self.current
    }

    /// The link that `packet` enters next; `None` behind its last.
    #[inline]
    pub(super) fn next_link(&self, packet: &Packet) -> Option<u16> {
        let route = self.routes.get(usize::from(packet.route))?;
        let links = match packet.direction {
            Direction::Forward => &route.forward,
            Direction::Backward => &route.backward,
        };
        links.get(usize::from(packet.hop)).copied()
    }

    /// Propagation of a packet behind its last link.
    #[inline]
    pub(super) fn tail_ns(&self, packet: &Packet) -> u64 {
        match packet.direction {
            Direction::Forward => self.ahead_ns,
            Direction::Backward => self.back_ns(packet.route),
        }
    }

    /// Propagation behind the last link on the way back of a route.
    #[inline]
    pub(super) fn back_ns(&self, route: u16) -> u64 {
        self.back_ns.get(usize::from(route)).copied().unwrap_or(0)
    }

    /// Links of the longest way towards the receiver.
    pub(super) fn longest(&self) -> usize {
        let links = self.routes.iter().map(|route| route.forward.len());
        links.max().unwrap_or(0)
    }

    fn next_ns(&self) -> u64 {
        let [forward, backward] = &self.arriving;
        forward.next_ns().min(backward.next_ns())
    }
}

impl<C: Controller> Model<C> {
    /// A packet is certain to arrive at `arrival_ns`; the receiver answers ahead of time. Answers
    /// how much of its payload is new.
    #[inline]
    pub(super) fn deliver(&mut self, arrival_ns: u64, packet: Packet, back_ns: u64) -> u64 {
        let due = self.receiver.next_wake();
        if due.as_nanos() < arrival_ns {
            // The delayed acknowledgement leaves before this packet arrives.
            self.answer(due, back_ns);
        }
        let arrival = Timestamp::from_nanos(arrival_ns);
        let fresh = self.receiver.accept(arrival, packet);
        self.answer(arrival, back_ns);
        fresh
    }

    /// Acknowledgements that are due leave on a way back without links.
    #[inline]
    pub(super) fn answer(&mut self, now: Timestamp, back_ns: u64) {
        while let Some(ack) = self.receiver.transmit(now) {
            self.acks.push_back((now.as_nanos() + back_ns, ack));
        }
    }

    #[inline]
    fn next_ns(&self) -> u64 {
        let ack_ns = self
            .acks
            .front()
            .map_or(u64::MAX, |&(arrival_ns, _)| arrival_ns);
        let timers = self.receiver.next_wake().min(self.sender.next_wake());
        ack_ns.min(timers.as_nanos())
    }
}

impl<C: Controller> Flow<C> {
    /// The earliest of all that can happen here.
    #[inline]
    pub(super) fn next_ns(&self) -> u64 {
        let own_ns = match &self.ends {
            Ends::Model(model) => model.next_ns(),
            Ends::Real(real) => {
                let (sender, receiver) = (real.sender.next_wake(), real.receiver.next_wake());
                sender.min(receiver).as_nanos()
            }
        };
        if self.way.express {
            return own_ns;
        }
        let application = self.application.as_ref();
        let application_ns =
            application.map_or(u64::MAX, |application| application.next_wake().as_nanos());
        own_ns.min(self.way.next_ns()).min(application_ns)
    }

    /// The bytes of a packet in the network, where a real stack made it.
    pub(super) fn content_of(&self, packet: &Packet) -> Option<Content<'_>> {
        let Ends::Real(real) = &self.ends else {
            return None;
        };
        let datagram = real.datagrams[packet.direction as usize].peek(packet.number)?;
        Some(content(real.layer, &datagram.payload))
    }

    /// Packets of the measurement window.
    pub(super) fn measured(&self) -> PacketCounts {
        PacketCounts {
            in_network: 0,
            ..counts(&self.tallies[1])
        }
    }

    /// Packets of the whole run.
    pub(super) fn totals(&self) -> PacketCounts {
        let [before, window] = &self.tallies;
        PacketCounts {
            in_network: self.in_network,
            ..counts(before).plus(&counts(window))
        }
    }
}

fn counts(tally: &Tally) -> PacketCounts {
    PacketCounts {
        sent: tally.sent,
        delivered: tally.delivered,
        dropped: tally.dropped,
        random_lost: tally.random_lost,
        in_network: 0,
    }
}
