//! The sum of the weights' magnitudes: small weights give tight bounds.

use crate::network::Layout;

/// Adds the gradient of `weight` · Σ|w| over all weights but the biases; none at zero.
pub(crate) fn add_gradient(layout: &Layout, weights: &[f64], weight: f64, gradient: &mut [f64]) {
    if weight == 0.0 {
        return;
    }
    for layer in layout.layers() {
        let range = layer.offset..layer.offset + layer.parameter_count();
        let rows = weights[range.clone()].chunks_exact(layer.row_len());
        let slopes = gradient[range].chunks_exact_mut(layer.row_len());
        for (row, slopes) in rows.zip(slopes) {
            for (w, slope) in row[..layer.inputs].iter().zip(slopes) {
                if *w != 0.0 {
                    *slope += weight * w.signum();
                }
            }
        }
    }
}
