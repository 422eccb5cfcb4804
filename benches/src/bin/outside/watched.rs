//! A guarded controller that notes when its guard acts.

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, SentPacket, Timeout,
};
use tautline_core::guard::Envelope;
use tautline_core::units::{Bytes, Timestamp};
use tautline_quic_integration::GuardedController;

/// The controllers of a scenario: the guarded one, and others that compete with it.
pub(crate) enum Party<E: Envelope> {
    /// Under the guard.
    Guarded(Box<Watched<E>>),
    /// Any other.
    Other(Box<dyn Controller + Send>),
}

/// A guarded controller, and when it fell back.
#[derive(Clone, Debug)]
pub(crate) struct Watched<E: Envelope> {
    inner: GuardedController<E>,
    from: Timestamp,
    before: Counters,
    /// Counters and time at the first fallback from `from` on.
    pub(crate) fallback: Option<(Timestamp, Counters)>,
    /// Counters at `from`.
    pub(crate) at_change: Option<Counters>,
}

impl<E: Envelope> Watched<E> {
    /// Notes what happens from `from` on.
    pub(crate) fn new(inner: GuardedController<E>, from: Timestamp) -> Self {
        let before = inner.counters();
        Self {
            inner,
            from,
            before,
            fallback: None,
            at_change: None,
        }
    }

    fn note(&mut self, now: Timestamp) {
        if now >= self.from && self.at_change.is_none() {
            self.at_change = Some(self.before);
        }
        let counters = self.inner.counters();
        let new = counters.fallbacks > self.before.fallbacks;
        if new && self.at_change.is_some() && self.fallback.is_none() {
            self.fallback = Some((now, counters));
        }
        self.before = counters;
    }
}

impl<E: Envelope> Controller for Party<E> {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        match self {
            Self::Guarded(watched) => watched.inner.on_packet_sent(now, packet),
            Self::Other(other) => other.on_packet_sent(now, packet),
        }
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        match self {
            Self::Guarded(watched) => watched.inner.on_packet_acked(now, packet),
            Self::Other(other) => other.on_packet_acked(now, packet),
        }
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        match self {
            Self::Guarded(watched) => {
                watched.inner.on_ack_end(now, batch);
                watched.note(now);
            }
            Self::Other(other) => other.on_ack_end(now, batch),
        }
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        match self {
            Self::Guarded(watched) => {
                watched.inner.on_congestion_event(now, event);
                watched.note(now);
            }
            Self::Other(other) => other.on_congestion_event(now, event),
        }
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        match self {
            Self::Guarded(watched) => {
                watched.inner.on_timeout(now, timeout);
                watched.note(now);
            }
            Self::Other(other) => other.on_timeout(now, timeout),
        }
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        match self {
            Self::Guarded(watched) => watched.inner.on_mtu_update(now, max_datagram_size),
            Self::Other(other) => other.on_mtu_update(now, max_datagram_size),
        }
    }

    fn decision(&self) -> Decision {
        match self {
            Self::Guarded(watched) => watched.inner.decision(),
            Self::Other(other) => other.decision(),
        }
    }

    fn counters(&self) -> Counters {
        match self {
            Self::Guarded(watched) => watched.inner.counters(),
            Self::Other(other) => other.counters(),
        }
    }
}
