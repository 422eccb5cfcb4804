//! Point claims: a search per constraint, then one verdict.

use num_bigint::BigInt;
use num_rational::BigRational;
use tautline_certificate_format::claim::Claim;
use tautline_certificate_format::format::Tree;
use tautline_core::policy::Policy;

use crate::bab::{self, Branching, Budget, End, Flow, Found, Goal, Status, Waiting};
use crate::problem::Problem;
use crate::prove::{Limits, Progress, Watch, belongs, evaluate, one};
use crate::verdict::{
    Candidate, ClaimResult, Counterexample, OpenRegion, Proof, Reason, Remaining, Replay, Verdict,
};

/// Decides a point claim.
pub(crate) fn prove<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    problems: &[Problem<'_>],
    limits: Limits,
    watch: Watch<'_>,
) -> ClaimResult {
    let budget = Budget {
        boxes: limits.max_boxes.min(MOST_BOXES),
        after_violation: limits.after_violation,
    };
    let mut trees: Vec<Tree> = vec![];
    let mut unproven = BigRational::from_integer(BigInt::from(0));
    let mut boxes = 0;
    let mut refuted = None;
    let mut remaining = vec![];
    for (number, problem) in problems.iter().enumerate() {
        let report = |status: Status| {
            (watch.progress)(Progress {
                claim: &claim.name,
                constraint: number,
                boxes: status.boxes,
                open: status.open,
                proven: status.proven,
            });
            if (watch.stop)() {
                Flow::Stop
            } else {
                Flow::Continue
            }
        };
        let found = bab::search(problem, budget, Goal::Decide(Branching::default()), &report);
        boxes += found.status.boxes;
        unproven += one() - found.fraction.clone();
        if !matches!(found.end, End::Proven(_)) {
            remaining.push(left_over(policy, claim, problem, number, &found));
        }
        match conclude(policy, claim, problem, number, limits, found) {
            Ok(tree) => trees.push(tree),
            // A violation outranks an earlier unknown.
            Err(verdict @ Verdict::Violated(_)) => {
                refuted.take_if(|known: &mut Verdict| !matches!(known, Verdict::Violated(_)));
                refuted.get_or_insert(verdict);
            }
            Err(verdict) => {
                refuted.get_or_insert(verdict);
            }
        }
    }
    let zero = BigRational::from_integer(BigInt::from(0));
    ClaimResult {
        name: claim.name.clone(),
        verdict: refuted.unwrap_or(Verdict::Holds(Proof::Trees(trees))),
        qc: (one() - unproven).max(zero),
        boxes,
        remaining,
    }
}

fn conclude<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    problem: &Problem<'_>,
    number: usize,
    limits: Limits,
    found: Found,
) -> Result<Tree, Verdict> {
    let open = found.status.open;
    Err(match found.end {
        End::Proven(tree) => return Ok(tree),
        End::Violated(point) => {
            let input = evaluate(policy, &point);
            let heads = input.heads.map(i64::from);
            let excess = problem.objective.excess(&point, &heads);
            let is_real = excess > 0 && belongs(policy, claim, &input);
            let inputs = vec![input];
            if is_real {
                Verdict::Violated(Counterexample {
                    constraint: number,
                    inputs,
                    excess,
                })
            } else {
                // The deployed program did not confirm it.
                Verdict::Unknown(Reason::Exhausted {
                    constraint: number,
                    open,
                })
            }
        }
        End::Stopped => Verdict::Unknown(Reason::Stopped {
            constraint: number,
            open,
        }),
        End::BoxLimit => Verdict::Unknown(Reason::BoxLimit {
            constraint: number,
            limit: limits.max_boxes.min(MOST_BOXES),
            open,
        }),
        End::Exhausted => Verdict::Unknown(Reason::Exhausted {
            constraint: number,
            open,
        }),
    })
}

fn left_over<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    problem: &Problem<'_>,
    number: usize,
    found: &Found,
) -> Remaining {
    let region = |waiting: &Waiting| OpenRegion {
        bounds: waiting
            .region
            .iter()
            .map(|ends| (ends.low as i32, ends.high as i32))
            .collect(),
        changes: None,
        phases: waiting.phases,
        excess: waiting.excess.is_finite().then_some(waiting.excess as i64),
    };
    let candidate = found.candidate.as_ref().map(|(excess, point)| {
        let input = evaluate(policy, point);
        let replayed = problem.objective.excess(point, &input.heads.map(i64::from));
        let is_real = replayed == *excess && belongs(policy, claim, &input);
        Candidate {
            inputs: vec![input],
            excess: *excess,
            replay: if is_real {
                Replay::Confirmed
            } else {
                Replay::Unconfirmed
            },
        }
    });
    Remaining {
        constraint: number,
        count: found.status.open,
        regions: found.regions.iter().map(region).collect(),
        candidate,
    }
}

/// A box is at most one split, or a corner and a leaf; two children make one of each, so this many
/// boxes stay below the format's 2²⁴ nodes.
const MOST_BOXES: u64 = 11_000_000;
