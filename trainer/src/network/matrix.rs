//! Dense products with a fixed order of summation.
//!
//! A general matrix library picks its kernel by what the processor offers, so its last bits differ
//! between machines. These loops add in one order everywhere.

/// A matrix with one row per value and one column per sample.
///
/// Rows are padded with zeros to a multiple of the lanes that the products work on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    rows: usize,
    columns: usize,
    stride: usize,
    data: Vec<f64>,
}

impl Matrix {
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        let stride = columns.div_ceil(LANES) * LANES;
        Self {
            rows,
            columns,
            stride,
            data: vec![0.0; rows * stride],
        }
    }

    /// One column per sample.
    pub(crate) fn from_samples<const N: usize>(samples: &[[f64; N]]) -> Self {
        let mut matrix = Self::zeros(N, samples.len());
        for (column, sample) in samples.iter().enumerate() {
            for (row, &value) in sample.iter().enumerate() {
                matrix.set(row, column, value);
            }
        }
        matrix
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) const fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        self.data[row * self.stride + column]
    }

    pub(crate) fn set(&mut self, row: usize, column: usize, value: f64) {
        self.data[row * self.stride + column] = value;
    }

    /// A row without its padding.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.stride..][..self.columns]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.data[row * self.stride..][..self.columns]
    }

    fn chunk(&self, row: usize, start: usize) -> &[f64] {
        &self.data[row * self.stride + start..][..LANES]
    }

    /// Applies `map` to every value, in place; padding becomes zero.
    pub(crate) fn apply(&mut self, map: impl Fn(f64) -> f64) {
        for row in 0..self.rows {
            for value in self.row_mut(row) {
                *value = map(*value);
            }
        }
    }

    /// Combines with the first rows of `other` value by value, in place.
    pub(crate) fn zip_apply_first_rows(&mut self, other: &Self, map: impl Fn(f64, f64) -> f64) {
        for row in 0..self.rows {
            for (value, &with) in self.row_mut(row).iter_mut().zip(other.row(row)) {
                *value = map(*value, with);
            }
        }
    }

    /// The rows of `self`, then those of `below`.
    pub(crate) fn stacked(&self, below: &Self) -> Self {
        let mut data = self.data.clone();
        data.extend_from_slice(&below.data);
        Self {
            rows: self.rows + below.rows,
            columns: self.columns,
            stride: self.stride,
            data,
        }
    }
}

/// `weights · inputs + bias`; `weights` is row by row, each row ending with its bias.
pub(crate) fn affine(weights: &[f64], inputs: &Matrix, outputs: usize) -> Matrix {
    let width = inputs.rows() + 1;
    let mut result = Matrix::zeros(outputs, inputs.columns());
    for start in (0..inputs.stride).step_by(LANES) {
        for (neuron, row) in weights.chunks_exact(width).take(outputs).enumerate() {
            let mut sum = [row[width - 1]; LANES];
            for (input, &weight) in row[..width - 1].iter().enumerate() {
                let values = inputs.chunk(input, start);
                for lane in 0..LANES {
                    sum[lane] += weight * values[lane];
                }
            }
            result.data[neuron * result.stride + start..][..LANES].copy_from_slice(&sum);
        }
    }
    clear_padding(&mut result);
    result
}

/// `weightsᵀ · upstream`: the gradient with respect to an affine map's first `inputs` inputs.
pub(crate) fn affine_input_gradient(
    weights: &[f64],
    width: usize,
    upstream: &Matrix,
    inputs: usize,
) -> Matrix {
    let mut result = Matrix::zeros(inputs, upstream.columns());
    for start in (0..upstream.stride).step_by(LANES) {
        for input in 0..inputs {
            let mut sum = [0.0; LANES];
            for neuron in 0..upstream.rows() {
                let weight = weights[neuron * width + input];
                let values = upstream.chunk(neuron, start);
                for lane in 0..LANES {
                    sum[lane] += weight * values[lane];
                }
            }
            result.data[input * result.stride + start..][..LANES].copy_from_slice(&sum);
        }
    }
    result
}

/// Adds `upstream · inputsᵀ` (and the row sums of `upstream` for the biases) to `gradient`.
pub(crate) fn add_affine_weight_gradient(gradient: &mut [f64], upstream: &Matrix, inputs: &Matrix) {
    let width = inputs.rows() + 1;
    for (neuron, row) in gradient
        .chunks_exact_mut(width)
        .take(upstream.rows())
        .enumerate()
    {
        for (input, place) in row[..width - 1].iter_mut().enumerate() {
            let mut sum = [0.0; LANES];
            for start in (0..upstream.stride).step_by(LANES) {
                let left = upstream.chunk(neuron, start);
                let right = inputs.chunk(input, start);
                for lane in 0..LANES {
                    sum[lane] += left[lane] * right[lane];
                }
            }
            *place += sum.iter().sum::<f64>();
        }
        row[width - 1] += upstream.row(neuron).iter().sum::<f64>();
    }
}

fn clear_padding(matrix: &mut Matrix) {
    for row in 0..matrix.rows {
        matrix.data[row * matrix.stride + matrix.columns..(row + 1) * matrix.stride].fill(0.0);
    }
}

/// Samples that one product works on at once.
const LANES: usize = 16;
