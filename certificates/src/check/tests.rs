//! Soundness of the leaf rules: what is false somewhere is never accepted.

use proptest::prelude::*;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

use super::interval::Intervals;
use super::region::{InputBox, check_empty};
use super::rejection::Reason;
use super::relaxation::Relaxation;
use super::sign::{fix_corner, of_target};
use super::target::Target;
use crate::claim::{Constraint, LinearConstraint};
use crate::format::Witness;
use crate::semantics::Program;

const INPUTS: usize = 16;

/// Everything that a leaf speaks about, and points to try.
#[derive(Clone, Debug)]
struct Case {
    program: Program,
    input: InputBox,
    facts: Vec<LinearConstraint>,
    constraint: Constraint,
    witness: Witness,
    points: Vec<Vec<i32>>,
}

fn program(hidden: &[(u16, u8)], skip: Skip, size: i64, seed: u64) -> Option<Program> {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &(width, shift)) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift };
    }
    let header = ModelHeader {
        feature_table: 0,
        inputs: 16,
        hidden_count: u8::try_from(hidden.len()).unwrap(),
        hidden: layers,
        output_shift: 13,
        skip,
        head_count: 2,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let mut draw = generator(seed);
    let parameters: Vec<i16> = (0..header.parameter_count())
        .map(|_| i16::try_from(draw(2 * size) - size).unwrap())
        .collect();
    let policy = Policy::new(header, parameters).ok()?;
    Program::from_policy(&policy).ok()
}

/// Numbers from 0 up to what is asked for.
fn generator(seed: u64) -> impl FnMut(i64) -> i64 {
    let mut state = seed | 1;
    move |end| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % end.max(1)
    }
}

fn case(program: Program, seed: u64, width: i64) -> Case {
    let mut draw = generator(seed);
    let mut input = InputBox {
        low: vec![],
        high: vec![],
    };
    for _ in 0..INPUTS {
        let low = draw(131_072) - 65_536;
        input.low.push(low);
        input.high.push((low + draw(width + 1)).min(65_536));
    }
    let mut points: Vec<Vec<i32>> = vec![];
    for number in 0..40 {
        let point = input.low.iter().zip(&input.high).map(|(&low, &high)| {
            let value = match (number, draw(3)) {
                (0..20, 0) => low,
                (0..20, 1) => high,
                _ => low + draw(high - low + 1),
            };
            i32::try_from(value).unwrap()
        });
        points.push(point.collect());
    }
    // A fact that the first point satisfies, so that the region is not empty.
    let terms: Vec<(usize, i64)> = vec![(1, draw(9) - 4), (3, 1 + draw(3)), (7, -2)];
    let reached: i64 = terms
        .iter()
        .map(|&(i, c)| c * i64::from(points[0][i]))
        .sum();
    let facts = vec![LinearConstraint {
        terms,
        bound: reached + draw(5000),
    }];
    let sign = |draw: &mut dyn FnMut(i64) -> i64| if draw(2) == 0 { 1 } else { -1 };
    let mut constraint = Constraint {
        heads: vec![(HeadKind::Rate, sign(&mut draw) * (1 + draw(12)))],
        features: vec![],
        bound: 0,
    };
    match draw(3) {
        0 => constraint.features = vec![(2, 1 + draw(5)), (9, -1 - draw(5))],
        1 => constraint
            .heads
            .push((HeadKind::Pacing, sign(&mut draw) * (1 + draw(12)))),
        _ => {}
    }
    let witness = Witness {
        alpha: (0..program.hidden_neurons())
            .map(|_| u8::try_from(draw(129)).unwrap())
            .collect(),
        multipliers: match draw(2) {
            0 => vec![],
            _ => vec![(0, u32::try_from(1 + draw(200_000)).unwrap())],
        },
        beta: vec![],
    };
    Case {
        program,
        input,
        facts,
        constraint,
        witness,
        points,
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let layers = prop::collection::vec((1u16..8, 11u8..14), 0..5);
    let skip = prop_oneof![Just(Skip::None), Just(Skip::Linear)];
    let width = prop_oneof![Just(0i64), 1i64..2000, 1i64..131_072];
    (layers, skip, 500i64..20_000, any::<[u64; 2]>(), width).prop_filter_map(
        "loadable, moving",
        |(layers, skip, size, seeds, width)| {
            let program = program(&layers, skip, size, seeds[0])?;
            let moving = !program.is_constant(0) && !program.is_constant(1);
            moving.then(|| case(program, seeds[1], width))
        },
    )
}

/// The constraint's left-hand side at a point.
fn value(case: &Case, point: &[i32]) -> i64 {
    let heads = case.program.evaluate(point);
    let of_heads = case
        .constraint
        .heads
        .iter()
        .map(|&(kind, coefficient)| coefficient * heads[usize::from(kind.code()) - 1]);
    let of_features = case.constraint.features.iter();
    let of_features = of_features.map(|&(index, c)| c * i64::from(point[index]));
    of_heads.chain(of_features).sum()
}

/// The largest value at the tried points that satisfy `facts`.
fn attained(case: &Case, facts: &[LinearConstraint]) -> Option<i64> {
    let inside = |point: &&Vec<i32>| facts.iter().all(|fact| fact.holds(point));
    case.points
        .iter()
        .filter(inside)
        .map(|point| value(case, point))
        .max()
}

fn with_bound(case: &Case, bound: i64) -> Constraint {
    Constraint {
        bound,
        ..case.constraint.clone()
    }
}

fn relax(case: &Case, bound: i64) -> Result<(), Reason> {
    let constraint = with_bound(case, bound);
    let target = Target::new(&case.program, &constraint)?;
    Relaxation::new(&case.program).check(
        &case.program,
        &case.input,
        &case.facts,
        &target,
        &case.witness,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_relaxation_leaf_never_proves_what_a_point_of_its_region_refutes(case in cases()) {
        let most = attained(&case, &case.facts);
        if let Some(most) = most {
            prop_assert!(relax(&case, most - 1).is_err(), "{most} is attained");
        }
        // What it says it reaches, it proves.
        if let Err(Reason::NotProven { reached, .. }) = relax(&case, -(1 << 50)) {
            prop_assert_eq!(relax(&case, i64::try_from(reached).unwrap()), Ok(()));
        }
    }

    #[test]
    fn bounds_of_neurons_and_outputs_contain_every_concrete_value(case in cases()) {
        let constraint = with_bound(&case, 0);
        let target = Target::new(&case.program, &constraint).unwrap();
        let mut relaxation = Relaxation::new(&case.program);
        relaxation.bound_hidden(&case.program, &case.input, &case.witness.alpha).unwrap();
        relaxation.bound_outputs(&case.program, &case.input, &target).unwrap();
        let (low, high) = relaxation.hidden_bounds();
        let (out_low, out_high) = relaxation.output_bounds();
        let mut intervals = Intervals::default();
        let (plain_low, plain_high) = intervals.propagate(&case.program, &case.input);
        for point in &case.points {
            let (hidden, outputs) = trace(&case.program, point);
            for (layer, values) in hidden.iter().enumerate() {
                for (neuron, z) in values.iter().enumerate() {
                    prop_assert!(
                        (low[layer][neuron]..=high[layer][neuron]).contains(z),
                        "layer {layer}, neuron {neuron}"
                    );
                }
            }
            for (head, y) in outputs.iter().enumerate() {
                prop_assert!((out_low[head]..=out_high[head]).contains(y), "head {head}");
                prop_assert!((plain_low[head]..=plain_high[head]).contains(y), "head {head}");
            }
        }
    }

    #[test]
    fn an_interval_leaf_never_proves_what_a_point_of_its_box_refutes(case in cases()) {
        let most = attained(&case, &[]).unwrap();
        let constraint = with_bound(&case, most - 1);
        let target = Target::new(&case.program, &constraint).unwrap();
        let accepted = Intervals::default().check(&case.program, &case.input, &target);
        prop_assert!(accepted.is_err(), "{most} is attained");
    }

    #[test]
    fn on_a_single_point_both_leaves_prove_exactly_the_value(
        mut case in cases(), number in 0usize..40,
    ) {
        let point = case.points[number].clone();
        case.input.low = point.iter().copied().map(i64::from).collect();
        case.input.high.clone_from(&case.input.low);
        case.points = vec![point.clone()];
        case.facts.clear();
        case.witness.multipliers.clear();
        let exact = value(&case, &point);
        prop_assert_eq!(relax(&case, exact), Ok(()));
        prop_assert!(relax(&case, exact - 1).is_err());
    }

    #[test]
    fn a_corner_reaches_at_least_every_value_of_the_box(case in cases()) {
        let constraint = with_bound(&case, 0);
        let target = Target::new(&case.program, &constraint).unwrap();
        let signs = of_target(&case.program, &target);
        let mut corner = case.input.clone();
        fix_corner(&signs, &mut corner);
        for point in &case.points {
            let moved: Vec<i32> = point
                .iter()
                .zip(corner.low.iter().zip(&corner.high))
                .map(|(&x, (&low, &high))| {
                    i32::try_from(i64::from(x).clamp(low, high)).unwrap()
                })
                .collect();
            prop_assert!(value(&case, point) <= value(&case, &moved));
        }
    }

    #[test]
    fn an_empty_leaf_never_hides_a_point_that_satisfies_the_fact(case in cases()) {
        let inside = case.points.iter().any(|point| case.facts[0].holds(point));
        if inside {
            prop_assert!(check_empty(&case.input, &case.facts, 0).is_err());
        }
        let impossible = LinearConstraint { terms: vec![(0, 3)], bound: 3 * case.input.low[0] - 1 };
        prop_assert_eq!(check_empty(&case.input, &[impossible], 0), Ok(()));
    }
}

/// Neurons and outputs of an evaluation, before ReLU and clamp.
fn trace(program: &Program, point: &[i32]) -> (Vec<Vec<i64>>, Vec<i64>) {
    let inputs: Vec<i64> = point.iter().copied().map(i64::from).collect();
    let single = InputBox {
        low: inputs.clone(),
        high: inputs,
    };
    let mut values = single.low.clone();
    let mut hidden = vec![];
    for layer in program.hidden() {
        let mut z = (vec![0; layer.outputs()], vec![0; layer.outputs()]);
        layer.interval(&values, &values, &mut z.0, &mut z.1);
        assert_eq!(z.0, z.1, "an interval of a point is a point");
        values = z.0.iter().map(|z| *z.max(&0)).collect();
        hidden.push(z.0);
    }
    let mut intervals = Intervals::default();
    let (low, _) = intervals.propagate(program, &single);
    let clamped: Vec<i64> = low
        .iter()
        .map(|y| y.clamp(&-65_536, &65_536))
        .copied()
        .collect();
    assert_eq!(
        clamped,
        program.evaluate(point),
        "the trace is the evaluation"
    );
    (hidden, low.to_vec())
}

#[test]
fn deep_networks_are_bounded_with_rounded_coefficients() {
    let layers = [(16, 15), (16, 15), (16, 15), (16, 15)];
    let program = (0..100)
        .find_map(|seed| program(&layers, Skip::Linear, 32_000, seed))
        .unwrap();
    let case = case(program, 5, 100_000);
    let most = attained(&case, &case.facts).unwrap();
    let Err(Reason::NotProven { reached, .. }) = relax(&case, most - 1) else {
        panic!("a refuted bound was accepted, or an overflow rejected");
    };
    assert!(i128::from(most) <= reached);
    let trivial = i64::try_from(reached).unwrap();
    assert_eq!(relax(&case, trivial), Ok(()));
}
