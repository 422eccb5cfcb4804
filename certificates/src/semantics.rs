//! The checker's own meaning of a model: an exact integer program, read from the file's bytes.
//!
//! Nothing here calls the deployed forward pass; the two are compared by tests only. A neuron is
//! `z = ⌊(Σ w·h + bias·2¹⁶) / 2ˢ⌋`, a hidden activation `h = max(z, 0)`, a head
//! `a = min(max(y, −2¹⁶), 2¹⁶)`.
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
    hidden: Vec<Layer>,
    output: Layer,
    skip: Skip,
    head_ranges: Vec<(i64, i64)>,
}

/// An affine map with its rescale.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    rows: Vec<i16>,
    row_len: usize,
    shift: u32,
    column_sum: i64,
}

impl Layer {
    fn new(rows: Vec<i16>, row_len: usize, shift: u8) -> Self {
        let mut sums = vec![0i64; row_len];
        for row in rows.chunks_exact(row_len) {
            for (sum, &weight) in sums.iter_mut().zip(row) {
                *sum += i64::from(weight).abs();
            }
        }
        Self {
            rows,
            row_len,
            shift: u32::from(shift),
            column_sum: sums.into_iter().max().unwrap_or(0),
        }
    }

    /// The rows, one per neuron, each ending with its bias.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &[i16]> {
        self.rows.chunks_exact(self.row_len)
    }

    /// The row of a neuron.
    pub(crate) fn row(&self, neuron: usize) -> &[i16] {
        let start = neuron.saturating_mul(self.row_len);
        self.rows
            .get(start..start.saturating_add(self.row_len))
            .unwrap_or_default()
    }

    /// Neurons.
    pub(crate) fn outputs(&self) -> usize {
        self.rows().len()
    }

    /// Weights of a row, with the bias.
    pub(crate) const fn row_len(&self) -> usize {
        self.row_len
    }

    /// The rescale's shift.
    pub(crate) const fn shift(&self) -> u32 {
        self.shift
    }

    /// The largest Σ |w| of a column.
    pub(crate) const fn column_sum(&self) -> i64 {
        self.column_sum
    }

    /// Bounds of every neuron for values within `low` and `high`; attained, since each neuron is
    /// monotone in every input and flooring is monotone.
    pub(crate) fn interval(
        &self,
        low: &[i64],
        high: &[i64],
        to_low: &mut [i64],
        to_high: &mut [i64],
    ) {
        for ((row, to_low), to_high) in self.rows().zip(to_low).zip(to_high) {
            let (mut from, mut to) = (0i64, 0i64);
            for ((&weight, &low), &high) in row.iter().zip(low).zip(high) {
                let weight = i64::from(weight);
                let (rising, falling) = (weight.max(0), weight.min(0));
                from += rising * low + falling * high;
                to += rising * high + falling * low;
            }
            let bias = row.last().map_or(0, |&bias| i64::from(bias) * ONE);
            *to_low = (from + bias) >> self.shift;
            *to_high = (to + bias) >> self.shift;
        }
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
        Self::new(&header, &parameters, digest)
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

    fn new(header: &ModelHeader, parameters: &[i16], digest: Digest) -> Result<Self, ModelError> {
        let mut layers: Vec<Layer> = header
            .layers()
            .map(|shape| {
                let end = shape.offset.saturating_add(shape.parameter_count());
                let rows = parameters.get(shape.offset..end).unwrap_or_default();
                Layer::new(rows.to_vec(), shape.row_len(), shape.shift)
            })
            .collect();
        let output = layers.pop().ok_or(ModelError::ParameterCount {
            expected: 1,
            got: 0,
        })?;
        let mut program = Self {
            digest,
            table: header.table(),
            heads: header.head_list().iter().map(|head| head.kind).collect(),
            hidden: layers,
            output,
            skip: header.skip,
            head_ranges: vec![],
        };
        program.head_ranges = program.prove_no_overflow()?;
        Ok(program)
    }

    /// Shows by interval propagation over the table's ranges that every neuron fits 32 bits;
    /// returns the ranges of the heads before the clamp.
    fn prove_no_overflow(&self) -> Result<Vec<(i64, i64)>, ModelError> {
        let features = self.table.features.iter();
        let (low, high): (Vec<i64>, Vec<i64>) = features
            .map(|f| (i64::from(f.low.units()), i64::from(f.high.units())))
            .unzip();
        let fits = |layer: usize, (low, high): &(Vec<i64>, Vec<i64>)| {
            let bad = |bound: &i64| i32::try_from(*bound).is_err();
            for (neuron, (low, high)) in low.iter().zip(high).enumerate() {
                if let Some(&bound) = [low, high].into_iter().find(|&bound| bad(bound)) {
                    return Err(ModelError::Overflow {
                        layer,
                        neuron,
                        bound,
                    });
                }
            }
            Ok(())
        };
        let mut state = (low.clone(), high.clone());
        for (number, layer) in self.hidden.iter().enumerate() {
            let mut next = (vec![0; layer.outputs()], vec![0; layer.outputs()]);
            layer.interval(&state.0, &state.1, &mut next.0, &mut next.1);
            fits(number, &next)?;
            let relu = |value: &mut i64| *value = (*value).max(0);
            next.0.iter_mut().for_each(relu);
            next.1.iter_mut().for_each(relu);
            state = next;
        }
        if self.skip == Skip::Linear {
            state.0.extend(&low);
            state.1.extend(&high);
        }
        let mut heads = (vec![0; self.heads.len()], vec![0; self.heads.len()]);
        self.output
            .interval(&state.0, &state.1, &mut heads.0, &mut heads.1);
        fits(self.hidden.len(), &heads)?;
        Ok(heads.0.into_iter().zip(heads.1).collect())
    }

    /// Evaluates the program exactly.
    ///
    /// # Units
    /// `features` in units of 2⁻¹⁶ within the table's ranges, in table order. Returns the heads in
    /// the model's order.
    pub fn evaluate(&self, features: &[i32]) -> Vec<i64> {
        let inputs: Vec<i64> = features.iter().copied().map(i64::from).collect();
        let mut values = inputs.clone();
        for layer in &self.hidden {
            values = affine(layer, &values).map(|z| z.max(0)).collect();
        }
        if self.skip == Skip::Linear {
            values.extend(inputs);
        }
        affine(&self.output, &values)
            .map(|y| y.clamp(-ONE, ONE))
            .collect()
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
        range.is_none_or(|&(low, high)| low.clamp(-ONE, ONE) == high.clamp(-ONE, ONE))
    }

    /// Neurons over all hidden layers.
    pub fn hidden_neurons(&self) -> usize {
        self.hidden.iter().map(Layer::outputs).sum()
    }

    pub(crate) fn hidden(&self) -> &[Layer] {
        &self.hidden
    }

    pub(crate) const fn output(&self) -> &Layer {
        &self.output
    }

    pub(crate) const fn skip(&self) -> Skip {
        self.skip
    }
}

fn affine<'a>(layer: &'a Layer, values: &'a [i64]) -> impl Iterator<Item = i64> + 'a {
    layer.rows().map(move |row| {
        let products = row.iter().zip(values).map(|(&w, &x)| i64::from(w) * x);
        let bias = row.last().map_or(0, |&bias| i64::from(bias) * ONE);
        (products.sum::<i64>() + bias) >> layer.shift
    })
}
