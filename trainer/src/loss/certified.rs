//! The differentiable certificate loss: interval bounds of the claims over boxes, and their hinge.
//!
//! Interval bound propagation (Gowal et al., 2018) with centre μ and radius r: an affine map gives
//! μ′ = W μ + b, r′ = |W| r; a ReLU maps both ends. Boxes of radius zero are points, so sampled
//! counterexamples and bounds share one code. Bounds ignore the floors (2⁻¹⁶ each) and the clamp,
//! both far below the margin that the hinge asks for; the proof afterwards ignores nothing.

use crate::network::{
    Layout, Matrix, add_affine_weight_gradient, affine, affine_input_gradient, rounded,
};
use crate::obligation::{Box12, Obligation};
use crate::rng::Stream;
use tautline_core::features::FEATURE_COUNT;

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

    /// `count` boxes, shared evenly between obligations: half of them points, the others an
    /// eighth to a thirty-second of every free range wide.
    pub(crate) fn sampled(
        obligations: &'a [Obligation],
        count: usize,
        stream: &mut Stream,
    ) -> Self {
        let boxes = (0..count)
            .filter_map(|place| obligations.get(place % obligations.len().max(1)))
            .map(|obligation| {
                let bounds = match stream.below(6) {
                    0 => obligation.sub_box(stream, 3),
                    1 => obligation.sub_box(stream, 4),
                    2 => obligation.sub_box(stream, 5),
                    _ => obligation.point(stream),
                };
                (obligation, bounds)
            })
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
        backpropagate(layout, &propagation, (centre, radius), gradient);
    }
    loss / boxes.len() as f64
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

fn backpropagate(
    layout: &Layout,
    propagation: &Propagation,
    upstream: (Matrix, Matrix),
    gradient: &mut [f64],
) {
    let (mut centre, mut radius) = upstream;
    for (number, layer) in layout.layers().iter().enumerate().rev() {
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
        if number == 0 {
            break;
        }
        let units = layout.layers()[number - 1].outputs;
        let width = layer.row_len();
        let below_centre =
            affine_input_gradient(&propagation.weights[range.clone()], width, &centre, units);
        let below_radius =
            affine_input_gradient(&propagation.magnitudes[range], width, &radius, units);
        (centre, radius) =
            through_relu(&propagation.sums[number - 1], &below_centre, &below_radius);
    }
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
mod tests {
    use super::*;
    use crate::obligation::domain;
    use crate::rng::Purpose;
    use tautline_core::policy::HeadKind;

    fn obligation(coefficient: f64) -> Obligation {
        Obligation {
            claim: 0,
            heads: vec![(0, coefficient)],
            features: vec![(9, -0.5)],
            bound: -0.3,
            region: domain(),
        }
    }

    fn layout() -> Layout {
        Layout::new(&[8, 6], &[HeadKind::Rate], 15).unwrap()
    }

    #[test]
    fn bounds_of_a_box_hold_at_every_sampled_point_of_it() {
        let layout = layout();
        let weights = layout.initial(2);
        let obligation = obligation(1.0);
        let mut stream = Stream::new(2, Purpose::CertifiedBatch, 0);
        for halvings in 0..5 {
            let bounds = obligation.sub_box(&mut stream, halvings);
            let upper = excess(&layout, &weights, &Boxes::new(&[(&obligation, bounds)]))[0];
            for _ in 0..200 {
                let point = bounds.map(|(low, high)| {
                    let value = stream.between(low, high);
                    (value, value)
                });
                let value = excess(&layout, &weights, &Boxes::new(&[(&obligation, point)]))[0];
                assert!(value <= upper + 1e-9, "{value} above the bound {upper}");
            }
        }
    }

    #[test]
    fn the_hinge_gradient_agrees_with_finite_differences() {
        let layout = layout();
        // On the grid, so that one step of the grid is a finite difference.
        let weights = rounded(&layout, &layout.initial(4));
        let obligations = [obligation(1.0), obligation(-1.0)];
        let mut stream = Stream::new(4, Purpose::CertifiedBatch, 0);
        let boxes = Boxes::sampled(&obligations, 24, &mut stream);
        let hinge = |weights: &[f64], gradient: &mut [f64]| {
            add_hinge_gradient(&layout, weights, &boxes, (0.05, 1.0), gradient)
        };
        let mut gradient = vec![0.0; layout.len()];
        let mut unused = vec![0.0; layout.len()];
        assert!(hinge(&weights, &mut gradient) > 0.0);
        let step = 1.0 / 32_768.0;
        let mut checked = 0;
        for place in 0..layout.len() {
            if weights[place].abs() < 2.0 * step {
                continue;
            }
            let mut moved = weights.clone();
            moved[place] += step;
            let above = hinge(&moved, &mut unused);
            moved[place] -= 2.0 * step;
            let below = hinge(&moved, &mut unused);
            let slope = (above - below) / (2.0 * step);
            assert!(
                (slope - gradient[place]).abs() < 0.02 * (1.0 + slope.abs()),
                "weight {place}: finite difference {slope}, backward pass {}",
                gradient[place]
            );
            checked += 1;
        }
        assert!(checked > layout.len() / 2);
    }
}
