//! A controller that never changes its mind, for calibration.

use super::{AckBatch, AckedPacket, CongestionEvent, Controller, Decision, SentPacket, Timeout};
use crate::units::{Bytes, Timestamp};

/// A constant congestion window without pacing.
#[derive(Clone, Copy, Debug)]
pub struct FixedWindow {
    window: Bytes,
    max_datagram_size: Bytes,
}

impl FixedWindow {
    /// A window of `window` bytes, raised to two datagrams and a byte where it is smaller.
    pub const fn new(window: Bytes, max_datagram_size: Bytes) -> Self {
        Self {
            window,
            max_datagram_size,
        }
    }
}

impl Controller for FixedWindow {
    fn on_packet_sent(&mut self, _now: Timestamp, _packet: SentPacket) {}

    fn on_packet_acked(&mut self, _now: Timestamp, _packet: AckedPacket) {}

    fn on_ack_end(&mut self, _now: Timestamp, _batch: AckBatch) {}

    fn on_congestion_event(&mut self, _now: Timestamp, _event: CongestionEvent) {}

    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {}

    fn on_mtu_update(&mut self, _now: Timestamp, max_datagram_size: Bytes) {
        self.max_datagram_size = max_datagram_size;
    }

    fn decision(&self) -> Decision {
        let floor = self
            .max_datagram_size
            .saturating_mul(2)
            .saturating_add(Bytes::new(1));
        Decision::unpaced(self.window.max(floor))
    }
}
