//! Every evaluation in `f32`, in any order of summation, lies within every bound: no slack, exact comparison.

use num_rational::BigRational;
use proptest::prelude::*;

use tautline_abstract_interp::domain::AbstractDomain;
use tautline_abstract_interp::float::bound::{
    Bounder, Effort, Ends, Hidden, IntervalBatch, Intervals, LinearBounds, Phase, Region, Row,
    Side, Zonotope,
};
use tautline_abstract_interp::float::network::{Activation, FloatNetwork, Layer};
use tautline_abstract_interp::float::range::Range;
use tautline_abstract_interp::float::rounding::Rounding;

use crate::float_nets::{Draws, Kind, ORDERS, evaluate, network, point, region, single};

const SHAPES: [&[usize]; 6] = [
    &[3, 1],
    &[2, 7, 2],
    &[5, 12, 9, 3],
    &[4, 8, 8, 8, 2],
    &[9, 17, 2],
    &[1, 3, 30, 3, 1],
];
const KINDS: [Kind; 3] = [Kind::Relu, Kind::Leaky, Kind::Mixed];
const EFFORTS: [Effort; 3] = [Effort::Intervals, Effort::Crown, Effort::Alpha { steps: 6 }];

/// Σ c·y + Σ d·x, exactly.
fn value(row: &Row, outputs: &[f32], inputs: &[f32]) -> BigRational {
    let terms = |terms: &[(usize, f64)], values: &[f32]| {
        let terms = terms
            .iter()
            .map(|&(index, factor)| exact(factor) * exact(f64::from(values[index])));
        terms.fold(exact(0.0), |sum, term| sum + term)
    };
    terms(&row.outputs, outputs) + terms(&row.inputs, inputs)
}

fn exact(value: f64) -> BigRational {
    BigRational::from_float(value).unwrap()
}

fn rows(network: &FloatNetwork, draws: &mut Draws) -> Vec<Row> {
    let mut random = |count: usize, share: usize| {
        let picked: Vec<usize> = (0..count).filter(|_| draws.below(share) == 0).collect();
        picked
            .into_iter()
            .map(|index| (index, draws.symmetric() * 3.0))
            .collect()
    };
    let mut rows: Vec<Row> = (0..9)
        .map(|_| Row {
            outputs: random(network.outputs(), 1),
            inputs: random(network.inputs(), 2),
        })
        .collect();
    rows.push(Row {
        outputs: vec![(0, 1.0)],
        inputs: vec![],
    });
    rows.push(Row {
        outputs: vec![(0, -1.0)],
        inputs: vec![],
    });
    rows.push(Row {
        outputs: vec![],
        inputs: vec![(0, 1.0)],
    });
    rows
}

fn every_layer_is_sound<D: AbstractDomain<FloatNetwork, Bound = Range>>(
    network: &FloatNetwork,
    region: &Region,
    mut domain: D,
    draws: &mut Draws,
) {
    let mut traces = vec![];
    for _ in 0..6 {
        let input = point(region, draws);
        traces.extend(ORDERS.map(|order| evaluate(network, &input, order, draws)));
    }
    domain.enter(network, &region.input);
    for layer in 0..network.layers().len() {
        domain.affine(network, layer);
        for (values, bounds) in traces
            .iter()
            .flat_map(|t| t[layer].0.iter().zip(domain.bounds()))
        {
            assert!(
                bounds.contains(f64::from(*values)),
                "{layer}: {values} not in {bounds:?}"
            );
        }
        domain.activation(network, layer);
        for (values, bounds) in traces
            .iter()
            .flat_map(|t| t[layer].1.iter().zip(domain.bounds()))
        {
            assert!(
                bounds.contains(f64::from(*values)),
                "{layer}: {values} not in {bounds:?}"
            );
        }
    }
}

fn hidden_holds(hidden: &Hidden, trace: &[(Vec<f32>, Vec<f32>)]) {
    for (ranges, (pre, _)) in hidden.layers.iter().zip(trace) {
        for (range, &z) in ranges.iter().zip(pre) {
            assert!(range.contains(f64::from(z)), "{z} not in {range:?}");
        }
    }
}

proptest! {
    #[test]
    fn every_domain_encloses_every_layer(
        seed: u64, shape in 0..SHAPES.len(), kind in 0..3usize, scale in 0..5usize,
    ) {
        let draws = &mut Draws(seed);
        let network = network(SHAPES[shape], KINDS[kind], Rounding::AnyOrder, draws);
        let region = region(SHAPES[shape][0], [0.0, 1e-6, 0.05, 0.6, 50.0][scale], draws);
        every_layer_is_sound(&network, &region, Intervals::default(), draws);
        every_layer_is_sound(&network, &region, Zonotope::default(), draws);
        every_layer_is_sound(&network, &region, LinearBounds::default(), draws);
    }

    #[test]
    fn every_row_stays_above_its_bound(
        seed: u64, shape in 0..SHAPES.len(), kind in 0..3usize, scale in 0..5usize,
    ) {
        let draws = &mut Draws(seed);
        let network = network(SHAPES[shape], KINDS[kind], Rounding::AnyOrder, draws);
        let region = region(SHAPES[shape][0], [0.0, 1e-6, 0.05, 0.6, 50.0][scale], draws);
        let rows = rows(&network, draws);
        let mut bounder = Bounder::new(&network);
        for effort in EFFORTS {
            let outcome = bounder.bound(&region, &rows, effort, None);
            prop_assert!(!outcome.infeasible);
            for _ in 0..2 {
                let input = point(&region, draws);
                for order in ORDERS {
                    let trace = evaluate(&network, &input, order, draws);
                    hidden_holds(outcome.hidden, &trace);
                    for (row, &lower) in rows.iter().zip(outcome.lower) {
                        let outputs = &trace[trace.len() - 1].1;
                        prop_assert!(exact(lower) <= value(row, outputs, &input), "{effort:?} {row:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn phases_that_an_evaluation_satisfies_keep_it_inside(
        seed: u64, shape in 1..SHAPES.len(), kind in 0..3usize, scale in 1..4usize,
    ) {
        let draws = &mut Draws(seed);
        let network = network(SHAPES[shape], KINDS[kind], Rounding::AnyOrder, draws);
        let mut region = region(SHAPES[shape][0], [0.0, 0.05, 0.6, 5.0][scale], draws);
        let rows = rows(&network, draws);
        let mut bounder = Bounder::new(&network);
        let input = point(&region, draws);
        let order = ORDERS[draws.below(5)];
        let trace = evaluate(&network, &input, order, draws);
        let outputs = &trace[trace.len() - 1].1;
        let mut known: Option<Hidden> = None;
        for _ in 0..6 {
            for effort in EFFORTS {
                let outcome = bounder.bound(&region, &rows, effort, known.as_ref());
                prop_assert!(!outcome.infeasible);
                hidden_holds(outcome.hidden, &trace);
                for (row, &lower) in rows.iter().zip(outcome.lower) {
                    prop_assert!(exact(lower) <= value(row, outputs, &input), "{effort:?} {row:?}");
                }
                known = Some(outcome.hidden.clone());
            }
            let layer = draws.below(trace.len());
            let neuron = draws.below(trace[layer].0.len());
            let side = if trace[layer].0[neuron] > 0.0 { Side::Active } else { Side::Inactive };
            if !region.phases.iter().any(|phase| (phase.layer, phase.neuron) == (layer, neuron)) {
                region.phases.push(Phase { layer, neuron, side });
            }
        }
    }

    #[test]
    fn batches_of_intervals_enclose_the_outputs(
        seed: u64, shape in 0..SHAPES.len(), kind in 0..3usize, boxes in 1..70usize,
    ) {
        let draws = &mut Draws(seed);
        let network = network(SHAPES[shape], KINDS[kind], Rounding::AnyOrder, draws);
        let inputs = SHAPES[shape][0];
        let centre: Vec<f32> = (0..inputs * boxes).map(|_| draws.symmetric() as f32).collect();
        let reach = [0.0, 1e-6, 0.1, 3.0][draws.below(4)];
        let radius: Vec<f32> =
            (0..inputs * boxes).map(|_| (draws.unit() * reach) as f32).collect();
        let mut ends = Ends::default();
        IntervalBatch::new(&network).bound(boxes, &centre, &radius, &mut ends);
        for index in 0..boxes {
            let input: Vec<f32> = (0..inputs)
                .map(|input| {
                    let at = input * boxes + index;
                    let (c, r) = (f64::from(centre[at]), f64::from(radius[at]));
                    let x = (c + r * [-1.0, 1.0, draws.symmetric()][draws.below(3)]) as f32;
                    // Rounding may have left the box.
                    if (f64::from(x) - c).abs() <= r { x } else { centre[at] }
                })
                .collect();
            for order in ORDERS {
                let trace = evaluate(&network, &input, order, draws);
                for (output, &y) in trace[trace.len() - 1].1.iter().enumerate() {
                    let at = output * boxes + index;
                    prop_assert!(ends.low[at] <= y && y <= ends.high[at]);
                }
            }
        }
    }
}

/// A chain of rows that are `weight` times the sum of two values.
fn chain(weight: f64, depth: usize) -> FloatNetwork {
    let layer = |inputs: usize| Layer {
        inputs,
        outputs: 2,
        weights: vec![single(weight); inputs * 2],
        bias: vec![0.0; 2],
        rounding: Rounding::AnyOrder,
        activations: vec![Activation::Relu; 2],
    };
    FloatNetwork::new(1, (0..depth).map(|index| layer(1 + index.min(1))).collect()).unwrap()
}

#[test]
fn nothing_is_proven_where_an_evaluation_may_overflow() {
    let network = chain(1e19, 3);
    assert_eq!(network.forward(&[1.0]), [f32::INFINITY; 2]);
    let region = Region {
        input: vec![Range::new(1.0, 1.0)],
        phases: vec![],
    };
    let rows = [
        Row {
            outputs: vec![(0, 1.0)],
            inputs: vec![],
        },
        Row {
            outputs: vec![],
            inputs: vec![(0, 1.0)],
        },
    ];
    for effort in EFFORTS {
        let mut bounder = Bounder::new(&network);
        let outcome = bounder.bound(&region, &rows, effort, None);
        assert!(!outcome.infeasible);
        assert_eq!(outcome.lower, [f64::NEG_INFINITY; 2]);
        assert_eq!(outcome.hidden.layers[2], [Range::ALL; 2]);
    }
    let mut ends = Ends::default();
    IntervalBatch::new(&network).bound(1, &[1.0], &[0.0], &mut ends);
    assert_eq!(
        (ends.low[0], ends.high[0]),
        (f32::NEG_INFINITY, f32::INFINITY)
    );
    // Just below that, bounds hold again.
    let network = chain(1e10, 3);
    let outputs = network.forward(&[1.0]);
    let mut bounder = Bounder::new(&network);
    let lower = bounder.bound(&region, &rows, Effort::Crown, None).lower[0];
    assert!(lower > 3.9e30 && lower <= f64::from(outputs[0]));
}

#[test]
fn tiny_numbers_stay_inside() {
    let network = chain(1e-15, 4);
    let region = Region {
        input: vec![Range::new(-1.0, 1.0)],
        phases: vec![],
    };
    let rows = [
        Row {
            outputs: vec![(0, 1.0)],
            inputs: vec![],
        },
        Row {
            outputs: vec![(0, -1.0)],
            inputs: vec![],
        },
    ];
    for effort in EFFORTS {
        let mut bounder = Bounder::new(&network);
        let lower = bounder.bound(&region, &rows, effort, None).lower.to_vec();
        for x in [-1.0, 0.5, 1.0] {
            let y = f64::from(network.forward(&[x])[0]);
            assert!(lower[0] <= y && lower[1] <= -y);
        }
        assert!(lower[0] <= 0.0 && lower[1] < 0.0 && lower[1] > -1e-30);
    }
}

#[test]
fn sums_that_cancel_stay_inside() {
    // Large terms leave little, so that orders of summation differ by far more than the sum's own last digit.
    let draws = &mut Draws(3);
    let mut spread = 0.0f32;
    for _ in 0..200 {
        let mut layers = network(&[20, 6, 2], Kind::Leaky, Rounding::AnyOrder, draws)
            .layers()
            .to_vec();
        for half in layers[0].weights.chunks_exact_mut(2) {
            half[0] *= 1024.0;
            half[1] = -half[0];
        }
        let network = FloatNetwork::new(20, layers).unwrap();
        let mut input: Vec<f32> = (0..20).map(|_| draws.symmetric() as f32).collect();
        for pair in input.chunks_exact_mut(2) {
            pair[1] = pair[0];
        }
        let sides = input
            .iter()
            .map(|&x| Range::new(f64::from(x), f64::from(x)));
        let region = Region {
            input: sides.collect(),
            phases: vec![],
        };
        let rows = [1.0, -1.0].map(|sign| Row {
            outputs: vec![(0, sign)],
            inputs: vec![],
        });
        let mut bounder = Bounder::new(&network);
        let lower = bounder
            .bound(&region, &rows, Effort::Crown, None)
            .lower
            .to_vec();
        let mut ends = Ends::default();
        IntervalBatch::new(&network).bound(1, &input, &[0.0; 20], &mut ends);
        let outputs = ORDERS.map(|order| evaluate(&network, &input, order, draws)[1].1[0]);
        for y in outputs {
            assert!(lower[0] <= f64::from(y) && lower[1] <= -f64::from(y));
            assert!(ends.low[0] <= y && y <= ends.high[0]);
            spread = spread.max((y - outputs[0]).abs());
        }
    }
    assert!(spread > 1e-4, "the orders differ by {spread} only");
}
