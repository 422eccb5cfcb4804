//! A feed-forward network in `f32`, as a chain of affine layers.

use crate::float::exact;
use crate::float::rounding::Rounding;

/// A network as affine layers, each followed by one activation per value.
///
/// Readers translate a file into this form; every bound, search and replay works on it. A graph
/// that is no chain becomes one by passing values on through rows of the identity, which are exact.
///
/// # Shapes
/// Layer `k` reads the values of layer `k − 1`; the first one reads the network's inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatNetwork {
    inputs: usize,
    layers: Vec<Layer>,
}

/// `v = activation(W·u + b)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Values read.
    pub inputs: usize,
    /// Values made.
    pub outputs: usize,
    /// Row-major, `[out, in]`; every entry is finite and exactly an `f32`.
    pub weights: Vec<f64>,
    /// `[out]`; every entry is finite and exactly an `f32`.
    pub bias: Vec<f64>,
    /// How an evaluation in `f32` may depart from the real value.
    pub rounding: Rounding,
    /// `[out]`.
    pub activations: Vec<Activation>,
}

/// What follows an affine row; each is evaluated without rounding but for the leaky slope's product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The value itself.
    Identity,
    /// max(z, 0).
    Relu,
    /// z where z ≥ 0, else slope·z; the slope lies in (0, 1).
    LeakyRelu(f64),
}

/// Why layers are not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A network needs a layer.
    #[error("a network needs at least one layer")]
    Empty,
    /// A layer reads another number of values than there are.
    #[error("layer {layer} reads {got} values, the layer before makes {expected}")]
    Inputs {
        /// The layer, counted from zero.
        layer: usize,
        /// Values made before.
        expected: usize,
        /// Values read.
        got: usize,
    },
    /// An array of a layer has a wrong length.
    #[error("layer {layer}: {field} has {got} entries, expected {expected}")]
    Length {
        /// The layer.
        layer: usize,
        /// `weights`, `bias` or `activations`.
        field: &'static str,
        /// Entries that the shape asks for.
        expected: usize,
        /// Entries there are.
        got: usize,
    },
    /// A number is infinite, not a number, or not an `f32`.
    #[error("layer {layer}: {field} {index} is not a finite f32")]
    Number {
        /// The layer.
        layer: usize,
        /// `weights`, `bias` or `slope`.
        field: &'static str,
        /// Position in the array.
        index: usize,
    },
    /// A slope outside (0, 1).
    #[error("layer {layer}: slope {index} of a leaky ReLU is not between 0 and 1")]
    Slope {
        /// The layer.
        layer: usize,
        /// The value.
        index: usize,
    },
}

impl FloatNetwork {
    /// Joins layers to a network.
    ///
    /// # Errors
    /// [`ShapeError`] where shapes do not meet or a number is not finite.
    pub fn new(inputs: usize, layers: Vec<Layer>) -> Result<Self, ShapeError> {
        if layers.is_empty() {
            return Err(ShapeError::Empty);
        }
        let mut expected = inputs;
        for (number, layer) in layers.iter().enumerate() {
            if layer.inputs != expected {
                let got = layer.inputs;
                return Err(ShapeError::Inputs {
                    layer: number,
                    expected,
                    got,
                });
            }
            layer.validate(number)?;
            expected = layer.outputs;
        }
        Ok(Self { inputs, layers })
    }

    /// Inputs read.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The concrete map: one evaluation in `f32`, every sum from left to right, the bias last.
    ///
    /// Other orders of summation give other results; [`Rounding`] bounds all of them. Layers that
    /// are [`Rounding::Exact`] do not round here either.
    pub fn forward(&self, inputs: &[f32]) -> Vec<f32> {
        if exact::is_needed(self)
            && let Some(values) = exact::forward(self, inputs)
        {
            return values;
        }
        let mut values = inputs.to_vec();
        for layer in &self.layers {
            values = layer.forward(&values);
        }
        values
    }
}

impl Layer {
    /// The weights of one row.
    pub fn row(&self, output: usize) -> &[f64] {
        &self.weights[output * self.inputs..(output + 1) * self.inputs]
    }

    fn forward(&self, values: &[f32]) -> Vec<f32> {
        let rows = (0..self.outputs).map(|output| self.row_forward(output, values));
        rows.collect()
    }

    /// One row with its activation in `f32`.
    pub(super) fn row_forward(&self, output: usize, values: &[f32]) -> f32 {
        let products = self
            .row(output)
            .iter()
            .zip(values)
            .filter(|&(&weight, _)| weight != 0.0)
            .map(|(&weight, &value)| weight as f32 * value);
        let sum = products.fold(0.0f32, |sum, product| sum + product);
        self.activations[output].concrete(sum + self.bias[output] as f32)
    }

    fn validate(&self, layer: usize) -> Result<(), ShapeError> {
        let lengths = [
            ("weights", self.inputs * self.outputs, self.weights.len()),
            ("bias", self.outputs, self.bias.len()),
            ("activations", self.outputs, self.activations.len()),
        ];
        for (field, expected, got) in lengths {
            if expected != got {
                return Err(ShapeError::Length {
                    layer,
                    field,
                    expected,
                    got,
                });
            }
        }
        for (field, numbers) in [("weights", &self.weights), ("bias", &self.bias)] {
            if let Some(index) = numbers.iter().position(|&number| !is_single(number)) {
                return Err(ShapeError::Number {
                    layer,
                    field,
                    index,
                });
            }
        }
        for (index, activation) in self.activations.iter().enumerate() {
            if let Activation::LeakyRelu(slope) = *activation {
                if !is_single(slope) {
                    return Err(ShapeError::Number {
                        layer,
                        field: "slope",
                        index,
                    });
                }
                if slope <= 0.0 || slope >= 1.0 {
                    return Err(ShapeError::Slope { layer, index });
                }
            }
        }
        Ok(())
    }
}

impl Activation {
    /// The concrete map.
    pub fn concrete(self, value: f32) -> f32 {
        match self {
            Self::Relu => value.max(0.0),
            Self::LeakyRelu(slope) if value < 0.0 => slope as f32 * value,
            Self::Identity | Self::LeakyRelu(_) => value,
        }
    }

    /// Slope where the value is negative; on the other side it is one.
    pub const fn negative_slope(self) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => 0.0,
            Self::LeakyRelu(slope) => slope,
        }
    }
}

fn is_single(number: f64) -> bool {
    number.is_finite() && f64::from(number as f32) == number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(weights: Vec<f64>, bias: Vec<f64>, activation: Activation) -> Layer {
        let outputs = bias.len();
        Layer {
            inputs: weights.len() / outputs,
            outputs,
            weights,
            bias,
            rounding: Rounding::AnyOrder,
            activations: vec![activation; outputs],
        }
    }

    #[test]
    fn a_network_computes_layer_by_layer() {
        let layers = vec![
            layer(vec![1.0, -2.0, 0.5, 1.0], vec![0.0, 1.0], Activation::Relu),
            layer(vec![3.0, -1.0], vec![0.25], Activation::LeakyRelu(0.5)),
        ];
        let network = FloatNetwork::new(2, layers).unwrap();
        assert_eq!(network.forward(&[4.0, 1.0]), [3.0 * 2.0 - 4.0 + 0.25]);
        assert_eq!(network.forward(&[0.0, 1.0]), [-0.875]);
    }

    #[test]
    fn wrong_shapes_and_numbers_are_refused() {
        let good = layer(vec![1.0, 2.0], vec![0.0], Activation::Relu);
        let fails = |inputs, change: &dyn Fn(&mut Layer)| {
            let mut layer = good.clone();
            change(&mut layer);
            FloatNetwork::new(inputs, vec![layer]).unwrap_err()
        };
        let (expected, got) = (3, 2);
        assert_eq!(
            fails(3, &|_| ()),
            ShapeError::Inputs {
                layer: 0,
                expected,
                got
            }
        );
        let number = |field| ShapeError::Number {
            layer: 0,
            field,
            index: 0,
        };
        assert_eq!(fails(2, &|l| l.weights[0] = 0.1), number("weights"));
        assert_eq!(fails(2, &|l| l.bias[0] = f64::NAN), number("bias"));
        assert_eq!(
            fails(2, &|l| l.activations[0] = Activation::LeakyRelu(1.0)),
            ShapeError::Slope { layer: 0, index: 0 }
        );
        assert_eq!(FloatNetwork::new(2, vec![]), Err(ShapeError::Empty));
    }
}
