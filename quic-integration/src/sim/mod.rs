//! Real quinn-proto endpoints as stacks of the network simulator.
//!
//! [`connection`] makes the two ends of one QUIC connection in virtual time; both implement
//! [`tautline_netsim::endpoint::StackEndpoint`]. The sending end is the client: it connects at its
//! start time and uploads; requests of the receiving application travel back on a stream of their
//! own. Everything that is not cryptography is quinn's own code, as a socket would see it: packet
//! layout and sizes, acknowledgements, loss recovery, pacing, flow control, ECN validation.
//!
//! Equal flows and seeds give equal datagrams, byte for byte. (quinn's own CUBIC takes cube roots
//! with the platform's mathematics library, so with it that holds per platform.)
//!
//! What differs from quinn over a socket, and why:
//!
//! * The handshake has the messages, sizes and round trips of TLS 1.3 but no cryptography.
//! * The upload is cut into streams of 1 MiB, sent one after another in the order of a single one:
//!   quinn 0.11.19 closes connections that receive one stream in more than 1,024 pieces.
//! * The packet size is fixed: no discovery, and no fall-back to 1,200 bytes where a run of losses
//!   looks like a path that lost its MTU.
//! * Flow control never limits, connections never time out, and datagrams leave one by one (no
//!   segmentation offload).
//!
//! ```
//! use tautline_core::controller::NewReno;
//! use tautline_core::units::{Bytes, Timestamp};
//! use tautline_netsim::endpoint::{Endpoint as _, StackEndpoint as _};
//! use tautline_quic_integration::sim::{Connection, QuinnController, QuinnFlow, connection};
//!
//! # fn main() -> Result<(), tautline_quic_integration::sim::FlowError> {
//! let flow = QuinnFlow {
//!     controller: QuinnController::Ours(Box::new(NewReno::new(Bytes::new(1472)))),
//!     ..QuinnFlow::default()
//! };
//! let Connection { mut sender, mut receiver } = connection(flow, Timestamp::ZERO, 1)?;
//! sender.write_up_to(Timestamp::ZERO, 100_000);
//! // A path of 10 ms each way that loses nothing.
//! let mut now = Timestamp::ZERO;
//! while receiver.read_total() < 100_000 {
//!     sender.wake(now);
//!     let late = Timestamp::from_nanos(now.as_nanos() + 10_000_000);
//!     while let Some(datagram) = sender.transmit(now) {
//!         receiver.receive(late, datagram);
//!     }
//!     receiver.wake(late);
//!     now = Timestamp::from_nanos(late.as_nanos() + 10_000_000);
//!     while let Some(datagram) = receiver.transmit(late) {
//!         sender.receive(now, datagram);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use quinn_proto::{
    AckFrequencyConfig, ClientConfig, NoneTokenLog, NoneTokenStore, ServerConfig, TransportConfig,
    ValidationTokenConfig, VarInt,
};
use tautline_core::units::Timestamp;
use tautline_netsim::sim::Carrier;
use tautline_netsim::transport::Ecn;

mod bulk;
mod controller;
mod endpoint;
mod null_crypto;
mod null_keys;
mod requests;
mod seeded;
mod virtual_time;
mod watch;

pub use controller::QuinnController;
pub use endpoint::QuinnEndpoint;

use bulk::{CONCURRENT_STRIPES, SEND_WINDOW, Upload};
use controller::Factory;
use null_crypto::NullCrypto;
use seeded::{SeededKey, StandingStill};
use watch::Watched;

/// What a simulated connection is set up with.
#[derive(Debug)]
pub struct QuinnFlow {
    /// Controller of the sending end; the receiving end, which sends next to nothing, has quinn's
    /// default.
    pub controller: QuinnController,
    /// Largest UDP payload in bytes, 1,200 to 65,527: 28 bytes below the packet size on the wire.
    pub mtu: u16,
    /// What packets carry in their IP header: nothing, ECT(0), or ECT(1). quinn itself only knows
    /// ECT(0); with ECT(1) its datagrams are relabelled on the way out and in.
    pub ecn: Ecn,
    /// Acknowledgement frequency that the sending end asks for (draft-ietf-quic-ack-frequency-04);
    /// without it the receiving end acknowledges every second packet or after 25 ms.
    pub ack_frequency: Option<AckFrequencyConfig>,
    /// Data that quinn is given beyond what left. It sends that too once the application has fallen
    /// silent, and sends less than it might where it is less than a window.
    pub ahead: tautline_core::units::Bytes,
}

impl Default for QuinnFlow {
    /// CUBIC, packets of 1,500 bytes on the wire, ECT(0).
    fn default() -> Self {
        Self {
            controller: QuinnController::default(),
            mtu: 1472,
            ecn: Ecn::Ect0,
            ack_frequency: None,
            ahead: tautline_core::units::Bytes::new(2 << 20),
        }
    }
}

/// Why a flow cannot be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// QUIC packets have at least 1,200 bytes (RFC 9000 §14).
    #[error("UDP payload of {got} bytes: expected 1200 to 65527")]
    Mtu {
        /// What was asked for.
        got: u16,
    },
    /// Packets do not leave marked.
    #[error("packets cannot leave with ECN-CE: expected Not-ECT, ECT(0) or ECT(1)")]
    Ecn,
}

/// The two ends of one connection; as a [`Carrier`] they carry one flow of a scenario.
#[derive(Debug)]
pub struct Connection {
    /// Uploads; a QUIC client.
    pub sender: QuinnEndpoint,
    /// Receives; a QUIC server.
    pub receiver: QuinnEndpoint,
}

impl<C> From<Connection> for Carrier<C> {
    fn from(connection: Connection) -> Self {
        Self::Real {
            sender: Box::new(connection.sender),
            receiver: Box::new(connection.receiver),
        }
    }
}

/// A connection whose sending end starts its handshake at `start`; every random number that
/// either end draws follows from `seed`.
///
/// # Errors
/// [`FlowError`] if `flow` is out of range.
pub fn connection(flow: QuinnFlow, start: Timestamp, seed: u64) -> Result<Connection, FlowError> {
    if flow.ecn == Ecn::Ce {
        return Err(FlowError::Ecn);
    }
    let (factory, ours) = flow.controller.into_factory(flow.mtu);
    let (servers_factory, _) = QuinnController::default().into_factory(flow.mtu);
    let (factory, watch) = Watched::factory(factory);
    let (servers_factory, servers_watch) = Watched::factory(servers_factory);
    let client_seed = seeded::digest(seed, b"client");
    let server_seed = seeded::digest(seed, b"server");
    let host = |seed| {
        seeded::endpoint_config(seed, flow.mtu).map_err(|_| FlowError::Mtu { got: flow.mtu })
    };
    let (client_host, server_host) = (host(client_seed)?, host(server_seed)?);

    let mut transport = transport(flow.mtu, factory);
    transport.ack_frequency_config(flow.ack_frequency);
    let mut client = ClientConfig::new(Arc::new(NullCrypto));
    client
        .transport_config(Arc::new(transport))
        .token_store(Arc::new(NoneTokenStore))
        .initial_dst_cid_provider(seeded::initial_destinations(client_seed));

    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0).log(Arc::new(NoneTokenLog));
    let mut server = ServerConfig::new(Arc::new(NullCrypto), Arc::new(SeededKey(server_seed)));
    server
        .transport_config(Arc::new(self::transport(flow.mtu, servers_factory)))
        .validation_token_config(tokens)
        .time_source(Arc::new(StandingStill));

    let (view, upload) = ((watch, ours), Upload::new(flow.ahead.as_u64()));
    Ok(Connection {
        sender: QuinnEndpoint::sender(client_host, client, start, flow.ecn, view, upload),
        receiver: QuinnEndpoint::receiver(server_host, server, flow.ecn, servers_watch),
    })
}

fn transport(mtu: u16, factory: Factory) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .initial_mtu(mtu)
        // What is above the least MTU may be taken for lost to a black hole.
        .min_mtu(mtu)
        .mtu_discovery_config(None)
        .enable_segmentation_offload(false)
        .max_idle_timeout(None)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(CONCURRENT_STRIPES)
        .stream_receive_window(VarInt::MAX)
        .receive_window(VarInt::MAX)
        .send_window(SEND_WINDOW)
        .congestion_controller_factory(factory);
    config
}
