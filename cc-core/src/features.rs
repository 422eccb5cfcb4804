//! The policy's inputs: names, ranges and links, by table version.
//!
//! A claim speaks about named features, a model says which table it was trained for, and the
//! checker reads the same ranges and links from here. A table never changes once released; a
//! better set of features is a new version.

use crate::fixed::Q16;

/// How many features table 1 has.
pub const FEATURE_COUNT: usize = 12;

/// The longest input of any policy, over all table versions.
pub const MAX_INPUTS: usize = 32;

/// One input of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name in claims and reports.
    pub name: &'static str,
    /// Smallest value; smaller ones are clamped to it.
    pub low: Q16,
    /// Largest value; larger ones are clamped to it.
    pub high: Q16,
    /// What it measures, in one line.
    pub meaning: &'static str,
}

/// A linear fact about the features of one vector: Σ coefficient · feature ≤ bound.
///
/// # Units
/// Coefficients are plain integers; the bound is in units of 2⁻¹⁶ times `scale`, so that
/// non-integer slopes can be written with a common denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says, for reports.
    pub name: &'static str,
    /// Pairs of feature index and coefficient.
    pub terms: &'static [(usize, i64)],
    /// Right-hand side, in units of 2⁻¹⁶ times the coefficients' common scale.
    pub bound: i64,
}

impl Link {
    /// True if `values` (units of 2⁻¹⁶, in table order) satisfy the link.
    pub fn holds(&self, values: &[i32]) -> bool {
        let sum = self.terms.iter().fold(0i64, |sum, &(index, coefficient)| {
            let value = values.get(index).copied().unwrap_or(0);
            sum.saturating_add(coefficient.saturating_mul(i64::from(value)))
        });
        sum <= self.bound
    }
}

/// A version of the feature vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureTable {
    /// The version that models and claims name.
    pub version: u16,
    /// The features, in the order of the policy's inputs.
    pub features: &'static [Feature],
    /// Linear facts that every vector of this table satisfies.
    pub links: &'static [Link],
}

impl FeatureTable {
    /// The table of a version, if this program knows it.
    pub fn by_version(version: u16) -> Option<&'static Self> {
        match version {
            0 => Some(&GENERIC),
            1 => Some(&TABLE_1),
            _ => None,
        }
    }

    /// True if `values` (units of 2⁻¹⁶, in table order) lie in every range and satisfy every link.
    pub fn contains(&self, values: &[i32]) -> bool {
        values.len() == self.features.len()
            && self.features.iter().zip(values).all(|(feature, value)| {
                (feature.low.units()..=feature.high.units()).contains(value)
            })
            && self.links.iter().all(|link| link.holds(values))
    }

    /// The position of the feature called `name`.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.features
            .iter()
            .position(|feature| feature.name == name)
    }
}

/// Positions in table 1.
pub mod index {
    /// Mean round-trip time of the round over the minimum, minus one.
    pub const QUEUEING: usize = 0;
    /// Minimum round-trip time of the round over the minimum, minus one.
    pub const STANDING_QUEUE: usize = 1;
    /// EWMA of [`STANDING_QUEUE`].
    pub const QUEUEING_EWMA: usize = 2;
    /// Lost fraction of the round.
    pub const LOSS: usize = 3;
    /// Lost fraction over about 256 packets.
    pub const SLOW_LOSS: usize = 4;
    /// ECN-CE marked fraction of the round.
    pub const CE: usize = 5;
    /// Acknowledged bytes over the window.
    pub const ACKED_RATIO: usize = 6;
    /// Logarithm of the window.
    pub const LOG_WINDOW: usize = 7;
    /// Logarithm of the own queued packets.
    pub const OWN_QUEUE: usize = 8;
    /// Last applied step.
    pub const LAST_STEP: usize = 9;
    /// The step before.
    pub const PREVIOUS_STEP: usize = 10;
    /// Rounds since the queue was last seen empty.
    pub const COMPETITOR: usize = 11;
}

/// Smallest window, as log₂ of packets in units of 2⁻¹⁶: four packets.
pub const LOG_WINDOW_MIN: Q16 = Q16::from_units(2 << 16);
/// Largest window, as log₂ of packets in units of 2⁻¹⁶: 262 144 packets.
pub const LOG_WINDOW_MAX: Q16 = Q16::from_units(18 << 16);
/// Divisor of both logarithmic features, as a shift: 16.
pub const LOG_SCALE_SHIFT: u32 = 4;
/// The standing queue at which its logarithm has its floor: twice the design jitter of 5 %.
pub const OWN_QUEUE_FLOOR: Q16 = Q16::from_units(6554);
/// log₂ of [`OWN_QUEUE_FLOOR`], in units of 2⁻¹⁶ (−3.3219).
pub const LOG_OWN_QUEUE_FLOOR: i32 = -217_706;
/// Upper end of log₂(x/(1+x)) at x = 2 (−0.58496).
const LOG_OWN_QUEUE_CEILING: i32 = -38_336;

/// Upper end of own_queue − log_window: −38 336 / 16, and one unit for the two roundings.
const LINK_UPPER: i64 = -2395;
/// Upper end of log_window − own_queue: 217 706 / 16 rounded up, and one unit.
const LINK_LOWER: i64 = 13_608;

const fn feature(name: &'static str, low: i32, high: i32, meaning: &'static str) -> Feature {
    Feature {
        name,
        low: Q16::from_units(low),
        high: Q16::from_units(high),
        meaning,
    }
}

const ONE: i32 = 1 << 16;

/// Feature table 1.
pub static TABLE_1: FeatureTable = FeatureTable {
    version: 1,
    features: &[
        feature(
            "queueing",
            0,
            2 * ONE,
            "x = mean RTT of the round / min RTT − 1",
        ),
        feature(
            "standing_queue",
            0,
            2 * ONE,
            "x_s = min RTT of the round / min RTT − 1, x_s ≤ x",
        ),
        feature(
            "queueing_ewma",
            0,
            2 * ONE,
            "EWMA (1/4) of x_s, read before its update",
        ),
        feature(
            "loss",
            0,
            ONE,
            "lost / (lost + acknowledged) packets of the round",
        ),
        feature(
            "slow_loss",
            0,
            ONE,
            "the same over ≈256 packets, denominator ≥ 64",
        ),
        feature(
            "ce",
            0,
            ONE,
            "ECN-CE marked / acknowledged packets of the round",
        ),
        feature(
            "acked_ratio",
            0,
            2 * ONE,
            "bytes acknowledged in the round / window",
        ),
        feature(
            "log_window",
            ONE / 8,
            ONE * 9 / 8,
            "log2(window / datagram) / 16",
        ),
        feature(
            "own_queue",
            (2 * ONE + LOG_OWN_QUEUE_FLOOR) >> LOG_SCALE_SHIFT,
            (18 * ONE + LOG_OWN_QUEUE_CEILING) >> LOG_SCALE_SHIFT,
            "(log2(window / datagram) + log2(max(x_s/(1+x_s), 0.1))) / 16",
        ),
        feature(
            "last_step",
            -ONE,
            ONE,
            "last applied step of log2 window / G",
        ),
        feature(
            "previous_step",
            -ONE,
            ONE,
            "the applied step before that / G",
        ),
        feature("competitor", 0, ONE, "rounds since x_s ≤ 0.1, / 32"),
    ],
    links: &[
        Link {
            name: "standing_queue <= queueing",
            terms: &[(index::STANDING_QUEUE, 1), (index::QUEUEING, -1)],
            bound: 0,
        },
        // Both features round down, hence one unit of slack on either side.
        Link {
            name: "own_queue - log_window <= log2(2/3)/16",
            terms: &[(index::OWN_QUEUE, 1), (index::LOG_WINDOW, -1)],
            bound: LINK_UPPER,
        },
        Link {
            name: "log_window - own_queue <= -log2(0.1)/16",
            terms: &[(index::LOG_WINDOW, 1), (index::OWN_QUEUE, -1)],
            bound: LINK_LOWER,
        },
    ],
};

/// Sixteen unnamed inputs in [−1, 1], for networks that read no connection: benches, tests and
/// other people's problems. A model over it cannot be deployed.
static GENERIC: FeatureTable = FeatureTable {
    version: 0,
    features: &[
        feature("x0", -ONE, ONE, "generic"),
        feature("x1", -ONE, ONE, "generic"),
        feature("x2", -ONE, ONE, "generic"),
        feature("x3", -ONE, ONE, "generic"),
        feature("x4", -ONE, ONE, "generic"),
        feature("x5", -ONE, ONE, "generic"),
        feature("x6", -ONE, ONE, "generic"),
        feature("x7", -ONE, ONE, "generic"),
        feature("x8", -ONE, ONE, "generic"),
        feature("x9", -ONE, ONE, "generic"),
        feature("x10", -ONE, ONE, "generic"),
        feature("x11", -ONE, ONE, "generic"),
        feature("x12", -ONE, ONE, "generic"),
        feature("x13", -ONE, ONE, "generic"),
        feature("x14", -ONE, ONE, "generic"),
        feature("x15", -ONE, ONE, "generic"),
    ],
    links: &[],
};
