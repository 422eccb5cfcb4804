//! The worst that jitter can do to what a flow sees: late by D, or not, as the controller's phase
//! asks for.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, Learned, Proposer,
    SentPacket, Timeout,
};
use tautline_core::guard::Envelope;
use tautline_core::units::{Bytes, Timestamp, duration_nanos};

/// When a flow's samples are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// While its policy decides: the queue looks longer than it is.
    Longer,
    /// While it does not, so that drains see too large a minimum: the queue looks shorter.
    Shorter,
}

/// A controller whose samples of round-trip times are late by `most` on its side. Its
/// acknowledgements are not: what it sees is moved, its path is not.
#[derive(Debug)]
pub(crate) struct Late<P, E: Envelope> {
    inner: Learned<P, E>,
    side: Side,
    most: Duration,
}

impl<P: Proposer, E: Envelope> Late<P, E> {
    pub(crate) const fn new(inner: Learned<P, E>, side: Side, most: Duration) -> Self {
        Self { inner, side, most }
    }
}

impl<P: Proposer, E: Envelope> Controller for Late<P, E> {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.inner.on_packet_sent(now, packet);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        let late = self.inner.policy_in_charge() == (self.side == Side::Longer);
        let by = if late { duration_nanos(self.most) } else { 0 };
        let sent = packet.time_sent.as_nanos().saturating_sub(by);
        let time_sent = Timestamp::from_nanos(sent);
        self.inner.on_packet_acked(
            now,
            AckedPacket {
                time_sent,
                ..packet
            },
        );
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.inner.on_ack_end(now, batch);
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.inner.on_congestion_event(now, event);
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.inner.on_timeout(now, timeout);
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.inner.on_mtu_update(now, max_datagram_size);
    }

    fn decision(&self) -> Decision {
        self.inner.decision()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}
