//! What to split: an input or the phase of a neuron.

use crate::interval::Interval;
use crate::network::Network;
use crate::objective::Halfspace;

/// What a search that decides may split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Branching {
    /// Inputs only.
    Inputs,
    /// Phases while a neuron is open, then inputs.
    Phases,
    /// Whichever promises more.
    #[default]
    Both,
}

/// How to split a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// At a value of a feature.
    Input(Cut),
    /// At zero of a hidden neuron: layer and neuron.
    Phase {
        /// The hidden layer.
        layer: usize,
        /// The neuron within it.
        neuron: usize,
    },
}

/// A cut: left x ≤ `cut`, right x ≥ `cut` + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The feature.
    pub feature: usize,
    /// Largest value on the left.
    pub cut: i64,
}

/// Halves the feature whose interval contributes most to the bound: the largest score·width.
///
/// # Source
/// Bunel et al., "Branch and bound for piecewise linear neural network verification", JMLR 2020, §5
/// (smart branching); the scores are [`crate::linear_bounds::LinearBounds::influence`].
pub(super) fn by_influence(scores: &[f64], region: &[Interval]) -> Option<Cut> {
    let mut best: Option<(usize, f64)> = None;
    for (feature, (influence, bounds)) in scores.iter().zip(region).enumerate() {
        let width = bounds.width();
        // A feature without influence is still cut, last, rather than giving up.
        let score = (influence + LEAST_INFLUENCE) * width as f64;
        if width > 0 && best.is_none_or(|(_, highest)| score > highest) {
            best = Some((feature, score));
        }
    }
    best.map(|(feature, _)| halve(feature, region[feature]))
}

/// Halves the feature that moves a fact most, so that the fact decides more boxes.
pub(super) fn by_fact(fact: &Halfspace, region: &[Interval]) -> Option<Cut> {
    let spans = fact.terms.iter().map(|&(place, c)| {
        (
            place,
            i128::from(c).abs() * i128::from(region[place].width()),
        )
    });
    let (feature, _) = spans
        .filter(|&(_, span)| span > 0)
        .max_by_key(|&(place, span)| (span, std::cmp::Reverse(place)))?;
    Some(halve(feature, region[feature]))
}

/// The neuron that loosens the bound most; scores run over all hidden layers.
pub(super) fn by_looseness(network: &Network, scores: &[f64]) -> Option<Branch> {
    let mut best: Option<(usize, f64)> = None;
    for (place, &score) in scores.iter().enumerate() {
        if score > best.map_or(0.0, |(_, highest)| highest) {
            best = Some((place, score));
        }
    }
    let (mut neuron, _) = best?;
    for (layer, affine) in network.hidden().iter().enumerate() {
        if neuron < affine.outputs {
            return Some(Branch::Phase { layer, neuron });
        }
        neuron -= affine.outputs;
    }
    None
}

fn halve(feature: usize, bounds: Interval) -> Cut {
    Cut {
        feature,
        cut: bounds.low + (bounds.width() - 1) / 2,
    }
}

const LEAST_INFLUENCE: f64 = 1e-9;
