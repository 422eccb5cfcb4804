//! Segments from somebody who is not the peer, and lies of the peer itself.

use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Packet, TcpControl, TcpPacket, TcpSeqNumber};
use tautline_tcp_integration::segment::{EcnFlag, Editor, Segment};
use tautline_tcp_integration::{EcnSupport, Settings};

use super::{MEGABYTE, PORTS, Random, Transfer, segment_in};
use crate::world::{Forged, Frames, Start, Way, World, honest};

const LIMIT: Duration = Duration::from_secs(900);

/// A megabyte from behind the gate, on a path that does this.
fn upload(start: Start, total: usize, meddle: impl FnMut(Way, &[u8]) -> Frames) -> World {
    let mut world = World::new(start);
    let handles = world.connect(PORTS);
    Transfer::new(handles, Way::ToPeer, total).complete(&mut world, LIMIT, meddle);
    world
}

/// The same, with what `forge` makes out of every genuine segment, but SYNs, before and behind it.
fn upload_beside(mut forge: impl FnMut(&Segment, &mut Random) -> Vec<Vec<u8>>) -> World {
    let mut random = Random(11);
    upload(Start::default(), MEGABYTE, |way, frame| {
        let mut frames = honest(way, frame);
        let segment = segment_in(way, frame);
        if way == Way::ToGate && !segment.flags.syn {
            for (number, forged) in forge(&segment, &mut random).into_iter().enumerate() {
                let at = if number % 2 == 0 { 0 } else { frames.len() };
                frames.insert(at, (Way::ToGate, forged));
            }
        }
        frames
    })
}

/// The same, with what `lie` makes out of every genuine segment, but SYNs, in its place.
fn upload_lied_to(start: Start, mut lie: impl FnMut(&mut Vec<u8>, &mut Random)) -> World {
    let mut random = Random(12);
    upload(start, MEGABYTE, |way, frame| {
        let mut frames = honest(way, frame);
        if way == Way::ToGate && !segment_in(way, frame).flags.syn {
            lie(&mut frames[0].1, &mut random);
        }
        frames
    })
}

fn number(random: &mut Random) -> TcpSeqNumber {
    TcpSeqNumber(random.next().cast_signed())
}

fn moved(number: TcpSeqNumber, by: i32) -> TcpSeqNumber {
    TcpSeqNumber(number.0.wrapping_add(by))
}

#[test]
fn blind_resets_change_nothing() {
    let world = upload_beside(|segment, random| {
        let mut forged = Forged::ack(segment, Way::ToGate);
        forged.control = TcpControl::Rst;
        forged.sequence = number(random);
        let without = Forged {
            acknowledgement: None,
            sequence: number(random),
            ..forged
        };
        vec![forged.packet(), without.packet()]
    });
    assert_eq!(world.gate.device.tally().connections, 1);
}

#[test]
fn blind_syns_change_nothing() {
    let world = upload_beside(|segment, random| {
        let mut forged = Forged::ack(segment, Way::ToGate);
        forged.control = TcpControl::Syn;
        forged.sequence = number(random);
        forged.scale = Some(14);
        forged.window = 1;
        let first = Forged {
            acknowledgement: None,
            sequence: number(random),
            ..forged
        };
        vec![first.packet(), forged.packet()]
    });
    assert_eq!(world.gate.device.tally().connections, 1);
}

#[test]
fn blind_acknowledgements_and_data_change_nothing() {
    upload_beside(|segment, random| {
        let mut forged = Forged::ack(segment, Way::ToGate);
        forged.window = 0;
        forged.sequence = number(random);
        forged.acknowledgement = Some(number(random));
        let data = Forged {
            payload: b"not what was meant",
            sequence: number(random),
            ..forged
        };
        vec![forged.packet(), data.packet()]
    });
}

#[test]
fn segments_outside_the_receive_window_do_not_tell_a_window() {
    upload_beside(|segment, random| {
        let mut old = Forged::ack(segment, Way::ToGate);
        old.window = 0;
        old.sequence = moved(segment.sequence, -1 - random.below(9000).cast_signed());
        let beyond = Forged {
            sequence: moved(segment.sequence, 40_000 + random.below(9000).cast_signed()),
            payload: b"too far",
            ..old
        };
        vec![old.packet(), beyond.packet()]
    });
}

#[test]
fn acknowledgements_of_what_was_never_sent_acknowledge_nothing() {
    let world = upload_beside(|segment, random| {
        let mut forged = Forged::ack(segment, Way::ToGate);
        let near = 25_000 + random.below(9000).cast_signed();
        let far = random.below(1 << 30).cast_signed();
        [near, far]
            .map(|by| {
                forged.acknowledgement = Some(moved(segment.acknowledgement, by));
                forged.packet()
            })
            .to_vec()
    });
    let drops = world.gate.device.tally().drops;
    assert!(drops.unacceptable > 0, "{drops:?}");
}

#[test]
fn a_forged_zero_window_is_outlived() {
    let mut count = 0;
    upload_beside(|segment, _| {
        count += 1;
        let mut forged = Forged::ack(segment, Way::ToGate);
        forged.window = 0;
        let times = if count % 9 == 0 { 2 } else { 0 };
        vec![forged.packet(); times]
    });
}

#[test]
fn acknowledgements_repeated_fifty_times_do_not_stop_the_flow() {
    upload_beside(|segment, _| {
        let forged = Forged::ack(segment, Way::ToGate);
        vec![forged.packet(); 50]
    });
}

#[test]
fn acknowledgements_byte_by_byte_do_not_stop_the_flow() {
    upload_beside(|segment, _| {
        let mut forged = Forged::ack(segment, Way::ToGate);
        let mut frames = Vec::new();
        for by in (1..40).rev() {
            // Every other one goes before the genuine one; those behind are old.
            forged.acknowledgement = Some(moved(segment.acknowledgement, -by));
            frames.push(forged.packet());
        }
        frames
    });
}

#[test]
fn a_window_that_shrinks_at_will_does_not_stop_the_flow() {
    upload_lied_to(Start::default(), |frame, random| {
        let segment = segment_in(Way::ToGate, frame);
        let window = random.below(u32::from(segment.window) + 1) as u16;
        Editor::new(frame, &segment).set_window(window);
    });
}

#[test]
fn congestion_told_for_ever_does_not_stop_the_flow() {
    let start = Start {
        settings: Settings::default().with_ecn(EcnSupport::On),
        ..Start::default()
    };
    upload_lied_to(start, |frame, _| {
        let segment = segment_in(Way::ToGate, frame);
        Editor::new(frame, &segment).set_flag(EcnFlag::Ece);
    });
}

/// Selective acknowledgements that lie, on a path that loses every 40th segment of data.
fn lie_by_sack(blocks: impl Fn(u32, &mut Random) -> [(u32, u32); 3]) {
    let mut random = Random(13);
    let mut data = 0;
    upload(Start::default(), MEGABYTE / 4, |way, frame| {
        let segment = segment_in(way, frame);
        if way == Way::ToPeer {
            data += u32::from(segment.payload_bytes > 0);
            let lost = segment.payload_bytes > 0 && data % 40 == 0;
            return if lost { vec![] } else { honest(way, frame) };
        }
        if segment.flags.syn || segment.flags.fin {
            return honest(way, frame);
        }
        let mut lying = Forged::ack(&segment, Way::ToGate);
        let acknowledged = segment.acknowledgement.0.cast_unsigned();
        lying.sack = blocks(acknowledged, &mut random).map(Some);
        vec![(way, lying.packet())]
    });
}

#[test]
fn sack_blocks_beyond_everything_sent_acknowledge_nothing() {
    lie_by_sack(|una, random| {
        let block = |by: u32| (una.wrapping_add(by), una.wrapping_add(by + 1460));
        [block(1 << 20), block(1 << 30), block(random.below(1 << 31))]
    });
}

#[test]
fn inverted_and_empty_sack_blocks_acknowledge_nothing() {
    lie_by_sack(|una, random| {
        let end = una.wrapping_add(random.below(20_000));
        [
            (end, una),
            (end, end),
            (una.wrapping_add(1 << 31), una.wrapping_sub(1)),
        ]
    });
}

#[test]
fn duplicate_sack_blocks_acknowledge_nothing() {
    lie_by_sack(|una, random| {
        let below = una.wrapping_sub(random.below(20_000));
        [
            (below, una),
            (below.wrapping_sub(1460), below),
            (una.wrapping_sub(1 << 30), una),
        ]
    });
}

#[test]
fn a_peer_that_claims_to_hold_everything_still_gets_what_it_lost() {
    lie_by_sack(|una, random| {
        let to = |by: u32| (una.wrapping_add(1), una.wrapping_add(by));
        [to(2), to(1 + random.below(40_000)), to((1 << 31) - 1)]
    });
}

#[test]
fn a_peer_that_takes_back_what_it_claimed_still_gets_it() {
    lie_by_sack(|una, random| {
        if random.below(3) == 0 {
            [(una.wrapping_add(1460), una.wrapping_add(30_000)); 3]
        } else {
            [(una, una); 3]
        }
    });
}

#[test]
fn any_maximum_segment_size_of_the_peer_is_lived_with() {
    for size in [0_u16, 1, 7, 64, 536, u16::MAX] {
        println!("maximum segment size {size}");
        upload(Start::default(), 20_000, |way, frame| {
            let mut frames = honest(way, frame);
            if way == Way::ToGate && segment_in(way, frame).flags.syn {
                set_max_segment_size(&mut frames[0].1, size);
            }
            frames
        });
    }
}

fn set_max_segment_size(frame: &mut [u8], size: u16) {
    // Kind 2 is the first option that smoltcp writes (RFC 9293 §3.2).
    assert_eq!(frame[40..42], [2, 4]);
    frame[42..44].copy_from_slice(&size.to_be_bytes());
    let packet = Ipv4Packet::new_unchecked(&*frame);
    let (source, destination) = (packet.src_addr().into(), packet.dst_addr().into());
    TcpPacket::new_unchecked(&mut frame[20..]).fill_checksum(&source, &destination);
}

#[test]
fn a_peer_that_does_not_read_for_ten_minutes_is_asked_now_and_then() {
    let mut world = World::new(Start::default());
    let (gate, peer) = world.connect(PORTS);
    let mut transfer = Transfer::new((gate, peer), Way::ToPeer, MEGABYTE);
    let silence = Duration::from_secs(600);
    let done = world.run(silence, &mut honest, &mut |world| {
        transfer.send(world.gate_socket(gate));
        false
    });
    assert!(!done);
    let tally = world.gate.device.tally();
    // The peer's buffer, and then less than one probe a second.
    assert!(tally.frames_departed < 700, "{tally:?}");
    transfer.complete(&mut world, LIMIT, honest);
}
