//! A network in `f32`, laid out for speed.

use crate::float::network::{Activation, FloatNetwork};

/// A network laid out for many evaluations and gradients; it computes what
/// [`FloatNetwork::forward`] does, but for layers that are exact, which round here.
#[derive(Clone, Debug)]
pub(crate) struct Evaluator {
    pub(crate) layers: Vec<Weights>,
    /// Values per layer, the inputs first.
    pub(crate) values: Vec<Vec<f32>>,
    pub(crate) gradient: Vec<f32>,
    pub(crate) next: Vec<f32>,
    pub(crate) rows: Vec<f64>,
}

/// One layer's numbers.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// `[out, in]`, for gradients.
    rows: Vec<f32>,
    /// `[in, out]`, for values.
    pub(crate) columns: Vec<f32>,
    bias: Vec<f32>,
    pub(crate) activations: Vec<Activation>,
}

impl Evaluator {
    pub(crate) fn new(network: &FloatNetwork) -> Self {
        let layers: Vec<Weights> = network
            .layers()
            .iter()
            .map(|layer| Weights {
                inputs: layer.inputs,
                outputs: layer.outputs,
                rows: layer.weights.iter().map(|&weight| weight as f32).collect(),
                columns: (0..layer.inputs)
                    .flat_map(|input| {
                        (0..layer.outputs).map(move |output| layer.row(output)[input] as f32)
                    })
                    .collect(),
                bias: layer.bias.iter().map(|&bias| bias as f32).collect(),
                activations: layer.activations.clone(),
            })
            .collect();
        let mut values = vec![vec![0.0; network.inputs()]];
        values.extend(layers.iter().map(|layer| vec![0.0; layer.outputs]));
        Self {
            layers,
            values,
            gradient: vec![],
            next: vec![],
            rows: vec![],
        }
    }

    /// The outputs of an input.
    pub(crate) fn forward(&mut self, input: &[f32]) -> &[f32] {
        self.values[0].copy_from_slice(input);
        for (number, layer) in self.layers.iter().enumerate() {
            let (before, after) = self.values.split_at_mut(number + 1);
            layer.forward(&before[number], &mut after[0]);
        }
        &self.values[self.layers.len()]
    }
}

impl Weights {
    /// The sums of products alone.
    pub(crate) fn linear(&self, input: &[f32], output: &mut [f32]) {
        output.fill(0.0);
        for (value, column) in input
            .iter()
            .zip(self.columns.chunks_exact(self.outputs.max(1)))
        {
            if *value != 0.0 {
                for (sum, weight) in output.iter_mut().zip(column) {
                    *sum += weight * value;
                }
            }
        }
    }

    pub(crate) fn forward(&self, input: &[f32], output: &mut [f32]) {
        self.linear(input, output);
        let ends = self.bias.iter().zip(&self.activations);
        for (value, (bias, activation)) in output.iter_mut().zip(ends) {
            *value = activation.concrete(*value + bias);
        }
    }

    /// From the gradient after the activations to the one before the layer.
    pub(crate) fn backward(&self, output: &[f32], gradient: &mut [f32], before: &mut Vec<f32>) {
        before.clear();
        before.resize(self.inputs, 0.0);
        let rows = self.rows.chunks_exact(self.inputs.max(1));
        let ends = output.iter().zip(&self.activations);
        for ((slope, row), (value, activation)) in gradient.iter().zip(rows).zip(ends) {
            let slope = if *value > 0.0 {
                *slope
            } else {
                slope * activation.negative_slope() as f32
            };
            if slope != 0.0 {
                for (sum, weight) in before.iter_mut().zip(row) {
                    *sum += slope * weight;
                }
            }
        }
    }
}
