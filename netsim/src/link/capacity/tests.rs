//! What holds for every capacity.

use core::time::Duration;

use proptest::prelude::*;
use tautline_core::units::{Bandwidth, Timestamp};

use super::opportunities::OPPORTUNITY_BYTES;
use super::*;
use crate::rng::Component;

const SECOND_NS: u64 = 1_000_000_000;

fn mbps(rate: u64) -> Bandwidth {
    Bandwidth::from_bits_per_sec(rate * 1_000_000)
}

fn held(at_ms: u64, length_ms: u64) -> Blackout {
    Blackout {
        at: Timestamp::from_nanos(at_ms * 1_000_000),
        length: Duration::from_millis(length_ms),
        packets: Blacked::Held,
    }
}

/// Blackouts of (start, length) in milliseconds.
fn all_held(blackouts: &[(u64, u64)]) -> Vec<Blackout> {
    let blackouts = blackouts.iter();
    blackouts
        .map(|&(at_ms, length_ms)| held(at_ms, length_ms))
        .collect()
}

fn constant(rate: Bandwidth) -> CapacitySpec {
    CapacitySpec::Rates(vec![RateStep::from_start(rate)])
}

fn cellular(outage_every: Duration) -> CapacitySpec {
    CapacitySpec::Cellular(CellularSpec {
        mean: mbps(20),
        volatility: 0.5,
        outage_every,
        outage: Duration::from_millis(100),
    })
}

fn wifi(contention: f64) -> CapacitySpec {
    CapacitySpec::Wifi(WifiSpec {
        peak: mbps(60),
        change_every: Duration::from_millis(50),
        contention,
        pause: Duration::from_millis(3),
    })
}

fn leo(gap: Duration) -> CapacitySpec {
    CapacitySpec::Leo(LeoSpec {
        mean: mbps(30),
        spread: 0.4,
        handover_every: Duration::from_millis(700),
        gap,
    })
}

fn any_spec() -> impl Strategy<Value = CapacitySpec> {
    let steps = vec![
        RateStep::from_start(mbps(12)),
        RateStep {
            at: Timestamp::from_nanos(SECOND_NS),
            rate: mbps(40),
        },
    ];
    prop_oneof![
        Just(CapacitySpec::Rates(steps)),
        Just(cellular(Duration::ZERO)),
        Just(cellular(Duration::from_millis(300))),
        Just(wifi(0.0)),
        Just(wifi(0.4)),
        Just(leo(Duration::ZERO)),
        Just(leo(Duration::from_millis(60))),
    ]
}

fn capacity(spec: &CapacitySpec, blackouts: &[Blackout], seed: u64) -> AnyCapacity {
    let stream = Stream::new(seed, Component::Capacity);
    AnyCapacity::new(spec, stream).with_blackouts(blackouts)
}

#[test]
fn a_transmission_that_a_blackout_cuts_starts_anew_at_its_end() {
    let blackouts = [held(10, 5), held(16, 1)];
    let mut link = capacity(&constant(mbps(12)), &blackouts, 1);
    assert_eq!(link.finish_ns(9_000_000, 1500), 10_000_000);
    assert_eq!(link.finish_ns(10_000_000, 1500), 16_000_000);
    // It begins inside the second blackout.
    assert_eq!(link.finish_ns(16_000_000, 3000), 19_000_000);
    let mut link = capacity(&constant(mbps(12)), &blackouts, 1);
    // Cut by both.
    assert_eq!(link.finish_ns(9_500_000, 3000), 19_000_000);
    assert_eq!(link.capacity_bytes(0, 20_000_000), 14 * 1500);
    assert_eq!(link.capacity_bytes(12_000_000, 16_500_000), 1500);
}

#[test]
fn a_blackout_without_end_lets_nothing_pass_any_more() {
    let for_ever = Blackout {
        length: Duration::MAX,
        ..held(10, 0)
    };
    let mut link = capacity(&constant(mbps(12)), &[for_ever], 1);
    assert_eq!(link.finish_ns(0, 1500), 1_000_000);
    assert_eq!(link.finish_ns(9_500_000, 1500), u64::MAX);
    assert_eq!(link.capacity_bytes(0, u64::MAX), 15_000);
}

#[test]
fn blackouts_that_lose_packets_do_not_stop_the_transmitter() {
    let lost = Blackout {
        packets: Blacked::Lost,
        ..held(0, 100)
    };
    let mut link = capacity(&constant(mbps(12)), &[lost], 1);
    assert_eq!(link.finish_ns(0, 1500), 1_000_000);
}

#[test]
fn a_rate_schedule_is_as_large_as_before() {
    assert!(size_of::<AnyCapacity>() <= size_of::<RateSchedule>() + 8);
}

proptest! {
    #[test]
    fn transmissions_end_in_order_and_full_use_passes_the_capacity(
        spec in any_spec(),
        blackouts in prop::collection::vec((0_u64..4000, 0_u64..200), 0..4),
        sizes in prop::collection::vec(40_u32..4000, 1..20),
        seed: u64,
    ) {
        let blackouts = all_held(&blackouts);
        let mut link = capacity(&spec, &blackouts, seed);
        let end_ns = 4 * SECOND_NS;
        let (mut now_ns, mut passed, mut waste) = (0, 0_u64, 0_u64);
        for &bytes in sizes.iter().cycle() {
            let finish_ns = link.finish_ns(now_ns, bytes);
            prop_assert!(finish_ns >= now_ns);
            if finish_ns >= end_ns {
                break;
            }
            for blackout in &blackouts {
                let (from, length) = (blackout.at.as_nanos(), blackout.length.as_nanos() as u64);
                prop_assert!(finish_ns <= from || finish_ns >= from + length);
                if now_ns < from + length && finish_ns > from {
                    // At most a packet was cut, and of an opportunity's bytes some are lost.
                    waste += u64::from(bytes + OPPORTUNITY_BYTES);
                }
            }
            now_ns = finish_ns;
            passed += u64::from(bytes);
        }
        let offered = link.capacity_bytes(0, end_ns);
        let largest = u64::from(4000 + OPPORTUNITY_BYTES);
        // Rounding up to whole nanoseconds costs at most one of them per packet.
        let rounding = passed / 1000 + 8;
        prop_assert!(passed <= offered + largest, "{passed} of {offered}");
        prop_assert!(passed + waste + largest + rounding >= offered, "{passed} of {offered}");
    }

    #[test]
    fn the_process_is_the_same_whatever_was_transmitted(
        spec in any_spec(),
        blackouts in prop::collection::vec((0_u64..3000, 0_u64..100), 0..3),
        gaps in prop::collection::vec(0_u64..100_000_000, 0..40),
        seed: u64,
    ) {
        let blackouts = all_held(&blackouts);
        let unused = capacity(&spec, &blackouts, seed);
        let mut used = unused.clone();
        let mut now_ns = 0;
        for gap_ns in gaps {
            now_ns = used.finish_ns(now_ns + gap_ns, 1500);
        }
        for (from_ns, until_ns) in [(0, SECOND_NS), (SECOND_NS / 3, 3 * SECOND_NS)] {
            prop_assert_eq!(
                used.capacity_bytes(from_ns, until_ns),
                unused.capacity_bytes(from_ns, until_ns)
            );
        }
        // An idle link, long after, serves as one that was never used.
        let later_ns = now_ns + SECOND_NS;
        prop_assert_eq!(used.finish_ns(later_ns, 3000), unused.clone().finish_ns(later_ns, 3000));
    }

    #[test]
    fn a_known_end_changes_nothing_before_it(
        spec in any_spec(),
        blackouts in prop::collection::vec((0_u64..3000, 0_u64..100), 0..3),
        gaps in prop::collection::vec((0_u64..100_000_000, 40_u32..100_000), 0..40),
        end_ns in 0..2 * SECOND_NS,
        seed: u64,
    ) {
        let blackouts = all_held(&blackouts);
        let mut endless = capacity(&spec, &blackouts, seed);
        let mut ending = endless.clone().until(end_ns);
        let times_ns = [0, end_ns / 2, end_ns + 1, end_ns + SECOND_NS];
        let mut now_ns = 0;
        for (gap_ns, bytes) in gaps {
            now_ns += gap_ns;
            if now_ns > end_ns {
                break;
            }
            let finish_ns = endless.finish_ns(now_ns, bytes);
            let found_ns = ending.finish_ns(now_ns, bytes);
            if finish_ns > end_ns {
                prop_assert!(found_ns > end_ns, "{found_ns} for {finish_ns}");
                break;
            }
            prop_assert_eq!(found_ns, finish_ns);
            now_ns = finish_ns;
        }
        prop_assert_eq!(ending.capacity_between(&times_ns), endless.capacity_between(&times_ns));
    }

    #[test]
    fn capacities_between_many_times_are_those_of_each_pair(
        spec in any_spec(),
        blackouts in prop::collection::vec((0_u64..3000, 0_u64..100), 0..3),
        gaps in prop::collection::vec(0_u64..300_000_000, 1..12),
        seed: u64,
    ) {
        let blackouts = all_held(&blackouts);
        let link = capacity(&spec, &blackouts, seed);
        let times_ns: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let pairs = times_ns.windows(2).map(|pair| link.capacity_bytes(pair[0], pair[1]));
        prop_assert_eq!(link.capacity_between(&times_ns), pairs.collect::<Vec<_>>());
    }

    #[test]
    fn capacity_adds_up_over_adjacent_times(
        spec in any_spec(),
        between_ns in 0..4 * SECOND_NS,
        seed: u64,
    ) {
        let link = capacity(&spec, &[held(500, 100)], seed);
        let end_ns = 4 * SECOND_NS;
        let whole = link.capacity_bytes(0, end_ns);
        let parts = link.capacity_bytes(0, between_ns) + link.capacity_bytes(between_ns, end_ns);
        // Each part between blackouts is rounded down.
        prop_assert!(parts <= whole + 2 && whole <= parts + 2, "{parts} of {whole}");
    }
}
