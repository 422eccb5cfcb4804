//! The interval of every feature (docs/closed-loop.md, section 2).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "round-trip times are cut to 2^33 before they are scaled by 2^16, logarithms fit 32 \
              bits and scaled ones 64"
)]

use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::log2::log2;

use super::path::{Path, Round};
use super::{ONE, ONE_BITS};
use crate::semantics;

/// Bounds of every feature, in table order.
///
/// # Units
/// 2⁻¹⁶.
pub type Features = [(i32, i32); FEATURE_COUNT];

/// What is known of the state before a decision. Windows are log₂ over the bandwidth-delay
/// product, in 2⁻⁸ octaves; both ends of every pair are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// a, the window in force.
    pub now: (i32, i32),
    /// p, the one before, under which the judged packets left.
    pub before: (i32, i32),
    /// e, the remembered average, in units of 2⁻¹⁶.
    pub memory: (i32, i32),
}

/// Beyond eight base RTTs every feature of queueing is at its end, whatever the minimum.
const RTT_MOST: i64 = 8 << ONE_BITS;
/// Clocks count nanoseconds and a base RTT is a millisecond or more: less than a unit, and one for
/// rounding.
const EXCESS_ERROR: i64 = 2;
/// The range of the queue's share of a round-trip time.
const QUEUE_SHARE: (i64, i64) = (6554, 43_690);
/// 2⁻¹⁶ in units of 2⁻⁸ octaves, over 16.
const LOG_FEATURE: i64 = 1 << (16 - 8 - 4);

impl Path {
    /// Bounds of the features that the policy reads in `state` after `round`, under step gain
    /// `gain`. Features that the model of the path leaves free have their whole range.
    pub fn features(&self, state: &State, round: &Round, gain: Q16) -> Features {
        let ranges = TABLE_1.features.iter();
        let mut features = [(0, 0); FEATURE_COUNT];
        for (to, range) in features.iter_mut().zip(ranges) {
            *to = (range.low.units(), range.high.units());
        }
        let mut set = |index: usize, low: i64, high: i64| {
            if let Some(range) = features.get_mut(index) {
                let (least, most) = *range;
                let cut = |value: i64| Q16::saturate(value).units().clamp(least, most);
                *range = (cut(low), cut(high));
            }
        };
        let (low, high) = self.excess(round);
        set(index::QUEUEING, low, high);
        set(index::STANDING_QUEUE, low, high);
        set(
            index::QUEUEING_EWMA,
            i64::from(state.memory.0),
            i64::from(state.memory.1),
        );
        set(
            index::LOSS,
            i64::from(round.loss.0),
            i64::from(round.loss.1),
        );
        set(index::CE, 0, 0);
        let logarithm = |now: i32, bdp: i32| i64::from(now) + i64::from(bdp);
        let (low, high) = (
            logarithm(state.now.0, self.log_bdp.0),
            logarithm(state.now.1, self.log_bdp.1),
        );
        set(index::LOG_WINDOW, low * LOG_FEATURE, high * LOG_FEATURE);
        let (least, most) = self.queue_share(round);
        set(
            index::OWN_QUEUE,
            low * LOG_FEATURE + (log_share(least) >> 4),
            high * LOG_FEATURE + (log_share(most) >> 4),
        );
        let step = |from: i32, to: i32| {
            let octaves = i64::from(to) - i64::from(from);
            let scaled = octaves * (semantics::ONE << 8);
            scaled.checked_div(i64::from(gain.units())).unwrap_or(0)
        };
        set(
            index::LAST_STEP,
            step(state.before.1, state.now.0),
            step(state.before.0, state.now.1),
        );
        features
    }

    /// r/m − 1 over all minima m in [1, 1 + D].
    fn excess(&self, round: &Round) -> (i64, i64) {
        let (low, high) = cut_rtt(round);
        let low = (low << 16) / (ONE + self.jitter);
        let high = ((high << 16) + ONE - 1) >> ONE_BITS;
        (
            low - semantics::ONE - EXCESS_ERROR,
            high - semantics::ONE + EXCESS_ERROR,
        )
    }

    /// 1 − m/r, as the controller cuts it to units of 2⁻¹⁶, give or take the clock's rounding.
    fn queue_share(&self, round: &Round) -> (i64, i64) {
        let (low, high) = cut_rtt(round);
        let least = (((ONE + self.jitter) << 16) + low - 1) / low;
        let most = (ONE << 16) / high;
        (semantics::ONE - least - 1, semantics::ONE - most + 1)
    }
}

fn cut_rtt(round: &Round) -> (i64, i64) {
    let (low, high) = round.rtt;
    (low.clamp(ONE, RTT_MOST), high.clamp(ONE, RTT_MOST))
}

/// log₂ of a share of 2¹⁶ in its range, in units of 2⁻¹⁶, as the controller computes it: that
/// function itself. It never falls; a test asks all shares.
fn log_share(share: i64) -> i64 {
    let share = share.clamp(QUEUE_SHARE.0, QUEUE_SHARE.1);
    let units = log2(share.unsigned_abs()).units();
    i64::from(units) - 16 * semantics::ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_never_falls_on_any_share() {
        for share in QUEUE_SHARE.0..QUEUE_SHARE.1 {
            assert!(log_share(share) <= log_share(share + 1), "{share}");
        }
    }
}
