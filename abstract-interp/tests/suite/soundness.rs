//! x ∈ γ(a) ⇒ f(x) ∈ γ(f♯(a)), with no slack, against the integer program.

use proptest::prelude::*;

use tautline_abstract_interp::domain::{AbstractDomain, propagate};
use tautline_abstract_interp::interval::{Interval, Intervals};
use tautline_abstract_interp::linear_bounds::exact::{self, Witness};
use tautline_abstract_interp::linear_bounds::{LinearBounds, Slopes};
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::objective::{Halfspace, Objective};
use tautline_abstract_interp::op::{affine, clamp, relu};
use tautline_abstract_interp::phase::{Phase, Side};
use tautline_abstract_interp::zonotope::Zonotope;
use tautline_core::policy::{Scratch, Skip};

use crate::models::{Dice, header, random_box, random_point, random_policy};

const SHAPES: [&[u16]; 5] = [&[], &[5], &[8, 8], &[6, 10, 4], &[4, 4, 4, 4]];

fn network(shape: usize, skip: bool, dice: &mut Dice) -> Network {
    let skip = if skip { Skip::Linear } else { Skip::None };
    let table = (shape % 2) as u16;
    Network::new(&random_policy(header(table, SHAPES[shape], 2, skip), dice))
}

fn every_operator_is_sound<D: AbstractDomain<Network, Bound = Interval>>(
    network: &Network,
    domain: &mut D,
    scale: f64,
    dice: &mut Dice,
) {
    let region = random_box(network.table().version, scale, dice);
    let points: Vec<_> = (0..20).map(|_| random_point(&region, dice)).collect();
    let mut values = points.clone();
    domain.enter(network, &region);
    for layer in 0..=network.hidden_count() {
        domain.affine(network, layer);
        let is_output = layer == network.hidden_count();
        for (value, point) in values.iter_mut().zip(&points) {
            if is_output {
                value.extend(point.iter().take(network.skip_inputs()));
            }
            *value = affine::concrete(&network.layers()[layer], value);
        }
        domain.activation(network, layer);
        for value in &mut values {
            for entry in value.iter_mut() {
                *entry = if is_output {
                    clamp::concrete(*entry)
                } else {
                    relu::concrete(*entry)
                };
            }
            for (entry, bounds) in value.iter().zip(domain.bounds()) {
                assert!(
                    bounds.contains(*entry),
                    "layer {layer}: {entry} not in {bounds:?}"
                );
            }
        }
    }
}

/// Phases of some hidden neurons, most of them as at a point of the box, so that the box is often
/// not empty.
fn phases_near(network: &Network, point: &[i64], dice: &mut Dice) -> Vec<Phase> {
    let mut phases = vec![];
    for (layer, values) in hidden_values(network, point).iter().enumerate() {
        for (neuron, &value) in values.iter().enumerate() {
            if dice.between(0, 3) == 0 {
                let is_active = (value >= 1) != (dice.between(0, 19) == 0);
                let side = if is_active {
                    Side::Active
                } else {
                    Side::Inactive
                };
                phases.push(Phase {
                    layer,
                    neuron,
                    side,
                });
            }
        }
    }
    phases
}

/// The concrete values before every ReLU.
fn hidden_values(network: &Network, point: &[i64]) -> Vec<Vec<i64>> {
    let mut values = point.to_vec();
    let layers = network.hidden().iter().map(|layer| {
        let before = affine::concrete(layer, &values);
        values = before.iter().map(|&value| relu::concrete(value)).collect();
        before
    });
    layers.collect()
}

fn has_phases(network: &Network, phases: &[Phase], point: &[i64]) -> bool {
    let values = hidden_values(network, point);
    phases
        .iter()
        .all(|phase| phase.contains(values[phase.layer][phase.neuron]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_concrete_map_is_the_deployed_program(seed: u64, shape in 0usize..5, skip: bool) {
        let mut dice = Dice(seed);
        let linear = if skip { Skip::Linear } else { Skip::None };
        let policy = random_policy(header(0, SHAPES[shape], 3, linear), &mut dice);
        let network = Network::new(&policy);
        for _ in 0..10 {
            let point = random_point(&random_box(0, 1.0, &mut dice), &mut dice);
            let narrow: Vec<i32> = point.iter().map(|&value| value as i32).collect();
            let heads = policy.forward(&narrow, &mut Scratch::new());
            prop_assert_eq!(network.forward(&point), heads.map(i64::from));
        }
    }

    #[test]
    fn interval_operators_are_sound(seed: u64, shape in 0usize..5, skip: bool, scale in 0.0..=1.0) {
        let mut dice = Dice(seed);
        let network = network(shape, skip, &mut dice);
        every_operator_is_sound(&network, &mut Intervals::default(), scale, &mut dice);
    }

    #[test]
    fn zonotope_operators_are_sound(seed: u64, shape in 0usize..5, skip: bool, scale in 0.0..=1.0) {
        let mut dice = Dice(seed);
        let network = network(shape, skip, &mut dice);
        every_operator_is_sound(&network, &mut Zonotope::default(), scale, &mut dice);
    }

    #[test]
    fn bounds_under_phases_hold_wherever_the_phases_do(seed: u64, shape in 1usize..5, skip: bool, scale in 0.0..0.5) {
        let mut dice = Dice(seed);
        let network = network(shape, skip, &mut dice);
        let region = random_box(network.table().version, scale, &mut dice);
        let phases = phases_near(&network, &random_point(&region, &mut dice), &mut dice);
        let mut heads = vec![(0, dice.between(-20, 20))];
        heads.extend(seed.is_multiple_of(2).then(|| (1, dice.between(-20, 20))));
        let objective = Objective { heads, features: vec![], bound: dice.between(-100_000, 100_000) };
        let fact = Halfspace { terms: vec![(0, 1), (1, -2)], bound: dice.between(-40_000, 80_000) };
        let mut linear = LinearBounds::default();
        linear.phases.clone_from(&phases);
        linear.beta = phases.iter().map(|_| dice.between(0, 1 << 18) as u32).collect();
        linear.run(&network, &region);
        let facts = std::slice::from_ref(&fact);
        let upper = (!linear.is_empty()).then(|| linear.excess(&network, &objective, facts, &mut vec![]));
        for _ in 0..60 {
            let point = random_point(&region, &mut dice);
            if !has_phases(&network, &phases, &point) {
                continue;
            }
            prop_assert!(!linear.is_empty(), "{point:?} has the phases");
            for (layer, values) in hidden_values(&network, &point).iter().enumerate() {
                for (value, bounds) in values.iter().zip(linear.pre_activations(layer)) {
                    prop_assert!(bounds.contains(*value), "layer {layer}: {value} not in {bounds:?}");
                }
            }
            if fact.holds(&point) {
                let excess = objective.excess(&point, &network.forward(&point)) as f64;
                prop_assert!(upper.is_some_and(|upper| excess <= upper), "{excess} above {upper:?}");
            }
        }
    }

    #[test]
    fn floats_and_exact_rationals_prove_the_same_under_phases(seed: u64, shape in 1usize..4, skip: bool, scale in 0.0..0.3, two: bool) {
        let mut dice = Dice(seed);
        let network = network(shape, skip, &mut dice);
        let region = random_box(network.table().version, scale, &mut dice);
        let phases = phases_near(&network, &random_point(&region, &mut dice), &mut dice);
        let mut heads = vec![(0, if seed.is_multiple_of(2) { 3 } else { -2 })];
        heads.extend(two.then_some((1, 5)));
        let mut objective = Objective { heads, features: vec![], bound: 0 };
        let mut linear = LinearBounds::default();
        linear.phases.clone_from(&phases);
        linear.beta = phases.iter().map(|_| dice.between(0, 1 << 17) as u32).collect();
        linear.run(&network, &region);
        let alpha = linear.alpha();
        let witness = Witness { alpha: &alpha, multipliers: &[], phases: &phases, beta: &linear.beta.clone() };
        if linear.is_empty() {
            objective.bound = -(1 << 40);
            prop_assert!(exact::proves(&network, &region, &objective, &[], witness) || !linear.certain());
            return Ok(());
        }
        let upper = linear.excess(&network, &objective, &[], &mut vec![]);
        for slack in [-6, 0] {
            objective.bound = upper as i64 + slack;
            let exact = exact::proves(&network, &region, &objective, &[], witness);
            prop_assert!(exact == (slack == 0) || !linear.certain(), "slack {slack} of {upper}");
        }
    }

    #[test]
    fn linear_bound_operators_are_sound(seed: u64, shape in 0usize..5, skip: bool, scale in 0.0..=1.0, random_slopes: bool) {
        let mut dice = Dice(seed);
        let network = network(shape, skip, &mut dice);
        let mut domain = LinearBounds::default();
        if random_slopes {
            let alpha = (0..network.neuron_count()).map(|_| dice.between(0, 128) as u8);
            domain.slopes = Slopes::Given(alpha.collect());
        }
        every_operator_is_sound(&network, &mut domain, scale, &mut dice);
    }

    #[test]
    fn floats_and_exact_rationals_prove_the_same(seed: u64, shape in 0usize..4, skip: bool, scale in 0.0..0.3, two: bool) {
        let mut dice = Dice(seed);
        let network = network(shape, skip, &mut dice);
        let region = random_box(network.table().version, scale, &mut dice);
        let mut heads = vec![(0, if seed.is_multiple_of(2) { 3 } else { -2 })];
        heads.extend(two.then_some((1, 5)));
        let mut objective = Objective { heads, features: vec![], bound: 0 };
        let fact = Halfspace { terms: vec![(0, 1), (1, -1)], bound: dice.between(-9000, 9000) };
        let facts = std::slice::from_ref(&fact);
        let (mut linear, mut multipliers) = (LinearBounds::default(), vec![]);
        linear.run(&network, &region);
        let upper = linear.excess(&network, &objective, facts, &mut multipliers);
        let alpha = linear.alpha();
        for slack in [-6, 0] {
            objective.bound = upper as i64 + slack;
            let witness = Witness { alpha: &alpha, multipliers: &multipliers, ..Witness::default() };
            let exact = exact::proves(&network, &region, &objective, facts, witness);
            // A few units cover an undecided floor; at a stop of the clamp both sides are exact.
            prop_assert!(exact == (slack == 0) || !linear.certain(), "slack {slack} of {upper}");
        }
    }

    #[test]
    fn the_excess_bound_is_never_below_a_point(seed: u64, shape in 0usize..5, skip: bool, scale in 0.0..=1.0) {
        let mut dice = Dice(seed);
        let network = network(shape, skip, &mut dice);
        let region = random_box(network.table().version, scale, &mut dice);
        let objective = Objective {
            heads: vec![(0, dice.between(-20, 20)), (1, dice.between(-20, 20))],
            features: vec![(2, dice.between(-9, 9))],
            bound: dice.between(-100_000, 100_000),
        };
        let fact = Halfspace { terms: vec![(0, 1), (1, -2)], bound: dice.between(-40_000, 80_000) };
        let mut linear = LinearBounds::default();
        linear.run(&network, &region);
        let linear_excess = linear.excess(&network, &objective, std::slice::from_ref(&fact), &mut vec![]);
        let mut intervals = Intervals::default();
        let heads = propagate(&network, &region, &mut intervals);
        let interval_excess = objective.interval_excess(&region, heads);
        for _ in 0..50 {
            let point = random_point(&region, &mut dice);
            let excess = objective.excess(&point, &network.forward(&point));
            prop_assert!(excess <= interval_excess);
            if fact.holds(&point) {
                prop_assert!(excess as f64 <= linear_excess);
            }
        }
    }
}
