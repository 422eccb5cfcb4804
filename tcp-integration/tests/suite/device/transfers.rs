//! Whole transfers through the gate on both sides.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use proptest::prelude::*;
use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use tautline_tcp_integration::{EcnSupport, Settings};

use super::hosts::{Cable, Family, file};

const LIMIT: Duration = Duration::from_secs(600);

/// Sends `data` from host 0 to host 1 over one connection, closes it on both sides and returns
/// what arrived.
fn transfer(cable: &mut Cable, data: &[u8]) -> Vec<u8> {
    let [client, server] = cable.open(4000, 80);
    let mut written = 0;
    let mut received = Vec::new();
    cable.run(LIMIT, |[from, to], _| {
        written += from.write(client, &data[written..]);
        if written == data.len() {
            from.tcp(client).close();
        }
        received.extend(to.read(server));
        if !to.tcp(server).may_recv() {
            to.tcp(server).close();
        }
        to.tcp(server).state() == tcp::State::Closed
    });
    received
}

fn check_transfer(medium: Medium, family: Family) {
    let mut cable = Cable::new(medium, family);
    let data = file(300_000);
    assert_eq!(transfer(&mut cable, &data), data);
    for host in &cable.hosts {
        let tally = host.device.tally();
        assert_eq!(tally.drops.total(), 0, "{tally:?}");
        assert_eq!((tally.connections, tally.adopted), (1, 0), "{tally:?}");
        let mut left = 0;
        host.device.for_each_status(|_, _| left += 1);
        assert_eq!(left, 0, "both FINs are acknowledged: {tally:?}");
    }
}

#[test]
fn a_transfer_completes_over_ethernet_and_ipv4() {
    check_transfer(Medium::Ethernet, Family::V4);
}

#[test]
fn a_transfer_completes_over_ethernet_and_ipv6() {
    check_transfer(Medium::Ethernet, Family::V6);
}

#[test]
fn a_transfer_completes_over_bare_ipv4() {
    check_transfer(Medium::Ip, Family::V4);
}

#[test]
fn a_transfer_completes_over_bare_ipv6() {
    check_transfer(Medium::Ip, Family::V6);
}

#[test]
fn the_controller_and_not_the_peer_limits_what_is_in_flight() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let data = file(400_000);
    let [client, server] = cable.open(4000, 80);
    let tuple = cable.hosts[0].tuple(client);
    let (mut written, mut received) = (0, 0);
    cable.run(LIMIT, |[from, to], now| {
        written += from.write(client, &data[written..]);
        received += to.read(server).len();
        let status = from.device.status(tuple).unwrap();
        assert!(status.outstanding <= status.window, "{now}: {status:?}");
        assert_eq!(status.violations, 0, "{now}: {status:?}");
        received == data.len()
    });
}

#[test]
fn a_card_with_room_for_one_frame_is_enough() {
    let mut cable = Cable::new(Medium::Ethernet, Family::V4);
    for host in &mut cable.hosts {
        host.device.inner_mut().room = 1;
    }
    let data = file(100_000);
    assert_eq!(transfer(&mut cable, &data), data);
}

#[test]
fn new_data_is_marked_as_capable_of_congestion_notification_where_both_sides_want_it() {
    for (ecn, wanted) in [(EcnSupport::On, ECT_0), (EcnSupport::Off, 0)] {
        let settings = Settings::default().with_ecn(ecn);
        let mut cable = Cable::with_settings(Medium::Ip, Family::V4, settings);
        let fields = Rc::new(RefCell::new(BTreeSet::new()));
        let seen = Rc::clone(&fields);
        cable.lose = Box::new(move |_, from, packet| {
            if from == 0 && packet.len() > 1000 {
                seen.borrow_mut().insert(packet[1] & 0b11);
            }
            false
        });
        let data = file(100_000);
        assert_eq!(transfer(&mut cable, &data), data);
        assert_eq!(*fields.borrow(), BTreeSet::from([wanted]), "{ecn:?}");
    }
}

/// RFC 3168 §5.
const ECT_0: u8 = 0b10;

proptest! {
    #[test]
    fn after_every_poll_the_gate_is_open(seed in any::<u64>(), loss_percent in 0_u64..10) {
        let mut cable = Cable::new(Medium::Ip, Family::V4);
        let mut state = seed;
        cable.lose = Box::new(move |_, _, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % 100 < loss_percent
        });
        let data = file(120_000);
        let [client, server] = cable.open(4000, 80);
        let (mut written, mut received) = (0, Vec::new());
        cable.run(LIMIT, |[from, to], now| {
            assert!(!from.device.is_shut(), "{now}: others cannot send");
            written += from.write(client, &data[written..]);
            received.extend(to.read(server));
            received.len() == data.len()
        });
        prop_assert!(received == data);
    }
}
