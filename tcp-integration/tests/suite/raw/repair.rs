//! What is taken for lost, and how it is sent again.

use smoltcp::phy::Medium;
use smoltcp::time::Duration;

use super::wire::Sent;
use super::{PORTS, ROUND_TRIP, Rig, WINDOW, fixed};

const PEER_WINDOW: u16 = 60_000;

/// Without selective acknowledgement three duplicates in a row are a loss (RFC 5681 §3.2).
#[test]
fn duplicates_do_not_outlive_their_flight() {
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(WINDOW));
    let handle = rig.listen(PORTS.1, 200_000);
    rig.arrive(&Sent {
        sack: false,
        ..Sent::syn(PORTS, Some(7), PEER_WINDOW)
    });
    let got = rig.poll();
    let start = got.first().unwrap().sequence.wrapping_add(1);
    rig.now += ROUND_TRIP;
    rig.arrive(&Sent::ack(PORTS, start, PEER_WINDOW));
    rig.poll();
    let mut flight = |acknowledged: u32, duplicates: u32| {
        rig.socket(handle).send_slice(&[1; 5840]).unwrap();
        rig.poll();
        rig.now += ROUND_TRIP;
        for _ in 0..duplicates {
            rig.arrive(&Sent::ack(PORTS, acknowledged, PEER_WINDOW));
        }
        rig.poll();
        let end = acknowledged.wrapping_add(5840);
        rig.now += Duration::from_millis(1);
        let lost = rig.status().segments_lost;
        rig.arrive(&Sent::ack(PORTS, end, PEER_WINDOW));
        rig.poll();
        rig.now += Duration::from_millis(500);
        (end, lost)
    };
    let (next, lost) = flight(start, 2);
    assert_eq!(lost, 0);
    let (next, lost) = flight(next, 1);
    assert_eq!(lost, 0);
    let (_, lost) = flight(next, 3);
    assert!(lost > 0);
}
