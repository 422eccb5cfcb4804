//! Events as values, for logs and replays.

use super::{AckBatch, AckedPacket, CongestionEvent, Controller, SentPacket, Timeout};
use crate::units::{Bytes, Timestamp};

/// One call of a [`Controller`] method, without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Controller::on_packet_sent`].
    PacketSent(SentPacket),
    /// [`Controller::on_packet_acked`].
    PacketAcked(AckedPacket),
    /// [`Controller::on_ack_end`].
    AckEnd(AckBatch),
    /// [`Controller::on_congestion_event`].
    Congestion(CongestionEvent),
    /// [`Controller::on_timeout`].
    Timeout(Timeout),
    /// [`Controller::on_mtu_update`].
    MtuUpdate(Bytes),
}

impl Event {
    /// Makes the call that this event stands for.
    pub fn replay<C: Controller + ?Sized>(&self, now: Timestamp, controller: &mut C) {
        match *self {
            Self::PacketSent(packet) => controller.on_packet_sent(now, packet),
            Self::PacketAcked(packet) => controller.on_packet_acked(now, packet),
            Self::AckEnd(batch) => controller.on_ack_end(now, batch),
            Self::Congestion(event) => controller.on_congestion_event(now, event),
            Self::Timeout(timeout) => controller.on_timeout(now, timeout),
            Self::MtuUpdate(bytes) => controller.on_mtu_update(now, bytes),
        }
    }
}
