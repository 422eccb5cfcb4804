//! The rate head as a monotone map, evaluated point by point.

use tautline_core::features::{FEATURE_COUNT, FeatureTable, index};
use tautline_core::fixed::Q16;
use tautline_core::policy::{HeadKind, MAX_WIDTH, Policy};

use super::ClosedLoopError;
use super::path::ONE;
use crate::network::Network;
use crate::signs::{Sign, head_signs};

/// A feature vector of table 1, in units of 2⁻¹⁶.
pub type Features = [i32; FEATURE_COUNT];

/// A rate head that is monotone in every feature.
///
/// Its extremes over a box are then attained at two corners. Neighbouring cells differ in the
/// remembered average alone, so everything else is prepared once.
pub trait Rate: Sync {
    /// What all vectors share that differ in `queueing_ewma` alone.
    type Row;

    /// How the rate moves with each feature, never [`Sign::Unknown`].
    fn signs(&self) -> &[Sign; FEATURE_COUNT];

    /// The step gain G.
    fn gain(&self) -> Q16;

    /// Prepares for vectors that agree with `features` in all but `queueing_ewma`.
    fn row(&self, features: &Features) -> Self::Row;

    /// The rate in [−2¹⁶, 2¹⁶] at the row's vector with this `queueing_ewma`.
    fn at(&self, row: &Self::Row, average: i32) -> i32;
}

/// The rate head of a model: the deployed integers.
///
/// Weights are kept by input, so that an input that a ReLU made zero costs nothing.
#[derive(Clone, Debug)]
pub struct ModelRate {
    layers: Vec<Columns>,
    signs: [Sign; FEATURE_COUNT],
    gain: Q16,
}

/// The sums of the first layer without the average, and of the skip.
#[derive(Clone, Debug)]
pub struct ModelRow {
    first: Vec<f64>,
    skip: f64,
}

/// An affine layer by columns.
///
/// Weights are 16 bits wide and activations 32, so every product is an integer below 2⁴⁷ and the
/// sum of a row stays below 2⁵³ where [`ModelRate::new`] says so: floats are exact here.
#[derive(Clone, Debug)]
struct Columns {
    outputs: usize,
    shift: u8,
    bias: Vec<f64>,
    /// `[in, out]`.
    weights: Vec<f64>,
    /// Weights of the features behind the last hidden layer.
    skip: Vec<f64>,
}

impl ModelRate {
    /// Reads the rate head of a model.
    ///
    /// # Errors
    /// The model has no rate head, does not read table 1, or moves the rate both ways with a
    /// feature, which is named.
    pub fn new<S: AsRef<[i16]>>(policy: &Policy<S>) -> Result<Self, ClosedLoopError> {
        let network = Network::new(policy);
        if policy.table().version != 1 {
            return Err(ClosedLoopError::FeatureTable {
                got: policy.table().version,
            });
        }
        let head = policy.header().head_index(HeadKind::Rate);
        let head = head.ok_or(ClosedLoopError::NoRate)?;
        let all = head_signs(&network);
        let mut signs = [Sign::Zero; FEATURE_COUNT];
        for ((place, &sign), feature) in signs
            .iter_mut()
            .zip(&all[head])
            .zip(policy.table().features)
        {
            if sign == Sign::Unknown {
                return Err(ClosedLoopError::BothWays {
                    feature: feature.name,
                });
            }
            *place = sign;
        }
        let layers = columns(&network, head);
        prove_exact(&layers, policy.table())?;
        Ok(Self {
            layers,
            signs,
            gain: policy.header().step_gain,
        })
    }

    /// Adds the layer's products of `inputs` to `sums`.
    fn add(layer: &Columns, inputs: &[f64], sums: &mut [f64]) {
        let columns = layer.weights.chunks_exact(layer.outputs);
        for (&input, column) in inputs.iter().zip(columns) {
            if input != 0.0 {
                for (sum, &weight) in sums.iter_mut().zip(column) {
                    *sum += weight * input;
                }
            }
        }
    }
}

impl Rate for ModelRate {
    type Row = ModelRow;

    fn signs(&self) -> &[Sign; FEATURE_COUNT] {
        &self.signs
    }

    fn gain(&self) -> Q16 {
        self.gain
    }

    fn row(&self, features: &Features) -> ModelRow {
        let mut rest = features.map(f64::from);
        rest[index::QUEUEING_EWMA] = 0.0;
        let mut first = self.layers[0].bias.clone();
        Self::add(&self.layers[0], &rest, &mut first);
        let skip = self.layers.last().map_or(0.0, |output| {
            output.skip.iter().zip(&rest).map(|(w, x)| w * x).sum()
        });
        ModelRow { first, skip }
    }

    fn at(&self, row: &ModelRow, average: i32) -> i32 {
        let average = f64::from(average);
        let (mut from, mut to) = ([0.0; MAX_WIDTH], [0.0; MAX_WIDTH]);
        let mut width = 0;
        for (number, layer) in self.layers.iter().enumerate() {
            let sums = &mut to[..layer.outputs];
            if number == 0 {
                sums.copy_from_slice(&row.first);
                let column = layer.weights.chunks_exact(layer.outputs);
                for weights in column.skip(index::QUEUEING_EWMA).take(1) {
                    for (sum, &weight) in sums.iter_mut().zip(weights) {
                        *sum += weight * average;
                    }
                }
            } else {
                sums.copy_from_slice(&layer.bias);
                Self::add(layer, &from[..width], sums);
            }
            if let Some(weight) = layer.skip.get(index::QUEUEING_EWMA) {
                sums[0] += row.skip + weight * average;
            }
            for (value, &sum) in from.iter_mut().zip(&*sums) {
                // Exact both ways: below 2⁵³ before the shift and within 32 bits after it.
                *value = ((sum as i64) >> layer.shift).max(0) as f64;
            }
            if number + 1 == self.layers.len() {
                return ((sums[0] as i64) >> layer.shift).clamp(-ONE, ONE) as i32;
            }
            width = layer.outputs;
        }
        0
    }
}

/// The layers by column; of the output layer the row of one head.
fn columns(network: &Network, head: usize) -> Vec<Columns> {
    let last = network.hidden_count();
    let layers = network.layers().iter().enumerate();
    let columns = layers.map(|(number, layer)| {
        let rows = if number == last {
            head..head + 1
        } else {
            0..layer.outputs
        };
        let hidden = layer.inputs
            - if number == last {
                network.skip_inputs()
            } else {
                0
            };
        let at = |row: usize, input: usize| layer.row(row)[input] as f64;
        Columns {
            outputs: rows.len(),
            shift: layer.shift,
            bias: rows.clone().map(|row| layer.bias[row] as f64).collect(),
            weights: (0..hidden)
                .flat_map(|input| rows.clone().map(move |row| at(row, input)))
                .collect(),
            skip: (hidden..layer.inputs)
                .map(|input| at(head, input))
                .collect(),
        }
    });
    columns.collect()
}

/// Bounds the sums of absolute products: below 2⁵³ every partial sum is exact in any order.
fn prove_exact(layers: &[Columns], table: &FeatureTable) -> Result<(), ClosedLoopError> {
    let most = |low: i32, high: i32| f64::from(low).abs().max(f64::from(high).abs());
    let features = table.features.iter();
    let features: Vec<f64> = features
        .map(|feature| most(feature.low.units(), feature.high.units()))
        .collect();
    let mut inputs = features.clone();
    for (number, layer) in layers.iter().enumerate() {
        let mut sums: Vec<f64> = layer.bias.iter().map(|bias| bias.abs()).collect();
        for (input, column) in inputs.iter().zip(layer.weights.chunks_exact(layer.outputs)) {
            for (sum, weight) in sums.iter_mut().zip(column) {
                *sum += weight.abs() * input;
            }
        }
        for (weight, feature) in layer.skip.iter().zip(&features) {
            sums[0] += weight.abs() * feature;
        }
        if sums.iter().any(|&sum| sum >= EXACT) {
            return Err(ClosedLoopError::Inexact { layer: number });
        }
        let scale = 1.0 / (1u64 << layer.shift) as f64;
        inputs = sums.iter().map(|sum| sum * scale + 1.0).collect();
    }
    Ok(())
}

/// 2⁵², half of what floats count exactly: the bounds above are rounded themselves.
const EXACT: f64 = (1u64 << 52) as f64;
