//! What the SYNs of peers offered, until our stack answers them.

use smoltcp::wire::TcpSeqNumber;

use crate::segment::{Segment, Tuple};

/// The last `CAPACITY` offers, the oldest overwritten first.
///
/// Anybody can send SYNs, so this forgets rather than grows; a connection whose offer was
/// forgotten starts from what is safe to assume of every peer.
#[derive(Debug)]
pub(super) struct HalfOpen<const CAPACITY: usize> {
    syns: [Option<Segment>; CAPACITY],
    next: usize,
}

impl<const CAPACITY: usize> HalfOpen<CAPACITY> {
    pub(super) const fn new() -> Self {
        Self {
            syns: [None; CAPACITY],
            next: 0,
        }
    }

    /// Remembers an arriving SYN; a repeated one takes the place of the first.
    pub(super) fn remember(&mut self, syn: &Segment) {
        let known = self
            .syns
            .iter_mut()
            .find(|known| known.is_some_and(|known| known.tuple == syn.tuple));
        if let Some(known) = known {
            *known = Some(*syn);
            return;
        }
        if let Some(place) = self.syns.get_mut(self.next) {
            *place = Some(*syn);
        }
        self.next = self.next.saturating_add(1);
        if self.next >= CAPACITY {
            self.next = 0;
        }
    }

    /// Forgets the SYN that `answer`, our SYN-ACK, acknowledges, and returns it.
    pub(super) fn take(&mut self, tuple: Tuple, answer: TcpSeqNumber) -> Option<Segment> {
        let place = self
            .syns
            .iter_mut()
            .find(|known| known.is_some_and(|syn| syn.tuple == tuple && syn.end() == answer))?;
        place.take()
    }
}
