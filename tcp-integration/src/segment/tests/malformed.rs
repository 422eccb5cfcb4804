//! What is refused, and what passes.

use smoltcp::phy::{Checksum, ChecksumCapabilities, Medium};
use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpSeqNumber, TcpTimestampRepr};

use super::super::{Direction, Parsed, Refusal, parse};
use super::plan::{ethernet, hop_by_hop, ipv6, plain};
use super::{Family, arriving, segment_of};

fn refused(medium: Medium, frame: &[u8]) -> Refusal {
    match arriving(medium, frame) {
        Parsed::Refused(refusal) => refusal,
        parsed => panic!("{parsed:?}"),
    }
}

#[test]
fn a_wrong_checksum_is_refused_only_when_it_arrives_and_is_to_be_verified() {
    for family in [Family::V4, Family::V6] {
        let mut frame = plain(Medium::Ip, family).build();
        *frame.last_mut().unwrap() ^= 1;
        assert_eq!(refused(Medium::Ip, &frame), Refusal::TcpChecksum);
        let mut checksums = ChecksumCapabilities::default();
        let departing = parse(Medium::Ip, Direction::Departing, &checksums, &frame);
        assert!(matches!(departing, Parsed::Tcp(_)));
        checksums.tcp = Checksum::Tx;
        let unverified = parse(Medium::Ip, Direction::Arriving, &checksums, &frame);
        assert!(matches!(unverified, Parsed::Tcp(_)));
    }
    let mut frame = plain(Medium::Ip, Family::V4).build();
    frame[8] ^= 1;
    assert_eq!(refused(Medium::Ip, &frame), Refusal::Ipv4Checksum);
}

#[test]
fn tcp_in_a_fragment_is_refused_and_other_fragments_pass() {
    let plan = plain(Medium::Ip, Family::V4);
    for (flags, offset) in [(true, 0), (false, 8), (true, 1480)] {
        let mut frame = plan.build();
        let mut packet = Ipv4Packet::new_unchecked(&mut frame[..]);
        packet.set_frag_offset(offset);
        packet.set_more_frags(flags);
        packet.fill_checksum();
        assert_eq!(refused(Medium::Ip, &frame), Refusal::Fragment);
        let mut packet = Ipv4Packet::new_unchecked(&mut frame[..]);
        packet.set_next_header(IpProtocol::Udp);
        packet.fill_checksum();
        assert_eq!(arriving(Medium::Ip, &frame), Parsed::Other);
    }
    let segment = plain(Medium::Ip, Family::V6).segment();
    for (protocol, expected) in [
        (IpProtocol::Tcp, Parsed::Refused(Refusal::Fragment)),
        (IpProtocol::Udp, Parsed::Other),
    ] {
        let fragment = [u8::from(protocol), 0, 0, 1, 0, 0, 0, 9];
        let payload = [&fragment[..], &segment].concat();
        let frame = ipv6(0, IpProtocol::Ipv6Frag, &payload);
        assert_eq!(arriving(Medium::Ip, &frame), expected);
        let payload = [&hop_by_hop(1, IpProtocol::Ipv6Frag), &payload[..]].concat();
        let frame = ipv6(0, IpProtocol::HopByHop, &payload);
        assert_eq!(arriving(Medium::Ip, &frame), expected);
    }
}

#[test]
fn extension_headers_that_smoltcp_does_not_walk_are_left_to_it() {
    let segment = plain(Medium::Ip, Family::V6).segment();
    for header in [
        IpProtocol::Ipv6Opts,
        IpProtocol::Ipv6Route,
        IpProtocol::Ipv6NoNxt,
    ] {
        // Two hop-by-hop-like blocks: the layout of all these headers begins alike.
        let payload = [&hop_by_hop(1, IpProtocol::Tcp), &segment[..]].concat();
        let frame = ipv6(0, header, &payload);
        assert_eq!(arriving(Medium::Ip, &frame), Parsed::Other);
    }
    let twice = [
        &hop_by_hop(1, IpProtocol::HopByHop)[..],
        &hop_by_hop(1, IpProtocol::Tcp),
        &segment,
    ]
    .concat();
    let frame = ipv6(0, IpProtocol::HopByHop, &twice);
    assert_eq!(arriving(Medium::Ip, &frame), Parsed::Other);
}

#[test]
fn a_hop_by_hop_option_that_forbids_to_go_on_is_left_to_smoltcp() {
    let segment = plain(Medium::Ip, Family::V6).segment();
    for (kind, passes) in [(0x1e, true), (0x5e, false), (0x9e, false), (0xde, false)] {
        let mut header = hop_by_hop(1, IpProtocol::Tcp);
        header[2] = kind;
        let payload = [&header[..], &segment].concat();
        let parsed = arriving(Medium::Ip, &ipv6(0, IpProtocol::HopByHop, &payload));
        assert_eq!(matches!(parsed, Parsed::Tcp(_)), passes, "{kind:#x}");
        assert_eq!(parsed == Parsed::Other, !passes, "{kind:#x}");
    }
    let mut header = hop_by_hop(1, IpProtocol::Tcp);
    header[1] = 200;
    let frame = ipv6(0, IpProtocol::HopByHop, &header);
    assert_eq!(refused(Medium::Ip, &frame), Refusal::HopByHop);
}

#[test]
fn lengths_that_lie_are_refused() {
    let frame = plain(Medium::Ip, Family::V4).build();
    let frame_bytes = frame.len();
    let malformed = Refusal::IpHeader { frame_bytes };
    for total in [0, 19, frame.len() as u16 + 1, u16::MAX] {
        let mut frame = frame.clone();
        frame[2..4].copy_from_slice(&total.to_be_bytes());
        assert_eq!(refused(Medium::Ip, &frame), malformed, "{total}");
    }
    for header in [0x40, 0x44, 0x4f] {
        let mut frame = frame.clone();
        frame[0] = header;
        assert_eq!(refused(Medium::Ip, &frame), malformed, "{header:#x}");
    }
    let mut short = frame.clone();
    let mut packet = Ipv4Packet::new_unchecked(&mut short[..]);
    packet.set_total_len(39);
    packet.fill_checksum();
    let refusal = Refusal::TcpHeader { bytes: 19 };
    assert_eq!(refused(Medium::Ip, &short), refusal);

    let frame = plain(Medium::Ip, Family::V6).build();
    let frame_bytes = frame.len();
    for (length, refusal) in [
        (0, Refusal::TcpHeader { bytes: 0 }),
        (19, Refusal::TcpHeader { bytes: 19 }),
        (26, Refusal::IpHeader { frame_bytes }),
        (u16::MAX, Refusal::IpHeader { frame_bytes }),
    ] {
        let mut frame = frame.clone();
        frame[4..6].copy_from_slice(&length.to_be_bytes());
        assert_eq!(refused(Medium::Ip, &frame), refusal, "{length}");
    }
}

#[test]
fn a_tcp_header_that_lies_about_its_length_is_refused() {
    let plan = plain(Medium::Ip, Family::V4);
    for words in [0, 4, 7, 15] {
        let mut frame = plan.build();
        frame[20 + 12] = words << 4;
        let ignored = ChecksumCapabilities::ignored();
        let parsed = parse(Medium::Ip, Direction::Arriving, &ignored, &frame);
        let refusal = Refusal::TcpHeader { bytes: 25 };
        assert_eq!(parsed, Parsed::Refused(refusal), "{words}");
    }
}

#[test]
fn options_with_wrong_lengths_are_refused() {
    let mut plan = plain(Medium::Ip, Family::V4);
    plan.repr.max_seg_size = Some(1460);
    for option in [
        [2, 0, 5, 180],
        [2, 1, 5, 180],
        [2, 5, 5, 180],
        [5, 4, 0, 0],
        [8, 3, 0, 0],
    ] {
        let mut frame = plan.build();
        frame[40..44].copy_from_slice(&option);
        let ignored = ChecksumCapabilities::ignored();
        let parsed = parse(Medium::Ip, Direction::Arriving, &ignored, &frame);
        let malformed = option[0] != 8;
        assert_eq!(
            parsed == Parsed::Refused(Refusal::Options),
            malformed,
            "{option:?}"
        );
    }
}

#[test]
fn control_bits_that_exclude_each_other_and_port_zero_are_refused() {
    let plan = plain(Medium::Ip, Family::V6);
    for bits in [0x03, 0x05, 0x06, 0x07] {
        let mut frame = plan.build();
        frame[40 + 13] = bits;
        let ignored = ChecksumCapabilities::ignored();
        let parsed = parse(Medium::Ip, Direction::Arriving, &ignored, &frame);
        assert_eq!(parsed, Parsed::Refused(Refusal::Flags), "{bits:#x}");
    }
    let mut plan = plan;
    plan.repr.src_port = 0;
    let port = Refusal::Port {
        source_port: 0,
        destination_port: 49152,
    };
    assert_eq!(refused(Medium::Ip, &plan.build()), port);
}

#[test]
fn the_padding_of_a_minimum_ethernet_frame_is_no_data() {
    let mut plan = plain(Medium::Ethernet, Family::V4);
    plan.payload.clear();
    plan.padding = 6;
    let frame = plan.build();
    assert_eq!(frame.len(), 60);
    let segment = segment_of(Medium::Ethernet, &frame);
    assert_eq!((segment.payload_bytes, segment.wire_bytes), (0, 40));
}

#[test]
fn what_is_not_tcp_passes() {
    let mut tagged = plain(Medium::Ethernet, Family::V4).build();
    tagged[12..14].copy_from_slice(&[0x81, 0x00]);
    assert_eq!(arriving(Medium::Ethernet, &tagged), Parsed::Other);
    tagged[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(arriving(Medium::Ethernet, &tagged), Parsed::Other);
    assert_eq!(arriving(Medium::Ethernet, &[0; 13]), Parsed::Other);
    assert_eq!(arriving(Medium::Ip, &[]), Parsed::Other);
    assert_eq!(arriving(Medium::Ip, &[0x55; 60]), Parsed::Other);
    let datagram = ipv6(0, IpProtocol::Udp, &[0; 8]);
    assert_eq!(arriving(Medium::Ip, &datagram), Parsed::Other);
}

#[test]
fn a_packet_of_the_other_version_than_its_frame_says_is_refused() {
    let packet = plain(Medium::Ip, Family::V6).build();
    let frame = ethernet(Family::V4, &packet);
    let refusal = refused(Medium::Ethernet, &frame);
    assert!(matches!(refusal, Refusal::IpHeader { .. }), "{refusal:?}");
    let packet = plain(Medium::Ip, Family::V4).build();
    let frame = ethernet(Family::V6, &packet);
    let refusal = refused(Medium::Ethernet, &frame);
    assert!(matches!(refusal, Refusal::IpHeader { .. }), "{refusal:?}");
}

#[test]
fn the_fourth_selective_acknowledgement_block_is_not_told() {
    let mut plan = plain(Medium::Ip, Family::V4);
    plan.repr.sack_ranges = [Some((1, 2)), Some((3, 4)), Some((5, 6))];
    plan.repr.timestamp = Some(TcpTimestampRepr::new(0, 0));
    let mut frame = plan.build();
    frame[40..42].copy_from_slice(&[5, 34]);
    let ignored = ChecksumCapabilities::ignored();
    let parsed = parse(Medium::Ip, Direction::Arriving, &ignored, &frame);
    let Parsed::Tcp(segment) = parsed else {
        panic!("{parsed:?}")
    };
    let block = |start, end| Some((TcpSeqNumber(start), TcpSeqNumber(end)));
    assert_eq!(
        segment.options.sack,
        [block(1, 2), block(3, 4), block(5, 6)]
    );
}
