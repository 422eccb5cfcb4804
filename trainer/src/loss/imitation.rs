//! Squared distance to a teacher's heads, blind beyond the clamp.

use crate::network::{Arithmetic, Layout, Matrix, backward, forward};

/// Mean over samples and heads of the squared error; adds its gradient times `weight`.
///
/// Targets are clamped to [−1, 1]; where a target sits at an end, overshooting it costs nothing.
pub(crate) fn add_gradient(
    layout: &Layout,
    weights: &[f64],
    (features, targets): (&Matrix, &Matrix),
    weight: f64,
    gradient: &mut [f64],
) -> f64 {
    let trace = forward(layout, weights, features, Arithmetic::Deployed);
    let mut errors = trace.heads.clone();
    errors.zip_apply_first_rows(targets, error);
    let scale = 1.0 / (features.columns() as f64 * errors.rows() as f64);
    let loss = sum_of_squares(&errors) * scale;
    errors.apply(|e| 2.0 * e * scale * weight);
    backward(layout, &trace, &errors, gradient);
    loss
}

/// The loss alone.
pub(crate) fn loss(layout: &Layout, weights: &[f64], features: &Matrix, targets: &Matrix) -> f64 {
    let mut errors = forward(layout, weights, features, Arithmetic::Deployed).heads;
    errors.zip_apply_first_rows(targets, error);
    sum_of_squares(&errors) / (features.columns() as f64 * errors.rows() as f64)
}

fn error(value: f64, target: f64) -> f64 {
    let target = target.clamp(-1.0, 1.0);
    if (target == 1.0 && value > 1.0) || (target == -1.0 && value < -1.0) {
        0.0
    } else {
        value - target
    }
}

fn sum_of_squares(errors: &Matrix) -> f64 {
    (0..errors.rows())
        .flat_map(|row| errors.row(row))
        .map(|e| e * e)
        .sum()
}
