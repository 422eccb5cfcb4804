//! Requests of the receiving application as bytes of a stream, for stacks that carry bytes only.
//!
//! A record is the request's number (8 bytes), its size (4 bytes) and zeros up to that size; a
//! request below twelve bytes takes twelve.

use std::collections::VecDeque;

use super::Request;

/// Writes requests at the receiving end.
#[derive(Debug, Default)]
pub struct RequestWriter {
    waiting: VecDeque<Record>,
}

/// What is left to write of a request.
#[derive(Debug)]
struct Record {
    header: [u8; HEADER],
    written: usize,
    padding_left: usize,
}

impl RequestWriter {
    /// Queues a request.
    pub fn push(&mut self, request: Request) {
        let mut header = [0; HEADER];
        let (id, bytes) = header.split_at_mut(HEADER - 4);
        id.copy_from_slice(&request.id.to_be_bytes());
        bytes.copy_from_slice(&request.bytes.to_be_bytes());
        self.waiting.push_back(Record {
            header,
            written: 0,
            padding_left: padding(request.bytes),
        });
    }

    /// True if nothing is left to write.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes through `send`, which says how much it took, until it takes nothing.
    pub fn write_into(&mut self, mut send: impl FnMut(&[u8]) -> usize) {
        while let Some(record) = self.waiting.front_mut() {
            let taken = if record.written < HEADER {
                let (_, rest) = record.header.split_at(record.written);
                let taken = send(rest);
                record.written += taken;
                taken
            } else if record.padding_left > 0 {
                let len = record.padding_left.min(BLOCK);
                let taken = send(PADDING.split_at(len).0);
                record.padding_left -= taken;
                taken
            } else {
                self.waiting.pop_front();
                continue;
            };
            if taken == 0 {
                return;
            }
        }
    }
}

/// Reads requests at the sending end.
#[derive(Debug, Default)]
pub struct RequestReader {
    header: [u8; HEADER],
    header_len: usize,
    padding_left: usize,
    arrived: VecDeque<Request>,
}

impl RequestReader {
    /// The next request that arrived whole.
    pub fn pop(&mut self) -> Option<Request> {
        self.arrived.pop_front()
    }

    /// Reads the next bytes of the stream, cut anywhere.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.header_len < HEADER {
                let (_, room) = self.header.split_at_mut(self.header_len);
                let len = bytes.len().min(room.len());
                let (now, rest) = bytes.split_at(len);
                room.split_at_mut(len).0.copy_from_slice(now);
                self.header_len += len;
                bytes = rest;
                if self.header_len == HEADER {
                    self.padding_left = padding(self.request().bytes);
                }
            } else {
                let len = bytes.len().min(self.padding_left);
                self.padding_left -= len;
                bytes = bytes.split_at(len).1;
            }
            if self.header_len == HEADER && self.padding_left == 0 {
                self.arrived.push_back(self.request());
                self.header_len = 0;
            }
        }
    }

    fn request(&self) -> Request {
        let [id @ .., b0, b1, b2, b3] = self.header;
        Request {
            id: u64::from_be_bytes(id),
            bytes: u32::from_be_bytes([b0, b1, b2, b3]),
        }
    }
}

/// Zeros behind the header of a request of `bytes`.
const fn padding(bytes: u32) -> usize {
    (bytes as usize).saturating_sub(HEADER)
}

const HEADER: usize = 12;
const BLOCK: usize = 1 << 12;
static PADDING: [u8; BLOCK] = [0; BLOCK];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn requests_survive_any_cut(
            requests in prop::collection::vec((any::<u64>(), 0_u32..20_000), 1..20),
            cut in 1_usize..5_000,
        ) {
            let mut writer = RequestWriter::default();
            let requests: Vec<Request> = requests
                .into_iter()
                .map(|(id, bytes)| Request { id, bytes })
                .collect();
            for &request in &requests {
                writer.push(request);
            }
            let mut bytes = Vec::new();
            writer.write_into(|piece| {
                let taken = piece.len().min(cut);
                bytes.extend_from_slice(&piece[..taken]);
                taken
            });
            let size: u32 = requests.iter().map(|request| request.bytes.max(12)).sum();
            prop_assert_eq!(bytes.len(), size as usize);
            let mut reader = RequestReader::default();
            for piece in bytes.chunks(cut) {
                reader.take(piece);
            }
            let read: Vec<Request> = std::iter::from_fn(|| reader.pop()).collect();
            prop_assert_eq!(read, requests);
        }
    }
}
