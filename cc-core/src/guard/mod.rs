//! The policy proposes, the guard decides.
//!
//! Symbolic and never learned. It keeps the window between floor and ceiling, forbids growth that
//! the flow does not use and growth under heavy loss, answers persistent congestion and the loss
//! of all feedback, and hands over to the fallback when the policy's proven region or behaviour, or
//! what closed-loop claims assume of the path, is left. Every intervention is counted by the
//! controller.

mod assumptions;
mod envelope;
mod monitor;
mod watch;
mod watched;

pub use assumptions::{Assumption, LoopAssumptions};
pub use envelope::{DEFAULT_HEAVY_LOSS, Envelope, UncheckedEnvelope};
pub use monitor::{Anomaly, Monitor};
pub use watch::{Verdict, Watch, WatchedRound};
pub use watched::{NoAssumptions, PathAssumptions, Watching};

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

/// True if the claims say something about a decision at `features` and `log_window`.
pub fn covered<E: Envelope>(
    envelope: &E,
    features: &[i32; FEATURE_COUNT],
    log_window: Q16,
) -> bool {
    envelope.contains(features)
        && envelope
            .loop_assumptions()
            .get()
            .is_none_or(|assumed| assumed.covers(log_window))
}

/// Rules on a step of log₂ window proposed at `log_window`.
///
/// The window's floor and ceiling and the app-limit rule are part of the program that closed-loop
/// claims describe, so a step cut by them still counts as granted; a refusal under heavy loss
/// overrides the policy and does not. Growth is refused only in a round that itself lost something:
/// loss of long ago would make the ruling depend on more than closed-loop claims remember.
pub fn rule<E: Envelope>(
    envelope: &E,
    features: &[i32; FEATURE_COUNT],
    usage: Usage,
    log_window: Q16,
    proposed: Q16,
) -> Ruling {
    if !covered(envelope, features, log_window) {
        return Ruling::OutsideRegion;
    }
    let used = match usage {
        Usage::WindowLimited => proposed,
        Usage::AppLimited => proposed.min(Q16::ZERO),
    };
    let at = |index: usize| Q16::from_units(features.get(index).copied().unwrap_or(0));
    let heavy = at(index::LOSS) > Q16::ZERO && at(index::SLOW_LOSS) >= envelope.heavy_loss();
    let refused = used > Q16::ZERO && heavy;
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

    /// A round that lost one packet in a thousand.
    fn features(slow_loss: i32) -> [i32; FEATURE_COUNT] {
        let mut features = [0; FEATURE_COUNT];
        features[index::LOSS] = 65;
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

    #[test]
    fn loss_of_earlier_rounds_refuses_nothing() {
        let mut lossless = features(65_536);
        lossless[index::LOSS] = 0;
        let from = Q16::from_units(6 << 16);
        let ruling = rule(&ENVELOPE, &lossless, Usage::WindowLimited, from, Q16::ONE);
        assert_eq!(ruling, Ruling::Granted(Q16::ONE));
    }

    #[test]
    fn windows_that_closed_loop_claims_leave_out_are_outside_the_region() {
        let assumed = LoopAssumptions {
            jitter: Q16::from_units(3277),
            log_bdp: (Q16::from_units(4 << 16), Q16::from_units(6 << 16)),
            buffer: (Q16::ONE, None),
            start: (Q16::NEG_ONE, Q16::ONE),
            log_window: (Q16::from_units(3 << 16), Q16::from_units(7 << 16)),
        };
        let envelope = ENVELOPE.with_loop_assumptions(assumed);
        for (octaves, inside) in [(2, false), (3, true), (7, true), (8, false)] {
            let from = Q16::from_units(octaves << 16);
            let ruling = rule(
                &envelope,
                &features(0),
                Usage::WindowLimited,
                from,
                Q16::ZERO,
            );
            assert_eq!(ruling != Ruling::OutsideRegion, inside, "{octaves}");
        }
    }

    proptest! {
        #[test]
        fn nothing_grows_under_heavy_loss_or_unused(
            slow_loss in 0i32..=65_536,
            lost in any::<bool>(),
            log_window in (2i32 << 16)..=(18 << 16),
            proposed in -16_384i32..=16_384,
            used in any::<bool>(),
        ) {
            let usage = if used { Usage::WindowLimited } else { Usage::AppLimited };
            let from = Q16::from_units(log_window);
            let mut features = features(slow_loss);
            features[index::LOSS] *= i32::from(lost);
            let ruling = rule(&ENVELOPE, &features, usage, from, Q16::from_units(proposed));
            let (Ruling::Granted(step) | Ruling::Altered(step)) = ruling else {
                return Err(TestCaseError::fail("inside the region"));
            };
            let to = from.saturating_add(step);
            prop_assert!((LOG_WINDOW_MIN..=LOG_WINDOW_MAX).contains(&to));
            prop_assert!(step.units().abs() <= proposed.abs());
            if lost && slow_loss >= DEFAULT_HEAVY_LOSS.units() || !used {
                prop_assert!(step <= Q16::ZERO);
            }
        }
    }
}
