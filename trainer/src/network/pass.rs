//! Forward and backward passes over a batch of samples.

use super::layout::Layout;
use super::matrix::{Matrix, add_affine_weight_gradient, affine, affine_input_gradient};

/// How a forward pass rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    /// Rounded weights and floors: the deployed integer program.
    Deployed,
    /// No rounding, for checks of the gradient.
    #[cfg(test)]
    Real,
}

/// What a forward pass leaves for the backward pass.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// The weights as evaluated.
    weights: Vec<f64>,
    /// Inputs of every affine layer.
    inputs: Vec<Matrix>,
    /// Raw heads, before the clamp to [−1, 1].
    pub(crate) heads: Matrix,
}

/// Evaluates the raw heads of every sample (one column each).
pub(crate) fn forward(
    layout: &Layout,
    weights: &[f64],
    features: &Matrix,
    arithmetic: Arithmetic,
) -> Trace {
    let weights = match arithmetic {
        Arithmetic::Deployed => rounded(layout, weights),
        #[cfg(test)]
        Arithmetic::Real => weights.to_vec(),
    };
    let mut inputs = Vec::with_capacity(layout.layers().len());
    let mut current = features.clone();
    let mut heads = Matrix::zeros(0, 0);
    let last = layout.layers().len() - 1;
    for (number, layer) in layout.layers().iter().enumerate() {
        if number == last {
            current = current.stacked(features);
        }
        let mut sums = affine(&weights[layer.offset..], &current, layer.outputs);
        if arithmetic == Arithmetic::Deployed {
            sums.apply(floor_to_grid);
        }
        inputs.push(current);
        if number == last {
            heads = sums;
            break;
        }
        sums.apply(|z| z.max(0.0));
        current = sums;
    }
    Trace {
        weights,
        inputs,
        heads,
    }
}

/// Adds the gradient of a loss to `gradient`, given the loss's gradient with respect to the raw
/// heads.
pub(crate) fn backward(layout: &Layout, trace: &Trace, upstream: &Matrix, gradient: &mut [f64]) {
    let mut upstream = upstream.clone();
    for (number, layer) in layout.layers().iter().enumerate().rev() {
        let range = layer.offset..layer.offset + layer.parameter_count();
        let inputs = &trace.inputs[number];
        add_affine_weight_gradient(&mut gradient[range.clone()], &upstream, inputs);
        if number == 0 {
            break;
        }
        let units = layout.layers()[number - 1].outputs;
        let mut below =
            affine_input_gradient(&trace.weights[range], layer.row_len(), &upstream, units);
        below.zip_apply_first_rows(
            inputs,
            |gradient, activation| {
                if activation > 0.0 { gradient } else { 0.0 }
            },
        );
        upstream = below;
    }
}

/// Weights on the grid of the deployed parameters.
pub(crate) fn rounded(layout: &Layout, weights: &[f64]) -> Vec<f64> {
    let mut rounded = Vec::with_capacity(weights.len());
    for layer in layout.layers() {
        let scale = f64::from(1u32 << layer.shift);
        let range = layer.offset..layer.offset + layer.parameter_count();
        rounded.extend(weights[range].iter().map(|w| round(w * scale) / scale));
    }
    rounded
}

/// Nearest whole number, ties to even, for magnitudes below 2⁵¹.
pub(crate) fn round(value: f64) -> f64 {
    (value + ROUND_TO_ONE) - ROUND_TO_ONE
}

/// Largest multiple of 2⁻¹⁶ that is not above `value`, for magnitudes below 2³⁵.
pub(crate) fn floor_to_grid(value: f64) -> f64 {
    let nearest = (value + ROUND_TO_GRID) - ROUND_TO_GRID;
    if nearest > value {
        nearest - GRID
    } else {
        nearest
    }
}

/// 1.5 · 2⁵²: adding it leaves no fractional bits.
const ROUND_TO_ONE: f64 = 6_755_399_441_055_744.0;
const GRID: f64 = 1.0 / 65_536.0;
const ROUND_TO_GRID: f64 = ROUND_TO_ONE * GRID;
