//! From a claim set to what training can push on.

use tautline_core::features::FEATURE_COUNT;
use tautline_core::policy::Digest;

pub use tautline_abstract_interp::claim::ClaimSet;
use tautline_abstract_interp::claim::{Claim, ClaimKind, Constraint};

use crate::error::TrainError;
use crate::network::{FEATURE_TABLE, Layout};
use crate::obligation::{Box12, ONE, Obligation, domain};

/// One obligation per constraint of every point claim, at its corner. Pair claims hold by the sign
/// pattern and need no training.
pub(crate) fn obligations(
    claims: &ClaimSet,
    layout: &Layout,
) -> Result<Vec<Obligation>, TrainError> {
    if claims.feature_table != FEATURE_TABLE {
        return Err(TrainError::ClaimsTable {
            expected: FEATURE_TABLE,
            got: claims.feature_table,
        });
    }
    let mut obligations = Vec::new();
    for (place, claim) in claims.claims.iter().enumerate() {
        for constraint in &claim.constraints {
            let obligation = obligation(place, claim, constraint, layout)?;
            if claim.kind == ClaimKind::Point {
                obligations.push(obligation);
            }
        }
    }
    Ok(obligations)
}

pub(crate) fn digest(claims: &ClaimSet) -> Result<Digest, TrainError> {
    claims.digest().map_err(|error| TrainError::Claims {
        message: error.to_string(),
    })
}

fn obligation(
    place: usize,
    claim: &Claim,
    constraint: &Constraint,
    layout: &Layout,
) -> Result<Obligation, TrainError> {
    let mut heads = Vec::new();
    for &(kind, coefficient) in &constraint.heads {
        let head = layout
            .header()
            .head_index(kind)
            .ok_or_else(|| TrainError::ClaimHead {
                claim: claim.name.clone(),
                head: kind,
            })?;
        heads.push((head, coefficient as f64));
    }
    let scale = heads
        .iter()
        .fold(0.0, |largest: f64, &(_, c)| largest.max(c.abs()));
    let scale = if scale > 0.0 { scale } else { 1.0 };
    for (_, coefficient) in &mut heads {
        *coefficient /= scale;
    }
    let features = constraint.features.iter();
    Ok(Obligation {
        claim: place,
        heads,
        features: features.map(|&(i, d)| (i, d as f64 / scale)).collect(),
        bound: constraint.bound as f64 / (ONE * scale),
        region: region(claim),
    }
    .at_corner(layout))
}

fn region(claim: &Claim) -> Box12 {
    let mut region = domain();
    for place in 0..FEATURE_COUNT {
        if let Some(&(low, high)) = claim.region.bounds.get(place) {
            region[place] = (f64::from(low) / ONE, f64::from(high) / ONE);
        }
    }
    region
}
