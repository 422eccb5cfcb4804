//! From weights to the deployed integer program.

use tautline_core::policy::{ModelError, Policy};

use crate::network::Layout;
use crate::network::round_half_even;

/// Rounds weights to the parameters of the deployed program: `round(w · 2^shift)`, clamped to
/// 16 bits.
pub fn parameters(layout: &Layout, weights: &[f64]) -> Vec<i16> {
    let mut parameters = Vec::with_capacity(layout.len());
    for layer in layout.layers() {
        let scale = f64::from(1u32 << layer.shift);
        let range = layer.offset..layer.offset + layer.parameter_count();
        parameters.extend(
            weights[range]
                .iter()
                .map(|weight| round_half_even(weight * scale) as i16),
        );
    }
    parameters
}

/// The weights that deployed parameters stand for.
pub fn weights(layout: &Layout, parameters: &[i16]) -> Vec<f64> {
    let mut weights = Vec::with_capacity(layout.len());
    for layer in layout.layers() {
        let scale = f64::from(1u32 << layer.shift);
        let range = layer.offset..layer.offset + layer.parameter_count();
        weights.extend(parameters[range].iter().map(|&p| f64::from(p) / scale));
    }
    weights
}

/// The deployed program of `weights`.
///
/// # Errors
/// [`ModelError::Overflow`] where a neuron could leave 32 bits.
pub fn policy(layout: &Layout, weights: &[f64]) -> Result<Policy<Vec<i16>>, ModelError> {
    Policy::new(*layout.header(), parameters(layout, weights))
}
