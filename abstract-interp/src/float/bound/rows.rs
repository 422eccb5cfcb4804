//! The rows' own backward pass: keeps every layer's coefficients, and may choose lower slopes per row.

use super::Row;
use super::backward::{Network, grow};
use super::kernel::{self, Bend, Minimum, Product};
use super::layer::LayerState;
use super::prepared::{Prepared, UNDERFLOW, padded};
use super::slopes::Slopes;

/// Rows, a lane each, with what a pass found.
#[derive(Clone, Debug, Default)]
pub(super) struct RowPass {
    /// Rows, padded.
    pub(super) lanes: usize,
    /// Λ: coefficients of the inputs, then of every layer's values; `[value, lanes]` each.
    pub(super) values: Vec<Vec<f64>>,
    /// `[lanes]`: lower bounds.
    pub(super) constant: Vec<f64>,
    direct: Vec<f64>,
    bent: Vec<f64>,
    lists: Vec<u32>,
}

impl RowPass {
    /// Forgets the last pass.
    pub(super) fn clear(&mut self) {
        for values in &mut self.values {
            values.clear();
        }
    }

    /// Puts rows over outputs and inputs into lanes.
    pub(super) fn start(&mut self, prepared: &Prepared, rows: &[Row]) {
        let lanes = padded(rows.len());
        self.lanes = lanes;
        self.values.resize(prepared.layers.len() + 1, vec![]);
        kernel::zero(&mut self.direct, prepared.inputs * lanes);
        if let (Some(values), Some(last)) = (self.values.last_mut(), prepared.layers.last()) {
            kernel::zero(values, last.outputs * lanes);
            for (lane, row) in rows.iter().enumerate() {
                for &(output, factor) in &row.outputs {
                    values[output * lanes + lane] = factor;
                }
                for &(input, factor) in &row.inputs {
                    self.direct[input * lanes + lane] = factor;
                }
            }
        }
    }

    /// One pass back to the inputs; lower slopes and β from `slopes` if there are any.
    ///
    /// # Soundness
    /// As `Backward::run`. Any lower slope between the two sides' is sound; where a phase says z ≥ 0,
    /// f ≥ f − β·z for β ≥ 0, and where it says z ≤ 0, f ≥ f + β·z.
    pub(super) fn run(&mut self, network: Network<'_>, slopes: Option<&Slopes>) {
        let (prepared, states, input) = network;
        let lanes = self.lanes;
        kernel::zero(&mut self.constant, lanes);
        for index in (0..states.len()).rev() {
            let (layer, state) = (&prepared.layers[index], &states[index]);
            let (below, above) = self.values.split_at_mut(index + 1);
            let (next, values) = (&mut below[index], &above[0]);
            self.lists.clear();
            let passing = if slopes.is_some() {
                &state.free
            } else {
                &state.passing
            };
            let choices = slopes.map(|slopes| &slopes.layers[index]);
            for (list, chosen) in [(passing, None), (&state.open, choices)] {
                let start = self.lists.len() * lanes;
                let end = start + list.len() * lanes;
                self.lists.extend_from_slice(list);
                grow(&mut self.bent, end);
                let bend = Bend {
                    list,
                    lines: &state.lines,
                    lower: chosen.map(|chosen| chosen.lower.values.as_slice()),
                    bias: &layer.bias,
                    error: &state.error,
                    lanes,
                    values,
                    bent: &mut self.bent[start..end],
                    constant: &mut self.constant,
                };
                kernel::run(prepared.arch, bend);
            }
            if let Some(chosen) = choices {
                let start = self.lists.len() * lanes;
                self.lists.extend_from_slice(&state.held);
                grow(&mut self.bent, start + state.held.len() * lanes);
                let bent = &mut self.bent[start..];
                hold(
                    state,
                    (&layer.bias, &chosen.beta.values),
                    values,
                    bent,
                    &mut self.constant,
                );
            }
            kernel::zero(next, layer.inputs * lanes);
            let product = Product {
                list: &self.lists,
                bent: &self.bent[..self.lists.len() * lanes],
                rows: &layer.rows,
                inputs: layer.inputs,
                lanes,
                next,
            };
            kernel::run(prepared.arch, product);
        }
        self.finish(prepared, input);
    }

    fn finish(&mut self, prepared: &Prepared, input: &LayerState) {
        for (coefficient, direct) in self.values[0].iter_mut().zip(&self.direct) {
            *coefficient += direct;
        }
        let minimum = Minimum {
            lanes: self.lanes,
            values: &self.values[0],
            low: &input.low,
            high: &input.high,
            magnitude: &input.magnitude,
            own_error: prepared.own_error,
            constant: &mut self.constant,
        };
        kernel::run(prepared.arch, minimum);
        for constant in &mut self.constant {
            *constant -= UNDERFLOW;
        }
    }
}

/// The neurons that phases fix: λ = slope·Λ − β where z ≥ 0 and slope·Λ + β where z ≤ 0.
fn hold(
    state: &LayerState,
    (bias, betas): (&[f64], &[f64]),
    values: &[f64],
    bent: &mut [f64],
    constant: &mut [f64],
) {
    let lanes = constant.len();
    for (position, &neuron) in state.held.iter().enumerate() {
        let neuron = neuron as usize;
        let (lines, sign) = (state.lines[neuron], state.side_sign(neuron));
        let (bias, error) = (bias[neuron], state.error[neuron]);
        for lane in 0..lanes {
            let (value, beta) = (
                values[neuron * lanes + lane],
                betas[position * lanes + lane],
            );
            let slope = lines.lower * value - sign * beta;
            bent[position * lanes + lane] = slope;
            // The product with a slope may be larger than λ after β is taken off: by β at most.
            let loss = (slope.abs() + beta) * error + value.abs() * lines.slip;
            constant[lane] += slope * bias - loss;
        }
    }
}
