//! Uploads complete, whatever the controller decides.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::congestion::ControllerFactory as _;
use tautline_core::controller::{FixedWindow, NewReno};
use tautline_core::units::Bytes;
use tautline_quic_integration::{Adapter, AdapterFactory};

use crate::pair::{Departures, Link, MTU, Pair};

#[test]
fn new_reno_fills_most_of_a_link() {
    let factory = Arc::new(AdapterFactory::new(NewReno::new));
    let mut pair = Pair::new(Link::ten_megabits(), factory, Departures::Together);
    let outcome = pair.upload(5_000_000, Duration::from_mins(1));
    assert!(outcome.finished, "{outcome:?}");
    assert_eq!(outcome.received, 5_000_000);
    // 4 s at line rate.
    assert!(outcome.elapsed < Duration::from_secs(6), "{outcome:?}");
}

#[test]
fn a_window_of_one_byte_still_finishes_two_datagrams_per_round() {
    let factory = Arc::new(AdapterFactory::new(|mtu| {
        FixedWindow::new(Bytes::new(1), mtu)
    }));
    let mut pair = Pair::new(Link::ten_megabits(), factory, Departures::Together);
    let outcome = pair.upload(100_000, Duration::from_mins(1));
    assert!(outcome.finished, "{outcome:?}");
    assert_eq!(outcome.lost_packets, 0);
    // 71 datagrams, two per 40 ms, and the handshake.
    assert!(
        outcome.elapsed > Duration::from_millis(1_300),
        "{outcome:?}"
    );
    assert!(
        outcome.elapsed < Duration::from_millis(2_500),
        "{outcome:?}"
    );
}

#[test]
fn a_window_of_k_datagrams_lets_k_datagrams_out() {
    // Twenty datagrams per 40 ms are 5.8 Mbit/s; nineteen would take five per cent longer.
    for (datagrams, expected_rounds) in [(10, 69), (20, 35)] {
        let factory = Arc::new(AdapterFactory::new(move |mtu: Bytes| {
            FixedWindow::new(mtu.saturating_mul(datagrams), mtu)
        }));
        let link = Link {
            rate_bits_per_sec: 1_000_000_000,
            ..Link::ten_megabits()
        };
        let mut pair = Pair::new(link, factory, Departures::Together);
        let outcome = pair.upload(980_000, Duration::from_mins(1));
        assert!(outcome.finished, "{outcome:?}");
        let rounds = outcome.elapsed.as_millis() / 40;
        assert!(
            (expected_rounds..=expected_rounds + 3).contains(&rounds),
            "{datagrams} datagrams: {rounds} rounds"
        );
    }
}

#[test]
fn the_window_never_falls_below_two_datagrams_and_a_byte() {
    let factory = Arc::new(AdapterFactory::new(|mtu| {
        FixedWindow::new(Bytes::new(1), mtu)
    }));
    #[expect(clippy::disallowed_methods, reason = "some instant is needed")]
    let mut adapter = factory.build(std::time::Instant::now(), 1200);
    assert_eq!(adapter.window(), 2 * 1200 + 2);
    assert_eq!(adapter.initial_window(), 2 * 1200 + 2);
    adapter.on_mtu_update(MTU);
    assert_eq!(adapter.window(), 2 * u64::from(MTU) + 2);
    let adapter = adapter.clone_box().into_any();
    assert!(adapter.downcast::<Adapter<FixedWindow>>().is_ok());
}

#[test]
fn quinns_bbr_loses_nothing_where_acknowledgements_do_not_bunch() {
    // The demo's fixed link. In real time quinn's estimate follows bunched acknowledgements and
    // floods the queue; here nothing bunches.
    let link = Link {
        rate_bits_per_sec: 20_000_000,
        buffer_bytes: 200_000,
        ..Link::ten_megabits()
    };
    let factory = Arc::new(quinn_proto::congestion::BbrConfig::default());
    let mut pair = Pair::new(link, factory, Departures::Together);
    let outcome = pair.upload(20_000_000, Duration::from_mins(1));
    assert!(outcome.finished, "{outcome:?}");
    assert_eq!(outcome.lost_packets, 0, "{outcome:?}");
}
