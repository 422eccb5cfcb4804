//! What happens at links.

use tautline_core::controller::Controller;

use super::digest::Happening;
use super::flow::Ends;
use super::{DropCause, Observation, Simulation};
use crate::link::{Admission, ServiceStart};
use crate::transport::{Direction, Ecn, Packet};

impl<C: Controller> Simulation<'_, C> {
    /// The next event of link number `number`.
    #[inline]
    pub(super) fn act_at_link(&mut self, now_ns: u64, number: u32) {
        let at = number as usize;
        if self.links[at].departure_ns() <= now_ns {
            self.depart(now_ns, at);
        } else if let Some(packet) = self.links[at].take_exited(now_ns) {
            let next = self.flows[packet.flow as usize].way.next_link(&packet);
            if let Some(next) = next {
                self.enter(now_ns, usize::from(next), packet);
            }
        }
        self.link_agenda.set(number, self.links[at].next_ns());
    }

    /// A packet arrives at a link.
    #[inline]
    pub(super) fn enter(&mut self, now_ns: u64, at: usize, mut packet: Packet) {
        packet.enqueued_ns = now_ns;
        packet.hop += 1;
        packet.ecn_before = packet.ecn;
        let tally = &mut self.usages[at].counts[self.phase];
        tally.arrived += 1;
        let link = &mut self.links[at];
        if link.arrive(now_ns, packet) == Admission::Policed {
            self.drop_packet(now_ns, at, packet, DropCause::Policer);
            return;
        }
        self.serve(now_ns, at);
        self.link_agenda.set(at as u32, self.links[at].next_ns());
    }

    /// The transmitter takes the next packet where it is idle, and what the queue dropped
    /// meanwhile is counted.
    #[inline]
    fn serve(&mut self, now_ns: u64, at: usize) {
        if let Some(start) = self.links[at].serve(now_ns) {
            self.note_wait(now_ns, at, start);
        }
        while let Some(packet) = self.links[at].take_dropped() {
            self.drop_packet(now_ns, at, packet, DropCause::Queue);
        }
    }

    /// A packet leaves the transmitter: it is lost, or the end of the link is certain.
    #[inline]
    fn depart(&mut self, now_ns: u64, at: usize) {
        let Some(packet) = self.links[at].depart() else {
            return;
        };
        self.serve(now_ns, at);
        let tally = &mut self.usages[at].counts[self.phase];
        tally.left += 1;
        tally.left_bytes += u64::from(packet.bytes);
        let Some(exit_ns) = self.links[at].exit_ns(now_ns, &packet) else {
            self.drop_packet(now_ns, at, packet, DropCause::Path);
            return;
        };
        if self.flows[packet.flow as usize]
            .way
            .next_link(&packet)
            .is_some()
        {
            self.links[at].propagate(exit_ns, packet);
        } else {
            self.approach(exit_ns, packet);
        }
    }

    /// A packet is behind its last link at `exit_ns`.
    #[inline]
    pub(super) fn approach(&mut self, exit_ns: u64, packet: Packet) {
        let number = packet.flow;
        let flow = &mut self.flows[number as usize];
        let arrival_ns = exit_ns + flow.way.tail_ns(&packet);
        if let (true, Ends::Model(model)) = (flow.way.express, &mut flow.ends) {
            let back_ns = flow.way.back_ns(packet.route);
            let fresh = model.deliver(arrival_ns, packet, back_ns);
            self.note_arrival(arrival_ns, &packet, fresh);
        } else {
            flow.way.arriving[packet.direction as usize].push(arrival_ns, packet);
        }
        let next_ns = self.flows[number as usize].next_ns();
        self.flow_agenda.set(number, next_ns);
    }

    /// A data packet with `fresh` bytes of new payload arrives at its receiver, now or ahead of
    /// time.
    #[inline]
    pub(super) fn note_arrival(&mut self, arrival_ns: u64, packet: &Packet, fresh: u64) {
        let flow = &mut self.flows[packet.flow as usize];
        if arrival_ns > self.end_ns {
            flow.in_network += 1;
            return;
        }
        let tally = &mut flow.tallies[usize::from(arrival_ns >= self.warmup_ns)];
        tally.delivered += 1;
        tally.delivered_bytes += fresh;
        let what = Happening::Delivered;
        flow.arrivals
            .fold(what, arrival_ns, packet.flow, packet.number);
        if let Some(recorder) = &mut self.recorder {
            recorder.delivered(packet.flow as usize, arrival_ns, fresh);
        }
    }

    /// A packet goes no further.
    #[cold]
    fn drop_packet(&mut self, now_ns: u64, at: usize, packet: Packet, cause: DropCause) {
        let link = &mut self.usages[at].counts[self.phase];
        let (in_link, what) = match cause {
            DropCause::Path => (&mut link.lost, Happening::RandomLost),
            DropCause::Queue | DropCause::Policer => (&mut link.dropped, Happening::Dropped),
        };
        *in_link += 1;
        self.digest.fold(what, now_ns, packet.flow, packet.number);
        if at == 0
            && cause != DropCause::Path
            && let Some(recorder) = &mut self.recorder
        {
            recorder.dropped(now_ns);
        }
        let flow = &mut self.flows[packet.flow as usize];
        if let Some(observer) = &mut self.observer {
            let dropped = Observation::Dropped {
                link: at,
                packet: &packet,
                cause,
                content: flow.content_of(&packet),
            };
            observer.observe(now_ns, &dropped);
        }
        if packet.direction == Direction::Forward {
            let tally = &mut flow.tallies[self.phase];
            match cause {
                DropCause::Path => tally.random_lost += 1,
                DropCause::Queue | DropCause::Policer => tally.dropped += 1,
            }
        }
        flow.discard(&packet);
    }

    #[inline]
    fn note_wait(&mut self, now_ns: u64, at: usize, start: ServiceStart) {
        let usage = &mut self.usages[at];
        usage.queue_delay.record(start.waited_ns);
        let packet = &start.packet;
        let marked = packet.ecn == Ecn::Ce && packet.ecn_before != Ecn::Ce;
        usage.counts[self.phase].marked += u64::from(marked);
        if self.phase == 1 && packet.direction == Direction::Forward {
            let hops = &mut self.flows[packet.flow as usize].waits;
            if let Some((count, sum_ns)) = hops.get_mut(usize::from(packet.hop) - 1) {
                *count += 1;
                *sum_ns += start.waited_ns;
            }
        }
        if at == 0
            && let Some(recorder) = &mut self.recorder
        {
            recorder.waited(now_ns, start.waited_ns);
        }
    }
}
