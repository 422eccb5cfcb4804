//! Requests of the receiving application, on a stream back to the sending one.
//!
//! A record is the request's number (8 bytes), its size (4 bytes) and zeros up to that size; a
//! request below twelve bytes takes twelve.

use std::collections::VecDeque;

use bytes::Bytes;
use quinn_proto::{Connection, Dir, Side, StreamId};
use tautline_netsim::endpoint::Request;

/// Writes requests at the receiving end.
#[derive(Debug, Default)]
pub(super) struct RequestWriter {
    stream: Option<StreamId>,
    waiting: VecDeque<Bytes>,
}

impl RequestWriter {
    /// Queues a request.
    pub(super) fn push(&mut self, request: Request) {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&request.id.to_be_bytes());
        header[8..].copy_from_slice(&request.bytes.to_be_bytes());
        self.waiting.push_back(Bytes::copy_from_slice(&header));
        let mut padding = padding(request.bytes);
        while padding > 0 {
            let len = padding.min(BLOCK);
            self.waiting
                .push_back(Bytes::from_static(&PADDING).split_to(len));
            padding -= len;
        }
    }

    /// Writes what quinn takes; the rest waits for the next call.
    pub(super) fn write(&mut self, connection: &mut Connection) {
        if self.waiting.is_empty() {
            return;
        }
        if self.stream.is_none() {
            self.stream = connection.streams().open(Dir::Uni);
        }
        let Some(id) = self.stream else { return };
        let waiting = self.waiting.make_contiguous();
        if let Ok(written) = connection.send_stream(id).write_chunks(waiting) {
            self.waiting.drain(..written.chunks);
        }
    }
}

/// Reads requests at the sending end.
#[derive(Debug, Default)]
pub(super) struct RequestReader {
    header: [u8; HEADER],
    header_len: usize,
    padding_left: usize,
    arrived: VecDeque<Request>,
}

impl RequestReader {
    /// The next request that arrived whole.
    pub(super) fn pop(&mut self) -> Option<Request> {
        self.arrived.pop_front()
    }

    /// Reads all that is there.
    pub(super) fn read(&mut self, connection: &mut Connection) {
        let id = StreamId::new(Side::Server, Dir::Uni, 0);
        let mut stream = connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else {
            return;
        };
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            self.take(&chunk.bytes);
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.header_len < HEADER {
                let len = bytes.len().min(HEADER - self.header_len);
                let (now, rest) = bytes.split_at(len);
                self.header[self.header_len..self.header_len + len].copy_from_slice(now);
                self.header_len += len;
                bytes = rest;
                if self.header_len == HEADER {
                    self.padding_left = padding(self.request().bytes);
                }
            } else {
                let len = bytes.len().min(self.padding_left);
                self.padding_left -= len;
                bytes = &bytes[len..];
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
            let bytes: Vec<u8> = writer.waiting.iter().flatten().copied().collect();
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
