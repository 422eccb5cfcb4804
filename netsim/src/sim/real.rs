//! What happens at the ends of a flow over a real stack.

use tautline_core::controller::Controller;
use tautline_core::units::{Bandwidth, Timestamp, duration_nanos};

use super::application::wake;
use super::digest::Happening;
use super::flow::Ends;
use super::{Content, Metrics, Observation, Simulation};
use crate::endpoint::{Layer, StackEndpoint, StackStatus};
use crate::ip;
use crate::transport::{Direction, Packet, SenderStats};

impl<C: Controller> Simulation<'_, C> {
    /// The next event of a flow over a real stack: one arrival, or the timers of both ends.
    pub(super) fn act_at_real(&mut self, now_ns: u64, number: u32) {
        let now = Timestamp::from_nanos(now_ns);
        let way = &mut self.flows[number as usize].way;
        let [forward, backward] = &mut way.arriving;
        if let Some(packet) = backward.pop_due(now_ns) {
            self.receive_datagram(now, &packet);
        } else if let Some(packet) = forward.pop_due(now_ns) {
            self.receive_datagram(now, &packet);
        } else if !wake(&mut self.flows[number as usize].application, now)
            && let Ends::Real(real) = &mut self.flows[number as usize].ends
        {
            for end in [&mut real.sender, &mut real.receiver] {
                if end.next_wake() <= now {
                    end.wake(now);
                }
            }
        }
        self.serve_application(now_ns, number);
        self.transmit_datagrams(now, number, Direction::Forward);
        self.transmit_datagrams(now, number, Direction::Backward);
    }

    fn receive_datagram(&mut self, now: Timestamp, packet: &Packet) {
        let now_ns = now.as_nanos();
        let flow = &mut self.flows[packet.flow as usize];
        let Ends::Real(real) = &mut flow.ends else {
            return;
        };
        let direction = packet.direction;
        let Some(mut datagram) = real.datagrams[direction as usize].take(packet.number) else {
            return;
        };
        if real.layer == Layer::Ip && packet.ecn != datagram.ecn {
            ip::set_ecn(&mut datagram.payload, packet.ecn);
        }
        datagram.ecn = packet.ecn;
        if self.observer.is_some() {
            let content = content(real.layer, &datagram.payload);
            if let Some(observer) = &mut self.observer {
                observer.observe(now_ns, &Observation::Received(packet, content));
            }
        }
        match direction {
            Direction::Forward => {
                real.receiver.receive(now, datagram);
                let total = real.receiver.read_total();
                let fresh = total - core::mem::replace(&mut real.read, total);
                if fresh > 0 {
                    real.read_at = now;
                }
                self.note_arrival(now_ns, packet, fresh);
            }
            Direction::Backward => {
                real.sender.receive(now, datagram);
                let status = real.sender.status();
                let rtt_ns = duration_nanos(status.smoothed_rtt);
                if let Some(observer) = &mut self.observer {
                    let (flow, metrics) = (packet.flow, &metrics(&status));
                    observer.observe(now_ns, &Observation::Metrics { flow, metrics });
                }
                if let Some(recorder) = &mut self.recorder {
                    let window = status.window.as_u64();
                    recorder.window(packet.flow as usize, now_ns, window, rtt_ns);
                }
                let (flow, acknowledged) = (packet.flow, packet.number);
                self.digest
                    .fold(Happening::Acknowledged, now_ns, flow, acknowledged);
            }
        }
    }

    /// One end sends what it may.
    fn transmit_datagrams(&mut self, now: Timestamp, number: u32, direction: Direction) {
        let now_ns = now.as_nanos();
        loop {
            let flow = &mut self.flows[number as usize];
            let Ends::Real(real) = &mut flow.ends else {
                return;
            };
            let end: &mut dyn StackEndpoint = match direction {
                Direction::Forward => &mut *real.sender,
                Direction::Backward => &mut *real.receiver,
            };
            let Some(datagram) = end.transmit(now) else {
                return;
            };
            let layer = real.layer;
            let bytes = datagram.payload.len() as u32 + layer.header_bytes();
            let ecn = datagram.ecn;
            let seen = self.observer.is_some().then(|| datagram.payload.clone());
            let place = real.datagrams[direction as usize].put(datagram);
            if direction == Direction::Forward {
                flow.tallies[self.phase].sent += 1;
                self.digest.fold(Happening::Sent, now_ns, number, place);
            }
            let packet = Packet {
                ecn,
                ..Packet::new(number, direction, place, bytes)
            };
            let payload = seen.as_deref().unwrap_or_default();
            self.send(now_ns, packet, content(layer, payload));
        }
    }
}

/// What the bytes of a stack over `layer` are to whoever observes.
pub(super) const fn content(layer: Layer, payload: &[u8]) -> Content<'_> {
    match layer {
        Layer::Udp => Content::Datagram(payload),
        Layer::Ip => Content::IpPacket(payload),
    }
}

/// What a real stack tells of the figures of a sender; the others stay zero.
fn metrics(status: &StackStatus) -> Metrics {
    Metrics {
        window: status.window,
        in_flight: Some(status.bytes_in_flight),
        min_rtt: status.min_rtt,
        smoothed_rtt: status.smoothed_rtt,
        pacing_rate: Bandwidth::MAX,
        ..Metrics::default()
    }
}

/// What a real stack tells of what its sender has done; the others stay zero.
pub(super) fn stack_stats(status: &StackStatus) -> SenderStats {
    SenderStats {
        lost_packets: status.lost_packets,
        rtt_samples: status.rtt_samples,
        rtt_sum_ns: duration_nanos(status.rtt_sum),
        ..SenderStats::default()
    }
}
