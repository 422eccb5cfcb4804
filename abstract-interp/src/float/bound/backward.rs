//! The backward pass: linear functions of a layer's values become linear functions of the inputs.
//!
//! # Source
//! Zhang et al., "Efficient neural network robustness certification with general activation functions"
//! (CROWN), 2018, §3; Singh et al., "An abstract domain for certifying neural networks" (DeepPoly), 2019, §4.

use crate::float::range::Range;

use super::Row;
use super::kernel;
use super::layer::LayerState;
use super::prepared::{Prepared, PreparedLayer, UNDERFLOW, padded};

/// The network, the states of the layers that are done, and that of the inputs.
pub(super) type Network<'n> = (&'n Prepared, &'n [LayerState], &'n LayerState);

/// Linear lower bounds, many at once: lane r of everything belongs to row r.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// Rows, padded.
    pub(super) lanes: usize,
    /// `[value of the layer at hand, lanes]`.
    pub(super) coefficients: Vec<f64>,
    /// `[lanes]`; after the inputs, the lower bounds.
    pub(super) constant: Vec<f64>,
    /// What is added to the inputs' coefficients in the end, `[input, lanes]`, or empty.
    pub(super) direct: Vec<f64>,
}

/// Buffers of backward passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Backward {
    /// Coefficients of pre-activations, `[position in the list, lanes]`.
    bent: Vec<f64>,
    next: Vec<f64>,
    batch: Batch,
    wanted: Vec<u32>,
}

impl Backward {
    /// Puts rows over outputs and inputs into a batch.
    pub(super) fn start_rows(
        &mut self,
        last: &PreparedLayer,
        inputs: usize,
        rows: &[Row],
        batch: &mut Batch,
    ) {
        batch.lanes = padded(rows.len());
        kernel::zero(&mut batch.constant, batch.lanes);
        kernel::zero(&mut batch.coefficients, last.outputs * batch.lanes);
        kernel::zero(&mut batch.direct, inputs * batch.lanes);
        for (lane, row) in rows.iter().enumerate() {
            for &(output, factor) in &row.outputs {
                batch.coefficients[output * batch.lanes + lane] = factor;
            }
            for &(input, factor) in &row.inputs {
                batch.direct[input * batch.lanes + lane] = factor;
            }
        }
    }

    /// Takes a batch over the values of layer `above − 1` back to the inputs.
    ///
    /// # Soundness
    /// Layer by layer, each function of the layer's values is replaced by one below it: first by the
    /// activations' lines, chosen by the coefficient's sign, then by the affine map, with
    /// |λ_j|·D_j subtracted for whatever an evaluation and this arithmetic may lose.
    pub(super) fn run(&mut self, network: Network<'_>, above: usize, batch: &mut Batch) {
        let (prepared, states, input) = network;
        for index in (0..above).rev() {
            let (layer, state) = (&prepared.layers[index], &states[index]);
            let lanes = batch.lanes;
            let count = state.passing.len() + state.open.len();
            self.bent.resize(count * lanes, 0.0);
            for (position, &neuron) in state.passing.iter().chain(&state.open).enumerate() {
                let neuron = neuron as usize;
                let lines = state.lines[neuron];
                kernel::bend(
                    &batch.coefficients[neuron * lanes..][..lanes],
                    lines,
                    (layer.bias[neuron], state.error[neuron]),
                    &mut self.bent[position * lanes..][..lanes],
                    &mut batch.constant,
                );
            }
            kernel::zero(&mut self.next, layer.inputs * lanes);
            let list = state.passing.iter().chain(&state.open).copied();
            kernel::product(
                list,
                &self.bent,
                (&layer.rows, layer.inputs),
                lanes,
                &mut self.next,
            );
            std::mem::swap(&mut batch.coefficients, &mut self.next);
        }
        finish(prepared, input, batch);
    }

    /// Bounds the open neurons of layer `index`, which reads the values of the states before it.
    pub(super) fn tighten(&mut self, network: Network<'_>, layer: &mut LayerState, index: usize) {
        let prepared = &network.0.layers[index];
        self.wanted.clear();
        for (neuron, (&range, &activation)) in
            layer.pre.iter().zip(&prepared.activations).enumerate()
        {
            if activation.is_open(range) {
                self.wanted.push(neuron as u32);
            }
        }
        if self.wanted.is_empty() {
            return;
        }
        let half = padded(self.wanted.len());
        let lanes = 2 * half;
        let mut batch = std::mem::take(&mut self.batch);
        batch.lanes = lanes;
        kernel::zero(&mut batch.constant, lanes);
        kernel::zero(&mut batch.coefficients, prepared.inputs * lanes);
        batch.direct.clear();
        for (lane, &neuron) in self.wanted.iter().enumerate() {
            let neuron = neuron as usize;
            let (bias, error) = (prepared.bias[neuron], layer.error[neuron]);
            batch.constant[lane] = bias - error;
            batch.constant[half + lane] = -bias - error;
            let row = &prepared.rows[neuron * prepared.inputs..][..prepared.inputs];
            for (input, &weight) in row.iter().enumerate() {
                batch.coefficients[input * lanes + lane] = weight;
                batch.coefficients[input * lanes + half + lane] = -weight;
            }
        }
        self.run(network, index, &mut batch);
        for (lane, &neuron) in self.wanted.iter().enumerate() {
            let range = &mut layer.pre[neuron as usize];
            let (low, high) = (batch.constant[lane], -batch.constant[half + lane]);
            if low.is_finite() && high.is_finite() {
                *range = range.intersection(Range::new(low, high));
            }
        }
        self.batch = batch;
    }
}

/// Adds the direct terms, and takes the minimum over the box.
fn finish(prepared: &Prepared, input: &LayerState, batch: &mut Batch) {
    for (coefficient, direct) in batch.coefficients.iter_mut().zip(&batch.direct) {
        *coefficient += direct;
    }
    for index in 0..prepared.inputs {
        kernel::minimum(
            &batch.coefficients[index * batch.lanes..][..batch.lanes],
            (input.low[index], input.high[index]),
            input.magnitude[index] * prepared.own_error,
            &mut batch.constant,
        );
    }
    for constant in &mut batch.constant {
        *constant -= UNDERFLOW;
    }
}
