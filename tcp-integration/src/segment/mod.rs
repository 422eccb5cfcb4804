//! TCP segments as the middleware sees them: read from frames, edited in place, and made.
//!
//! What [`parse`] calls TCP is what smoltcp would hand to a socket if the frame and the packet were
//! addressed to it, and what it refuses is what smoltcp would throw away. The device looks at the
//! station that a frame is for, and the IP addresses select the connection; what smoltcp then
//! ignores is told by the connection's state.

use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::{IpEndpoint, TcpSeqNumber};

mod ack;
mod edit;
mod link;
mod network;
mod options;
mod transport;

pub use ack::{MAX_ACK_FRAME, PureAck, write_ack};
pub use edit::{EcnFlag, Editor};
pub use link::LinkAddresses;
pub use options::Options;

/// The two ends of a connection, as seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple {
    /// Our address and port.
    pub local: IpEndpoint,
    /// The peer's address and port.
    pub remote: IpEndpoint,
}

/// Which way a frame travels: it says which of its two addresses is the local one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From our stack to the network: the source is local.
    Departing,
    /// From the network to our stack: the destination is local.
    Arriving,
}

/// Control bits of a segment (RFC 9293 §3.1).
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the bits of the header"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Synchronize sequence numbers.
    pub syn: bool,
    /// No more data from the sender.
    pub fin: bool,
    /// Reset the connection.
    pub rst: bool,
    /// Push.
    pub psh: bool,
    /// The acknowledgement number counts.
    pub ack: bool,
    /// ECN echo (RFC 3168 §6.1).
    pub ece: bool,
    /// Congestion window reduced (RFC 3168 §6.1).
    pub cwr: bool,
}

/// The ECN field of an IP header (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ecn {
    /// Not ECN-capable.
    #[default]
    NotEct,
    /// ECN-capable transport, codepoint ECT(0).
    Ect0,
    /// ECN-capable transport, codepoint ECT(1).
    Ect1,
    /// Congestion experienced.
    Ce,
}

impl Ecn {
    /// The codepoint of the two low bits; the others are ignored.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::NotEct,
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The codepoint's two bits.
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0b00,
            Self::Ect1 => 0b01,
            Self::Ect0 => 0b10,
            Self::Ce => 0b11,
        }
    }
}

/// What a frame says that carries a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The connection it belongs to.
    pub tuple: Tuple,
    /// Control bits.
    pub flags: Flags,
    /// Sequence number of the first byte, or of the SYN.
    pub sequence: TcpSeqNumber,
    /// Next sequence number that the sender expects; 0 without the ACK bit.
    pub acknowledgement: TcpSeqNumber,
    /// The window as it is on the wire, not scaled.
    pub window: u16,
    /// Bytes of data.
    pub payload_bytes: u32,
    /// Bytes of the IP packet: its headers, the segment's header and the data.
    pub wire_bytes: u32,
    /// What the options say.
    pub options: Options,
    /// The ECN field of the IP header.
    pub ecn: Ecn,
    pub(crate) layout: Layout,
}

impl Segment {
    /// Bytes of sequence space: data, SYN and FIN (SEG.LEN of RFC 9293 §3.4).
    pub fn sequence_bytes(&self) -> u32 {
        let controls = u32::from(self.flags.syn).saturating_add(u32::from(self.flags.fin));
        self.payload_bytes.saturating_add(controls)
    }

    /// The sequence number after the last one of this segment.
    pub fn end(&self) -> TcpSeqNumber {
        TcpSeqNumber(self.sequence.0.wrapping_add_unsigned(self.sequence_bytes()))
    }
}

/// Where the parts of a segment lie in its frame, in bytes from the frame's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The IP header.
    pub(crate) ip: usize,
    /// The TCP header; 0 only where no frame belongs to the segment.
    pub(crate) tcp: usize,
    /// The shift count in the window-scale option that counts, if there is one.
    pub(crate) window_scale: Option<usize>,
    pub(crate) family: Family,
    pub(crate) tcp_checksum: Checksum,
    pub(crate) ipv4_checksum: Checksum,
}

/// The version of IP around a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Family {
    #[default]
    V4,
    V6,
}

/// What an edit does with a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// It is brought along.
    #[default]
    Kept,
    /// The device computes it after us: nothing is touched.
    Offloaded,
}

/// What a frame is to the middleware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A TCP segment that smoltcp would hand to a socket.
    Tcp(Segment),
    /// Not TCP: passes untouched.
    Other,
    /// TCP, or IP of an unknown kind, that smoltcp would throw away.
    Refused(Refusal),
}

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The IP header's lengths or version contradict the frame.
    #[error("the IP header of a frame of {frame_bytes} bytes contradicts it")]
    IpHeader {
        /// Bytes of the frame.
        frame_bytes: usize,
    },
    /// The IPv4 header's checksum is wrong.
    #[error("the checksum of the IPv4 header is wrong")]
    Ipv4Checksum,
    /// A hop-by-hop header, or an option in it, that ends too early (RFC 8200 §4.3).
    #[error("the IPv6 hop-by-hop header is malformed")]
    HopByHop,
    /// TCP in a fragment of an IP packet.
    #[error("TCP inside a fragment of an IP packet")]
    Fragment,
    /// The TCP header's length contradicts the packet.
    #[error("the TCP header contradicts the {bytes} bytes that the IP packet has for it")]
    TcpHeader {
        /// Bytes behind the IP headers.
        bytes: usize,
    },
    /// A port is zero.
    #[error("ports {source_port} and {destination_port}: zero is none")]
    Port {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// The TCP checksum is wrong.
    #[error("the TCP checksum is wrong")]
    TcpChecksum,
    /// More than one of SYN, FIN and RST.
    #[error("control bits that exclude each other")]
    Flags,
    /// An option whose length is wrong or reaches beyond the header.
    #[error("a malformed TCP option")]
    Options,
}

/// Reads a frame; any bytes are allowed.
///
/// Checksums are verified only for arriving frames, and only those that `checksums` tells the
/// stack to verify. A VLAN tag makes a frame [`Parsed::Other`], as does any IPv6 extension header
/// before TCP but one hop-by-hop header whose options let it pass: smoltcp answers those itself.
pub fn parse(
    medium: Medium,
    direction: Direction,
    checksums: &ChecksumCapabilities,
    frame: &[u8],
) -> Parsed {
    network::parse(medium, direction, checksums, frame)
}

#[cfg(test)]
mod tests;
