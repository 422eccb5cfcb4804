//! Acknowledgements made for smoltcp, and when.

use tautline_core::controller::Controller;
use tautline_core::units::{Bytes, Timestamp};

use super::ledger::State;
use super::mirror::{DUPLICATES_TO_RETRANSMIT, Effect, Heard};
use super::receive::scaled;
use super::window::{Edge, floor};
use super::{Closing, Connection, Gate, Phase, SIGN_OF_LIFE};
use crate::segment::PureAck;

impl<C: Controller, const SEGMENTS: usize> Connection<C, SEGMENTS> {
    /// The next acknowledgement that smoltcp must see; to be asked until there is none.
    pub(crate) fn next_made(&mut self, now: Timestamp) -> Option<PureAck> {
        let made = self.plan(now).and_then(|window| {
            let sequence = self.receive.acceptable()?;
            if window == 0 && self.has_third_duplicate() {
                self.probing.pending = false;
            }
            self.told = window;
            self.mirror.on_acknowledgement(
                0,
                Heard {
                    acknowledgement: self.mirror.una,
                    window,
                    payload_bytes: 0,
                    effect: self.effect(),
                },
            );
            super::departure::count(&mut self.status.made_acks);
            Some(PureAck {
                sequence,
                acknowledgement: self.mirror.una,
                window: self.windows.field(window),
            })
        });
        self.schedule(now);
        made
    }

    /// The window of the next acknowledgement to make, if one is.
    fn plan(&mut self, now: Timestamp) -> Option<u32> {
        let can = self.phase == Phase::Established
            && !self.origin.is_midway()
            && self.closing != Closing::LastAck
            && self.receive.acceptable().is_some();
        if !can {
            return None;
        }
        if self.told == 0 {
            // A closed window is the peer's word. Three duplicates make smoltcp retransmit all the
            // same; another one, where its timer has expired and rests, starts its probes.
            let probes = self.probing.pending && self.mirror.flight() > 0;
            return (probes && !self.mirror.is_retransmitting()).then_some(0);
        }
        let shift = self.windows.shift;
        if self.gate() == Gate::Shut {
            let strict = match self.edge() {
                Edge::Segment | Edge::Strict => Edge::Strict,
                Edge::Below => Edge::Below,
            };
            let target = self.target(now, shift, strict);
            if target != self.told {
                return Some(target);
            }
        } else {
            let target = self.target(now, shift, self.edge());
            if self.may_open(now, target) {
                return Some(target);
            }
        }
        if !self.wants_retransmission(now) {
            return None;
        }
        // What the SYN-ACK brought may be no multiple of a step.
        let step = self.windows.step();
        let same = floor(self.told, step).max(step);
        if !self.has_third_duplicate() {
            return Some(same);
        }
        // The counter has passed three: another window starts it anew.
        Some(self.beside(same, step))
    }

    /// The window that smoltcp should believe, in bytes beyond what is acknowledged.
    pub(super) fn target(&mut self, now: Timestamp, shift: u8, edge: Edge) -> u32 {
        let admission = self.admission(now);
        let flight = self.mirror.flight();
        self.windows.with_shift(shift).fit(flight, admission, edge)
    }

    /// `window`, or one step beside it where smoltcp would count the acknowledgement that brings
    /// it as the third duplicate and retransmit what is not lost, or is under way again.
    pub(super) fn without_retransmission(&self, now: Timestamp, window: u32, shift: u8) -> u32 {
        let third = self.mirror.duplicates().saturating_add(1) == DUPLICATES_TO_RETRANSMIT;
        // No window lies beside one that is a single step: what overruns it is withheld.
        let single = window <= scaled(1, shift);
        if !third || self.wants_retransmission(now) || single {
            return window;
        }
        self.beside(window, scaled(1, shift))
    }

    /// Another window than `window`: a step above where that admits nothing that may not leave, and
    /// a closed one where the peer's has no other.
    fn beside(&self, window: u32, step: u32) -> u32 {
        let above = window.saturating_add(step);
        let room = above.saturating_sub(self.mirror.flight());
        let in_flight = self.ledger.bytes_in_flight();
        let with_next = in_flight.saturating_add(Bytes::new(room.min(self.max_segment).into()));
        let fits = above <= self.windows.peer && with_next <= self.window();
        if fits || (window <= step && above <= self.windows.peer) {
            floor(above, step)
        } else if window <= step {
            0
        } else {
            floor(window.saturating_sub(step), step).max(step)
        }
    }

    /// Opens for whole segments, where smoltcp has used up what it had, or where it rests.
    fn may_open(&mut self, now: Timestamp, target: u32) -> bool {
        let room = target.saturating_sub(self.mirror.flight());
        let gains = target >= self.told.saturating_add(self.max_segment);
        let starved = self.is_scant(self.mirror.room()) && !self.is_scant(room);
        let rested = self.mirror.is_quiet() && gains && self.opens_fully_at(now) <= now;
        now <= self.openings_until() && target > self.told && (starved || rested)
    }

    fn has_third_duplicate(&self) -> bool {
        self.mirror.duplicates() >= DUPLICATES_TO_RETRANSMIT
    }

    /// Less than a segment, to within a step.
    fn is_scant(&self, room: u32) -> bool {
        room.saturating_add(self.windows.step()) <= self.max_segment
    }

    /// Until when opening acknowledgements are made.
    fn openings_until(&self) -> Timestamp {
        let two = self.round_trips.smoothed().unwrap_or_default();
        let alive = SIGN_OF_LIFE.max(two.saturating_mul(2));
        let last = self.last_arrival.max(self.flight_start);
        last.saturating_add(alive)
    }

    /// The first segment is lost, or is to be repeated as a probe, and smoltcp has gone past it.
    fn wants_retransmission(&self, now: Timestamp) -> bool {
        let Some(front) = self.ledger.front() else {
            return false;
        };
        let lost = front.state == State::Lost || self.probing.pending;
        // In CLOSE-WAIT the gate makes no exception for it, and must not swallow it.
        let passes = self.effect() == Effect::Certain || self.gate() == Gate::Open;
        let keeps = self.repairs_one_by_one() || self.probing.pending;
        lost && passes
            && keeps
            && now >= self.patient_until
            && front.start == self.mirror.una
            && self.mirror.flight() > 0
            && !self.mirror.is_retransmitting()
    }

    /// A segment fits into the peer's window. smoltcp's fast retransmission sends one whatever the
    /// window; its timeout keeps to it.
    pub(super) const fn repairs_one_by_one(&self) -> bool {
        self.windows.peer >= self.max_segment
    }

    /// When the pacer admits all that a rested connection may send at once.
    fn opens_fully_at(&mut self, now: Timestamp) -> Timestamp {
        let pace = self.pace();
        let free = self.window().saturating_sub(self.ledger.bytes_in_flight());
        if self.allowance(now) == Bytes::MAX {
            return now;
        }
        self.pacer.reaches(pace.burst.min(free), pace)
    }

    /// Notes when something is due next.
    pub(super) fn schedule(&mut self, now: Timestamp) {
        if self.phase != Phase::Established {
            self.poll_at = Timestamp::MAX;
            return;
        }
        self.update_patience();
        let planned = self.plan(now).is_some();
        self.note_hold(now, !planned);
        self.poll_at = if planned {
            now
        } else {
            self.probe_at()
                .min(self.held_until())
                .min(self.opens_at(now))
        };
    }

    /// When the pacer will let an opening acknowledgement be made.
    fn opens_at(&mut self, now: Timestamp) -> Timestamp {
        if self.origin.is_midway() || self.closing == Closing::LastAck || self.told == 0 {
            return Timestamp::MAX;
        }
        let free = self.window().saturating_sub(self.ledger.bytes_in_flight());
        let segment = Bytes::new(self.max_segment.into());
        let due = if free < segment || self.allowance(now) == Bytes::MAX {
            Timestamp::MAX
        } else if self.is_scant(self.mirror.room()) {
            self.pacer.reaches(segment, self.pace())
        } else if self.mirror.is_quiet() {
            self.opens_fully_at(now)
        } else {
            Timestamp::MAX
        };
        // What is due already waits for something else than the pacer.
        if due > now && due <= self.openings_until() {
            due
        } else {
            Timestamp::MAX
        }
    }
}
