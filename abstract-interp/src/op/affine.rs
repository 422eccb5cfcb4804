//! `z = ⌊(W·x + b) / 2^s⌋`.

use super::{Offset, rescale};
use crate::interval::Interval;
use crate::network::Affine;
use crate::zonotope::Forms;

/// The concrete map.
pub fn concrete(layer: &Affine, inputs: &[i64]) -> Vec<i64> {
    (0..layer.outputs)
        .map(|neuron| {
            let products = layer.row(neuron).iter().zip(inputs).map(|(w, x)| w * x);
            rescale::concrete(products.sum::<i64>() + layer.bias[neuron], layer.shift)
        })
        .collect()
}

/// Intervals: each end is reached by some real input of the box, and the floor is monotone.
///
/// # Rounding
/// None: |Σ| stays below 2⁵⁴ for a loaded model.
pub fn interval(layer: &Affine, inputs: &[Interval], outputs: &mut [Interval]) {
    for (neuron, output) in outputs.iter_mut().enumerate().take(layer.outputs) {
        let (mut low, mut high) = (layer.bias[neuron], layer.bias[neuron]);
        for (&weight, input) in layer.row(neuron).iter().zip(inputs) {
            let (first, second) = if weight < 0 {
                (input.high, input.low)
            } else {
                (input.low, input.high)
            };
            low += weight * first;
            high += weight * second;
        }
        *output = Interval {
            low: rescale::concrete(low, layer.shift),
            high: rescale::concrete(high, layer.shift),
        };
    }
}

/// Zonotopes: the affine map of the forms without its floor, which is [`super::rescale`]'s.
pub fn zonotope(layer: &Affine, forms: &Forms) -> Forms {
    layer.image(forms)
}

/// Linear bounds, backward: an upper bound Σ λ·z + c becomes one over the inputs.
///
/// With `z = (W·x + b)/2^s − e`, `0 ≤ e ≤ 1 − 2^-s`, a negative λ gains |λ|(1 − 2^-s). Writes the
/// coefficients of the inputs to `inputs` and adds the constants to `offset`.
pub fn backward(layer: &Affine, outputs: &[f64], inputs: &mut [f64], offset: &mut Offset) {
    let inputs = &mut inputs[..layer.inputs];
    inputs.fill(0.0);
    for (neuron, &coefficient) in outputs.iter().enumerate().take(layer.outputs) {
        if coefficient == 0.0 {
            continue;
        }
        offset.add(coefficient * layer.scaled_bias[neuron]);
        if coefficient < 0.0 {
            offset.add(-coefficient * layer.floor_loss);
        }
        for (input, &weight) in inputs.iter_mut().zip(layer.scaled_row(neuron)) {
            *input += coefficient * weight;
        }
    }
}
