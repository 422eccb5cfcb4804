//! The phases of training.

use rayon::prelude::*;

mod clone;
mod evolve;
mod repair;

/// Sums the losses and gradients of `parts` parts of a batch, computed in parallel, in their order.
///
/// A part adds its gradient to the slice and returns its loss.
fn summed_gradient(
    parts: usize,
    len: usize,
    part: impl Fn(usize, &mut [f64]) -> f64 + Sync,
) -> (f64, Vec<f64>) {
    let computed = (0..parts)
        .into_par_iter()
        .map(|place| {
            let mut gradient = vec![0.0; len];
            let loss = part(place, &mut gradient);
            (loss, gradient)
        })
        .collect::<Vec<_>>();
    let mut sum = (0.0, vec![0.0; len]);
    for (loss, gradient) in computed {
        sum.0 += loss;
        for (total, slope) in sum.1.iter_mut().zip(gradient) {
            *total += slope;
        }
    }
    sum
}

/// Samples per part of a batch.
const PART: usize = 64;
