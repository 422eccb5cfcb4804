//! Facts about the inputs (links) as Lagrange multipliers of a linear bound.

use crate::interval::Interval;
use crate::objective::Halfspace;
use crate::op::Offset;

/// A fact's weight in a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// Position of the fact.
    pub fact: usize,
    /// Weight, in units of 2⁻¹⁶; positive.
    pub weight: u32,
}

/// Picks weights that lower `max over the box of Σ λ·x − Σ μ·(a·x − b)`.
///
/// That maximum is convex and piecewise linear in each μ with kinks at λᵢ/aᵢ, so one fact's best
/// weight is among its kinks; two rounds over all facts are coordinate descent.
pub(super) fn choose(
    coefficients: &[f64],
    input: &[Interval],
    facts: &[Halfspace],
    chosen: &mut Vec<Multiplier>,
) {
    chosen.clear();
    if facts.iter().all(|fact| fact.is_implied(input)) {
        return;
    }
    let mut slopes = coefficients.to_vec();
    let mut weights = vec![0u32; facts.len()];
    for _ in 0..ROUNDS {
        for (fact, weight) in facts.iter().zip(&mut weights) {
            add(&mut slopes, fact, -unscaled(*weight));
            *weight = best_weight(&slopes, input, fact);
            add(&mut slopes, fact, unscaled(*weight));
        }
    }
    let used = weights
        .iter()
        .enumerate()
        .filter(|&(_, &weight)| weight > 0);
    chosen.extend(used.map(|(fact, &weight)| Multiplier { fact, weight }));
}

/// Adds the chosen weights to a bound.
pub(super) fn apply(
    coefficients: &mut [f64],
    facts: &[Halfspace],
    chosen: &[Multiplier],
    offset: &mut Offset,
) {
    for multiplier in chosen {
        let weight = unscaled(multiplier.weight);
        add(coefficients, &facts[multiplier.fact], weight);
        offset.add(weight * facts[multiplier.fact].bound as f64);
    }
}

fn best_weight(slopes: &[f64], input: &[Interval], fact: &Halfspace) -> u32 {
    if fact.is_implied(input) {
        return 0;
    }
    let mut best = (0u32, gain(slopes, input, fact, 0.0));
    for &(place, c) in &fact.terms {
        let kink = (slopes[place] / c as f64 * WEIGHT_ONE).round();
        if kink >= 1.0 && kink <= f64::from(u32::MAX) {
            let weight = kink as u32;
            let value = gain(slopes, input, fact, unscaled(weight));
            if value < best.1 {
                best = (weight, value);
            }
        }
    }
    best.0
}

/// The part of the bound that depends on this fact's weight.
fn gain(slopes: &[f64], input: &[Interval], fact: &Halfspace, weight: f64) -> f64 {
    let terms = fact.terms.iter().map(|&(place, c)| {
        let slope = slopes[place] - weight * c as f64;
        slope
            * if slope > 0.0 {
                input[place].high
            } else {
                input[place].low
            } as f64
    });
    terms.sum::<f64>() + weight * fact.bound as f64
}

fn add(slopes: &mut [f64], fact: &Halfspace, weight: f64) {
    for &(place, c) in &fact.terms {
        slopes[place] -= weight * c as f64;
    }
}

fn unscaled(weight: u32) -> f64 {
    f64::from(weight) / WEIGHT_ONE
}

const WEIGHT_ONE: f64 = 65_536.0;
const ROUNDS: usize = 2;
