//! Ethernet frames for another station: a switch floods them, a mirrored port carries them.

use smoltcp::phy::Medium;
use smoltcp::time::Duration;
use tautline_core::controller::NewReno;

use super::wire::{OTHER_STATION, Sent};
use super::{PORTS, ROUND_TRIP, Rig, SEGMENT, WINDOW, fixed, later};

const PEER_WINDOW: u16 = 60_000;

#[test]
fn frames_for_another_station_change_nothing() {
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ethernet, fixed(WINDOW));
    let handle = rig.listen(PORTS.1, 400_000);
    let start = rig.open(PORTS, Some(7), PEER_WINDOW);
    rig.socket(handle).send_slice(&vec![1; 400_000]).unwrap();
    let end = rig
        .poll()
        .iter()
        .fold(start, |end, got| later(end, got.end()));
    let flight = end.wrapping_sub(start);
    assert!((WINDOW - SEGMENT..=WINDOW).contains(&flight), "{flight}");
    let before = rig.status();
    rig.arrive(&Sent {
        station: OTHER_STATION,
        ..Sent::ack(PORTS, end, PEER_WINDOW)
    });
    assert!(rig.poll().is_empty());
    assert_eq!(rig.status(), before);
    // The peer has one segment.
    rig.now += ROUND_TRIP;
    let acknowledged = start.wrapping_add(SEGMENT);
    rig.arrive(&Sent::ack(PORTS, acknowledged, PEER_WINDOW));
    let end = rig
        .poll()
        .iter()
        .fold(end, |end, got| later(end, got.end()));
    let flight = end.wrapping_sub(acknowledged);
    assert!((WINDOW - SEGMENT..=WINDOW).contains(&flight), "{flight}");
}

#[test]
fn frames_for_another_station_do_not_redirect_made_acknowledgements() {
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ethernet, NewReno::new);
    let handle = rig.listen(PORTS.1, 400_000);
    let start = rig.open(PORTS, Some(7), PEER_WINDOW);
    rig.socket(handle).send_slice(&vec![1; 300_000]).unwrap();
    rig.poll();
    // Old and unacceptable besides.
    rig.arrive(&Sent {
        station: OTHER_STATION,
        sequence: 996,
        ..Sent::ack(PORTS, start.wrapping_sub(5), PEER_WINDOW)
    });
    rig.poll();
    // Silence: the probe timeout comes long before smoltcp's of a second.
    let silent = rig.now;
    let repeated = loop {
        rig.now += Duration::from_millis(10);
        let got = rig.poll();
        if got.iter().any(|got| got.bytes > 0 && got.sequence == start) {
            break rig.now - silent;
        }
    };
    assert!(repeated < Duration::from_millis(900), "{repeated}");
}
