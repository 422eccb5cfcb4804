//! Anomalies that no single decision shows: oscillation, starvation and defiance.

use crate::features::{FEATURE_COUNT, LOG_WINDOW_MIN, OWN_QUEUE_FLOOR, index};
use crate::fixed::Q16;
use crate::guard::Ruling;

/// Watches the policy's applied steps over the last rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Monitor {
    /// One bit per round, newest lowest: the step was large and reversed the one before.
    reversals: u32,
    /// One bit per round, newest lowest: the guard refused growth.
    refusals: u32,
    starved_rounds: u32,
}

/// Why the policy must hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Large steps of alternating sign.
    Oscillation,
    /// The window stays at its floor on a path that shows neither queue nor loss.
    Starvation,
    /// The policy keeps asking for growth that the guard must refuse.
    Defiance,
}

impl Monitor {
    /// Notes one decision and judges the last rounds.
    pub fn on_decision(
        &mut self,
        features: &[i32; FEATURE_COUNT],
        log_window: Q16,
        ruling: Ruling,
        gain: Q16,
    ) -> Option<Anomaly> {
        let applied = ruling.step();
        let at = |index: usize| Q16::from_units(features.get(index).copied().unwrap_or(0));
        let last = at(index::LAST_STEP);
        let large = gain.shift_right(1);
        let reversed = (applied >= large && last.units() <= -HALF)
            || (applied.units() <= large.units().saturating_neg() && last.units() >= HALF);
        self.reversals = (self.reversals << 1) | u32::from(reversed);
        self.refusals = (self.refusals << 1) | u32::from(matches!(ruling, Ruling::Altered(_)));
        let idle_path =
            at(index::STANDING_QUEUE) <= OWN_QUEUE_FLOOR && at(index::LOSS) == Q16::ZERO;
        self.starved_rounds = if log_window <= LOG_WINDOW_MIN && idle_path {
            self.starved_rounds.saturating_add(1)
        } else {
            0
        };
        if self.reversals.count_ones() >= REVERSALS_MAX {
            return Some(Anomaly::Oscillation);
        }
        if self.refusals.count_ones() >= REFUSALS_MAX {
            return Some(Anomaly::Defiance);
        }
        (self.starved_rounds >= STARVED_ROUNDS_MAX).then_some(Anomaly::Starvation)
    }
}

/// Half a full step, in units of 2⁻¹⁶ of the gain.
const HALF: i32 = 1 << 15;
/// Reversals of the last 32 rounds that count as oscillation.
const REVERSALS_MAX: u32 = 20;
/// Refusals of the last 32 rounds that count as defiance.
const REFUSALS_MAX: u32 = 12;
/// Rounds at the floor of an idle path that count as starvation.
const STARVED_ROUNDS_MAX: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const GAIN: Q16 = Q16::from_units(1 << 14);

    fn features(last_step: i32) -> [i32; FEATURE_COUNT] {
        let mut features = [0; FEATURE_COUNT];
        features[index::LAST_STEP] = last_step;
        features
    }

    #[test]
    fn alternating_full_steps_are_an_oscillation() {
        let mut monitor = Monitor::default();
        let window = Q16::from_units(6 << 16);
        let mut verdicts = (0..32).map(|round| {
            let sign = if round % 2 == 0 { 1 } else { -1 };
            let step = Q16::from_units(sign * (1 << 14));
            let ruling = Ruling::Granted(step);
            monitor.on_decision(&features(-sign * 65_536), window, ruling, GAIN)
        });
        assert_eq!(
            verdicts.find_map(|verdict| verdict),
            Some(Anomaly::Oscillation)
        );
    }

    #[test]
    fn steady_growth_is_no_anomaly() {
        let mut monitor = Monitor::default();
        for _ in 0..100 {
            let window = Q16::from_units(6 << 16);
            assert_eq!(
                monitor.on_decision(&features(65_536), window, Ruling::Granted(GAIN), GAIN),
                None
            );
        }
    }

    #[test]
    fn asking_for_refused_growth_again_and_again_is_defiance() {
        let mut monitor = Monitor::default();
        let window = Q16::from_units(6 << 16);
        let mut rounds = 0;
        let refused = Ruling::Altered(Q16::ZERO);
        while monitor
            .on_decision(&features(0), window, refused, GAIN)
            .is_none()
        {
            rounds += 1;
        }
        assert_eq!(rounds, 11);
    }

    #[test]
    fn staying_at_the_floor_of_an_idle_path_is_starvation() {
        let mut monitor = Monitor::default();
        let mut rounds = 0;
        while monitor
            .on_decision(
                &features(0),
                LOG_WINDOW_MIN,
                Ruling::Granted(Q16::ZERO),
                GAIN,
            )
            .is_none()
        {
            rounds += 1;
        }
        assert_eq!(rounds, 31);
    }
}
