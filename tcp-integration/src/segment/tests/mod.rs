use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::{Ipv4Packet, TcpPacket};

use super::{Direction, Family, Parsed, Segment, Tuple, parse};

mod agreement;
mod edits;
mod malformed;
mod plan;

fn arriving(medium: Medium, frame: &[u8]) -> Parsed {
    let checksums = ChecksumCapabilities::default();
    parse(medium, Direction::Arriving, &checksums, frame)
}

fn segment_of(medium: Medium, frame: &[u8]) -> Segment {
    match arriving(medium, frame) {
        Parsed::Tcp(segment) => segment,
        parsed => panic!("{parsed:?}: {frame:02x?}"),
    }
}

fn segment_of_either(medium: Medium, frame: &[u8]) -> Segment {
    let ignored = ChecksumCapabilities::ignored();
    match parse(medium, Direction::Arriving, &ignored, frame) {
        Parsed::Tcp(segment) => segment,
        parsed => panic!("{parsed:?}"),
    }
}

/// Every place that an edit writes lies inside the frame.
fn inside(segment: &Segment, frame: &[u8]) {
    let layout = segment.layout;
    let headers = match layout.family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    assert!(layout.ip + headers <= layout.tcp);
    let end = layout.tcp + 20 + segment.payload_bytes as usize;
    assert!(end <= frame.len());
    assert!(layout.ip + segment.wire_bytes as usize <= frame.len());
    if let Some(at) = layout.window_scale {
        assert!(layout.tcp + 22 <= at && at < layout.tcp + 60 && at < frame.len());
    }
}

/// Whether smoltcp finds the IPv4 and the TCP checksum right.
fn checksums_hold(segment: &Segment, frame: &[u8]) -> (bool, bool) {
    let packet = &frame[segment.layout.ip..];
    let network = match segment.layout.family {
        Family::V4 => Ipv4Packet::new_checked(packet).unwrap().verify_checksum(),
        Family::V6 => true,
    };
    let end = segment.layout.ip + segment.wire_bytes as usize;
    let transport = TcpPacket::new_checked(&frame[segment.layout.tcp..end]).unwrap();
    let Tuple { local, remote } = segment.tuple;
    (
        network,
        transport.verify_checksum(&remote.addr, &local.addr),
    )
}
