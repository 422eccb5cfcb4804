//! The hand-written piecewise-linear law that training starts from.
//!
//! With x̂ = 0.8 · `standing_queue` + 0.2 · `queueing_ewma` and a target T that falls with the log
//! window, the rate head is
//!
//! `min(k (T − x̂), 0.45 + 0.5 last_step) − queue − loss − slow loss − marks − own queue`,
//!
//! all terms non-increasing in queue, loss, marks, window and own queue. T exceeds three times the
//! design jitter everywhere, so that jitter alone never looks like a standing queue; it
//! rises at small windows, where one packet is a large part of the path. Growth after a large
//! decrease is held back by the term in `last_step`, which makes the law smooth.
//!
//! [`Law`] holds the constants. [`Law::default`] is the law of the first models; [`Law::steady`]
//! has a steeper target and no term in slow loss, so that its closed loop has a small state;
//! [`Law::steady_20`] is for a jitter of 20 % and keeps no average either.

use serde::{Deserialize, Serialize};
use tautline_core::features::{FEATURE_COUNT, index};
use tautline_core::policy::HeadKind;

/// Feature values as reals, in the order of table 1.
pub type Features = [f64; FEATURE_COUNT];

/// Constants of the law. Queues are in base round-trip times, losses and marks are fractions, the
/// rate is in units of the step gain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Law {
    /// k: rate per base round-trip time below the target.
    pub pull: f64,
    /// Part of x̂ that is `standing_queue`.
    pub standing_part: f64,
    /// Part of x̂ that is `queueing_ewma`.
    pub ewma_part: f64,
    /// T at the largest window, 2¹⁸ packets.
    pub target_floor: f64,
    /// Rise of T per octave that the window is smaller.
    pub target_slope: f64,
    /// What T gains at the smallest window, 4 packets; it falls by a factor 2^0.9 per octave.
    pub small_window_bump: f64,
    /// Largest rate after a step of zero.
    pub growth_limit: f64,
    /// What the largest rate gains per unit of `last_step`.
    pub growth_memory: f64,
    /// Slope in `queueing` above `queue_from`.
    pub queue_term: f64,
    /// Where the term above starts.
    #[serde(skip_serializing_if = "is_default_queue_from")]
    pub queue_from: f64,
    /// Slope in `queueing` + `congestion_loss` · min(`loss`, `heavy_loss_from`) above
    /// `congestion_from`.
    pub congestion_term: f64,
    /// How much queueing a unit of loss counts for in the term above.
    pub congestion_loss: f64,
    /// Where the term above starts.
    pub congestion_from: f64,
    /// Slope in `loss`.
    pub loss_term: f64,
    /// Further slope in `loss` above `heavy_loss_from`.
    pub heavy_loss_term: f64,
    /// Loss at which the term above starts.
    pub heavy_loss_from: f64,
    /// Slope in `slow_loss` above 2 %.
    pub slow_loss_term: f64,
    /// Slope in `ce`.
    pub ce_term: f64,
    /// Slope in `own_queue` around one half.
    pub own_queue_term: f64,
}

impl Default for Law {
    fn default() -> Self {
        Self {
            pull: 1.25,
            standing_part: 0.8,
            ewma_part: 0.2,
            // 4 · D for a design jitter D of 5 %, and room above the 3 · D at which claims still
            // demand growth.
            target_floor: 0.23,
            target_slope: 0.006,
            small_window_bump: 0.25,
            growth_limit: 0.45,
            growth_memory: 0.5,
            queue_term: 0.4,
            queue_from: QUEUE_FROM,
            congestion_term: 0.0,
            congestion_loss: 0.0,
            congestion_from: 0.0,
            loss_term: 0.8,
            heavy_loss_term: 3.0,
            heavy_loss_from: 0.06,
            slow_loss_term: 16.0,
            ce_term: 2.0,
            own_queue_term: 0.05,
        }
    }
}

impl Law {
    /// A law without memory of loss: its state is the windows of three rounds and one average.
    ///
    /// Its target falls twice as fast with the window as the default one's. Loss counts gently, as a
    /// shallow buffer loses packets in every round, but more where there is a queue too.
    pub fn steady() -> Self {
        Self {
            target_floor: 0.275,
            target_slope: 0.0115,
            small_window_bump: 0.0,
            congestion_term: 1.0,
            congestion_loss: 10.0,
            congestion_from: 1.05,
            loss_term: 2.9,
            heavy_loss_term: 9.0,
            heavy_loss_from: 0.05,
            slow_loss_term: 0.0,
            ..Self::default()
        }
    }

    /// A law for jitter up to 20 % of the base round-trip time.
    ///
    /// While the link idles, jitter, what it holds back and a growing window can show a queue of
    /// 3 · D and a step; the target begins above that. Steps are small, as each adds to what an
    /// empty link can show. An average would keep what jitter showed for rounds, so there is none.
    pub fn steady_20() -> Self {
        Self {
            pull: 1.75,
            standing_part: 1.0,
            ewma_part: 0.0,
            target_floor: 0.69,
            target_slope: 0.01,
            growth_limit: 0.2,
            growth_memory: 0.2,
            queue_from: 1.2,
            congestion_loss: 15.0,
            congestion_from: 1.2,
            loss_term: 1.0,
            heavy_loss_term: 12.0,
            ..Self::steady()
        }
    }

    /// The law's value for one head, not clamped.
    pub fn head(&self, kind: HeadKind, features: &Features) -> f64 {
        match kind {
            HeadKind::Rate => self.rate(features),
            HeadKind::Pacing => 0.5 - 0.5 * features[index::QUEUEING],
            HeadKind::Buffer => 0.25 - 0.5 * self.queue_estimate(features),
            HeadKind::Retry => -0.5 + 4.0 * features[index::SLOW_LOSS].min(0.25),
        }
    }

    /// Step of the log window, in units of the step gain.
    pub fn rate(&self, features: &Features) -> f64 {
        let target = self.target(features[index::LOG_WINDOW] * 16.0);
        let aim = self.pull * (target - self.queue_estimate(features));
        let growth_limit = self.growth_limit + self.growth_memory * features[index::LAST_STEP];
        let (queueing, loss) = (features[index::QUEUEING], features[index::LOSS]);
        let congestion = queueing + self.congestion_loss * loss.min(self.heavy_loss_from);
        aim.min(growth_limit)
            - self.queue_term * above(queueing, self.queue_from)
            - self.congestion_term * above(congestion, self.congestion_from)
            - self.loss_term * loss
            - self.heavy_loss_term * above(loss, self.heavy_loss_from)
            - self.slow_loss_term * above(features[index::SLOW_LOSS], 0.02)
            - self.ce_term * features[index::CE]
            - self.own_queue_term * (features[index::OWN_QUEUE] - 0.5)
    }

    /// Target of x̂ at a window of 2^`log_packets` packets: linear between knots at whole octaves.
    pub fn target(&self, log_packets: f64) -> f64 {
        let clamped = log_packets.clamp(LOG_MIN, LOG_MAX);
        let below = libm::floor(clamped);
        let part = clamped - below;
        let (left, right) = (below, (below + 1.0).min(LOG_MAX));
        (1.0 - part) * self.target_at_knot(left) + part * self.target_at_knot(right)
    }

    fn target_at_knot(&self, log_packets: f64) -> f64 {
        let bump = self.small_window_bump * libm::exp2(-0.9 * (log_packets - LOG_MIN));
        self.target_floor + self.target_slope * (LOG_MAX - log_packets) + bump
    }

    fn queue_estimate(&self, features: &Features) -> f64 {
        self.standing_part * features[index::STANDING_QUEUE]
            + self.ewma_part * features[index::QUEUEING_EWMA]
    }

    /// Every constant with its name and the range that it may be in.
    pub(crate) fn ranges(&self) -> [(&'static str, f64, f64, f64); 19] {
        [
            ("law.pull", self.pull, 0.0, 16.0),
            ("law.standing_part", self.standing_part, 0.0, 1.0),
            ("law.ewma_part", self.ewma_part, 0.0, 1.0),
            ("law.target_floor", self.target_floor, 0.0, 2.0),
            ("law.target_slope", self.target_slope, 0.0, 0.2),
            ("law.small_window_bump", self.small_window_bump, 0.0, 2.0),
            ("law.growth_limit", self.growth_limit, 0.0, 1.0),
            ("law.growth_memory", self.growth_memory, 0.0, 1.0),
            ("law.queue_term", self.queue_term, 0.0, 16.0),
            ("law.queue_from", self.queue_from, 0.0, 2.0),
            ("law.congestion_term", self.congestion_term, 0.0, 16.0),
            ("law.congestion_loss", self.congestion_loss, 0.0, 100.0),
            ("law.congestion_from", self.congestion_from, 0.0, 2.0),
            ("law.loss_term", self.loss_term, 0.0, 64.0),
            ("law.heavy_loss_term", self.heavy_loss_term, 0.0, 64.0),
            ("law.heavy_loss_from", self.heavy_loss_from, 0.0, 1.0),
            ("law.slow_loss_term", self.slow_loss_term, 0.0, 64.0),
            ("law.ce_term", self.ce_term, 0.0, 16.0),
            ("law.own_queue_term", self.own_queue_term, 0.0, 16.0),
        ]
    }
}

/// Where the queue term of the first laws starts. It is written only where it differs, so that
/// their runs keep their text and its digest.
const QUEUE_FROM: f64 = 0.5;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_default_queue_from(from: &f64) -> bool {
    *from == QUEUE_FROM
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

const LOG_MIN: f64 = 2.0;
const LOG_MAX: f64 = 18.0;

#[cfg(test)]
mod tests {
    use core::ops::Range;

    use tautline_core::features::TABLE_1;
    use tautline_core::policy::HeadKind;

    use super::*;
    use crate::claims::{self, ClaimSet};
    use crate::network::Layout;
    use crate::params::Params;
    use crate::rng::{Purpose, Stream};
    use crate::sampling;

    const LAWS: [fn() -> Law; 3] = [Law::default, Law::steady, Law::steady_20];
    /// Where the target of each lies: four times a jitter of 5 %, three times one of 20 %, and more.
    const TARGETS: [Range<f64>; 3] = [0.2..0.6, 0.2..0.6, 0.66..0.9];
    /// The claims that each is trained for.
    const CLAIMS: [&str; 3] = [
        include_str!("../../claims/standard.toml"),
        include_str!("../../claims/standard.toml"),
        include_str!("../../claims/standard-20.toml"),
    ];

    #[test]
    fn every_law_meets_every_one_of_its_claims_with_a_margin() {
        let layout = Layout::new(&[2], &[HeadKind::Rate], 12).unwrap();
        let mut stream = Stream::new(1, Purpose::DataSet, 0);
        for (law, text) in LAWS.map(|law| law()).into_iter().zip(CLAIMS) {
            let claims = ClaimSet::from_toml(text, "claims.toml").unwrap();
            for obligation in claims::obligations(&claims, &layout).unwrap() {
                for _ in 0..2000 {
                    let point = obligation.point(&mut stream).map(|(value, _)| value);
                    let heads = obligation.heads.iter().map(|&(_, c)| c * law.rate(&point));
                    let features = obligation.features.iter().map(|&(i, d)| d * point[i]);
                    let excess = heads.sum::<f64>() + features.sum::<f64>() - obligation.bound;
                    let name = &claims.claims[obligation.claim].name;
                    assert!(excess < -0.03, "{name}: {excess} at {point:?} of {law:?}");
                }
            }
        }
    }

    #[test]
    fn the_rate_never_rises_with_a_monotone_feature_nor_falls_with_the_last_step() {
        let mut stream = Stream::new(2, Purpose::DataSet, 0);
        for law in LAWS.map(|law| law()) {
            for _ in 0..2000 {
                let low = sampling::anywhere(&mut stream);
                let high = sampling::anywhere(&mut stream);
                let raise = |feature: usize| {
                    let mut raised = low;
                    raised[feature] = low[feature].max(high[feature]);
                    law.rate(&raised) - law.rate(&low)
                };
                for feature in MONOTONE {
                    assert!(raise(feature) <= 1e-12, "feature {feature}");
                }
                assert!(raise(index::LAST_STEP) >= -1e-12);
            }
        }
    }

    #[test]
    fn the_target_is_more_than_jitter_alone_shows_and_falls_with_the_window() {
        for (law, range) in LAWS.map(|law| law()).into_iter().zip(TARGETS) {
            let targets = (20..=180).map(|tenths| law.target(f64::from(tenths) / 10.0));
            let targets = targets.collect::<Vec<_>>();
            assert!(targets.iter().all(|t| range.contains(t)), "{targets:?}");
            assert!(targets.windows(2).all(|pair| pair[1] <= pair[0]));
        }
    }

    #[test]
    fn the_laws_of_closed_loops_read_only_what_their_networks_see() {
        let mut stream = Stream::new(3, Purpose::DataSet, 0);
        for (law, params) in [
            (Law::steady(), Params::steady()),
            (Law::steady_20(), Params::steady_20()),
        ] {
            let masked = params.network.masked.iter();
            let unseen: Vec<usize> = masked.map(|name| TABLE_1.index_of(name).unwrap()).collect();
            for _ in 0..500 {
                let here = sampling::anywhere(&mut stream);
                let other = sampling::anywhere(&mut stream);
                for &feature in &unseen {
                    let mut moved = here;
                    moved[feature] = other[feature];
                    assert_eq!(law.rate(&moved), law.rate(&here), "feature {feature}");
                }
            }
        }
    }
}
