//! Connections that cannot be told their windows: nobody else waits for them for long.

use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

use super::wire::Sent;
use super::{PORTS, ROUND_TRIP, Rig, SEGMENT, WINDOW, fixed, later};

/// How the driver polls, and what became of the connection whose peer is silent.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "every combination is tried")]
struct Case {
    /// The peer has closed its end.
    finished: bool,
    /// The application has closed its end too, which is LAST-ACK.
    closed: bool,
    /// The driver does not look at the sockets' states.
    blind: bool,
    /// The device has forgotten the connection and tracks it anew.
    released: bool,
}

fn cases() -> impl Iterator<Item = Case> {
    (0..16).map(|bits| Case {
        finished: bits & 1 > 0,
        closed: bits & 2 > 0,
        blind: bits & 4 > 0,
        released: bits & 8 > 0,
    })
}

/// The port of the other connection's peer, and of its socket.
const OTHER: (u16, u16) = (5000, 81);
const STEP: Duration = Duration::from_millis(10);

#[test]
fn a_silent_peer_shuts_the_gate_for_half_a_second_at_most_whatever_the_state() {
    for case in cases() {
        let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(WINDOW));
        let [silent, other] = [PORTS.1, OTHER.1].map(|port| rig.listen(port, 200_000));
        let start = rig.open(PORTS, Some(7), 60_000);
        rig.open(OTHER, Some(7), 60_000);
        if case.finished {
            let mut fin = Sent::ack(PORTS, start, 60_000);
            fin.control = TcpControl::Fin;
            rig.arrive(&fin);
            rig.poll();
        }
        rig.socket(silent).send_slice(&vec![1; 150_000]).unwrap();
        if case.closed {
            rig.socket(silent).close();
        }
        if case.released {
            let tuple = rig.tuple(silent);
            assert!(rig.device.release(tuple));
        }
        let (mut shut, mut longest, mut waited) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let end = rig.now + Duration::from_secs(200);
        let mut last = end;
        while rig.now < end {
            if rig.socket(other).send_queue() == 0 {
                rig.socket(other).send_slice(&[7; 100]).unwrap();
                last = rig.now;
            }
            let got = if case.blind {
                rig.poll_blindly()
            } else {
                rig.poll()
            };
            for got in got
                .iter()
                .filter(|got| got.port == OTHER.0 && got.bytes > 0)
            {
                waited = waited.max(rig.now - last);
                rig.arrive(&Sent::ack(OTHER, got.end(), 60_000));
            }
            rig.now += STEP;
            shut = if rig.device.is_shut() {
                shut + STEP
            } else {
                Duration::ZERO
            };
            longest = longest.max(shut);
            rig.device.for_each_status(|_, status| {
                assert_eq!(status.violations, 0, "{case:?}");
            });
        }
        assert!(longest <= Duration::from_millis(500), "{case:?} {longest}");
        assert!(waited <= Duration::from_millis(500), "{case:?} {waited}");
        let queued = rig.socket(other).send_queue();
        assert!(queued == 0 || rig.now - last < ROUND_TRIP, "{case:?}");
        assert!(rig.socket(silent).send_queue() > 100_000, "{case:?}");
    }
}

#[test]
fn the_timeout_of_a_socket_fires_after_the_peers_fin_as_before() {
    for closed in [false, true] {
        for window in [60_000, 0, 5] {
            let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(WINDOW));
            let handle = rig.listen(PORTS.1, 200_000);
            let timeout = Duration::from_secs(3);
            rig.socket(handle).set_timeout(Some(timeout));
            let start = rig.open(PORTS, Some(7), 60_000);
            rig.socket(handle).send_slice(&vec![1; 150_000]).unwrap();
            rig.poll();
            rig.now += ROUND_TRIP;
            let mut fin = Sent::ack(PORTS, start.wrapping_add(SEGMENT), window);
            fin.control = TcpControl::Fin;
            rig.arrive(&fin);
            rig.poll();
            if closed {
                rig.socket(handle).close();
            }
            let since = rig.now;
            while rig.socket(handle).state() != tcp::State::Closed {
                let next = rig.next_poll().expect("a timer runs");
                rig.now = next.max(rig.now + Duration::from_millis(1));
                assert!(
                    rig.now - since <= timeout + timeout,
                    "closed: {closed}, window {window}"
                );
                rig.poll();
            }
            assert!(rig.now - since >= timeout);
        }
    }
}

#[test]
fn a_connection_tracked_anew_from_a_retransmission_gets_on() {
    for window in [WINDOW, 58_400] {
        let mut rig: Rig<_, 8> = Rig::new(Medium::Ip, fixed(window));
        let handle = rig.listen(PORTS.1, 400_000);
        let start = rig.open(PORTS, Some(7), 60_000);
        rig.socket(handle).send_slice(&vec![1; 100_000]).unwrap();
        let mut end = start;
        for got in rig.poll() {
            end = later(end, got.end());
        }
        let tuple = rig.tuple(handle);
        assert!(rig.device.release(tuple));
        // The peer has all but the first segment, and acknowledges all once that has come.
        let since = rig.now;
        let mut repaired = false;
        while rig.socket(handle).send_queue() > 0 {
            assert!(rig.now - since < Duration::from_secs(10), "window {window}");
            for got in rig.poll() {
                repaired |= got.bytes > 0 && got.sequence == start;
                end = later(end, got.end());
            }
            if repaired {
                rig.arrive(&Sent::ack(PORTS, end, 60_000));
            }
            rig.now += ROUND_TRIP;
        }
        assert_eq!(rig.device.tally().adopted, 1);
    }
}
