//! Exact integer enclosures of every pre-activation, by plain intervals.
//!
//! Written apart from the prover's domains, so that an error there is not repeated here.

use crate::interval::Interval;
use crate::network::Affine;
#[cfg(any(feature = "milp", feature = "smt"))]
use crate::network::Network;

#[cfg(any(feature = "milp", feature = "smt"))]
/// Per layer, the output layer last, what encloses each pre-activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Enclosures {
    /// `[layer][neuron]`; none is empty.
    pub(super) layers: Vec<Vec<Interval>>,
}

#[cfg(any(feature = "milp", feature = "smt"))]
impl Enclosures {
    /// Over a box; `known` are enclosures that hold there too.
    ///
    /// `None` where no point of the box agrees with what is known.
    pub(super) fn over(
        network: &Network,
        region: &[Interval],
        known: Option<&Self>,
    ) -> Option<Self> {
        let mut layers: Vec<Vec<Interval>> = vec![];
        let mut below = region.to_vec();
        for (number, layer) in network.layers().iter().enumerate() {
            if number == network.hidden_count() {
                below.extend(&region[..network.skip_inputs()]);
            }
            let mut bounds = affine(layer, &below);
            if let Some(known) = known {
                for (bound, &known) in bounds.iter_mut().zip(&known.layers[number]) {
                    *bound = bound.intersection(known);
                }
            }
            if bounds.iter().any(|bound| bound.low > bound.high) {
                return None;
            }
            below = bounds
                .iter()
                .map(|bound| Interval {
                    low: bound.low.max(0),
                    high: bound.high.max(0),
                })
                .collect();
            layers.push(bounds);
        }
        Some(Self { layers })
    }
}

/// Attained at corners, since the floor is monotone; |Σ| stays below 2⁵⁴ for a loaded model.
pub(super) fn affine(layer: &Affine, below: &[Interval]) -> Vec<Interval> {
    let neurons = (0..layer.outputs).map(|neuron| {
        let mut sum = Interval::point(layer.bias[neuron]);
        for (&weight, input) in layer.row(neuron).iter().zip(below) {
            let ends = [weight * input.low, weight * input.high];
            sum.low += ends[0].min(ends[1]);
            sum.high += ends[0].max(ends[1]);
        }
        Interval {
            low: sum.low >> layer.shift,
            high: sum.high >> layer.shift,
        }
    });
    neurons.collect()
}
