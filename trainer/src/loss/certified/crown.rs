//! CROWN-IBP (Zhang et al., 2020): linear bounds backwards through the network, over interval
//! bounds of the hidden sums.
//!
//! Over `l < 0 < u` a ReLU lies between `α z` (α zero or one, whichever encloses less) and the
//! chord `u (z − l)/(u − l)`. Which line bounds a unit depends on the sign ν of its coefficient;
//! with lines chosen, the network is linear, and its bound over the box is its value at the corner
//! x* that the signs of the features' coefficients pick. The gradient goes through the weights at
//! x* and, by the chord's ends, through the interval bounds.

use super::{Boxes, Propagation, backpropagate, no_upstream, propagate};
use crate::network::{Layout, Matrix, add_affine_weight_gradient, affine, affine_input_gradient};
use tautline_core::features::FEATURE_COUNT;

/// The network with one line per hidden unit and box, and where it is largest.
struct Linear {
    /// Slopes and constants per hidden layer.
    lines: Vec<(Matrix, Matrix)>,
    /// Inputs of every affine layer at x*.
    inputs: Vec<Matrix>,
    /// Hidden sums at x*.
    sums: Vec<Matrix>,
    /// Excess of every box's bound over its obligation.
    excess: Vec<f64>,
}

/// Mean over boxes of `max(0, excess + margin)`; adds its gradient times `weight`.
pub(crate) fn add_hinge_gradient(
    layout: &Layout,
    weights: &[f64],
    boxes: &Boxes<'_>,
    (margin, weight): (f64, f64),
    gradient: &mut [f64],
) -> f64 {
    if boxes.len() == 0 {
        return 0.0;
    }
    let propagation = propagate(layout, weights, boxes);
    let mut coefficients = head_coefficients(layout, boxes);
    let linear = linearise(layout, &propagation, boxes, &coefficients);
    let scale = weight / boxes.len() as f64;
    let mut loss = 0.0;
    for (column, excess) in linear.excess.iter().enumerate() {
        let hinge = excess + margin;
        let active = if hinge > 0.0 { scale } else { 0.0 };
        loss += hinge.max(0.0);
        for head in 0..coefficients.rows() {
            let coefficient = coefficients.at(head, column);
            coefficients.set(head, column, coefficient * active);
        }
    }
    if loss > 0.0 {
        add_gradient(layout, &propagation, &linear, coefficients, gradient);
    }
    loss / boxes.len() as f64
}

/// Excess of every box's bound over its obligation.
#[cfg(test)]
pub(crate) fn excess(layout: &Layout, weights: &[f64], boxes: &Boxes<'_>) -> Vec<f64> {
    let propagation = propagate(layout, weights, boxes);
    let coefficients = head_coefficients(layout, boxes);
    linearise(layout, &propagation, boxes, &coefficients).excess
}

fn head_coefficients(layout: &Layout, boxes: &Boxes<'_>) -> Matrix {
    let heads = layout.header().head_list().len();
    let mut coefficients = Matrix::zeros(heads, boxes.len());
    for (column, obligation) in boxes.of.iter().enumerate() {
        for &(head, coefficient) in &obligation.heads {
            coefficients.set(head, column, coefficient);
        }
    }
    coefficients
}

fn linearise(
    layout: &Layout,
    propagation: &Propagation,
    boxes: &Boxes<'_>,
    coefficients: &Matrix,
) -> Linear {
    let mut on_features = Matrix::zeros(FEATURE_COUNT, boxes.len());
    let mut upstream = coefficients.clone();
    let mut lines = Vec::new();
    for (number, layer) in layout.layers().iter().enumerate().rev() {
        let rows = &propagation.weights[layer.offset..layer.offset + layer.parameter_count()];
        let below = affine_input_gradient(rows, layer.row_len(), &upstream, layer.inputs);
        if number == 0 {
            on_features.zip_apply_first_rows(&below, |a, b| a + b);
            break;
        }
        let units = layout.layers()[number - 1].outputs;
        // Inputs beyond the units are the skip.
        for feature in 0..layer.inputs - units {
            for column in 0..boxes.len() {
                let sum = on_features.at(feature, column) + below.at(units + feature, column);
                on_features.set(feature, column, sum);
            }
        }
        let (slopes, constants) = choose_lines(&propagation.sums[number - 1], &below);
        upstream = slopes.clone();
        upstream.zip_apply_first_rows(&below, |slope, coefficient| slope * coefficient);
        lines.push((slopes, constants));
    }
    lines.reverse();
    evaluate(layout, propagation, boxes, lines, &on_features)
}

/// The line of every unit that bounds it from above where its coefficient is positive, from below
/// elsewhere.
fn choose_lines(sums: &(Matrix, Matrix), coefficients: &Matrix) -> (Matrix, Matrix) {
    let (rows, columns) = (sums.0.rows(), sums.0.columns());
    let mut slopes = Matrix::zeros(rows, columns);
    let mut constants = Matrix::zeros(rows, columns);
    for row in 0..rows {
        for column in 0..columns {
            let (m, r) = (sums.0.at(row, column), sums.1.at(row, column));
            let (low, high) = (m - r, m + r);
            if low >= 0.0 {
                slopes.set(row, column, 1.0);
            } else if high > 0.0 {
                if coefficients.at(row, column) > 0.0 {
                    let slope = high / (high - low);
                    slopes.set(row, column, slope);
                    constants.set(row, column, -slope * low);
                } else if high > -low {
                    slopes.set(row, column, 1.0);
                }
            }
        }
    }
    (slopes, constants)
}

/// Value of the linear network at the corner that the features' coefficients pick.
fn evaluate(
    layout: &Layout,
    propagation: &Propagation,
    boxes: &Boxes<'_>,
    lines: Vec<(Matrix, Matrix)>,
    on_features: &Matrix,
) -> Linear {
    let mut worst = boxes.centre.clone();
    for (column, obligation) in boxes.of.iter().enumerate() {
        for feature in 0..FEATURE_COUNT {
            let own = obligation.features.iter().filter(|(i, _)| *i == feature);
            let own = own.map(|(_, d)| d).sum::<f64>();
            let radius = boxes.radius.at(feature, column);
            let step = if on_features.at(feature, column) + own > 0.0 {
                radius
            } else {
                -radius
            };
            worst.set(feature, column, boxes.centre.at(feature, column) + step);
        }
    }
    let last = layout.layers().len() - 1;
    let (mut inputs, mut sums) = (Vec::new(), Vec::new());
    let mut current = worst.clone();
    let mut heads = Matrix::zeros(0, 0);
    for (number, layer) in layout.layers().iter().enumerate() {
        if number == last {
            current = current.stacked(&worst);
        }
        let values = affine(
            &propagation.weights[layer.offset..],
            &current,
            layer.outputs,
        );
        inputs.push(current);
        if number == last {
            heads = values;
            break;
        }
        let (slopes, constants) = &lines[number];
        current = values.clone();
        current.zip_apply_first_rows(slopes, |z, slope| z * slope);
        current.zip_apply_first_rows(constants, |z, constant| z + constant);
        sums.push(values);
    }
    let excess = boxes.of.iter().enumerate().map(|(column, obligation)| {
        let of_heads = obligation
            .heads
            .iter()
            .map(|&(head, c)| c * heads.at(head, column));
        let features = obligation.features.iter();
        let of_features = features.map(|&(feature, d)| d * worst.at(feature, column));
        of_heads.sum::<f64>() + of_features.sum::<f64>() - obligation.bound
    });
    Linear {
        excess: excess.collect(),
        lines,
        inputs,
        sums,
    }
}

fn add_gradient(
    layout: &Layout,
    propagation: &Propagation,
    linear: &Linear,
    mut upstream: Matrix,
    gradient: &mut [f64],
) {
    let mut to_intervals = no_upstream(propagation);
    for (number, layer) in layout.layers().iter().enumerate().rev() {
        let range = layer.offset..layer.offset + layer.parameter_count();
        let weights = &propagation.weights[range.clone()];
        add_affine_weight_gradient(&mut gradient[range], &upstream, &linear.inputs[number]);
        if number == 0 {
            break;
        }
        let units = layout.layers()[number - 1].outputs;
        let below = affine_input_gradient(weights, layer.row_len(), &upstream, units);
        let (slopes, constants) = &linear.lines[number - 1];
        let intervals = &propagation.sums[number - 1];
        for row in 0..units {
            for column in 0..below.columns() {
                // Only a chord has a constant.
                if constants.at(row, column) == 0.0 {
                    continue;
                }
                let (m, r) = (intervals.0.at(row, column), intervals.1.at(row, column));
                let (low, high, z) = (m - r, m + r, linear.sums[number - 1].at(row, column));
                let scale = below.at(row, column) / ((high - low) * (high - low));
                let by_high = -low * (z - low) * scale;
                let by_low = high * (z - high) * scale;
                let (centre, radius) = &mut to_intervals[number - 1];
                centre.set(row, column, by_high + by_low);
                radius.set(row, column, by_high - by_low);
            }
        }
        upstream = below;
        upstream.zip_apply_first_rows(slopes, |g, slope| g * slope);
    }
    let heads = layout.header().head_list().len();
    let none = Matrix::zeros(heads, upstream.columns());
    to_intervals.push((none.clone(), none));
    backpropagate(layout, propagation, to_intervals, gradient);
}
