//! The checker: one proof rule per file.

mod affine;
mod clamp;
mod exact;
mod interval;
mod pair;
mod region;
mod rejection;
mod relaxation;
mod relu;
mod sign;
mod target;
mod tree;
mod verdict;

#[cfg(test)]
mod tests;

use tautline_core::policy::Policy;

pub use rejection::{Reason, Rejection, Rule, Step};
pub use verdict::{CheckedCertificate, CheckedClaim};

use crate::claim::{Claim, ClaimKind, ClaimSet};
use crate::format::{Layout, NodeReader, SectionView};
use crate::semantics::Program;
use pair::PairRelaxation;
use region::InputBox;
use target::Target;
use tree::Checker;

/// Checks a certificate against the bytes of a `.tlm` model.
///
/// With `claims`, the certificate must prove exactly that set; without, it proves the set that it
/// carries, and the caller reads from the result what that is.
///
/// # Soundness
/// If this returns a value, then for every claim of its set and every feature vector of integers
/// in the claim's region that satisfies the table's links, the model's integer program satisfies
/// every constraint of the claim.
///
/// # Errors
/// [`Rejection`] with the first step that is not a proof.
pub fn check(
    model: &[u8],
    certificate: &[u8],
    claims: Option<&ClaimSet>,
) -> Result<CheckedCertificate, Rejection> {
    let program = Program::decode(model).map_err(|error| at(Step::Model, Rule::Model, error))?;
    check_program(&program, certificate, claims)
}

/// Checks a certificate against a loaded model.
///
/// # Errors
/// As [`check()`].
pub fn check_policy<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    certificate: &[u8],
    claims: Option<&ClaimSet>,
) -> Result<CheckedCertificate, Rejection> {
    let program =
        Program::from_policy(policy).map_err(|error| at(Step::Model, Rule::Model, error))?;
    check_program(&program, certificate, claims)
}

fn check_program(
    program: &Program,
    certificate: &[u8],
    claims: Option<&ClaimSet>,
) -> Result<CheckedCertificate, Rejection> {
    let layout = Layout::read(certificate).map_err(|error| at(Step::File, Rule::Format, error))?;
    if layout.model != program.digest() {
        let (expected, got) = (layout.model, program.digest());
        return Err(at(
            Step::Model,
            Rule::Model,
            Reason::WrongModel { expected, got },
        ));
    }
    check_claim_set(program, &layout, claims)?;
    layout
        .expect_sections()
        .map_err(|error| at(Step::File, Rule::Format, error))?;
    let mut checker = Checker::new(program);
    let mut checked = vec![];
    let sections = layout.claims.claims.iter().zip(&layout.sections);
    for (number, (claim, section)) in sections.enumerate() {
        let step = Step::Section { section: number };
        section
            .expect(number, claim)
            .map_err(|error| at(step, Rule::Format, error))?;
        let leaves = match &claim.kind {
            ClaimKind::Pair { .. } | ClaimKind::Difference { .. } if section.payload.is_empty() => {
                check_signs(program, number, claim)?
            }
            _ => check_trees(program, &mut checker, number, claim, section)?,
        };
        checked.push(CheckedClaim::new(claim, leaves));
    }
    Ok(CheckedCertificate::new(
        program,
        layout.digest,
        layout.claims,
        checked,
    ))
}

fn check_claim_set(
    program: &Program,
    layout: &Layout<'_>,
    claims: Option<&ClaimSet>,
) -> Result<(), Rejection> {
    let reject = |reason: Reason| at(Step::Claims, Rule::Claims, reason);
    if let Some(claims) = claims {
        let expected = claims.digest().map_err(|error| reject(error.into()))?;
        let got = layout.claims_digest;
        if expected != got {
            return Err(reject(Reason::WrongClaims { expected, got }));
        }
    }
    let (expected, got) = (program.table().version, layout.claims.feature_table);
    if expected == got {
        Ok(())
    } else {
        Err(reject(Reason::FeatureTable { expected, got }))
    }
}

/// One tree per constraint, over one input or over pairs.
fn check_trees(
    program: &Program,
    checker: &mut Checker<'_>,
    number: usize,
    claim: &Claim,
    section: &SectionView<'_>,
) -> Result<u64, Rejection> {
    let pair = claim.pair_bounds(program.table());
    let (bounds, facts) = match &pair {
        None => (&claim.region.bounds, claim.region.facts(program.table())),
        Some(bounds) => (bounds, claim.pair_facts(program.table())),
    };
    let region = InputBox::new(&claim.region.bounds);
    checker.pair = pair.as_ref().map(|_| PairRelaxation::new(program, region));
    let mut reader = NodeReader::new(section.payload);
    let mut leaves = 0u64;
    for (constraint, wanted) in claim.constraints.iter().enumerate() {
        let step = Step::Constraint {
            claim: number,
            constraint,
        };
        let target =
            Target::new(program, wanted).map_err(|reason| at(step, Rule::Claims, reason))?;
        let tree = checker.check_tree(&mut reader, InputBox::new(bounds), &facts, &target);
        let tree = tree.map_err(|fault| {
            let node = Step::Node {
                claim: number,
                constraint,
                node: fault.node,
            };
            at(node, fault.rule, fault.reason)
        })?;
        leaves = leaves.saturating_add(tree);
    }
    let step = Step::Section { section: number };
    reader
        .finish()
        .map_err(|error| at(step, Rule::Format, error))?;
    Ok(leaves)
}

/// Every constraint by rule *sign*.
fn check_signs(program: &Program, number: usize, claim: &Claim) -> Result<u64, Rejection> {
    let differences = claim.kind.differences(program.table()).unwrap_or_default();
    for (constraint, wanted) in claim.constraints.iter().enumerate() {
        let step = Step::Constraint {
            claim: number,
            constraint,
        };
        let target =
            Target::new(program, wanted).map_err(|reason| at(step, Rule::Claims, reason))?;
        sign::check_pair(program, &target, &differences)
            .map_err(|reason| at(step, Rule::Sign, reason))?;
    }
    Ok(1)
}

fn at(step: Step, rule: Rule, reason: impl Into<Reason>) -> Rejection {
    Rejection {
        step,
        rule,
        reason: Box::new(reason.into()),
    }
}
