//! Packets in order of arrival, with their sum.

use std::collections::VecDeque;

use crate::transport::Packet;

/// Packets in order of arrival; the building block of the disciplines.
#[derive(Debug)]
pub(super) struct Fifo {
    waiting: VecDeque<Packet>,
    bytes: u64,
}

impl Fifo {
    pub(super) const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, packet: Packet) {
        self.bytes += u64::from(packet.bytes);
        self.waiting.push_back(packet);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Packet> {
        let packet = self.waiting.pop_front()?;
        self.bytes -= u64::from(packet.bytes);
        Some(packet)
    }

    #[inline]
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    #[inline]
    pub(super) fn len(&self) -> u64 {
        self.waiting.len() as u64
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long the packet at the head has waited; zero where nothing waits.
    #[inline]
    pub(super) fn head_sojourn_ns(&self, now_ns: u64) -> u64 {
        self.waiting
            .front()
            .map_or(0, |packet| sojourn_ns(packet, now_ns))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Packet> {
        self.waiting.iter()
    }
}

/// How long `packet` has waited.
#[inline]
pub(super) const fn sojourn_ns(packet: &Packet, now_ns: u64) -> u64 {
    now_ns.saturating_sub(packet.enqueued_ns)
}
