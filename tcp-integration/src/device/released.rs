//! How smoltcp reads the windows of connections that are no longer tracked.

use crate::connection::Scales;
use crate::segment::Tuple;

/// The last `CAPACITY` connections that were forgotten while smoltcp may still use them, the oldest
/// overwritten first.
///
/// smoltcp reads the peer's windows with our shift count for as long as the connection lives, so
/// they are rewritten for as long as it is remembered, and it is tracked anew with them.
#[derive(Debug)]
pub(super) struct Released<const CAPACITY: usize> {
    connections: [Option<(Tuple, Scales)>; CAPACITY],
    next: usize,
}

impl<const CAPACITY: usize> Released<CAPACITY> {
    pub(super) const fn new() -> Self {
        Self {
            connections: [None; CAPACITY],
            next: 0,
        }
    }

    pub(super) fn remember(&mut self, tuple: Tuple, scales: Scales) {
        let mut known = self.connections.iter_mut().flatten();
        if let Some(known) = known.find(|known| known.0 == tuple) {
            known.1 = scales;
            return;
        }
        if let Some(place) = self.connections.get_mut(self.next) {
            *place = Some((tuple, scales));
        }
        self.next = self.next.saturating_add(1);
        if self.next >= CAPACITY {
            self.next = 0;
        }
    }

    pub(super) fn find(&self, tuple: Tuple) -> Option<Scales> {
        let mut known = self.connections.iter().flatten();
        known
            .find(|known| known.0 == tuple)
            .map(|&(_, scales)| scales)
    }

    /// The ends are used anew, or the connection is tracked again.
    pub(super) fn forget(&mut self, tuple: Tuple) {
        for place in &mut self.connections {
            if place.is_some_and(|known| known.0 == tuple) {
                *place = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::{IpAddress, IpEndpoint};

    fn tuple(port: u16) -> Tuple {
        let end = |port| IpEndpoint::new(IpAddress::v4(10, 0, 0, 1), port);
        Tuple {
            local: end(80),
            remote: end(port),
        }
    }

    #[test]
    fn the_last_connections_are_remembered_each_once() {
        let mut released = Released::<2>::new();
        for (port, peer) in [(1, 7), (2, 3), (2, 4)] {
            released.remember(tuple(port), Scales { stack: 5, peer });
        }
        let known = |released: &Released<2>| {
            [1, 2, 3].map(|port| released.find(tuple(port)).map(|scales| scales.peer))
        };
        assert_eq!(known(&released), [Some(7), Some(4), None]);
        released.remember(tuple(3), Scales { stack: 5, peer: 9 });
        assert_eq!(known(&released), [None, Some(4), Some(9)]);
        released.forget(tuple(2));
        assert_eq!(known(&released), [None, None, Some(9)]);
    }
}
