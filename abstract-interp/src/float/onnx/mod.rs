//! ONNX: networks as graphs of operators.
//!
//! Read are graphs with one `f32` input and one `f32` output whose operators are affine, ReLU-like, or
//! move numbers (the error for another one lists them). The graph need not be a chain: every value
//! becomes a row over earlier values, rows are put in layers, and what a later layer needs is
//! handed on. Named extents (of the batch, usually) are taken as one.
//!
//! # Rounding
//! Every `f32` operation that rounds is a row whose
//! [`Rounding`](crate::float::rounding::Rounding) covers it: a product with a
//! matrix and the bias added to it are one row, as adding the bias is part of some order of the sum; a
//! difference with a constant before a product is a row of its own, as are a factor `alpha`
//! of Gemm, a scaling, and a sum of two branches. A division by a power of two is the product with
//! its reciprocal, which is exact; other divisors are refused. Maximum, minimum and clipping do not round: their rows are exact.
//!
//! # Source
//! ONNX 1.16, "Operators" and `onnx.proto`, <https://onnx.ai/onnx/operators>.

mod error;
mod message;
mod operator;
mod rows;
mod tensor;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

pub use error::{NodeProblem, OnnxError};

use crate::float::network::FloatNetwork;
use crate::float::onnx::message::{Graph, Model, Node, OperatorSet, ValueInfo};
use crate::float::onnx::operator::Operation;
use crate::float::onnx::rows::Rows;
use crate::float::onnx::tensor::{Element, HELD_LIMIT, Tensor, Value, size, type_name};

/// Bytes of a file that are read at most.
const FILE_LIMIT: usize = 64 << 20;

/// The first version of the standard operators that is read: broadcasting is as in NumPy since.
const OLDEST_OPERATORS: i64 = 7;

/// Reads a network.
///
/// # Errors
/// [`OnnxError`] where the bytes are no ONNX model, or one with operators, shapes or numbers that are not
/// supported; it names the node.
pub fn read(bytes: &[u8]) -> Result<FloatNetwork, OnnxError> {
    if bytes.len() > FILE_LIMIT {
        return Err(OnnxError::FileSize {
            limit: FILE_LIMIT,
            got: bytes.len(),
        });
    }
    if !wire::is_moderate(bytes) {
        return Err(OnnxError::Parts {
            limit: wire::PART_LIMIT,
        });
    }
    let model: Model =
        prost::Message::decode(bytes).map_err(|reason| OnnxError::Protobuf { reason })?;
    let graph = model.graph.ok_or(OnnxError::NoGraph)?;
    check_operators(&model.opset_import)?;
    if !graph.sparse_initializer.is_empty() {
        return Err(OnnxError::Tensor {
            tensor: "sparse_initializer".to_owned(),
            expected: "dense tensors",
            got: "a sparse one".to_owned(),
        });
    }
    let mut values = initializers(&graph)?;
    let (name, input) = graph_input(&graph, &values)?;
    let inputs = input.data.len();
    values.insert(name, Value::Live(input));
    let mut held: usize = values.values().map(Value::len).sum();
    let mut rows = Rows::new(inputs);
    for node in &graph.node {
        let (name, value) = node_value(node, &values, &mut rows)?;
        held += value.len();
        if held > HELD_LIMIT {
            return Err(at_node(node, NodeProblem::Held { limit: HELD_LIMIT }));
        }
        values.insert(name, value);
    }
    let outputs = graph_output(&graph, &values, &mut rows)?;
    Ok(FloatNetwork::new(inputs, rows.into_layers(&outputs)?)?)
}

/// The constants of a graph.
fn initializers(graph: &Graph) -> Result<BTreeMap<&str, Value>, OnnxError> {
    let mut values = BTreeMap::new();
    for tensor in &graph.initializer {
        let value = Value::from_message(&tensor.name, tensor)?;
        if values.insert(tensor.name.as_str(), value).is_some() {
            return Err(OnnxError::Tensor {
                tensor: tensor.name.clone(),
                expected: "distinct names",
                got: "two with this name".to_owned(),
            });
        }
    }
    Ok(values)
}

/// Checks that the standard operators are those that are read. Models often name other domains
/// without using them; a node that does is refused.
fn check_operators(sets: &[OperatorSet]) -> Result<(), OnnxError> {
    let oldest = OLDEST_OPERATORS;
    let mut standard = sets
        .iter()
        .filter(|set| is_standard(&set.domain))
        .peekable();
    if standard.peek().is_none() {
        return Err(OnnxError::NoOperatorSet { oldest });
    }
    match standard.find(|set| set.version < oldest) {
        Some(set) => Err(OnnxError::OperatorSet {
            oldest,
            got: set.version,
        }),
        None => Ok(()),
    }
}

/// Whether a domain is that of the standard operators.
fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// The one input that is no initializer.
fn graph_input<'a>(
    graph: &'a Graph,
    initializers: &BTreeMap<&str, Value>,
) -> Result<(&'a str, Tensor<Element>), OnnxError> {
    let inputs = graph.input.iter();
    let free = inputs.filter(|input| !initializers.contains_key(input.name.as_str()));
    let free: Vec<&ValueInfo> = free.collect();
    let [input] = free[..] else {
        return Err(OnnxError::Ends {
            kind: "input",
            names: free.iter().map(|input| input.name.clone()).collect(),
        });
    };
    let wrong = |expected, got| OnnxError::End {
        kind: "input",
        name: input.name.clone(),
        expected,
        got,
    };
    let tensor_type = input.r#type.as_ref().and_then(|it| it.tensor_type.as_ref());
    let tensor_type = tensor_type.ok_or_else(|| wrong("a tensor", "another type".into()))?;
    if tensor_type.elem_type != message::FLOAT {
        let got = type_name(tensor_type.elem_type);
        return Err(wrong("elements of type FLOAT", got.to_owned()));
    }
    let shape = tensor_type.shape.as_ref();
    let shape = shape.ok_or_else(|| wrong("a shape", "none".into()))?;
    let extents = shape.dim.iter().map(|dimension| match dimension.dim_value {
        // Some writers say −1 where others give a name.
        None | Some(-1) => Some(1),
        Some(extent) => usize::try_from(extent).ok(),
    });
    let extents: Option<Vec<usize>> = extents.collect();
    let count = extents.as_deref().and_then(size).filter(|&count| count > 0);
    let (Some(shape), Some(count)) = (extents, count) else {
        let got = shape.dim.iter().map(|dimension| dimension.dim_value);
        let got = format!("{:?}", got.collect::<Vec<_>>());
        return Err(wrong("a shape of 1 to 2^24 values", got));
    };
    let data = (0..count).map(Element::Wire).collect();
    Ok((&input.name, Tensor { shape, data }))
}

/// The name and the value of a node's result.
fn node_value<'a>(
    node: &'a Node,
    values: &BTreeMap<&str, Value>,
    rows: &mut Rows,
) -> Result<(&'a str, Value), OnnxError> {
    let result = node.output.first().map_or("", String::as_str);
    let fails = |problem| at_node(node, problem);
    let operand = |name: &String| match values.get(name.as_str()) {
        None if name.is_empty() => Ok(None),
        None => Err(fails(NodeProblem::Undefined { name: name.clone() })),
        value => Ok(value),
    };
    let operands = node.input.iter().map(operand).collect::<Result<_, _>>()?;
    let value = Operation { node, operands }.apply(rows).map_err(fails)?;
    if values.contains_key(result) {
        let name = result.to_owned();
        return Err(fails(NodeProblem::Redefined { name }));
    }
    Ok((result, value))
}

fn at_node(node: &Node, problem: NodeProblem) -> OnnxError {
    let result = node.output.first().map_or("", String::as_str);
    let name = if node.name.is_empty() {
        result
    } else {
        &node.name
    };
    OnnxError::Node {
        node: name.to_owned(),
        operator: node.op_type.clone(),
        problem,
    }
}

/// The wires of the one output.
fn graph_output(
    graph: &Graph,
    values: &BTreeMap<&str, Value>,
    rows: &mut Rows,
) -> Result<Vec<usize>, OnnxError> {
    let [output] = &graph.output[..] else {
        let names: BTreeSet<&String> = graph.output.iter().map(|output| &output.name).collect();
        return Err(OnnxError::Ends {
            kind: "output",
            names: names.into_iter().cloned().collect(),
        });
    };
    let name = || output.name.clone();
    let value = values.get(output.name.as_str());
    let value = value.ok_or_else(|| OnnxError::NoResult { name: name() })?;
    let Value::Live(tensor) = value else {
        return Err(OnnxError::ConstantResult { name: name() });
    };
    let wires = tensor.data.iter().map(|&element| rows.wire(element));
    let wires = wires.collect::<Option<Vec<usize>>>();
    let wires = wires.ok_or(OnnxError::Weights {
        limit: rows::TERM_LIMIT,
    })?;
    if !rows.depend_on_input(&wires) {
        return Err(OnnxError::ConstantResult { name: name() });
    }
    Ok(wires)
}
