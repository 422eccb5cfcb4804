//! Segments are read as smoltcp reads them.

use proptest::prelude::*;
use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint, IpProtocol,
    Ipv4Packet, Ipv4Repr, Ipv6ExtHeader, Ipv6HopByHopHeader, Ipv6HopByHopRepr, Ipv6OptionRepr,
    Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

use super::super::{
    Direction, Ecn, EcnFlag, Editor, Flags, LinkAddresses, MAX_ACK_FRAME, Options, Parsed, PureAck,
    Segment, Tuple, parse, write_ack,
};
use super::plan::{IPV4, medium, plain, plan};
use super::{Family, checksums_hold, inside, segment_of};

/// What smoltcp's interface would hand to a socket, by the steps of its source.
fn smoltcp_reads<T>(
    medium: Medium,
    checksums: &ChecksumCapabilities,
    frame: &[u8],
    read: impl FnOnce(IpAddress, IpAddress, TcpRepr<'_>) -> T,
) -> Option<T> {
    let (bytes, version) = match medium {
        Medium::Ethernet => {
            let ethernet = EthernetFrame::new_checked(frame).ok()?;
            let version = match ethernet.ethertype() {
                EthernetProtocol::Ipv4 => 4,
                EthernetProtocol::Ipv6 => 6,
                _ => return None,
            };
            (&frame[14..], version)
        }
        Medium::Ip => (frame, frame.first()? >> 4),
    };
    let (source, destination, content) = if version == 4 {
        let packet = Ipv4Packet::new_checked(bytes).ok()?;
        let repr = Ipv4Repr::parse(&packet, checksums).ok()?;
        if repr.next_header != IpProtocol::Tcp {
            return None;
        }
        let ends = (repr.src_addr.into(), repr.dst_addr.into());
        (ends.0, ends.1, packet.payload())
    } else if version == 6 {
        let packet = Ipv6Packet::new_checked(bytes).ok()?;
        let repr = Ipv6Repr::parse(&packet).ok()?;
        let mut content = packet.payload();
        let mut next = repr.next_header;
        if next == IpProtocol::HopByHop {
            let header = Ipv6ExtHeader::new_checked(content).ok()?;
            let options = Ipv6HopByHopHeader::new_checked(header.payload()).ok()?;
            let options = Ipv6HopByHopRepr::parse(&options).ok()?;
            for option in &options.options {
                if let Ipv6OptionRepr::Unknown { type_, .. } = option
                    && u8::from(*type_) >> 6 != 0
                {
                    return None;
                }
            }
            next = header.next_header();
            content = &content[2 + header.payload().len()..];
        }
        if next != IpProtocol::Tcp {
            return None;
        }
        (repr.src_addr.into(), repr.dst_addr.into(), content)
    } else {
        return None;
    };
    let packet = TcpPacket::new_checked(content).ok()?;
    let repr = TcpRepr::parse(&packet, &source, &destination, checksums).ok()?;
    Some(read(source, destination, repr))
}

/// Our reading against smoltcp's: both the same segment, or both none.
fn agree(medium: Medium, checksums: &ChecksumCapabilities, frame: &[u8]) {
    let parsed = parse(medium, Direction::Arriving, checksums, frame);
    let expected = smoltcp_reads(medium, checksums, frame, |source, destination, repr| {
        let Parsed::Tcp(segment) = parsed else {
            panic!("{parsed:?}, but smoltcp reads {repr:?}");
        };
        assert_eq!(segment.tuple.remote, IpEndpoint::new(source, repr.src_port));
        assert_eq!(
            segment.tuple.local,
            IpEndpoint::new(destination, repr.dst_port)
        );
        assert_eq!(segment.sequence, repr.seq_number);
        assert_eq!(segment.flags.ack, repr.ack_number.is_some());
        assert_eq!(segment.acknowledgement, repr.ack_number.unwrap_or_default());
        assert_eq!(segment.window, repr.window_len);
        assert_eq!(segment.payload_bytes as usize, repr.payload.len());
        assert_eq!(segment.sequence_bytes() as usize, repr.segment_len());
        assert_eq!(segment.end(), repr.seq_number + repr.segment_len());
        let flags = segment.flags;
        let control = match (flags.syn, flags.fin, flags.rst, flags.psh) {
            (true, ..) => TcpControl::Syn,
            (_, true, ..) => TcpControl::Fin,
            (_, _, true, _) => TcpControl::Rst,
            (.., true) => TcpControl::Psh,
            _ => TcpControl::None,
        };
        assert_eq!(control, repr.control);
        let options = segment.options;
        assert_eq!(options.max_segment_size, repr.max_seg_size);
        assert_eq!(options.window_scale, repr.window_scale);
        assert_eq!(options.sack_permitted, repr.sack_permitted);
        let blocks = options.sack.map(|block| {
            block.map(|(start, end)| (start.0.cast_unsigned(), end.0.cast_unsigned()))
        });
        assert_eq!(blocks, repr.sack_ranges);
        let timestamps = repr.timestamp.map(|it| (it.tsval, it.tsecr));
        assert_eq!(options.timestamps, timestamps);
    });
    if expected.is_none() {
        assert!(!matches!(parsed, Parsed::Tcp(_)), "{parsed:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_smoltcp_reads_them(
        medium in medium(),
        frame in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        agree(medium, &ChecksumCapabilities::ignored(), &frame);
        agree(medium, &ChecksumCapabilities::default(), &frame);
        let departing = Direction::Departing;
        let parsed = parse(medium, departing, &ChecksumCapabilities::default(), &frame);
        if let Parsed::Tcp(segment) = parsed {
            inside(&segment, &frame);
        }
    }

    #[test]
    fn every_frame_that_smoltcp_writes_is_read_as_smoltcp_reads_it(plan in plan()) {
        let frame = plan.build();
        agree(plan.medium, &ChecksumCapabilities::default(), &frame);
        let segment = segment_of(plan.medium, &frame);
        inside(&segment, &frame);
        prop_assert_eq!(segment.payload_bytes as usize, plan.payload.len());
        prop_assert_eq!(segment.ecn, Ecn::from_bits(plan.traffic_class));
        prop_assert_eq!(segment.flags.ece, plan.flags == Some(EcnFlag::Ece));
        prop_assert_eq!(segment.flags.cwr, plan.flags == Some(EcnFlag::Cwr));
        let link = if plan.medium == Medium::Ethernet { 14 } else { 0 };
        let length = frame.len() - link - plan.padding;
        prop_assert_eq!(segment.wire_bytes as usize, length);
    }

    #[test]
    fn both_directions_differ_only_in_which_end_is_local(plan in plan()) {
        let frame = plan.build();
        let arriving = segment_of(plan.medium, &frame);
        let checksums = ChecksumCapabilities::default();
        let departing = parse(plan.medium, Direction::Departing, &checksums, &frame);
        let Tuple { local, remote } = arriving.tuple;
        let tuple = Tuple { local: remote, remote: local };
        prop_assert_eq!(departing, Parsed::Tcp(Segment { tuple, ..arriving }));
    }

    #[test]
    fn damaged_frames_are_read_as_smoltcp_reads_them(
        plan in plan(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
        verified in any::<bool>(),
    ) {
        let mut frame = plan.build();
        for (at, byte) in damage {
            let at = at.index(frame.len().min(100));
            frame[at] ^= byte;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        let checksums = if verified {
            ChecksumCapabilities::default()
        } else {
            ChecksumCapabilities::ignored()
        };
        agree(plan.medium, &checksums, &frame);
        let departing = parse(plan.medium, Direction::Departing, &checksums, &frame);
        if let Parsed::Tcp(segment) = departing {
            inside(&segment, &frame);
            Editor::new(&mut frame, &segment).set_ecn(Ecn::Ce);
        }
    }

    #[test]
    fn an_acknowledgement_is_read_as_it_was_written(
        plan in plan(),
        sequence in any::<i32>(),
        acknowledgement in any::<i32>(),
        window in any::<u16>(),
    ) {
        let frame = plan.build();
        let arriving = segment_of(plan.medium, &frame);
        let link = LinkAddresses::of(plan.medium, &frame);
        let ack = PureAck {
            sequence: TcpSeqNumber(sequence),
            acknowledgement: TcpSeqNumber(acknowledgement),
            window,
        };
        let mut out = [0xee; MAX_ACK_FRAME];
        let length = write_ack(plan.medium, link, arriving.tuple, ack, &mut out);
        let made = segment_of(plan.medium, &out[..length]);
        agree(plan.medium, &ChecksumCapabilities::default(), &out[..length]);
        prop_assert_eq!(checksums_hold(&made, &out[..length]), (true, true));
        prop_assert_eq!(LinkAddresses::of(plan.medium, &out[..length]), link);
        let expected = Segment {
            tuple: arriving.tuple,
            flags: Flags { ack: true, ..Flags::default() },
            sequence: ack.sequence,
            acknowledgement: ack.acknowledgement,
            window,
            payload_bytes: 0,
            wire_bytes: made.layout.tcp as u32 - made.layout.ip as u32 + 20,
            options: Options::default(),
            ecn: Ecn::NotEct,
            layout: made.layout,
        };
        prop_assert_eq!(made, expected);
        prop_assert_eq!(made.layout.ip + made.wire_bytes as usize, length);
    }
}

#[test]
fn sequence_numbers_wrap() {
    let mut plan = plain(Medium::Ip, Family::V4);
    plan.repr.control = TcpControl::Fin;
    let segment = segment_of(Medium::Ip, &plan.build());
    assert_eq!(segment.sequence_bytes(), 6);
    assert_eq!(segment.end(), TcpSeqNumber(3));
}

#[test]
fn an_acknowledgement_without_link_addresses_is_broadcast() {
    let tuple = segment_of(Medium::Ip, &plain(Medium::Ip, Family::V6).build()).tuple;
    let ack = PureAck {
        sequence: TcpSeqNumber(1),
        acknowledgement: TcpSeqNumber(2),
        window: 3,
    };
    let mut out = [0; MAX_ACK_FRAME];
    let length = write_ack(Medium::Ethernet, LinkAddresses::None, tuple, ack, &mut out);
    assert_eq!(length, MAX_ACK_FRAME);
    assert_eq!(
        LinkAddresses::of(Medium::Ethernet, &out),
        LinkAddresses::Ethernet {
            destination: EthernetAddress::BROADCAST,
            source: EthernetAddress([0; 6]),
        }
    );
    let mixed = Tuple {
        local: IpEndpoint::new(IpAddress::Ipv4(IPV4.0), 1),
        ..tuple
    };
    assert_eq!(
        write_ack(Medium::Ip, LinkAddresses::None, mixed, ack, &mut out),
        0
    );
}

#[test]
fn link_addresses_turn_round() {
    let frame = plain(Medium::Ethernet, Family::V4).build();
    let link = LinkAddresses::of(Medium::Ethernet, &frame);
    assert_ne!(link.reversed(), link);
    assert_eq!(link.reversed().reversed(), link);
    assert_eq!(LinkAddresses::None.reversed(), LinkAddresses::None);
    assert_eq!(LinkAddresses::of(Medium::Ip, &frame), LinkAddresses::None);
}
