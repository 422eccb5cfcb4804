//! The seam between the network and whatever stack stands at its edge.

use core::time::Duration;

use tautline_core::controller::Counters;
use tautline_core::units::{Bytes, Timestamp};

use crate::transport::Ecn;

mod requests;

pub use requests::{RequestReader, RequestWriter};

/// One side of a connection, without input or output of its own.
///
/// The simulator calls [`Endpoint::receive`] or [`Endpoint::wake`] and then
/// [`Endpoint::transmit`] until it answers `None`; only then is [`Endpoint::next_wake`] meaningful.
/// The model's sender and receiver implement it; real stacks in virtual time implement the same
/// trait, so that both can share a bottleneck.
///
/// Links carry sizes and numbers only ([`crate::transport::Packet`]): the datagrams of a real stack
/// wait beside its flow under their packet number until the link says that they arrived.
///
/// Time never runs backwards within one endpoint, but two endpoints of one connection may be
/// driven at different times: the receiver's clock runs ahead by the propagation delay of packets
/// whose arrival can no longer change.
pub trait Endpoint {
    /// What arrives: acknowledgements at a model sender, packets at a model receiver.
    type Incoming;
    /// What leaves.
    type Outgoing;

    /// Something arrived.
    fn receive(&mut self, now: Timestamp, incoming: Self::Incoming);

    /// The time that [`Endpoint::next_wake`] named has come.
    fn wake(&mut self, now: Timestamp);

    /// The next thing to leave at this instant, if any.
    fn transmit(&mut self, now: Timestamp) -> Option<Self::Outgoing>;

    /// When to call [`Endpoint::wake`]; [`Timestamp::MAX`] for never.
    fn next_wake(&self) -> Timestamp;
}

/// What a real stack sends: the payload of one UDP datagram, or one IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The bytes that the stack wrote; [`StackEndpoint::layer`] says what they are.
    pub payload: Vec<u8>,
    /// The ECN field of its IP header.
    pub ecn: Ecn,
}

/// What stands below a stack, and hence what its datagrams are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// The stack writes payload of UDP datagrams; 28 bytes of IPv4 and UDP headers come on top.
    #[default]
    Udp,
    /// The stack writes whole IP packets. Queues that mark write the codepoint into their headers.
    Ip,
}

impl Layer {
    /// Bytes on the wire that are not in [`Datagram::payload`].
    pub const fn header_bytes(self) -> u32 {
        match self {
            Self::Udp => IPV4_AND_UDP,
            Self::Ip => 0,
        }
    }
}

/// An IPv4 header without options, and a UDP header.
const IPV4_AND_UDP: u32 = 28;

/// A message that the receiving application sends back to the sending one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the receiving application; a retry repeats it.
    pub id: u64,
    /// Payload of the request itself, in bytes.
    pub bytes: u32,
}

/// What a real stack tells about its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StackStatus {
    /// Congestion window.
    pub window: Bytes,
    /// Packets that left this side, acknowledgements included.
    pub sent_packets: u64,
    /// Packets that this side declared lost.
    pub lost_packets: u64,
    /// Smoothed round-trip time; zero before the first sample.
    pub smoothed_rtt: Duration,
    /// Least round-trip time sample; zero before the first.
    pub min_rtt: Duration,
    /// Round-trip time samples (RFC 9002 §5.1) since the start.
    pub rtt_samples: u64,
    /// Their sum.
    pub rtt_sum: Duration,
    /// Bytes in flight as the stack counts them: UDP payload of QUIC packets, payload of TCP segments.
    pub bytes_in_flight: Bytes,
    /// Counters of its controller, all zero where it has none of ours.
    pub counters: Counters,
}

/// One end of a connection of a real stack, with the application's bytes on top.
///
/// Bulk data flows from the sending end to the receiving one in a single ordered stream; requests
/// flow back. Both ends implement the same trait and leave alone what is not theirs.
pub trait StackEndpoint: Endpoint<Incoming = Datagram, Outgoing = Datagram> {
    /// What the datagrams of this stack are; the same at both ends and all the time.
    fn layer(&self) -> Layer {
        Layer::Udp
    }

    /// The sending application has `total` bytes for the stack, counted from the start.
    ///
    /// `total` falls where the application wrote as much as fits and no longer does
    /// ([`crate::workload::Application::offered`]): what the stack has not taken is withdrawn, and
    /// what it has taken stays written. A stack therefore takes little more than what leaves at this
    /// instant, whatever its send buffer holds.
    fn write_up_to(&mut self, now: Timestamp, total: u64);

    /// Bytes of the sending application that the stack has taken since the start.
    fn taken_total(&self) -> u64;

    /// Bytes that the receiving application has read in order since the start.
    fn read_total(&self) -> u64;

    /// The receiving application asks; the request travels reliably.
    fn send_request(&mut self, now: Timestamp, request: Request);

    /// The next request that arrived whole at the sending end.
    fn next_request(&mut self) -> Option<Request>;

    /// Why the connection ended at this end, if it did; nothing is carried any more then.
    fn failure(&self) -> Option<&str>;

    /// Figures of the connection as this end sees it.
    fn status(&self) -> StackStatus;
}
