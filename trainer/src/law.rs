//! The hand-written piecewise-linear law that training starts from.
//!
//! With x̂ = 0.8 · `standing_queue` + 0.2 · `queueing_ewma` and a target T that falls with the log
//! window, the rate head is
//!
//! `min(k (T − x̂), 0.45 + 0.5 last_step) − queue − loss − slow loss − marks − own queue`,
//!
//! all terms non-increasing in queue, loss, marks, window and own queue. T is at least four times
//! the design jitter everywhere, so that jitter alone never looks like a standing queue; it
//! rises at small windows, where one packet is a large part of the path. Growth after a large
//! decrease is held back by the term in `last_step`, which makes the law smooth.

use tautline_core::features::{FEATURE_COUNT, index};
use tautline_core::policy::HeadKind;

/// Feature values as reals, in the order of table 1.
pub type Features = [f64; FEATURE_COUNT];

/// The law's value for one head, not clamped.
pub fn head(kind: HeadKind, features: &Features) -> f64 {
    match kind {
        HeadKind::Rate => rate(features),
        HeadKind::Pacing => 0.5 - 0.5 * features[index::QUEUEING],
        HeadKind::Buffer => 0.25 - 0.5 * queue_estimate(features),
        HeadKind::Retry => -0.5 + 4.0 * features[index::SLOW_LOSS].min(0.25),
    }
}

/// Features in which a head is monotone: −1 falling, +1 rising, 0 free.
pub fn signs(kind: HeadKind) -> [i8; FEATURE_COUNT] {
    let mut signs = [0; FEATURE_COUNT];
    if kind == HeadKind::Rate {
        for feature in MONOTONE {
            signs[feature] = -1;
        }
    }
    signs
}

/// Step of the log window, in units of the step gain.
pub fn rate(features: &Features) -> f64 {
    let aim = PULL * (target(features[index::LOG_WINDOW] * 16.0) - queue_estimate(features));
    let growth_limit = GROWTH_LIMIT + GROWTH_MEMORY * features[index::LAST_STEP];
    let loss = features[index::LOSS];
    aim.min(growth_limit)
        - QUEUE_TERM * above(features[index::QUEUEING], 0.5)
        - LOSS_TERM * loss
        - HEAVY_LOSS_TERM * above(loss, 0.06)
        - SLOW_LOSS_TERM * above(features[index::SLOW_LOSS], 0.02)
        - CE_TERM * features[index::CE]
        - OWN_QUEUE_TERM * (features[index::OWN_QUEUE] - 0.5)
}

/// Target of x̂ at a window of 2^`log_packets` packets: linear between knots at whole octaves.
pub fn target(log_packets: f64) -> f64 {
    let clamped = log_packets.clamp(LOG_MIN, LOG_MAX);
    let below = libm::floor(clamped);
    let part = clamped - below;
    (1.0 - part) * target_at_knot(below) + part * target_at_knot((below + 1.0).min(LOG_MAX))
}

fn target_at_knot(log_packets: f64) -> f64 {
    let bump = SMALL_WINDOW_BUMP * libm::exp2(-0.9 * (log_packets - LOG_MIN));
    TARGET_FLOOR + TARGET_SLOPE * (LOG_MAX - log_packets) + bump
}

fn queue_estimate(features: &Features) -> f64 {
    0.8 * features[index::STANDING_QUEUE] + 0.2 * features[index::QUEUEING_EWMA]
}

fn above(value: f64, threshold: f64) -> f64 {
    (value - threshold).max(0.0)
}

/// Features that never raise the rate.
pub(crate) const MONOTONE: [usize; 8] = [
    index::QUEUEING,
    index::STANDING_QUEUE,
    index::QUEUEING_EWMA,
    index::LOSS,
    index::SLOW_LOSS,
    index::CE,
    index::LOG_WINDOW,
    index::OWN_QUEUE,
];

/// Fall of the raw rate per octave of the own window, which makes flows share.
pub(crate) const FAIRNESS_SLOPE: f64 = 0.006;

const PULL: f64 = 1.25;
const GROWTH_LIMIT: f64 = 0.45;
const GROWTH_MEMORY: f64 = 0.5;
const QUEUE_TERM: f64 = 0.4;
const LOSS_TERM: f64 = 0.8;
const HEAVY_LOSS_TERM: f64 = 3.0;
const SLOW_LOSS_TERM: f64 = 16.0;
const CE_TERM: f64 = 2.0;
const OWN_QUEUE_TERM: f64 = 0.05;
const LOG_MIN: f64 = 2.0;
const LOG_MAX: f64 = 18.0;
/// 4 · D for a design jitter D of 5 %, and room above the 3 · D at which claims still demand growth.
const TARGET_FLOOR: f64 = 0.23;
const TARGET_SLOPE: f64 = 0.006;
const SMALL_WINDOW_BUMP: f64 = 0.25;

#[cfg(test)]
mod tests {
    use tautline_core::policy::HeadKind;

    use super::*;
    use crate::claims::{self, ClaimSet};
    use crate::network::Layout;
    use crate::rng::{Purpose, Stream};
    use crate::sampling;

    #[test]
    fn the_law_meets_every_standard_claim_with_a_margin() {
        let text = include_str!("../../claims/standard.toml");
        let claims = ClaimSet::from_toml(text, "standard.toml").unwrap();
        let layout = Layout::new(&[2], &[HeadKind::Rate], 12).unwrap();
        let mut stream = Stream::new(1, Purpose::DataSet, 0);
        for obligation in claims::obligations(&claims, &layout).unwrap() {
            for _ in 0..2000 {
                let point = obligation.point(&mut stream).map(|(value, _)| value);
                let heads = obligation.heads.iter().map(|&(_, c)| c * rate(&point));
                let features = obligation.features.iter().map(|&(i, d)| d * point[i]);
                let excess = heads.sum::<f64>() + features.sum::<f64>() - obligation.bound;
                let name = &claims.claims[obligation.claim].name;
                assert!(excess < -0.03, "{name}: {excess} at {point:?}");
            }
        }
    }

    #[test]
    fn the_rate_never_rises_with_a_monotone_feature() {
        let mut stream = Stream::new(2, Purpose::DataSet, 0);
        for _ in 0..2000 {
            let low = sampling::anywhere(&mut stream);
            let high = sampling::anywhere(&mut stream);
            for feature in MONOTONE {
                let mut raised = low;
                raised[feature] = low[feature].max(high[feature]);
                assert!(rate(&raised) <= rate(&low) + 1e-12, "feature {feature}");
            }
        }
    }

    #[test]
    fn the_target_is_four_times_the_jitter_or_more_and_falls_with_the_window() {
        let targets = (20..=180).map(|tenths| target(f64::from(tenths) / 10.0));
        let targets = targets.collect::<Vec<_>>();
        assert!(targets.iter().all(|&t| (0.2..0.6).contains(&t)));
        assert!(targets.windows(2).all(|pair| pair[1] <= pair[0]));
    }
}
