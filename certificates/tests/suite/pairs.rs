//! Pair claims: the least bound that a leaf proves is not exceeded by any pair of inputs.

use proptest::prelude::*;
use tautline_certificates::claim::{
    Claim, ClaimKind, ClaimSet, Constraint, Difference, LinearConstraint, Region,
};
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_certificates::semantics::Program;
use tautline_certificates::{Reason, Rule, check};
use tautline_core::policy::{HeadKind, Skip};

use crate::support::{file, header, models, random_parameters};

/// Numbers from `low` to `high`.
fn between(state: &mut u64, low: i64, high: i64) -> i64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    low + i64::try_from(*state >> 33).unwrap() % (high - low + 1)
}

/// Claims about pairs that differ in three features, with facts on either input and between them.
fn set(dice: &mut u64, kinds: &[HeadKind], reach: i64) -> ClaimSet {
    let mut bounds = vec![];
    // What does not differ hardly varies, so that bounds come close to what pairs attain.
    for feature in 0..16 {
        let low = between(dice, -65_536, 60_000);
        let width = if [1, 4, 9].contains(&feature) {
            131_072
        } else {
            200
        };
        let high = between(dice, low, (low + width).min(65_536));
        bounds.push((i32::try_from(low).unwrap(), i32::try_from(high).unwrap()));
    }
    let differ = [1, 4, 9].map(|feature| {
        let (least, most) = (-between(dice, 0, reach), between(dice, 1, reach));
        Difference {
            feature,
            low: i32::try_from(least).unwrap(),
            high: i32::try_from(most).unwrap(),
        }
    });
    let heads = kinds
        .iter()
        .map(|&kind| (kind, between(dice, 1, 3) * 2 - 5));
    let heads = heads.collect();
    ClaimSet {
        feature_table: 0,
        claims: vec![Claim {
            name: "pairs".to_owned(),
            says: String::new(),
            kind: ClaimKind::Difference {
                differ: differ.to_vec(),
                between: vec![LinearConstraint {
                    terms: vec![(1, 2), (9, -1), (17, -1)],
                    bound: 40_000,
                }],
            },
            region: Region {
                bounds,
                linear: vec![LinearConstraint {
                    terms: vec![(1, 1), (4, -1)],
                    bound: 20_000,
                }],
            },
            constraints: vec![Constraint {
                heads,
                features: vec![(4, between(dice, 0, 3) * 2 - 3)],
                bound: 0,
            }],
        }],
        loops: vec![],
        ratios: vec![],
    }
}

/// Whether one leaf proves the claims with that bound.
fn proves(model: &[u8], set: &mut ClaimSet, bound: i64, leaf: &Node) -> Result<(), Reason> {
    set.claims[0].constraints[0].bound = bound;
    let certificate = Certificate {
        model: Program::decode(model).unwrap().digest(),
        claims: set.clone(),
        sections: vec![Section::PairTree {
            claim: 0,
            trees: vec![Tree {
                nodes: vec![leaf.clone()],
            }],
        }],
    };
    match check(model, &certificate.encode().unwrap(), Some(set)) {
        Ok(_) => Ok(()),
        Err(rejection) => {
            if matches!(*rejection.reason, Reason::NotProven { .. }) {
                assert_eq!(rejection.rule, Rule::Difference);
            }
            Err(*rejection.reason)
        }
    }
}

proptest! {
    #[test]
    fn no_pair_exceeds_the_least_bound_that_a_leaf_proves(
        (header, parameters) in models(),
        seed in any::<u64>(),
        reach in prop_oneof![2i64..5, 500i64..8000, 30_000i64..131_072],
        multipliers in prop::collection::btree_map(0u8..10, 1u32..20_000, 0..2),
    ) {
        let mut dice = seed;
        let model = file(&header, &parameters);
        let program = Program::decode(&model).unwrap();
        let moving = program.heads().iter().enumerate();
        let moving = moving.filter(|&(head, _)| !program.is_constant(head));
        let moving: Vec<(usize, HeadKind)> = moving.map(|(head, &kind)| (head, kind)).collect();
        prop_assume!(!moving.is_empty());
        let kinds: Vec<HeadKind> = moving.iter().map(|&(_, kind)| kind).collect();
        let mut set = set(&mut dice, &kinds, reach);
        let leaf = Node::Relaxation {
            alpha: vec![],
            multipliers: multipliers.into_iter().collect(),
            beta: vec![],
        };
        let Err(Reason::NotProven { reached, .. }) = proves(&model, &mut set, -(1 << 40), &leaf) else {
            // Empty or out of range: nothing to compare with.
            return Ok(());
        };
        let reached = i64::try_from(reached).unwrap();
        prop_assert_eq!(proves(&model, &mut set, reached, &leaf), Ok(()));
        let claim = &set.claims[0];
        let table = set.table().unwrap();
        let bounds = claim.pair_bounds(table).unwrap();
        let facts = claim.pair_facts(table);
        for _ in 0..200 {
            let pair: Vec<i32> = bounds.iter().map(|&(low, high)| {
                let inside = between(&mut dice, low.into(), high.into());
                match between(&mut dice, 0, 3) {
                    0 => low,
                    1 => high,
                    _ => i32::try_from(inside).unwrap(),
                }
            }).collect();
            if !facts.iter().all(|fact| fact.holds(&pair)) {
                continue;
            }
            let (change, first) = pair.split_at(16);
            let second: Vec<i32> = first.iter().zip(change).map(|(x, d)| x + d).collect();
            prop_assert!(claim.region.contains(first) && claim.region.contains(&second));
            let (before, after) = (program.evaluate(first), program.evaluate(&second));
            let constraint = &claim.constraints[0];
            let heads = constraint.heads.iter().zip(&moving);
            let heads: i64 = heads.map(|(&(_, c), &(head, _))| c * (after[head] - before[head])).sum();
            let features = constraint.features.iter();
            let features: i64 = features.map(|&(at, c)| c * i64::from(change[at])).sum();
            prop_assert!(heads + features <= reached, "{} > {reached}", heads + features);
        }
    }
}

#[test]
fn trees_over_pairs_have_no_corners_intervals_phases_or_slopes() {
    let (layout, parameters) = (
        header(0, &[(4, 12)], 1, Skip::None),
        random_parameters(73, 4000, 5),
    );
    let model = file(&layout, &parameters);
    let mut set = set(&mut 3, &[HeadKind::Rate], 100);
    let plain = Node::Relaxation {
        alpha: vec![],
        multipliers: vec![],
        beta: vec![],
    };
    assert_eq!(proves(&model, &mut set, 1 << 40, &plain), Ok(()));
    for bad in [
        Node::Interval,
        Node::Relaxation {
            alpha: vec![0; 4],
            multipliers: vec![],
            beta: vec![],
        },
        Node::Relaxation {
            alpha: vec![],
            multipliers: vec![],
            beta: vec![1],
        },
        Node::Relaxation {
            alpha: vec![],
            multipliers: vec![(200, 1)],
            beta: vec![],
        },
        Node::Empty { index: 0 },
    ] {
        assert!(proves(&model, &mut set, 1 << 40, &bad).is_err(), "{bad:?}");
    }
}

#[test]
fn facts_about_pairs_say_exactly_that_both_inputs_belong_and_what_is_between_them_holds() {
    let varying = [1usize, 4, 9];
    let mut bounds = vec![(0, 0); 16];
    for feature in varying {
        bounds[feature] = (-1, 2);
    }
    let fact = |terms: &[(usize, i64)], bound| LinearConstraint {
        terms: terms.to_vec(),
        bound,
    };
    // Between a change and a value, between two changes.
    let between = [
        fact(&[(1, 2), (9, -1), (17, -1)], 1),
        fact(&[(4, -1), (9, -1)], 2),
    ];
    let claim = Claim {
        name: "pairs".to_owned(),
        says: String::new(),
        kind: ClaimKind::Difference {
            differ: [1, 4]
                .map(|feature| Difference {
                    feature,
                    low: -2,
                    high: 3,
                })
                .to_vec(),
            between: between.to_vec(),
        },
        region: Region {
            bounds,
            linear: vec![
                fact(&[(1, 1), (4, -1)], 1),
                fact(&[(4, 2), (9, 1)], 4),
                fact(&[(9, -1)], 0),
            ],
        },
        constraints: vec![],
    };
    let set = ClaimSet {
        feature_table: 0,
        claims: vec![claim],
        loops: vec![],
        ratios: vec![],
    };
    let (claim, table) = (&set.claims[0], set.table().unwrap());
    let ends = claim.pair_bounds(table).unwrap();
    let facts = claim.pair_facts(table);
    let mut pairs = vec![vec![]];
    for (low, high) in ends {
        pairs = pairs
            .iter()
            .flat_map(|pair: &Vec<i32>| (low..=high).map(move |v| [&pair[..], &[v]].concat()))
            .collect();
    }
    let mut counts = [0; 2];
    for pair in &pairs {
        let (change, first) = pair.split_at(16);
        let second: Vec<i32> = first.iter().zip(change).map(|(x, d)| x + d).collect();
        let belongs = |input: &[i32]| claim.region.contains(input) && table.contains(input);
        let related = between.iter().all(|fact| fact.holds(pair));
        let expected = belongs(first) && belongs(&second) && related;
        let said = facts.iter().all(|fact| fact.holds(pair));
        assert_eq!(said, expected, "{first:?} and {second:?}");
        counts[usize::from(said)] += 1;
    }
    assert!(counts.iter().all(|&count| count > 100), "{counts:?}");
}
