//! Requests of the receiving application, back over the same connection.

use smoltcp::socket::tcp::Socket;
use tautline_netsim::endpoint::{RequestReader, RequestWriter};

/// Writes what smoltcp takes; the rest waits for the next call.
pub(super) fn write(requests: &mut RequestWriter, socket: &mut Socket<'_>) {
    requests.write_into(|bytes| socket.send_slice(bytes).unwrap_or(0));
}

/// Reads all that is there.
pub(super) fn read(requests: &mut RequestReader, socket: &mut Socket<'_>) {
    while socket.can_recv() {
        let read = socket.recv(|bytes| {
            requests.take(bytes);
            (bytes.len(), bytes.len())
        });
        if !matches!(read, Ok(1..)) {
            return;
        }
    }
}
