//! The checker: one proof rule per file.

mod affine;
mod clamp;
mod exact;
mod interval;
mod pair;
mod phase;
mod ratio;
mod region;
pub(crate) mod rejection;
mod relaxation;
mod relu;
pub(crate) mod sign;
pub(crate) mod target;
mod tree;
mod verdict;

use std::sync::Arc;

use tautline_core::policy::Policy;

pub use rejection::{Reason, Rejection, Rule, Step};
pub use verdict::{CheckedCertificate, CheckedClaim};

use crate::claim::{Claim, ClaimSet};
use crate::format::{Layout, NodeReader};
use crate::semantics::{Program, Range};
use region::Place;
use rejection::at;
use target::Target;

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
    let program = Program::decode(model).map_err(at(Step::Model, Rule::Model))?;
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
    let program = Program::from_policy(policy).map_err(at(Step::Model, Rule::Model))?;
    check_program(&program, certificate, claims)
}

fn check_program(
    program: &Program,
    certificate: &[u8],
    claims: Option<&ClaimSet>,
) -> Result<CheckedCertificate, Rejection> {
    let layout = Layout::read(certificate).map_err(at(Step::File, Rule::Format))?;
    let (expected, got) = (layout.model, program.digest());
    if expected != got {
        let wrong = Reason::WrongModel { expected, got };
        return Err(at(Step::Model, Rule::Model)(wrong));
    }
    check_claim_set(program, &layout, claims).map_err(at(Step::Claims, Rule::Claims))?;
    let sections = layout.expect_sections();
    sections.map_err(at(Step::File, Rule::Format))?;
    let mut checked = vec![];
    let sections = layout.claims.claims.iter().zip(&layout.sections);
    for (number, (claim, section)) in sections.enumerate() {
        let step = Step::Section { section: number };
        let expected = section.expect(number, claim);
        expected.map_err(at(step, Rule::Format))?;
        let leaves = check_claim(program, number, claim, section.payload)?;
        checked.push(CheckedClaim {
            name: claim.name.clone(),
            says: claim.says.clone(),
            leaves,
        });
    }
    for (number, claim) in layout.claims.ratios.iter().enumerate() {
        let shown = ratio::check(claim, &layout.claims, program.step_gain());
        shown.map_err(at(Step::Ratio { claim: number }, Rule::Ratio))?;
        checked.push(CheckedClaim {
            name: claim.name.clone(),
            says: claim.says.clone(),
            leaves: 1,
        });
    }
    Ok(CheckedCertificate {
        model: program.digest(),
        certificate: layout.digest,
        table: program.table(),
        heavy_loss: layout.claims.heavy_loss(),
        closed_loop: None,
        claim_set: Arc::new(layout.claims),
        claims: checked.into(),
    })
}

pub(crate) fn check_claim_set(
    program: &Program,
    layout: &Layout<'_>,
    claims: Option<&ClaimSet>,
) -> Result<(), Reason> {
    if let Some(claims) = claims {
        let (expected, got) = (claims.digest()?, layout.claims_digest);
        if expected != got {
            return Err(Reason::WrongClaims { expected, got });
        }
    }
    let (expected, got) = (program.table().version, layout.claims.feature_table);
    if expected != got {
        return Err(Reason::FeatureTable { expected, got });
    }
    Ok(())
}

/// Checks the payload of the section that proves one claim, the `number`-th of its set; returns
/// its leaves.
///
/// This is the work of [`check()`] for one claim over any program, those of [`Program::new`]
/// included. It makes no [`CheckedCertificate`], so nothing can be deployed on its word.
///
/// # Errors
/// As [`check()`]; a claim that no set over the program's table can hold is rejected too.
pub fn check_claim(
    program: &Program,
    number: usize,
    claim: &Claim,
    payload: &[u8],
) -> Result<u64, Rejection> {
    let table = program.table();
    let valid = claim.validate(number, table);
    valid.map_err(at(Step::Claims, Rule::Claims))?;
    let differences = claim.kind.differences(table);
    let differences = differences.filter(|_| payload.is_empty());
    let ranges = |bounds: &[(i32, i32)]| bounds.iter().copied().map(Range::new).collect();
    let region: Vec<Range> = ranges(&claim.region.bounds);
    let pair = claim.pair_bounds(table);
    let (facts, pairs_in) = match &pair {
        None => (claim.region.facts(table), None),
        Some(_) => (claim.pair_facts(table), Some(region.as_slice())),
    };
    let place = Place {
        program,
        input: pair.map_or_else(|| region.clone(), |pair| ranges(&pair)),
        facts: &facts,
        phases: vec![],
        moved: false,
        pairs_in,
    };
    let mut reader = NodeReader::new(payload);
    let mut leaves = 0u64;
    for (constraint, wanted) in claim.constraints.iter().enumerate() {
        let step = Step::Constraint {
            claim: number,
            constraint,
        };
        let target = Target::new(program, wanted).map_err(at(step, Rule::Claims))?;
        if let Some(differences) = &differences {
            let shown = sign::check_pair(program, &target, differences);
            shown.map_err(at(step, Rule::Sign))?;
            leaves = 1;
        } else {
            let which = (number, constraint);
            let tree = tree::check_tree(&mut reader, place.clone(), &target, which)?;
            leaves = leaves.saturating_add(tree);
        }
    }
    let step = Step::Section { section: number };
    reader.finish().map_err(at(step, Rule::Format))?;
    Ok(leaves)
}

#[cfg(test)]
mod tests;
