//! Exact proofs over a tree of cases.
//!
//! A case is a box and enclosures of pre-activations. It is closed where the weights that a linear
//! program proposes, re-evaluated in exact integers, show that the objective's excess is at most
//! zero: weak duality, with the enclosures of the variables in place of dual feasibility, so that
//! any weights at all give a bound. An open case is cut at the kink that costs most, and where none
//! is open, through its box, down to single points.

use std::collections::BinaryHeap;

use num_bigint::BigInt;

use super::enclosure::Enclosures;
use super::linear_program::{self, Failure, Kinks};
use super::system::{Linear, System};
use super::{Doubt, Opinion, Question};
use crate::interval::Interval;

/// Tries to prove or refute within `cases` cases.
pub(super) fn search(
    question: &Question<'_>,
    root: Enclosures,
    cases: u64,
    seconds: f64,
) -> Opinion {
    let mut open = BinaryHeap::from([Case {
        excess: BigInt::from(i64::MAX),
        number: 0,
        region: question.region.clone(),
        known: root,
    }]);
    let mut tried = 0;
    while let Some(case) = open.pop() {
        if tried == cases {
            return Opinion::Unknown(Doubt::Unconfirmed { cases });
        }
        tried += 1;
        match case.step(question, seconds) {
            Step::Closed => {}
            Step::Ended(opinion) => return opinion,
            Step::Cut(halves) => {
                for (side, mut half) in (0u64..).zip(halves) {
                    half.number = 2 * tried + side;
                    open.push(half);
                }
            }
        }
    }
    Opinion::Holds
}

/// Narrows the enclosures of a whole box by linear programs, layer by layer.
pub(super) fn narrow(question: &Question<'_>, seconds: f64) -> Option<Enclosures> {
    let network = question.network;
    let mut known = Enclosures::over(network, &question.region, None)?;
    for layer in 1..network.layers().len() {
        let system = System::up_to(question, &question.region, &known, layer);
        let is_output = layer == network.hidden_count();
        for place in 0..known.layers[layer].len() {
            let bounds = known.layers[layer][place];
            let is_open = bounds.low < 0 && bounds.high > 0;
            let Some(z) = &system.before[layer][place] else {
                continue;
            };
            if !is_open && !is_output {
                continue;
            }
            let mut ends = [bounds.high, -bounds.low];
            for (end, sign) in ends.iter_mut().zip([1, -1]) {
                let mut target = Linear::default();
                target.add(z, sign);
                if let Ok(weights) = linear_program::weights(&system, &target, seconds) {
                    let upper = bound(&system, &target, &weights);
                    *end = i64::try_from(upper).map_or(*end, |upper| upper.min(*end));
                }
            }
            let narrowed = Interval {
                low: -ends[1],
                high: ends[0],
            };
            if narrowed.low > narrowed.high {
                return None;
            }
            known.layers[layer][place] = narrowed;
        }
        known = Enclosures::over(network, &question.region, Some(&known))?;
    }
    Some(known)
}

/// An upper bound of a function over the system's integer solutions, exactly, for any weights.
fn bound(system: &System, function: &Linear, weights: &[f64]) -> BigInt {
    // Row r of the scaled program is 2^-e of ours, its objective 2^-n: a weight w stands for
    // w·2^(n − e), here in units of 2^-(FRACTION + most), as integers.
    let exponents: Vec<u32> = system
        .rows
        .iter()
        .map(|row| exponent(linear_program::row_scale(&row.terms)))
        .collect();
    let most = exponents.iter().copied().max().unwrap_or(0);
    let norm = exponent(linear_program::norm(function));
    let shift = FRACTION + most;
    let mut rest: Vec<BigInt> = vec![BigInt::ZERO; system.variables.len()];
    for &(place, c) in &function.terms {
        rest[place] += BigInt::from(c) << shift;
    }
    let mut total = BigInt::from(function.constant) << shift;
    for ((row, &weight), &exponent) in system.rows.iter().zip(weights).zip(&exponents) {
        let whole = (weight * f64::from(1u32 << FRACTION)).round();
        if whole < 1.0 || !whole.is_finite() {
            continue;
        }
        let weight = BigInt::from(whole as i128) << (norm + most - exponent);
        total += &weight * row.bound;
        for &(place, c) in &row.terms {
            rest[place] -= &weight * c;
        }
    }
    for (slope, bounds) in rest.iter().zip(&system.variables) {
        let ends = [slope * bounds.low, slope * bounds.high];
        total += ends.into_iter().max().unwrap_or_default();
    }
    // The function is an integer: the floor is a bound too.
    total >> shift
}

fn exponent(power: f64) -> u32 {
    // Exact: `power` is a power of two.
    (power as u128).trailing_zeros()
}

struct Case {
    /// Upper bound of the parent's excess.
    excess: BigInt,
    /// For ties.
    number: u64,
    region: Vec<Interval>,
    known: Enclosures,
}

enum Step {
    Closed,
    Ended(Opinion),
    Cut([Case; 2]),
}

impl Case {
    fn step(self, question: &Question<'_>, seconds: f64) -> Step {
        let network = question.network;
        let Some(known) = Enclosures::over(network, &self.region, Some(&self.known)) else {
            return Step::Closed;
        };
        if question
            .facts
            .iter()
            .any(|fact| fact.excludes(&self.region))
        {
            return Step::Closed;
        }
        let system = System::of_case(question, &self.region, &known);
        // Plain intervals need no weights; a solver that fails gives none either.
        let mut excess = bound(&system, &system.objective, &[]);
        let mut weights = vec![0.0; system.rows.len()];
        if excess > BigInt::ZERO
            && let Ok(found) = linear_program::weights(&system, &system.objective, seconds)
        {
            excess = excess.min(bound(&system, &system.objective, &found));
            weights = found;
        }
        if excess <= BigInt::ZERO {
            return Step::Closed;
        }
        let case = Self {
            excess,
            known,
            ..self
        };
        if let Some(neuron) = costliest(&system, &weights) {
            return Step::Cut(case.at_kink(&system.gates[neuron]));
        }
        match linear_program::maximizer(&system, Kinks::Relaxed, seconds) {
            // Where there is no point at all, the weights find that out sooner or later.
            Err(Failure::Infeasible | Failure::Doubt(_)) => {}
            Ok(point) => {
                if let Some(found) = nearby(question, &case.region, &point) {
                    return Step::Ended(found);
                }
            }
        }
        case.through_box(question)
    }

    fn at_kink(self, gate: &super::system::Gate) -> [Self; 2] {
        let neuron = gate.neuron;
        let mut other = Self {
            excess: self.excess.clone(),
            number: 0,
            region: self.region.clone(),
            known: self.known.clone(),
        };
        let mut case = self;
        case.known.layers[neuron.layer][neuron.place].high = -gate.offset;
        other.known.layers[neuron.layer][neuron.place].low = 1 - gate.offset;
        [case, other]
    }

    fn through_box(self, question: &Question<'_>) -> Step {
        let widest = (0..self.region.len()).max_by_key(|&place| self.region[place].width());
        let widest = widest.filter(|&place| self.region[place].width() > 0);
        let Some(place) = widest else {
            // One point, which the bound did not close.
            let point: Vec<i64> = self.region.iter().map(|side| side.low).collect();
            return question.replay(&point).map_or(Step::Closed, Step::Ended);
        };
        let side = self.region[place];
        let middle = side.low + side.width() / 2;
        let mut other = Self {
            excess: self.excess.clone(),
            number: 0,
            region: self.region.clone(),
            known: self.known.clone(),
        };
        let mut case = self;
        case.region[place].high = middle;
        other.region[place].low = middle + 1;
        Step::Cut([case, other])
    }
}

/// The gate whose upper line adds most to the bound, by the weights of the lines.
fn costliest(system: &System, weights: &[f64]) -> Option<usize> {
    let costs = system.gates.iter().map(|gate| {
        let bounds = system.variables[gate.before];
        let (low, high) = (
            (bounds.low + gate.offset) as f64,
            (bounds.high + gate.offset) as f64,
        );
        let scale = linear_program::row_scale(&system.rows[gate.upper].terms);
        let line = weights[gate.upper] * high * -low / scale;
        // Without a weight, the widest triangle, far behind any with one.
        line + 1e-9 * high.min(-low)
    });
    let costs: Vec<f64> = costs.collect();
    (0..costs.len()).max_by(|&a, &b| costs[a].total_cmp(&costs[b]).then(b.cmp(&a)))
}

/// A violation among the integer points around a real one.
pub(super) fn nearby(
    question: &Question<'_>,
    region: &[Interval],
    point: &[f64],
) -> Option<Opinion> {
    let inside = |value: f64, side: &Interval| (value as i64).clamp(side.low, side.high);
    let roundings: [fn(f64) -> f64; 3] = [f64::round, f64::floor, f64::ceil];
    let slopes = question.objective.features.iter().copied();
    let slopes: std::collections::BTreeMap<_, _> = slopes.collect();
    let toward = |(place, &value): (usize, &f64)| match slopes.get(&place) {
        Some(&d) if d < 0 => value.floor(),
        Some(_) => value.ceil(),
        None => value.round(),
    };
    let mut candidates: Vec<Vec<f64>> = roundings
        .iter()
        .map(|round| point.iter().map(|&value| round(value)).collect())
        .collect();
    candidates.push(point.iter().enumerate().map(toward).collect());
    candidates.into_iter().find_map(|candidate| {
        let mut candidate: Vec<i64> = candidate
            .iter()
            .zip(region)
            .map(|(&value, side)| inside(value, side))
            .collect();
        repair(question, region, &mut candidate);
        question.replay(&candidate)
    })
}

/// Moves a point by single units until the facts hold, if a few rounds suffice.
fn repair(question: &Question<'_>, region: &[Interval], point: &mut [i64]) {
    for _ in 0..REPAIRS {
        let Some(fact) = question.facts.iter().find(|fact| !fact.holds(point)) else {
            return;
        };
        for &(place, c) in &fact.terms {
            let moved = point[place] - c.signum();
            if region[place].contains(moved) {
                point[place] = moved;
                break;
            }
        }
    }
}

impl Ord for Case {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_excess = self.excess.cmp(&other.excess);
        by_excess.then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Case {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == std::cmp::Ordering::Equal
    }
}

impl Eq for Case {}

/// Fractional bits of a weight.
const FRACTION: u32 = 30;
/// Single steps towards the facts.
const REPAIRS: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::opinion::system::Row;

    fn linear(coefficients: &[i64], constant: i64) -> Linear {
        let terms = coefficients.iter().map(|&c| i128::from(c)).enumerate();
        Linear {
            terms: terms.filter(|&(_, c)| c != 0).collect(),
            constant: constant.into(),
        }
    }

    fn value(function: &Linear, point: &[i64]) -> i128 {
        let terms = function.terms.iter();
        let products = terms.map(|&(place, c)| c * i128::from(point[place]));
        products.sum::<i128>() + function.constant
    }

    proptest! {
        #[test]
        fn any_weights_at_all_give_a_bound(
            point in prop::collection::vec(-2_000_000i64..2_000_000, 4),
            around in prop::collection::vec((0i64..3_000_000, 0i64..3_000_000), 4),
            rows in prop::collection::vec((prop::collection::vec(-40_000i64..40_000, 4), 0i64..99), 6),
            target in prop::collection::vec(-70_000i64..70_000, 4),
            weights in prop::collection::vec(prop_oneof![
                -1.0..20.0,
                1e-12..1e-6,
                Just(0.0),
                Just(f64::NAN),
                Just(f64::INFINITY),
                1e5..1e6,
            ], 6),
        ) {
            let variables = point.iter().zip(around).map(|(&at, (below, above))| Interval {
                low: at - below,
                high: at + above,
            });
            // Every row holds at the point, with some room.
            let rows = rows.iter().map(|(coefficients, room)| {
                let left = linear(coefficients, 0);
                Row { bound: value(&left, &point) + i128::from(*room), terms: left.terms }
            });
            let system = System {
                variables: variables.collect(),
                rows: rows.collect(),
                ..System::default()
            };
            let target = linear(&target, 17);
            prop_assert!(bound(&system, &target, &weights) >= BigInt::from(value(&target, &point)));
        }
    }

    #[test]
    fn the_solvers_weights_give_the_best_bound() {
        // max x + y with 2x + y <= 10, x + 3y <= 15, 0 <= x, y <= 100: 7 at (3, 4).
        let row = |coefficients: &[i64], bound: i128| Row {
            terms: linear(coefficients, 0).terms,
            bound,
        };
        let system = System {
            variables: vec![Interval { low: 0, high: 100 }; 2],
            rows: vec![row(&[2, 1], 10), row(&[1, 3], 15)],
            ..System::default()
        };
        let target = linear(&[1, 1], 0);
        let weights = linear_program::weights(&system, &target, 10.0).unwrap();
        assert_eq!(bound(&system, &target, &weights), BigInt::from(7));
        assert_eq!(bound(&system, &target, &[]), BigInt::from(200));
    }
}
