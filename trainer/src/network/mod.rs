//! The network during training: real weights whose rounded values are what is evaluated.
//!
//! Weights live in one vector in the order of the deployed parameters (layer by layer, row by
//! row, bias last), so rounding them is all that quantisation does. The forward pass uses the
//! rounded weights and the deployed floor of every rescale; both are exact in `f64` (products are
//! multiples of 2⁻²⁸ below 2²⁴), so what is optimised is bit for bit what is shipped. The backward
//! pass treats rounding and floor as the identity (straight-through).

mod layout;
mod matrix;
mod pass;
mod pattern;

pub(crate) use layout::FEATURE_TABLE;
pub use layout::{Layout, LayoutError};
pub(crate) use matrix::{Matrix, add_affine_weight_gradient, affine, affine_input_gradient};
pub(crate) use pass::{Arithmetic, backward, forward, round as round_half_even, rounded};
pub use pattern::{Pattern, PatternError};

#[cfg(test)]
mod tests;
