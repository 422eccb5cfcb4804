//! The function that a claim bounds, resolved against a model.

use tautline_core::policy::MAX_HEADS;

use crate::interval::Interval;

/// `Σ c·head + Σ d·feature ≤ bound` over a box.
///
/// # Units
/// Heads and features count 2⁻¹⁶; coefficients and bound share the claim's scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Output position and coefficient.
    pub heads: Vec<(usize, i64)>,
    /// Feature position and coefficient.
    pub features: Vec<(usize, i64)>,
    /// Right-hand side.
    pub bound: i64,
}

impl Objective {
    /// The head and its coefficient, where the objective speaks of one head and nothing else.
    pub fn single_head(&self) -> Option<(usize, i64)> {
        match (self.heads.as_slice(), self.features.as_slice()) {
            (&[head], []) => Some(head),
            _ => None,
        }
    }

    /// Left minus right at a point, exactly; positive where the constraint is violated.
    pub fn excess(&self, features: &[i64], heads: &[i64; MAX_HEADS]) -> i128 {
        let heads = self
            .heads
            .iter()
            .map(|&(head, c)| i128::from(c) * i128::from(heads[head]));
        let direct = self
            .features
            .iter()
            .map(|&(place, d)| i128::from(d) * i128::from(features[place]));
        heads.sum::<i128>() + direct.sum::<i128>() - i128::from(self.bound)
    }

    /// The largest excess for heads and features in the given intervals.
    pub fn interval_excess(&self, features: &[Interval], heads: &[Interval]) -> i128 {
        highest(&self.heads, heads) + highest(&self.features, features) - i128::from(self.bound)
    }
}

/// A fact about every input that matters: `Σ coefficient·feature ≤ bound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halfspace {
    /// Feature position and coefficient.
    pub terms: Vec<(usize, i64)>,
    /// Right-hand side.
    pub bound: i64,
}

impl Halfspace {
    /// True if a point satisfies it.
    pub fn holds(&self, features: &[i64]) -> bool {
        let products = self
            .terms
            .iter()
            .map(|&(place, c)| i128::from(c) * i128::from(features[place]));
        products.sum::<i128>() <= i128::from(self.bound)
    }

    /// True if no point of the box satisfies it.
    pub fn excludes(&self, features: &[Interval]) -> bool {
        lowest(&self.terms, features) > i128::from(self.bound)
    }

    /// True if every point of the box satisfies it.
    pub fn is_implied(&self, features: &[Interval]) -> bool {
        highest(&self.terms, features) <= i128::from(self.bound)
    }
}

fn highest(terms: &[(usize, i64)], values: &[Interval]) -> i128 {
    let ends = terms.iter().map(|&(place, c)| {
        let end = if c < 0 {
            values[place].low
        } else {
            values[place].high
        };
        i128::from(c) * i128::from(end)
    });
    ends.sum()
}

fn lowest(terms: &[(usize, i64)], values: &[Interval]) -> i128 {
    let ends = terms.iter().map(|&(place, c)| {
        let end = if c < 0 {
            values[place].high
        } else {
            values[place].low
        };
        i128::from(c) * i128::from(end)
    });
    ends.sum()
}
