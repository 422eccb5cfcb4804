//! The policy proposes, the guard decides.
//!
//! Symbolic and never learned. It keeps the window between floor and ceiling, forbids growth that
//! the flow does not use and growth under heavy loss, answers persistent congestion and the loss
//! of all feedback, and hands over to the fallback when the policy's proven region or behaviour is
//! left. Every intervention is counted by the controller.

mod envelope;
mod monitor;

pub use envelope::{DEFAULT_HEAVY_LOSS, Envelope, UncheckedEnvelope};
pub use monitor::{Anomaly, Monitor};

use crate::features::{FEATURE_COUNT, LOG_WINDOW_MAX, LOG_WINDOW_MIN, index};
use crate::fixed::Q16;

/// What the guard made of one proposed step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Apply this step; the policy's proposal stands.
    Granted(Q16),
    /// Apply this step instead of the proposed one.
    Altered(Q16),
    /// The features lie outside the region that the proofs cover.
    OutsideRegion,
}

impl Ruling {
    /// The step to apply.
    pub const fn step(self) -> Q16 {
        match self {
            Self::Granted(step) | Self::Altered(step) => step,
            Self::OutsideRegion => Q16::ZERO,
        }
    }
}

/// Whether the flow used the window it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Bytes in flight came close to the window.
    WindowLimited,
    /// The application or the peer kept the flow below its window.
    AppLimited,
}

/// Rules on a step of log₂ window proposed at `log_window`.
///
/// The window's floor and ceiling and the app-limit rule are part of the program that closed-loop
/// claims describe, so a step cut by them still counts as granted; a refusal under heavy loss
/// overrides the policy and does not.
pub fn rule<E: Envelope>(
    envelope: &E,
    features: &[i32; FEATURE_COUNT],
    usage: Usage,
    log_window: Q16,
    proposed: Q16,
) -> Ruling {
    if !envelope.contains(features) {
        return Ruling::OutsideRegion;
    }
    let used = match usage {
        Usage::WindowLimited => proposed,
        Usage::AppLimited => proposed.min(Q16::ZERO),
    };
    let slow_loss = Q16::from_units(features.get(index::SLOW_LOSS).copied().unwrap_or(0));
    let refused = used > Q16::ZERO && slow_loss >= envelope.heavy_loss();
    let step = if refused { Q16::ZERO } else { used };
    let target = log_window
        .saturating_add(step)
        .clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX);
    let applied = target.saturating_sub(log_window);
    if refused {
        Ruling::Altered(applied)
    } else {
        Ruling::Granted(applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::TABLE_1;
    use crate::policy::Digest;
    use proptest::prelude::*;

    fn features(slow_loss: i32) -> [i32; FEATURE_COUNT] {
        let mut features = [0; FEATURE_COUNT];
        features[index::SLOW_LOSS] = slow_loss;
        features[index::LOG_WINDOW] = 6 << 12;
        features[index::OWN_QUEUE] = (6 << 12) - 13_000;
        features
    }

    const ENVELOPE: UncheckedEnvelope =
        UncheckedEnvelope::dangerously_unchecked(Digest::from_bytes([0; 32]), &TABLE_1);

    #[test]
    fn features_outside_a_link_are_outside_the_region() {
        let mut outside = features(0);
        outside[index::STANDING_QUEUE] = 1;
        let ruling = rule(
            &ENVELOPE,
            &outside,
            Usage::WindowLimited,
            Q16::from_units(6 << 16),
            Q16::ONE,
        );
        assert_eq!(ruling, Ruling::OutsideRegion);
    }

    #[test]
    fn growth_is_refused_from_the_envelopes_own_heavy_loss_on() {
        let strict = ENVELOPE.with_heavy_loss(Q16::from_units(1311));
        for (slow_loss, refused) in [(1310, false), (1311, true)] {
            let from = Q16::from_units(6 << 16);
            let used = Usage::WindowLimited;
            let ruling = rule(
                &strict,
                &features(slow_loss),
                used,
                from,
                Q16::from_units(99),
            );
            assert_eq!(ruling == Ruling::Altered(Q16::ZERO), refused, "{slow_loss}");
        }
    }

    proptest! {
        #[test]
        fn nothing_grows_under_heavy_loss_or_unused(
            slow_loss in 0i32..=65_536,
            log_window in (2i32 << 16)..=(18 << 16),
            proposed in -16_384i32..=16_384,
            used in any::<bool>(),
        ) {
            let usage = if used { Usage::WindowLimited } else { Usage::AppLimited };
            let from = Q16::from_units(log_window);
            let ruling =
                rule(&ENVELOPE, &features(slow_loss), usage, from, Q16::from_units(proposed));
            let (Ruling::Granted(step) | Ruling::Altered(step)) = ruling else {
                return Err(TestCaseError::fail("inside the region"));
            };
            let to = from.saturating_add(step);
            prop_assert!((LOG_WINDOW_MIN..=LOG_WINDOW_MAX).contains(&to));
            prop_assert!(step.units().abs() <= proposed.abs());
            if slow_loss >= DEFAULT_HEAVY_LOSS.units() || !used {
                prop_assert!(step <= Q16::ZERO);
            }
        }
    }
}
