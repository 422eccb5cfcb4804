//! Every point of the box.

use super::{Doubt, Opinion, Question};

/// Tries every point, the last feature fastest, and reports the first that breaks the objective.
///
/// Unknown where the box has more than `limit` points.
pub fn exhaustive(question: &Question<'_>, limit: u64) -> Opinion {
    let sizes = question
        .region
        .iter()
        .map(|side| side.width().unsigned_abs().saturating_add(1));
    if sizes.fold(1u64, u64::saturating_mul) > limit {
        return Opinion::Unknown(Doubt::TooManyPoints { limit });
    }
    let mut point: Vec<i64> = question.region.iter().map(|side| side.low).collect();
    loop {
        if let Some(found) = question.replay(&point) {
            return found;
        }
        let open = point
            .iter()
            .zip(&question.region)
            .rposition(|(&value, side)| value < side.high);
        let Some(place) = open else {
            return Opinion::Holds;
        };
        point[place] += 1;
        for (value, side) in point.iter_mut().zip(&question.region).skip(place + 1) {
            *value = side.low;
        }
    }
}
