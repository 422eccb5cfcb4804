//! Who keeps a slot of the table, and what is remembered of those that lost theirs.

use smoltcp::phy::Medium;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;
use tautline_core::controller::FixedWindow;
use tautline_core::units::Bytes;
use tautline_tcp_integration::ControllerSource;

use super::wire::Sent;
use super::{PORTS, ROUND_TRIP, Rig, WINDOW, fixed};

/// Other ports.
const OTHERS: (u16, u16) = (5000, 81);
/// Smaller than the congestion window, so that it counts.
const PEER_WINDOW: u16 = 4000;
const LARGE: u32 = 100_000;

#[test]
fn a_blind_acknowledgement_in_syn_received_changes_nothing() {
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(LARGE));
    let handle = rig.listen(PORTS.1, 400_000);
    rig.arrive(&Sent::syn(PORTS, Some(0), PEER_WINDOW));
    let got = rig.poll();
    let start = got.first().unwrap().sequence.wrapping_add(1);
    // The right ports, any numbers: smoltcp replies with a RST, and stays.
    rig.arrive(&Sent {
        sequence: 0xdead,
        ..Sent::ack(PORTS, 0xbeef, PEER_WINDOW)
    });
    assert!(rig.poll().iter().any(|got| got.rst));
    rig.now += ROUND_TRIP;
    rig.arrive(&Sent::ack(PORTS, start, PEER_WINDOW));
    rig.poll();
    let most = rig.most_in_flight(handle, PORTS, start, PEER_WINDOW, 60);
    assert!(most <= PEER_WINDOW.into(), "{most}");
    let tally = rig.device.tally();
    assert_eq!((tally.connections, tally.adopted), (1, 0), "{tally:?}");
}

#[test]
fn a_connection_that_is_aborted_before_it_is_open_frees_its_slot() {
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(LARGE));
    let handle = rig.listen(PORTS.1, 10_000);
    rig.arrive(&Sent::syn(PORTS, Some(0), PEER_WINDOW));
    rig.poll();
    rig.status();
    rig.socket(handle).abort();
    assert!(rig.poll().iter().any(|got| got.rst));
    rig.device
        .for_each_status(|tuple, _| panic!("{tuple:?} is still tracked"));
}

#[test]
fn an_open_connection_keeps_its_slot_and_to_the_peers_window() {
    let mut rig: Rig<_, 1> = Rig::new(Medium::Ip, fixed(LARGE));
    let handle = rig.listen(PORTS.1, 400_000);
    rig.listen(OTHERS.1, 10_000);
    let start = rig.open(PORTS, Some(0), PEER_WINDOW);
    rig.now += Duration::from_secs(3600);
    rig.arrive(&Sent::syn(OTHERS, Some(0), PEER_WINDOW));
    assert!(rig.poll().is_empty());
    let tally = rig.device.tally();
    assert_eq!((tally.drops.arriving_syn, tally.evicted), (1, 0));
    let most = rig.most_in_flight(handle, PORTS, start, PEER_WINDOW, 60);
    assert!(most <= PEER_WINDOW.into(), "{most}");
}

#[test]
fn a_released_connection_keeps_to_the_peers_window() {
    for scale in [0, 2, 9] {
        let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(LARGE));
        let handle = rig.listen(PORTS.1, 400_000);
        let window = PEER_WINDOW >> scale;
        let start = rig.open(PORTS, Some(scale), window);
        let tuple = rig.tuple(handle);
        assert!(rig.device.release(tuple));
        // Not tracked yet: it has nothing to send.
        rig.arrive(&Sent::ack(PORTS, start, window));
        rig.poll();
        let most = rig.most_in_flight(handle, PORTS, start, window, 60);
        assert!(most <= u32::from(window) << scale, "{most}, scale {scale}");
        assert!(most > u32::from(PEER_WINDOW) / 2, "{most}, scale {scale}");
        assert_eq!(rig.device.tally().adopted, 1);
    }
}

#[test]
fn a_released_connection_is_tracked_anew_from_a_retransmission() {
    get_on_anew(&mut Rig::<_, 8>::new(Medium::Ip, fixed(WINDOW)));
}

/// Releases a connection with a flight of which only the first segment is missing.
fn get_on_anew<S: ControllerSource>(rig: &mut Rig<S, 8>) {
    let handle = rig.listen(PORTS.1, 400_000);
    let start = rig.open(PORTS, Some(7), 60_000);
    rig.socket(handle).send_slice(&vec![1; 100_000]).unwrap();
    let mut end = start.wrapping_add(rig.poll().iter().map(|got| got.bytes).sum());
    let tuple = rig.tuple(handle);
    assert!(rig.device.release(tuple));
    // The peer has all but the first segment, and acknowledges everything once it comes.
    let (begun, mut has_first) = (rig.now, false);
    while rig.socket(handle).send_queue() > 0 {
        for got in rig.poll().iter().filter(|got| got.bytes > 0) {
            has_first |= got.sequence == start;
            end = super::later(end, got.end());
            if has_first {
                rig.arrive(&Sent::ack(PORTS, end, 60_000));
            }
        }
        rig.now += ROUND_TRIP;
        assert!(rig.now < begun + Duration::from_secs(60));
    }
}

#[test]
fn a_handshake_that_nobody_completes_gives_way() {
    let mut rig: Rig<_, 1> = Rig::new(Medium::Ip, fixed(WINDOW));
    let handle = rig.listen(PORTS.1, 10_000);
    rig.listen(OTHERS.1, 10_000);
    rig.arrive(&Sent::syn(PORTS, Some(7), PEER_WINDOW));
    assert!(rig.poll().iter().any(|got| got.syn));
    let begun = rig.now;
    while rig.device.tally().evicted == 0 {
        rig.now += Duration::from_millis(500);
        rig.arrive(&Sent::syn(OTHERS, Some(7), PEER_WINDOW));
        rig.poll();
        assert!(rig.now < begun + Duration::from_secs(15));
    }
    assert!(rig.now >= begun + Duration::from_secs(3));
    assert_eq!(rig.device.tally().drops.departing_data, 0);
    assert!(rig.socket(handle).is_open());
}

#[test]
fn a_listener_that_listens_again_frees_its_slot() {
    let mut rig: Rig<_, 1> = Rig::new(Medium::Ip, fixed(WINDOW));
    let handle = rig.listen(PORTS.1, 10_000);
    rig.arrive(&Sent::syn(PORTS, Some(7), PEER_WINDOW));
    assert!(rig.poll().iter().any(|got| got.syn));
    // No poll between the two: no RST leaves.
    rig.socket(handle).abort();
    rig.socket(handle).listen(PORTS.1).unwrap();
    let answered = (1..200).find(|_| {
        rig.now += Duration::from_secs(1);
        rig.arrive(&Sent::syn((5000, PORTS.1), Some(7), PEER_WINDOW));
        rig.poll().iter().any(|got| got.syn && got.port == 5000)
    });
    // The first SYN was refused.
    assert_eq!(answered, Some(2));
    assert_eq!(rig.device.tally().unused, 1);
}

#[test]
fn a_socket_that_was_removed_frees_its_slot() {
    let mut rig: Rig<_, 2> = Rig::new(Medium::Ip, fixed(WINDOW));
    let handle = rig.listen(PORTS.1, 10_000);
    rig.listen(80, 10_000);
    rig.listen(OTHERS.1, 10_000);
    rig.open(PORTS, Some(7), PEER_WINDOW);
    rig.open((4001, 80), Some(7), PEER_WINDOW);
    rig.sockets.remove(handle);
    rig.arrive(&Sent::syn(OTHERS, Some(7), PEER_WINDOW));
    assert!(rig.poll().is_empty());
    rig.open(OTHERS, Some(7), PEER_WINDOW);
    let tally = rig.device.tally();
    assert_eq!((tally.unused, tally.evicted), (1, 0), "{tally:?}");
}

#[test]
fn a_reset_of_the_peer_frees_its_slot() {
    let mut rig: Rig<_, 1> = Rig::new(Medium::Ip, fixed(WINDOW));
    rig.listen(PORTS.1, 10_000);
    rig.listen(OTHERS.1, 10_000);
    let start = rig.open(PORTS, Some(7), PEER_WINDOW);
    rig.arrive(&Sent {
        control: TcpControl::Rst,
        ..Sent::ack(PORTS, start, PEER_WINDOW)
    });
    rig.open(OTHERS, Some(7), PEER_WINDOW);
    assert_eq!(rig.device.tally().drops.total(), 0);
}

/// The second controller has a smaller window than what the first one let out.
#[test]
fn a_connection_tracked_anew_with_a_smaller_window_gets_on() {
    let controllers = core::cell::Cell::new(0);
    let source = move |max_segment: Bytes| {
        controllers.set(controllers.get() + 1);
        // The device itself asks for one.
        let bytes = if controllers.get() <= 2 {
            58_400
        } else {
            14_600
        };
        FixedWindow::new(Bytes::new(bytes), max_segment)
    };
    let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, source);
    get_on_anew(&mut rig);
}
