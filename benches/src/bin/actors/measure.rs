//! Three ways to say how much of a question holds: by sampling, by interval slices, by search.

use tautline_abstract_interp::float::bound::{Bounder, Effort, Region, Row};
use tautline_abstract_interp::float::network::FloatNetwork;
use tautline_abstract_interp::float::range::Range;

/// The allowed values of the single output.
pub(crate) type Allowed = (f64, f64);

/// Share of a grid of points at which the `f32` evaluation is allowed.
pub(crate) fn sampled(network: &FloatNetwork, input: &[(f64, f64)], allowed: Allowed) -> f64 {
    let per_axis: usize = if input.len() == 1 { 2001 } else { 61 };
    let total = per_axis.pow(input.len() as u32);
    let held = (0..total).filter(|&number| {
        let mut rest = number;
        let point: Vec<f32> = input
            .iter()
            .map(|&(low, high)| {
                let place = rest % per_axis;
                rest /= per_axis;
                (low + (high - low) * place as f64 / (per_axis - 1) as f64) as f32
            })
            .collect();
        let value = f64::from(network.forward(&point)[0]);
        allowed.0 <= value && value <= allowed.1
    });
    held.count() as f64 / total as f64
}

/// Share of `count` equal slices that interval propagation certifies: the anchor's method.
pub(crate) fn slices(
    network: &FloatNetwork,
    input: &[(f64, f64)],
    allowed: Allowed,
    sliced: usize,
    count: usize,
) -> f64 {
    let mut bounder = Bounder::new(network);
    let (low, high) = input[sliced];
    let certified = (0..count).filter(|&slice| {
        let end = |number: usize| low + (high - low) * number as f64 / count as f64;
        let mut input = input.to_vec();
        input[sliced] = (end(slice), end(slice + 1));
        let found = values(&mut bounder, &region(&input), Effort::Intervals);
        allowed.0 <= found.low && found.high <= allowed.1
    });
    certified.count() as f64 / count as f64
}

/// What a search found about a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decided {
    /// Share of the inputs for which it is proven to hold.
    pub(crate) holds: f64,
    /// Share for which it is proven to be false.
    pub(crate) fails: f64,
    /// Boxes bounded.
    pub(crate) boxes: usize,
}

/// Halves boxes, largest first, until linear bounds prove or refute them or `most` are bounded.
pub(crate) fn searched(
    network: &FloatNetwork,
    input: &[(f64, f64)],
    allowed: Allowed,
    most: usize,
) -> Decided {
    let mut bounder = Bounder::new(network);
    let mut queue = std::collections::VecDeque::from([(input.to_vec(), 1.0)]);
    let mut decided = Decided {
        holds: 0.0,
        fails: 0.0,
        boxes: 0,
    };
    while let Some((input, share)) = queue.pop_front() {
        if decided.boxes == most {
            break;
        }
        decided.boxes += 1;
        let found = values(&mut bounder, &region(&input), Effort::Crown);
        if allowed.0 <= found.low && found.high <= allowed.1 {
            decided.holds += share;
        } else if found.high < allowed.0 || allowed.1 < found.low {
            decided.fails += share;
        } else {
            let longest = (0..input.len()).max_by(|&a, &b| {
                let length = |axis: usize| input[axis].1 - input[axis].0;
                length(a).total_cmp(&length(b))
            });
            for half in longest.into_iter().flat_map(|axis| halves(&input, axis)) {
                queue.push_back((half, share / 2.0));
            }
        }
    }
    decided
}

fn halves(input: &[(f64, f64)], axis: usize) -> [Vec<(f64, f64)>; 2] {
    let middle = input[axis].0 + (input[axis].1 - input[axis].0) / 2.0;
    let (mut left, mut right) = (input.to_vec(), input.to_vec());
    left[axis].1 = middle;
    right[axis].0 = middle;
    [left, right]
}

fn values(bounder: &mut Bounder, region: &Region, effort: Effort) -> Range {
    let rows = [1.0, -1.0].map(|sign| Row {
        outputs: vec![(0, sign)],
        inputs: vec![],
    });
    let found = bounder.bound(region, &rows, effort, None);
    Range {
        low: found.lower[0],
        high: -found.lower[1],
    }
}

fn region(input: &[(f64, f64)]) -> Region {
    let ranges = input.iter().map(|&(low, high)| Range { low, high });
    Region {
        input: ranges.collect(),
        phases: vec![],
    }
}
