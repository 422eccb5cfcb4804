//! From verdicts to a certificate.

use tautline_certificate_format::claim::ClaimSet;
use tautline_certificate_format::format::{Certificate, FormatError, Section};
use tautline_core::policy::Policy;

use crate::prove::{Limits, Watch, prove_claim};
use crate::verdict::{ClaimResult, Proof, ProveError, Verdict};

/// What came of certifying a claim set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certification {
    /// One result per claim, in order.
    pub results: Vec<ClaimResult>,
    /// The `.tlc` file, where every claim holds.
    pub certificate: Option<Vec<u8>>,
}

/// Decides every claim of a set and writes a certificate if all of them hold.
///
/// # Errors
/// [`ProveError`] where the claims do not fit the model or the proof does not fit the format.
pub fn certify<S: AsRef<[i16]>>(
    policy: &Policy<S>,
    claims: &ClaimSet,
    limits: &Limits,
    watch: Watch<'_>,
) -> Result<Certification, ProveError> {
    let expected = policy.header().feature_table;
    if claims.feature_table != expected {
        return Err(ProveError::FeatureTable {
            expected,
            got: claims.feature_table,
        });
    }
    if !claims.loops.is_empty() {
        let got = claims.loops.len();
        return Err(FormatError::LoopClaims { got }.into());
    }
    let results = claims
        .claims
        .iter()
        .map(|claim| prove_claim(policy, claim, limits, watch));
    let results: Vec<_> = results.collect::<Result<_, _>>()?;
    let certificate = match sections(&results) {
        Some(sections) => {
            let certificate = Certificate {
                model: policy.digest(),
                claims: claims.clone(),
                sections,
            };
            Some(certificate.encode()?)
        }
        None => None,
    };
    Ok(Certification {
        results,
        certificate,
    })
}

/// One section per claim; `None` unless every claim holds.
fn sections(results: &[ClaimResult]) -> Option<Vec<Section>> {
    let sections = results.iter().enumerate().map(|(number, result)| {
        let claim = u16::try_from(number).ok()?;
        match &result.verdict {
            Verdict::Holds(Proof::Trees(trees)) => Some(Section::RegionTree {
                claim,
                trees: trees.clone(),
            }),
            Verdict::Holds(Proof::Pairs(trees)) => Some(Section::PairTree {
                claim,
                trees: trees.clone(),
            }),
            Verdict::Holds(Proof::Signs) => Some(Section::PairTree {
                claim,
                trees: vec![],
            }),
            Verdict::Violated(_) | Verdict::Unknown(_) => None,
        }
    });
    sections.collect()
}
