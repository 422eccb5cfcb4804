//! Every emitted certificate is accepted by the independent checker.

use proptest::prelude::*;

use tautline_abstract_interp::bab::{self, Branching, Budget, End, Flow, Goal};
use tautline_abstract_interp::claim::{Claim, ClaimKind, ClaimSet, LinearConstraint};
use tautline_abstract_interp::interval::Interval;
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::problem::Problem;
use tautline_abstract_interp::{Limits, ProveError, Verdict, Watch, certify};
use tautline_certificates::check_policy;
use tautline_certificates::format::{Certificate, Node, Section};
use tautline_core::policy::{HeadKind, Policy, Skip};

use crate::models::{
    Dice, attacked_maximum, hand_made_law, header, random_box, random_policy, rate_claim,
    sampled_maximum, signed_policy, whole_policy,
};

const LIMITS: Limits = Limits {
    max_boxes: 3000,
    after_violation: 0,
};
const SHAPES: [&[u16]; 6] = [&[], &[6], &[8, 8], &[10, 6, 5], &[5, 5, 5, 5], &[20, 20]];

fn skip(linear: bool) -> Skip {
    if linear { Skip::Linear } else { Skip::None }
}

/// Certifies a set; whatever comes out must be accepted. Returns whether something did.
fn accepted(policy: &Policy<Vec<i16>>, claims: Vec<Claim>) -> bool {
    let claims = ClaimSet {
        feature_table: policy.header().feature_table,
        claims,
        loops: vec![],
        ratios: vec![],
    };
    let certification = match certify(policy, &claims, &LIMITS, Watch::none()) {
        // Random signs can pin a head to its stop.
        Err(ProveError::ConstantHead { .. }) => return false,
        other => other.unwrap(),
    };
    let all_hold = certification
        .results
        .iter()
        .all(|result| result.verdict.holds());
    assert_eq!(all_hold, certification.certificate.is_some());
    let Some(bytes) = certification.certificate else {
        return false;
    };
    if let Err(rejection) = check_policy(policy, &bytes, Some(&claims)) {
        panic!("rejected: {rejection}");
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn random_single_head_proofs(seed: u64, shape in 0usize..6, linear: bool, table in 0u16..2, scale in 0.01..0.3, margin in 0i64..4000) {
        let mut dice = Dice(seed);
        let policy = random_policy(header(table, SHAPES[shape], 1, skip(linear)), &mut dice);
        let sides = random_box(table, scale, &mut dice);
        let mut claim = rate_claim(&sides, if seed.is_multiple_of(2) { 2 } else { -1 }, 0);
        if let Some(largest) = sampled_maximum(&policy, &claim, &mut dice, 300) {
            claim.constraints[0].bound = largest + margin;
            accepted(&policy, vec![claim]);
        }
    }

    #[test]
    fn random_proofs_over_two_heads_features_links_and_corners(seed: u64, shape in 0usize..6, linear: bool, margin in 0i64..9000) {
        let mut dice = Dice(seed);
        let header = header(1, SHAPES[shape], 2, skip(linear));
        let policy = if seed.is_multiple_of(2) {
            random_policy(header, &mut dice)
        } else {
            signed_policy(header, &[2, 7], &mut dice)
        };
        let mut sides = random_box(1, 0.1, &mut dice);
        sides[0] = Interval { low: 0, high: 20_000 };
        sides[1] = sides[0];
        let mut claim = rate_claim(&sides, 1, 0);
        claim.region.linear.push(LinearConstraint { terms: vec![(3, 1), (4, -1)], bound: 30_000 });
        claim.constraints[0].features.push((9, -2));
        if let Some(largest) = sampled_maximum(&policy, &claim, &mut dice, 300) {
            claim.constraints[0].bound = largest + margin;
            let mut both = claim.clone();
            both.name = "both".to_owned();
            both.constraints[0].heads.push((HeadKind::Pacing, -1));
            both.constraints[0].bound = largest + 65_536 + margin;
            accepted(&policy, vec![claim, both]);
        }
    }
}

/// Proves the first constraint with phase splits wherever a neuron is open; the certificate and how
/// many phase splits and weights of phases it holds.
fn phase_proof(policy: &Policy<Vec<i16>>, claim: &Claim) -> Option<(Vec<u8>, usize, usize)> {
    let network = Network::new(policy);
    let problem = Problem::of_claim(&network, claim).ok()?.remove(0);
    let budget = Budget {
        boxes: 1500,
        after_violation: 0,
    };
    let goal = Goal::Decide(Branching::Phases);
    let End::Proven(tree) = bab::search(&problem, budget, goal, &|_| Flow::Continue).end else {
        return None;
    };
    let (mut splits, mut weights) = (0, 0);
    for node in &tree.nodes {
        match node {
            Node::PhaseSplit { .. } => splits += 1,
            Node::Relaxation { beta, .. } => {
                weights += beta.iter().filter(|&&beta| beta > 0).count();
            }
            _ => {}
        }
    }
    let certificate = Certificate {
        model: policy.digest(),
        claims: ClaimSet {
            feature_table: policy.header().feature_table,
            claims: vec![claim.clone()],
            loops: vec![],
            ratios: vec![],
        },
        sections: vec![Section::RegionTree {
            claim: 0,
            trees: vec![tree],
        }],
    };
    Some((certificate.encode().unwrap(), splits, weights))
}

/// Trees of phases for every shape, one head and two, with facts, with corners and without.
#[test]
fn proofs_by_phases_are_accepted() {
    let (mut found, mut all_splits, mut all_weights, mut corners) = (0, 0, 0, 0);
    for seed in 0..90 {
        let mut dice = Dice(seed + 500);
        let shape = SHAPES[1 + seed as usize % 5];
        let is_signed = seed % 3 == 0;
        // Without links, so that corners can be moved to.
        let table = u16::from(!is_signed);
        let header = header(table, shape, 2, skip(seed % 2 == 0));
        let policy = if is_signed {
            signed_policy(header, &[1, 2, 7, 8, 9], &mut dice)
        } else {
            random_policy(header, &mut dice)
        };
        let scale = if is_signed { 0.9 } else { 0.4 };
        let mut claim = rate_claim(&random_box(table, scale, &mut dice), 1, 0);
        if seed % 4 == 0 {
            claim.region.linear.push(LinearConstraint {
                terms: vec![(7, 1), (8, -1)],
                bound: 60_000,
            });
        }
        if seed % 5 == 0 {
            claim.constraints[0].heads.push((HeadKind::Pacing, 1));
        }
        if sampled_maximum(&policy, &claim, &mut dice, 100).is_none() {
            continue;
        }
        claim.constraints[0].bound = attacked_maximum(&policy, &claim) + 200;
        let Some((bytes, splits, weights)) = phase_proof(&policy, &claim) else {
            continue;
        };
        if let Err(rejection) = check_policy(&policy, &bytes, None) {
            panic!("seed {seed}: rejected: {rejection}");
        }
        found += 1;
        all_splits += splits;
        all_weights += weights;
        corners += usize::from(is_signed && splits > 0);
    }
    let counts = (found, all_splits, all_weights, corners);
    assert!(
        found >= 25 && all_splits >= 25 && all_weights >= 12 && corners >= 1,
        "{counts:?}"
    );
}

#[test]
fn many_random_proofs_are_found_and_accepted() {
    let mut found = 0;
    for seed in 0..120 {
        let mut dice = Dice(seed);
        let policy = random_policy(header(0, &[8, 8], 1, Skip::Linear), &mut dice);
        let mut claim = rate_claim(&random_box(0, 0.1, &mut dice), 1, 0);
        let largest = sampled_maximum(&policy, &claim, &mut dice, 500).unwrap();
        claim.constraints[0].bound = largest + 10_000;
        found += usize::from(accepted(&policy, vec![claim]));
    }
    assert!(found >= 100, "only {found} of 120 proven");
}

/// With `SLOW_TESTS` set, a thousand proofs of thousands of boxes; without, a few of each shape.
#[test]
fn proofs_of_many_boxes_are_accepted() {
    let count = if std::env::var_os("SLOW_TESTS").is_some() {
        200
    } else {
        4
    };
    let nets: [(&[u16], Skip, f64); 5] = [
        (&[8, 8], Skip::Linear, 0.3),
        (&[16, 16], Skip::Linear, 0.2),
        (&[32, 32], Skip::Linear, 0.16),
        (&[64, 64], Skip::None, 0.1),
        (&[8, 8, 8, 8], Skip::None, 0.16),
    ];
    for (shape, skip, scale) in nets {
        let mut found = 0;
        for seed in 0..count {
            let mut dice = Dice(seed + 1000);
            let policy = random_policy(header(0, shape, 1, skip), &mut dice);
            let sides = random_box(0, scale, &mut dice);
            let mut claim = rate_claim(&sides, if seed % 2 == 0 { 1 } else { -1 }, 0);
            let largest = sampled_maximum(&policy, &claim, &mut dice, 2000).unwrap();
            claim.constraints[0].bound = largest + 3000 + (seed as i64 % 7) * 3000;
            found += u64::from(accepted(&policy, vec![claim]));
        }
        assert!(
            found * 2 >= count,
            "{shape:?}: only {found} of {count} proven"
        );
    }
}

#[test]
fn bounds_that_are_whole_numbers_are_decided_exactly() {
    let mut found = 0;
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let policy = whole_policy(header(0, &[6, 6, 4], 1, Skip::Linear), &mut dice);
        let mut claim = rate_claim(&random_box(0, 0.02, &mut dice), 1, 0);
        let largest = sampled_maximum(&policy, &claim, &mut dice, 500).unwrap();
        claim.constraints[0].bound = largest + 2000;
        found += usize::from(accepted(&policy, vec![claim]));
    }
    assert!(found >= 40, "only {found} of 60 proven");
}

#[test]
fn pair_claims_are_accepted_beside_region_trees() {
    let mut dice = Dice(3);
    let policy = signed_policy(header(0, &[8, 8], 1, Skip::Linear), &[], &mut dice);
    let whole = vec![
        Interval {
            low: -65_536,
            high: 65_536
        };
        16
    ];
    let mut monotone = rate_claim(&whole, 1, 0);
    monotone.name = "monotone".to_owned();
    monotone.kind = ClaimKind::Pair { raise: vec![0, 4] };
    let bounded = rate_claim(&whole, 1, 65_536);
    assert!(accepted(&policy, vec![monotone, bounded]));
}

fn standard_claims() -> ClaimSet {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../claims/standard.toml");
    let text = std::fs::read_to_string(path).unwrap();
    ClaimSet::from_toml(&text, "claims/standard.toml").unwrap()
}

#[test]
fn the_standard_claims_hold_for_a_hand_made_law() {
    let (policy, claims) = (hand_made_law(0), standard_claims());
    let certification = certify(&policy, &claims, &LIMITS, Watch::none()).unwrap();
    for result in &certification.results {
        assert!(result.verdict.holds(), "{result}");
    }
    assert!(accepted(&policy, claims.claims));
}

#[test]
fn a_law_that_ignores_marks_is_refuted_where_it_does() {
    let (policy, claims) = (hand_made_law(3000), standard_claims());
    let certification = certify(&policy, &claims, &LIMITS, Watch::none()).unwrap();
    assert_eq!(certification.certificate, None);
    for (result, claim) in certification.results.iter().zip(&claims.claims) {
        match &result.verdict {
            Verdict::Holds(_) => assert_ne!(claim.name, "backs-off-on-marks"),
            Verdict::Violated(found) => {
                assert_eq!(claim.name, "backs-off-on-marks");
                assert!(claim.region.contains(&found.inputs[0].features));
                assert!(policy.table().contains(&found.inputs[0].features));
            }
            Verdict::Unknown(reason) => panic!("{}: {reason}", claim.name),
        }
    }
}
