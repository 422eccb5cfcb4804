//! The prover's view of a model: affine layers with exact integers beside their scaled floats.

use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{HeadKind, MAX_HEADS, ModelHeader, Policy, Skip};

use crate::domain::Layered;
use crate::op::{affine, clamp, relu};

/// A model as a chain of affine layers with ReLU between them and a clamp at the end.
///
/// # Shapes
/// Layer `k` reads the post-activations of layer `k − 1` (the features for the first one); the
/// output layer reads the features behind them where the model has a linear skip.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Affine>,
    inputs: usize,
    skip: Skip,
    heads: Vec<HeadKind>,
    table: &'static FeatureTable,
}

/// `z = ⌊(W·x + b) / 2^shift⌋` per neuron.
///
/// # Units
/// Inputs and outputs count 2⁻¹⁶; the bias already carries its factor 2¹⁶.
#[derive(Clone, Debug)]
pub struct Affine {
    /// Values read.
    pub inputs: usize,
    /// Neurons.
    pub outputs: usize,
    /// The rescale.
    pub shift: u8,
    /// Row-major integers, `[out, in]`.
    pub weights: Vec<i64>,
    /// Integers, `[out]`, in units of the accumulator.
    pub bias: Vec<i64>,
    /// `weights / 2^shift`, exactly.
    pub scaled_weights: Vec<f64>,
    /// `bias / 2^shift`, exactly.
    pub scaled_bias: Vec<f64>,
    /// `(2^shift − 1) / 2^shift`, the most that the floor takes away.
    pub floor_loss: f64,
    /// The largest Σ |weight| of an input, or of the bias, over the neurons.
    pub reach: u64,
}

impl Affine {
    /// The integer weights of a neuron.
    pub fn row(&self, neuron: usize) -> &[i64] {
        &self.weights[neuron * self.inputs..(neuron + 1) * self.inputs]
    }

    /// The scaled weights of a neuron.
    pub fn scaled_row(&self, neuron: usize) -> &[f64] {
        &self.scaled_weights[neuron * self.inputs..(neuron + 1) * self.inputs]
    }
}

impl Network {
    /// Reads the layers of a loaded model.
    pub fn new<S: AsRef<[i16]>>(policy: &Policy<S>) -> Self {
        let header: &ModelHeader = policy.header();
        let layers = header.layers().map(|shape| {
            let mut weights = Vec::with_capacity(shape.inputs * shape.outputs);
            let mut bias = Vec::with_capacity(shape.outputs);
            for row in shape.rows(policy.parameters()) {
                if let Some((&last, rest)) = row.split_last() {
                    weights.extend(rest.iter().map(|&weight| i64::from(weight)));
                    bias.push(i64::from(last) << Q16::FRACTION_BITS);
                }
            }
            // A power of two: both quotients are exact.
            let scale = 1.0 / (1u64 << shape.shift) as f64;
            Affine {
                inputs: shape.inputs,
                outputs: shape.outputs,
                shift: shape.shift,
                scaled_weights: weights
                    .iter()
                    .map(|&weight| weight as f64 * scale)
                    .collect(),
                scaled_bias: bias.iter().map(|&bias| bias as f64 * scale).collect(),
                floor_loss: 1.0 - scale,
                reach: (0..shape.inputs)
                    .map(|input| {
                        let column = weights.iter().skip(input).step_by(shape.inputs);
                        column.map(|weight: &i64| weight.unsigned_abs()).sum()
                    })
                    .chain([bias
                        .iter()
                        .map(|bias: &i64| bias.unsigned_abs() >> 16)
                        .sum()])
                    .max()
                    .unwrap_or(0),
                weights,
                bias,
            }
        });
        Self {
            layers: layers.collect(),
            inputs: usize::from(header.inputs),
            skip: header.skip,
            heads: header.head_list().iter().map(|head| head.kind).collect(),
            table: policy.table(),
        }
    }

    /// All affine layers, the output layer last.
    pub fn layers(&self) -> &[Affine] {
        &self.layers
    }

    /// How many of the layers are followed by ReLU.
    pub fn hidden_count(&self) -> usize {
        self.layers.len().saturating_sub(1)
    }

    /// The hidden layers.
    pub fn hidden(&self) -> &[Affine] {
        &self.layers[..self.hidden_count()]
    }

    /// Neurons over all hidden layers.
    pub fn neuron_count(&self) -> usize {
        self.hidden().iter().map(|layer| layer.outputs).sum()
    }

    /// Features read.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Features that the output layer reads behind the last hidden layer.
    pub fn skip_inputs(&self) -> usize {
        match self.skip {
            Skip::None => 0,
            Skip::Linear => self.inputs,
        }
    }

    /// The heads, in the order of the outputs.
    pub fn heads(&self) -> &[HeadKind] {
        &self.heads
    }

    /// The table that the inputs follow.
    pub const fn table(&self) -> &'static FeatureTable {
        self.table
    }

    /// The largest number of values that any layer reads or writes.
    pub fn widest(&self) -> usize {
        let sizes = self
            .layers
            .iter()
            .map(|layer| layer.inputs.max(layer.outputs));
        sizes.max().unwrap_or(0).max(self.inputs)
    }

    /// The concrete map, operator by operator; the same integers as `Policy::forward`.
    ///
    /// Heads beyond the model's are zero.
    pub fn forward(&self, features: &[i64]) -> [i64; MAX_HEADS] {
        let mut values = features.to_vec();
        for layer in self.hidden() {
            values = affine::concrete(layer, &values);
            for value in &mut values {
                *value = relu::concrete(*value);
            }
        }
        let mut heads = [0; MAX_HEADS];
        if let Some(output) = self.layers.last() {
            values.extend(features.iter().take(self.skip_inputs()));
            for (head, value) in heads.iter_mut().zip(affine::concrete(output, &values)) {
                *head = clamp::concrete(value);
            }
        }
        heads
    }
}

impl Layered for Network {
    fn layer_count(&self) -> usize {
        self.layers.len()
    }

    fn outputs(&self, layer: usize) -> usize {
        self.layers[layer].outputs
    }
}
