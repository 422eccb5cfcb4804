//! A fluid-free toy path: a FIFO of fixed rate and propagation delay, one acknowledgement per
//! packet, driven by a controller's window alone.

use std::collections::VecDeque;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, RoundTrip, SentPacket,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

pub(crate) const MTU: u64 = 1200;

pub(crate) struct Path {
    pub(crate) now: u64,
    pub(crate) service_nanos: u64,
    pub(crate) rtt_nanos: u64,
    pub(crate) buffer_packets: u64,
    /// What comes on top of each packet's propagation, given its number and what is queued.
    pub(crate) jitter: Box<dyn Fn(u64, u64) -> u64>,
    last_back: u64,
    next_free: u64,
    next_number: u64,
    /// (ack time, number, sent time, dropped).
    flying: VecDeque<(u64, u64, u64, bool)>,
}

impl Path {
    pub(crate) fn new(service_nanos: u64, rtt_nanos: u64, buffer_packets: u64) -> Self {
        Self {
            now: 0,
            service_nanos,
            rtt_nanos,
            buffer_packets,
            jitter: Box::new(|_, _| 0),
            last_back: 0,
            next_free: 0,
            next_number: 0,
            flying: VecDeque::new(),
        }
    }

    fn in_flight(&self) -> Bytes {
        Bytes::new(self.flying.len() as u64 * MTU)
    }

    fn fill<C: Controller>(&mut self, controller: &mut C) {
        while self.in_flight().as_u64() + MTU <= controller.decision().congestion_window.as_u64() {
            let queued = self.next_free.saturating_sub(self.now) / self.service_nanos;
            let dropped = queued >= self.buffer_packets;
            if !dropped {
                self.next_free = self.next_free.max(self.now) + self.service_nanos;
            }
            let jitter = (self.jitter)(self.next_number, queued);
            let back = self.next_free.max(self.now) + self.rtt_nanos + jitter;
            let back = back.max(self.last_back);
            self.last_back = back;
            self.flying
                .push_back((back, self.next_number, self.now, dropped));
            let packet = SentPacket {
                number: PacketNumber::new(self.next_number),
                bytes: Bytes::new(MTU),
                bytes_in_flight: self.in_flight(),
            };
            controller.on_packet_sent(Timestamp::from_nanos(self.now), packet);
            self.next_number += 1;
        }
    }

    /// Runs until `until_nanos`; returns the packets delivered.
    pub(crate) fn run<C: Controller>(&mut self, controller: &mut C, until_nanos: u64) -> u64 {
        let mut delivered = 0;
        self.fill(controller);
        while let Some((back, number, sent, dropped)) = self.flying.pop_front() {
            if back > until_nanos {
                self.flying.push_front((back, number, sent, dropped));
                break;
            }
            self.now = back;
            let (now, sent) = (Timestamp::from_nanos(back), Timestamp::from_nanos(sent));
            let number = PacketNumber::new(number);
            if dropped {
                let trigger = CongestionTrigger::Loss {
                    packets: 1,
                    bytes: Bytes::new(MTU),
                };
                let bytes_in_flight = self.in_flight();
                let event = CongestionEvent {
                    trigger,
                    number,
                    time_sent: sent,
                    bytes_in_flight,
                };
                controller.on_congestion_event(now, event);
            } else {
                delivered += 1;
                let bytes = Bytes::new(MTU);
                controller.on_packet_acked(
                    now,
                    AckedPacket {
                        number,
                        bytes,
                        time_sent: sent,
                        round_trip: RoundTrip::Measured,
                    },
                );
                let bytes_in_flight = self.in_flight();
                controller.on_ack_end(
                    now,
                    AckBatch {
                        bytes_in_flight,
                        ecn_ce_count: 0,
                    },
                );
            }
            self.fill(controller);
        }
        delivered
    }
}
