//! What checked closed-loop claims assume, for the guard.

use tautline_core::fixed::Q16;
use tautline_core::guard::LoopAssumptions;
use tautline_core::policy::Digest;

use super::{CheckedLoop, CheckedLoopClaim, LOG_BITS};
use crate::CheckedCertificate;

impl CheckedCertificate {
    /// The same with closed-loop claims about the model, whose assumptions the guard then monitors.
    ///
    /// # Errors
    /// [`ForeignLoop`] if they are about another model.
    pub fn with_loop(mut self, closed_loop: CheckedLoop) -> Result<Self, ForeignLoop> {
        let (closed_loop_of, model) = (closed_loop.model(), self.model());
        if closed_loop_of != model {
            return Err(ForeignLoop {
                closed_loop_of,
                model,
            });
        }
        self.closed_loop = Some(closed_loop);
        Ok(self)
    }

    /// The closed-loop claims proven, if there are any.
    pub const fn closed_loop(&self) -> Option<&CheckedLoop> {
        self.closed_loop.as_ref()
    }
}

/// Closed-loop claims about another model than a certificate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the closed-loop claims are about model {closed_loop_of}, the certificate about {model}")]
pub struct ForeignLoop {
    /// Digest of the model that the closed-loop claims are about.
    pub closed_loop_of: Digest,
    /// Digest of the certificate's model.
    pub model: Digest,
}

impl CheckedLoop {
    /// What the guard has to watch for.
    ///
    /// With several claims it is what the most tolerant of them assumes, so that evidence against
    /// it is evidence against each; the policy begins where all of them let it.
    pub fn assumptions(&self) -> LoopAssumptions {
        let mut claims = self.claims().iter().map(assumptions_of);
        // There is at least one claim; without one nothing would be assumed and nothing covered.
        let first = claims.next().unwrap_or(LoopAssumptions {
            jitter: Q16::ZERO,
            log_bdp: (Q16::MAX, Q16::ZERO),
            buffer: (Q16::MAX, None),
            start: (Q16::MAX, Q16::ZERO),
            log_window: (Q16::MAX, Q16::ZERO),
        });
        claims.fold(first, |all, one| LoopAssumptions {
            jitter: all.jitter.max(one.jitter),
            log_bdp: hull(all.log_bdp, one.log_bdp),
            buffer: (
                all.buffer.0.min(one.buffer.0),
                all.buffer
                    .1
                    .zip(one.buffer.1)
                    .map(|(one, other)| one.max(other)),
            ),
            start: (all.start.0.max(one.start.0), all.start.1.min(one.start.1)),
            log_window: hull(all.log_window, one.log_window),
        })
    }
}

fn assumptions_of(checked: &CheckedLoopClaim) -> LoopAssumptions {
    let claim = checked.claim();
    let (family, reached) = (&claim.family, checked.shown().reached);
    let log_bdp = (octaves(family.log_bdp.0), octaves(family.log_bdp.1));
    let share = |units: u32| i32::try_from(units).map_or(Q16::MAX, Q16::from_units);
    // Beyond what the controller can count there is no bound.
    let most = family
        .buffer
        .most
        .map(share)
        .filter(|&most| most < Q16::MAX);
    LoopAssumptions {
        jitter: share(family.jitter),
        log_bdp,
        buffer: (share(family.buffer.least), most),
        start: (octaves(claim.start.0), octaves(claim.start.1)),
        log_window: (
            log_bdp.0.saturating_add(octaves(reached.0)),
            log_bdp.1.saturating_add(octaves(reached.1)),
        ),
    }
}

fn hull(one: (Q16, Q16), other: (Q16, Q16)) -> (Q16, Q16) {
    (one.0.min(other.0), one.1.max(other.1))
}

/// From 2⁻⁸ octaves.
fn octaves(units: i32) -> Q16 {
    let shift = Q16::FRACTION_BITS.saturating_sub(LOG_BITS);
    Q16::from_units(units.saturating_mul(1_i32.checked_shl(shift).unwrap_or(0)))
}
