//! Second opinions: complete methods of others, asked the prover's question about small nets.
//!
//! Every engine here decides the same [`Question`] and shares with the prover only the description
//! of the model and its concrete map. A violation is a point on which the integer program itself
//! was run; `Holds` is said only where the argument is exact.
//!
//! - [`exhaustive()`]: every point of the box.
//! - `milp` (feature `milp`): a mixed-integer program in floats names a candidate, and linear
//!   programs' duals, re-evaluated in exact integers over a tree of cases, prove.
//! - `smt` (feature `smt`): z3 over exact integers.
//! - [`smtlib`]: the question as SMT-LIB 2 text, for any other solver.

mod enclosure;
mod exhaustive;
pub mod formula;
#[cfg(feature = "milp")]
mod linear_program;
#[cfg(feature = "milp")]
mod milp;
pub mod path_server;
#[cfg(feature = "milp")]
mod proof;
#[cfg(feature = "milp")]
mod relaxed;
#[cfg(feature = "smt")]
mod smt;
pub mod smtlib;
#[cfg(feature = "milp")]
mod system;
pub mod unrolled;

pub use exhaustive::exhaustive;
#[cfg(feature = "milp")]
pub use milp::{MilpLimits, milp};
#[cfg(feature = "milp")]
pub use relaxed::{Relaxed, relaxed};
#[cfg(feature = "smt")]
pub use smt::{SmtLimits, smt};

use tautline_core::fixed::Q16;

use crate::interval::Interval;
use crate::network::Network;
use crate::objective::{Halfspace, Objective};
use crate::problem::Problem;

/// Is the objective's excess at most zero at every integer point of the box at which the facts
/// hold?
#[derive(Clone, Debug)]
pub struct Question<'q> {
    /// The integer program.
    pub network: &'q Network,
    /// One interval per feature, in units of 2⁻¹⁶; none is empty.
    pub region: Vec<Interval>,
    /// What holds at every point that counts.
    pub facts: Vec<Halfspace>,
    /// What must not exceed its bound.
    pub objective: Objective,
}

impl<'q> From<&Problem<'q>> for Question<'q> {
    fn from(problem: &Problem<'q>) -> Self {
        Self {
            network: problem.network,
            region: problem.region.clone(),
            facts: problem.facts.clone(),
            objective: problem.objective.clone(),
        }
    }
}

impl Question<'_> {
    /// The excess at a point of the box at which the facts hold and the integer program breaks the
    /// objective; `None` for any other point.
    pub fn violation(&self, point: &[i64]) -> Option<i128> {
        let inside = self.region.len() == point.len()
            && self
                .region
                .iter()
                .zip(point)
                .all(|(side, &value)| side.contains(value));
        if !inside || !self.facts.iter().all(|fact| fact.holds(point)) {
            return None;
        }
        let excess = self.objective.excess(point, &self.network.forward(point));
        (excess > 0).then_some(excess)
    }

    /// [`Opinion::Violated`] if the point is one.
    fn replay(&self, point: &[i64]) -> Option<Opinion> {
        let excess = self.violation(point)?;
        Some(Opinion::Violated {
            point: point.to_vec(),
            excess,
        })
    }
}

/// What an engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// No point breaks it.
    Holds,
    /// This one does: it lies in the box, the facts hold there, and the integer program was run.
    Violated {
        /// The features, in units of 2⁻¹⁶.
        point: Vec<i64>,
        /// By how much the objective exceeds its bound; positive.
        excess: i128,
    },
    /// Neither is sure.
    Unknown(Doubt),
}

impl Opinion {
    /// `holds`, `violated` or `unknown`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated { .. } => "violated",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Why an engine says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// More points than may be tried.
    #[error("the box has more than {limit} points")]
    TooManyPoints {
        /// The limit.
        limit: u64,
    },
    /// The solver gave up with a message of its own.
    #[error("the solver failed: {message}")]
    Solver {
        /// In the solver's words.
        message: String,
    },
    /// The solver panicked.
    #[error("the solver panicked")]
    Panicked,
    /// The solver reached its limit of time or work.
    #[error("the solver reached its limit")]
    SolverLimit,
    /// What the solver says was neither proven nor refuted exactly.
    #[error("the solver's answer was not confirmed exactly within {cases} cases")]
    Unconfirmed {
        /// Cases that the exact argument was allowed.
        cases: u64,
    },
    /// The solver's model is no point that breaks the objective.
    #[error("the solver's point does not break the objective")]
    NotReplayed,
}

/// One, in units of 2⁻¹⁶: where heads are clamped.
const ONE: i64 = 1 << Q16::FRACTION_BITS;
