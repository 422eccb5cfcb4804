//! What an accepted proof of closed-loop claims is: values that only the checker makes.

use std::sync::Arc;

use tautline_core::policy::Digest;

use crate::closed_loop::LoopClaim;

/// A slice whose every cell has been checked, of one file.
#[derive(Clone, Debug)]
pub struct CheckedSlice {
    pub(super) certificate: Digest,
    pub(super) claim: usize,
    pub(super) slice: usize,
    pub(super) shown: Shown,
}

/// What holds in a part of a family, or in all of it.
///
/// # Units
/// Shares of capacity and of the base RTT: 2⁻¹⁶; windows: log₂ over the bandwidth-delay product, in
/// 2⁻⁸ octaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// U, the share of the capacity that is carried once settled, at least.
    pub utilisation: u32,
    /// Q, the queueing delay over the base RTT once settled, at most.
    pub queue: u32,
    /// K, rounds after which it has settled.
    pub rounds: u8,
    /// The windows once settled.
    pub windows: (i32, i32),
    /// The windows that have a rank, before and after.
    pub reached: (i32, i32),
    /// Cells that have a rank.
    pub ranked: u64,
}

impl Shown {
    /// Before any cell of the largest rank has been seen.
    pub(super) const fn new(most: u8) -> Self {
        Self {
            utilisation: 1 << 16,
            queue: 0,
            rounds: most.saturating_sub(1),
            windows: (i32::MAX, i32::MIN),
            reached: (i32::MAX, i32::MIN),
            ranked: 0,
        }
    }

    /// What holds wherever the one or the other does.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            utilisation: self.utilisation.min(other.utilisation),
            queue: self.queue.max(other.queue),
            rounds: self.rounds.max(other.rounds),
            windows: hull(self.windows, other.windows),
            reached: hull(self.reached, other.reached),
            ranked: self.ranked.saturating_add(other.ranked),
        }
    }
}

/// The least range that has both.
pub(super) fn hull(one: (i32, i32), other: (i32, i32)) -> (i32, i32) {
    (one.0.min(other.0), one.1.max(other.1))
}

impl CheckedSlice {
    /// The claim, as a position in the set.
    pub const fn claim(&self) -> usize {
        self.claim
    }

    /// The slice of the claim's proof.
    pub const fn slice(&self) -> usize {
        self.slice
    }

    /// What holds in it.
    pub const fn shown(&self) -> Shown {
        self.shown
    }
}

/// A certificate whose closed-loop claims have all been checked, on every path of their families.
///
/// Its fields are private and only [`super::LoopChecker::finish`] makes one.
///
/// ```
/// use tautline_certificates::closed_loop::CheckedLoop;
/// fn model_of(checked: &CheckedLoop) -> tautline_core::policy::Digest {
///     checked.model()
/// }
/// ```
/// The same without a check does not compile:
/// ```compile_fail
/// use tautline_certificates::closed_loop::CheckedLoop;
/// fn model_of(checked: &CheckedLoop) -> tautline_core::policy::Digest {
///     let forged = CheckedLoop { model: checked.model(), ..checked.clone() };
///     forged.model()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CheckedLoop {
    pub(super) model: Digest,
    pub(super) certificate: Digest,
    pub(super) claims: Arc<[CheckedLoopClaim]>,
}

/// A closed-loop claim that has been proven.
#[derive(Clone, Debug)]
pub struct CheckedLoopClaim {
    pub(super) claim: LoopClaim,
    pub(super) slices: Vec<CheckedSlice>,
    pub(super) shown: Shown,
}

impl CheckedLoop {
    /// Digest of the model.
    pub const fn model(&self) -> Digest {
        self.model
    }

    /// Digest of the certificate's file.
    pub const fn certificate(&self) -> Digest {
        self.certificate
    }

    /// The claims proven, in order; at least one.
    pub fn claims(&self) -> &[CheckedLoopClaim] {
        &self.claims
    }
}

impl CheckedLoopClaim {
    /// The claim as data.
    pub const fn claim(&self) -> &LoopClaim {
        &self.claim
    }

    /// What holds in every slice, which is what the claim asks for or more.
    pub const fn shown(&self) -> Shown {
        self.shown
    }

    /// What holds in each slice.
    pub fn slices(&self) -> &[CheckedSlice] {
        &self.slices
    }
}
