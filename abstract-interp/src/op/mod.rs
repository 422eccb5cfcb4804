//! The operators of the integer program: each file holds the concrete map and, beside it, what
//! every domain makes of it.
//!
//! # Soundness
//! For every operator f and domain: x ∈ γ(a) ⇒ f(x) ∈ γ(f♯(a)). The suite's `soundness` tests check
//! it with no slack.

pub mod affine;
pub mod clamp;
pub mod relu;
pub mod rescale;

/// A constant that grows during a backward pass, and how large its terms were.
///
/// The magnitude bounds what rounding can have done to the value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Offset {
    /// Sum of the terms.
    pub value: f64,
    /// Sum of their absolute values.
    pub magnitude: f64,
}

impl Offset {
    /// Adds one term.
    pub fn add(&mut self, term: f64) {
        self.value += term;
        self.magnitude += term.abs();
    }
}
