//! The trusted base: claims, the certificate format, and the exact checker.
//!
//! A certificate says that a model's integer program obeys every claim of a claim set, and carries
//! the proof: per claim a tree of input regions whose leaves hold witnesses. Whoever wrote it is not
//! trusted. [`check()`] re-derives every bound in integers from the model's bytes alone, with
//! semantics of its own, and either returns a [`CheckedCertificate`], which nothing else can make,
//! or a [`Rejection`] that says where, by which rule and why.
//!
//! Nothing here uses floating point, a clock, a solver or the prover.
#![forbid(unsafe_code)]
#![deny(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::indexing_slicing
)]
#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        reason = "an overflow in a test is a failure"
    )
)]

mod check;
pub mod closed_loop;
pub mod semantics;

pub use tautline_certificate_format::{claim, format};

pub use check::{
    CheckedCertificate, CheckedClaim, Reason, Rejection, Rule, Step, check, check_claim,
    check_policy,
};
pub use closed_loop::ForeignLoop;
