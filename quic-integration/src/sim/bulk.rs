//! The upload: one ordered flow of bytes, carried by streams one after another.
//!
//! quinn 0.11.19 closes a connection whose receiver keeps more than 1,024 pieces of one stream
//! that are not contiguous, which an overshoot of a large window easily leaves behind
//! (`connection/assembler.rs`). A stream of [`STRIPE`] bytes cannot come into as many pieces, so
//! the upload is cut into such streams; earlier ones have priority, so that what is sent when is
//! what a single stream would send.

use bytes::Bytes;
use quinn_proto::{Connection, Dir, Side, StreamId, VarInt};

/// The sending end's part.
#[derive(Debug)]
pub(super) struct Upload {
    /// Bytes written beyond what left, at most by the estimate; half of it at least.
    ahead: u64,
    /// Bytes that the application has written since the start.
    wanted: u64,
    /// Bytes that quinn has taken.
    written: u64,
    stream: Option<Stripe>,
    stripes: u32,
    /// Bytes of datagrams that left, without what surrounds stream data in each at most.
    departed: u64,
    /// What `departed` and quinn's count of losses are off by, as far as quinn showed.
    uncounted: u64,
    /// More is written once this much has departed; [`u64::MAX`] while quinn refuses.
    next_refill: u64,
}

#[derive(Debug)]
struct Stripe {
    id: StreamId,
    left: u64,
}

impl Upload {
    /// With up to `ahead` bytes written beyond those that left.
    pub(super) const fn new(ahead: u64) -> Self {
        Self {
            ahead,
            wanted: 0,
            written: 0,
            stream: None,
            stripes: 0,
            departed: 0,
            uncounted: 0,
            next_refill: 0,
        }
    }

    /// Bytes that quinn has taken so far.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// The application has written this much; what quinn has taken of more stays written.
    pub(super) fn write_up_to(&mut self, total: u64) {
        self.wanted = total.max(self.written);
    }

    /// A datagram left.
    pub(super) fn on_departure(&mut self, datagram_bytes: usize) {
        self.departed += (datagram_bytes as u64).saturating_sub(MOST_OVERHEAD);
    }

    /// Gives quinn what it may need before it is asked again.
    ///
    /// A bulk transfer has no end of data, and an application may fall silent, so only a few packets
    /// beyond those that left are written. What left is an estimate that rather falls short;
    /// [`Upload::refill_idle`] then puts it right.
    #[inline]
    pub(super) fn refill(&mut self, connection: &mut Connection) {
        if self.written < self.wanted && self.departed >= self.next_refill {
            self.write(connection);
        }
    }

    /// quinn takes more again after it refused some.
    pub(super) const fn unblock(&mut self) {
        self.next_refill = 0;
    }

    /// quinn has nothing left to send, neither new data nor lost, although it might send; true if
    /// it has taken more now.
    #[cold]
    pub(super) fn refill_idle(&mut self, connection: &mut Connection) -> bool {
        if self.written >= self.wanted {
            return false;
        }
        let before = self.written;
        // All that was written has left, whatever the count of departures and losses says.
        let missed = before.saturating_sub(self.left_for_good(connection));
        self.uncounted = self.uncounted.saturating_add(missed);
        self.write(connection);
        self.written > before
    }

    /// Stream bytes that left and are not waiting to be sent again, roughly.
    fn left_for_good(&self, connection: &Connection) -> u64 {
        let path = connection.stats().path;
        let lost = path
            .lost_bytes
            .saturating_sub(path.lost_packets.saturating_mul(LEAST_OVERHEAD));
        self.departed
            .saturating_sub(lost)
            .saturating_add(self.uncounted)
    }

    #[cold]
    fn write(&mut self, connection: &mut Connection) {
        let ahead = self.left_for_good(connection).saturating_add(self.ahead);
        let target = self.wanted.min(ahead);
        while self.written < target {
            if !self.write_block(connection, target) {
                self.next_refill = u64::MAX;
                return;
            }
        }
        if target < self.wanted {
            self.next_refill = self.departed + self.ahead / 2;
        }
    }

    /// False if quinn takes nothing now.
    fn write_block(&mut self, connection: &mut Connection, target: u64) -> bool {
        let Some(mut stripe) = self.stripe(connection) else {
            return false;
        };
        let len = stripe.left.min(target - self.written).min(BLOCK as u64);
        let mut block = [Bytes::from_static(&CONTENT).split_to(len as usize)];
        let mut stream = connection.send_stream(stripe.id);
        let Ok(taken) = stream.write_chunks(&mut block) else {
            self.stream = Some(stripe);
            return false;
        };
        self.written += taken.bytes as u64;
        stripe.left -= taken.bytes as u64;
        if stripe.left > 0 || stream.finish().is_err() {
            self.stream = Some(stripe);
        }
        taken.bytes > 0
    }

    /// The stream to write to: the one in progress or a new one, if the peer allows one more.
    fn stripe(&mut self, connection: &mut Connection) -> Option<Stripe> {
        if let Some(stripe) = self.stream.take() {
            return Some(stripe);
        }
        let id = connection.streams().open(Dir::Uni)?;
        let priority = i32::MAX.saturating_sub_unsigned(self.stripes);
        self.stripes = self.stripes.saturating_add(1);
        connection.send_stream(id).set_priority(priority).ok()?;
        Some(Stripe { id, left: STRIPE })
    }
}

/// The receiving end's part.
#[derive(Debug, Default)]
pub(super) struct Download {
    read: u64,
    /// Streams read to their ends.
    finished: u64,
}

impl Download {
    /// Bytes read in order since the start.
    pub(super) const fn read_total(&self) -> u64 {
        self.read
    }

    /// Reads all that is there, in order.
    pub(super) fn read(&mut self, connection: &mut Connection) {
        while self.read_stream(connection) {
            self.finished += 1;
        }
    }

    /// Reads the stream in turn; true if it came to its end.
    fn read_stream(&mut self, connection: &mut Connection) -> bool {
        let id = StreamId::new(Side::Client, Dir::Uni, self.finished);
        let mut stream = connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else {
            return false;
        };
        loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => self.read += chunk.bytes.len() as u64,
                Ok(None) => return true,
                // Nothing more for now; nobody resets a stream.
                Err(_) => return false,
            }
        }
    }
}

/// Streams that may be open at once: more than the send window holds.
pub(super) const CONCURRENT_STRIPES: VarInt = VarInt::from_u32(512);
/// Bytes that quinn keeps until they are acknowledged, at most.
pub(super) const SEND_WINDOW: u64 = 384 << 20;
/// Bytes of one stream: 911 packets of 1,200 bytes, hence at most 456 pieces apart.
pub(super) const STRIPE: u64 = 1 << 20;
/// Short header with an eight-byte connection ID, tag, and the type and number of a stream frame.
const LEAST_OVERHEAD: u64 = 1 + 8 + 1 + 16 + 2;
/// The same with the longest packet and stream numbers and an offset within a stripe.
const MOST_OVERHEAD: u64 = 1 + 8 + 4 + 16 + 1 + 4 + 4;
const BLOCK: usize = 1 << 16;
/// What is uploaded.
static CONTENT: [u8; BLOCK] = [0; BLOCK];
