//! A segment leaves.

use tautline_core::controller::{Controller, SentPacket};
use tautline_core::units::{Bytes, Timestamp};

use super::ledger::Departure;
use super::mirror::{Effect, Kind};
use super::sequence::{after, distance};
use super::{Connection, Marks, Origin, Phase, Withheld};
use crate::segment::{Ecn, Segment};

impl<C: Controller, const SEGMENTS: usize> Connection<C, SEGMENTS> {
    /// A segment leaves that smoltcp has committed to.
    pub(crate) fn on_departure(&mut self, now: Timestamp, segment: &Segment) -> Marks {
        if segment.flags.rst {
            if self.is_final(segment) {
                self.phase = Phase::Closed;
                self.schedule(now);
            }
            return Marks::default();
        }
        self.idle_since = now;
        if segment.flags.syn {
            return self.on_syn_departure(now, segment);
        }
        if self.origin.is_midway() && segment.sequence < self.mirror.una {
            self.adopt_earlier(now, segment);
        }
        let kind = self.mirror.classify(now, self.effect(), segment);
        if kind == Kind::FastRetransmission && self.overruns_peer(segment) {
            return self.withhold(now, segment);
        }
        // smoltcp does not note what it announced in a probe.
        // Nagle's algorithm holds back what the window cuts, but not what the end of the stack's
        // ring buffer cuts.
        self.sends_partial |= kind == Kind::Next
            && self.mirror.flight() > 0
            && 0 < segment.payload_bytes
            && segment.payload_bytes >= self.mirror.room()
            && self.mirror.room_high() < self.max_segment;
        let noted = !matches!(kind, Kind::KeepAlive | Kind::ZeroWindowProbe);
        if segment.flags.ack && noted {
            self.receive
                .on_departure(segment.acknowledgement, segment.window);
        }
        let went_back = segment.sequence < self.mirror.nxt;
        if kind == Kind::Rewind || (kind == Kind::ZeroWindowProbe && went_back) {
            self.on_stack_timeout(now);
        }
        let sent_before = self.mirror.max_sent;
        let was_quiet = self.mirror.is_quiet();
        self.mirror.on_departure(now, kind, segment);
        let news = noted && sent_before < segment.end();
        let mut marks = self.marks(kind, segment, segment.sequence >= sent_before);
        match kind {
            Kind::KeepAlive => count(&mut self.status.keep_alives),
            Kind::ZeroWindowProbe => {
                // Its timer runs.
                self.probing.since = now;
                count(&mut self.status.zero_window_probes);
            }
            Kind::PureAck => {}
            Kind::Next | Kind::FastRetransmission | Kind::Rewind => {
                if segment.flags.fin {
                    self.finish = Some(segment.end());
                }
                if self.may_drop() && kind != Kind::FastRetransmission && self.exceeds(segment) {
                    self.drop_excess(now, segment);
                    marks.withheld = Some(Withheld::Excess);
                } else if segment.payload_bytes > 0 {
                    if news && was_quiet {
                        self.flight_start = now;
                    }
                    let repeated = segment.sequence < sent_before;
                    self.on_data_departure(now, segment, kind, repeated);
                }
            }
        }
        self.close_if_finished();
        self.schedule(now);
        marks
    }

    /// smoltcp's fast retransmission knows no window: as much leaves as one segment holds.
    fn overruns_peer(&self, segment: &Segment) -> bool {
        let end = after(segment.sequence, segment.payload_bytes);
        self.origin != Origin::Adopted && distance(self.mirror.una, end) > self.windows.peer
    }

    /// The segment stays here. smoltcp believes that it left, so its retransmission timer runs
    /// again, and what that sends keeps to the window. A receiver that takes the part that fits
    /// and the FIN behind the rest, as smoltcp does, would lose the rest.
    fn withhold(&mut self, now: Timestamp, segment: &Segment) -> Marks {
        if segment.flags.ack {
            self.receive
                .on_departure(segment.acknowledgement, segment.window);
        }
        self.mirror.on_withheld(now, segment);
        self.probing.pending = false;
        self.probing.since = now;
        self.schedule(now);
        Marks {
            withheld: Some(Withheld::BeyondWindow),
            ..Marks::default()
        }
    }

    /// Whether a departing RST ends the connection.
    ///
    /// To an unacceptable acknowledgement in SYN-SENT and SYN-RECEIVED smoltcp replies with a RST
    /// that carries its number, without the ACK bit, and stays (RFC 9293 §3.10.7). A RST of its own
    /// carries the socket's next number, or that of its SYN where it went back. In other states
    /// only a socket that is gone resets.
    fn is_final(&self, reset: &Segment) -> bool {
        let went_back = reset.flags.ack && reset.sequence == self.mirror.una;
        self.phase != Phase::Handshake || reset.sequence == self.mirror.nxt || went_back
    }

    fn on_data_departure(&mut self, now: Timestamp, segment: &Segment, kind: Kind, repeated: bool) {
        if segment.payload_bytes > self.max_segment {
            // Learned late where the handshake was not seen.
            self.set_option_bytes(segment);
            let bytes = segment.payload_bytes.saturating_add(self.option_bytes);
            self.own_max_segment = self.own_max_segment.max(bytes);
            self.peer_max_segment = self.peer_max_segment.max(bytes);
            self.update_max_segment();
            self.controller
                .on_mtu_update(now, Bytes::new(self.max_segment.into()));
        }
        let bytes = Bytes::new(segment.payload_bytes.into());
        let before = self.ledger.bytes_in_flight();
        let exceeds = before.saturating_add(bytes) > self.window();
        if kind == Kind::FastRetransmission {
            self.probing.pending = false;
            count(&mut self.status.fast_retransmissions);
        } else if exceeds && before == Bytes::ZERO {
            count(&mut self.status.lone_segments);
        } else if exceeds {
            count(&mut self.status.violations);
        }
        let number = self.next_number;
        self.next_number = number.next();
        let counted = self.ledger.on_departure(Departure {
            start: segment.sequence,
            bytes: segment.payload_bytes,
            number,
            time_sent: now,
            repeated,
        });
        count(&mut self.status.segments_sent);
        if repeated {
            count(&mut self.status.segments_retransmitted);
        }
        // What was earned until now counts before it is spent.
        self.allowance(now);
        self.pacer.spend(bytes);
        self.probing.since = now;
        if counted > 0 {
            self.controller.on_packet_sent(
                now,
                SentPacket {
                    number,
                    bytes: Bytes::new(counted.into()),
                    bytes_in_flight: self.ledger.bytes_in_flight(),
                },
            );
        }
    }

    /// Whether `segment` would bring the bytes in flight above the window.
    fn exceeds(&self, segment: &Segment) -> bool {
        let before = self.ledger.bytes_in_flight();
        let after = before.saturating_add(Bytes::new(segment.payload_bytes.into()));
        segment.payload_bytes > 0 && before > Bytes::ZERO && after > self.window()
    }

    /// What exceeds the window is dropped: the gate gave way, or smoltcp may not have been told.
    fn may_drop(&self) -> bool {
        self.hold.gave_way || self.effect() == Effect::Unsure
    }

    /// `segment` is dropped, though smoltcp believes that it left: it is as good as lost, but no
    /// sign of congestion.
    fn drop_excess(&mut self, now: Timestamp, segment: &Segment) {
        let number = self.next_number;
        self.next_number = number.next();
        self.ledger.on_drop(Departure {
            start: segment.sequence,
            bytes: segment.payload_bytes,
            number,
            time_sent: now,
            repeated: false,
        });
    }

    /// RFC 3168 §6.1: new data is capable, and the first of it says that the window was reduced;
    /// what acknowledges echoes.
    fn marks(&mut self, kind: Kind, segment: &Segment, unsent: bool) -> Marks {
        let withheld = self
            .is_garbage(kind, segment)
            .then_some(Withheld::KeepAlive);
        let ahead = self.origin != Origin::Adopted && segment.sequence > self.mirror.max_sent;
        let behind = segment.sequence < self.mirror.max_sent;
        let astray = segment.sequence_bytes() == 0 && (ahead || behind);
        let sequence = astray.then_some(self.mirror.max_sent);
        if !self.ecn.is_negotiated() {
            return Marks {
                sequence,
                withheld,
                ..Marks::default()
            };
        }
        let new_data = kind == Kind::Next && segment.payload_bytes > 0 && unsent;
        Marks {
            ecn: if new_data { Ecn::Ect0 } else { Ecn::NotEct },
            ece: segment.flags.ack && self.ecn.echoes(),
            cwr: new_data && self.ecn.announces(),
            sequence,
            withheld,
        }
    }

    /// The byte of a keep-alive is no data of ours: where the peer has not acknowledged its number
    /// yet, it would take it for data. smoltcp sends such a one when a closed window opens while
    /// data is in flight: its retransmission timer then rests, and the keep-alive's runs.
    fn is_garbage(&self, kind: Kind, segment: &Segment) -> bool {
        kind == Kind::KeepAlive && self.mirror.una < segment.end()
    }

    /// An adopted sender had more in flight than was seen: that is where it begins.
    fn adopt_earlier(&mut self, now: Timestamp, segment: &Segment) {
        if segment.payload_bytes <= 1 || distance(segment.sequence, self.mirror.una) == 0 {
            return;
        }
        self.mirror.una = segment.sequence;
        self.mirror.nxt = self.mirror.nxt.max(segment.sequence);
        self.flight_start = now;
    }

    /// Both directions are closed and acknowledged.
    pub(super) fn close_if_finished(&mut self) {
        let sent = self.finish.is_some_and(|end| end <= self.mirror.una);
        if sent && self.receive.is_finish_acknowledged() {
            self.phase = Phase::Closed;
        }
    }
}

/// One more.
pub(super) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
