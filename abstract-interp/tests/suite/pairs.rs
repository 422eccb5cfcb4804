//! Pair claims from their text to a certificate that the checker accepts.

use proptest::prelude::*;
use tautline_abstract_interp::claim::{ClaimKind, ClaimSet, Difference};
use tautline_abstract_interp::{
    Limits, MOST_REGIONS, Proof, Reason, Replay, Verdict, Watch, certify, prove_claim,
};
use tautline_certificates::check_policy;
use tautline_core::policy::Skip;

use crate::models::{Dice, header, random_box, random_policy, rate_claim};

const LIMITS: Limits = Limits {
    max_boxes: 200,
    after_violation: 20,
};

/// A claim about pairs near each other, or one about all of a region.
fn pair_set(dice: &mut Dice, reach: i64, bound: i64) -> ClaimSet {
    let mut claim = rate_claim(&random_box(0, 0.3, dice), 1, bound);
    let differ = [2, 5, 11].map(|feature| {
        let (low, high) = claim.region.bounds[feature];
        let width = i64::from(high - low);
        let end = dice.between(1, reach).min(width.max(1)) as i32;
        Difference {
            feature,
            low: -end,
            high: end,
        }
    });
    claim.kind = ClaimKind::Difference {
        differ: differ.to_vec(),
        between: vec![],
    };
    ClaimSet {
        feature_table: 0,
        claims: vec![claim],
        loops: vec![],
        ratios: vec![],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What the prover proves the checker accepts, from its own arithmetic, however close the bound.
    #[test]
    fn proofs_about_pairs_are_accepted(seed in any::<u64>(), reach in prop_oneof![1i64..50, 1000i64..20_000], bound in 0i64..40_000, shape in 0usize..3) {
        let mut dice = Dice(seed);
        let hidden: &[u16] = [&[6][..], &[10, 8], &[8, 8, 6]][shape];
        let skip = if dice.between(0, 1) == 0 { Skip::None } else { Skip::Linear };
        let policy = random_policy(header(0, hidden, 1, skip), &mut dice);
        let set = pair_set(&mut dice, reach, bound);
        let certification = certify(&policy, &set, &LIMITS, Watch::none()).unwrap();
        if let Some(certificate) = &certification.certificate {
            let checked = check_policy(&policy, certificate, Some(&set));
            prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
        }
    }
}

#[test]
fn the_least_bound_that_the_prover_reaches_is_accepted_and_one_below_is_not_claimed() {
    let one_box = Limits {
        max_boxes: 1,
        after_violation: 0,
    };
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let policy = random_policy(header(0, &[10, 8], 1, Skip::Linear), &mut dice);
        let mut set = pair_set(&mut dice, 3000, 0);
        let (mut fails, mut holds) = (0, 200_000);
        while holds - fails > 1 {
            let middle = i64::midpoint(fails, holds);
            set.claims[0].constraints[0].bound = middle;
            let verdict = prove_claim(&policy, &set.claims[0], &one_box, Watch::none());
            if verdict.unwrap().verdict.holds() {
                holds = middle;
            } else {
                fails = middle;
            }
        }
        set.claims[0].constraints[0].bound = holds;
        let certification = certify(&policy, &set, &one_box, Watch::none()).unwrap();
        let certificate = certification.certificate.unwrap();
        check_policy(&policy, &certificate, Some(&set)).unwrap();
    }
}

#[test]
fn a_pair_claim_that_is_false_is_refuted_by_two_inputs() {
    let mut dice = Dice(4);
    let policy = random_policy(header(0, &[8, 8], 1, Skip::Linear), &mut dice);
    let set = pair_set(&mut dice, 20_000, 10);
    let result = prove_claim(&policy, &set.claims[0], &LIMITS, Watch::none()).unwrap();
    let Verdict::Violated(found) = result.verdict else {
        panic!("{result}");
    };
    let [first, second] = &found.inputs[..] else {
        panic!("two inputs");
    };
    assert_eq!(
        i128::from(second.heads[0] - first.heads[0]) - 10,
        found.excess
    );
    let differ = set.claims[0].kind.differences(policy.table()).unwrap();
    for feature in 0..16 {
        let change = second.features[feature] - first.features[feature];
        match differ.iter().find(|one| one.feature == feature) {
            Some(one) => assert!((one.low..=one.high).contains(&change)),
            None => assert_eq!(change, 0),
        }
    }
}

#[test]
fn the_same_claim_gives_the_same_tree_on_one_thread_and_on_three() {
    let mut dice = Dice(9);
    let policy = random_policy(header(0, &[8, 8], 1, Skip::Linear), &mut dice);
    let set = pair_set(&mut dice, 4000, 9000);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let run = || prove_claim(&policy, &set.claims[0], &LIMITS, Watch::none()).unwrap();
        pool.build().unwrap().install(run)
    };
    let one = on(1);
    assert!(
        matches!(one.verdict, Verdict::Holds(Proof::Pairs(_))),
        "{one}"
    );
    assert_eq!(one, on(3));
}

#[test]
fn what_is_left_of_a_pair_claim_lies_in_its_box_and_its_candidate_is_a_pair_of_it() {
    let mut dice = Dice(9);
    let policy = random_policy(header(0, &[8, 8], 1, Skip::Linear), &mut dice);
    let mut verdicts = [0; 3];
    for bound in [0, 100, 2000, 4000, 5500, 9000] {
        let set = pair_set(&mut Dice(9), 4000, bound);
        let claim = &set.claims[0];
        let result = prove_claim(&policy, claim, &LIMITS, Watch::none()).unwrap();
        if result.verdict.holds() {
            verdicts[0] += 1;
            assert_eq!(
                (result.qc.to_string().as_str(), result.remaining),
                ("1", vec![])
            );
            continue;
        }
        let [remaining] = &result.remaining[..] else {
            panic!("one constraint is open");
        };
        assert_eq!(remaining.regions.len(), remaining.count.min(MOST_REGIONS));
        assert!(remaining.regions.is_sorted_by(|a, b| a.excess >= b.excess));
        let candidate = remaining.candidate.as_ref().unwrap();
        assert_eq!(candidate.replay, Replay::Confirmed);
        // Bounds are upper bounds, so the worst one is above what any pair reaches.
        if candidate.excess > 0 {
            let worst = remaining.regions[0].excess.unwrap();
            assert!(i128::from(worst) >= candidate.excess, "{worst}");
        }
        let whole = claim.pair_bounds(policy.table()).unwrap();
        for region in &remaining.regions {
            let changes = region.changes.as_ref().unwrap();
            let ends = changes.iter().chain(&region.bounds);
            for ((low, high), (from, to)) in ends.zip(&whole) {
                assert!(from <= low && low <= high && high <= to);
            }
        }
        match result.verdict {
            Verdict::Violated(found) => {
                verdicts[1] += 1;
                assert_eq!(
                    (found.inputs, found.excess),
                    (candidate.inputs.clone(), candidate.excess)
                );
                assert!(
                    result.boxes <= LIMITS.after_violation + 64,
                    "{}",
                    result.boxes
                );
            }
            Verdict::Unknown(reason) => {
                verdicts[2] += 1;
                assert!(
                    matches!(reason, Reason::BoxLimit { limit: 200, open, .. } if open == remaining.count)
                );
                assert_eq!(result.boxes, LIMITS.max_boxes);
                let rise = candidate.inputs[1].heads[0] - candidate.inputs[0].heads[0];
                assert_eq!(candidate.excess, i128::from(i64::from(rise) - bound));
                assert!(candidate.excess <= 0);
            }
            Verdict::Holds(_) => unreachable!(),
        }
    }
    assert!(verdicts.iter().all(|&count| count > 0), "{verdicts:?}");
}
