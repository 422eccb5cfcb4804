//! From the frame to the TCP header: Ethernet, IPv4 and IPv6.

use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6ExtHeader,
    Ipv6FragmentHeader, Ipv6HopByHopHeader, Ipv6HopByHopRepr, Ipv6OptionFailureType,
    Ipv6OptionRepr, Ipv6Packet,
};

use super::transport::{self, Envelope};
use super::{Checksum, Direction, Ecn, Family, Parsed, Refusal};

/// What all steps of reading know.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) direction: Direction,
    pub(super) checksums: &'a ChecksumCapabilities,
}

impl Reader<'_> {
    /// Whether a checksum of this kind is to be verified now.
    pub(super) fn verifies(self, capability: smoltcp::phy::Checksum) -> bool {
        self.direction == Direction::Arriving && capability.rx()
    }

    /// What an edit does with a checksum of this kind.
    pub(super) fn keeps(self, capability: smoltcp::phy::Checksum) -> Checksum {
        match self.direction {
            Direction::Departing if !capability.tx() => Checksum::Offloaded,
            Direction::Departing | Direction::Arriving => Checksum::Kept,
        }
    }
}

pub(super) fn parse(
    medium: Medium,
    direction: Direction,
    checksums: &ChecksumCapabilities,
    frame: &[u8],
) -> Parsed {
    let reader = Reader {
        direction,
        checksums,
    };
    if medium == Medium::Ethernet {
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else {
            return Parsed::Other;
        };
        let start = EthernetFrame::<&[u8]>::header_len();
        match ethernet.ethertype() {
            EthernetProtocol::Ipv4 => ipv4(reader, start, ethernet.payload()),
            EthernetProtocol::Ipv6 => ipv6(reader, start, ethernet.payload()),
            _ => Parsed::Other,
        }
    } else if medium == Medium::Ip {
        match frame.first().map(|first| first >> 4) {
            Some(4) => ipv4(reader, 0, frame),
            Some(6) => ipv6(reader, 0, frame),
            _ => Parsed::Other,
        }
    } else {
        Parsed::Other
    }
}

fn ipv4(reader: Reader<'_>, start: usize, bytes: &[u8]) -> Parsed {
    let malformed = Parsed::Refused(Refusal::IpHeader {
        frame_bytes: start.saturating_add(bytes.len()),
    });
    let Ok(packet) = Ipv4Packet::new_checked(bytes) else {
        return malformed;
    };
    if packet.version() != 4 {
        return malformed;
    }
    if packet.next_header() != IpProtocol::Tcp {
        return Parsed::Other;
    }
    if reader.verifies(reader.checksums.ipv4) && !packet.verify_checksum() {
        return Parsed::Refused(Refusal::Ipv4Checksum);
    }
    if packet.more_frags() || packet.frag_offset() != 0 {
        return Parsed::Refused(Refusal::Fragment);
    }
    let envelope = Envelope {
        family: Family::V4,
        source: IpAddress::Ipv4(packet.src_addr()),
        destination: IpAddress::Ipv4(packet.dst_addr()),
        ecn: Ecn::from_bits(packet.ecn()),
        wire_bytes: u32::from(packet.total_len()),
        ip: start,
        tcp: start.saturating_add(usize::from(packet.header_len())),
    };
    transport::parse(reader, &envelope, packet.payload())
}

fn ipv6(reader: Reader<'_>, start: usize, bytes: &[u8]) -> Parsed {
    let malformed = Parsed::Refused(Refusal::IpHeader {
        frame_bytes: start.saturating_add(bytes.len()),
    });
    let Ok(packet) = Ipv6Packet::new_checked(bytes) else {
        return malformed;
    };
    if packet.version() != 6 {
        return malformed;
    }
    let payload = packet.payload();
    let (protocol, content) = if packet.next_header() == IpProtocol::HopByHop {
        match hop_by_hop(payload) {
            Ok(Some(behind)) => behind,
            Ok(None) => return Parsed::Other,
            Err(refusal) => return Parsed::Refused(refusal),
        }
    } else {
        (packet.next_header(), payload)
    };
    match protocol {
        IpProtocol::Tcp => {}
        IpProtocol::Ipv6Frag if holds_tcp(content) => return Parsed::Refused(Refusal::Fragment),
        _ => return Parsed::Other,
    }
    let extensions = payload.len().saturating_sub(content.len());
    let envelope = Envelope {
        family: Family::V6,
        source: IpAddress::Ipv6(packet.src_addr()),
        destination: IpAddress::Ipv6(packet.dst_addr()),
        ecn: Ecn::from_bits(packet.traffic_class()),
        wire_bytes: packet.total_len() as u32,
        ip: start,
        tcp: start
            .saturating_add(packet.header_len())
            .saturating_add(extensions),
    };
    transport::parse(reader, &envelope, content)
}

/// What follows a hop-by-hop header, as smoltcp goes on from it: nothing where an option forbids to
/// go on, which smoltcp may have to answer (RFC 8200 §4.2).
fn hop_by_hop(payload: &[u8]) -> Result<Option<(IpProtocol, &[u8])>, Refusal> {
    let header = Ipv6ExtHeader::new_checked(payload).map_err(|_| Refusal::HopByHop)?;
    let options =
        Ipv6HopByHopHeader::new_checked(header.payload()).map_err(|_| Refusal::HopByHop)?;
    let options = Ipv6HopByHopRepr::parse(&options).map_err(|_| Refusal::HopByHop)?;
    let forbidden = options.options.iter().any(|option| {
        matches!(option, Ipv6OptionRepr::Unknown { type_, .. }
            if Ipv6OptionFailureType::from(*type_) != Ipv6OptionFailureType::Skip)
    });
    if forbidden {
        return Ok(None);
    }
    let behind = header.payload().len().saturating_add(2);
    let content = payload.get(behind..).ok_or(Refusal::HopByHop)?;
    Ok(Some((header.next_header(), content)))
}

/// Whether an IPv6 fragment header says that the packet's content is TCP.
fn holds_tcp(content: &[u8]) -> bool {
    content.first() == Some(&IpProtocol::Tcp.into())
        && Ipv6FragmentHeader::new_checked(content.get(2..).unwrap_or_default()).is_ok()
}
