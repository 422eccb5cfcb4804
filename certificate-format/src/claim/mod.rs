//! Claims: input region ⇒ linear constraint on heads, as data.
//!
//! A claim set is written as TOML ([`ClaimSet::from_toml`]), lives as integers, and has one
//! canonical binary encoding that certificates embed and digests are taken of.

mod decimal;
mod encoding;
mod error;
mod file;
mod heavy_loss;
mod linear;
mod loop_bytes;
mod loop_file;
mod pair;
mod ratio;

use tautline_core::features::FeatureTable;
use tautline_core::policy::HeadKind;

pub use error::{ClaimError, EncodingError};
pub use pair::Difference;
pub use ratio::RatioClaim;

use crate::closed_loop::LoopClaim;

/// Claims that a set may have, of all kinds together.
pub const MAX_CLAIMS: usize = 256;
/// Largest magnitude of a coefficient after scaling to integers.
pub const MAX_COEFFICIENT: i64 = 1 << 31;
/// Largest magnitude of a right-hand side, in units of 2⁻¹⁶ times the coefficients' scale.
pub const MAX_BOUND: i64 = 1 << 56;
/// Longest name or sentence, in bytes.
pub const MAX_TEXT: usize = 1000;

/// Claims about the models of one feature table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimSet {
    /// Version of the feature table whose features the claims name.
    pub feature_table: u16,
    /// The claims about one decision or two.
    pub claims: Vec<Claim>,
    /// The claims about the closed loop. Names are unique over both lists, of which one may be
    /// empty.
    pub loops: Vec<LoopClaim>,
    /// The claims about two flows, which follow from others of this set.
    pub ratios: Vec<RatioClaim>,
}

/// One claim: everywhere in `region`, every one of `constraints` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name in reports.
    pub name: String,
    /// What it says, in one sentence.
    pub says: String,
    /// Whether it speaks of one input or of two.
    pub kind: ClaimKind,
    /// The inputs that it speaks about.
    pub region: Region,
    /// What holds there; a conjunction of at least one.
    pub constraints: Vec<Constraint>,
}

/// Whether a claim speaks of one input or of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// The constraints are about the heads at every input.
    Point,
    /// The constraints are about `head(x') − head(x)`, and their feature terms about
    /// `feature(x') − feature(x)`, for every two inputs of the region that are equal but in the
    /// raised features, where x' ≥ x.
    Pair {
        /// The features that differ, as positions in the table, strictly increasing.
        raise: Vec<usize>,
    },
    /// The constraints are about `head(x') − head(x)`, and their feature terms about
    /// `feature(x') − feature(x)`, for every two inputs that both lie in the region, satisfy the
    /// table's links, and differ as follows.
    Difference {
        /// Features that may differ, by how much; features strictly increasing.
        differ: Vec<Difference>,
        /// What else is known, over differences (positions of the table, of features that differ)
        /// and the first input (positions from the number of features on).
        between: Vec<LinearConstraint>,
    },
}

/// A box with linear constraints; the feature table's links always hold and are not repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Inclusive bounds per feature, in units of 2⁻¹⁶, within the table's ranges.
    pub bounds: Vec<(i32, i32)>,
    /// Further constraints over the features.
    pub linear: Vec<LinearConstraint>,
}

/// Σ coefficient · feature ≤ bound.
///
/// # Units
/// Coefficients are integers; `bound` is in units of 2⁻¹⁶ times their common scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearConstraint {
    /// Feature position and coefficient; positions strictly increasing, coefficients not zero.
    pub terms: Vec<(usize, i64)>,
    /// Right-hand side.
    pub bound: i64,
}

/// Σ coefficient · head + Σ coefficient · feature ≤ bound.
///
/// # Units
/// As in [`LinearConstraint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Head and coefficient, at least one; kinds strictly increasing, coefficients not zero.
    pub heads: Vec<(HeadKind, i64)>,
    /// Feature position and coefficient; positions strictly increasing, coefficients not zero.
    pub features: Vec<(usize, i64)>,
    /// Right-hand side.
    pub bound: i64,
}

impl ClaimSet {
    /// The feature table that the claims name, if this program knows it.
    pub fn table(&self) -> Option<&'static FeatureTable> {
        FeatureTable::by_version(self.feature_table)
    }

    /// How many claims there are, of all kinds; a claim's position counts closed-loop ones last.
    pub const fn count(&self) -> usize {
        self.claims.len().saturating_add(self.loops.len())
    }
}

impl Region {
    /// Everything that the table's ranges allow.
    pub fn whole(table: &FeatureTable) -> Self {
        let ranges = table.features.iter();
        Self {
            bounds: ranges
                .map(|feature| (feature.low.units(), feature.high.units()))
                .collect(),
            linear: vec![],
        }
    }

    /// The constraints that a proof over this region may use, in the order that witnesses count
    /// them: the table's links, then the region's own.
    pub fn facts(&self, table: &FeatureTable) -> Vec<LinearConstraint> {
        let links = table.links.iter().map(|link| {
            let mut terms = link.terms.to_vec();
            terms.sort_unstable();
            LinearConstraint {
                terms,
                bound: link.bound,
            }
        });
        links.chain(self.linear.iter().cloned()).collect()
    }

    /// True if `values` lie in the box and satisfy the region's own constraints; the table's links
    /// are not asked.
    pub fn contains(&self, values: &[i32]) -> bool {
        values.len() == self.bounds.len()
            && self
                .bounds
                .iter()
                .zip(values)
                .all(|((low, high), value)| (low..=high).contains(&value))
            && self.linear.iter().all(|fact| fact.holds(values))
    }
}

impl LinearConstraint {
    /// True if `values` (units of 2⁻¹⁶, in table order) satisfy it.
    pub fn holds(&self, values: &[i32]) -> bool {
        sum(&self.terms, values) <= i128::from(self.bound)
    }
}

/// Σ coefficient · value, exact: at most 2⁶ terms of 2³¹ · 2³¹.
fn sum(terms: &[(usize, i64)], values: &[i32]) -> i128 {
    terms.iter().fold(0i128, |sum, &(index, coefficient)| {
        let value = values.get(index).copied().map_or(0, i128::from);
        sum.saturating_add(i128::from(coefficient).saturating_mul(value))
    })
}
