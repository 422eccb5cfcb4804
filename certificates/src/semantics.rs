//! The checker's own meaning of a model: an exact integer program, read from the file's bytes.
//!
//! Nothing here calls the deployed forward pass; the two are compared by tests only. A neuron is
//! `z = ⌊(Σ w·h + bias·2¹⁶) / 2ˢ⌋`, a hidden activation `h = max(z, 0)`, a head
//! `a = min(max(y, −2¹⁶), 2¹⁶)`. All of it is written once, for ranges of values: every neuron is
//! monotone in each of its inputs, so its range is attained, and a value is a range of one point.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "rows have at most 161 weights below 2^15 and values that Program::new has shown to \
              fit 32 bits, so a sum stays below 2^54 in 64 bits"
)]

use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{self, Digest, HeadKind, ModelError, ModelHeader, Policy, Skip};

/// One, in units of 2⁻¹⁶.
pub(crate) const ONE: i64 = 1 << Q16::FRACTION_BITS;

/// A model as the checker understands it.
#[derive(Clone, Debug)]
pub struct Program {
    digest: Digest,
    table: &'static FeatureTable,
    heads: Vec<HeadKind>,
    layers: Vec<Layer>,
    skip: Skip,
    step_gain: i32,
    head_ranges: Vec<Range>,
}

/// An affine map with its rescale.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    rows: Vec<i16>,
    /// Weights of a row, with the bias.
    pub(crate) row_len: usize,
    /// The rescale's shift.
    pub(crate) shift: u32,
    /// The largest Σ |w| of a column.
    pub(crate) column_sum: i64,
}

/// Inclusive integer bounds of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Range {
    /// From two values in units of 2⁻¹⁶.
    pub(crate) fn new((low, high): (i32, i32)) -> Self {
        let (low, high) = (i64::from(low), i64::from(high));
        Self { low, high }
    }

    /// Both ends mapped by a function that never falls.
    pub(crate) fn map(self, map: impl Fn(i64) -> i64) -> Self {
        let (low, high) = (map(self.low), map(self.high));
        Self { low, high }
    }

    /// The range of the negated value.
    pub(crate) const fn negated(self) -> Self {
        let (low, high) = (self.high.saturating_neg(), self.low.saturating_neg());
        Self { low, high }
    }

    /// What both ranges allow.
    pub(crate) fn meet(self, other: Self) -> Self {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        Self { low, high }
    }

    /// True if no integer is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.low > self.high
    }
}

impl Layer {
    fn new(rows: &[i16], row_len: usize, shift: u8) -> Self {
        let column = |at: usize| {
            let weights = rows.iter().skip(at).step_by(row_len);
            weights.map(|&weight| i64::from(weight).abs()).sum()
        };
        let column_sum = (0..row_len).map(column).max();
        Self {
            rows: rows.to_vec(),
            row_len,
            shift: u32::from(shift),
            column_sum: column_sum.unwrap_or(0),
        }
    }

    /// The rows, one per neuron, each ending with its bias.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &[i16]> {
        self.rows.chunks_exact(self.row_len)
    }

    /// Range of the neuron with a row, from the ranges of what it reads.
    fn range(&self, row: &[i16], reads: &[Range]) -> Range {
        let bias = row.last().map_or(0, |&bias| i64::from(bias) * ONE);
        let mut sum = Range {
            low: bias,
            high: bias,
        };
        for (&weight, read) in row.iter().zip(reads) {
            let weight = i64::from(weight);
            let (rising, falling) = (weight.max(0), weight.min(0));
            sum.low += rising * read.low + falling * read.high;
            sum.high += rising * read.high + falling * read.low;
        }
        sum.map(|value| value >> self.shift)
    }
}

impl Program {
    /// Reads a `.tlm` file.
    ///
    /// # Errors
    /// [`ModelError`] about the format, or a neuron that could leave 32 bits.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let (header, parameters) = policy::decode(bytes)?;
        let parameters: Vec<i16> = parameters.iter().collect();
        // The digest that names the model is the file's last field, which decoding has checked.
        let end = bytes.len().saturating_sub(Digest::LEN);
        let digest = Digest::of(bytes.get(..end).unwrap_or_default());
        Self::new(&header, header.table(), &parameters, digest)
    }

    /// The program of a loaded policy.
    ///
    /// # Errors
    /// As [`Program::decode`].
    pub fn from_policy<S: AsRef<[i16]>>(policy: &Policy<S>) -> Result<Self, ModelError> {
        // The digest must be that of the very parameters judged here, whatever `S` answers when
        // it is asked again; so the program is that of the file which these parameters make.
        let mut file = vec![];
        policy::encode(policy.header(), policy.parameters(), |piece| {
            file.extend_from_slice(piece);
        });
        Self::decode(&file)
    }

    /// A program over any table of features, under any digest: for measurements, and for networks
    /// that are no models. The checker makes a certificate only of a model that it has read itself,
    /// so nothing can be deployed on what is shown about this one.
    ///
    /// # Errors
    /// [`ModelError`] about a header that no model over this table can have, the number of
    /// parameters, or a neuron that could leave 32 bits.
    pub fn new(
        header: &ModelHeader,
        table: &'static FeatureTable,
        parameters: &[i16],
        digest: Digest,
    ) -> Result<Self, ModelError> {
        header.check_over(table)?;
        let (expected, got) = (header.parameter_count(), parameters.len());
        let wrong = ModelError::ParameterCount { expected, got };
        if expected != got {
            return Err(wrong);
        }
        let layers = header.layers().map(|shape| {
            let end = shape.offset.saturating_add(shape.parameter_count());
            let rows = parameters.get(shape.offset..end).ok_or(wrong)?;
            Ok(Layer::new(rows, shape.row_len(), shape.shift))
        });
        let mut program = Self {
            digest,
            table,
            heads: header.head_list().iter().map(|head| head.kind).collect(),
            layers: layers.collect::<Result<_, ModelError>>()?,
            skip: header.skip,
            step_gain: header.step_gain.units(),
            head_ranges: vec![],
        };
        program.head_ranges = program.prove_no_overflow()?;
        Ok(program)
    }

    /// Shows that every neuron fits 32 bits over the table's ranges, layer by layer: what one
    /// reads must have been shown to fit. Returns the ranges of the heads before the clamp.
    fn prove_no_overflow(&self) -> Result<Vec<Range>, ModelError> {
        let features = self.table.features.iter();
        let ends = features.map(|f| (f.low.units(), f.high.units()));
        let input: Vec<Range> = ends.map(Range::new).collect();
        let mut values = vec![];
        for layer in 0..self.layers.len() {
            values.push(self.next_layer(&input, &values));
            for (neuron, range) in values.last().into_iter().flatten().enumerate() {
                let mut ends = [range.low, range.high].into_iter();
                if let Some(bound) = ends.find(|&end| i32::try_from(end).is_err()) {
                    return Err(ModelError::Overflow {
                        layer,
                        neuron,
                        bound,
                    });
                }
            }
        }
        Ok(values.pop().unwrap_or_default())
    }

    /// Ranges of the values of every layer by interval propagation, before ReLU and clamp.
    pub(crate) fn intervals(&self, input: &[Range]) -> Vec<Vec<Range>> {
        let mut values = vec![];
        for _ in &self.layers {
            values.push(self.next_layer(input, &values));
        }
        values
    }

    /// Ranges of the values of the layer after those in `before`. It reads the features, or the
    /// activations of the last one; the output layer of a model with a skip reads features again.
    pub(crate) fn next_layer(&self, input: &[Range], before: &[Vec<Range>]) -> Vec<Range> {
        let relu = |range: &Range| range.map(|z| z.max(0));
        let activations = before.last().map(|z| z.iter().map(relu).collect());
        let mut reads = activations.unwrap_or_else(|| input.to_vec());
        if self.reads_features_again(before.len()) {
            reads.extend(input);
        }
        let layer = self.layers.get(before.len()).into_iter();
        layer
            .flat_map(|layer| layer.rows().map(|row| layer.range(row, &reads)))
            .collect()
    }

    /// G, by which the rate head is multiplied to a step of the log window, in units of 2⁻¹⁶.
    pub const fn step_gain(&self) -> i32 {
        self.step_gain
    }

    /// Evaluates the program exactly.
    ///
    /// # Units
    /// `features` in units of 2⁻¹⁶ within the table's ranges, in table order. Returns the heads in
    /// the model's order.
    pub fn evaluate(&self, features: &[i32]) -> Vec<i64> {
        let point = features.iter().map(|&value| Range::new((value, value)));
        let values = self.intervals(&point.collect::<Vec<_>>());
        let heads = values.last().into_iter().flatten();
        heads.map(|y| y.low.clamp(-ONE, ONE)).collect()
    }

    /// Digest of the model's canonical encoding.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The feature table that the inputs follow.
    pub const fn table(&self) -> &'static FeatureTable {
        self.table
    }

    /// The heads, in the order of the outputs.
    pub fn heads(&self) -> &[HeadKind] {
        &self.heads
    }

    /// True if a head cannot move anywhere in the table's ranges, as intervals show: such a head
    /// is absent in all but name.
    pub fn is_constant(&self, head: usize) -> bool {
        let range = self.head_ranges.get(head);
        range.is_none_or(|range| range.low.clamp(-ONE, ONE) == range.high.clamp(-ONE, ONE))
    }

    /// Neurons over all hidden layers.
    pub fn hidden_neurons(&self) -> usize {
        self.hidden().iter().map(|layer| layer.rows().len()).sum()
    }

    /// All layers, the output layer last.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layers with a ReLU.
    pub(crate) fn hidden(&self) -> &[Layer] {
        self.layers.split_last().map_or(&[], |(_, hidden)| hidden)
    }

    /// True of an output layer that reads the features after the last hidden layer.
    pub(crate) fn reads_features_again(&self, layer: usize) -> bool {
        layer == self.hidden().len() && self.skip == Skip::Linear
    }
}
