//! What claims and certificates are, as data and as bytes.
//!
//! The prover writes certificates and the checker reads them; this crate is all that the two share.
//! [`claim`] is the vocabulary of claims with its file format, [`format`](mod@format) the certificate file,
//! [`rejection`] what the checker says about a bad one. Nothing
//! here proves or judges anything, and nothing uses floating point.
#![forbid(unsafe_code)]
#![deny(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::indexing_slicing
)]

mod bytes;
pub mod claim;
pub mod closed_loop;
pub mod format;
pub mod rejection;
