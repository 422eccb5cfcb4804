//! How much of every claim interval bounds prove at once, and which boxes they do not.

use crate::loss::certified::{Boxes, excess};
use crate::network::Layout;
use crate::obligation::{Box12, Obligation};

/// Result of bisecting one obligation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coverage {
    /// Proven fraction of the corner region.
    pub(crate) proven: f64,
    /// Boxes left unproven, widest first.
    pub(crate) open: Vec<Box12>,
}

/// Bisects the corner region of `obligation` by interval bounds, visiting at most `limit` boxes.
pub(crate) fn bisect(
    layout: &Layout,
    weights: &[f64],
    obligation: &Obligation,
    limit: usize,
) -> Coverage {
    let mut level = vec![obligation.region];
    let mut share = 1.0;
    let mut proven = 0.0;
    let mut visited = 0;
    loop {
        visited += level.len();
        let mut open = Vec::new();
        for chunk in level.chunks(BATCH) {
            let boxes = chunk.iter().map(|b| (obligation, *b)).collect::<Vec<_>>();
            let bounds = excess(layout, weights, &Boxes::new(&boxes));
            for (bounds, excess) in chunk.iter().zip(bounds) {
                if excess <= -ROUNDING {
                    proven += share;
                } else {
                    open.push(*bounds);
                }
            }
        }
        if open.is_empty() {
            return Coverage { proven: 1.0, open };
        }
        let next = open.iter().filter_map(|b| halves(&obligation.region, b));
        let next = next.flatten().collect::<Vec<_>>();
        if next.is_empty() || visited + next.len() > limit {
            return Coverage { proven, open };
        }
        level = next;
        share *= 0.5;
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
