//! What the sniffer reads from a frame.

use smoltcp::phy::Medium;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet,
    TcpOption, TcpPacket,
};

/// A TCP segment on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Sender.
    pub(crate) source: IpEndpoint,
    /// Receiver.
    pub(crate) target: IpEndpoint,
    /// Sequence number.
    pub(crate) sequence: u32,
    /// Acknowledgement number, where the ACK flag is set.
    pub(crate) acknowledgement: Option<u32>,
    /// SYN flag.
    pub(crate) syn: bool,
    /// FIN flag.
    pub(crate) fin: bool,
    /// RST flag.
    pub(crate) rst: bool,
    /// Window field, unscaled.
    pub(crate) window: u16,
    /// Payload bytes.
    pub(crate) payload: i64,
    /// Window scale option.
    pub(crate) scale: Option<u8>,
    /// Maximum segment size option.
    pub(crate) max_segment: Option<u16>,
    /// SACK blocks.
    pub(crate) sack: Vec<(u32, u32)>,
}

/// Reads `frame`; none for everything that is not TCP with two right checksums.
pub(crate) fn read(medium: Medium, frame: &[u8]) -> Option<Seen> {
    let packet = match medium {
        Medium::Ip => frame,
        Medium::Ethernet => {
            let ethernet = EthernetFrame::new_checked(frame).ok()?;
            match ethernet.ethertype() {
                EthernetProtocol::Ipv4 | EthernetProtocol::Ipv6 => ethernet.payload(),
                _ => return None,
            }
        }
    };
    match packet.first()? >> 4 {
        4 => {
            let ip = Ipv4Packet::new_checked(packet).ok()?;
            let tcp = ip.next_header() == IpProtocol::Tcp;
            let whole = !ip.more_frags() && ip.frag_offset() == 0;
            if !tcp || !whole || !ip.verify_checksum() {
                return None;
            }
            segment(ip.src_addr().into(), ip.dst_addr().into(), ip.payload())
        }
        6 => {
            let ip = Ipv6Packet::new_checked(packet).ok()?;
            if ip.next_header() != IpProtocol::Tcp {
                return None;
            }
            segment(ip.src_addr().into(), ip.dst_addr().into(), ip.payload())
        }
        _ => None,
    }
}

fn segment(source: IpAddress, target: IpAddress, bytes: &[u8]) -> Option<Seen> {
    let tcp = TcpPacket::new_checked(bytes).ok()?;
    if !tcp.verify_checksum(&source, &target) {
        return None;
    }
    let mut seen = Seen {
        source: IpEndpoint::new(source, tcp.src_port()),
        target: IpEndpoint::new(target, tcp.dst_port()),
        sequence: tcp.seq_number().0 as u32,
        acknowledgement: tcp.ack().then(|| tcp.ack_number().0 as u32),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        window: tcp.window_len(),
        payload: tcp.payload().len() as i64,
        scale: None,
        max_segment: None,
        sack: Vec::new(),
    };
    let mut options = tcp.options();
    while !options.is_empty() {
        let (rest, option) = TcpOption::parse(options).ok()?;
        match option {
            TcpOption::EndOfList => break,
            TcpOption::MaxSegmentSize(bytes) => seen.max_segment = Some(bytes),
            TcpOption::WindowScale(shift) => seen.scale = Some(shift.min(14)),
            TcpOption::SackRange(blocks) => seen.sack.extend(blocks.iter().flatten()),
            _ => {}
        }
        options = rest;
    }
    Some(seen)
}

/// Whether `frame` is ARP, which no checksum protects.
pub(crate) fn is_arp(medium: Medium, frame: &[u8]) -> bool {
    medium == Medium::Ethernet && frame.get(12..14) == Some(&[0x08, 0x06])
}
