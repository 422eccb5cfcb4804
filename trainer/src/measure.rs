//! Where interval bounds fail: the boxes that training should work on.

use crate::loss::certified::{Boxes, excess};
use crate::network::Layout;
use crate::obligation::{Box12, Obligation};

/// Bisects the corner region of `obligation` by interval bounds, visiting at most `limit` boxes, and
/// returns the boxes left unproven; none where interval bounds alone suffice.
pub(crate) fn open_boxes(
    layout: &Layout,
    weights: &[f64],
    obligation: &Obligation,
    limit: usize,
) -> Vec<Box12> {
    let mut level = vec![obligation.region];
    let mut visited = 0;
    loop {
        visited += level.len();
        let mut open = Vec::new();
        for chunk in level.chunks(BATCH) {
            let boxes = chunk.iter().map(|b| (obligation, *b)).collect::<Vec<_>>();
            let bounds = excess(layout, weights, &Boxes::new(&boxes));
            let unproven = chunk.iter().zip(bounds);
            open.extend(unproven.filter(|(_, e)| *e > -ROUNDING).map(|(b, _)| *b));
        }
        let next = open
            .iter()
            .filter_map(|b| halves(&obligation.region, b))
            .flatten()
            .collect::<Vec<_>>();
        if next.is_empty() || visited + next.len() > limit {
            return open;
        }
        level = next;
    }
}

/// Halves of a box along the feature that keeps the largest part of the region's range.
fn halves(region: &Box12, bounds: &Box12) -> Option<[Box12; 2]> {
    let mut widest = None;
    let mut largest = 0.0;
    for (place, ((low, high), (from, to))) in bounds.iter().zip(region).enumerate() {
        let part = if to > from {
            (high - low) / (to - from)
        } else {
            0.0
        };
        if part > largest {
            largest = part;
            widest = Some(place);
        }
    }
    let place = widest?;
    let (low, high) = bounds[place];
    let middle = f64::midpoint(low, high);
    let (mut left, mut right) = (*bounds, *bounds);
    left[place] = (low, middle);
    right[place] = (middle, high);
    Some([left, right])
}

const BATCH: usize = 256;
/// Floors of the deployed program, which interval bounds ignore: at most 2⁻¹⁶ per rescale, times
/// the weights that follow.
const ROUNDING: f64 = 2e-3;
