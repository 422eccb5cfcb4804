//! Frames to build.

use std::vec::Vec;

use proptest::prelude::*;
use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Address,
    Ipv4Packet, Ipv4Repr, Ipv6Address, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, TcpTimestampRepr,
};

use super::super::{EcnFlag, Family};

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) medium: Medium,
    pub(super) family: Family,
    pub(super) repr: TcpRepr<'static>,
    pub(super) payload: Vec<u8>,
    /// Words of IPv4 options, or blocks of hop-by-hop padding.
    pub(super) extensions: usize,
    /// Bytes behind the IP packet.
    pub(super) padding: usize,
    /// DSCP and ECN.
    pub(super) traffic_class: u8,
    pub(super) flags: Option<EcnFlag>,
}

pub(super) const IPV4: (Ipv4Address, Ipv4Address) = (
    Ipv4Address::new(192, 0, 2, 1),
    Ipv4Address::new(198, 51, 100, 7),
);
pub(super) const IPV6: (Ipv6Address, Ipv6Address) = (
    Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
    Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xffff, 2),
);

impl Plan {
    pub(super) fn addresses(&self) -> (IpAddress, IpAddress) {
        match self.family {
            Family::V4 => (IpAddress::Ipv4(IPV4.0), IpAddress::Ipv4(IPV4.1)),
            Family::V6 => (IpAddress::Ipv6(IPV6.0), IpAddress::Ipv6(IPV6.1)),
        }
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let segment = self.segment();
        let mut packet = match self.family {
            Family::V4 => self.ipv4(&segment),
            Family::V6 => self.ipv6(&segment),
        };
        packet.resize(packet.len() + self.padding, 0xa5);
        match self.medium {
            Medium::Ip => packet,
            Medium::Ethernet => ethernet(self.family, &packet),
        }
    }

    pub(super) fn segment(&self) -> Vec<u8> {
        let repr = TcpRepr {
            payload: &self.payload,
            ..self.repr
        };
        let (source, destination) = self.addresses();
        let mut bytes = vec![0; repr.buffer_len()];
        let mut packet = TcpPacket::new_unchecked(&mut bytes[..]);
        repr.emit(
            &mut packet,
            &source,
            &destination,
            &ChecksumCapabilities::default(),
        );
        match self.flags {
            Some(EcnFlag::Ece) => packet.set_ece(true),
            Some(EcnFlag::Cwr) => packet.set_cwr(true),
            None => {}
        }
        packet.fill_checksum(&source, &destination);
        bytes
    }

    pub(super) fn ipv4(&self, segment: &[u8]) -> Vec<u8> {
        let header = 20 + 4 * self.extensions;
        let repr = Ipv4Repr {
            src_addr: IPV4.0,
            dst_addr: IPV4.1,
            next_header: IpProtocol::Tcp,
            payload_len: segment.len(),
            hop_limit: 64,
        };
        // No-operation options (RFC 791 §3.1).
        let mut bytes = vec![1; header];
        bytes.extend_from_slice(segment);
        let length = bytes.len() as u16;
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes[..]);
        repr.emit(&mut packet, &ChecksumCapabilities::default());
        packet.set_header_len(header as u8);
        packet.set_total_len(length);
        packet.set_dscp(self.traffic_class >> 2);
        packet.set_ecn(self.traffic_class & 0b11);
        packet.fill_checksum();
        bytes
    }

    pub(super) fn ipv6(&self, segment: &[u8]) -> Vec<u8> {
        let extensions = hop_by_hop(self.extensions, IpProtocol::Tcp);
        let first = if extensions.is_empty() {
            IpProtocol::Tcp
        } else {
            IpProtocol::HopByHop
        };
        ipv6(self.traffic_class, first, &[&extensions, segment].concat())
    }
}

pub(super) fn ethernet(family: Family, packet: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 14];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(EthernetAddress([2, 0, 0, 0, 0, 1]));
    frame.set_dst_addr(EthernetAddress([2, 0, 0, 0, 0, 2]));
    frame.set_ethertype(match family {
        Family::V4 => EthernetProtocol::Ipv4,
        Family::V6 => EthernetProtocol::Ipv6,
    });
    bytes.extend_from_slice(packet);
    bytes
}

pub(super) fn ipv6(traffic_class: u8, next_header: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = Ipv6Repr {
        src_addr: IPV6.0,
        dst_addr: IPV6.1,
        next_header,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; 40];
    let mut packet = Ipv6Packet::new_unchecked(&mut bytes[..]);
    repr.emit(&mut packet);
    packet.set_traffic_class(traffic_class);
    packet.set_flow_label(0x5_4321);
    bytes.extend_from_slice(payload);
    bytes
}

/// A hop-by-hop header of so many blocks of eight bytes, all of them padding.
pub(super) fn hop_by_hop(blocks: usize, next_header: IpProtocol) -> Vec<u8> {
    if blocks == 0 {
        return Vec::new();
    }
    let mut bytes = vec![0; 8 * blocks];
    bytes[0] = next_header.into();
    bytes[1] = (blocks - 1) as u8;
    bytes[2] = 1; // PadN
    bytes[3] = (8 * blocks - 4) as u8;
    bytes
}

pub(super) fn repr() -> impl Strategy<Value = TcpRepr<'static>> {
    let control = prop_oneof![
        Just(TcpControl::None),
        Just(TcpControl::Psh),
        Just(TcpControl::Syn),
        Just(TcpControl::Fin),
        Just(TcpControl::Rst),
    ];
    let blocks = prop::collection::vec(any::<(u32, u32)>(), 0..=3);
    let numbers = (any::<i32>(), any::<Option<i32>>(), any::<u16>());
    let handshake = any::<Option<(Option<u16>, Option<u8>, bool)>>();
    let options = (handshake, blocks, any::<Option<(u32, u32)>>());
    let ports = (1..=u16::MAX, 1..=u16::MAX);
    (ports, control, numbers, options).prop_map(|(ports, control, numbers, options)| {
        let (handshake, blocks, timestamps) = options;
        let mut repr = TcpRepr {
            src_port: ports.0,
            dst_port: ports.1,
            control,
            seq_number: TcpSeqNumber(numbers.0),
            ack_number: numbers.1.map(TcpSeqNumber),
            window_len: numbers.2,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: timestamps.map(|(value, echo)| TcpTimestampRepr::new(value, echo)),
            payload: &[],
        };
        // All options together would not fit in 40 bytes.
        if let Some((size, scale, permitted)) = handshake {
            repr.max_seg_size = size;
            repr.window_scale = scale;
            repr.sack_permitted = permitted;
        } else if repr.ack_number.is_some() {
            for (place, block) in repr.sack_ranges.iter_mut().zip(blocks) {
                *place = Some(block);
            }
        }
        repr
    })
}

pub(super) fn medium() -> impl Strategy<Value = Medium> {
    prop_oneof![Just(Medium::Ethernet), Just(Medium::Ip)]
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    let flags = prop_oneof![
        Just(None),
        Just(Some(EcnFlag::Ece)),
        Just(Some(EcnFlag::Cwr))
    ];
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let around = (0..=3_usize, 0..8_usize, any::<u8>(), flags);
    (medium(), family, repr(), payload, around).prop_map(
        |(medium, family, repr, payload, around)| Plan {
            medium,
            family,
            repr,
            payload,
            extensions: around.0,
            padding: around.1,
            traffic_class: around.2,
            flags: around.3,
        },
    )
}

pub(super) fn plain(medium: Medium, family: Family) -> Plan {
    Plan {
        medium,
        family,
        repr: TcpRepr {
            src_port: 80,
            dst_port: 49152,
            control: TcpControl::Psh,
            seq_number: TcpSeqNumber(-3),
            ack_number: Some(TcpSeqNumber(77)),
            window_len: 4096,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        },
        payload: vec![1, 2, 3, 4, 5],
        extensions: 0,
        padding: 0,
        traffic_class: 0,
        flags: None,
    }
}
