//! What is found out about a property of an `f32` network.

use num_rational::BigRational;

/// A verdict, and what is known beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// How far the proof of every case came, in the property's order.
    pub cases: Vec<CaseStatus>,
    /// The input closest to being unsafe so far; with `Violated` it is the counterexample.
    pub best: Option<Candidate>,
    /// Regions bounded.
    pub boxes: u64,
}

/// Holds, violated, or not decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No `f32` input of any case's rounded box gives an unsafe output, in any order of summation.
    Holds,
    /// This input does; it was replayed.
    Violated(Counterexample),
    /// Not decided.
    Unknown(Reason),
}

/// An input in a case's rounded box, and its outputs by [`FloatNetwork::forward`], which lie in an
/// unsafe conjunction of the case.
///
/// [`FloatNetwork::forward`]: crate::float::network::FloatNetwork::forward
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// The input.
    pub input: Vec<f32>,
    /// Its outputs.
    pub output: Vec<f32>,
    /// The case, counted from zero.
    pub case: usize,
}

/// Why a property was not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The caller asked to stop.
    Stopped,
    /// As many regions were bounded as allowed.
    Boxes,
    /// Single `f32` inputs remain that are not unsafe in order of summation from left to right, but
    /// for which another order cannot be excluded.
    Rounding,
}

/// How far the proof of a case came.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseStatus {
    /// Proven fraction of the box, where a split gives half of a region to either side; at least
    /// this much of the box is free of counterexamples.
    pub proven: BigRational,
    /// Regions that are not proven.
    pub remaining: usize,
    /// The largest of them, at most [`CaseStatus::LARGEST`]; none where the work was stopped before
    /// any region was looked at.
    pub largest: Vec<OpenRegion>,
}

/// A region that is not proven.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRegion {
    /// Its share of the case's box.
    pub fraction: BigRational,
    /// Inclusive bounds per input.
    pub input: Vec<(f32, f32)>,
}

/// An input that is close to being unsafe.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The case, counted from zero.
    pub case: usize,
    /// The input.
    pub input: Vec<f32>,
    /// How far the worst halfspace of the closest conjunction is from holding; ≤ 0 (up to the
    /// rounding of this number) where the input is unsafe.
    pub margin: f64,
}

impl CaseStatus {
    /// How many open regions are listed.
    pub const LARGEST: usize = 8;
}
