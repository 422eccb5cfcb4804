//! What is asked about a network: whether some input of a region gives an unsafe output.

use num_rational::BigRational;

/// The inputs and outputs that must not occur together: a union of cases.
///
/// The verdict `Holds` says that no case can occur, `Violated` that one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Inputs of the networks that it is about.
    pub inputs: usize,
    /// Their outputs.
    pub outputs: usize,
    /// The cases; at least one, none with an empty box.
    pub cases: Vec<Case>,
}

/// A box of inputs, and what is unsafe there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Inclusive exact bounds per input, low ≤ high.
    pub input: Vec<(BigRational, BigRational)>,
    /// Unsafe: any of these conjunctions of halfspaces.
    pub unsafe_any: Vec<Vec<Halfspace>>,
}

/// Σ c·y + Σ d·x ≤ bound, over outputs y and inputs x; exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halfspace {
    /// Output positions, strictly increasing, with coefficients that are not zero.
    pub outputs: Vec<(usize, BigRational)>,
    /// Input positions, strictly increasing, with coefficients that are not zero.
    pub inputs: Vec<(usize, BigRational)>,
    /// Right-hand side.
    pub bound: BigRational,
}
