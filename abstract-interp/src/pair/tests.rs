//! Soundness of the pair domain against the integer program, with no slack, and how tight it is.

use proptest::prelude::*;
use tautline_certificate_format::claim::{
    Claim, ClaimKind, Constraint, Difference, LinearConstraint, Region,
};
use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

use super::bound::PairBounds;
use super::problem::PairProblem;
use crate::interval::Interval;
use crate::linear_bounds::LinearBounds;
use crate::network::Network;
use crate::objective::Objective;
use crate::op::{affine, relu};
use crate::problem::Problem;
use crate::search::Random;

const ONE: i64 = 1 << 16;

fn network(hidden: &[u16], skip: Skip, random: &mut Random) -> Network {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &width) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift: 12 };
    }
    let header = ModelHeader {
        feature_table: 0,
        inputs: 16,
        hidden_count: hidden.len() as u8,
        hidden: layers,
        output_shift: 12,
        skip,
        head_count: 2,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let mut parameters = vec![];
    for layer in header.layers() {
        let reach = (4096.0 * (3.0 / layer.inputs as f64).sqrt()) as i64;
        for _ in 0..layer.outputs {
            for _ in 0..layer.inputs {
                parameters.push(random.between(-reach, reach) as i16);
            }
            parameters.push(random.between(-1000, 1000) as i16);
        }
    }
    Network::new(&Policy::new(header, parameters).unwrap())
}

/// A claim about pairs that differ in three features, with something known between them.
fn claim(random: &mut Random, reach: i64) -> Claim {
    let table = FeatureTable::by_version(0).unwrap();
    let mut region = Region::whole(table);
    for bounds in &mut region.bounds {
        let ends = [random.between(-ONE, ONE), random.between(-ONE, ONE)];
        *bounds = (ends[0].min(ends[1]) as i32, ends[0].max(ends[1]) as i32);
    }
    region.linear.push(LinearConstraint {
        terms: vec![(1, 1), (4, -1)],
        bound: 1000,
    });
    let differ = [1, 4, 9].map(|feature| {
        let (low, high) = region.bounds[feature];
        let width = i64::from(high - low).max(1);
        let ends = [random.between(-reach, reach), random.between(-reach, reach)];
        let inside = |end: i64| end.clamp(-width, width) as i32;
        Difference {
            feature,
            low: inside(ends[0].min(ends[1])),
            high: inside(ends[0].max(ends[1])),
        }
    });
    Claim {
        name: "pairs".to_owned(),
        says: String::new(),
        kind: ClaimKind::Difference {
            differ: differ.to_vec(),
            between: vec![LinearConstraint {
                terms: vec![(1, 2), (9, -1), (17, -1)],
                bound: 30_000,
            }],
        },
        region,
        constraints: vec![Constraint {
            heads: vec![
                (HeadKind::Rate, random.between(1, 9)),
                (HeadKind::Pacing, random.between(-9, -1)),
            ],
            features: vec![(4, random.between(-9, 9) * 2 + 1)],
            bound: 0,
        }],
    }
}

/// The values of every hidden neuron before its activation.
fn trace(network: &Network, input: &[i64]) -> Vec<Vec<i64>> {
    let mut values = input.to_vec();
    let mut trace = vec![];
    for layer in network.hidden() {
        let z = affine::concrete(layer, &values);
        values = z.iter().map(|&z| relu::concrete(z)).collect();
        trace.push(z);
    }
    trace
}

/// A pair of the box that satisfies the facts, if a few tries find one.
fn pair_of(
    problem: &PairProblem<'_>,
    region: &[Interval],
    random: &mut Random,
) -> Option<Vec<i64>> {
    (0..40).find_map(|_| {
        let ends = region.iter();
        let pair: Vec<i64> = ends
            .map(|side| match random.between(0, 2) {
                0 => side.low,
                1 => side.high,
                _ => random.between(side.low, side.high),
            })
            .collect();
        problem.facts_hold(&pair).then_some(pair)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn bounds_contain_every_pair_of_inputs(seed in any::<u64>(), shape in 0usize..4, reach in prop_oneof![1i64..4, 100i64..9000, 10_000i64..140_000]) {
        let mut random = Random(seed);
        let hidden: &[u16] = [&[6][..], &[8, 6], &[5, 5, 4], &[16, 16]][shape];
        let skip = if random.between(0, 1) == 0 { Skip::None } else { Skip::Linear };
        let network = network(hidden, skip, &mut random);
        let claim = claim(&mut random, reach);
        let resolved = Problem::of_claim(&network, &claim).unwrap();
        let problem = PairProblem::new(&resolved[0], &claim).unwrap();
        let mut region = problem.region.clone();
        for side in &mut region {
            let ends = [random.between(side.low, side.high), random.between(side.low, side.high)];
            *side = Interval { low: ends[0].min(ends[1]), high: ends[0].max(ends[1]) };
        }
        let mut bounds = PairBounds::default();
        let Some(excess) = bounds.excess(&problem, &region) else {
            return Ok(());
        };
        for _ in 0..20 {
            let Some(pair) = pair_of(&problem, &region, &mut random) else {
                continue;
            };
            prop_assert!(problem.excess_at(&pair) <= excess);
            let (first, second) = problem.inputs(&pair);
            let traces = (trace(&network, &first), trace(&network, &second));
            for (layer, (before, after)) in traces.0.iter().zip(&traces.1).enumerate() {
                for (neuron, (&z, &other)) in before.iter().zip(after).enumerate() {
                    let [first, second, difference] = bounds.hidden(layer, neuron);
                    prop_assert!(first.contains(z) && second.contains(other));
                    prop_assert!(difference.contains(other - z), "{layer}.{neuron}");
                }
            }
        }
    }
}

/// The same claim by one box around both inputs each, as a prover without pairs would.
fn by_two_boxes(problem: &PairProblem<'_>) -> i128 {
    let network = problem.network;
    let (first, second) = problem.sides(&problem.region).unwrap();
    let mut total = -i128::from(problem.objective.bound);
    for &(head, c) in &problem.objective.heads {
        for (input, c) in [(&second, c), (&first, -c)] {
            let objective = Objective {
                heads: vec![(head, c)],
                features: vec![],
                bound: 0,
            };
            let mut linear = LinearBounds::default();
            linear.run(network, input);
            total += linear.excess(network, &objective, &[], &mut vec![]).ceil() as i128;
        }
    }
    for &(place, d) in &problem.objective.features {
        let side = problem.region[place];
        total += i128::from(d * if d > 0 { side.high } else { side.low });
    }
    total
}

#[test]
fn bounds_of_differences_are_never_looser_than_two_boxes_and_much_tighter_for_small_ones() {
    for reach in [300, 3000, 30_000, 131_072] {
        let (mut direct, mut two) = (0.0, 0.0);
        for seed in 0..30 {
            let mut random = Random(seed);
            let network = network(&[12, 12], Skip::Linear, &mut random);
            let mut claim = claim(&mut random, reach);
            // No facts: the two boxes know none.
            claim.region.linear.clear();
            let ClaimKind::Difference { between, .. } = &mut claim.kind else {
                panic!("a pair claim");
            };
            between.clear();
            claim.constraints[0].features.clear();
            let resolved = Problem::of_claim(&network, &claim).unwrap();
            let problem = PairProblem::new(&resolved[0], &claim).unwrap();
            let excess = PairBounds::default()
                .excess(&problem, &problem.region)
                .unwrap();
            let boxes = by_two_boxes(&problem);
            assert!(excess <= boxes, "{reach}, {seed}: {excess} above {boxes}");
            direct += excess as f64;
            two += boxes as f64;
        }
        if reach <= 3000 {
            assert!(direct * 5.0 < two, "{reach}: {direct} against {two}");
        }
    }
}
