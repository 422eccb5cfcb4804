//! The upload: bytes that the receiving end can tell from any others.

use smoltcp::socket::tcp::Socket;

/// The sending end's part.
#[derive(Debug, Default)]
pub(super) struct Upload {
    /// Bytes that the application has written since the start.
    wanted: u64,
    /// Bytes that smoltcp has taken.
    taken: u64,
}

impl Upload {
    /// Bytes that smoltcp has taken since the start.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// The application has written this much; what smoltcp has taken of more stays written.
    pub(super) fn write_up_to(&mut self, total: u64) {
        self.wanted = total.max(self.taken);
    }

    /// Bytes that wait for room, at most what fits a `usize`.
    pub(super) fn waiting(&self) -> usize {
        usize::try_from(self.wanted - self.taken).unwrap_or(usize::MAX)
    }

    /// Fills the socket's send buffer, with at most `most` bytes.
    pub(super) fn write(&mut self, socket: &mut Socket<'_>, most: usize) {
        let mut left = most.min(self.waiting());
        while left > 0 && socket.can_send() {
            let from = self.taken;
            let written = socket.send(|room| {
                let len = room.len().min(left);
                let (room, _) = room.split_at_mut(len);
                fill(from, room);
                (len, len)
            });
            let Ok(written @ 1..) = written else { return };
            self.taken += written as u64;
            left -= written;
        }
    }
}

/// The receiving end's part.
#[derive(Debug, Default)]
pub(super) struct Download {
    read: u64,
    damaged: Option<u64>,
}

impl Download {
    /// Bytes read in order since the start.
    pub(super) const fn read_total(&self) -> u64 {
        self.read
    }

    /// Where the first byte came that the sending end had not written, if one came.
    pub(super) const fn damaged(&self) -> Option<u64> {
        self.damaged
    }

    /// Reads all that is there.
    pub(super) fn read(&mut self, socket: &mut Socket<'_>) {
        while socket.can_recv() {
            let from = self.read;
            let read = socket.recv(|bytes| (bytes.len(), (bytes.len(), mismatch(from, bytes))));
            let Ok((len @ 1.., mismatch)) = read else {
                return;
            };
            self.damaged = self.damaged.or(mismatch);
            self.read += len as u64;
        }
    }
}

/// The place in [`PATTERN`] of what stands at `offset` of the upload.
fn place(offset: u64) -> usize {
    // Below PERIOD.
    (offset % PERIOD as u64) as usize
}

/// Writes what stands at `offset` of the upload.
fn fill(mut offset: u64, mut room: &mut [u8]) {
    while !room.is_empty() {
        let (_, source) = PATTERN.split_at(place(offset));
        let len = source.len().min(room.len());
        let (now, rest) = room.split_at_mut(len);
        now.copy_from_slice(source.split_at(len).0);
        offset += len as u64;
        room = rest;
    }
}

/// The first place from `offset` on where `bytes` are not those of the upload.
fn mismatch(mut offset: u64, mut bytes: &[u8]) -> Option<u64> {
    while !bytes.is_empty() {
        let (_, expected) = PATTERN.split_at(place(offset));
        let len = expected.len().min(bytes.len());
        let (now, rest) = bytes.split_at(len);
        let expected = expected.split_at(len).0;
        if now != expected {
            let at = now
                .iter()
                .zip(expected)
                .position(|(is, should)| is != should);
            return Some(offset + at.unwrap_or(0) as u64);
        }
        offset += len as u64;
        bytes = rest;
    }
    None
}

/// Length of the pattern: a prime, so that bytes which move by whole segments do not match.
const PERIOD: usize = 16_381;

/// Bytes without any order that a shift would keep (SplitMix64's increments, top byte).
static PATTERN: [u8; PERIOD] = {
    let mut pattern = [0; PERIOD];
    let mut at = 0;
    while at < PERIOD {
        let word = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        pattern[at] = (word >> 56) as u8;
        at += 1;
    }
    pattern
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn content_is_recognised_and_a_changed_or_shifted_byte_too(
            offset in 0_u64..1 << 40,
            len in 1_usize..40_000,
            at in any::<prop::sample::Index>(),
            shift in 1_u64..16_381,
        ) {
            let mut bytes = vec![0; len];
            fill(offset, &mut bytes);
            prop_assert_eq!(mismatch(offset, &bytes), None);
            if len > 100 {
                prop_assert!(mismatch(offset + shift, &bytes).is_some());
            }
            let at = at.index(len);
            bytes[at] ^= 1;
            prop_assert_eq!(mismatch(offset, &bytes), Some(offset + at as u64));
        }
    }
}
