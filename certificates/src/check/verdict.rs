//! What an accepted certificate is: a value that only the checker makes.

use std::sync::Arc;

use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::guard::{DEFAULT_HEAVY_LOSS, Envelope};
use tautline_core::policy::{Digest, HeadKind};

use crate::claim::{Claim, ClaimKind, ClaimSet};
use crate::semantics::Program;

/// A certificate whose every step has been checked.
///
/// Its fields are private and only [`crate::check()`] makes one, so holding one means that the
/// model named obeys the claims listed.
///
/// ```
/// use tautline_certificates::CheckedCertificate;
/// fn model_of(checked: &CheckedCertificate) -> tautline_core::policy::Digest {
///     checked.model()
/// }
/// ```
/// The same without a check does not compile:
/// ```compile_fail
/// use tautline_certificates::CheckedCertificate;
/// fn model_of(checked: &CheckedCertificate) -> tautline_core::policy::Digest {
///     let forged = CheckedCertificate { model: checked.model(), ..checked.clone() };
///     forged.model()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CheckedCertificate {
    model: Digest,
    certificate: Digest,
    table: &'static FeatureTable,
    claim_set: Arc<ClaimSet>,
    claims: Arc<[CheckedClaim]>,
    heavy_loss: Q16,
}

/// A claim that has been proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedClaim {
    pub(super) name: String,
    pub(super) says: String,
    pub(super) leaves: u64,
}

impl CheckedClaim {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says, in one sentence.
    pub fn says(&self) -> &str {
        &self.says
    }

    /// The fraction of its region that is proven. A certificate covers the region by construction
    /// of its trees, so a claim is proven everywhere or the certificate is rejected.
    pub const fn qc(&self) -> &'static str {
        "1/1"
    }

    /// Leaves of its proof, over all constraints; one for a pair claim.
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }
}

impl CheckedCertificate {
    pub(super) fn new(
        program: &Program,
        certificate: Digest,
        claim_set: ClaimSet,
        claims: Vec<CheckedClaim>,
    ) -> Self {
        Self {
            model: program.digest(),
            certificate,
            table: program.table(),
            heavy_loss: heavy_loss(program.table(), &claim_set),
            claim_set: Arc::new(claim_set),
            claims: claims.into(),
        }
    }

    /// Digest of the model.
    pub const fn model(&self) -> Digest {
        self.model
    }

    /// Digest of the certificate's file.
    pub const fn certificate(&self) -> Digest {
        self.certificate
    }

    /// The claims as data.
    pub fn claim_set(&self) -> &ClaimSet {
        &self.claim_set
    }

    /// The claims proven, in order.
    pub fn claims(&self) -> &[CheckedClaim] {
        &self.claims
    }
}

impl Envelope for CheckedCertificate {
    fn model_digest(&self) -> Digest {
        self.model
    }

    fn contains(&self, features: &[i32]) -> bool {
        self.table.contains(features)
    }

    fn heavy_loss(&self) -> Q16 {
        self.heavy_loss
    }
}

/// From which `slow_loss` on the claim of that name proves a falling rate. A claim of another
/// shape, or one that starts later than the default, does not make the guard laxer.
fn heavy_loss(table: &FeatureTable, claims: &ClaimSet) -> Q16 {
    let proven = |claim: &Claim| {
        let reduces = claim.constraints.iter().any(|constraint| {
            let rate = matches!(constraint.heads.as_slice(), &[(HeadKind::Rate, c)] if c > 0);
            rate && constraint.features.is_empty() && constraint.bound < 0
        });
        let index = table.index_of("slow_loss")?;
        let low = claim.region.bounds.get(index)?.0;
        // At any other feature's value, but for the loss of the round itself.
        let free = claim
            .region
            .bounds
            .iter()
            .zip(table.features)
            .all(|(&(from, to), feature)| {
                let starts = from == feature.low.units() || LOSSES.contains(&feature.name);
                starts && to == feature.high.units()
            });
        let plain = claim.kind == ClaimKind::Point && claim.region.linear.is_empty();
        (plain && reduces && free).then_some(low)
    };
    let named = claims
        .claims
        .iter()
        .find(|claim| claim.name == HEAVY_LOSS_CLAIM);
    named.and_then(proven).map_or(DEFAULT_HEAVY_LOSS, |low| {
        DEFAULT_HEAVY_LOSS.min(Q16::from_units(low))
    })
}

const LOSSES: [&str; 2] = ["loss", "slow_loss"];
const HEAVY_LOSS_CLAIM: &str = "backs-off-on-heavy-loss";
