//! What a tree must prove: one constraint, with heads as positions in the model.

use super::exact::{Overflow, product, sum};
use super::region::{Shown, maximum};
use super::rejection::Reason;
use crate::claim::Constraint;
use crate::semantics::{Program, Range};

/// Σ coefficient · head + Σ coefficient · feature ≤ bound.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    /// Positions of the heads and their coefficients.
    pub(crate) heads: Vec<(usize, i64)>,
    /// Features and their coefficients.
    pub(super) features: &'a [(usize, i64)],
    pub(super) bound: i128,
}

impl<'a> Target<'a> {
    /// Finds the constraint's heads in the model.
    pub(crate) fn new(program: &Program, constraint: &'a Constraint) -> Result<Self, Reason> {
        let mut heads = vec![];
        for &(kind, coefficient) in &constraint.heads {
            let head = program.heads().iter().position(|&other| other == kind);
            let head = head.ok_or(Reason::MissingHead { kind })?;
            if program.is_constant(head) {
                return Err(Reason::ConstantHead { kind });
            }
            heads.push((head, coefficient));
        }
        Ok(Self {
            heads,
            features: &constraint.features,
            bound: i128::from(constraint.bound),
        })
    }

    /// The largest left-hand side where features lie in a box and c·head is at most |c| · `most`.
    pub(super) fn reached(
        &self,
        input: &[Range],
        most: impl Fn(usize, i64) -> i64,
    ) -> Result<i128, Overflow> {
        let features = self.features.iter();
        let features = maximum(input, features.map(|&(index, c)| (index, i128::from(c))))?;
        self.heads.iter().try_fold(features, |reached, &(head, c)| {
            let size = i128::from(c).saturating_abs();
            sum(reached, product(size, most(head, c))?)
        })
    }

    /// Accepts an upper bound of the left-hand side.
    pub(super) const fn accept(&self, reached: i128) -> Result<Shown, Reason> {
        let bound = self.bound;
        if reached <= bound {
            return Ok(Shown::Holds);
        }
        Err(Reason::NotProven { reached, bound })
    }
}
