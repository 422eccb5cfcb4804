//! Closed-loop claims: ranks for the cells of policy, guard and path together.
//!
//! `docs/closed-loop.md` has the model and the formulas, `tautline_certificate_format::closed_loop`
//! the cells. Nobody has to believe what is found here: the checker derives every image again.

mod explain;
pub mod image;
pub mod path;
mod plan;
mod prove;
pub mod ranks;
pub mod rate;
mod settled;

pub use explain::{BlockingFeature, Explanation, Projection, explain};
pub use plan::{Part, Tuning, plan};
pub use prove::{Failure, LoopProgress, LoopResult, LoopWatch, Proven, prove_loop};
pub use rate::{ModelRate, Rate};
pub use settled::{Drain, RowFigures, Settled, Trouble, settled};

/// Why no ranks were looked for, or the search ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClosedLoopError {
    /// The model reads other features.
    #[error("closed-loop claims are about feature table 1, the model reads table {got}")]
    FeatureTable {
        /// The model's table.
        got: u16,
    },
    /// The model has no rate head.
    #[error("the model has no rate head, so its window never moves")]
    NoRate,
    /// The rate is not monotone in a feature.
    #[error(
        "feature {feature} moves the rate both ways along paths of the network; a closed-loop proof \
         needs one direction, or none"
    )]
    BothWays {
        /// Its name.
        feature: &'static str,
    },
    /// Sums too large for exact floats.
    #[error("layer {layer} can sum up to 2^52 or more, too much for the prover's exact arithmetic")]
    Inexact {
        /// Its number from zero.
        layer: usize,
    },
    /// A width or a count is zero.
    #[error("tuning: {name} is 0, at least 1 is needed")]
    Tuning {
        /// Which.
        name: &'static str,
    },
    /// The cells of a slice are beyond what a certificate can hold.
    #[error(
        "the slice of log2 BDP {}/256 to {}/256 has too many cells of width {width}/256 octave \
         ({reach} per step): use wider ones",
        log_bdp.0, log_bdp.1
    )]
    TooManyCells {
        /// Its bandwidth-delay products, in 2⁻⁸ octaves.
        log_bdp: (i32, i32),
        /// Width of a cell of windows, in 2⁻⁸ octaves.
        width: u16,
        /// Cells that a step covers.
        reach: u16,
    },
    /// A slice needs more memory than the tuning grants.
    #[error(
        "the slice of log2 BDP {}/256 to {}/256 needs {needed} bytes, the limit is {limit}: use \
         wider cells",
        log_bdp.0, log_bdp.1
    )]
    Memory {
        /// Its bandwidth-delay products, in 2⁻⁸ octaves.
        log_bdp: (i32, i32),
        /// Bytes.
        needed: u64,
        /// Bytes.
        limit: u64,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

#[cfg(test)]
mod tests;
