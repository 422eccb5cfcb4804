//! The untrusted prover: sound bounds for the integer policy, branch and bound, certificates.
//!
//! [`prove_claim`] decides a claim about a model, [`certify`] a whole set; a certificate comes out
//! only where every claim holds. Nobody has to believe any of it: a counterexample is replayed on
//! the deployed program before it is reported, and a certificate is re-derived by the checker in
//! `tautline-certificates`, which shares its data types with this crate and nothing else.
//!
//! Inside: [`network`] is the model as affine layers, [`op`] holds every operator's concrete map
//! beside what each domain makes of it, [`domain::AbstractDomain`] is what the domains
//! ([`interval`], [`zonotope`], [`linear_bounds`]) have in common, and [`bab`] splits inputs and
//! phases of neurons until bounds suffice.
//!
//! The same model, claims and limits give the same results on any number of threads. Time is the
//! caller's: a [`Watch`] is asked whether to stop.

pub mod bab;
pub mod closed_loop;
pub mod domain;
mod emit;
pub mod float;
pub mod interval;
pub mod linear_bounds;
pub mod network;
pub mod objective;
pub mod op;
pub mod opinion;
mod pair;
pub mod phase;
mod point;
pub mod problem;
mod prove;
mod search;
pub mod signs;
mod verdict;
pub mod zonotope;

pub use tautline_certificate_format::claim;

pub use emit::{Certification, certify};
pub use prove::{CornerRegion, Limits, Progress, Watch, corner_region, prove_claim, quick_qc};
pub use verdict::{
    Candidate, ClaimResult, Counterexample, Evaluation, MOST_REGIONS, OpenRegion, Proof,
    ProveError, Reason, Remaining, Replay, Verdict,
};
