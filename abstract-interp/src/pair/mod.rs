//! Pair claims: two inputs through one network, and bounds of what the second one has more.
//!
//! The weights' signs decide what they can ([`sign_rule`]); the rest is searched over boxes of
//! pairs ([`search`]), where the difference of the heads is bounded directly, by carrying the
//! difference of every neuron through the network, not as a difference of two bounds.

mod attack;
mod bound;
mod line;
mod problem;
mod row;
mod search;

#[cfg(test)]
mod tests;

use num_bigint::BigInt;
use num_rational::BigRational;
use tautline_certificate_format::claim::{Claim, Difference};
use tautline_core::policy::{Policy, Scratch};

use crate::problem::Problem;
use crate::prove::{Limits, Progress, Watch};
use crate::signs::Sign;
use crate::verdict::{ClaimResult, Counterexample, Evaluation, Proof, Reason, Verdict};
use problem::PairProblem;
use search::{Found, Standing};

/// True where the signs show that moving the features as they differ cannot raise Σ c·head, which
/// a bound of at least zero allows.
///
/// # Errors
/// The first reason why the rule does not apply.
pub(crate) fn sign_rule(
    problem: &Problem<'_>,
    number: usize,
    differences: &[Difference],
) -> Result<(), Reason> {
    if !problem.objective.features.is_empty() || problem.objective.bound < 0 {
        return Err(Reason::PairShape { constraint: number });
    }
    let decides = |one: &&Difference| match problem.signs[one.feature] {
        Sign::Zero => true,
        Sign::Falling => one.low >= 0,
        Sign::Rising => one.high <= 0,
        Sign::Unknown => false,
    };
    match differences.iter().find(|one| !decides(one)) {
        None => Ok(()),
        Some(one) => Err(Reason::Signs {
            constraint: number,
            feature: one.feature,
        }),
    }
}

/// Decides a pair claim: by signs if they suffice for every constraint, else by search.
pub(crate) fn prove<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    problems: &[Problem<'_>],
    limits: Limits,
    watch: Watch<'_>,
) -> ClaimResult {
    let one = || BigRational::from_integer(BigInt::from(1));
    let mut result = ClaimResult {
        name: claim.name.clone(),
        verdict: Verdict::Holds(Proof::Signs),
        qc: one(),
        boxes: 0,
        remaining: vec![],
    };
    let differences = claim.kind.differences(policy.table()).unwrap_or_default();
    let mut by_signs = problems.iter().enumerate();
    if by_signs.all(|(number, problem)| sign_rule(problem, number, &differences).is_ok()) {
        return result;
    }
    let mut trees = vec![];
    let mut failed: Option<Verdict> = None;
    for (number, problem) in problems.iter().enumerate() {
        let Some(pairs) = PairProblem::new(problem, claim) else {
            continue;
        };
        let stop = |at: Standing| {
            (watch.progress)(Progress {
                claim: &claim.name,
                constraint: number,
                boxes: at.boxes,
                open: at.open,
                proven: at.proven,
            });
            (watch.stop)()
        };
        let found = search::search(&pairs, limits.max_boxes.min(MOST_BOXES), &stop);
        result.boxes += found.boxes;
        result.qc -= one() - found.fraction.clone();
        match conclude(policy, claim, &pairs, number, found) {
            Ok(tree) => trees.push(tree),
            // A violation outranks an earlier unknown.
            Err(verdict @ Verdict::Violated(_)) => {
                failed.take_if(|known| !matches!(known, Verdict::Violated(_)));
                failed.get_or_insert(verdict);
            }
            Err(verdict) => {
                failed.get_or_insert(verdict);
            }
        }
    }
    result.qc = result.qc.max(BigRational::from_integer(BigInt::from(0)));
    result.verdict = failed.unwrap_or(Verdict::Holds(Proof::Pairs(trees)));
    result
}

fn conclude<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    pairs: &PairProblem<'_>,
    constraint: usize,
    found: Found,
) -> Result<tautline_certificate_format::format::Tree, Verdict> {
    let open = found.open;
    if let Some(pair) = &found.violation {
        let (first, second) = pairs.inputs(pair);
        let inputs = vec![evaluate(policy, &first), evaluate(policy, &second)];
        let mut heads = inputs[1].heads.map(i64::from);
        for (head, &before) in heads.iter_mut().zip(&inputs[0].heads) {
            *head -= i64::from(before);
        }
        let excess = pairs.objective.excess(pair, &heads);
        let belongs = |input: &Evaluation| {
            policy.table().contains(&input.features) && claim.region.contains(&input.features)
        };
        let differs = pairs.facts_hold(pair)
            && pair
                .iter()
                .zip(&pairs.region)
                .all(|(&value, side)| side.contains(value));
        if excess > 0 && differs && inputs.iter().all(belongs) {
            return Err(Verdict::Violated(Counterexample {
                constraint,
                inputs,
                excess,
            }));
        }
    }
    found.proof.ok_or_else(|| {
        Verdict::Unknown(if found.stopped {
            Reason::Stopped { constraint, open }
        } else if found.violation.is_some() {
            Reason::Exhausted { constraint, open }
        } else {
            let limit = found.boxes;
            Reason::BoxLimit {
                constraint,
                limit,
                open,
            }
        })
    })
}

fn evaluate<S: AsRef<[i16]>>(policy: &Policy<S>, point: &[i64]) -> Evaluation {
    let features: Vec<i32> = point.iter().map(|&value| value as i32).collect();
    let heads = policy.forward(&features, &mut Scratch::new());
    Evaluation { features, heads }
}

/// With every box one node, the proof stays below the format's 2²⁴ nodes.
const MOST_BOXES: u64 = 16_000_000;
