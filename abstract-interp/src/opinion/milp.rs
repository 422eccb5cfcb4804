//! The question as a mixed-integer program, and an exact argument for what it says.

use super::linear_program::{self, Failure, Kinks};
use super::proof;
use super::system::System;
use super::{Doubt, Opinion, Question};

/// How much work a question may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MilpLimits {
    /// Wall-clock seconds that the solver may take for one program.
    pub seconds: f64,
    /// Cases of the exact argument, one linear program each.
    pub cases: u64,
}

impl Default for MilpLimits {
    fn default() -> Self {
        Self {
            seconds: 60.0,
            cases: 20_000,
        }
    }
}

/// Asks the solver for the largest excess, then settles its answer exactly.
///
/// The program has a binary variable for every ReLU and clamp whose side is open over the box; the
/// features and pre-activations are real numbers and each floor a real slack within
/// `[0, 1 − 2^-s]`. So its optimum is at least the integers' largest excess, up to the solver's
/// tolerances. A maximiser is rounded and run on the integer program. If it breaks nothing, the
/// optimum is proven (or refuted) by a tree of cases with exact duals, whatever the solver said;
/// bounds for the binaries' constants come from intervals, narrowed by exact duals as well.
pub fn milp(question: &Question<'_>, limits: &MilpLimits) -> Opinion {
    let Some(known) = proof::narrow(question, limits.seconds) else {
        // No point agrees with the facts.
        return Opinion::Holds;
    };
    let system = System::of_case(question, &question.region, &known);
    match linear_program::maximizer(&system, Kinks::Exact, limits.seconds) {
        Ok(point) => {
            if let Some(found) = proof::nearby(question, &question.region, &point) {
                return found;
            }
        }
        Err(Failure::Infeasible) => {}
        Err(Failure::Doubt(doubt)) => return Opinion::Unknown(doubt),
    }
    match proof::search(question, known, limits.cases, limits.seconds) {
        Opinion::Unknown(_) => Opinion::Unknown(Doubt::Unconfirmed {
            cases: limits.cases,
        }),
        settled => settled,
    }
}
