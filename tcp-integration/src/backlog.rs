//! How much an application may hand to a socket at once.

use smoltcp::phy::Device;
use smoltcp::socket::tcp::{SendError, Socket};
use tautline_core::units::Bytes;

use crate::connection::ControllerSource;
use crate::device::GatedDevice;
use crate::segment::Tuple;

/// The controller also caps what lies in the transmit buffer, sent and unsent together: data that
/// waits there grows old, and an application that still has it can decide again.
impl<D, S, const CONNECTIONS: usize, const SEGMENTS: usize, const FRAME: usize>
    GatedDevice<D, S, CONNECTIONS, SEGMENTS, FRAME>
where
    D: Device,
    S: ControllerSource,
{
    /// Bytes that `socket` may be given now without its [`send_queue`](Socket::send_queue)
    /// exceeding the controller's `buffer_cap`, which counts as two segments where it is less.
    ///
    /// For a connection that is not tracked yet it is what a new controller starts with.
    pub fn backlog_room(&self, socket: &Socket<'_>) -> usize {
        let cap = self.backlog_cap(tuple(socket)).max(self.two_segments());
        room(cap, socket.send_queue(), socket.send_capacity())
    }

    /// Gives `socket` as much of `data` as [`backlog_room`](Self::backlog_room) allows and returns
    /// how many bytes that were.
    ///
    /// # Errors
    /// As [`Socket::send_slice`].
    pub fn send_slice(&self, socket: &mut Socket<'_>, data: &[u8]) -> Result<usize, SendError> {
        let room = self.backlog_room(socket).min(data.len());
        socket.send_slice(data.get(..room).unwrap_or(data))
    }
}

/// The ends of a socket's connection; none where it has none.
fn tuple(socket: &Socket<'_>) -> Option<Tuple> {
    Some(Tuple {
        local: socket.local_endpoint()?,
        remote: socket.remote_endpoint()?,
    })
}

/// Bytes below both the cap and the capacity of the buffer.
fn room(cap: Bytes, queued: usize, capacity: usize) -> usize {
    let cap = usize::try_from(cap.as_u64()).unwrap_or(usize::MAX);
    cap.min(capacity).saturating_sub(queued)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cap_beyond_the_buffer_leaves_the_room_of_the_buffer() {
        assert_eq!(room(Bytes::MAX, 100, 4096), 3996);
        assert_eq!(room(Bytes::new(1000), 100, 4096), 900);
        assert_eq!(room(Bytes::new(1000), 2000, 4096), 0);
    }

    proptest! {
        #[test]
        fn the_queue_never_exceeds_the_cap_for_being_given_the_room(
            cap in any::<u64>(),
            queued in 0_usize..1 << 20,
            capacity in 0_usize..1 << 20,
        ) {
            let queued = queued.min(capacity);
            let after = queued + room(Bytes::new(cap), queued, capacity);
            prop_assert!(after <= capacity);
            prop_assert!(after == queued || after as u64 <= cap);
        }
    }
}
