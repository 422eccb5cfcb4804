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

/// Also what is repeated out of turn never goes beyond the peer's window.
#[test]
fn a_made_fast_retransmission_keeps_to_the_peers_window() {
    const SMALL: u16 = 200;
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(WINDOW));
    let handle = rig.listen(PORTS.1, 200_000);
    let start = rig.open(PORTS, Some(0), SMALL);
    let socket = rig.socket(handle);
    socket.send_slice(&[1; 1000]).unwrap();
    socket.close();
    let silent = rig.now;
    // Not beyond a second: smoltcp's own timeout is not ours.
    while rig.now < silent + Duration::from_millis(950) {
        for got in rig.poll().iter().filter(|got| got.bytes > 0) {
            let beyond = got.end().wrapping_sub(start);
            assert!(beyond <= SMALL.into() && !got.fin, "{got:?}");
        }
        rig.now += Duration::from_millis(10);
    }
}
