//! First in, first out, with a limit in bytes.

use std::collections::VecDeque;

use tautline_core::units::Bytes;

use super::Queue;
use crate::transport::Packet;

/// Drops what does not fit behind the packets that wait; the one in transmission is not counted.
#[derive(Debug)]
pub struct DropTail {
    waiting: VecDeque<Packet>,
    bytes: u64,
    limit: u64,
}

impl DropTail {
    /// An empty queue for at most `limit` bytes.
    pub const fn new(limit: Bytes) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            limit: limit.as_u64(),
        }
    }
}

impl Queue for DropTail {
    #[inline]
    fn enqueue(&mut self, packet: Packet) -> Result<(), Packet> {
        let bytes = self.bytes + u64::from(packet.bytes);
        if bytes > self.limit {
            return Err(packet);
        }
        self.bytes = bytes;
        self.waiting.push_back(packet);
        Ok(())
    }

    #[inline]
    fn dequeue(&mut self) -> Option<Packet> {
        let packet = self.waiting.pop_front()?;
        self.bytes -= u64::from(packet.bytes);
        Some(packet)
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.waiting.iter()
    }
}
