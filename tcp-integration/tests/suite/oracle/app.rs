//! Applications on sockets: they send, read, pause and close.

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, State};

/// What one end of a connection shall do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Task {
    /// Bytes to send.
    pub(crate) send: u64,
    /// Bytes to expect.
    pub(crate) receive: u64,
    /// Names the content of what is sent, and of what is expected.
    pub(crate) streams: (u64, u64),
    /// Times (µs) at which nothing is read.
    pub(crate) pauses: Vec<(i64, i64)>,
}

/// One end of a connection at work.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) handle: SocketHandle,
    task: Task,
    sent: u64,
    received: u64,
    closed: bool,
    was_open: bool,
    /// When the last byte was there and everything sent was acknowledged.
    pub(crate) done_at: Option<i64>,
    /// When the socket gave up.
    pub(crate) failed_at: Option<i64>,
    /// Where the first byte was that is not the one that was sent.
    pub(crate) wrong_at: Option<u64>,
}

impl App {
    /// `task` on the socket `handle`.
    pub(crate) const fn new(handle: SocketHandle, task: Task) -> Self {
        Self {
            handle,
            task,
            sent: 0,
            received: 0,
            closed: false,
            was_open: false,
            done_at: None,
            failed_at: None,
            wrong_at: None,
        }
    }

    /// Bytes read so far.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// Neither more to do nor able to.
    pub(crate) const fn is_over(&self) -> bool {
        self.done_at.is_some() || self.failed_at.is_some()
    }

    /// Nobody ever connected.
    pub(crate) const fn is_waiting(&self) -> bool {
        !self.was_open && self.failed_at.is_none()
    }

    /// When it wants to go on reading.
    pub(crate) fn wakes_at(&self, now: i64) -> Option<i64> {
        let ends = self.task.pauses.iter().map(|&(_, to)| to);
        ends.filter(|&to| to > now).min()
    }

    /// Does what can be done at `now` without holding more than `cap` in the socket; returns
    /// whether that was anything.
    pub(crate) fn step(&mut self, now: i64, sockets: &mut SocketSet<'_>, cap: usize) -> bool {
        let socket = sockets.get_mut::<Socket<'_>>(self.handle);
        let mut moved = self.read(now, socket);
        moved |= self.write(socket, cap);
        self.was_open |= socket.may_send();
        let everything = self.sent == self.task.send && self.received == self.task.receive;
        if everything && self.was_open && !self.closed {
            socket.close();
            self.closed = true;
            moved = true;
        }
        if everything && socket.send_queue() == 0 && self.was_open {
            self.done_at = self.done_at.or(Some(now));
        } else if socket.state() == State::Closed {
            self.failed_at = self.failed_at.or(Some(now));
        }
        moved
    }

    fn read(&mut self, now: i64, socket: &mut Socket<'_>) -> bool {
        let paused = |&(from, to): &(i64, i64)| from <= now && now < to;
        if self.task.pauses.iter().any(paused) {
            return false;
        }
        let mut moved = false;
        while socket.can_recv() {
            let offset = self.received;
            let stream = self.task.streams.1;
            let read = socket.recv(|bytes| {
                let mut expected = content(stream, offset);
                let wrong = bytes.iter().position(|got| expected.next() != Some(*got));
                self.wrong_at = self.wrong_at.or_else(|| wrong.map(|at| offset + at as u64));
                (bytes.len(), bytes.len())
            });
            self.received += read.unwrap() as u64;
            moved = true;
        }
        assert!(
            self.received <= self.task.receive,
            "more bytes than were sent"
        );
        moved
    }

    fn write(&mut self, socket: &mut Socket<'_>, cap: usize) -> bool {
        let mut moved = false;
        while self.sent < self.task.send && socket.can_send() && socket.send_queue() < cap {
            let room = (cap - socket.send_queue()) as u64;
            let (offset, left) = (self.sent, room.min(self.task.send - self.sent));
            let stream = self.task.streams.0;
            let written = socket.send(|room| {
                let bytes = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                for (byte, value) in room[..bytes].iter_mut().zip(content(stream, offset)) {
                    *byte = value;
                }
                (bytes, bytes)
            });
            let written = written.unwrap();
            self.sent += written as u64;
            moved |= written > 0;
            if written == 0 {
                break;
            }
        }
        moved
    }
}

/// The bytes of `stream` from `offset` on. Neighbouring kilobytes differ, so a byte in the wrong
/// place shows.
fn content(stream: u64, offset: u64) -> impl Iterator<Item = u8> {
    (offset..).map(move |at| (at ^ (at >> 8).wrapping_mul(167) ^ stream) as u8)
}
