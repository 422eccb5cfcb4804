//! Pair claims: two inputs through one network, and bounds of what the second one has more.
//!
//! The weights' signs decide what they can ([`sign_rule`]); the rest is searched over boxes of
//! pairs ([`search`]), where the difference of the heads is bounded directly, by carrying the
//! difference of every neuron through the network, not as a difference of two bounds.

mod attack;
mod bound;
mod cut;
mod line;
mod problem;
mod row;
mod search;

#[cfg(test)]
mod tests;

use num_bigint::BigInt;
use num_rational::BigRational;
use tautline_certificate_format::claim::{Claim, Difference};
use tautline_certificate_format::format::Tree;
use tautline_core::policy::Policy;

use crate::bab::Budget;
use crate::interval::Interval;
use crate::network::Network;
use crate::problem::Problem;
use crate::prove::{Limits, Progress, Watch, belongs, evaluate};
use crate::signs::Sign;
use crate::verdict::{
    Candidate, ClaimResult, Counterexample, OpenRegion, Proof, Reason, Remaining, Replay, Verdict,
};
use problem::PairProblem;
use search::{Found, Open, Standing};

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
    let budget = Budget {
        boxes: limits.max_boxes.min(MOST_BOXES),
        after_violation: limits.after_violation,
    };
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
        let found = search::search(&pairs, budget, &stop);
        result.boxes += found.boxes;
        result.qc -= one() - found.fraction.clone();
        let candidate = candidate(policy, claim, &pairs, &found);
        if found.proof.is_none() {
            let remaining = left_over(pairs.network, number, &found, candidate.clone());
            result.remaining.push(remaining);
        }
        match conclude(number, budget, found, candidate) {
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

fn conclude(
    constraint: usize,
    budget: Budget,
    found: Found,
    candidate: Option<Candidate>,
) -> Result<Tree, Verdict> {
    if let Some(Candidate {
        inputs,
        excess: excess @ 1..,
        replay: Replay::Confirmed,
    }) = candidate
    {
        return Err(Verdict::Violated(Counterexample {
            constraint,
            inputs,
            excess,
        }));
    }
    let open = found.open;
    found.proof.ok_or_else(|| {
        Verdict::Unknown(if found.stopped {
            Reason::Stopped { constraint, open }
        } else if found.boxes >= budget.boxes {
            let limit = budget.boxes;
            Reason::BoxLimit {
                constraint,
                limit,
                open,
            }
        } else {
            // Nothing can be cut, or the deployed program did not confirm a violation.
            Reason::Exhausted { constraint, open }
        })
    })
}

/// The best pair of a search, and whether the deployed program gives the same excess.
fn candidate<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    pairs: &PairProblem<'_>,
    found: &Found,
) -> Option<Candidate> {
    let (excess, pair) = found.candidate.as_ref()?;
    let (first, second) = pairs.inputs(pair);
    let inputs = vec![evaluate(policy, &first), evaluate(policy, &second)];
    let mut heads = inputs[1].heads.map(i64::from);
    for (head, &before) in heads.iter_mut().zip(&inputs[0].heads) {
        *head -= i64::from(before);
    }
    let replayed = pairs.objective.excess(pair, &heads);
    let mut sides = pair.iter().zip(&pairs.region);
    let differs = pairs.facts_hold(pair) && sides.all(|(&value, side)| side.contains(value));
    let belong = inputs.iter().all(|input| belongs(policy, claim, input));
    Some(Candidate {
        inputs,
        excess: *excess,
        replay: if replayed == *excess && differs && belong {
            Replay::Confirmed
        } else {
            Replay::Unconfirmed
        },
    })
}

fn left_over(
    network: &Network,
    constraint: usize,
    found: &Found,
    candidate: Option<Candidate>,
) -> Remaining {
    let ends = |sides: &[Interval]| {
        let ends = sides.iter();
        ends.map(|side| (side.low as i32, side.high as i32))
            .collect()
    };
    let region = |open: &Open| {
        let (changes, bounds) = open.region.split_at(network.inputs());
        OpenRegion {
            bounds: ends(bounds),
            changes: Some(ends(changes)),
            phases: 0,
            excess: open.excess.and_then(|excess| i64::try_from(excess).ok()),
        }
    };
    Remaining {
        constraint,
        count: found.open,
        regions: found.regions.iter().map(region).collect(),
        candidate,
    }
}

/// With every box one node, the proof stays below the format's 2²⁴ nodes.
const MOST_BOXES: u64 = 16_000_000;
