//! The differentiable certificate loss: bounds of the claims over boxes, and their hinge.
//!
//! Interval bound propagation (Gowal et al., 2018) with centre μ and radius r: an affine map gives
//! μ′ = W μ + b, r′ = |W| r; a ReLU maps both ends. Boxes of radius zero are points, so sampled
//! counterexamples and bounds share one code. Bounds ignore the floors (2⁻¹⁶ each) and the clamp,
//! both far below the margin that the hinge asks for; the proof afterwards ignores nothing. Wide boxes
//! are bounded by [`crown`] instead, which is tighter and costs about twice as much.

pub(crate) mod crown;

use tautline_core::features::FEATURE_COUNT;

use crate::network::{
    Layout, Matrix, add_affine_weight_gradient, affine, affine_input_gradient, rounded,
};
use crate::obligation::{Box12, Obligation};
use crate::rng::Stream;

/// A batch of boxes, each with the obligation it stands for.
pub(crate) struct Boxes<'a> {
    centre: Matrix,
    radius: Matrix,
    of: Vec<&'a Obligation>,
}

impl<'a> Boxes<'a> {
    pub(crate) fn new(boxes: &[(&'a Obligation, Box12)]) -> Self {
        let mut centre = Matrix::zeros(FEATURE_COUNT, boxes.len());
        let mut radius = Matrix::zeros(FEATURE_COUNT, boxes.len());
        for (column, (_, bounds)) in boxes.iter().enumerate() {
            for (row, (low, high)) in bounds.iter().enumerate() {
                centre.set(row, column, f64::midpoint(*low, *high));
                radius.set(row, column, 0.5 * (high - low));
            }
        }
        Self {
            centre,
            radius,
            of: boxes.iter().map(|(obligation, _)| *obligation).collect(),
        }
    }

    /// `count` random points of the corner regions, shared evenly between obligations.
    pub(crate) fn points(obligations: &'a [Obligation], count: usize, stream: &mut Stream) -> Self {
        Self::drawn(obligations, count, |obligation| obligation.point(stream))
    }

    /// `count` random boxes of the corner regions: a quarter to a sixteenth of every free range.
    /// Asking for wider boxes costs imitation and reward, and bisection does not need them.
    pub(crate) fn wide(obligations: &'a [Obligation], count: usize, stream: &mut Stream) -> Self {
        Self::drawn(obligations, count, |obligation| {
            let halvings = 2 + stream.below(3) as u32;
            obligation.sub_box(stream, halvings)
        })
    }

    fn drawn(
        obligations: &'a [Obligation],
        count: usize,
        mut draw: impl FnMut(&Obligation) -> Box12,
    ) -> Self {
        let boxes = (0..count)
            .filter_map(|place| obligations.get(place % obligations.len().max(1)))
            .map(|obligation| (obligation, draw(obligation)))
            .collect::<Vec<_>>();
        Self::new(&boxes)
    }

    pub(crate) fn len(&self) -> usize {
        self.of.len()
    }
}

/// What interval propagation leaves for the backward pass.
struct Propagation {
    weights: Vec<f64>,
    magnitudes: Vec<f64>,
    /// Centre and radius of every affine layer's inputs.
    inputs: Vec<(Matrix, Matrix)>,
    /// Centre and radius of every hidden layer's sums, before ReLU.
    sums: Vec<(Matrix, Matrix)>,
    heads: (Matrix, Matrix),
}

/// Excess of every box's bound over its obligation: at most zero where the box is proven.
pub(crate) fn excess(layout: &Layout, weights: &[f64], boxes: &Boxes<'_>) -> Vec<f64> {
    let propagation = propagate(layout, weights, boxes);
    (0..boxes.len())
        .map(|column| box_excess(boxes, &propagation, column))
        .collect()
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
    let heads = propagation.heads.0.rows();
    let mut centre = Matrix::zeros(heads, boxes.len());
    let mut radius = Matrix::zeros(heads, boxes.len());
    let scale = weight / boxes.len() as f64;
    let mut loss = 0.0;
    for column in 0..boxes.len() {
        let hinge = box_excess(boxes, &propagation, column) + margin;
        if hinge > 0.0 {
            loss += hinge;
            for &(head, coefficient) in &boxes.of[column].heads {
                centre.set(head, column, scale * coefficient);
                radius.set(head, column, scale * coefficient.abs());
            }
        }
    }
    if loss > 0.0 {
        let mut upstream = no_upstream(&propagation);
        upstream.push((centre, radius));
        backpropagate(layout, &propagation, upstream, gradient);
    }
    loss / boxes.len() as f64
}

/// The claims' loss over the corner regions: half the hinge of sampled points, half that of the
/// CROWN-IBP bounds of as many wide boxes; adds its gradient times `weight`.
pub(crate) fn add_claim_gradient(
    (layout, weights): (&Layout, &[f64]),
    (obligations, count): (&[Obligation], usize),
    stream: &mut Stream,
    (margin, weight): (f64, f64),
    gradient: &mut [f64],
) -> f64 {
    let half = (margin, 0.5 * weight);
    let points = Boxes::points(obligations, count / 2, stream);
    let wide = Boxes::wide(obligations, count / 2, stream);
    let at_points = add_hinge_gradient(layout, weights, &points, half, gradient);
    let over_boxes = crown::add_hinge_gradient(layout, weights, &wide, half, gradient);
    0.5 * (at_points + over_boxes)
}

fn box_excess(boxes: &Boxes<'_>, propagation: &Propagation, column: usize) -> f64 {
    let obligation = boxes.of[column];
    let (centre, radius) = &propagation.heads;
    let heads = obligation
        .heads
        .iter()
        .map(|&(head, c)| c * centre.at(head, column) + c.abs() * radius.at(head, column));
    let features = obligation.features.iter().map(|&(feature, d)| {
        d * boxes.centre.at(feature, column) + d.abs() * boxes.radius.at(feature, column)
    });
    heads.sum::<f64>() + features.sum::<f64>() - obligation.bound
}

fn propagate(layout: &Layout, weights: &[f64], boxes: &Boxes<'_>) -> Propagation {
    let weights = rounded(layout, weights);
    let magnitudes = magnitudes(layout, &weights);
    let mut inputs = Vec::new();
    let mut sums = Vec::new();
    let (mut centre, mut radius) = (boxes.centre.clone(), boxes.radius.clone());
    let mut heads = (Matrix::zeros(0, 0), Matrix::zeros(0, 0));
    let last = layout.layers().len() - 1;
    for (number, layer) in layout.layers().iter().enumerate() {
        if number == last {
            centre = centre.stacked(&boxes.centre);
            radius = radius.stacked(&boxes.radius);
        }
        let middle = affine(&weights[layer.offset..], &centre, layer.outputs);
        let spread = affine(&magnitudes[layer.offset..], &radius, layer.outputs);
        inputs.push((centre, radius));
        if number == last {
            heads = (middle, spread);
            break;
        }
        centre = middle.clone();
        radius = spread.clone();
        for row in 0..middle.rows() {
            for column in 0..middle.columns() {
                let (m, r) = (middle.at(row, column), spread.at(row, column));
                let (low, high) = ((m - r).max(0.0), (m + r).max(0.0));
                centre.set(row, column, f64::midpoint(low, high));
                radius.set(row, column, 0.5 * (high - low));
            }
        }
        sums.push((middle, spread));
    }
    Propagation {
        weights,
        magnitudes,
        inputs,
        sums,
        heads,
    }
}

/// Absolute weights with zero biases.
fn magnitudes(layout: &Layout, weights: &[f64]) -> Vec<f64> {
    let mut magnitudes = weights.iter().map(|w| w.abs()).collect::<Vec<_>>();
    for layer in layout.layers() {
        let rows = &mut magnitudes[layer.offset..layer.offset + layer.parameter_count()];
        for row in rows.chunks_exact_mut(layer.row_len()) {
            row[layer.inputs] = 0.0;
        }
    }
    magnitudes
}

/// Adds the gradient of a loss to `gradient`, given the loss's gradient with respect to centre and
/// radius of every layer's sums.
fn backpropagate(
    layout: &Layout,
    propagation: &Propagation,
    mut upstream: Vec<(Matrix, Matrix)>,
    gradient: &mut [f64],
) {
    for (number, layer) in layout.layers().iter().enumerate().rev() {
        let Some((centre, radius)) = upstream.pop() else {
            return;
        };
        let range = layer.offset..layer.offset + layer.parameter_count();
        let (input_centre, input_radius) = &propagation.inputs[number];
        add_affine_weight_gradient(&mut gradient[range.clone()], &centre, input_centre);
        let mut of_magnitudes = vec![0.0; range.len()];
        add_affine_weight_gradient(&mut of_magnitudes, &radius, input_radius);
        let rows = of_magnitudes.chunks_exact(layer.row_len());
        for (row, slopes) in rows.enumerate() {
            for (input, &slope) in slopes[..layer.inputs].iter().enumerate() {
                let place = range.start + row * layer.row_len() + input;
                // |w| has no slope at zero.
                if propagation.weights[place] != 0.0 {
                    gradient[place] += slope * propagation.weights[place].signum();
                }
            }
        }
        let Some((to_centre, to_radius)) = upstream.last_mut() else {
            return;
        };
        let units = layout.layers()[number - 1].outputs;
        let width = layer.row_len();
        let below_centre =
            affine_input_gradient(&propagation.weights[range.clone()], width, &centre, units);
        let below_radius =
            affine_input_gradient(&propagation.magnitudes[range], width, &radius, units);
        let sums = &propagation.sums[number - 1];
        let (centre, radius) = through_relu(sums, &below_centre, &below_radius);
        to_centre.zip_apply_first_rows(&centre, |a, b| a + b);
        to_radius.zip_apply_first_rows(&radius, |a, b| a + b);
    }
}

/// Zero gradients with respect to every hidden layer's sums.
fn no_upstream(propagation: &Propagation) -> Vec<(Matrix, Matrix)> {
    let zeros = |m: &Matrix| Matrix::zeros(m.rows(), m.columns());
    let sums = propagation.sums.iter();
    sums.map(|(m, r)| (zeros(m), zeros(r))).collect()
}

/// Gradients of a ReLU's input centre and radius from those of its output.
fn through_relu(sums: &(Matrix, Matrix), centre: &Matrix, radius: &Matrix) -> (Matrix, Matrix) {
    let mut to_centre = Matrix::zeros(centre.rows(), centre.columns());
    let mut to_radius = to_centre.clone();
    for row in 0..centre.rows() {
        for column in 0..centre.columns() {
            let (m, r) = (sums.0.at(row, column), sums.1.at(row, column));
            let (c, s) = (centre.at(row, column), radius.at(row, column));
            // Output centre and radius are half the sum and half the difference of the ends.
            let low = if m - r > 0.0 { 0.5 * (c - s) } else { 0.0 };
            let high = if m + r > 0.0 { 0.5 * (c + s) } else { 0.0 };
            to_centre.set(row, column, low + high);
            to_radius.set(row, column, high - low);
        }
    }
    (to_centre, to_radius)
}

#[cfg(test)]
mod tests;
