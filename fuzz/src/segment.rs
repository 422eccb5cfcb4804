//! Arbitrary bytes as frames with TCP segments. The tests of `tautline-tcp-integration` include this
//! file and run the same function, so that it runs on machines without libFuzzer too.

use smoltcp::phy::{Checksum, ChecksumCapabilities, Medium};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, IpVersion, Ipv4Address, Ipv4Packet,
    Ipv6Address, Ipv6Packet, TcpPacket, TcpSeqNumber,
};
use tautline_tcp_integration::segment::{
    Direction, Ecn, EcnFlag, Editor, LinkAddresses, MAX_ACK_FRAME, Parsed, PureAck, Segment, parse,
    write_ack,
};

/// The first byte chooses medium, direction and what is put around the other bytes: nothing, so
/// that they are the frame, or right headers, so that they reach deep. No panic; edits change what
/// they name and keep checksums; acknowledgements are read as written.
///
/// Returns whether there was a segment.
pub(crate) fn segment(data: &[u8]) -> bool {
    let Some((&choice, rest)) = data.split_first() else {
        return false;
    };
    let medium = if choice & 1 == 0 {
        Medium::Ip
    } else {
        Medium::Ethernet
    };
    let direction = if choice & 2 == 0 {
        Direction::Arriving
    } else {
        Direction::Departing
    };
    let mut checksums = ChecksumCapabilities::default();
    if choice & 4 != 0 {
        checksums.tcp = Checksum::None;
        checksums.ipv4 = Checksum::None;
    }
    let frame = match choice >> 3 & 3 {
        0 => rest.to_vec(),
        1 => around(medium, IpVersion::Ipv4, IpProtocol::Tcp, rest),
        2 => around(medium, IpVersion::Ipv6, IpProtocol::Tcp, rest),
        _ => around(medium, IpVersion::Ipv6, IpProtocol::HopByHop, rest),
    };
    let Parsed::Tcp(segment) = parse(medium, direction, &checksums, &frame) else {
        return false;
    };
    assert!(segment.wire_bytes as usize <= frame.len());
    assert!(segment.payload_bytes < segment.wire_bytes);
    let length = segment.end().0.wrapping_sub(segment.sequence.0);
    assert_eq!(length.cast_unsigned(), segment.sequence_bytes());
    let kept = direction == Direction::Arriving || checksums.tcp.tx();
    let again = |frame: &[u8]| parse(medium, direction, &checksums, frame);
    edits(&frame, &segment, kept, again);
    acknowledge(medium, &frame, &segment);
    true
}

/// The bytes behind headers whose lengths and checksums are right.
fn around(medium: Medium, version: IpVersion, protocol: IpProtocol, content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    content.truncate(60_000);
    let (ethertype, header) = match version {
        IpVersion::Ipv4 => (EthernetProtocol::Ipv4, 20),
        IpVersion::Ipv6 => (EthernetProtocol::Ipv6, 40),
    };
    let length = u16::try_from(content.len()).expect("it was cut");
    let mut packet = vec![0; header];
    let ends: (IpAddress, IpAddress) = match version {
        IpVersion::Ipv4 => {
            let mut packet = Ipv4Packet::new_unchecked(&mut packet[..]);
            packet.set_version(4);
            packet.set_header_len(20);
            packet.set_total_len(20 + length);
            packet.set_hop_limit(64);
            packet.set_next_header(protocol);
            packet.set_src_addr(Ipv4Address::new(192, 0, 2, 1));
            packet.set_dst_addr(Ipv4Address::new(192, 0, 2, 2));
            packet.fill_checksum();
            (packet.src_addr().into(), packet.dst_addr().into())
        }
        IpVersion::Ipv6 => {
            let mut packet = Ipv6Packet::new_unchecked(&mut packet[..]);
            packet.set_version(6);
            packet.set_payload_len(length);
            packet.set_hop_limit(64);
            packet.set_next_header(protocol);
            packet.set_src_addr(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
            packet.set_dst_addr(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2));
            (packet.src_addr().into(), packet.dst_addr().into())
        }
    };
    let before = match (protocol, content.get(1)) {
        (IpProtocol::HopByHop, Some(&blocks)) => {
            content[0] = IpProtocol::Tcp.into();
            8 * (usize::from(blocks) + 1)
        }
        _ => 0,
    };
    if let Some(segment) = content.get_mut(before..)
        && let Ok(mut segment) = TcpPacket::new_checked(segment)
    {
        segment.fill_checksum(&ends.0, &ends.1);
    }
    let mut frame = Vec::new();
    if medium == Medium::Ethernet {
        frame.resize(14, 2);
        EthernetFrame::new_unchecked(&mut frame[..]).set_ethertype(ethertype);
    }
    frame.extend_from_slice(&packet);
    frame.extend_from_slice(&content);
    frame
}

/// One edit after the other: the segment says afterwards what was written and nothing else new.
fn edits(frame: &[u8], segment: &Segment, kept: bool, again: impl Fn(&[u8]) -> Parsed) {
    let window = !segment.window.rotate_left(3);
    let mut changed = *segment;
    changed.window = window;
    edit(
        frame,
        segment,
        kept,
        |it| {
            it.set_window(window);
        },
        |frame| {
            assert_eq!(again(frame), Parsed::Tcp(changed));
        },
    );
    let mut changed = *segment;
    changed.options.window_scale = changed.options.window_scale.map(|_| 7);
    edit(
        frame,
        segment,
        kept,
        |it| {
            it.set_window_scale(7);
        },
        |frame| {
            assert_eq!(again(frame), Parsed::Tcp(changed));
        },
    );
    let mut changed = *segment;
    changed.flags.ece = true;
    changed.flags.cwr = false;
    let flags = |it: &mut Editor<'_>| {
        it.set_flag(EcnFlag::Ece).clear_flag(EcnFlag::Cwr);
    };
    edit(frame, segment, kept, flags, |frame| {
        assert_eq!(again(frame), Parsed::Tcp(changed));
    });
    for ecn in [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce] {
        let mut changed = *segment;
        changed.ecn = ecn;
        // No checksum covers the traffic class of IPv6.
        let kept = kept && matches!(segment.tuple.local.addr, IpAddress::Ipv4(_));
        edit(
            frame,
            segment,
            kept,
            |it| {
                it.set_ecn(ecn);
            },
            |frame| {
                assert_eq!(again(frame), Parsed::Tcp(changed));
            },
        );
    }
}

fn edit(
    frame: &[u8],
    segment: &Segment,
    kept: bool,
    write: impl FnOnce(&mut Editor<'_>),
    check: impl FnOnce(&[u8]),
) {
    let mut edited = frame.to_vec();
    write(&mut Editor::new(&mut edited, segment));
    let changed = frame.iter().zip(&edited).filter(|(a, b)| a != b).count();
    assert!(changed <= 4, "{changed} bytes changed");
    // Headers start at even places, so that what keeps their sums keeps the frame's.
    assert!(!kept || sum(frame) == sum(&edited), "a checksum was lost");
    check(&edited);
}

/// The sum that checksums are complements of (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|word| {
        let high = u64::from(word[0]) << 8;
        high + u64::from(word.get(1).copied().unwrap_or(0))
    });
    words.sum::<u64>() % 0xffff
}

/// An acknowledgement with the numbers of the segment is read as it was written.
fn acknowledge(medium: Medium, frame: &[u8], segment: &Segment) {
    let link = LinkAddresses::of(medium, frame);
    let ack = PureAck {
        sequence: segment.sequence,
        acknowledgement: TcpSeqNumber(!segment.acknowledgement.0),
        window: segment.window,
    };
    let mut out = [0xff; MAX_ACK_FRAME];
    let length = write_ack(medium, link, segment.tuple, ack, &mut out);
    let checksums = ChecksumCapabilities::default();
    let made = &out[..length];
    let Parsed::Tcp(read) = parse(medium, Direction::Arriving, &checksums, made) else {
        panic!("an acknowledgement of {segment:?} is not one");
    };
    assert_eq!(read.tuple, segment.tuple);
    assert_eq!(read.sequence, ack.sequence);
    assert_eq!(read.acknowledgement, ack.acknowledgement);
    assert_eq!(read.window, ack.window);
    assert_eq!((read.payload_bytes, read.sequence_bytes()), (0, 0));
    assert!(read.flags.ack && !read.flags.rst);
    assert_eq!(LinkAddresses::of(medium, made), link);
    if let IpAddress::Ipv4(_) = read.tuple.local.addr {
        let at = usize::from(medium == Medium::Ethernet) * 14;
        assert_eq!(sum(&made[at..at + 20]), 0, "the IPv4 checksum is wrong");
    }
}
