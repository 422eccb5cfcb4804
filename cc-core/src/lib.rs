//! What runs per packet: events in, decisions out.
//!
//! `observe` folds acknowledgements into rounds, [`features`] turns a round into the policy's
//! inputs, [`policy`] is the integer program that a certificate speaks about, `action` maps its
//! heads to a proposal, and `guard` decides. Nothing here allocates, uses floating point or reads
//! a clock, so the same bits come out of every machine.
#![no_std]
#![deny(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::indexing_slicing
)]
#![cfg_attr(
    test,
    expect(
        clippy::as_conversions,
        clippy::arithmetic_side_effects,
        clippy::float_arithmetic,
        reason = "tests compare with floating-point and plain arithmetic, and a panic is a failure"
    )
)]

#[cfg(test)]
extern crate std;

pub mod action;
pub mod controller;
pub mod features;
pub mod fixed;
pub mod guard;
pub mod log2;
pub mod observe;
pub mod policy;
pub mod units;
