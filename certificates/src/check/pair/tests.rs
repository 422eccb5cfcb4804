//! The rule against every pair of small integer boxes, without slack.

use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

use super::*;
use crate::claim::{Constraint, LinearConstraint};
use crate::semantics::Program;

const INPUTS: usize = 16;
/// The features that vary.
const FREE: [usize; 2] = [0, 5];

/// A program whose rows have these weights for the free features, or for the layer before; no
/// neuron has a bias, so that they change phase near zero, but the head has one.
fn program(hidden: &[(Vec<Vec<i16>>, u8)], head: &[i16], skip: Option<[i16; 2]>) -> Program {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, (rows, shift)) in layers.iter_mut().zip(hidden) {
        let width = u16::try_from(rows.len()).unwrap();
        *layer = Hidden {
            width,
            shift: *shift,
        };
    }
    let header = ModelHeader {
        feature_table: 0,
        inputs: 16,
        hidden_count: u8::try_from(hidden.len()).unwrap(),
        hidden: layers,
        output_shift: 13,
        skip: skip.map_or(Skip::None, |_| Skip::Linear),
        head_count: 1,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let of_features = |weights: &[i16]| {
        let mut row = vec![0; INPUTS];
        for (&at, &weight) in FREE.iter().zip(weights) {
            row[at] = weight;
        }
        row
    };
    let mut parameters = vec![];
    for (number, (rows, _)) in hidden.iter().enumerate() {
        for row in rows {
            let row = if number == 0 {
                of_features(row)
            } else {
                row.clone()
            };
            parameters.extend(row.into_iter().chain([0]));
        }
    }
    let head = if hidden.is_empty() {
        of_features(head)
    } else {
        head.to_vec()
    };
    parameters.extend(head);
    parameters.extend(skip.map(|row| of_features(&row)).unwrap_or_default());
    // What all differences lose.
    parameters.push(1);
    Program::from_policy(&Policy::new(header, parameters).unwrap()).unwrap()
}

/// Boxes of pairs of the free features.
#[derive(Clone, Debug)]
struct Boxes {
    moves: [(i32, i32); 2],
    first: [(i32, i32); 2],
    /// That of both inputs.
    region: [(i32, i32); 2],
}

fn spread(free: [(i32, i32); 2]) -> Vec<Range> {
    let mut all = vec![Range::default(); INPUTS];
    for (at, ends) in FREE.into_iter().zip(free) {
        all[at] = Range::new(ends);
    }
    all
}

/// What the checker says a leaf reaches.
fn reached(
    program: &Program,
    boxes: &Boxes,
    coefficient: i64,
    fact: Option<(&LinearConstraint, u32)>,
) -> Result<i128, Shown> {
    let region = spread(boxes.region);
    let facts: Vec<_> = fact.into_iter().map(|(fact, _)| fact.clone()).collect();
    let [moves, first] = [spread(boxes.moves), spread(boxes.first)];
    let place = Place {
        program,
        input: moves.into_iter().chain(first).collect(),
        facts: &facts,
        phases: vec![],
        moved: false,
        pairs_in: Some(&region),
    };
    let constraint = Constraint {
        heads: vec![(HeadKind::Rate, coefficient)],
        features: vec![],
        bound: -(1 << 50),
    };
    let witness = Witness {
        multipliers: fact.iter().map(|&(_, weight)| (0, weight)).collect(),
        ..Witness::default()
    };
    let Ok(target) = Target::new(program, &constraint) else {
        panic!("a head that moves");
    };
    match check(&place, &region, &target, &witness) {
        Ok(shown) => Err(shown),
        Err(Reason::NotProven { reached, .. }) => Ok(reached),
        Err(other) => panic!("{other:?}"),
    }
}

/// The largest change of the head, times a coefficient, over every pair.
fn attained(
    program: &Program,
    boxes: &Boxes,
    coefficient: i64,
    fact: Option<&LinearConstraint>,
) -> Option<i128> {
    let mut most = None;
    let all = |(low, high): (i32, i32)| low..=high;
    let values = |free: [i32; 2]| {
        let mut all = [0; INPUTS];
        for (at, value) in FREE.into_iter().zip(free) {
            all[at] = value;
        }
        all
    };
    for x in all(boxes.first[0]).flat_map(|a| all(boxes.first[1]).map(move |b| [a, b])) {
        let before = program.evaluate(&values(x))[0];
        for d in all(boxes.moves[0]).flat_map(|a| all(boxes.moves[1]).map(move |b| [a, b])) {
            let second = [x[0] + d[0], x[1] + d[1]];
            let mut inside = second.iter().zip(boxes.region);
            let pair = [values(d), values(x)].concat();
            if inside.all(|(value, ends)| all(ends).contains(value))
                && fact.is_none_or(|fact| fact.holds(&pair))
            {
                let change = program.evaluate(&values(second))[0] - before;
                most = most.max(Some(i128::from(coefficient * change)));
            }
        }
    }
    most
}

const EVERYWHERE: [(i32, i32); 2] = [(-60_000, 60_000); 2];

#[test]
fn a_head_without_layers_is_bounded_by_what_is_attained() {
    // Every remainder of the first input occurs, so both floors are at their worst.
    for weights in [[3, 0], [4097, 0], [8191, 0], [-5003, 0], [12_345, 0]] {
        let program = program(&[], &weights, None);
        for moves in [(1, 1), (-1, -1), (0, 0), (-2, 3), (5, 9)] {
            let boxes = Boxes {
                moves: [moves, (0, 0)],
                first: [(-4096, 4095), (0, 0)],
                region: EVERYWHERE,
            };
            for coefficient in [1, -1] {
                let most = attained(&program, &boxes, coefficient, None).unwrap();
                let found = reached(&program, &boxes, coefficient, None);
                // Where nothing moves, nothing is lost either, which the floors' bound cannot see.
                let is_exact = moves != (0, 0);
                let close = if is_exact {
                    most == found.unwrap()
                } else {
                    most <= found.unwrap()
                };
                assert!(
                    close,
                    "{weights:?}, {moves:?}, {coefficient}: {most}, {found:?}"
                );
            }
        }
    }
}

#[test]
fn a_neuron_that_only_the_second_input_activates_counts() {
    // z = x, and the head is h or −h.
    let layers = [(vec![vec![1 << 12, 0]], 12)];
    for weight in [1 << 13, -(1 << 13)] {
        let program = program(&layers, &[weight], None);
        let up = Boxes {
            moves: [(100, 400), (0, 0)],
            first: [(-300, -200), (0, 0)],
            region: EVERYWHERE,
        };
        let down = Boxes {
            moves: [(-400, -100), (0, 0)],
            first: [(-50, 200), (0, 0)],
            region: EVERYWHERE,
        };
        for boxes in [up, down] {
            for coefficient in [1, -1] {
                let most = attained(&program, &boxes, coefficient, None).unwrap();
                let found = reached(&program, &boxes, coefficient, None).unwrap();
                assert!(most <= found, "{boxes:?}: {most} above {found}");
            }
        }
        // From inactive to active, as far as it goes.
        let boxes = Boxes {
            moves: [(100, 400), (0, 0)],
            first: [(-300, -200), (0, 0)],
            region: EVERYWHERE,
        };
        let towards = i64::from(weight.signum());
        assert_eq!(reached(&program, &boxes, towards, None), Ok(200));
        // The region ends at 50, for the second input as well.
        let boxes = Boxes {
            region: [(-300, 50), (0, 0)],
            ..boxes
        };
        assert_eq!(reached(&program, &boxes, towards, None), Ok(50));
        let nowhere = Boxes {
            region: [(-300, -201), (0, 0)],
            ..boxes
        };
        assert_eq!(
            reached(&program, &nowhere, towards, None),
            Err(Shown::Empty)
        );
    }
}

#[test]
fn a_fact_about_both_moves_lowers_the_bound_to_what_is_attained() {
    for weight in [4097i16, 8191, -8191] {
        let program = program(&[], &[weight, weight], None);
        let boxes = Boxes {
            moves: [(-3, 3); 2],
            first: [(-64, 63); 2],
            region: EVERYWHERE,
        };
        let coefficient = i64::from(weight.signum());
        // What the witness weighs is 2⁻¹⁶ of the fact, what a weight counts 2⁻¹³.
        let multiplier = 8 * u32::from(weight.unsigned_abs());
        for bound in [-4, -1, 0, 2, 5] {
            let fact = LinearConstraint {
                terms: vec![(FREE[0], 1), (FREE[1], 1)],
                bound,
            };
            let most = attained(&program, &boxes, coefficient, Some(&fact));
            let found = reached(&program, &boxes, coefficient, Some((&fact, multiplier)));
            assert_eq!(most, found.ok(), "{weight}, {bound}");
        }
        // The same for what is known of the second input: x + d.
        let near = Boxes {
            first: [(-2, 2); 2],
            ..boxes
        };
        let both = FREE.into_iter().chain(FREE.map(|at| at + INPUTS));
        let fact = LinearConstraint {
            terms: both.map(|place| (place, 1)).collect(),
            bound: -9,
        };
        let most = attained(&program, &near, coefficient, Some(&fact)).unwrap();
        let found = reached(&program, &near, coefficient, Some((&fact, multiplier))).unwrap();
        assert!(
            most <= found && found < (6 * i128::from(weight.unsigned_abs())) >> 13,
            "{found}"
        );
    }
}

/// A program of up to two layers of two neurons.
fn small(number: i32, draw: &mut dyn FnMut(i64, i64) -> i64) -> Program {
    let mut row = |length: usize| -> Vec<i16> {
        let weights = (0..length).map(|_| draw(-9000, 9000));
        weights
            .map(|weight| i16::try_from(weight).unwrap())
            .collect()
    };
    let mut hidden = vec![];
    for layer in 0..number % 3 {
        let reads = 2;
        hidden.push((
            (0..2).map(|_| row(reads)).collect(),
            11 + u8::try_from(layer).unwrap(),
        ));
    }
    let head = row(2);
    let skip = row(2);
    let skip = (number % 2 == 0).then(|| [skip[0], skip[1]]);
    program(&hidden, &head, skip.filter(|_| !hidden.is_empty()))
}

#[test]
fn no_pair_of_small_boxes_exceeds_what_a_leaf_reaches_in_small_networks() {
    let mut state = 7u64;
    let mut draw = |low: i64, high: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        low + i64::try_from(state >> 33).unwrap() % (high - low + 1)
    };
    let (mut exact, mut compared) = (0, 0);
    for number in 0..1500 {
        let program = small(number, &mut draw);
        if program.is_constant(0) {
            continue;
        }
        let mut sides = |reach: i64, width: i64| {
            [(); 2].map(|()| {
                let low = draw(-reach, reach);
                let ends = (low, low + draw(0, width));
                (
                    i32::try_from(ends.0).unwrap(),
                    i32::try_from(ends.1).unwrap(),
                )
            })
        };
        let (moves, first) = (sides(5, 4), sides(6, 5));
        let margin = number % 7;
        let boxes = Boxes {
            moves,
            first,
            region: first.map(|(low, high)| (low - margin, high + margin)),
        };
        let fact = LinearConstraint {
            terms: vec![
                (FREE[0], draw(-2, 2)),
                (FREE[1], draw(-2, 2)),
                (INPUTS + FREE[0], draw(-1, 1)),
            ],
            bound: draw(-4, 8),
        };
        let weight = u32::try_from(draw(0, 3) * draw(0, 40_000)).unwrap();
        for coefficient in [1, -3] {
            let most = attained(&program, &boxes, coefficient, Some(&fact));
            match (
                most,
                reached(&program, &boxes, coefficient, Some((&fact, weight))),
            ) {
                (Some(most), Ok(found)) => {
                    assert!(most <= found, "{number}: {most} above {found}, {boxes:?}");
                    compared += 1;
                    exact += u32::from(most == found);
                }
                (Some(most), Err(shown)) => panic!("{most} is attained, yet {shown:?}"),
                (None, _) => {}
            }
        }
    }
    // So close that a smaller bound would often be wrong.
    assert!(
        compared > 1000 && 20 * exact > compared,
        "{exact} of {compared}"
    );
}
