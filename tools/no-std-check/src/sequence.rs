//! Long seeded sequences of events that lead a controller through its phases.
//!
//! [`Manner::Path`] sends over a bottleneck whose rate, delay, loss and marks change every few
//! hundred packets; [`Manner::Adversary`] gives arguments of any magnitude in any order, as a
//! hostile peer could.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RoundTrip,
    SentPacket, Timeout,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

/// Where events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A bottleneck with a queue.
    Path,
    /// Whatever is worst.
    Adversary,
}

/// One call of a transport; an acknowledgement of one packet is two calls of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A packet leaves.
    Sent(SentPacket),
    /// One more packet of the acknowledgement to come.
    Acked(AckedPacket),
    /// An acknowledgement of one packet.
    Ack(AckedPacket, AckBatch),
    /// Loss, marks or persistent congestion.
    Congestion(CongestionEvent),
    /// A probe timeout.
    Timeout(Timeout),
    /// Another datagram size.
    Mtu(Bytes),
}

impl Step {
    /// What it is, in a word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::Acked(_) => "further-packet",
            Self::Ack(..) => "ack",
            Self::Congestion(_) => "congestion",
            Self::Timeout(_) => "timeout",
            Self::Mtu(_) => "mtu",
        }
    }

    /// Gives it to the controller. Callgrind counts this function and what it calls.
    #[inline(never)]
    pub fn tautline_counted<C: Controller>(&self, now: Timestamp, controller: &mut C) {
        match *self {
            Self::Sent(packet) => controller.on_packet_sent(now, packet),
            Self::Acked(packet) => controller.on_packet_acked(now, packet),
            Self::Ack(packet, batch) => {
                controller.on_packet_acked(now, packet);
                controller.on_ack_end(now, batch);
            }
            Self::Congestion(event) => controller.on_congestion_event(now, event),
            Self::Timeout(timeout) => controller.on_timeout(now, timeout),
            Self::Mtu(size) => controller.on_mtu_update(now, size),
        }
    }
}

/// The source of steps.
#[derive(Clone, Debug)]
pub struct Sequence {
    manner: Manner,
    state: u64,
    now: u64,
    next_number: u64,
    flying: [Flying; MOST_FLYING],
    first: usize,
    count: usize,
    bytes_in_flight: u64,
    link_free_at: u64,
    service_nanos: u64,
    delay_nanos: u64,
    loss_percent: u64,
    mark_percent: u64,
    most_flying: usize,
    timeouts: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flying {
    number: u64,
    sent: u64,
    arrives: u64,
    lost: bool,
}

impl Sequence {
    /// The sequence of a seed.
    pub fn new(manner: Manner, seed: u64) -> Self {
        let mut sequence = Self {
            manner,
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: 0,
            next_number: 0,
            flying: [Flying::default(); MOST_FLYING],
            first: 0,
            count: 0,
            bytes_in_flight: 0,
            link_free_at: 0,
            service_nanos: 0,
            delay_nanos: 0,
            loss_percent: 0,
            mark_percent: 0,
            most_flying: 0,
            timeouts: 0,
        };
        sequence.change_path();
        sequence
    }

    /// The next step under the decision in force, and when it happens.
    pub fn step(&mut self, decision: Decision) -> (Timestamp, Step) {
        let step = match self.manner {
            Manner::Path => self.path(decision.congestion_window.as_u64()),
            Manner::Adversary => self.adversary(),
        };
        (Timestamp::from_nanos(self.now), step)
    }

    fn path(&mut self, window: u64) -> Step {
        if self.below(700) == 0 {
            self.change_path();
        }
        let room = self.bytes_in_flight.saturating_add(DATAGRAM) <= window;
        if (room && self.count < self.most_flying) || self.count == 0 {
            return self.send();
        }
        if self.below(400) == 0 {
            self.timeouts = self.timeouts.saturating_add(1);
            let bytes_in_flight = Bytes::new(self.bytes_in_flight);
            return Step::Timeout(Timeout {
                count: self.timeouts,
                bytes_in_flight,
            });
        }
        self.arrive()
    }

    fn send(&mut self) -> Step {
        let number = self.next_number;
        self.next_number += 1;
        self.bytes_in_flight += DATAGRAM;
        self.link_free_at = self.link_free_at.max(self.now) + self.service_nanos;
        let lost = self.below(100) < self.loss_percent;
        let arrives = self.link_free_at + self.delay_nanos;
        let place = (self.first + self.count) % MOST_FLYING;
        self.flying[place] = Flying {
            number,
            sent: self.now,
            arrives,
            lost,
        };
        self.count += 1;
        Step::Sent(SentPacket {
            number: PacketNumber::new(number),
            bytes: Bytes::new(DATAGRAM),
            bytes_in_flight: Bytes::new(self.bytes_in_flight),
        })
    }

    fn arrive(&mut self) -> Step {
        let Flying {
            number,
            sent,
            arrives,
            lost,
        } = self.flying[self.first];
        self.first = (self.first + 1) % MOST_FLYING;
        self.count -= 1;
        self.bytes_in_flight -= DATAGRAM;
        self.now = self.now.max(arrives);
        let (number, time_sent) = (PacketNumber::new(number), Timestamp::from_nanos(sent));
        let bytes_in_flight = Bytes::new(self.bytes_in_flight);
        if lost {
            let bytes = Bytes::new(DATAGRAM);
            let trigger = match self.below(300) {
                0 => CongestionTrigger::Persistent,
                _ => CongestionTrigger::Loss { packets: 1, bytes },
            };
            return Step::Congestion(CongestionEvent {
                trigger,
                number,
                time_sent,
                bytes_in_flight,
            });
        }
        self.timeouts = 0;
        let round_trip = if self.below(50) == 0 {
            RoundTrip::Ambiguous
        } else {
            RoundTrip::Measured
        };
        let bytes = Bytes::new(DATAGRAM);
        let packet = AckedPacket {
            number,
            bytes,
            time_sent,
            round_trip,
        };
        if self.below(3) == 0 && self.count > 0 && !self.flying[self.first].lost {
            return Step::Acked(packet);
        }
        let ecn_ce_count = u64::from(self.below(100) < self.mark_percent);
        Step::Ack(
            packet,
            AckBatch {
                bytes_in_flight,
                ecn_ce_count,
            },
        )
    }

    fn change_path(&mut self) {
        self.service_nanos = 20_000 << self.below(8);
        self.delay_nanos = 1_000_000 << self.below(9);
        self.loss_percent = [0, 0, 0, 1, 3, 20][self.below(6) as usize];
        self.mark_percent = [0, 0, 5, 50][self.below(4) as usize];
        self.most_flying = [4, 16, 200, 200][self.below(4) as usize];
    }

    fn adversary(&mut self) -> Step {
        // Up to a second later, rarely much more.
        let later = match self.below(64) {
            0 => self.any() >> 8,
            _ => self.below(Duration::from_secs(1).as_nanos() as u64),
        };
        self.now = self.now.saturating_add(later);
        let number = match self.below(4) {
            0 => PacketNumber::new(self.any() & (u64::MAX >> 2)),
            _ => PacketNumber::new(self.next_number),
        };
        self.next_number = self.next_number.wrapping_add(self.below(3));
        let time_sent = match self.below(4) {
            0 => Timestamp::from_nanos(self.any()),
            _ => Timestamp::from_nanos(self.now.saturating_sub(self.any() >> 20)),
        };
        let (bytes, bytes_in_flight) = (Bytes::new(self.any()), Bytes::new(self.any()));
        let round_trip = if self.below(8) == 0 {
            RoundTrip::Ambiguous
        } else {
            RoundTrip::Measured
        };
        let packet = AckedPacket {
            number,
            bytes,
            time_sent,
            round_trip,
        };
        match self.below(32) {
            0..=9 => Step::Sent(SentPacket {
                number,
                bytes,
                bytes_in_flight,
            }),
            10..=12 => Step::Acked(packet),
            13..=27 => {
                let ecn_ce_count = if self.below(2) == 0 { 0 } else { self.any() };
                Step::Ack(
                    packet,
                    AckBatch {
                        bytes_in_flight,
                        ecn_ce_count,
                    },
                )
            }
            28 => Step::Timeout(Timeout {
                count: self.below(5) as u32,
                bytes_in_flight,
            }),
            29 if self.below(8) == 0 => Step::Mtu(Bytes::new(self.any())),
            _ => {
                let trigger = match self.below(40) {
                    0 => CongestionTrigger::Persistent,
                    1..=9 => CongestionTrigger::EcnCe,
                    _ => CongestionTrigger::Loss {
                        packets: self.any(),
                        bytes,
                    },
                };
                Step::Congestion(CongestionEvent {
                    trigger,
                    number,
                    time_sent,
                    bytes_in_flight,
                })
            }
        }
    }

    /// A number of any magnitude.
    fn any(&mut self) -> u64 {
        let shift = self.random() % 64;
        self.random() >> shift
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.random() >> 16) % end
    }

    /// xorshift64* (Vigna, 2016).
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Bytes of a packet.
const DATAGRAM: u64 = 1200;
const MOST_FLYING: usize = 256;
