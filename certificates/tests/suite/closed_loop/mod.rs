//! Closed-loop claims: what is accepted, what is rejected and why, and that every interval holds.

mod envelope;
mod formulas;
mod intervals;
mod prover;
mod rejections;
