//! Soundness of the leaf rules: what is false somewhere is never accepted.

use proptest::prelude::*;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

use super::phase::{self, Phase, Side};
use super::region::{Place, Shown, Weighted};
use super::rejection::Reason;
use super::relaxation::{self, Of, Relaxation};
use super::target::Target;
use super::{interval, pair, sign};
use crate::claim::{Constraint, LinearConstraint};
use crate::format::Witness;
use crate::semantics::{ONE, Program, Range};

const INPUTS: usize = 16;

/// Everything that a leaf speaks about, and points to try.
#[derive(Clone, Debug)]
struct Case {
    program: Program,
    input: Vec<Range>,
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
    let mut input = vec![];
    for _ in 0..INPUTS {
        let low = draw(131_072) - 65_536;
        let high = (low + draw(width + 1)).min(ONE);
        input.push(Range { low, high });
    }
    let mut points: Vec<Vec<i32>> = vec![];
    for number in 0..40 {
        let point = input.iter().map(|&Range { low, high }| {
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
        beta: (0..3)
            .map(|_| u32::try_from(draw(3) * draw(400_000)).unwrap())
            .collect(),
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

fn place<'a>(case: &'a Case, phases: &[Phase]) -> Place<'a> {
    Place {
        program: &case.program,
        input: case.input.clone(),
        facts: &case.facts,
        phases: phases.to_vec(),
        moved: false,
        pairs_in: None,
    }
}

fn relax_under(case: &Case, phases: &[Phase], bound: i64) -> Result<Shown, Reason> {
    let constraint = with_bound(case, bound);
    let target = Target::new(&case.program, &constraint)?;
    let mut witness = case.witness.clone();
    witness.beta.truncate(phases.len());
    relaxation::check(&place(case, phases), &target, &witness)
}

fn relax(case: &Case, bound: i64) -> Result<Shown, Reason> {
    relax_under(case, &[], bound)
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
            prop_assert_eq!(relax(&case, i64::try_from(reached).unwrap()), Ok(Shown::Holds));
        }
    }

    #[test]
    fn bounds_of_neurons_and_outputs_contain_every_concrete_value(case in cases()) {
        let constraint = with_bound(&case, 0);
        let target = Target::new(&case.program, &constraint).unwrap();
        let mut relaxation = Relaxation::new(Of::Input);
        let place = place(&case, &[]);
        relaxation.bound_hidden(&place, &case.witness.alpha).unwrap();
        let outputs = relaxation.bound_outputs(&place, &target, &Weighted::default()).unwrap();
        relaxation.values.push(outputs);
        let intervals = case.program.intervals(&case.input);
        for point in &case.points {
            for ranges in [&relaxation.values, &intervals] {
                for (layer, (values, ranges)) in trace(&case, point).iter().zip(ranges).enumerate() {
                    for (neuron, (value, range)) in values.iter().zip(ranges).enumerate() {
                        prop_assert!(
                            (range.low..=range.high).contains(value),
                            "layer {layer}, neuron {neuron}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn under_phases_no_leaf_proves_what_a_point_in_those_phases_refutes(
        case in cases(), picked in any::<[u64; 3]>(), sides in any::<[bool; 3]>(),
        point in 0usize..40, near in any::<bool>(),
    ) {
        // Phases of a point, or any; then the points that are in them.
        let values = trace(&case, &case.points[point]);
        let hidden = case.program.hidden().len();
        let mut phases: Vec<Phase> = vec![];
        for (pick, side) in picked.into_iter().zip(sides) {
            let count = u64::try_from(case.program.hidden_neurons()).unwrap();
            if count == 0 {
                break;
            }
            let neuron = u16::try_from(pick % count).unwrap();
            if let Ok((layer, neuron)) = phase::find(&case.program, &phases, neuron) {
                prop_assert!(layer < hidden);
                let active = if near { values[layer][neuron] >= 1 } else { side };
                let side = if active { Side::Active } else { Side::Inactive };
                phases.push(Phase { layer, neuron, side });
            }
        }
        let inside = |point: &&Vec<i32>| {
            let values = trace(&case, point);
            let holds = |phase: &Phase| match phase.side {
                Side::Active => values[phase.layer][phase.neuron] >= 1,
                Side::Inactive => values[phase.layer][phase.neuron] <= 0,
            };
            phases.iter().all(holds) && case.facts.iter().all(|fact| fact.holds(point))
        };
        let most = case.points.iter().filter(inside).map(|point| value(&case, point)).max();
        if let Some(most) = most {
            let refuted = relax_under(&case, &phases, most - 1);
            prop_assert!(refuted.is_err(), "{most} is attained, {refuted:?}");
        }
        if let Err(Reason::NotProven { reached, .. }) = relax_under(&case, &phases, -(1 << 50)) {
            let reached = i64::try_from(reached).unwrap();
            prop_assert_eq!(relax_under(&case, &phases, reached), Ok(Shown::Holds));
        }
    }

    #[test]
    fn over_pairs_no_leaf_proves_what_a_pair_of_the_region_refutes(
        case in cases(), seed in any::<u64>(), reach in 0i64..40_000,
    ) {
        let mut draw = generator(seed);
        let mut differences = vec![];
        for range in &case.input {
            let width = range.high - range.low;
            let ends = if draw(2) == 0 { [0, 0] } else { [draw(2 * reach + 1) - reach, reach] };
            let [low, high] = ends.map(|end| end.clamp(-width, width));
            differences.push(Range { low, high });
        }
        let mut place = place(&case, &[]);
        place.input = differences.iter().chain(&case.input).copied().collect();
        place.facts = &[];
        place.pairs_in = Some(&case.input);
        let mut most = None;
        for first in &case.points {
            for _ in 0..4 {
                let moved = first.iter().zip(&differences).map(|(&x, by)| {
                    let by = match draw(3) {
                        0 => by.low,
                        1 => by.high,
                        _ => by.low + draw(by.high - by.low + 1),
                    };
                    i32::try_from(i64::from(x) + by).unwrap()
                });
                let second: Vec<i32> = moved.collect();
                let inside = |(&x, range): (&i32, &Range)| (range.low..=range.high).contains(&x.into());
                if second.iter().zip(&case.input).all(inside) {
                    most = most.max(Some(value(&case, &second) - value(&case, first)));
                }
            }
        }
        let prove = |bound: i64| {
            let constraint = with_bound(&case, bound);
            let target = Target::new(&case.program, &constraint)?;
            pair::check(&place, &case.input, &target, &Witness::default())
        };
        if let Some(most) = most {
            let refuted = prove(most - 1);
            prop_assert!(refuted.is_err(), "{most} is attained, {refuted:?}");
        }
        if let Err(Reason::NotProven { reached, .. }) = prove(-(1 << 50)) {
            prop_assert_eq!(prove(i64::try_from(reached).unwrap()), Ok(Shown::Holds));
        }
    }

    #[test]
    fn an_interval_leaf_never_proves_what_a_point_of_its_box_refutes(case in cases()) {
        let most = attained(&case, &[]).unwrap();
        let constraint = with_bound(&case, most - 1);
        let target = Target::new(&case.program, &constraint).unwrap();
        let accepted = interval::check(&place(&case, &[]), &target);
        prop_assert!(accepted.is_err(), "{most} is attained");
    }

    #[test]
    fn on_a_single_point_both_leaves_prove_exactly_the_value(
        mut case in cases(), number in 0usize..40,
    ) {
        let point = case.points[number].clone();
        case.input = point.iter().map(|&value| Range::new((value, value))).collect();
        case.points = vec![point.clone()];
        case.facts.clear();
        case.witness.multipliers.clear();
        let exact = value(&case, &point);
        prop_assert_eq!(relax(&case, exact), Ok(Shown::Holds));
        prop_assert!(relax(&case, exact - 1).is_err());
    }

    #[test]
    fn a_corner_reaches_at_least_every_value_of_the_box(case in cases()) {
        let constraint = with_bound(&case, 0);
        let target = Target::new(&case.program, &constraint).unwrap();
        let corner = sign::corner(&place(&case, &[]), &target).input;
        for point in &case.points {
            let moved: Vec<i32> = point
                .iter()
                .zip(&corner)
                .map(|(&x, range)| {
                    i32::try_from(i64::from(x).clamp(range.low, range.high)).unwrap()
                })
                .collect();
            prop_assert!(value(&case, point) <= value(&case, &moved));
        }
    }

    #[test]
    fn an_empty_leaf_never_hides_a_point_that_satisfies_the_fact(case in cases()) {
        let inside = case.points.iter().any(|point| case.facts[0].holds(point));
        if inside {
            prop_assert!(place(&case, &[]).check_empty(0).is_err());
        }
        let bound = 3 * case.input[0].low - 1;
        let impossible = [LinearConstraint { terms: vec![(0, 3)], bound }];
        let nowhere = Place { facts: &impossible, ..place(&case, &[]) };
        prop_assert_eq!(nowhere.check_empty(0), Ok(Shown::Empty));
    }
}

/// Values of every layer at a point, before ReLU and clamp.
fn trace(case: &Case, point: &[i32]) -> Vec<Vec<i64>> {
    let point: Vec<Range> = point
        .iter()
        .map(|&value| Range::new((value, value)))
        .collect();
    let values = case.program.intervals(&point).into_iter();
    let exact = |range: Range| {
        assert_eq!(range.low, range.high, "an interval of a point is a point");
        range.low
    };
    values
        .map(|layer| layer.into_iter().map(exact).collect())
        .collect()
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
    assert_eq!(relax(&case, trivial), Ok(Shown::Holds));
}
