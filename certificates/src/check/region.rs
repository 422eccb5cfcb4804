//! The box of a node and the facts that hold in it; rule *empty*.

use super::exact::{Overflow, product, sum};
use super::rejection::Reason;
use crate::claim::LinearConstraint;

/// Inclusive integer bounds per feature, in units of 2⁻¹⁶.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InputBox {
    pub(super) low: Vec<i64>,
    pub(super) high: Vec<i64>,
}

impl InputBox {
    pub(super) fn new(bounds: &[(i32, i32)]) -> Self {
        let bounds = bounds.iter();
        let (low, high) = bounds
            .map(|&(low, high)| (i64::from(low), i64::from(high)))
            .unzip();
        Self { low, high }
    }

    /// The largest Σ coefficient · x in the box, exact and attained.
    pub(super) fn maximum(
        &self,
        terms: impl Iterator<Item = (usize, i128)>,
    ) -> Result<i128, Overflow> {
        terms
            .into_iter()
            .try_fold(0i128, |total, (index, coefficient)| {
                let end = if coefficient > 0 {
                    &self.high
                } else {
                    &self.low
                };
                let value = end.get(index).copied().unwrap_or(0);
                sum(total, product(coefficient, value)?)
            })
    }
}

/// Rule *empty*: the fact cannot hold in the box, because even its smallest left-hand side there
/// exceeds its bound; nothing in the box is in the region.
pub(super) fn check_empty(
    input: &InputBox,
    facts: &[LinearConstraint],
    index: u8,
) -> Result<(), Reason> {
    let fact = facts.get(usize::from(index)).ok_or(Reason::UnknownFact {
        index,
        facts: facts.len(),
    })?;
    let negated = fact
        .terms
        .iter()
        .map(|&(index, c)| (index, i128::from(c).saturating_neg()));
    let smallest = input.maximum(negated)?.saturating_neg();
    if smallest > i128::from(fact.bound) {
        return Ok(());
    }
    Err(Reason::NotEmpty {
        index,
        smallest,
        bound: fact.bound,
    })
}
