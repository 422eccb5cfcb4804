use proptest::prelude::*;
use tautline_core::units::Timestamp;

use super::*;
use crate::rng::Bernoulli;

fn jitter(max_ns: u64, order: Order) -> JitterSpec {
    JitterSpec {
        max: Duration::from_nanos(max_ns),
        order,
        ..JitterSpec::default()
    }
}

fn held(share: f64, for_ns: u64) -> JitterSpec {
    JitterSpec {
        held: share,
        held_for: Duration::from_nanos(for_ns),
        ..JitterSpec::default()
    }
}

fn impairments(loss: f64, jitter: &JitterSpec) -> Impairments {
    Impairments::new(&LossSpec::Bernoulli(loss), jitter, None, &[], (9, 0))
}

/// Where packets come out that enter every `gap_ns`.
fn exits(impairments: &mut Impairments, gap_ns: u64, count: u64) -> Vec<Option<u64>> {
    let entries = (0..count).map(|number| number * gap_ns);
    entries
        .map(|now_ns| impairments.exit_ns(now_ns, 0))
        .collect()
}

#[test]
fn loss_and_ordered_jitter_draw_from_the_streams_of_the_seed() {
    let mut loss = Bernoulli::new(0.1, Stream::new(9, Component::Loss));
    let mut extra = Stream::new(9, Component::Jitter);
    let mut last_ns = 0;
    let expected: Vec<Option<u64>> = (0..5000)
        .map(|number| {
            if loss.happens() {
                return None;
            }
            last_ns = last_ns.max(number * 1000 + extra.up_to(20_000));
            Some(last_ns)
        })
        .collect();
    let mut impairments = impairments(0.1, &jitter(20_000, Order::Kept));
    assert_eq!(exits(&mut impairments, 1000, 5000), expected);
}

#[test]
fn free_jitter_is_uniform_and_reorders() {
    let mut impairments = impairments(0.0, &jitter(1_000_000, Order::Free));
    assert!(impairments.reorders());
    let exits: Vec<u64> = exits(&mut impairments, 1000, 100_000)
        .into_iter()
        .flatten()
        .collect();
    assert!(exits.windows(2).any(|pair| pair[1] < pair[0]));
    let extra = exits
        .iter()
        .zip(0..)
        .map(|(exit, number)| exit - number * 1000);
    let extra: Vec<f64> = extra.map(|extra_ns| extra_ns as f64 / 1e6).collect();
    let mean = extra.iter().sum::<f64>() / 1e5;
    let variance = extra
        .iter()
        .map(|extra| (extra - mean) * (extra - mean))
        .sum::<f64>()
        / 1e5;
    assert!((mean - 0.5).abs() < 0.005, "{mean}");
    assert!((variance * 12.0 - 1.0).abs() < 0.02, "{variance}");
}

#[test]
fn a_held_share_comes_out_later_and_the_others_at_once() {
    let mut impairments = impairments(0.0, &held(0.05, 30_000));
    assert!(impairments.reorders());
    let exits = exits(&mut impairments, 1000, 100_000);
    let delays = exits
        .iter()
        .flatten()
        .zip(0..)
        .map(|(exit, number)| exit - number * 1000);
    let delays: Vec<u64> = delays.collect();
    let late = delays
        .iter()
        .filter(|&&delay_ns| delay_ns == 30_000)
        .count();
    assert!((4700..5300).contains(&late), "{late}");
    assert_eq!(
        delays.iter().filter(|&&delay_ns| delay_ns == 0).count(),
        100_000 - late
    );
}

#[test]
fn holding_back_does_not_change_what_jitter_draws() {
    let kept = jitter(20_000, Order::Kept);
    let mut plain = impairments(0.0, &kept);
    let mut holding = impairments(
        0.0,
        &JitterSpec {
            held: 0.2,
            held_for: Duration::from_secs(1),
            ..kept
        },
    );
    for (plain, holding) in
        exits(&mut plain, 1000, 1000)
            .into_iter()
            .zip(exits(&mut holding, 1000, 1000))
    {
        let plain = plain.unwrap();
        assert!(holding == Some(plain) || holding == Some(plain + 1_000_000_000));
    }
}

#[test]
fn packets_in_a_blackout_are_lost_and_those_around_it_pass() {
    let blackout = |at_ns, packets| Blackout {
        at: Timestamp::from_nanos(at_ns),
        length: Duration::from_nanos(10),
        packets,
    };
    let blackouts = [blackout(20, Blacked::Lost), blackout(40, Blacked::Held)];
    let loss = LossSpec::default();
    let mut impairments = Impairments::new(&loss, &JitterSpec::default(), None, &blackouts, (1, 0));
    assert!(!impairments.reorders());
    let lost: Vec<u64> = (0..60)
        .filter(|&now_ns| impairments.exit_ns(now_ns, 0).is_none())
        .collect();
    assert_eq!(lost, (20..30).collect::<Vec<u64>>());
}

#[test]
fn aggregation_releases_packets_together_at_multiples_of_its_interval() {
    let interval = Some(Duration::from_nanos(100));
    let loss = LossSpec::default();
    let mut impairments = Impairments::new(&loss, &JitterSpec::default(), interval, &[], (1, 0));
    let exits: Vec<Option<u64>> = [0, 1, 50, 100, 101, 250]
        .map(|at| impairments.exit_ns(at, 0))
        .into();
    assert_eq!(exits, [0, 100, 100, 100, 200, 300].map(Some));
}

#[test]
fn links_of_one_seed_lose_different_packets() {
    let at_link = |link| {
        let loss = LossSpec::Bernoulli(0.5);
        let mut impairments = Impairments::new(&loss, &JitterSpec::default(), None, &[], (1, link));
        exits(&mut impairments, 1, 64)
    };
    assert_eq!(at_link(0), at_link(0));
    assert_ne!(at_link(0), at_link(1));
}

fn any_jitter() -> impl Strategy<Value = JitterSpec> {
    let order = prop_oneof![Just(Order::Kept), Just(Order::Free)];
    let held = prop_oneof![Just(0.0), 0.0_f64..=1.0];
    (0_u64..50_000, order, held, 0_u64..50_000).prop_map(|(max_ns, order, held, held_ns)| {
        JitterSpec {
            held,
            held_for: Duration::from_nanos(held_ns),
            ..jitter(max_ns, order)
        }
    })
}

proptest! {
    #[test]
    fn packets_come_out_after_they_went_in_and_in_order_unless_it_reorders(
        jitter in any_jitter(),
        loss in 0.0_f64..0.5,
        aggregation in prop::option::of(1_u64..10_000),
        gaps in prop::collection::vec(0_u64..5_000, 1..300),
        seed: u64,
    ) {
        let aggregation = aggregation.map(Duration::from_nanos);
        let loss = LossSpec::Bernoulli(loss);
        let mut impairments = Impairments::new(&loss, &jitter, aggregation, &[], (seed, 3));
        prop_assert_eq!(impairments.reorders(), jitter.reorders());
        let longest_ns = jitter.max + jitter.held_for + aggregation.unwrap_or_default();
        let longest_ns = duration_nanos(longest_ns);
        let (mut now_ns, mut last_exit_ns) = (0, 0);
        for gap_ns in gaps {
            now_ns += gap_ns;
            if let Some(exit_ns) = impairments.exit_ns(now_ns, 0) {
                prop_assert!(exit_ns >= now_ns);
                if !impairments.reorders() {
                    prop_assert!(exit_ns >= last_exit_ns);
                }
                if impairments.reorders() || jitter.max.is_zero() {
                    prop_assert!(jitter.order == Order::Kept || exit_ns <= now_ns + longest_ns);
                }
                last_exit_ns = exit_ns;
            }
        }
    }

    #[test]
    fn loss_is_within_its_bounds(loss in 0.0_f64..=1.0, seed: u64) {
        let loss_spec = LossSpec::Bernoulli(loss);
        let mut impairments =
            Impairments::new(&loss_spec, &JitterSpec::default(), None, &[], (seed, 0));
        let exits = exits(&mut impairments, 10, 10_000);
        let lost = exits.iter().filter(|exit| exit.is_none()).count() as f64 / 1e4;
        // Six standard deviations of the worst case.
        prop_assert!((lost - loss).abs() < 0.03, "{lost} of {loss}");
    }
}
