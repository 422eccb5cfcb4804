//! First in, first out, with a limit.

use std::collections::VecDeque;

use super::{Limit, Queue};
use crate::transport::Packet;

/// Drops what does not fit behind the packets that wait.
#[derive(Debug)]
pub struct DropTail {
    waiting: VecDeque<Packet>,
    bytes: u64,
    limit: Limit,
}

impl DropTail {
    /// An empty queue.
    pub const fn new(limit: Limit) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }
}

impl Queue for DropTail {
    #[inline]
    fn enqueue(&mut self, _now_ns: u64, packet: Packet, dropped: &mut Vec<Packet>) {
        let bytes = self.bytes + u64::from(packet.bytes);
        let fits = match self.limit {
            Limit::Bytes(limit) => bytes <= limit,
            Limit::Packets(limit) => (self.waiting.len() as u64) < limit,
        };
        if fits {
            self.bytes = bytes;
            self.waiting.push_back(packet);
        } else {
            dropped.push(packet);
        }
    }

    #[inline]
    fn dequeue(&mut self, _now_ns: u64, _dropped: &mut Vec<Packet>) -> Option<Packet> {
        let packet = self.waiting.pop_front()?;
        self.bytes -= u64::from(packet.bytes);
        Some(packet)
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.waiting.iter()
    }

    #[inline]
    fn bytes(&self) -> u64 {
        self.bytes
    }
}
