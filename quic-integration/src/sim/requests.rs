//! Requests of the receiving application, on a stream back to the sending one.

use quinn_proto::{Connection, Dir, Side, StreamId};
use tautline_netsim::endpoint::{Request, RequestReader, RequestWriter};

/// Requests to write at the receiving end.
#[derive(Debug, Default)]
pub(super) struct RequestStream {
    stream: Option<StreamId>,
    requests: RequestWriter,
}

impl RequestStream {
    /// Queues a request.
    pub(super) fn push(&mut self, request: Request) {
        self.requests.push(request);
    }

    /// Writes what quinn takes; the rest waits for the next call.
    pub(super) fn write(&mut self, connection: &mut Connection) {
        if self.requests.is_empty() {
            return;
        }
        if self.stream.is_none() {
            self.stream = connection.streams().open(Dir::Uni);
        }
        let Some(id) = self.stream else { return };
        self.requests
            .write_into(|bytes| connection.send_stream(id).write(bytes).unwrap_or(0));
    }
}

/// Reads all that is there at the sending end.
pub(super) fn read(requests: &mut RequestReader, connection: &mut Connection) {
    let id = StreamId::new(Side::Server, Dir::Uni, 0);
    let mut stream = connection.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else {
        return;
    };
    while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
        requests.take(&chunk.bytes);
    }
}
