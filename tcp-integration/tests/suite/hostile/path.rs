//! A path that damages, cuts, divides, doubles and reorders, and sequence numbers that wrap.

use smoltcp::phy::Medium;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Packet;
use tautline_tcp_integration::segment::Segment;

use super::{MEGABYTE, PORTS, Random, Transfer, segment_in};
use crate::world::{Forged, Frames, Start, Way, World, honest};

const LIMIT: Duration = Duration::from_secs(900);

/// A transfer in each direction over this path; the worlds after them.
fn both_ways<M: FnMut(Way, &[u8]) -> Frames>(
    start: Start,
    total: usize,
    mut path: impl FnMut() -> M,
) -> [World; 2] {
    [Way::ToPeer, Way::ToGate].map(|way| {
        println!("{way:?}");
        let mut world = World::new(start);
        let handles = world.connect(PORTS);
        Transfer::new(handles, way, total).complete(&mut world, LIMIT, path());
        world
    })
}

/// A path that loses one frame in `one_in`.
fn lossy(seed: u64, one_in: u32) -> impl FnMut(Way, &[u8]) -> Frames {
    let mut random = Random(seed);
    move |way, frame| {
        if random.below(one_in) == 0 {
            vec![]
        } else {
            honest(way, frame)
        }
    }
}

#[test]
fn sequence_numbers_wrap_within_a_long_lossy_transfer() {
    for below in [1, 1000, 100_000, 2 << 20] {
        let start = Start {
            sequence: (0_u32.wrapping_sub(below), 0_u32.wrapping_sub(below / 2 + 1)),
            ..Start::default()
        };
        let [up, down] = both_ways(start, 4 * MEGABYTE, || lossy(u64::from(below), 100));
        let expected = [Some(start.sequence.0), Some(start.sequence.1)];
        assert_eq!((up.first, down.first), (expected, expected));
        let wrapped =
            |it: Option<Segment>| it.is_some_and(|it| it.sequence.0.cast_unsigned() < 1 << 23);
        assert!(
            wrapped(up.seen[0]) && wrapped(down.seen[1]),
            "it must have wrapped"
        );
    }
}

#[test]
fn both_families_survive_heavy_loss_on_both_media() {
    for ipv6 in [false, true] {
        for medium in [Medium::Ip, Medium::Ethernet] {
            let start = Start {
                ipv6,
                medium,
                ..Start::default()
            };
            both_ways(start, MEGABYTE / 2, || lossy(5, 12));
        }
    }
}

#[test]
fn a_device_of_little_room_survives_heavy_loss() {
    for ring in [1, 2, 5] {
        let start = Start {
            ring: Some(ring),
            ..Start::default()
        };
        both_ways(start, MEGABYTE / 2, || lossy(6, 25));
    }
}

#[test]
fn damaged_frames_are_refused_and_replaced() {
    let worlds = both_ways(Start::default(), MEGABYTE, || {
        let mut random = Random(6);
        move |way, frame: &[u8]| {
            let mut frames = honest(way, frame);
            if random.below(30) == 0 {
                // Not where two changes could cancel out in the checksum: one bit.
                let at = random.below(frame.len() as u32) as usize;
                frames[0].1[at] ^= 1 << random.below(8);
            }
            frames
        }
    });
    for world in worlds {
        let tally = world.gate.device.tally();
        assert!(tally.drops.malformed > 0, "{tally:?}");
    }
}

#[test]
fn cut_frames_are_refused() {
    both_ways(Start::default(), MEGABYTE, || {
        let mut random = Random(7);
        move |way, frame: &[u8]| {
            let mut frames = honest(way, frame);
            let length = random.below(frame.len() as u32) as usize;
            frames.insert(0, (way, frame[..length].to_vec()));
            frames
        }
    });
}

#[test]
fn fragments_of_segments_are_refused() {
    let worlds = both_ways(Start::default(), MEGABYTE, || {
        let mut random = Random(8);
        move |way, frame: &[u8]| {
            let long = frame.len() > 100;
            if !long || random.below(20) > 0 {
                return honest(way, frame);
            }
            fragments(frame).map(|it| (way, it)).to_vec()
        }
    });
    let refused = worlds[1].gate.device.tally().drops.malformed;
    assert!(refused > 0, "the second direction had fragments arrive");
}

/// The packet in two fragments (RFC 791 §3.2).
fn fragments(frame: &[u8]) -> [Vec<u8>; 2] {
    let middle = 20 + 64;
    let second = [&frame[..20], &frame[middle..]].concat();
    let mut pieces = [frame[..middle].to_vec(), second];
    for (piece, more) in pieces.iter_mut().zip([true, false]) {
        let length = piece.len() as u16;
        let mut packet = Ipv4Packet::new_unchecked(&mut piece[..]);
        packet.set_total_len(length);
        packet.set_dont_frag(false);
        packet.set_more_frags(more);
        packet.set_frag_offset(if more { 0 } else { 64 });
        packet.fill_checksum();
    }
    pieces
}

#[test]
fn overlapping_and_doubled_segments_are_put_together() {
    both_ways(Start::default(), MEGABYTE, || {
        let mut random = Random(9);
        let mut held: Option<Vec<u8>> = None;
        move |way, frame: &[u8]| {
            let segment = segment_in(way, frame);
            let mut frames = honest(way, frame);
            if segment.payload_bytes < 3 || segment.flags.fin || random.below(3) > 0 {
                return frames;
            }
            // A piece out of the middle, before or behind; later than the newest, now and then.
            let payload = &frame[frame.len() - segment.payload_bytes as usize..];
            let from = 1 + random.below(segment.payload_bytes - 2);
            let to = from + 1 + random.below(segment.payload_bytes - from - 1);
            let mut piece = Forged::ack(&segment, way);
            piece.sequence = segment.sequence + from as usize;
            piece.payload = &payload[from as usize..to as usize];
            frames.insert(random.below(2) as usize, (way, piece.packet()));
            frames.extend(held.replace(frame.to_vec()).map(|it| (way, it)));
            if random.below(20) == 0 {
                frames.remove(0);
            }
            frames
        }
    });
}

#[test]
fn reordered_segments_are_put_together() {
    both_ways(Start::default(), MEGABYTE, || {
        let mut random = Random(10);
        let mut held: Vec<(Way, Vec<u8>)> = vec![];
        move |way, frame: &[u8]| {
            let segment = segment_in(way, frame);
            let mut frames = honest(way, frame);
            if segment.payload_bytes > 0 && held.len() < 8 && random.below(4) == 0 {
                held.append(&mut frames);
            } else if random.below(3) == 0 {
                frames.append(&mut held);
            }
            frames
        }
    });
}
