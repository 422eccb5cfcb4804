//! The published actors of Orca and Astraea as layers, read from their exported weights.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use tautline_abstract_interp::float::network::{Activation, Layer};
use tautline_abstract_interp::float::rounding::Rounding;

/// A published actor: features of one step, steps of history, and its layers up to the value
/// before the final tanh, which is monotone.
pub(crate) struct Actor {
    pub(crate) name: &'static str,
    /// Features of a step.
    pub(crate) features: usize,
    /// Steps that it reads, the newest last.
    pub(crate) steps: usize,
    pub(crate) layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Entry {
    file: String,
    dtype: String,
    shape: Vec<usize>,
}

/// Weights of one folder, by their TensorFlow names.
struct Weights<'a> {
    folder: &'a Path,
    entries: BTreeMap<String, Entry>,
}

/// Reads Orca's actor: 70-256-256-1, batch norm after both hidden layers.
///
/// # Source
/// Abbasloo et al., "Classic meets modern", SIGCOMM 2020; weights of Soheil-ab/Orca.
pub(crate) fn orca(folder: &Path) -> anyhow::Result<Actor> {
    let weights = Weights::open(folder)?;
    Ok(Actor {
        name: "Orca",
        features: 7,
        steps: 10,
        layers: vec![
            weights.hidden("fc1", "batch_normalization")?,
            weights.hidden("fc2", "batch_normalization_1")?,
            weights.output("dense")?,
        ],
    })
}

/// Reads Astraea's actor: 50-256-128-64-1, batch norm after every hidden layer.
///
/// # Source
/// Liao et al., "Astraea", EuroSys 2024; weights of astraea-open-source.
pub(crate) fn astraea(folder: &Path) -> anyhow::Result<Actor> {
    let weights = Weights::open(folder)?;
    Ok(Actor {
        name: "Astraea",
        features: 10,
        steps: 5,
        layers: vec![
            weights.hidden("fc1", "batch_normalization")?,
            weights.hidden("fc2", "batch_normalization_1")?,
            weights.hidden("fc3", "batch_normalization_2")?,
            weights.output("dense")?,
        ],
    })
}

impl<'a> Weights<'a> {
    fn open(folder: &'a Path) -> anyhow::Result<Self> {
        let path = folder.join("manifest.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let entries = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no manifest of tensors", path.display()))?;
        Ok(Self { folder, entries })
    }

    /// A tensor of the actor: its shape and numbers.
    fn tensor(&self, name: &str) -> anyhow::Result<(&[usize], Vec<f64>)> {
        let name = format!("actor/{name}");
        let entry = self
            .entries
            .get(&name)
            .with_context(|| format!("the manifest lacks {name}"))?;
        ensure!(entry.dtype == "f32le", "{name} has type {}", entry.dtype);
        let path = self.folder.join(&entry.file);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let expected = entry.shape.iter().product::<usize>() * size_of::<f32>();
        if bytes.len() != expected {
            let got = bytes.len();
            bail!(
                "{} has {got} bytes, its shape needs {expected}",
                path.display()
            );
        }
        let numbers = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&four| f64::from(f32::from_le_bytes(four)));
        Ok((&entry.shape, numbers.collect()))
    }

    /// A dense layer with its batch norm folded into weights and bias, which are rounded to `f32`,
    /// and the leaky ReLU of TensorFlow's default slope.
    fn hidden(&self, dense: &str, norm: &str) -> anyhow::Result<Layer> {
        let mut layer = self.dense(dense)?;
        let (_, mean) = self.tensor(&format!("{norm}/moving_mean"))?;
        let (_, variance) = self.tensor(&format!("{norm}/moving_variance"))?;
        let (_, beta) = self.tensor(&format!("{norm}/beta"))?;
        for output in 0..layer.outputs {
            let scale = 1.0 / (variance[output] + NORM_EPSILON).sqrt();
            let row = output * layer.inputs..(output + 1) * layer.inputs;
            for weight in &mut layer.weights[row] {
                *weight = single(*weight * scale);
            }
            layer.bias[output] = single((layer.bias[output] - mean[output]) * scale + beta[output]);
        }
        layer.activations = vec![Activation::LeakyRelu(single(LEAK)); layer.outputs];
        Ok(layer)
    }

    fn output(&self, dense: &str) -> anyhow::Result<Layer> {
        self.dense(dense)
    }

    /// TensorFlow keeps `[in, out]`; a [`Layer`] wants `[out, in]`.
    fn dense(&self, name: &str) -> anyhow::Result<Layer> {
        let (shape, kernel) = self.tensor(&format!("{name}/kernel"))?;
        let &[inputs, outputs] = shape else {
            bail!("{name}/kernel has {} dimensions, not two", shape.len());
        };
        let (_, bias) = self.tensor(&format!("{name}/bias"))?;
        let weights = (0..outputs)
            .flat_map(|output| kernel.iter().skip(output).step_by(outputs))
            .copied();
        Ok(Layer {
            inputs,
            outputs,
            weights: weights.collect(),
            bias,
            rounding: Rounding::AnyOrder,
            activations: vec![Activation::Identity; outputs],
        })
    }
}

/// The nearest `f32`.
pub(crate) fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// TensorFlow's default in `batch_normalization`.
const NORM_EPSILON: f64 = 1e-3;
/// TensorFlow's default slope of `leaky_relu`.
const LEAK: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The actor as TensorFlow computes it, batch norm apart from the dense layers, in `f64`.
    fn unfolded(weights: &Weights<'_>, pairs: &[(&str, &str)], input: &[f64]) -> f64 {
        let mut values = input.to_vec();
        for (dense, norm) in pairs {
            let [mean, variance, beta] = ["moving_mean", "moving_variance", "beta"]
                .map(|part| weights.tensor(&format!("{norm}/{part}")).unwrap().1);
            let sums = apply(&weights.dense(dense).unwrap(), &values);
            values = (0..sums.len())
                .map(|n| (sums[n] - mean[n]) / (variance[n] + 0.001).sqrt() + beta[n])
                .map(|value| if value < 0.0 { 0.2 * value } else { value })
                .collect();
        }
        apply(&weights.dense("dense").unwrap(), &values)[0]
    }

    fn apply(layer: &Layer, values: &[f64]) -> Vec<f64> {
        let sum = |n: usize| {
            layer
                .row(n)
                .iter()
                .zip(values)
                .map(|(w, x)| w * x)
                .sum::<f64>()
        };
        (0..layer.outputs).map(|n| sum(n) + layer.bias[n]).collect()
    }

    #[test]
    fn folded_actors_compute_what_the_published_ones_do() {
        let models = crate::published();
        if !models.is_dir() {
            println!("skipped: no weights in {}", models.display());
            return;
        }
        let one = ("fc1", "batch_normalization");
        let two = ("fc2", "batch_normalization_1");
        let three = ("fc3", "batch_normalization_2");
        let orca_states = crate::state::orca(5, 20);
        let astraea_states = crate::state::astraea(5, 20);
        for (actor, folder, pairs, states) in [
            (
                orca(&models.join("orca")),
                "orca",
                vec![one, two],
                orca_states,
            ),
            (
                astraea(&models.join("astraea")),
                "astraea",
                vec![one, two, three],
                astraea_states,
            ),
        ] {
            let (actor, folder) = (actor.unwrap(), models.join(folder));
            let weights = Weights::open(&folder).unwrap();
            for state in &states {
                let network = crate::state::network(&actor, state, 1, &[]).unwrap();
                let folded = f64::from(network.forward(&[0.5])[0]);
                let expected = unfolded(&weights, &pairs, &state.step.repeat(actor.steps));
                let error = (folded - expected).abs();
                assert!(
                    error < 1e-3 * expected.abs().max(1.0),
                    "{folded} {expected}"
                );
            }
        }
    }
}
