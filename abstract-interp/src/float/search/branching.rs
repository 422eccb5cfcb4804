//! Where to split a region.

use crate::float::range::Range;
use crate::float::search::clip::single_below;

/// The two sides of a region cut in the middle of an input; no `f32` lies between them.
pub(crate) fn halves(input: &[Range], place: usize) -> [Vec<Range>; 2] {
    let range = input[place];
    let middle = single_below(range.low + 0.5 * (range.high - range.low));
    let middle = middle.clamp(range.low, previous(range.high));
    let (mut left, mut right) = (input.to_vec(), input.to_vec());
    left[place].high = middle;
    right[place].low = next(middle);
    [left, right]
}

/// The input with the largest score among those that hold more than one `f32`; the widest one where
/// no score is more than zero.
pub(crate) fn best_input(input: &[Range], scores: &[f64]) -> Option<usize> {
    let better = |a: (f64, f64), b: (f64, f64)| a.0 > b.0 || (a.0 == b.0 && a.1 > b.1);
    let mut best: Option<(usize, (f64, f64))> = None;
    for (place, (range, &score)) in input.iter().zip(scores).enumerate() {
        let rank = (score, range.high - range.low);
        if range.low < range.high && best.is_none_or(|(_, other)| better(rank, other)) {
            best = Some((place, rank));
        }
    }
    best.map(|(place, _)| place)
}

fn previous(single: f64) -> f64 {
    f64::from((single as f32).next_down())
}

fn next(single: f64) -> f64 {
    f64::from((single as f32).next_up())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_meet_without_a_number_between_them_or_in_both() {
        for (low, high) in [
            (-1.0f32, 1.0f32),
            (1.0, 1.0f32.next_up()),
            (0.1, 0.3),
            (-0.0, 1e-45),
        ] {
            let input = [Range {
                low: f64::from(low),
                high: f64::from(high),
            }];
            let [left, right] = halves(&input, 0);
            assert_eq!((left[0].low, right[0].high), (input[0].low, input[0].high));
            assert_eq!((left[0].high as f32).next_up(), right[0].low as f32);
            assert!(left[0].low <= left[0].high && right[0].low <= right[0].high);
        }
    }
}
