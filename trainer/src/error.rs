//! Why training stopped.

use tautline_abstract_interp::ProveError;
use tautline_abstract_interp::closed_loop::ClosedLoopError;
use tautline_core::controller::ForeignEnvelope;
use tautline_core::policy::{Digest, HeadKind, ModelError};
use tautline_netsim::scenario::ScenarioError;
use tautline_netsim::sim::RunError;

use crate::checkpoint::Phase;

/// Why training could not go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The trained program is not a valid model; a neuron that can overflow.
    #[error("the trained program is not deployable: {0}")]
    Model(#[from] ModelError),
    /// A drawn scenario is invalid; the environment parameters are at fault.
    #[error("environment parameters give an invalid scenario: {0}")]
    Scenario(#[from] ScenarioError),
    /// A simulation could not be run.
    #[error("a rollout failed: {0}")]
    Run(#[from] RunError),
    /// A controller refused its envelope.
    #[error(transparent)]
    Envelope(#[from] ForeignEnvelope),
    /// The feature table is not known.
    #[error("feature table {got} is not known")]
    Table {
        /// Its version.
        got: u16,
    },
    /// The claims are about another feature table.
    #[error("claims are about feature table {got}, training is over table {expected}")]
    ClaimsTable {
        /// The table that is trained over.
        expected: u16,
        /// The claims' table.
        got: u16,
    },
    /// A claim names a head that is not trained.
    #[error("claim {claim:?} is about the {head:?} head, which is not among network.heads")]
    ClaimHead {
        /// The claim.
        claim: String,
        /// The head.
        head: HeadKind,
    },
    /// The checkpoint belongs to other parameters.
    #[error("checkpoint was made with parameters {got}, this run has {expected}")]
    CheckpointParams {
        /// Digest of this run's parameters.
        expected: Digest,
        /// The checkpoint's.
        got: Digest,
    },
    /// The checkpoint belongs to other claims.
    #[error("checkpoint was made for claims {got}, this run has {expected}")]
    CheckpointClaims {
        /// Digest of this run's claims.
        expected: Digest,
        /// The checkpoint's.
        got: Digest,
    },
    /// The checkpoint's vectors do not fit the network.
    #[error("checkpoint holds a vector of {got} weights, expected {expected}")]
    CheckpointLen {
        /// Weights of the network; none for the teacher before the repair.
        expected: usize,
        /// Weights in the vector.
        got: usize,
    },
    /// The checkpoint is past the end of its phase.
    #[error("checkpoint is at step {got} of phase {}, which has {total}", phase.name())]
    CheckpointStep {
        /// The phase.
        phase: Phase,
        /// Steps that the phase has.
        total: u64,
        /// The checkpoint's step.
        got: u64,
    },
    /// The optimiser's step count is not the one that belongs to the checkpoint's step.
    #[error("checkpoint counts {got} optimiser steps, {expected} belong to its step")]
    CheckpointOptimiser {
        /// Optimiser steps done by then.
        expected: u64,
        /// The checkpoint's count.
        got: u64,
    },
    /// A number that no run of these parameters can have reached.
    #[error("checkpoint: {field}[{place}] is {got}, expected {low} to {high}")]
    CheckpointValue {
        /// The vector.
        field: &'static str,
        /// Place in it.
        place: usize,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// The value there is.
        got: f64,
    },
    /// A claim cannot be decided about this model at all.
    #[error("claim {claim:?}: {reason}")]
    Prove {
        /// The claim.
        claim: String,
        /// Why not.
        reason: ProveError,
    },
    /// No closed loop can be trained for.
    #[error("closed loop: {0}")]
    ClosedLoop(#[from] ClosedLoopError),
    /// The claims are not valid.
    #[error("claims: {message}")]
    Claims {
        /// What is wrong with them.
        message: String,
    },
}
