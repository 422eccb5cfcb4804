//! Certified training of small rate controllers.
//!
//! A network over feature table 1 with a fixed sign pattern is cloned from a hand-written law,
//! improved by evolution strategies in simulation while a differentiable bound on every claim
//! keeps it provable, and repaired at the corners of the claims' regions. What is evaluated at
//! every step is the deployed integer program.

pub mod law;
pub mod network;
pub mod optimiser;
pub mod quantize;
mod rng;
