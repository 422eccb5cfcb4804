//! The deployed network: an integer program with fixed shapes, proven once at load.
//!
//! Hidden layers are affine maps followed by ReLU; the output layer reads the last hidden layer
//! and, with a linear skip, the features as well, and clamps every head to [−1, 1]. Each row of
//! parameters ends with its bias, which multiplies the constant one. With `w` in `i16`, inputs in
//! units of 2⁻¹⁶ and a shift `s` per layer, a neuron is
//!
//! `z = ⌊(Σ w·x + w_bias·2¹⁶) / 2ˢ⌋`.
//!
//! Everything is piecewise linear, so there is one answer on every machine.

mod digest;
mod format;
mod header;
mod infer;

pub use digest::Digest;
pub use format::{Parameters, decode, encode, encoded_len};
pub use header::{Cadence, Head, HeadKind, Hidden, ModelHeader, Skip};
pub use infer::Scratch;

use crate::features::{FeatureTable, MAX_INPUTS};

/// Hidden layers that a model may have.
pub const MAX_HIDDEN_LAYERS: usize = 4;
/// Units that a hidden layer may have.
pub const MAX_WIDTH: usize = 128;
/// Heads that a model may have.
pub const MAX_HEADS: usize = 4;
/// Largest shift of a layer.
pub const MAX_SHIFT: u8 = 24;

/// Why a model was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file does not start with the magic bytes of a model.
    #[error("not a model file: it starts with {got:02x?}, a .tlm starts with {expected:02x?}")]
    Magic {
        /// The magic bytes.
        expected: [u8; 4],
        /// What the file starts with, zero-padded.
        got: [u8; 4],
    },
    /// The format version is not the one this program reads.
    #[error("model format version {got}, this program reads version {expected}")]
    Version {
        /// The version read.
        expected: u16,
        /// The file's version.
        got: u16,
    },
    /// The file is shorter or longer than its header says.
    #[error("model file has {got} bytes, its header describes {expected}")]
    Length {
        /// Bytes that the header describes, or at least needs.
        expected: usize,
        /// Bytes there are.
        got: usize,
    },
    /// The content does not match the digest at the end of the file.
    #[error("model is corrupt: its content has digest {got}, the file says {expected}")]
    Corrupt {
        /// The digest in the file.
        expected: Digest,
        /// The digest of the content.
        got: Digest,
    },
    /// The feature table is not one that this program knows.
    #[error("model was made for feature table {got}, which this program does not know")]
    UnknownFeatureTable {
        /// The model's table version.
        got: u16,
    },
    /// The model must read exactly the features of its table.
    #[error("model has {got} inputs, its feature table has {expected}")]
    Inputs {
        /// Features of the table.
        expected: usize,
        /// Inputs of the model.
        got: usize,
    },
    /// A header field is outside its range.
    #[error("model header field {field} is {got}, expected {low} to {high}")]
    Field {
        /// The field.
        field: &'static str,
        /// Smallest value allowed.
        low: i64,
        /// Largest value allowed.
        high: i64,
        /// The value there is.
        got: i64,
    },
    /// Two heads drive the same action.
    #[error("model has two {kind:?} heads, an action has at most one")]
    DuplicateHead {
        /// The action.
        kind: HeadKind,
    },
    /// The number of parameters is not what the shapes need.
    #[error("model has {got} parameters, its shapes need {expected}")]
    ParameterCount {
        /// Parameters that the shapes need.
        expected: usize,
        /// Parameters there are.
        got: usize,
    },
    /// A neuron could leave the scalar format for some input in range.
    #[error("layer {layer}, neuron {neuron} can reach {bound} units, beyond 32 bits")]
    Overflow {
        /// Layer, counted from zero, the output layer last.
        layer: usize,
        /// Neuron in that layer.
        neuron: usize,
        /// The bound that does not fit.
        bound: i64,
    },
}

/// A loaded model: borrowed or shared parameters whose shapes and ranges are proven.
///
/// `S` is `&'static [i16]` in embedded use and `Arc<[i16]>` on servers.
#[derive(Clone, Debug)]
pub struct Policy<S> {
    header: ModelHeader,
    parameters: S,
    digest: Digest,
}

impl<S: AsRef<[i16]>> Policy<S> {
    /// Proves the shapes and that no neuron can overflow for inputs in the table's ranges.
    ///
    /// # Errors
    /// Any [`ModelError`] about shapes, fields, parameter count or overflow.
    pub fn new(header: ModelHeader, parameters: S) -> Result<Self, ModelError> {
        header.check()?;
        let values = parameters.as_ref();
        if values.len() != header.parameter_count() {
            return Err(ModelError::ParameterCount {
                expected: header.parameter_count(),
                got: values.len(),
            });
        }
        infer::prove_no_overflow(&header, values)?;
        let digest = format::digest(&header, values);
        Ok(Self {
            header,
            parameters,
            digest,
        })
    }

    /// Shapes, table, gains and heads.
    pub const fn header(&self) -> &ModelHeader {
        &self.header
    }

    /// All parameters: layer by layer, row by row, each row ending with its bias.
    pub fn parameters(&self) -> &[i16] {
        self.parameters.as_ref()
    }

    /// Digest of the canonical encoding.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The feature table that the inputs follow.
    pub fn table(&self) -> &'static FeatureTable {
        self.header.table()
    }

    /// Evaluates the network.
    ///
    /// # Units
    /// `features` are units of 2⁻¹⁶ within the table's ranges, in table order; missing ones count
    /// as zero. Returns the heads in the header's order, each in [−2¹⁶, 2¹⁶]; unused places are
    /// zero.
    pub fn forward(&self, features: &[i32], scratch: &mut Scratch) -> [i32; MAX_HEADS] {
        infer::forward(&self.header, self.parameters.as_ref(), features, scratch)
    }
}

/// One affine layer of a model, as a place in its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Inputs without the bias.
    pub inputs: usize,
    /// Neurons.
    pub outputs: usize,
    /// The rescale: sums are shifted right by this.
    pub shift: u8,
    /// Index of the first parameter.
    pub offset: usize,
}

impl LayerShape {
    /// Parameters of one neuron: its inputs and its bias.
    pub const fn row_len(&self) -> usize {
        self.inputs.saturating_add(1)
    }

    /// Parameters of the layer.
    pub const fn parameter_count(&self) -> usize {
        self.outputs.saturating_mul(self.row_len())
    }

    /// The layer's rows within `parameters`.
    pub fn rows<'a>(&self, parameters: &'a [i16]) -> impl Iterator<Item = &'a [i16]> + use<'a> {
        let end = self.offset.saturating_add(self.parameter_count());
        parameters
            .get(self.offset..end)
            .unwrap_or_default()
            .chunks_exact(self.row_len())
    }
}

/// Values that the output layer may read at once.
const MAX_ROW: usize = MAX_WIDTH + MAX_INPUTS;

#[cfg(test)]
mod tests;
