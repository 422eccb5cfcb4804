//! What a tree must prove: one constraint, with heads as positions in the model.

use super::rejection::Reason;
use crate::claim::Constraint;
use crate::semantics::Program;

/// Σ coefficient · head + Σ coefficient · feature ≤ bound.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    constraint: &'a Constraint,
    heads: Vec<(usize, i64)>,
}

impl<'a> Target<'a> {
    /// Finds the constraint's heads in the model.
    pub(super) fn new(program: &Program, constraint: &'a Constraint) -> Result<Self, Reason> {
        let mut heads = vec![];
        for &(kind, coefficient) in &constraint.heads {
            let head = program.heads().iter().position(|&other| other == kind);
            let head = head.ok_or(Reason::MissingHead { kind })?;
            if program.is_constant(head) {
                return Err(Reason::ConstantHead { kind });
            }
            heads.push((head, coefficient));
        }
        Ok(Self { constraint, heads })
    }

    /// Positions of the heads and their coefficients.
    pub(super) fn heads(&self) -> &[(usize, i64)] {
        &self.heads
    }

    /// Features and their coefficients.
    pub(super) fn features(&self) -> &[(usize, i64)] {
        &self.constraint.features
    }

    pub(super) fn bound(&self) -> i128 {
        i128::from(self.constraint.bound)
    }

    /// Accepts an upper bound of the left-hand side.
    pub(super) fn accept(&self, reached: i128) -> Result<(), Reason> {
        let bound = self.bound();
        if reached <= bound {
            return Ok(());
        }
        Err(Reason::NotProven { reached, bound })
    }

    /// The head, if the constraint speaks of one head and nothing else.
    pub(super) fn single_head(&self) -> Option<(usize, i64)> {
        match (self.heads.as_slice(), self.features()) {
            (&[head], []) => Some(head),
            _ => None,
        }
    }
}
