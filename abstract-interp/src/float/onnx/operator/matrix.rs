//! Matrix products with a constant matrix.

use super::elementwise::{scaled, sum};
use super::{Operation, settle, too_many};
use crate::float::network::Activation;
use crate::float::onnx::error::NodeProblem;
use crate::float::onnx::rows::{Row, Rows};
use crate::float::onnx::tensor::{Element, SIZE_LIMIT, Tensor, Value};
use crate::float::rounding::Rounding;

/// A constant matrix, read in either direction.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    /// Distance of entries below each other, and beside each other.
    strides: (usize, usize),
}

impl<'a> Matrix<'a> {
    fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            strides: (columns, 1),
        }
    }

    const fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            strides: (self.strides.1, self.strides.0),
            ..self
        }
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.strides.0 + column * self.strides.1]
    }
}

impl Operation<'_> {
    /// Products of a matrix and the vectors of a tensor, from either side.
    pub(super) fn mat_mul(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(2)?;
        match (self.operand(0)?, self.operand(1)?) {
            (Value::Live(live), Value::Float(constant)) => {
                let (matrix, is_vector) = self.matrix(1, constant, Side::Right)?;
                let (&last, leading) =
                    (live.shape.split_last()).ok_or_else(|| self.wrong(0, "at least one axis"))?;
                if last != matrix.rows {
                    return Err(self.unequal(1));
                }
                let data = self.vectors(rows, &live.data, matrix)?;
                let mut shape = leading.to_vec();
                if !is_vector {
                    shape.push(matrix.columns);
                }
                settle(Tensor { shape, data })
            }
            (Value::Float(constant), Value::Live(live)) => {
                let (matrix, is_vector) = self.matrix(0, constant, Side::Left)?;
                // Vectors of the live operand run along its last axis but one.
                let (batch, length, width) = match live.shape[..] {
                    [] => return Err(self.wrong(1, "at least one axis")),
                    [length] => (&live.shape[..0], length, 1),
                    [ref batch @ .., length, width] => (batch, length, width),
                };
                if length != matrix.columns {
                    return Err(self.unequal(1));
                }
                let mut data = Vec::new();
                for block in live.data.chunks((length * width).max(1)) {
                    let turned = turn(block, length, width);
                    let products = self.vectors(rows, &turned, matrix.transposed())?;
                    data.extend(turn(&products, width, matrix.rows));
                }
                let mut shape = batch.to_vec();
                if !is_vector {
                    shape.push(matrix.rows);
                }
                if live.shape.len() > 1 {
                    shape.push(width);
                }
                settle(Tensor { shape, data })
            }
            (_, Value::Integer(_)) => Err(self.wrong(1, "f32 numbers")),
            _ => Err(self.wrong(1, "one constant matrix and one that is not")),
        }
    }

    /// alpha·A·B + beta·C.
    pub(super) fn gemm(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(3)?;
        let alpha = self.float_attribute("alpha", 1.0)?;
        let beta = self.float_attribute("beta", 1.0)?;
        let turns = |name| Ok(self.integer_attribute(name, 0)? != 0);
        let (turns_left, turns_right) = (turns("transA")?, turns("transB")?);
        let two_axes = |index| match self.operand(index)?.shape()[..] {
            [rows, columns] => Ok((rows, columns)),
            _ => Err(self.wrong(index, "two axes")),
        };
        let (left, right) = (two_axes(0)?, two_axes(1)?);
        let oriented = |(a, b), turns| if turns { (b, a) } else { (a, b) };
        let (height, inner) = oriented(left, turns_left);
        let (other, width) = oriented(right, turns_right);
        if inner != other {
            return Err(self.unequal(1));
        }
        let data = match (self.operand(0)?, self.operand(1)?) {
            (Value::Live(live), Value::Float(constant)) => {
                let matrix = Matrix::new(&constant.data, right.0, right.1);
                let matrix = if turns_right {
                    matrix.transposed()
                } else {
                    matrix
                };
                let vectors = if turns_left {
                    turn(&live.data, left.0, left.1)
                } else {
                    live.data.clone()
                };
                self.vectors(rows, &vectors, matrix)?
            }
            (Value::Float(constant), Value::Live(live)) => {
                let matrix = Matrix::new(&constant.data, left.0, left.1);
                let matrix = if turns_left {
                    matrix
                } else {
                    matrix.transposed()
                };
                let vectors = if turns_right {
                    live.data.clone()
                } else {
                    turn(&live.data, right.0, right.1)
                };
                turn(&self.vectors(rows, &vectors, matrix)?, width, height)
            }
            _ => return Err(self.wrong(1, "one constant matrix and one that is not")),
        };
        let product = Tensor {
            shape: vec![height, width],
            data,
        };
        self.scale_and_add(rows, product, alpha, beta)
    }

    /// The rest of a Gemm: a factor for the product and for the third operand, each with its own
    /// rounding, and the sum.
    fn scale_and_add(
        &self,
        rows: &mut Rows,
        mut product: Tensor<Element>,
        alpha: f32,
        beta: f32,
    ) -> Result<Value, NodeProblem> {
        for element in &mut product.data {
            *element = scaled(rows, *element, alpha).ok_or_else(too_many)?;
        }
        if self.optional(2).is_none() || beta == 0.0 {
            return settle(product);
        }
        let bias = self.elements(2)?;
        let fits = bias.shape.len() <= 2
            && (bias.shape.iter().rev().zip(product.shape.iter().rev()))
                .all(|(&extent, &target)| extent == 1 || extent == target);
        if !fits {
            return Err(self.wrong(2, "a shape that broadcasts to the product's"));
        }
        let bias = bias.gather(product.shape.clone(), |index| {
            bias.broadcast_position(index)
        })?;
        for (element, &bias) in product.data.iter_mut().zip(&bias.data) {
            let bias = scaled(rows, bias, beta).ok_or_else(too_many)?;
            *element = sum(rows, *element, bias).ok_or_else(too_many)?;
        }
        settle(product)
    }

    /// Every vector of `data` (as long as the matrix is high) times the matrix.
    fn vectors(
        &self,
        rows: &mut Rows,
        data: &[Element],
        matrix: Matrix<'_>,
    ) -> Result<Vec<Element>, NodeProblem> {
        let limit = SIZE_LIMIT;
        if matrix.rows == 0 || matrix.columns == 0 {
            return Err(self.wrong(1, "a matrix that is not empty"));
        }
        let count = (data.len() / matrix.rows).checked_mul(matrix.columns);
        if count.is_none_or(|count| count > limit) {
            return Err(NodeProblem::Size { limit });
        }
        let mut products = Vec::new();
        for vector in data.chunks(matrix.rows) {
            let wires = distinct_wires(rows, vector).ok_or_else(too_many)?;
            for column in 0..matrix.columns {
                let terms = wires.iter().enumerate();
                let terms = terms.map(|(row, &wire)| (wire, matrix.at(row, column)));
                let row = Row {
                    terms: terms.filter(|&(_, weight)| weight != 0.0).collect(),
                    bias: 0.0,
                    rounding: Rounding::AnyOrder,
                    activation: Activation::Identity,
                };
                products.push(rows.push(row).ok_or_else(too_many)?);
            }
        }
        Ok(products)
    }

    /// A constant operand as a matrix, and whether it is a single vector.
    fn matrix<'b>(
        &self,
        index: usize,
        tensor: &'b Tensor<f32>,
        side: Side,
    ) -> Result<(Matrix<'b>, bool), NodeProblem> {
        match (&tensor.shape[..], side) {
            (&[length], Side::Right) => Ok((Matrix::new(&tensor.data, length, 1), true)),
            (&[length], Side::Left) => Ok((Matrix::new(&tensor.data, 1, length), true)),
            (&[rows, columns], _) => Ok((Matrix::new(&tensor.data, rows, columns), false)),
            _ => Err(self.wrong(index, "a constant with one or two axes")),
        }
    }

    fn unequal(&self, index: usize) -> NodeProblem {
        let shape = |index| self.optional(index).map(Value::shape).unwrap_or_default();
        NodeProblem::Operand {
            index,
            expected: "as many rows as the first operand has columns",
            got: format!("shapes {:?} and {:?}", shape(0), shape(1)),
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// The transpose of a matrix of `rows` rows.
fn turn(data: &[Element], rows: usize, columns: usize) -> Vec<Element> {
    let entries = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
    entries
        .map(|(row, column)| data[row * columns + column])
        .collect()
}

/// The wires of a vector; a wire that stands there again becomes a copy, as a row holds each once.
fn distinct_wires(rows: &mut Rows, vector: &[Element]) -> Option<Vec<usize>> {
    let wires = vector.iter().map(|&element| rows.wire(element));
    let mut wires = wires.collect::<Option<Vec<usize>>>()?;
    let mut sorted: Vec<(usize, usize)> = wires.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if pair[0].0 == pair[1].0 {
            wires[pair[1].1] = rows.copy(pair[1].0)?;
        }
    }
    Some(wires)
}
