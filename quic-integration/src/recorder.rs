//! Event logs: what a controller was told and what it decided.

use std::sync::{Arc, Mutex, PoisonError};

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, Event, SentPacket,
    Timeout,
};
use tautline_core::units::{Bytes, Timestamp};

/// One event and the decision right after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What the controller was told.
    pub event: Event,
    /// What it decided from then on.
    pub decision: Decision,
}

/// A log that a [`Recorder`] writes and others read; clones share it.
#[derive(Clone, Debug, Default)]
pub struct EventLog(Arc<Mutex<Vec<Record>>>);

impl EventLog {
    /// A copy of everything recorded so far, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn push(&self, record: Record) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record);
    }
}

/// A controller that writes every event and decision of another one to an [`EventLog`].
///
/// The log grows without bound: use it for tests and for runs of known length.
#[derive(Clone, Debug)]
pub struct Recorder<C> {
    inner: C,
    log: EventLog,
}

impl<C: Controller> Recorder<C> {
    /// Records what `inner` sees into `log`.
    pub const fn new(inner: C, log: EventLog) -> Self {
        Self { inner, log }
    }

    /// The recorded controller.
    pub const fn inner(&self) -> &C {
        &self.inner
    }

    fn forward(&mut self, at: Timestamp, event: Event) {
        event.replay(at, &mut self.inner);
        let decision = self.inner.decision();
        self.log.push(Record {
            at,
            event,
            decision,
        });
    }
}

impl<C: Controller> Controller for Recorder<C> {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.forward(now, Event::PacketSent(packet));
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.forward(now, Event::PacketAcked(packet));
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.forward(now, Event::AckEnd(batch));
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.forward(now, Event::Congestion(event));
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.forward(now, Event::Timeout(timeout));
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.forward(now, Event::MtuUpdate(max_datagram_size));
    }

    fn decision(&self) -> Decision {
        self.inner.decision()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}
