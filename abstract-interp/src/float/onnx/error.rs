//! Why a file is not a network that is read.

use crate::float::network::ShapeError;

/// Something wrong with an ONNX file, or beyond what is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file is larger than is read.
    #[error("the file has {got} bytes, expected at most {limit}")]
    FileSize {
        /// Bytes that are read at most.
        limit: usize,
        /// Bytes of the file.
        got: usize,
    },
    /// The file unfolds to more than is read.
    #[error(
        "the file has more than {limit} messages, names and whole numbers in lists, or groups of \
         the outdated kind"
    )]
    Parts {
        /// Parts at most.
        limit: usize,
    },
    /// The bytes are no ONNX model.
    #[error("not an ONNX model: {reason}")]
    Protobuf {
        /// What the decoder says.
        reason: prost::DecodeError,
    },
    /// The model has no graph.
    #[error("the model has no graph")]
    NoGraph,
    /// The model does not say which operators its graph is made of.
    #[error("opset_import names no version of the standard operators, expected {oldest} or newer")]
    NoOperatorSet {
        /// The first version that is read.
        oldest: i64,
    },
    /// Operators as they were before broadcasting.
    #[error("operator set {got} is not supported, expected {oldest} or newer")]
    OperatorSet {
        /// The first version that is read.
        oldest: i64,
        /// The version that the model names.
        got: i64,
    },
    /// The graph has more or less than one input or output.
    #[error("expected one {kind}, found {}: {}", names.len(), list(names))]
    Ends {
        /// `input` or `output`.
        kind: &'static str,
        /// Those there are.
        names: Vec<String>,
    },
    /// The input or the output has an unsuitable type or shape.
    #[error("{kind} `{name}`: expected {expected}, found {got}")]
    End {
        /// `input` or `output`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is read.
        expected: &'static str,
        /// What there is.
        got: String,
    },
    /// A tensor of numbers is malformed.
    #[error("tensor `{tensor}`: expected {expected}, found {got}")]
    Tensor {
        /// Its name; that of the node for the value of an attribute.
        tensor: String,
        /// What is read.
        expected: &'static str,
        /// What there is.
        got: String,
    },
    /// A node is malformed, or not supported.
    #[error("node `{node}` ({operator}): {problem}")]
    Node {
        /// Its name, or that of its first output where it has none.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        problem: NodeProblem,
    },
    /// The result of no node.
    #[error("output `{name}` is computed by no node")]
    NoResult {
        /// The output of the graph.
        name: String,
    },
    /// The output does not depend on the input.
    #[error("output `{name}` is constant: there is no network to look at")]
    ConstantResult {
        /// The output of the graph.
        name: String,
    },
    /// More weights than are read.
    #[error("the network has more than {limit} weights")]
    Weights {
        /// Weights at most.
        limit: usize,
    },
    /// The layers do not form a network.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// What is wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeProblem {
    /// An operator that is not read.
    #[error("this operator is not supported; supported are {}", supported.join(", "))]
    Operator {
        /// Those that are.
        supported: &'static [&'static str],
    },
    /// An operator that does not come from the standard.
    #[error("operators of domain `{domain}` are not supported")]
    Domain {
        /// Where it comes from.
        domain: String,
    },
    /// An attribute that the operator does not have in the versions that are read.
    #[error(
        "attribute `{name}` is not supported; supported are: {}",
        known(supported)
    )]
    UnknownAttribute {
        /// Its name.
        name: String,
        /// Those that are.
        supported: &'static [&'static str],
    },
    /// A name that nothing before it defines.
    #[error("operand `{name}` is neither the input, an initializer, nor computed by a node before")]
    Undefined {
        /// The name.
        name: String,
    },
    /// A name that is already taken.
    #[error("result `{name}` is already defined")]
    Redefined {
        /// The name.
        name: String,
    },
    /// A missing, superfluous or unsuitable operand.
    #[error("operand {index}: expected {expected}, found {got}")]
    Operand {
        /// Its position.
        index: usize,
        /// What is read.
        expected: &'static str,
        /// What there is.
        got: String,
    },
    /// An unsuitable attribute.
    #[error("attribute `{name}`: expected {expected}, found {got}")]
    Attribute {
        /// Its name.
        name: &'static str,
        /// What is read.
        expected: &'static str,
        /// What there is.
        got: String,
    },
    /// Another number of results.
    #[error("expected {expected} results, found {got}")]
    Results {
        /// Results of the operator.
        expected: usize,
        /// Results of the node.
        got: usize,
    },
    /// More values than are read.
    #[error("the result has more than {limit} values")]
    Size {
        /// Values at most.
        limit: usize,
    },
    /// More values than are kept at a time.
    #[error("all tensors up to this node together have more than {limit} values")]
    Held {
        /// Values at most.
        limit: usize,
    },
    /// A constant that comes out of constants is not finite.
    #[error("a constant is not finite")]
    NotFinite,
    /// More weights than are read.
    #[error("the network has more than {limit} weights from this node on")]
    Weights {
        /// Weights at most.
        limit: usize,
    },
}

fn known(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN);
    let quoted: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    if names.is_empty() {
        "none".to_owned()
    } else {
        quoted.join(", ") + more
    }
}
