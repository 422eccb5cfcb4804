//! Claims as the trainer sees them: bounds on heads over the corner of a region.

use tautline_core::features::{FEATURE_COUNT, FeatureTable};

use crate::network::Layout;
use crate::rng::Stream;

/// One constraint of one claim over the corner of its region, where features in which the
/// constraint is monotone by the sign pattern sit at their worst end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Obligation {
    /// Place of the claim in its set.
    pub(crate) claim: usize,
    /// Coefficients of the heads, by place in the model.
    pub(crate) heads: Vec<(usize, f64)>,
    /// Coefficients of the features.
    pub(crate) features: Vec<(usize, f64)>,
    /// Σ c·head + Σ d·x ≤ bound.
    pub(crate) bound: f64,
    /// The region with monotone features fixed.
    pub(crate) region: Box12,
}

/// A box over the features of table 1.
pub(crate) type Box12 = [(f64, f64); FEATURE_COUNT];

impl Obligation {
    /// Fixes every feature of `region` that only makes things worse in one direction.
    pub(crate) fn at_corner(mut self, layout: &Layout) -> Self {
        for feature in 0..FEATURE_COUNT {
            let (low, high) = self.region[feature];
            match self.direction(layout, feature) {
                Some(1) => self.region[feature] = (high, high),
                Some(_) => self.region[feature] = (low, low),
                None => {}
            }
        }
        self
    }

    /// Direction in which the constraint function can only grow with a feature; `None` if unknown.
    fn direction(&self, layout: &Layout, feature: usize) -> Option<i8> {
        let mut direction = 0;
        let hidden = layout.pattern().hides(feature);
        let heads = if hidden { &[][..] } else { &self.heads };
        let from_heads = heads.iter().map(|&(head, coefficient)| {
            let sign = layout.header().heads[head].signs[feature];
            (sign, coefficient)
        });
        let from_feature = self
            .features
            .iter()
            .filter(|&&(index, _)| index == feature)
            .map(|&(_, coefficient)| (1, coefficient));
        for (sign, coefficient) in from_heads.chain(from_feature) {
            if coefficient == 0.0 {
                continue;
            }
            let effect = if coefficient > 0.0 { sign } else { -sign };
            if effect == 0 || direction == -effect {
                return None;
            }
            direction = effect;
        }
        Some(direction)
    }

    /// A random sub-box: every free feature keeps a 2^-`halvings` part of its range.
    pub(crate) fn sub_box(&self, stream: &mut Stream, halvings: u32) -> Box12 {
        self.region.map(|(low, high)| {
            let width = (high - low) / f64::from(1u32 << halvings.min(31));
            let start = stream.between(low, high - width);
            (start, start + width)
        })
    }

    /// A random point, as a box; every other free feature sits at an end.
    pub(crate) fn point(&self, stream: &mut Stream) -> Box12 {
        self.region.map(|(low, high)| {
            let value = match stream.below(4) {
                0 => low,
                1 => high,
                _ => stream.between(low, high),
            };
            (value, value)
        })
    }
}

/// The table's ranges.
pub(crate) fn domain() -> Box12 {
    let mut domain = [(0.0, 0.0); FEATURE_COUNT];
    if let Some(table) = FeatureTable::by_version(crate::network::FEATURE_TABLE) {
        for (range, feature) in domain.iter_mut().zip(table.features) {
            *range = (
                f64::from(feature.low.units()) / ONE,
                f64::from(feature.high.units()) / ONE,
            );
        }
    }
    domain
}

pub(crate) const ONE: f64 = 65_536.0;
