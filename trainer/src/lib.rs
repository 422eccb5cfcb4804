//! Certified training of small rate controllers.
//!
//! A ReLU network over feature table 1 with a fixed sign pattern ([`network::Layout`]) goes through
//! three phases:
//!
//! 1. *clone*: imitate the hand-written law ([`law`]) on what connections under it show, on
//!    plausible feature vectors, and at the corners of the claims' regions;
//! 2. *evolve*: antithetic evolution strategies on simulated scenarios, several flows at once,
//!    while the gradient of λ times the claims' hinge (points and CROWN-IBP bounds of boxes) keeps
//!    the network provable; the best validated weights are kept;
//! 3. *repair*: imitate those weights on their own traffic while the hinge works on the boxes that
//!    bisection leaves open, until the prover finds every claim proven or the rounds end. With
//!    [`ClosedLoopParams`](params::ClosedLoopParams) it also works on cells of the closed loop whose
//!    image leaves its successors.
//!
//! Every forward pass evaluates the deployed integer program bit for bit: weights are rounded to
//! the grid, rescales round down, and gradients pass straight through. Only the prover and the
//! checker decide whether the result may be shipped; [`Report::certified`](train::Report) is the
//! trainer's own measurement.
//!
//! Equal parameters and claims give equal bytes on any number of threads, and an interrupted run
//! resumes from its [`Checkpoint`] to the same bytes.
//!
//! ```no_run
//! use tautline_trainer::{ClaimSet, Outcome, Params, train};
//!
//! let text = std::fs::read_to_string("claims/standard.toml")?;
//! let claims = ClaimSet::from_toml(&text, "claims/standard.toml")?;
//! let params = Params::quick().check()?;
//! match train(&params, &claims, None, &mut (), &|| false)? {
//!     Outcome::Trained(trained) => assert_eq!(trained.report.certified[0].1, 1.0),
//!     Outcome::Interrupted(checkpoint) => std::fs::write("run.tltc", checkpoint.encode())?,
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod checkpoint;
mod claims;
mod closed_loop;
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
mod resume;
mod rng;
mod rollout;
mod sampling;
pub mod train;

pub use checkpoint::{Checkpoint, Phase};
pub use claims::ClaimSet;
pub use error::TrainError;
pub use law::Law;
pub use params::{Params, ParamsError, ValidParams};
pub use proposer::ReferenceLaw;
pub use train::{Observer, Outcome, Progress, Report, Trained, train};
