//! Directions in which heads cannot move, read off the weights' signs.
//!
//! ReLU, floor and clamp are non-decreasing, so a neuron's sign with respect to a feature is the
//! combination of sign(weight)·sign(input) over its inputs, unknown on conflict. Where the sign of
//! the whole objective is known, its maximum over a box lies on one side of that feature's range.

use crate::interval::Interval;
use crate::network::{Affine, Network};
use crate::objective::Objective;

/// How a value moves when a feature rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    /// It does not depend on it.
    #[default]
    Zero,
    /// It never falls.
    Rising,
    /// It never rises.
    Falling,
    /// Not known.
    Unknown,
}

impl Sign {
    /// The sign of a sum of two terms.
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Zero, sign) | (sign, Self::Zero) => sign,
            (first, second) if first == second => first,
            _ => Self::Unknown,
        }
    }

    /// The sign of a multiple.
    pub fn times(self, factor: i64) -> Self {
        match (self, factor.signum()) {
            (_, 0) => Self::Zero,
            (Self::Rising, -1) => Self::Falling,
            (Self::Falling, -1) => Self::Rising,
            (sign, _) => sign,
        }
    }
}

/// The sign of every head with respect to every feature, `[head][feature]`.
pub fn head_signs(network: &Network) -> Vec<Vec<Sign>> {
    let inputs = network.inputs();
    let identity = |neuron: usize| {
        let mut signs = vec![Sign::Zero; inputs];
        signs[neuron] = Sign::Rising;
        signs
    };
    let features: Vec<_> = (0..inputs).map(identity).collect();
    let mut below = features.clone();
    for (number, layer) in network.layers().iter().enumerate() {
        if number == network.hidden_count() {
            below.extend(features.iter().take(network.skip_inputs()).cloned());
        }
        below = (0..layer.outputs)
            .map(|neuron| combine(layer, neuron, &below, inputs))
            .collect();
    }
    below
}

fn combine(layer: &Affine, neuron: usize, below: &[Vec<Sign>], features: usize) -> Vec<Sign> {
    let mut signs = vec![Sign::Zero; features];
    for (&weight, input) in layer.row(neuron).iter().zip(below) {
        for (sign, &part) in signs.iter_mut().zip(input) {
            *sign = sign.plus(part.times(weight));
        }
    }
    signs
}

/// The sign of an objective with respect to every feature.
///
/// `heads` are the signs of [`head_signs`].
pub fn objective_signs(heads: &[Vec<Sign>], objective: &Objective, inputs: usize) -> Vec<Sign> {
    let mut signs = vec![Sign::Zero; inputs];
    for &(head, c) in &objective.heads {
        for (sign, &part) in signs.iter_mut().zip(&heads[head]) {
            *sign = sign.plus(part.times(c));
        }
    }
    for &(feature, d) in &objective.features {
        signs[feature] = signs[feature].plus(Sign::Rising.times(d));
    }
    signs
}

/// The part of a box on which the objective is largest: features of known sign at one end.
pub fn corner(signs: &[Sign], region: &[Interval], reduced: &mut Vec<Interval>) {
    reduced.clear();
    reduced.extend(region.iter().zip(signs).map(|(&bounds, sign)| match sign {
        Sign::Zero | Sign::Falling => Interval::point(bounds.low),
        Sign::Rising => Interval::point(bounds.high),
        Sign::Unknown => bounds,
    }));
}
