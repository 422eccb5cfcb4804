//! From a claim to a verdict.

use num_bigint::BigInt;
use num_rational::BigRational;
use tautline_certificate_format::claim::{Claim, ClaimKind};
use tautline_core::policy::{Policy, Scratch};

use crate::bab::{self, Budget, End, Flow, Goal};
use crate::network::Network;
use crate::pair;
use crate::point;
use crate::problem::Problem;
use crate::signs::{self, Sign};
use crate::verdict::{ClaimResult, Evaluation, ProveError};

/// How much work a claim may take; part of what decides the result, so the same limits give the
/// same result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Boxes bounded per constraint; at most eleven million, so that the proof fits the format.
    pub max_boxes: u64,
    /// Boxes bounded after a violation is known, to measure the proven fraction.
    pub after_violation: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_boxes: 2_000_000,
            after_violation: 2_000,
        }
    }
}

/// Who looks on: progress goes out, a wish to stop comes in. Time itself is the caller's affair.
#[derive(Clone, Copy)]
pub struct Watch<'w> {
    /// Called after every batch of boxes.
    pub progress: &'w (dyn Fn(Progress<'_>) + Sync),
    /// Asked after every batch; true ends the search with what there is.
    pub stop: &'w (dyn Fn() -> bool + Sync),
}

impl Watch<'static> {
    /// Nobody.
    pub fn none() -> Self {
        Self {
            progress: &|_| {},
            stop: &|| false,
        }
    }
}

/// Where the work on a claim stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'c> {
    /// The claim's name.
    pub claim: &'c str,
    /// The constraint at work.
    pub constraint: usize,
    /// Its boxes bounded so far.
    pub boxes: u64,
    /// Its regions still open.
    pub open: usize,
    /// Its proven fraction, rounded.
    pub proven: f64,
}

/// Decides one claim about a model.
///
/// # Errors
/// [`ProveError`] where the claim does not fit the model.
pub fn prove_claim<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    limits: &Limits,
    watch: Watch<'_>,
) -> Result<ClaimResult, ProveError> {
    let network = Network::new(policy);
    let problems = Problem::of_claim(&network, claim)?;
    match &claim.kind {
        ClaimKind::Point => Ok(point::prove(policy, claim, &problems, *limits, watch)),
        ClaimKind::Pair { .. } | ClaimKind::Difference { .. } => {
            Ok(pair::prove(policy, claim, &problems, *limits, watch))
        }
    }
}

/// Proven fraction of a claim's box after at most `max_boxes` boxes per constraint, rounded; for
/// progress displays and training signals. A pair claim counts as one or zero.
///
/// # Errors
/// [`ProveError`] where the claim does not fit the model.
pub fn quick_qc<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    max_boxes: u64,
) -> Result<f64, ProveError> {
    let network = Network::new(policy);
    let problems = Problem::of_claim(&network, claim)?;
    let unproven = problems
        .iter()
        .enumerate()
        .map(|(number, problem)| match &claim.kind {
            ClaimKind::Pair { .. } | ClaimKind::Difference { .. } => {
                let differences = claim.kind.differences(network.table());
                let differences = differences.unwrap_or_default();
                f64::from(u8::from(
                    pair::sign_rule(problem, number, &differences).is_err(),
                ))
            }
            ClaimKind::Point => {
                let budget = Budget {
                    boxes: max_boxes,
                    after_violation: max_boxes,
                };
                let found = bab::search(problem, budget, Goal::Measure, &|_| Flow::Continue);
                match found.end {
                    End::Proven(_) => 0.0,
                    _ => 1.0 - found.status.proven,
                }
            }
        });
    Ok((1.0 - unproven.sum::<f64>()).max(0.0))
}

/// The part of a claim's box on which a constraint is hardest, by the weights' signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CornerRegion {
    /// Inclusive bounds per feature, in units of 2⁻¹⁶; fixed ones have both ends equal.
    pub bounds: Vec<(i32, i32)>,
    /// The features that keep their interval.
    pub free: Vec<usize>,
}

/// The corner of every constraint of a claim: bounding the constraint there bounds it everywhere.
///
/// # Errors
/// [`ProveError`] where the claim does not fit the model.
pub fn corner_region<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
) -> Result<Vec<CornerRegion>, ProveError> {
    let network = Network::new(policy);
    let problems = Problem::of_claim(&network, claim)?;
    let corners = problems.iter().map(|problem| {
        let mut corner = vec![];
        signs::corner(&problem.signs, &problem.region, &mut corner);
        let open = |&feature: &usize| problem.signs[feature] == Sign::Unknown;
        CornerRegion {
            bounds: corner
                .iter()
                .map(|ends| (ends.low as i32, ends.high as i32))
                .collect(),
            free: (0..corner.len()).filter(open).collect(),
        }
    });
    Ok(corners.collect())
}

pub(crate) fn evaluate<S: AsRef<[i16]>>(policy: &Policy<S>, point: &[i64]) -> Evaluation {
    let features: Vec<i32> = point.iter().map(|&value| value as i32).collect();
    let heads = policy.forward(&features, &mut Scratch::new());
    Evaluation { features, heads }
}

pub(crate) fn belongs<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claim: &Claim,
    input: &Evaluation,
) -> bool {
    policy.table().contains(&input.features) && claim.region.contains(&input.features)
}

pub(crate) fn one() -> BigRational {
    BigRational::from_integer(BigInt::from(1))
}
