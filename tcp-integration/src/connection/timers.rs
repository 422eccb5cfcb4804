//! Timeouts: smoltcp's, which only its segments show, and probes of our own.

use core::time::Duration;

use tautline_core::controller::{CongestionEvent, CongestionTrigger, Controller, Timeout};
use tautline_core::units::{Bytes, Timestamp};

use super::departure::count;
use super::ledger::{Losses, State};
use super::mirror::Effect;
use super::rtt::{ACKNOWLEDGEMENT_DELAY, LONE_ACKNOWLEDGEMENT_DELAY, backed_off};
use super::{Closing, Connection, Phase};

impl<C: Controller, const SEGMENTS: usize> Connection<C, SEGMENTS> {
    /// Time has passed.
    pub(crate) fn on_time(&mut self, now: Timestamp) {
        let due = |at: Timestamp| at < Timestamp::MAX && at <= now;
        if due(self.held_until()) {
            self.give_way(now);
        }
        if due(self.probe_at()) {
            self.on_probe_timeout(now);
        }
        self.schedule(now);
    }

    /// smoltcp's retransmission timer expired: all in flight counts as lost, and the window starts
    /// from one segment (RFC 6298 §5, RFC 5681 §3.1).
    pub(super) fn on_stack_timeout(&mut self, now: Timestamp) {
        if self.ledger.front().is_none() {
            // Only a FIN is unacknowledged.
            return;
        }
        count(&mut self.status.timeouts);
        self.impatient_until = None;
        // The window is another one now, and what was dropped may leave.
        (self.hold.since, self.hold.gave_way) = (None, false);
        self.mirror.give_up_retransmission();
        self.duplicates.on_timeout();
        self.probing.pending = false;
        self.report_timeout(now);
        let losses = self.ledger.lose_all(self.max_segment);
        // One segment, and what a window's steps add to it: else the next retransmission of it
        // would leave in two.
        let steps = self.max_segment.div_ceil(self.windows.step());
        let segment = steps.saturating_mul(self.windows.step());
        self.restart = Some(Bytes::new(segment.into()));
        if let Some(losses) = losses {
            self.on_loss(now, &losses);
            self.report_persistence(now, &losses);
        }
    }

    /// RFC 9002 §7.6.2.
    fn report_persistence(&mut self, now: Timestamp, losses: &Losses) {
        let duration = self.round_trips.persistent_duration();
        if !self.loss_span.is_persistent(duration) {
            return;
        }
        self.controller.on_congestion_event(
            now,
            CongestionEvent {
                trigger: CongestionTrigger::Persistent,
                number: losses.number,
                time_sent: losses.time_sent,
                bytes_in_flight: self.ledger.bytes_in_flight(),
            },
        );
    }

    fn report_timeout(&mut self, now: Timestamp) {
        self.probing.timeouts = self.probing.timeouts.saturating_add(1);
        self.controller.on_timeout(
            now,
            Timeout {
                count: self.probing.timeouts,
                bytes_in_flight: self.ledger.bytes_in_flight(),
            },
        );
    }

    /// Nothing was acknowledged for long: the first segment shall be sent once more, as a probe
    /// (RFC 8985 §7, RFC 9002 §6.2), without waiting for smoltcp's timeout of a second and more.
    fn on_probe_timeout(&mut self, now: Timestamp) {
        if self.patient_until > Timestamp::ZERO {
            // smoltcp has backed its timeout off.
            self.impatient_until = Some(self.mirror.max_sent);
        }
        count(&mut self.status.probes);
        self.probing.probes = self.probing.probes.saturating_add(1);
        self.probing.backoff = self.probing.backoff.saturating_add(1);
        self.probing.pending = true;
        self.mirror.give_up_retransmission();
        self.probing.since = now;
        self.report_timeout(now);
    }

    /// When a probe is due.
    pub(super) fn probe_at(&self) -> Timestamp {
        // Where smoltcp was to retransmit and did not, or its timeout met a closed window, no timer
        // of its own may run any more, so asking again never ends.
        let overruns = !self.repairs_one_by_one();
        let endless = self.mirror.is_retransmitting() || self.told == 0 || overruns;
        let ready = self.phase == Phase::Established
            && !self.origin.is_midway()
            && self.closing != Closing::LastAck
            && self.ledger.front().is_some()
            && self.mirror.flight() > 0
            && (endless || self.probing.probes < MAX_PROBES);
        let delay = if self.mirror.flight() <= self.max_segment {
            LONE_ACKNOWLEDGEMENT_DELAY
        } else {
            ACKNOWLEDGEMENT_DELAY
        };
        if !ready {
            return Timestamp::MAX;
        }
        if overruns {
            // Only to set smoltcp's timer going, if it rests.
            let since = self.probing.since.max(self.mirror.timer_since());
            return since.saturating_add(self.stack_timeout().saturating_mul(2));
        }
        let timeout = self.round_trips.probe_timeout(delay);
        let timeout = timeout.unwrap_or(UNKNOWN_TIMEOUT);
        let wait = backed_off(timeout, self.probing.backoff, self.decision().retry);
        self.probing
            .since
            .saturating_add(wait)
            .max(self.patient_until)
    }

    /// Judges whether to wait for smoltcp's timeout. It repairs loss by loss, one in a round-trip
    /// time, and a smoltcp at the other end keeps no more than four holes and throws the rest away,
    /// so many losses take longer one by one than the timeout that sends everything again. The
    /// timeout runs from the last progress on; where it does not, patience has its end.
    pub(super) fn update_patience(&mut self) {
        let una = self.mirror.una;
        self.impatient_until = self.impatient_until.filter(|end| una < *end);
        let hopeless = self.impatient_until.is_none()
            && self.effect() == Effect::Certain
            && self
                .ledger
                .front()
                .is_some_and(|front| front.state == State::Lost)
            && {
                let lost = self.ledger.lost_before(self.mirror.nxt);
                let losses = lost.div_ceil(self.max_segment);
                let round_trip = self.round_trips.smoothed().unwrap_or_default();
                round_trip.saturating_mul(losses) > PATIENCE
            };
        self.patient_until = if hopeless {
            let timeout = self.round_trips.probe_timeout(Duration::ZERO);
            let timeout = timeout.unwrap_or(LEAST_TIMEOUT).max(LEAST_TIMEOUT);
            let since = self.mirror.timer_since();
            since.saturating_add(timeout.saturating_mul(2))
        } else {
            Timestamp::ZERO
        };
    }

    /// Notes since when the gate is shut and smoltcp cannot be told.
    ///
    /// A peer that has been silent since the last time is not waited for again, and one that is
    /// waited for often leaves as much time to others.
    pub(super) fn note_hold(&mut self, now: Timestamp, helpless: bool) {
        if !(helpless && self.may_exceed()) {
            if let Some(since) = self.hold.since.take() {
                self.bar(now, since);
            }
            self.hold.gave_way = false;
            return;
        }
        if self.hold.gave_way || self.hold.since.is_some() {
            return;
        }
        let silent = self.hold.given_up.is_some_and(|at| self.last_arrival <= at);
        if silent || now < self.hold.barred_until {
            self.hold.gave_way = true;
        } else {
            self.hold.since = Some(now);
        }
    }

    /// The gate has been held shut for long enough.
    fn give_way(&mut self, now: Timestamp) {
        if let Some(since) = self.hold.since.take() {
            self.bar(now, since);
        }
        self.hold.gave_way = true;
        self.hold.given_up = Some(now);
    }

    /// Others have as much time as was taken from them.
    fn bar(&mut self, now: Timestamp, since: Timestamp) {
        self.hold.barred_until = now.saturating_add(now.saturating_since(since));
    }

    /// Until when the gate may be held shut: an acknowledgement takes a round-trip time and the
    /// peer's delay.
    pub(super) fn held_until(&self) -> Timestamp {
        let Some(since) = self.hold.since else {
            return Timestamp::MAX;
        };
        let timeout = self.round_trips.probe_timeout(ACKNOWLEDGEMENT_DELAY);
        since.saturating_add(timeout.unwrap_or(LONGEST_HOLD).min(LONGEST_HOLD))
    }

    /// About the timeout that smoltcp has backed off to.
    fn stack_timeout(&self) -> Duration {
        let timeout = self.round_trips.probe_timeout(Duration::ZERO);
        let timeout = timeout.unwrap_or(LEAST_TIMEOUT).max(LEAST_TIMEOUT);
        let doublings = self.probing.timeouts.min(MAX_DOUBLINGS);
        timeout.saturating_mul(1 << doublings)
    }
}

/// Probes in a row; then smoltcp's own timeout rules, which goes back to the first segment.
const MAX_PROBES: u32 = 2;
/// Without a sample smoltcp's own timeout of a second comes first (RFC 6298 (2.1)), if it runs.
const UNKNOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// smoltcp's shortest timeout, and what slow start takes after it.
const PATIENCE: Duration = Duration::from_millis(1500);
/// RFC 6298 (2.4).
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);
/// A minute, as RFC 6298 (2.5) has it.
const MAX_DOUBLINGS: u32 = 6;
/// Other sockets wait no longer at once for a connection that cannot be told its window.
const LONGEST_HOLD: Duration = Duration::from_millis(500);
