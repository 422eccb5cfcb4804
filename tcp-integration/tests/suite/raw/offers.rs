//! What the peer's SYN offers, and where it was forgotten.

use smoltcp::phy::Medium;

use super::wire::Sent;
use super::{PORTS, ROUND_TRIP, Rig, SEGMENT, WINDOW, fixed};

const PEER_WINDOW: u16 = 60_000;

/// The most in flight after these SYNs, of which the first is the peer's.
fn most_after(syns: &[Sent]) -> u32 {
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(WINDOW));
    let handle = rig.listen(PORTS.1, 400_000);
    for syn in syns {
        rig.arrive(syn);
    }
    let got = rig.poll();
    let answer = got.iter().find(|got| got.syn && got.port == PORTS.0);
    let start = answer.unwrap().sequence.wrapping_add(1);
    rig.now += ROUND_TRIP;
    rig.arrive(&Sent::ack(PORTS, start, PEER_WINDOW));
    rig.poll();
    let most = rig.most_in_flight(handle, PORTS, start, PEER_WINDOW, 20);
    let status = rig.status();
    assert_eq!(status.violations, 0, "{status:?}");
    most
}

/// The window was used, and not exceeded: its last segment may not fit into the steps of smoltcp's.
fn assert_kept(most: u32) {
    assert!((WINDOW - 2 * SEGMENT..=WINDOW).contains(&most), "{most}");
}

fn syn() -> Sent {
    Sent::syn(PORTS, Some(7), PEER_WINDOW)
}

#[test]
fn a_flood_of_syns_before_the_answer_keeps_the_window() {
    assert_kept(most_after(&[syn()]));
    // More than are remembered.
    let flood = (6000..6009).map(|port| Sent::syn((port, PORTS.1), Some(7), 100));
    let syns: Vec<_> = [syn()].into_iter().chain(flood).collect();
    assert_kept(most_after(&syns));
}

#[test]
fn a_flood_without_window_scale_keeps_the_window() {
    let unscaled = Sent {
        scale: None,
        ..syn()
    };
    let flood = (6000..6009).map(|port| Sent::syn((port, PORTS.1), Some(7), 100));
    let syns: Vec<_> = [unscaled].into_iter().chain(flood).collect();
    assert_kept(most_after(&syns));
}

#[test]
fn data_in_a_syn_keeps_the_window() {
    let with_data = Sent {
        payload: vec![5],
        ..syn()
    };
    assert_kept(most_after(&[with_data]));
}

#[test]
fn a_second_syn_before_the_answer_keeps_the_window() {
    let second = Sent {
        sequence: 5,
        ..syn()
    };
    assert_kept(most_after(&[syn(), second]));
}

#[test]
fn a_repeated_syn_with_other_options_keeps_the_window() {
    let unscaled = Sent {
        scale: None,
        ..syn()
    };
    assert_kept(most_after(&[syn(), unscaled.clone()]));
    assert_kept(most_after(&[unscaled, syn()]));
}
