//! A handshake without cryptography: the messages, sizes and round trips of TLS 1.3, no secrets.

use std::any::Any;
use std::io::Cursor;
use std::sync::Arc;

use quinn_proto::crypto::{
    ClientConfig, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig,
    Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError, TransportErrorCode};

use super::null_keys::{Epoch, TAG, keys};
use super::seeded::digest;

/// Both sides' configuration: there is nothing to configure.
#[derive(Clone, Copy, Debug)]
pub(super) struct NullCrypto;

impl ClientConfig for NullCrypto {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        _server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        Ok(Box::new(NullSession::new(Side::Client, params)))
    }
}

impl ServerConfig for NullCrypto {
    fn initial_keys(
        &self,
        _version: u32,
        _dst_cid: &ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        Ok(keys(Epoch::Initial, Side::Server))
    }

    fn retry_tag(&self, _version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; TAG] {
        retry_tag(orig_dst_cid, &[packet])
    }

    fn start_session(
        self: Arc<Self>,
        _version: u32,
        params: &TransportParameters,
    ) -> Box<dyn Session> {
        Box::new(NullSession::new(Side::Server, params))
    }
}

/// What comes next in the handshake, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The client greets.
    SendClientHello,
    ReadClientHello,
    /// The server answers, and has handshake keys from then on.
    SendServerHello,
    ReadServerHello,
    /// The client has handshake keys.
    TakeHandshakeKeys,
    /// The server sends parameters, certificate and its end of the handshake in one flight.
    SendServerFlight,
    ReadServerFlight,
    SendClientFinished,
    ReadClientFinished,
    Done,
}

/// One side of the handshake.
#[derive(Debug)]
struct NullSession {
    side: Side,
    step: Step,
    own_params: Vec<u8>,
    peer_params: Option<TransportParameters>,
    /// Bytes of the message in progress.
    received: Vec<u8>,
    key_updates: u32,
}

impl NullSession {
    fn new(side: Side, params: &TransportParameters) -> Self {
        let mut own_params = Vec::new();
        params.write(&mut own_params);
        let step = match side {
            Side::Client => Step::SendClientHello,
            Side::Server => Step::ReadClientHello,
        };
        Self {
            side,
            step,
            own_params,
            peer_params: None,
            received: Vec::new(),
            key_updates: 0,
        }
    }

    /// Length of `body`, the body itself, and zeros up to `total` bytes.
    fn write_message(buf: &mut Vec<u8>, body: &[u8], total: usize) {
        let total = total.max(body.len() + 4);
        let start = buf.len();
        // Both lengths are far below 2¹⁶: parameters take some hundred bytes.
        buf.extend_from_slice(&(total as u16).to_be_bytes());
        buf.extend_from_slice(&(body.len() as u16).to_be_bytes());
        buf.extend_from_slice(body);
        buf.resize(start + total, 0);
    }

    /// The body of the message in progress, once it is whole.
    fn take_message(&mut self) -> Option<Vec<u8>> {
        let header = self.received.first_chunk::<4>()?;
        let total = usize::from(u16::from_be_bytes([header[0], header[1]]));
        let body = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if self.received.len() < total || body + 4 > total {
            return None;
        }
        let message: Vec<u8> = self.received.drain(..total).collect();
        message.get(4..4 + body).map(<[u8]>::to_vec)
    }

    fn read_params(&mut self, body: &[u8]) -> Result<(), TransportError> {
        let params = TransportParameters::read(self.side, &mut Cursor::new(body))?;
        self.peer_params = Some(params);
        Ok(())
    }
}

impl Session for NullSession {
    fn initial_keys(&self, _dst_cid: &ConnectionId, side: Side) -> Keys {
        keys(Epoch::Initial, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        // A client is through when it has read the server's end, even before it says so.
        !matches!(self.step, Step::SendClientFinished | Step::Done)
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.received.extend_from_slice(buf);
        while let Some(body) = self.take_message() {
            self.step = match self.step {
                Step::ReadClientHello => {
                    self.read_params(&body)?;
                    Step::SendServerHello
                }
                Step::ReadServerHello => Step::TakeHandshakeKeys,
                Step::ReadServerFlight => {
                    self.read_params(&body)?;
                    Step::SendClientFinished
                }
                Step::ReadClientFinished => Step::Done,
                step => return Err(unexpected_message(step)),
            };
        }
        Ok(false)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.peer_params)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let (next, epoch) = match self.step {
            Step::SendClientHello => {
                Self::write_message(buf, &self.own_params, CLIENT_HELLO);
                (Step::ReadServerHello, None)
            }
            Step::SendServerHello => {
                Self::write_message(buf, &[], SERVER_HELLO);
                (Step::SendServerFlight, Some(Epoch::Handshake))
            }
            Step::TakeHandshakeKeys => (Step::ReadServerFlight, Some(Epoch::Handshake)),
            Step::SendServerFlight => {
                Self::write_message(buf, &self.own_params, SERVER_FLIGHT);
                (Step::ReadClientFinished, Some(Epoch::Data(0)))
            }
            Step::SendClientFinished => {
                Self::write_message(buf, &[], CLIENT_FINISHED);
                (Step::Done, Some(Epoch::Data(0)))
            }
            waiting => (waiting, None),
        };
        self.step = next;
        epoch.map(|epoch| keys(epoch, self.side))
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.key_updates = self.key_updates.wrapping_add(1);
        Some(keys(Epoch::Data(self.key_updates), self.side).packet)
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        payload
            .split_last_chunk::<TAG>()
            .is_some_and(|(rest, tag)| retry_tag(orig_dst_cid, &[header, rest]) == *tag)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        let seed = digest(digest(0, label), context);
        for (index, chunk) in output.chunks_mut(8).enumerate() {
            let word = digest(seed, &index.to_le_bytes()).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

fn unexpected_message(step: Step) -> TransportError {
    TransportError {
        code: TransportErrorCode::PROTOCOL_VIOLATION,
        frame: None,
        reason: format!("unexpected handshake message at {step:?}"),
    }
}

fn retry_tag(orig_dst_cid: &ConnectionId, parts: &[&[u8]]) -> [u8; TAG] {
    let mut state = digest(0, orig_dst_cid);
    for part in parts {
        state = digest(state, part);
    }
    let mut tag = [0; TAG];
    tag[..8].copy_from_slice(&state.to_le_bytes());
    tag
}

/// TLS 1.3 messages with a self-signed P-256 certificate as rustls writes them, about.
const CLIENT_HELLO: usize = 290;
const SERVER_HELLO: usize = 122;
const SERVER_FLIGHT: usize = 780;
const CLIENT_FINISHED: usize = 52;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cut_anywhere_are_read_whole() {
        let mut written = Vec::new();
        NullSession::write_message(&mut written, &[1, 2, 3], 20);
        NullSession::write_message(&mut written, &[4; 30], 20);
        assert_eq!(written.len(), 20 + 34);
        let mut session = NullSession {
            side: Side::Server,
            step: Step::ReadClientHello,
            own_params: Vec::new(),
            peer_params: None,
            received: Vec::new(),
            key_updates: 0,
        };
        let mut read = Vec::new();
        for byte in written {
            session.received.push(byte);
            read.extend(session.take_message());
        }
        assert_eq!(read, [vec![1, 2, 3], vec![4; 30]]);
    }
}
