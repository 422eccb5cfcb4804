//! What the operators make of their operands.

mod elementwise;
mod matrix;
mod movement;

use crate::float::network::Activation;
use crate::float::onnx::error::NodeProblem;
use crate::float::onnx::is_standard;
use crate::float::onnx::message::{Attribute, Node};
use crate::float::onnx::rows::{Rows, TERM_LIMIT};
use crate::float::onnx::tensor::{Element, Tensor, Value};

/// The operators that are read.
const SUPPORTED: &[&str] = &[
    "Add",
    "Clip",
    "Concat",
    "Constant",
    "Div",
    "Dropout",
    "Flatten",
    "Gemm",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Relu",
    "Reshape",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// One node with its operands; an optional operand that is left out is `None`.
pub(super) struct Operation<'a> {
    pub(super) node: &'a Node,
    pub(super) operands: Vec<Option<&'a Value>>,
}

/// Rows are full.
const fn too_many() -> NodeProblem {
    NodeProblem::Weights { limit: TERM_LIMIT }
}

impl<'a> Operation<'a> {
    /// The result.
    pub(super) fn apply(&self, rows: &mut Rows) -> Result<Value, NodeProblem> {
        if !is_standard(&self.node.domain) {
            let domain = self.node.domain.clone();
            return Err(NodeProblem::Domain { domain });
        }
        let operator = self.node.op_type.as_str();
        // Dropout may name its mask, which nothing may then read.
        if self.node.output.is_empty() || (self.node.output.len() > 1 && operator != "Dropout") {
            let got = self.node.output.len();
            return Err(NodeProblem::Results { expected: 1, got });
        }
        self.check_attributes(operator)?;
        match operator {
            "Add" => self.add(rows),
            "Sub" => self.subtract(rows),
            "Mul" => self.multiply(rows),
            "Div" => self.divide(rows),
            "Neg" => self.negate(rows),
            "Max" => self.maximum(rows),
            "Min" => self.minimum(rows),
            "Clip" => self.clip(rows),
            "Relu" => self.activate(rows, Activation::Relu),
            "LeakyRelu" => self.leaky_relu(rows),
            "MatMul" => self.mat_mul(rows),
            "Gemm" => self.gemm(rows),
            "Identity" | "Dropout" => self.identity(),
            "Flatten" => self.flatten(),
            "Reshape" => self.reshape(),
            "Squeeze" => self.squeeze(),
            "Unsqueeze" => self.unsqueeze(),
            "Transpose" => self.transpose(),
            "Concat" => self.concat(),
            "Constant" => self.constant(),
            _ => Err(NodeProblem::Operator {
                supported: SUPPORTED,
            }),
        }
    }

    /// What an attribute that is not known means is not known either, such as the `axis` that
    /// sums had in old operator sets.
    fn check_attributes(&self, operator: &str) -> Result<(), NodeProblem> {
        let supported: &'static [&'static str] = match operator {
            "LeakyRelu" => &["alpha"],
            "Clip" => &["min", "max"],
            "Gemm" => &["alpha", "beta", "transA", "transB"],
            "Dropout" => &["ratio", "seed"],
            "Flatten" | "Concat" => &["axis"],
            "Reshape" => &["allowzero"],
            "Squeeze" | "Unsqueeze" => &["axes"],
            "Transpose" => &["perm"],
            // It has one, and the error for another says which.
            "Constant" => return Ok(()),
            _ => &[],
        };
        let mut names = self.node.attribute.iter().map(|attribute| &attribute.name);
        match names.find(|name| !supported.contains(&name.as_str())) {
            Some(name) if SUPPORTED.contains(&operator) => Err(NodeProblem::UnknownAttribute {
                name: name.clone(),
                supported,
            }),
            _ => Ok(()),
        }
    }

    /// An operand that has to be there.
    fn operand(&self, index: usize) -> Result<&'a Value, NodeProblem> {
        self.optional(index)
            .ok_or_else(|| self.wrong(index, "a tensor"))
    }

    fn optional(&self, index: usize) -> Option<&'a Value> {
        self.operands.get(index).copied().flatten()
    }

    /// Checks the number of operands.
    fn expect_operands(&self, most: usize) -> Result<(), NodeProblem> {
        if self.operands.len() > most {
            return Err(self.wrong(most, "no such operand"));
        }
        Ok(())
    }

    fn wrong(&self, index: usize, expected: &'static str) -> NodeProblem {
        let got = self.optional(index).map(Value::describe);
        NodeProblem::Operand {
            index,
            expected,
            got: got.unwrap_or_else(|| "none".to_owned()),
        }
    }

    /// Numbers of an operand, constant or not.
    fn elements(&self, index: usize) -> Result<Tensor<Element>, NodeProblem> {
        match self.operand(index)? {
            Value::Live(tensor) => Ok(tensor.clone()),
            Value::Float(tensor) => Ok(Tensor {
                shape: tensor.shape.clone(),
                data: tensor.data.iter().copied().map(Element::Constant).collect(),
            }),
            Value::Integer(_) => Err(self.wrong(index, "f32 numbers")),
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        let mut attributes = self.node.attribute.iter();
        attributes.find(|attribute| attribute.name == name)
    }

    fn integer_attribute(&self, name: &'static str, default: i64) -> Result<i64, NodeProblem> {
        let Some(attribute) = self.attribute(name) else {
            return Ok(default);
        };
        // Writers leave the value out where it is zero.
        let is_empty = attribute.f.is_none() && attribute.t.is_none() && attribute.ints.is_empty();
        let value = attribute.i.or_else(|| is_empty.then_some(0));
        value.ok_or_else(|| NodeProblem::Attribute {
            name,
            expected: "a whole number",
            got: "another type".to_owned(),
        })
    }

    fn float_attribute(&self, name: &'static str, default: f32) -> Result<f32, NodeProblem> {
        let Some(attribute) = self.attribute(name) else {
            return Ok(default);
        };
        let is_empty = attribute.i.is_none() && attribute.t.is_none() && attribute.ints.is_empty();
        let value = attribute.f.or_else(|| is_empty.then_some(0.0));
        value
            .filter(|value| value.is_finite())
            .ok_or_else(|| NodeProblem::Attribute {
                name,
                expected: "a finite number",
                got: value.map_or_else(|| "another type".to_owned(), |value| value.to_string()),
            })
    }
}

/// A constant where every element is one.
fn settle(tensor: Tensor<Element>) -> Result<Value, NodeProblem> {
    let constants = tensor.data.iter().map(|element| match *element {
        Element::Constant(value) => Some(value),
        Element::Wire(_) => None,
    });
    if let Some(data) = constants.collect::<Option<Vec<f32>>>() {
        if data.iter().any(|value| !value.is_finite()) {
            return Err(NodeProblem::NotFinite);
        }
        let shape = tensor.shape;
        return Ok(Value::Float(Tensor { shape, data }));
    }
    let is_finite = |element: &Element| match element {
        Element::Constant(value) => value.is_finite(),
        Element::Wire(_) => true,
    };
    if !tensor.data.iter().all(is_finite) {
        return Err(NodeProblem::NotFinite);
    }
    Ok(Value::Live(tensor))
}
