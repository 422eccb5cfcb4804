//! A segment arrives.

use tautline_core::controller::{AckBatch, CongestionEvent, CongestionTrigger, Controller};
use tautline_core::units::{Bytes, Timestamp};

use super::ledger::{Acknowledgement, Delivered, Losses};
use super::loss::Hint;
use super::mirror::Heard;
use super::receive::Fate;
use super::window::Scale;
use super::{Arrival, Connection, Origin, Phase, Reason};
use crate::segment::{Flags, Segment};

impl<C: Controller, const SEGMENTS: usize> Connection<C, SEGMENTS> {
    /// A segment arrives.
    pub(crate) fn on_arrival(&mut self, now: Timestamp, segment: &Segment) -> Arrival {
        if self.phase != Phase::Handshake {
            self.idle_since = now;
        }
        let arrival = match self.phase {
            Phase::Handshake => self.on_handshake_arrival(now, segment),
            Phase::Established => self.on_synchronized_arrival(now, segment),
            Phase::Closed => Arrival::Deliver {
                window: segment.window,
            },
        };
        self.schedule(now);
        arrival
    }

    /// What smoltcp ignores changes nothing here.
    fn on_synchronized_arrival(&mut self, now: Timestamp, segment: &Segment) -> Arrival {
        let untouched = Arrival::Deliver {
            window: if self.origin.is_midway() {
                self.windows.scales().rescale(segment.window)
            } else {
                segment.window
            },
        };
        let acknowledges = segment.flags.ack && !segment.flags.rst;
        if acknowledges && segment.acknowledgement < self.mirror.una {
            return untouched;
        }
        if acknowledges && segment.acknowledgement > self.mirror.max_sent {
            if self.origin.is_midway() {
                // It had sent more before it was seen; smoltcp knows how much.
                self.mirror.raise(segment.acknowledgement);
            } else {
                return Arrival::Drop(Reason::AckOfUnsent);
            }
        }
        match self.receive.fate_of(segment) {
            Fate::Ignored => untouched,
            Fate::Reset => {
                self.phase = Phase::Closed;
                untouched
            }
            Fate::Taken => self.take(now, segment, Scale::Negotiated),
        }
    }

    /// smoltcp takes the segment.
    pub(super) fn take(&mut self, now: Timestamp, segment: &Segment, scale: Scale) -> Arrival {
        self.last_arrival = now;
        let effect = self.effect();
        if !segment.flags.syn {
            self.receive.advance(segment);
        }
        let old_peer_window = self.windows.peer;
        self.windows.hear(segment.window, scale);
        let advanced = self.mirror.advance(now, segment.acknowledgement);
        let same_window = self.windows.peer == old_peer_window;
        self.acknowledge(now, segment, advanced, same_window);
        self.close_if_finished();
        if self.origin == Origin::Adopted {
            return Arrival::Deliver {
                window: self.windows.scales().rescale(segment.window),
            };
        }
        let shift = match scale {
            Scale::Negotiated => self.windows.shift,
            Scale::None => 0,
        };
        let mut window = self.target(now, shift, self.edge());
        if advanced == 0 && segment.payload_bytes == 0 {
            window = self.without_retransmission(now, window, shift);
        }
        self.told = window;
        self.mirror.on_acknowledgement(
            advanced,
            Heard {
                acknowledgement: segment.acknowledgement,
                window,
                payload_bytes: segment.payload_bytes,
                effect,
            },
        );
        Arrival::Deliver {
            window: self.windows.with_shift(shift).field(window),
        }
    }

    /// The controller learns what the segment acknowledges, in the order that it demands: packets,
    /// the end of them, then what was lost or marked.
    fn acknowledge(&mut self, now: Timestamp, segment: &Segment, advanced: u32, same_window: bool) {
        let controller = &mut self.controller;
        let delivered = self.ledger.acknowledge(
            Acknowledgement {
                now,
                cumulative: segment.acknowledgement,
                blocks: &segment.options.sack,
                least_round_trip: self.round_trips.least(),
            },
            |packet| controller.on_packet_acked(now, packet),
        );
        self.largest.merge(&delivered.largest);
        let newest = self.largest.first();
        // A mark is told of as an event about a packet: before one has arrived there is none.
        let flags = Flags {
            ece: segment.flags.ece && newest.is_some(),
            ..segment.flags
        };
        let marked = self.ecn.on_arrival(
            flags,
            segment.ecn,
            segment.acknowledgement,
            self.mirror.max_sent,
        );
        if delivered.bytes > Bytes::ZERO || marked {
            self.controller.on_ack_end(
                now,
                AckBatch {
                    bytes_in_flight: self.ledger.bytes_in_flight(),
                    ecn_ce_count: u64::from(marked),
                },
            );
        }
        self.on_delivery(now, &delivered, advanced, same_window);
        let losses = self.find_losses(segment, advanced, same_window);
        if let Some(losses) = losses {
            self.on_loss(now, &losses);
        }
        self.update_patience();
        if marked && let Some((number, time_sent)) = newest {
            self.controller.on_congestion_event(
                now,
                CongestionEvent {
                    trigger: CongestionTrigger::EcnCe,
                    number,
                    time_sent,
                    bytes_in_flight: self.ledger.bytes_in_flight(),
                },
            );
        }
    }

    fn on_delivery(
        &mut self,
        now: Timestamp,
        delivered: &Delivered,
        advanced: u32,
        same_window: bool,
    ) {
        if let Some(sample) = delivered.round_trip_time {
            self.round_trips.sample(sample);
            self.probing.backoff = 0;
        }
        if let Some(latest_sent) = delivered.latest_sent {
            self.loss_span.on_delivery(latest_sent);
        }
        if delivered.bytes > Bytes::ZERO || advanced > 0 || !same_window {
            self.probing.since = now;
            self.probing.probes = 0;
            self.probing.timeouts = 0;
            self.probing.pending = false;
        }
        // RFC 5681 §3.1: slow start from the restart window.
        if let Some(restart) = self.restart {
            let grown = restart.saturating_add(delivered.bytes);
            let open = grown >= self.decision().congestion_window;
            self.restart = (!open).then_some(grown);
        }
    }

    fn find_losses(
        &mut self,
        segment: &Segment,
        advanced: u32,
        same_window: bool,
    ) -> Option<Losses> {
        if self.sack {
            let third = self.largest.third()?;
            return self.ledger.lose_before(third, self.max_segment);
        }
        // Duplicates do not outlive the flight that they are about.
        let hint = if advanced > 0 {
            self.duplicates.on_progress(segment.acknowledgement)
        } else {
            Hint::None
        };
        let in_order = self.ledger.front()?.start;
        let duplicate =
            advanced == 0 && segment.payload_bytes == 0 && same_window && !segment.flags.fin;
        let hint = if duplicate && segment.acknowledgement <= in_order {
            self.duplicates.on_duplicate(self.mirror.max_sent)
        } else {
            hint
        };
        match hint {
            Hint::FrontLost => self.ledger.lose_front(self.max_segment),
            Hint::None => None,
        }
    }

    /// Packets were declared lost.
    pub(super) fn on_loss(&mut self, now: Timestamp, losses: &Losses) {
        self.status.segments_lost = self.status.segments_lost.saturating_add(losses.packets);
        self.loss_span.on_loss(losses);
        self.ecn.on_reduction(self.mirror.max_sent);
        self.controller.on_congestion_event(
            now,
            CongestionEvent {
                trigger: CongestionTrigger::Loss {
                    packets: losses.packets,
                    bytes: losses.bytes,
                },
                number: losses.number,
                time_sent: losses.time_sent,
                bytes_in_flight: self.ledger.bytes_in_flight(),
            },
        );
    }
}
