//! The TCP header.

use smoltcp::wire::{IpAddress, IpEndpoint, TcpPacket, TcpSeqNumber};

use super::network::Reader;
use super::{Direction, Ecn, Family, Flags, Layout, Parsed, Refusal, Segment, Tuple, options};

/// Bytes of a TCP header before its options.
pub(super) const FIXED_HEADER_BYTES: usize = 20;

/// What the layers around a segment say of it.
pub(super) struct Envelope {
    pub(super) family: Family,
    pub(super) source: IpAddress,
    pub(super) destination: IpAddress,
    pub(super) ecn: Ecn,
    /// Bytes of the IP packet.
    pub(super) wire_bytes: u32,
    /// Where the IP header starts in the frame.
    pub(super) ip: usize,
    /// Where the TCP header starts in the frame.
    pub(super) tcp: usize,
}

/// Reads the bytes behind the IP headers, with the demands of smoltcp's `TcpRepr::parse`.
pub(super) fn parse(reader: Reader<'_>, envelope: &Envelope, bytes: &[u8]) -> Parsed {
    match segment(reader, envelope, bytes) {
        Ok(segment) => Parsed::Tcp(segment),
        Err(refusal) => Parsed::Refused(refusal),
    }
}

fn segment(reader: Reader<'_>, envelope: &Envelope, bytes: &[u8]) -> Result<Segment, Refusal> {
    let packet =
        TcpPacket::new_checked(bytes).map_err(|_| Refusal::TcpHeader { bytes: bytes.len() })?;
    let (source_port, destination_port) = (packet.src_port(), packet.dst_port());
    if source_port == 0 || destination_port == 0 {
        return Err(Refusal::Port {
            source_port,
            destination_port,
        });
    }
    if reader.verifies(reader.checksums.tcp)
        && !packet.verify_checksum(&envelope.source, &envelope.destination)
    {
        return Err(Refusal::TcpChecksum);
    }
    let flags = flags(&packet)?;
    let (options, shift_count) = options::read(packet.options())?;
    let source = IpEndpoint::new(envelope.source, source_port);
    let destination = IpEndpoint::new(envelope.destination, destination_port);
    let (local, remote) = match reader.direction {
        Direction::Departing => (source, destination),
        Direction::Arriving => (destination, source),
    };
    Ok(Segment {
        tuple: Tuple { local, remote },
        flags,
        sequence: packet.seq_number(),
        acknowledgement: if flags.ack {
            packet.ack_number()
        } else {
            TcpSeqNumber(0)
        },
        window: packet.window_len(),
        payload_bytes: packet.payload().len() as u32,
        wire_bytes: envelope.wire_bytes,
        options,
        ecn: envelope.ecn,
        layout: Layout {
            ip: envelope.ip,
            tcp: envelope.tcp,
            window_scale: shift_count.map(|offset| {
                envelope
                    .tcp
                    .saturating_add(FIXED_HEADER_BYTES)
                    .saturating_add(offset)
            }),
            family: envelope.family,
            tcp_checksum: reader.keeps(reader.checksums.tcp),
            ipv4_checksum: reader.keeps(reader.checksums.ipv4),
        },
    })
}

fn flags(packet: &TcpPacket<&[u8]>) -> Result<Flags, Refusal> {
    let flags = Flags {
        syn: packet.syn(),
        fin: packet.fin(),
        rst: packet.rst(),
        psh: packet.psh(),
        ack: packet.ack(),
        ece: packet.ece(),
        cwr: packet.cwr(),
    };
    match (flags.syn, flags.fin, flags.rst) {
        (true, true, _) | (true, _, true) | (_, true, true) => Err(Refusal::Flags),
        _ => Ok(flags),
    }
}
