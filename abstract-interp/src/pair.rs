//! Pair claims by the sign rule, and two-point counterexamples.

use tautline_certificate_format::claim::Claim;

use crate::problem::Problem;
use crate::search::{self, Random};
use crate::signs::Sign;
use crate::verdict::Reason;

/// Two inputs of a pair claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PointPair {
    /// x.
    pub base: Vec<i64>,
    /// x' ≥ x in the raised features.
    pub raised: Vec<i64>,
}

/// True where the signs show that raising any of the features cannot raise Σ c·head, which a bound
/// of at least zero allows.
///
/// # Errors
/// The first reason why the rule does not apply.
pub(crate) fn sign_rule(
    problem: &Problem<'_>,
    number: usize,
    raise: &[usize],
) -> Result<(), Reason> {
    if !problem.objective.features.is_empty() || problem.objective.bound < 0 {
        return Err(Reason::PairShape { constraint: number });
    }
    let open = raise
        .iter()
        .find(|&&feature| !matches!(problem.signs[feature], Sign::Zero | Sign::Falling));
    match open {
        None => Ok(()),
        Some(&feature) => Err(Reason::Signs {
            constraint: number,
            feature,
        }),
    }
}

/// Looks for two inputs in the region that break a constraint over head differences.
pub(crate) fn violation(
    problem: &Problem<'_>,
    claim: &Claim,
    raise: &[usize],
) -> Option<PointPair> {
    if !problem.objective.features.is_empty() || claim.constraints.is_empty() {
        return None;
    }
    let mut random = Random(SEED);
    (0..SAMPLES).find_map(|number| {
        let mut base = search::sample(&mut random, &problem.region);
        let mut raised = base.clone();
        for &feature in raise {
            let bounds = problem.region[feature];
            // Every other pair spans whole ranges, the rest are as the dice fall.
            if number % 2 == 0 {
                (base[feature], raised[feature]) = (bounds.low, bounds.high);
            } else {
                raised[feature] = random.between(base[feature], bounds.high);
            }
        }
        let valid = problem.facts_hold(&base) && problem.facts_hold(&raised);
        (valid && excess(problem, &base, &raised) > 0).then_some(PointPair { base, raised })
    })
}

/// By how much `Σ c·(head(x') − head(x))` exceeds its bound.
pub(crate) fn excess(problem: &Problem<'_>, base: &[i64], raised: &[i64]) -> i128 {
    let (before, after) = (
        problem.network.forward(base),
        problem.network.forward(raised),
    );
    let terms = problem
        .objective
        .heads
        .iter()
        .map(|&(head, c)| i128::from(c) * i128::from(after[head] - before[head]));
    terms.sum::<i128>() - i128::from(problem.objective.bound)
}

const SEED: u64 = 0x7061_6972;
const SAMPLES: usize = 4096;
