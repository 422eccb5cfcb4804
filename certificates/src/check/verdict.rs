//! What an accepted certificate is: a value that only the checker makes.

use std::sync::Arc;

use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::guard::{Envelope, LoopAssumptions};
use tautline_core::policy::Digest;

use crate::claim::ClaimSet;
use crate::closed_loop::CheckedLoop;

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
    pub(super) model: Digest,
    pub(super) certificate: Digest,
    pub(super) table: &'static FeatureTable,
    pub(super) claim_set: Arc<ClaimSet>,
    pub(super) claims: Arc<[CheckedClaim]>,
    pub(super) heavy_loss: Q16,
    pub(crate) closed_loop: Option<CheckedLoop>,
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
    type Assumptions = Option<LoopAssumptions>;

    fn model_digest(&self) -> Digest {
        self.model
    }

    fn contains(&self, features: &[i32]) -> bool {
        self.table.contains(features)
    }

    fn heavy_loss(&self) -> Q16 {
        self.heavy_loss
    }

    fn loop_assumptions(&self) -> Option<LoopAssumptions> {
        self.closed_loop.as_ref().map(CheckedLoop::assumptions)
    }
}
