//! The backward pass: linear functions of a layer's values become linear functions of the inputs.
//!
//! # Source
//! Zhang et al., "Efficient neural network robustness certification with general activation functions"
//! (CROWN), 2018, §3; Singh et al., "An abstract domain for certifying neural networks" (DeepPoly), 2019, §4.

use crate::float::range::Range;

use super::kernel::{self, Bend, Minimum, Product, Share};
use super::layer::LayerState;
use super::prepared::{Prepared, PreparedLayer, UNDERFLOW, padded};

/// The network, the states of the layers that are done, and that of the inputs.
pub(super) type Network<'n> = (&'n Prepared, &'n [LayerState], &'n LayerState);

/// Linear lower bounds, many at once: lane r of everything belongs to row r.
#[derive(Clone, Debug, Default)]
struct Batch {
    /// Rows, padded.
    lanes: usize,
    /// `[value of the layer at hand, lanes]`.
    coefficients: Vec<f64>,
    /// `[lanes]`; after the inputs, the lower bounds.
    constant: Vec<f64>,
}

/// Which neurons a pass bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those whose range needs two lines.
    Open,
    /// All.
    All,
}

/// Buffers of backward passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Backward {
    /// Coefficients of pre-activations, `[position in the list, lanes]`.
    bent: Vec<f64>,
    next: Vec<f64>,
    shared: Vec<f64>,
    batch: Batch,
    wanted: Vec<u32>,
}

impl Backward {
    /// Takes a batch over the values of layer `above − 1` back to the inputs.
    ///
    /// # Soundness
    /// Layer by layer, each function of the layer's values is replaced by one below it: first by the
    /// activations' lines, chosen by the coefficient's sign, then by the affine map, with
    /// |λ_j|·D_j subtracted for whatever an evaluation and this arithmetic may lose.
    fn run(&mut self, network: Network<'_>, above: usize, batch: &mut Batch) {
        let (prepared, states, input) = network;
        for index in (0..above).rev() {
            let (layer, state) = (&prepared.layers[index], &states[index]);
            kernel::zero(&mut self.next, layer.inputs * batch.lanes);
            for list in [&state.passing, &state.open] {
                self.step(prepared, (layer, state), list, batch);
            }
            std::mem::swap(&mut batch.coefficients, &mut self.next);
        }
        finish(prepared, input, batch);
    }

    /// Takes the neurons of a list from the batch's coefficients to `next`.
    fn step(
        &mut self,
        prepared: &Prepared,
        (layer, state): (&PreparedLayer, &LayerState),
        list: &[u32],
        batch: &mut Batch,
    ) {
        let lanes = batch.lanes;
        grow(&mut self.bent, list.len() * lanes);
        let bend = Bend {
            list,
            lines: &state.lines,
            lower: None,
            bias: &layer.bias,
            error: &state.error,
            lanes,
            values: &batch.coefficients,
            bent: &mut self.bent[..list.len() * lanes],
            constant: &mut batch.constant,
        };
        kernel::run(prepared.arch, bend);
        self.multiply(prepared, layer, list, lanes);
    }

    fn multiply(&mut self, prepared: &Prepared, layer: &PreparedLayer, list: &[u32], lanes: usize) {
        let product = Product {
            list,
            bent: &self.bent[..list.len() * lanes],
            rows: &layer.rows,
            inputs: layer.inputs,
            lanes,
            next: &mut self.next,
        };
        kernel::run(prepared.arch, product);
    }

    /// Bounds neurons of layer `index`, which reads the values of the states before it; not the first.
    pub(super) fn tighten(
        &mut self,
        network: Network<'_>,
        layer: &mut LayerState,
        index: usize,
        wanted: Wanted,
    ) {
        let prepared = &network.0.layers[index];
        self.wanted.clear();
        for (neuron, (&range, &activation)) in
            layer.pre.iter().zip(&prepared.activations).enumerate()
        {
            if wanted == Wanted::All || activation.is_open(range) {
                self.wanted.push(neuron as u32);
            }
        }
        if self.wanted.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        self.start_neurons(network, layer, index, &mut batch);
        self.run(network, index - 1, &mut batch);
        let half = batch.lanes / 2;
        for (lane, &neuron) in self.wanted.iter().enumerate() {
            let range = &mut layer.pre[neuron as usize];
            let (low, high) = (batch.constant[lane], -batch.constant[half + lane]);
            if low.is_finite() && high.is_finite() {
                *range = range.intersection(Range::new(low, high));
            }
        }
        self.batch = batch;
    }

    /// Puts z_j and −z_j of the wanted neurons into the two halves of a batch, as functions of the values
    /// of layer `index − 2`: the first step, in which the halves share all of what is one line.
    fn start_neurons(
        &mut self,
        (prepared, states, _): Network<'_>,
        own: &LayerState,
        index: usize,
        batch: &mut Batch,
    ) {
        let (above, layer, state) = (
            &prepared.layers[index],
            &prepared.layers[index - 1],
            &states[index - 1],
        );
        let half = padded(self.wanted.len());
        batch.lanes = 2 * half;
        kernel::zero(&mut batch.constant, batch.lanes);
        for (lane, &neuron) in self.wanted.iter().enumerate() {
            let (bias, error) = (above.bias[neuron as usize], own.error[neuron as usize]);
            batch.constant[lane] = bias - error;
            batch.constant[half + lane] = -bias - error;
        }
        kernel::zero(&mut self.next, layer.inputs * half);
        grow(&mut self.bent, state.passing.len() * half);
        for (bent, &neuron) in self.bent.chunks_exact_mut(half).zip(&state.passing) {
            gather(above, neuron, &self.wanted, bent);
        }
        let share = Share {
            list: &state.passing,
            lines: &state.lines,
            bias: &layer.bias,
            error: &state.error,
            lanes: half,
            bent: &mut self.bent[..state.passing.len() * half],
            constant: &mut batch.constant,
        };
        kernel::run(prepared.arch, share);
        self.multiply(prepared, layer, &state.passing, half);
        std::mem::swap(&mut self.next, &mut self.shared);
        grow(&mut batch.coefficients, above.inputs * batch.lanes);
        for &neuron in &state.open {
            let lanes = &mut batch.coefficients[neuron as usize * batch.lanes..][..batch.lanes];
            let (low, high) = lanes.split_at_mut(half);
            gather(above, neuron, &self.wanted, low);
            for (high, low) in high.iter_mut().zip(low) {
                *high = -*low;
            }
        }
        self.next.clear();
        for shared in self.shared.chunks_exact(half) {
            self.next.extend_from_slice(shared);
            self.next.extend(shared.iter().map(|shared| -shared));
        }
        self.step(prepared, (layer, state), &state.open, batch);
        std::mem::swap(&mut batch.coefficients, &mut self.next);
    }
}

/// One input's weights in the wanted rows.
fn gather(layer: &PreparedLayer, input: u32, wanted: &[u32], into: &mut [f64]) {
    let column = &layer.columns[input as usize * layer.lanes()..][..layer.lanes()];
    if wanted.len() == layer.outputs {
        into.copy_from_slice(column);
        return;
    }
    let (filled, rest) = into.split_at_mut(wanted.len());
    for (into, &neuron) in filled.iter_mut().zip(wanted) {
        *into = column[neuron as usize];
    }
    rest.fill(0.0);
}

/// Makes a buffer at least as long as that; what it holds is meaningless.
pub(super) fn grow(buffer: &mut Vec<f64>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}

/// Takes the minimum over the box.
fn finish(prepared: &Prepared, input: &LayerState, batch: &mut Batch) {
    let length = prepared.inputs * batch.lanes;
    let minimum = Minimum {
        lanes: batch.lanes,
        values: &batch.coefficients[..length],
        low: &input.low,
        high: &input.high,
        magnitude: &input.magnitude,
        own_error: prepared.own_error,
        constant: &mut batch.constant,
    };
    kernel::run(prepared.arch, minimum);
    for constant in &mut batch.constant {
        *constant -= UNDERFLOW;
    }
}
