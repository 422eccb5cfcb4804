//! Evaluation of networks in which some layers do not round.
//!
//! The greater of two numbers is max(a − b, 0) + b without rounding anything, while in `f32` the
//! difference would round. Layers whose rows are meant exactly are therefore evaluated in rational
//! numbers, the others in `f32` as always; every value that the latter read is an `f32`.

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::float::network::{Activation, FloatNetwork, Layer};
use crate::float::replay::nearest_single;
use crate::float::rounding::Rounding;

/// Whether `f32` arithmetic would round where the network does not.
pub(super) fn is_needed(network: &FloatNetwork) -> bool {
    network.layers().iter().any(|layer| {
        let mut rows = 0..layer.outputs;
        layer.rounding == Rounding::Exact && rows.any(|row| !is_copy(layer, row))
    })
}

/// Evaluates layer by layer; `None` where a number is not finite.
pub(super) fn forward(network: &FloatNetwork, inputs: &[f32]) -> Option<Vec<f32>> {
    let exact = inputs.iter().map(|&input| BigRational::from_float(input));
    let mut values: Vec<BigRational> = exact.collect::<Option<_>>()?;
    for layer in network.layers() {
        let singles: Vec<f32> = values.iter().map(nearest_single).collect();
        let rows = (0..layer.outputs).map(|row| {
            if layer.rounding == Rounding::AnyOrder && !is_copy(layer, row) {
                return BigRational::from_float(layer.row_forward(row, &singles));
            }
            let sum = row_exactly(layer, row, &values)?;
            match layer.activations[row] {
                Activation::Identity => Some(sum),
                Activation::Relu => Some(sum.max(BigRational::from_integer(BigInt::ZERO))),
                leaky @ Activation::LeakyRelu(_) => {
                    BigRational::from_float(leaky.concrete(nearest_single(&sum)))
                }
            }
        });
        values = rows.collect::<Option<_>>()?;
    }
    Some(values.iter().map(nearest_single).collect())
}

/// Whether a row is a value, its negation, or a constant: the same in any arithmetic.
fn is_copy(layer: &Layer, row: usize) -> bool {
    let mut weights = layer.row(row).iter().filter(|&&weight| weight != 0.0);
    match (weights.next(), weights.next()) {
        (None, _) => true,
        (Some(weight), None) => weight.abs() == 1.0 && layer.bias[row] == 0.0,
        _ => false,
    }
}

fn row_exactly(layer: &Layer, row: usize, values: &[BigRational]) -> Option<BigRational> {
    let mut sum = BigRational::from_float(layer.bias[row])?;
    for (&weight, value) in layer.row(row).iter().zip(values) {
        if weight != 0.0 {
            sum += BigRational::from_float(weight)? * value;
        }
    }
    Some(sum)
}
