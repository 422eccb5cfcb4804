//! Real smoltcp interfaces as stacks of the network simulator.
//!
//! [`connection`] makes the two ends of one TCP connection in virtual time; both implement
//! [`tautline_netsim::endpoint::StackEndpoint`]. The sending end is the client: it connects at its
//! start time and uploads; requests of the receiving application travel back over the same
//! connection. Everything is smoltcp's own code as any program would use it, on
//! [`Medium::Ip`](smoltcp::phy::Medium::Ip): handshake, segments and their checksums,
//! acknowledgements (delayed by up to 10 ms), the 4 holes that its receiver keeps track of,
//! retransmission. Controllers of ours stand behind a [`GatedDevice`](crate::GatedDevice).
//!
//! Equal flows and seeds give equal packets, byte for byte. (smoltcp's own CUBIC takes cube roots by
//! an iteration of its own, so that this holds on every platform.)
//!
//! What differs from smoltcp in a device, and why:
//!
//! * Buffers are 4 MiB where an application's are often a few KiB, so that they never limit: 1 Gbit/s
//!   over 33 ms. [`SmoltcpFlow::send_buffer`] and [`SmoltcpFlow::receive_buffer`] change that.
//! * The content of the upload is known at both ends, and a byte that arrives changed fails the
//!   connection.
//! * Time has whole microseconds in smoltcp; the simulator's nanoseconds are rounded down.
//! * Connections never close.
//! * Nagle's algorithm is off where the last of what is written would wait for an acknowledgement, as
//!   servers have it. It is on for what the window cuts, which smoltcp would send in pieces.
//! * A socket is given little more than can leave, so that an application which falls silent does.
//!
//! What smoltcp does not tell of its own controllers is watched from outside: round-trip times from
//! the segments that pass, and segments that were sent again in place of those declared lost. The
//! window of a controller of its own stays unknown and reads zero.
//!
//! ```
//! use tautline_core::controller::NewReno;
//! use tautline_core::units::Timestamp;
//! use tautline_netsim::endpoint::{Endpoint as _, StackEndpoint as _};
//! use tautline_tcp_integration::sim::{Connection, SmoltcpController, SmoltcpFlow, connection};
//!
//! # fn main() -> Result<(), tautline_tcp_integration::sim::FlowError> {
//! let mut flow = SmoltcpFlow::default();
//! flow.controller = SmoltcpController::Ours(Box::new(NewReno::new(flow.max_segment())));
//! let Connection { mut sender, mut receiver } = connection(flow, Timestamp::ZERO, 1)?;
//! sender.write_up_to(Timestamp::ZERO, 100_000);
//! // A path of 10 ms each way that loses nothing.
//! let mut now = Timestamp::ZERO;
//! while receiver.read_total() < 100_000 {
//!     sender.wake(now);
//!     let late = Timestamp::from_nanos(now.as_nanos() + 10_000_000);
//!     while let Some(packet) = sender.transmit(now) {
//!         receiver.receive(late, packet);
//!     }
//!     receiver.wake(late);
//!     now = Timestamp::from_nanos(late.as_nanos() + 10_000_000);
//!     while let Some(packet) = receiver.transmit(late) {
//!         sender.receive(now, packet);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use smoltcp::socket::tcp::CongestionControl;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};
use tautline_core::controller::NewReno;
use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::sim::Carrier;
use tautline_netsim::transport::Ecn;

mod content;
mod controller;
mod endpoint;
mod line;
mod requests;
mod watch;
mod wire;

pub use controller::SmoltcpController;
pub use endpoint::SmoltcpEndpoint;

use crate::connection::{EcnSupport, Settings};
use endpoint::Parts;
use line::{LARGEST_MTU, Line};

/// What a simulated connection is set up with.
#[derive(Debug)]
pub struct SmoltcpFlow {
    /// Controller of the sending end; the receiving end, which sends next to nothing, has smoltcp's
    /// CUBIC, or NewReno of ours where it has to echo marks.
    pub controller: SmoltcpController,
    /// Largest IP packet in bytes, 576 to 9,216: the packet size on the wire.
    pub mtu: u16,
    /// What data packets carry in their IP header: nothing, or ECT(0) with a controller of ours,
    /// since smoltcp itself knows no marks.
    pub ecn: Ecn,
    /// Bytes that the sending socket holds until they are acknowledged; 2,048 to 2²⁶.
    pub send_buffer: usize,
    /// Bytes that the receiving socket holds, hence the largest window; 2,048 to 2²⁶.
    pub receive_buffer: usize,
}

impl SmoltcpFlow {
    /// Payload of a full segment: what a controller of ours has to be built for.
    pub fn max_segment(&self) -> Bytes {
        Bytes::new(u64::from(self.mtu.saturating_sub(IPV4_AND_TCP)))
    }
}

impl Default for SmoltcpFlow {
    /// CUBIC of smoltcp, packets of 1,500 bytes, no marks, buffers of 4 MiB.
    fn default() -> Self {
        Self {
            controller: SmoltcpController::default(),
            mtu: 1500,
            ecn: Ecn::NotEct,
            send_buffer: 4 << 20,
            receive_buffer: 4 << 20,
        }
    }
}

/// Why a flow cannot be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// A packet size beyond what the gate edits, or below what every host takes (RFC 9293 §3.7.1).
    #[error("IP packets of {got} bytes: expected 576 to {LARGEST_MTU} over smoltcp")]
    Mtu {
        /// What was asked for.
        got: u16,
    },
    /// A codepoint that TCP with RFC 3168 does not send.
    #[error("TCP over smoltcp sends packets without marks or with ECT(0), not with {}", name(*got))]
    Ecn {
        /// What was asked for.
        got: Ecn,
    },
    /// smoltcp's own controllers know no marks.
    #[error("smoltcp's own controllers know no ECN: expected one of ours, or no marks")]
    Marks,
    /// A buffer that no socket can have.
    #[error("a socket buffer of {got} bytes: expected 2048 to {LARGEST_BUFFER}")]
    Buffer {
        /// What was asked for.
        got: usize,
    },
}

/// The two ends of one connection; as a [`Carrier`] they carry one flow of a scenario.
#[derive(Debug)]
pub struct Connection {
    /// Uploads; connects.
    pub sender: SmoltcpEndpoint,
    /// Receives; listens.
    pub receiver: SmoltcpEndpoint,
}

impl<C> From<Connection> for Carrier<C> {
    fn from(connection: Connection) -> Self {
        Self::Real {
            sender: Box::new(connection.sender),
            receiver: Box::new(connection.receiver),
        }
    }
}

/// A connection whose sending end sends its SYN at `start`; addresses, ports, and every random
/// number that either end draws follow from `seed`.
///
/// # Errors
/// [`FlowError`] if `flow` is out of range.
pub fn connection(flow: SmoltcpFlow, start: Timestamp, seed: u64) -> Result<Connection, FlowError> {
    check(&flow)?;
    let max_segment = flow.max_segment();
    let built_in = flow.controller.built_in();
    let ours = flow.controller.into_ours();
    let (echo, ecn) = if flow.ecn == Ecn::NotEct {
        (None, EcnSupport::Off)
    } else {
        let controller = Box::new(NewReno::new(max_segment));
        let echo = SmoltcpController::Ours(controller).into_ours();
        (echo, EcnSupport::On)
    };
    let settings = Settings::default()
        .with_window_scale(WINDOW_SCALE)
        .with_ecn(ecn);
    let receivers_control = match echo {
        Some(_) => CongestionControl::None,
        None => CongestionControl::Cubic,
    };
    let sender = Line::new(flow.mtu, ours, settings)?;
    let receiver = Line::new(flow.mtu, echo, settings)?;

    let [place, ports, client_seed, server_seed] = [0, 1, 2, 3].map(|index| draw(seed, index));
    let [client, server] = addresses(place);
    let client_port = FIRST_EPHEMERAL | (ports as u16 & !FIRST_EPHEMERAL);
    let peer = IpEndpoint::new(server, SERVER_PORT);
    let sending = Parts {
        line: sender,
        address: client,
        seed: client_seed,
        receive_buffer: SMALL_BUFFER,
        send_buffer: flow.send_buffer,
        congestion_control: built_in,
    };
    let receiving = Parts {
        line: receiver,
        address: server,
        seed: server_seed,
        receive_buffer: flow.receive_buffer,
        send_buffer: SMALL_BUFFER,
        congestion_control: receivers_control,
    };
    Ok(Connection {
        sender: SmoltcpEndpoint::sender(sending, start, peer, client_port),
        receiver: SmoltcpEndpoint::receiver(receiving, SERVER_PORT),
    })
}

fn check(flow: &SmoltcpFlow) -> Result<(), FlowError> {
    if !(LEAST_MTU..=LARGEST_MTU).contains(&flow.mtu) {
        return Err(FlowError::Mtu { got: flow.mtu });
    }
    match (flow.ecn, &flow.controller) {
        (Ecn::NotEct, _) | (Ecn::Ect0, SmoltcpController::Ours(_)) => {}
        (Ecn::Ect0, _) => return Err(FlowError::Marks),
        (got @ (Ecn::Ect1 | Ecn::Ce), _) => return Err(FlowError::Ecn { got }),
    }
    for got in [flow.send_buffer, flow.receive_buffer] {
        if !(LEAST_BUFFER..=LARGEST_BUFFER).contains(&got) {
            return Err(FlowError::Buffer { got });
        }
    }
    Ok(())
}

/// As RFC 3168 §5 calls it.
const fn name(codepoint: Ecn) -> &'static str {
    match codepoint {
        Ecn::NotEct => "Not-ECT",
        Ecn::Ect1 => "ECT(1)",
        Ecn::Ect0 => "ECT(0)",
        Ecn::Ce => "CE",
    }
}

/// A client in 10.0.0.0/9 and a server in 10.128.0.0/9, neither the first nor the last of all.
fn addresses(place: u64) -> [IpAddress; 2] {
    let host = (place as u32 % HOSTS) + 1;
    [0, 1 << 23].map(|side| {
        let address = Ipv4Address::from_bits((10 << 24) | side | host);
        IpAddress::Ipv4(address)
    })
}

/// Number `index` that follows from `seed` (SplitMix64).
const fn draw(seed: u64, index: u64) -> u64 {
    let word = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// Headers of IPv4 and TCP without options.
const IPV4_AND_TCP: u16 = 40;
const LEAST_MTU: u16 = 576;
const LEAST_BUFFER: usize = 2048;
const LARGEST_BUFFER: usize = 1 << 26;
/// What next to nothing passes through: SYNs, acknowledgements and requests.
const SMALL_BUFFER: usize = 1 << 16;
/// Windows up to 4 MiB in steps of 64 bytes, as large as the buffers.
const WINDOW_SCALE: u8 = 6;
const HOSTS: u32 = (1 << 23) - 2;
/// Where iperf 3 listens.
const SERVER_PORT: u16 = 5201;
/// RFC 6335 §6: 49152 to 65535.
const FIRST_EPHEMERAL: u16 = 0xC000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused_with_its_number() {
        let flow = SmoltcpFlow::default;
        let refused = |flow| connection(flow, Timestamp::ZERO, 1).unwrap_err();
        for got in [0, 575, 9217, u16::MAX] {
            assert_eq!(
                refused(SmoltcpFlow { mtu: got, ..flow() }),
                FlowError::Mtu { got }
            );
        }
        for got in [0, 2047, (1 << 26) + 1] {
            let sending = SmoltcpFlow {
                send_buffer: got,
                ..flow()
            };
            let receiving = SmoltcpFlow {
                receive_buffer: got,
                ..flow()
            };
            assert_eq!(refused(sending), FlowError::Buffer { got });
            assert_eq!(refused(receiving), FlowError::Buffer { got });
        }
        for got in [Ecn::Ect1, Ecn::Ce] {
            assert_eq!(
                refused(SmoltcpFlow { ecn: got, ..flow() }),
                FlowError::Ecn { got }
            );
        }
        let marked = SmoltcpFlow {
            ecn: Ecn::Ect0,
            ..flow()
        };
        assert_eq!(refused(marked), FlowError::Marks);
    }

    #[test]
    fn flows_of_different_seeds_have_different_addresses_in_the_right_halves() {
        let hosts: std::collections::BTreeSet<String> = (0..1000)
            .map(|seed| {
                let [client, server] = addresses(draw(seed, 0));
                let (IpAddress::Ipv4(client), IpAddress::Ipv4(server)) = (client, server) else {
                    panic!("{client} {server}");
                };
                assert_eq!(client.to_bits() >> 23, 10 << 1);
                assert_eq!(server.to_bits(), client.to_bits() | 1 << 23);
                client.to_string()
            })
            .collect();
        assert!(hosts.len() > 990, "{}", hosts.len());
    }
}
