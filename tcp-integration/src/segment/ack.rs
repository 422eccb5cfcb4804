//! Pure acknowledgements, made for smoltcp to receive.

use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, IpRepr, Ipv4Repr,
    Ipv6Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

use super::transport::FIXED_HEADER_BYTES;
use super::{LinkAddresses, Tuple};

/// Bytes of the longest frame that [`write_ack`] writes: Ethernet, IPv6 and TCP without options.
pub const MAX_ACK_FRAME: usize = 14 + 40 + FIXED_HEADER_BYTES;

/// A segment with the ACK bit and nothing else: no data, no options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PureAck {
    /// The peer's next sequence number.
    pub sequence: TcpSeqNumber,
    /// The next of our sequence numbers that the peer expects.
    pub acknowledgement: TcpSeqNumber,
    /// The window field as it is on the wire, not scaled.
    pub window: u16,
}

/// Writes the frame of a pure acknowledgement from the remote end of `tuple` to the local one, with
/// right checksums, and returns its length in bytes.
///
/// Without link addresses an Ethernet frame goes to the broadcast address, which smoltcp accepts,
/// from an address of zeros, which it does not remember. The length is 0 where nothing can be
/// written: the ends are of two families, or the medium is neither Ethernet nor IP.
pub fn write_ack(
    medium: Medium,
    link: LinkAddresses,
    tuple: Tuple,
    ack: PureAck,
    out: &mut [u8; MAX_ACK_FRAME],
) -> usize {
    let Some(ip) = ip_header(tuple) else {
        return 0;
    };
    let start = if medium == Medium::Ethernet {
        write_link(link, &ip, out)
    } else if medium == Medium::Ip {
        0
    } else {
        return 0;
    };
    let Some(bytes) = out.get_mut(start..) else {
        return 0;
    };
    let checksums = ChecksumCapabilities::default();
    ip.emit(&mut *bytes, &checksums);
    let header = ip.header_len();
    let end = header.saturating_add(FIXED_HEADER_BYTES);
    let Some(segment) = bytes.get_mut(header..end) else {
        return 0;
    };
    let repr = TcpRepr {
        src_port: tuple.remote.port,
        dst_port: tuple.local.port,
        control: TcpControl::None,
        seq_number: ack.sequence,
        ack_number: Some(ack.acknowledgement),
        window_len: ack.window,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let (source, destination) = (ip.src_addr(), ip.dst_addr());
    let mut packet = TcpPacket::new_unchecked(segment);
    repr.emit(&mut packet, &source, &destination, &checksums);
    start.saturating_add(end)
}

/// Hop limit of what is made; nothing on the way to smoltcp counts it.
const HOP_LIMIT: u8 = 64;

fn ip_header(tuple: Tuple) -> Option<IpRepr> {
    match (tuple.remote.addr, tuple.local.addr) {
        (IpAddress::Ipv4(src_addr), IpAddress::Ipv4(dst_addr)) => Some(IpRepr::Ipv4(Ipv4Repr {
            src_addr,
            dst_addr,
            next_header: IpProtocol::Tcp,
            payload_len: FIXED_HEADER_BYTES,
            hop_limit: HOP_LIMIT,
        })),
        (IpAddress::Ipv6(src_addr), IpAddress::Ipv6(dst_addr)) => Some(IpRepr::Ipv6(Ipv6Repr {
            src_addr,
            dst_addr,
            next_header: IpProtocol::Tcp,
            payload_len: FIXED_HEADER_BYTES,
            hop_limit: HOP_LIMIT,
        })),
        (IpAddress::Ipv4(_), IpAddress::Ipv6(_)) | (IpAddress::Ipv6(_), IpAddress::Ipv4(_)) => None,
    }
}

/// Writes the Ethernet header and returns its length in bytes.
fn write_link(link: LinkAddresses, ip: &IpRepr, out: &mut [u8; MAX_ACK_FRAME]) -> usize {
    let (destination, source) = match link {
        LinkAddresses::None => (EthernetAddress::BROADCAST, EthernetAddress::default()),
        LinkAddresses::Ethernet {
            destination,
            source,
        } => (destination, source),
    };
    let mut frame = EthernetFrame::new_unchecked(&mut out[..]);
    frame.set_dst_addr(destination);
    frame.set_src_addr(source);
    frame.set_ethertype(match ip {
        IpRepr::Ipv4(_) => EthernetProtocol::Ipv4,
        IpRepr::Ipv6(_) => EthernetProtocol::Ipv6,
    });
    EthernetFrame::<&[u8]>::header_len()
}
