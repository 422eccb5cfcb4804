//! Operators that work value by value.

use super::{Operation, settle, too_many};
use crate::float::network::Activation;
use crate::float::onnx::error::NodeProblem;
use crate::float::onnx::rows::{Row, Rows};
use crate::float::onnx::tensor::{Element, Tensor, Value, broadcast};
use crate::float::rounding::Rounding;

/// What two values become; none where there are too many rows.
type Binary = fn(&mut Rows, Element, Element) -> Option<Element>;

impl Operation<'_> {
    pub(super) fn add(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(2)?;
        self.binary(rows, &self.elements(0)?, 1, sum)
    }

    pub(super) fn subtract(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(2)?;
        self.binary(rows, &self.elements(0)?, 1, difference)
    }

    /// One factor has to be constant.
    pub(super) fn multiply(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(2)?;
        let is_live = |index| matches!(self.optional(index), Some(Value::Live(_)));
        if is_live(0) && is_live(1) {
            return Err(self.wrong(1, "a constant factor, as the other one is not"));
        }
        self.binary(rows, &self.elements(0)?, 1, product)
    }

    /// The divisor has to be constant, and a power of two: its reciprocal is exact then, so that
    /// the quotient is the product with it. Other divisors would need a bound of their own, as a
    /// runtime may divide or multiply by the rounded reciprocal.
    pub(super) fn divide(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(2)?;
        let Value::Float(divisor) = self.operand(1)? else {
            return Err(self.wrong(1, "a constant divisor"));
        };
        if let Value::Float(_) = self.operand(0)? {
            let quotient: Binary = |_, left, right| match (left, right) {
                (Element::Constant(a), Element::Constant(b)) => Some(Element::Constant(a / b)),
                _ => None,
            };
            return self.binary(rows, &self.elements(0)?, 1, quotient);
        }
        if let Some(value) = divisor.data.iter().find(|&&value| !inverts_exactly(value)) {
            return Err(NodeProblem::Operand {
                index: 1,
                expected: "powers of two (multiply by a constant instead of other divisors)",
                got: value.to_string(),
            });
        }
        let quotient: Binary = |rows, left, right| match right {
            Element::Constant(divisor) => scaled(rows, left, divisor.recip()),
            Element::Wire(_) => None,
        };
        self.binary(rows, &self.elements(0)?, 1, quotient)
    }

    pub(super) fn negate(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(1)?;
        self.unary(rows, |rows, value| scaled(rows, value, -1.0))
    }

    pub(super) fn activate(
        &self,
        rows: &mut Rows,
        activation: Activation,
    ) -> Result<Value, NodeProblem> {
        self.expect_operands(1)?;
        self.unary(rows, |rows, value| activated(rows, value, activation))
    }

    pub(super) fn leaky_relu(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        let slope = self.float_attribute("alpha", 0.01)?;
        let activation = if slope == 0.0 {
            Activation::Relu
        } else if slope == 1.0 {
            Activation::Identity
        } else if slope > 0.0 && slope < 1.0 {
            Activation::LeakyRelu(f64::from(slope))
        } else {
            return Err(NodeProblem::Attribute {
                name: "alpha",
                expected: "a slope from 0 to 1",
                got: slope.to_string(),
            });
        };
        self.activate(rows, activation)
    }

    pub(super) fn maximum(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        let first = self.elements(0)?;
        let folded = (1..self.operands.len()).try_fold(first, |best, index| {
            self.binary_elements(rows, &best, index, larger)
        });
        settle(folded?)
    }

    pub(super) fn minimum(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        let first = self.elements(0)?;
        let folded = (1..self.operands.len()).try_fold(first, |best, index| {
            self.binary_elements(rows, &best, index, smaller)
        });
        settle(folded?)
    }

    /// Bounds are attributes in old operator sets, constant operands in newer ones.
    pub(super) fn clip(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        self.expect_operands(3)?;
        let bound = |index, name, default: f32| match self.optional(index) {
            None => self.float_attribute(name, default),
            Some(Value::Float(tensor)) if tensor.data.len() == 1 => Ok(tensor.data[0]),
            Some(_) => Err(self.wrong(index, "one constant")),
        };
        let low = bound(1, "min", f32::MIN)?;
        let high = bound(2, "max", f32::MAX)?;
        self.unary(rows, |rows, value| {
            let mut clipped = value;
            if low > f32::MIN {
                clipped = larger(rows, clipped, Element::Constant(low))?;
            }
            if high < f32::MAX {
                clipped = smaller(rows, clipped, Element::Constant(high))?;
            }
            Some(clipped)
        })
    }

    fn unary(
        &self,
        rows: &mut Rows,
        apply: impl Fn(&mut Rows, Element) -> Option<Element>,
    ) -> Result<Value, NodeProblem> {
        let mut tensor = self.elements(0)?;
        for element in &mut tensor.data {
            *element = apply(rows, *element).ok_or_else(too_many)?;
        }
        settle(tensor)
    }

    fn binary(
        &self,
        rows: &mut Rows,
        left: &Tensor<Element>,
        right: usize,
        apply: Binary,
    ) -> Result<Value, NodeProblem> {
        settle(self.binary_elements(rows, left, right, apply)?)
    }

    fn binary_elements(
        &self,
        rows: &mut Rows,
        left: &Tensor<Element>,
        right: usize,
        apply: Binary,
    ) -> Result<Tensor<Element>, NodeProblem> {
        let other = self.elements(right)?;
        let shape = broadcast(&left.shape, &other.shape);
        let shape = shape.ok_or_else(|| NodeProblem::Operand {
            index: right,
            expected: "a shape that fits the other operand's by broadcasting",
            got: format!("shapes {:?} and {:?}", left.shape, other.shape),
        })?;
        let left = left.gather(shape.clone(), |index| left.broadcast_position(index))?;
        let other = other.gather(shape, |index| other.broadcast_position(index))?;
        let pairs = left.data.iter().zip(&other.data);
        let data = pairs.map(|(&left, &right)| apply(rows, left, right).ok_or_else(too_many));
        Ok(Tensor {
            data: data.collect::<Result<_, _>>()?,
            shape: left.shape,
        })
    }
}

/// Whether it is a power of two, with or without a sign, and its reciprocal is normal.
fn inverts_exactly(divisor: f32) -> bool {
    let mantissa = divisor.to_bits() & ((1 << (f32::MANTISSA_DIGITS - 1)) - 1);
    divisor.is_normal() && mantissa == 0 && divisor.recip().is_normal()
}

/// left + right.
pub(super) fn sum(rows: &mut Rows, left: Element, right: Element) -> Option<Element> {
    match (left, right) {
        (Element::Constant(a), Element::Constant(b)) => Some(Element::Constant(a + b)),
        (Element::Wire(wire), Element::Constant(bias))
        | (Element::Constant(bias), Element::Wire(wire)) => {
            shifted(rows, wire, 1.0, bias, Rounding::AnyOrder)
        }
        (Element::Wire(a), Element::Wire(b)) => combined(rows, a, b, 1.0, Rounding::AnyOrder),
    }
}

fn difference(rows: &mut Rows, left: Element, right: Element) -> Option<Element> {
    match (left, right) {
        (Element::Constant(a), Element::Constant(b)) => Some(Element::Constant(a - b)),
        (Element::Wire(wire), Element::Constant(constant)) => {
            shifted(rows, wire, 1.0, -constant, Rounding::AnyOrder)
        }
        (Element::Constant(constant), Element::Wire(wire)) => {
            shifted(rows, wire, -1.0, constant, Rounding::AnyOrder)
        }
        (Element::Wire(a), Element::Wire(b)) => combined(rows, a, b, -1.0, Rounding::AnyOrder),
    }
}

fn product(rows: &mut Rows, left: Element, right: Element) -> Option<Element> {
    match (left, right) {
        (value, Element::Constant(factor)) | (Element::Constant(factor), value) => {
            scaled(rows, value, factor)
        }
        (Element::Wire(_), Element::Wire(_)) => None,
    }
}

/// factor·value.
pub(super) fn scaled(rows: &mut Rows, value: Element, factor: f32) -> Option<Element> {
    let wire = match value {
        Element::Constant(constant) => return Some(Element::Constant(constant * factor)),
        Element::Wire(wire) => wire,
    };
    if factor == 0.0 {
        return Some(Element::Constant(0.0));
    }
    if factor == 1.0 {
        return Some(value);
    }
    rows.push(Row {
        terms: vec![(wire, factor)],
        bias: 0.0,
        rounding: Rounding::AnyOrder,
        activation: Activation::Identity,
    })
}

fn activated(rows: &mut Rows, value: Element, activation: Activation) -> Option<Element> {
    match value {
        _ if activation == Activation::Identity => Some(value),
        Element::Constant(constant) => Some(Element::Constant(activation.concrete(constant))),
        Element::Wire(wire) => rows.push(Row {
            terms: vec![(wire, 1.0)],
            bias: 0.0,
            rounding: Rounding::Exact,
            activation,
        }),
    }
}

/// max(a, b) = max(a − b, 0) + b, which is true of real numbers: the comparison of a maximum does
/// not round, so these rows are exact, and their differences are no `f32` but real numbers.
fn larger(rows: &mut Rows, left: Element, right: Element) -> Option<Element> {
    match (left, right) {
        (Element::Constant(a), Element::Constant(b)) => Some(Element::Constant(a.max(b))),
        (value, Element::Constant(0.0)) | (Element::Constant(0.0), value) => {
            activated(rows, value, Activation::Relu)
        }
        (Element::Wire(wire), Element::Constant(bound))
        | (Element::Constant(bound), Element::Wire(wire)) => {
            let above = shifted(rows, wire, 1.0, -bound, Rounding::Exact)?;
            let above = wire_of(activated(rows, above, Activation::Relu)?)?;
            shifted(rows, above, 1.0, bound, Rounding::Exact)
        }
        (Element::Wire(a), Element::Wire(b)) => {
            let above = combined(rows, a, b, -1.0, Rounding::Exact)?;
            let above = wire_of(activated(rows, above, Activation::Relu)?)?;
            combined(rows, above, b, 1.0, Rounding::Exact)
        }
    }
}

/// min(a, b) = b − max(b − a, 0), exact as [`larger`] is.
fn smaller(rows: &mut Rows, left: Element, right: Element) -> Option<Element> {
    match (left, right) {
        (Element::Constant(a), Element::Constant(b)) => Some(Element::Constant(a.min(b))),
        (Element::Wire(wire), Element::Constant(bound))
        | (Element::Constant(bound), Element::Wire(wire)) => {
            let below = shifted(rows, wire, -1.0, bound, Rounding::Exact)?;
            let below = wire_of(activated(rows, below, Activation::Relu)?)?;
            shifted(rows, below, -1.0, bound, Rounding::Exact)
        }
        (Element::Wire(a), Element::Wire(b)) => {
            let below = combined(rows, b, a, -1.0, Rounding::Exact)?;
            let below = wire_of(activated(rows, below, Activation::Relu)?)?;
            combined(rows, b, below, -1.0, Rounding::Exact)
        }
    }
}

const fn wire_of(element: Element) -> Option<usize> {
    match element {
        Element::Wire(wire) => Some(wire),
        Element::Constant(_) => None,
    }
}

/// sign·wire + bias; adding zero changes nothing.
fn shifted(
    rows: &mut Rows,
    wire: usize,
    sign: f32,
    bias: f32,
    rounding: Rounding,
) -> Option<Element> {
    if bias == 0.0 {
        return scaled(rows, Element::Wire(wire), sign);
    }
    rows.push(Row {
        terms: vec![(wire, sign)],
        bias,
        rounding,
        activation: Activation::Identity,
    })
}

/// left + sign·right.
fn combined(
    rows: &mut Rows,
    left: usize,
    right: usize,
    sign: f32,
    rounding: Rounding,
) -> Option<Element> {
    let right = if left == right {
        rows.copy(right)?
    } else {
        right
    };
    rows.push(Row {
        terms: vec![(left, 1.0), (right, sign)],
        bias: 0.0,
        rounding,
        activation: Activation::Identity,
    })
}
