//! What the guard may rely on.

use crate::features::FeatureTable;
use crate::fixed::Q16;
use crate::guard::{NoAssumptions, PathAssumptions};
use crate::policy::Digest;

/// Facts about one model that somebody vouches for.
///
/// For deployment only a checked certificate implements this; the guard trusts nothing else.
///
/// An envelope around another has its [`Envelope::Assumptions`] and passes them on; else nobody
/// would watch for what the inner one's claims assume.
pub trait Envelope {
    /// [`NoAssumptions`] where there are never closed-loop claims, so that a program does not link
    /// the watch; [`LoopAssumptions`](crate::guard::LoopAssumptions) or an `Option` of them else.
    type Assumptions: PathAssumptions;

    /// Digest of the model that the facts are about.
    fn model_digest(&self) -> Digest;

    /// True if the whole-domain claims hold at `features` (units of 2⁻¹⁶, in table order): they
    /// lie in the table's ranges and satisfy its links.
    fn contains(&self, features: &[i32]) -> bool;

    /// The loss over about 256 packets from which on the policy is proven to reduce its rate; the
    /// guard refuses growth there in any round that lost something.
    fn heavy_loss(&self) -> Q16;

    /// What closed-loop claims about the model assume of the path, where there are any; then the
    /// guard watches the path for evidence against it.
    fn loop_assumptions(&self) -> Self::Assumptions;
}

/// An envelope of constants that nobody vouches for: training, benches and tests need one before a
/// certificate can exist, and an embedded program, which has no checker, is built with one that
/// `tautline embed` wrote after checking.
///
/// Its type says whether closed-loop claims assume something of the path, so a program without them
/// does not pay for the watch, and none that has them goes without:
///
/// ```
/// # use tautline_core::features::TABLE_1;
/// # use tautline_core::guard::{LoopAssumptions, UncheckedEnvelope};
/// # use tautline_core::policy::Digest;
/// fn assuming(digest: Digest, assumed: LoopAssumptions) {
///     let unwatched: UncheckedEnvelope =
///         UncheckedEnvelope::dangerously_unchecked(digest, &TABLE_1);
///     let watched: UncheckedEnvelope<LoopAssumptions> = unwatched.with_loop_assumptions(assumed);
/// }
/// ```
///
/// ```compile_fail
/// # use tautline_core::features::TABLE_1;
/// # use tautline_core::guard::{LoopAssumptions, UncheckedEnvelope};
/// # use tautline_core::policy::Digest;
/// fn assuming(digest: Digest, assumed: LoopAssumptions) {
///     let unwatched: UncheckedEnvelope =
///         UncheckedEnvelope::dangerously_unchecked(digest, &TABLE_1);
///     let watched: UncheckedEnvelope = unwatched.with_loop_assumptions(assumed);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UncheckedEnvelope<A = NoAssumptions> {
    model_digest: Digest,
    table: &'static FeatureTable,
    heavy_loss: Q16,
    assumptions: A,
}

impl UncheckedEnvelope {
    /// Takes the table's domain and links for granted for this model. Never deploy it.
    pub const fn dangerously_unchecked(model_digest: Digest, table: &'static FeatureTable) -> Self {
        Self {
            model_digest,
            table,
            heavy_loss: DEFAULT_HEAVY_LOSS,
            assumptions: NoAssumptions,
        }
    }

    /// The same with what closed-loop claims assume of the path, or may be found to assume when the
    /// program runs.
    pub const fn with_loop_assumptions<A: PathAssumptions>(
        self,
        assumptions: A,
    ) -> UncheckedEnvelope<A> {
        UncheckedEnvelope {
            model_digest: self.model_digest,
            table: self.table,
            heavy_loss: self.heavy_loss,
            assumptions,
        }
    }
}

impl<A: PathAssumptions> UncheckedEnvelope<A> {
    /// The same with the loss from which on the policy is proven to reduce its rate, in place of
    /// [`DEFAULT_HEAVY_LOSS`].
    pub const fn with_heavy_loss(self, heavy_loss: Q16) -> Self {
        Self { heavy_loss, ..self }
    }
}

impl<A: PathAssumptions> Envelope for UncheckedEnvelope<A> {
    type Assumptions = A;

    fn model_digest(&self) -> Digest {
        self.model_digest
    }

    fn contains(&self, features: &[i32]) -> bool {
        self.table.contains(features)
    }

    fn heavy_loss(&self) -> Q16 {
        self.heavy_loss
    }

    fn loop_assumptions(&self) -> A {
        self.assumptions
    }
}

/// Ten per cent, the standard claims' ℓ.
pub const DEFAULT_HEAVY_LOSS: Q16 = Q16::from_units(6553);
