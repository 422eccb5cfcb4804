//! Rule *difference*: bounds of what a second input's values have more than the first one's.

mod line;

use super::region::{Place, Shown, Weighted};
use super::rejection::Reason;
use super::relaxation::{Of, Relaxation};
use super::target::Target;
use crate::format::Witness;
use crate::semantics::Range;
use line::Pair;

/// Checks a relaxation leaf over pairs, whose box bounds the differences of the features, then the
/// features of the first input; both inputs lie in `region`.
pub(super) fn check(
    place: &Place<'_>,
    region: &[Range],
    target: &Target<'_>,
    witness: &Witness,
) -> Result<Shown, Reason> {
    let weighted = place.weighted(witness, 0)?;
    let (none, program) = (Weighted::default(), place.program);
    let (first, second) = inputs(place, region);
    if second.iter().any(Range::is_empty) {
        return Ok(Shown::Empty);
    }
    let alone = |input: Vec<Range>| {
        let place = Place {
            input,
            facts: &[],
            pairs_in: None,
            ..place.clone()
        };
        let mut side = Relaxation::new(Of::Input);
        side.bound_hidden(&place, &[])?;
        let outputs = side.bound_outputs(&place, target, &none)?;
        side.values.push(outputs);
        Ok::<_, Reason>(side.values)
    };
    let (first, second) = (alone(first)?, alone(second)?);
    let mut difference = Relaxation::new(Of::Difference);
    let mut pairs = vec![];
    for (first, second) in first.iter().zip(&second) {
        let is_hidden = difference.values.len() < program.hidden().len();
        pairs.clear();
        for (value, (&first, &second)) in first.iter().zip(second).enumerate() {
            let mut pair = Pair::new(first, second);
            if !(is_hidden && pair.is_stable()) {
                pair.difference = difference.refine(place, value, pair.difference, 1, &none)?;
            }
            pairs.push(pair);
        }
        let ranges: Vec<Range> = pairs.iter().map(|pair| pair.difference).collect();
        if ranges.iter().any(Range::is_empty) {
            return Ok(Shown::Empty);
        }
        difference.values.push(ranges);
        let lines = pairs.iter().copied().map(Pair::lines);
        difference.lines.push(lines.collect());
    }
    difference.conclude(place, target, &weighted, |head, coefficient| {
        let pair = pairs.get(head).copied().unwrap_or_default();
        // A negative coefficient bounds the difference the other way round.
        let pair = if coefficient > 0 {
            pair
        } else {
            pair.swapped()
        };
        pair.clamped()
    })
}

/// The boxes of both inputs: the second one is the first one moved, within the region.
fn inputs(place: &Place<'_>, region: &[Range]) -> (Vec<Range>, Vec<Range>) {
    let (moves, first) = place.input.split_at(region.len());
    let moved = first.iter().zip(moves).zip(region);
    let second = moved.map(|((first, by), &inside)| {
        let moved = Range {
            low: first.low.saturating_add(by.low),
            high: first.high.saturating_add(by.high),
        };
        moved.meet(inside)
    });
    (first.to_vec(), second.collect())
}

#[cfg(test)]
mod tests;
