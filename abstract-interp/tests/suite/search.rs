//! Branch and bound against brute force.

use proptest::prelude::*;

use num_bigint::BigInt;
use num_rational::BigRational;
use tautline_abstract_interp::claim::{ClaimKind, LinearConstraint};
use tautline_abstract_interp::{
    Limits, MOST_REGIONS, Reason, Replay, Verdict, Watch, corner_region, prove_claim, quick_qc,
};
use tautline_core::policy::{HeadKind, Policy, Scratch, Skip};

use crate::models::{
    Dice, header, random_box, random_policy, rate_claim, sampled_maximum, signed_policy,
};

const LIMITS: Limits = Limits {
    max_boxes: 20_000,
    after_violation: 200,
};

fn one() -> BigRational {
    BigRational::from_integer(BigInt::from(1))
}

/// Checks a verdict against samples and replay.
fn agree(
    policy: &Policy<Vec<i16>>,
    claim: &tautline_abstract_interp::claim::Claim,
    dice: &mut Dice,
) -> Verdict {
    let result = prove_claim(policy, claim, &LIMITS, Watch::none()).unwrap();
    let bound = claim.constraints[0].bound;
    match &result.verdict {
        Verdict::Holds(_) => {
            let largest = sampled_maximum(policy, claim, dice, 2000);
            assert!(
                largest.is_none_or(|largest| largest <= bound),
                "{largest:?} > {bound}"
            );
            assert_eq!(result.qc, one());
            assert_eq!(result.remaining, []);
        }
        Verdict::Violated(found) => {
            let input = &found.inputs[0];
            assert!(policy.table().contains(&input.features));
            assert!(claim.region.contains(&input.features));
            assert_eq!(
                policy.forward(&input.features, &mut Scratch::new()),
                input.heads
            );
            let value = claim.constraints[0].heads[0].1 * i64::from(input.heads[0]);
            let direct = claim.constraints[0]
                .features
                .iter()
                .map(|&(place, d)| d * i64::from(input.features[place]));
            assert_eq!(
                i128::from(value + direct.sum::<i64>() - bound),
                found.excess
            );
            assert!(found.excess > 0);
            assert!(result.qc < one());
            let candidate = result.remaining[0].candidate.as_ref().unwrap();
            assert_eq!(
                (candidate.excess, &candidate.inputs[0]),
                (found.excess, input)
            );
        }
        Verdict::Unknown(reason) => {
            assert!(matches!(reason, Reason::BoxLimit { .. }), "{reason}");
            assert!(result.qc < one());
        }
    }
    result.verdict
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn verdicts_agree_with_samples(seed: u64, margin in -3_000i64..6_000, table in 0u16..2) {
        let mut dice = Dice(seed);
        let policy = random_policy(header(table, &[8, 8], 1, Skip::Linear), &mut dice);
        let sides = random_box(table, 0.1, &mut dice);
        let mut claim = rate_claim(&sides, if seed.is_multiple_of(2) { 1 } else { -3 }, 0);
        if let Some(largest) = sampled_maximum(&policy, &claim, &mut dice, 500) {
            claim.constraints[0].bound = largest + margin;
            agree(&policy, &claim, &mut dice);
        }
    }

    #[test]
    fn links_and_region_constraints_are_used(seed: u64, margin in -2_000i64..6_000) {
        let mut dice = Dice(seed);
        let policy = random_policy(header(1, &[6], 1, Skip::Linear), &mut dice);
        let mut sides = random_box(1, 0.05, &mut dice);
        // The whole triangle standing_queue <= queueing, where half of the box is impossible.
        sides[0] = tautline_abstract_interp::interval::Interval { low: 0, high: 20_000 };
        sides[1] = sides[0];
        let mut claim = rate_claim(&sides, 1, 0);
        claim.region.linear.push(LinearConstraint { terms: vec![(3, 1), (4, -1)], bound: 30_000 });
        claim.constraints[0].features.push((0, 2));
        if let Some(largest) = sampled_maximum(&policy, &claim, &mut dice, 3000) {
            claim.constraints[0].bound = largest + margin;
            agree(&policy, &claim, &mut dice);
        }
    }

    #[test]
    fn known_signs_leave_only_the_free_features(seed: u64) {
        let mut dice = Dice(seed);
        let policy = signed_policy(header(0, &[16, 16], 1, Skip::Linear), &[3, 8], &mut dice);
        let sides = random_box(0, 1.0, &mut dice);
        let mut claim = rate_claim(&sides, 1, 0);
        let corner = corner_region(&policy, &claim).unwrap().remove(0);
        prop_assert_eq!(&corner.free, &vec![3, 8]);
        for (feature, (low, high)) in corner.bounds.iter().enumerate() {
            prop_assert!(low == high || corner.free.contains(&feature));
        }
        let largest = sampled_maximum(&policy, &claim, &mut dice, 500).unwrap();
        claim.constraints[0].bound = (largest + 20_000).min(65_000);
        agree(&policy, &claim, &mut dice);
    }
}

#[test]
fn most_random_claims_with_a_margin_are_decided() {
    let mut decided = 0;
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let policy = random_policy(header(0, &[8, 8], 1, Skip::Linear), &mut dice);
        let sides = random_box(0, 0.1, &mut dice);
        let mut claim = rate_claim(&sides, 1, 0);
        let largest = sampled_maximum(&policy, &claim, &mut dice, 500).unwrap();
        claim.constraints[0].bound = largest + 3000;
        decided += usize::from(!matches!(
            agree(&policy, &claim, &mut dice),
            Verdict::Unknown(_)
        ));
    }
    assert!(decided >= 36, "only {decided} of 40 decided");
}

#[test]
fn pair_claims_hold_by_signs_and_are_refuted_by_two_points() {
    let mut dice = Dice(5);
    let header = header(0, &[8, 8], 1, Skip::Linear);
    let policy = signed_policy(header, &[3], &mut dice);
    let whole: Vec<_> = random_box(0, 0.0, &mut dice)
        .iter()
        .map(|_| tautline_abstract_interp::interval::Interval {
            low: -65_536,
            high: 65_536,
        })
        .collect();
    let mut claim = rate_claim(&whole, 1, 0);
    // Even features of the hand-made pattern never raise the rate, odd ones never lower it.
    claim.kind = ClaimKind::Pair { raise: vec![0, 2] };
    assert!(
        prove_claim(&policy, &claim, &LIMITS, Watch::none())
            .unwrap()
            .verdict
            .holds()
    );
    claim.kind = ClaimKind::Pair { raise: vec![1] };
    let Verdict::Violated(found) = prove_claim(&policy, &claim, &LIMITS, Watch::none())
        .unwrap()
        .verdict
    else {
        panic!("raising feature 1 raises the rate");
    };
    let [base, raised] = &found.inputs[..] else {
        panic!("two inputs")
    };
    assert!(base.features[1] < raised.features[1]);
    assert!(raised.heads[0] > base.heads[0]);
}

#[test]
fn a_missing_head_is_named() {
    let mut dice = Dice(6);
    let policy = random_policy(header(0, &[4], 1, Skip::None), &mut dice);
    let mut claim = rate_claim(&random_box(0, 0.1, &mut dice), 1, 0);
    claim.constraints[0].heads[0].0 = HeadKind::Retry;
    let error = prove_claim(&policy, &claim, &LIMITS, Watch::none()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "constraint 0 names the retry head, which the model lacks"
    );
}

#[test]
fn stopping_reports_the_fraction_proven_so_far() {
    let mut dice = Dice(7);
    let policy = random_policy(header(0, &[16, 16], 1, Skip::None), &mut dice);
    let sides = random_box(0, 0.4, &mut dice);
    let mut claim = rate_claim(&sides, 1, 0);
    let largest = sampled_maximum(&policy, &claim, &mut dice, 20_000).unwrap();
    claim.constraints[0].bound = largest + 15_000;
    let batches = std::sync::atomic::AtomicU32::new(0);
    let watch = Watch {
        progress: &|progress| assert_eq!(progress.claim, "random"),
        stop: &|| batches.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 20,
    };
    let result = prove_claim(&policy, &claim, &LIMITS, watch).unwrap();
    assert!(
        matches!(result.verdict, Verdict::Unknown(Reason::Stopped { .. })),
        "{result}"
    );
    let [remaining] = &result.remaining[..] else {
        panic!("one constraint is open")
    };
    assert!(remaining.count > MOST_REGIONS, "{}", remaining.count);
    assert_eq!(remaining.regions.len(), MOST_REGIONS);
    assert!(remaining.regions.is_sorted_by(|a, b| a.excess >= b.excess));
    for region in &remaining.regions {
        assert!(region.excess.is_some_and(|excess| excess > 0));
        let ends = region.bounds.iter().zip(&claim.region.bounds);
        for ((low, high), (from, to)) in ends {
            assert!(from <= low && low <= high && high <= to);
        }
    }
    let candidate = remaining.candidate.as_ref().unwrap();
    let input = &candidate.inputs[0];
    assert_eq!(candidate.replay, Replay::Confirmed);
    assert!(claim.region.contains(&input.features));
    assert_eq!(
        policy.forward(&input.features, &mut Scratch::new()),
        input.heads
    );
    let excess = i64::from(input.heads[0]) - claim.constraints[0].bound;
    assert_eq!(candidate.excess, i128::from(excess));
    // The search comes as close as 20,000 samples did.
    assert!((-15_500..=0).contains(&excess), "{excess}");
    let quick = quick_qc(&policy, &claim, 1000).unwrap();
    assert!((0.0..1.0).contains(&quick), "{quick}");
}
