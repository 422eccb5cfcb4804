//! Certified training of small rate controllers.
//!
//! A network over feature table 1 with a fixed sign pattern is cloned from a hand-written law,
//! improved by evolution strategies in simulation while a differentiable bound on every claim
//! keeps it provable, and repaired at the corners of the claims' regions. What is evaluated at
//! every step is the deployed integer program.

pub mod checkpoint;
mod claims;
mod env;
mod error;
pub mod law;
mod loss;
mod measure;
pub mod network;
mod obligation;
pub mod optimiser;
pub mod params;
mod phase;
mod proposer;
pub mod quantize;
mod rng;
mod rollout;
mod sampling;
pub mod train;

pub use checkpoint::{Checkpoint, Phase};
pub use claims::ClaimSet;
pub use error::TrainError;
pub use params::{Params, ParamsError, ValidParams};
pub use proposer::ReferenceLaw;
pub use train::{Observer, Outcome, Progress, Report, Trained, train};
