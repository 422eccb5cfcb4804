//! The watch over the assumptions of closed-loop claims: silent on every path as assumed, whatever
//! jitter does, and quick on paths that are not.

use proptest::prelude::*;
use tautline_core::controller::{
    AckBatch, CongestionEvent, CongestionTrigger, Controller as _, Counters, Learned,
};
use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::guard::{Assumption, LoopAssumptions, UncheckedEnvelope};
use tautline_core::policy::Digest;
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use crate::model::{Law, learned};
use crate::path::{MTU, Path};

pub(crate) const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

/// 5 % of jitter, 2⁴ to 2¹⁰ datagrams, a buffer of half a bandwidth-delay product at least.
pub(crate) const ASSUMED: LoopAssumptions = LoopAssumptions {
    jitter: Q16::from_units(3277),
    log_bdp: (Q16::from_units(4 << 16), Q16::from_units(10 << 16)),
    buffer: (Q16::from_units(1 << 15), None),
    start: (Q16::NEG_ONE, Q16::from_units(3 << 15)),
    log_window: (Q16::from_units(2 << 16), Q16::from_units(12 << 16)),
};

fn watched<F: Fn(&[i32; FEATURE_COUNT]) -> i32>(
    assumed: LoopAssumptions,
    law: F,
) -> Learned<Law<F>, UncheckedEnvelope<LoopAssumptions>> {
    let envelope = UncheckedEnvelope::dangerously_unchecked(Digest::default(), &TABLE_1)
        .with_loop_assumptions(assumed);
    Learned::new(learned(law).into_proposer(), envelope, Bytes::new(MTU)).unwrap()
}

/// a = 5/4 · (1/2 − x_s) − loss.
pub(crate) fn law(features: &[i32; FEATURE_COUNT]) -> i32 {
    let rate = (32_768 - features[index::STANDING_QUEUE]) * 5 / 4 - 4 * features[index::LOSS];
    rate.clamp(-65_536, 65_536)
}

/// 80 datagrams at 40 ms, the datagram's own time included.
fn path(buffer_packets: u64) -> Path {
    Path::new(500_000, 40 * MS - 500_000, buffer_packets)
}

/// The counters at `until` seconds, of which the first five are quiet.
fn after(until: u64, change: impl FnOnce(&mut Path)) -> Counters {
    let mut path = path(400);
    let mut controller = watched(ASSUMED, law);
    path.run(&mut controller, 5 * SECOND);
    let quiet = controller.counters();
    assert_eq!((quiet.evidence_rounds, quiet.fallbacks), (0, 0));
    assert!(quiet.certified_decisions > 50, "{quiet:?}");
    change(&mut path);
    path.run(&mut controller, until * SECOND);
    controller.counters()
}

/// The guard acted on `assumption` within `rounds` decisions of the change.
fn assert_noticed(counters: Counters, assumption: Assumption, within: u64) {
    let broken = counters.last_broken.unwrap();
    assert_eq!(broken.assumption, assumption, "{counters:?}");
    let took = broken
        .at
        .saturating_since(Timestamp::from_nanos(5 * SECOND));
    assert!(took.as_millis() < u128::from(within), "after {took:?}");
    assert_eq!(counters.fallbacks, counters.broken_assumptions);
}

#[test]
fn a_longer_path_is_noticed() {
    let counters = after(7, |path| path.rtt_nanos += 60 * MS);
    assert_noticed(counters, Assumption::Rate, 1000);
}

#[test]
fn a_shorter_path_is_noticed_once_the_minimum_shows_it_again_and_again() {
    let counters = after(60, |path| path.rtt_nanos -= 25 * MS);
    assert_noticed(counters, Assumption::BaseRtt, 20_000);
}

#[test]
fn a_slower_bottleneck_is_noticed() {
    let counters = after(7, |path| path.service_nanos *= 2);
    assert_noticed(counters, Assumption::Rate, 1000);
}

#[test]
fn a_faster_bottleneck_is_noticed() {
    let counters = after(7, |path| path.service_nanos /= 2);
    assert_noticed(counters, Assumption::Rate, 1000);
}

#[test]
fn jitter_beyond_the_declared_is_noticed() {
    let counters = after(7, |path| {
        path.jitter = Box::new(|number, _| if number % 64 < 32 { 0 } else { 6 * MS });
    });
    assert_noticed(counters, Assumption::Jitter, 1000);
}

#[test]
fn a_buffer_shallower_than_declared_is_noticed_by_its_losses() {
    let counters = after(7, |path| path.buffer_packets = 8);
    assert_noticed(counters, Assumption::Buffer, 2000);
}

#[test]
fn a_product_below_the_declared_range_is_noticed() {
    let mut path = path(400);
    let assumed = LoopAssumptions {
        log_bdp: (Q16::from_units(7 << 16), Q16::from_units(10 << 16)),
        ..ASSUMED
    };
    let mut controller = watched(assumed, law);
    path.run(&mut controller, 10 * SECOND);
    let broken = controller.counters().last_broken.unwrap();
    assert_eq!(broken.assumption, Assumption::Range);
}

#[test]
fn a_product_above_the_declared_range_is_noticed() {
    let mut path = path(400);
    let assumed = LoopAssumptions {
        log_bdp: (Q16::from_units(4 << 16), Q16::from_units(6 << 16)),
        ..ASSUMED
    };
    let mut controller = watched(assumed, law);
    path.run(&mut controller, 10 * SECOND);
    let broken = controller.counters().last_broken.unwrap();
    assert_eq!(broken.assumption, Assumption::Range);
}

#[test]
fn marks_and_packets_out_of_order_are_noticed_from_the_second_and_third_round_on() {
    let mut path = path(400);
    let mut controller = watched(ASSUMED, law);
    path.run(&mut controller, 5 * SECOND);
    let marked = AckBatch {
        bytes_in_flight: Bytes::ZERO,
        ecn_ce_count: 1,
    };
    for (round, broken) in [(0, 0), (1, 1)] {
        controller.on_ack_end(Timestamp::from_nanos(path.now), marked);
        path.run(&mut controller, (5000 + 200 * (round + 1)) * MS);
        assert_eq!(controller.counters().broken_assumptions, broken);
    }
    let last = controller.counters().last_broken.unwrap();
    assert_eq!(last.assumption, Assumption::Marks);
}

#[test]
fn one_noisy_round_trips_nothing() {
    let counters = after(7, |path| {
        // All within one round.
        let first = 12_040;
        path.jitter = Box::new(move |number, _| {
            if (first..first + 20).contains(&number) {
                30 * MS
            } else {
                0
            }
        });
    });
    assert!((1..4).contains(&counters.evidence_rounds), "{counters:?}");
    assert_eq!(counters.fallbacks, 0);
}

#[test]
fn the_policy_returns_once_the_path_is_as_assumed_again() {
    let mut path = path(400);
    let mut controller = watched(ASSUMED, law);
    path.run(&mut controller, 5 * SECOND);
    path.service_nanos *= 2;
    path.run(&mut controller, 26 * SECOND);
    let counters = controller.counters();
    assert_eq!(
        (counters.fallbacks, counters.returns),
        (1, 1),
        "{counters:?}"
    );
    assert!(controller.policy_in_charge());
}

#[test]
fn after_a_longer_path_the_policy_returns_with_a_fresh_minimum_and_stays() {
    let mut path = path(1000);
    let mut controller = watched(ASSUMED, law);
    path.run(&mut controller, 5 * SECOND);
    path.rtt_nanos += 60 * MS;
    path.run(&mut controller, 30 * SECOND);
    let counters = controller.counters();
    assert_eq!(
        (counters.fallbacks, counters.returns),
        (1, 1),
        "{counters:?}"
    );
    let delivered = path.run(&mut controller, 60 * SECOND);
    assert!(delivered > 59_000, "{delivered} of 60 000 packets");
    let window = controller.decision().congestion_window.as_u64() / MTU;
    assert!(
        (280..=320).contains(&window),
        "a product of 200 and a half: {window}"
    );
    assert_eq!(controller.counters().fallbacks, 1);
}

#[test]
fn without_evidence_probation_is_served_with_it_not() {
    let returns = |jitter: u64| {
        let mut path = path(400);
        path.jitter = Box::new(move |number, _| if number % 64 < 32 { 0 } else { jitter });
        let mut controller = watched(ASSUMED, law);
        path.run(&mut controller, SECOND);
        let trigger = CongestionTrigger::Persistent;
        let event = CongestionEvent {
            trigger,
            number: PacketNumber::new(1),
            time_sent: Timestamp::from_nanos(path.now),
            bytes_in_flight: Bytes::ZERO,
        };
        controller.on_congestion_event(Timestamp::from_nanos(path.now), event);
        path.run(&mut controller, 15 * SECOND);
        controller.counters().returns
    };
    assert_eq!((returns(2 * MS) > 0, returns(6 * MS)), (true, 0));
}

/// What jitter does, within 2 ms, given a packet's number and the queue before it.
fn adversary(kind: usize, period: u64, seed: u64) -> Box<dyn Fn(u64, u64) -> u64> {
    const MOST: u64 = 2 * MS;
    let noise = move |number: u64| {
        let mixed = (number ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40
    };
    match kind {
        0 => Box::new(|_, _| 0),
        1 => Box::new(|_, _| MOST),
        2 => Box::new(move |number, _| {
            if number % period < period / 2 {
                0
            } else {
                MOST
            }
        }),
        3 => Box::new(move |number, _| noise(number) % (MOST + 1)),
        4 => Box::new(move |number, _| (number % period) * MOST / period),
        5 => Box::new(move |number, _| MOST - (number % period) * MOST / period),
        6 => Box::new(|_, queued| if queued > 30 { 0 } else { MOST }),
        7 => Box::new(|_, queued| if queued > 30 { MOST } else { 0 }),
        _ => Box::new(move |number, _| {
            if noise(number / period) % 2 == 0 {
                0
            } else {
                MOST
            }
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_path_as_assumed_shows_evidence(
        log_bdp in 4.0f64..9.0,
        buffer in prop_oneof![2 => 0.5f64..3.0, 1 => Just(1000.0)],
        kind in 0usize..9,
        period in 2u64..400,
        seed in any::<u64>(),
        target in 0i32..100_000,
        slope in 1i32..8,
        noise in 0i32..65_536,
    ) {
        let bdp = log_bdp.exp2();
        let service = (40.0 * 1e6 / bdp) as u64;
        let packets = (buffer * bdp).ceil() as u64 + 1;
        let mut path = Path::new(service, 40 * MS - service, packets);
        path.jitter = adversary(kind, period, seed);
        let rounds = std::cell::Cell::new(seed);
        // Any law at all, not only a good one: the tests follow from the path alone.
        let mut controller = watched(ASSUMED, |features| {
            rounds.set(rounds.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            let random = i32::try_from(rounds.get() >> 48).unwrap() - 32_768;
            let rate = (target - features[index::STANDING_QUEUE]) / 4 * slope;
            (rate - 4 * features[index::LOSS] + random / 256 * (noise / 256)).clamp(-65_536, 65_536)
        });
        path.run(&mut controller, 30 * SECOND);
        let counters = controller.counters();
        prop_assert_eq!(counters.evidence_rounds, 0, "{:?}", counters);
    }
}
