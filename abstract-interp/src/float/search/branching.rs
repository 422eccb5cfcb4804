//! Where to split a region.
//!
//! Boxes taken on ACAS Xu by the score of an input, bounds without α (1_1 with property 5, 3_3 with
//! property 9, 1_1 with properties 3 and 2; each but the fourth took one bound per box):
//!
//! | score | boxes |
//! | --- | --- |
//! | width | 5783, 3271, more than 46 000, 5109 |
//! | slope·width of the row closest to a proof | 4519, 3569, more than 42 000, more than 27 000 |
//! | slope·width, summed over rows | 4519, 3569, 4527, 823 |
//! | the better sum of the halves' bounds, all inputs tried | more than 5139, 2155, 1265, 311 |
//! | influence on open neurons | 3191, 2525, 1557, 365 |
//! | influence, weighted by what each neuron costs the rows | 2941, 2399, 1391, 379 |
//!
//! The last one is [`Evaluator::influence`]; it costs as much as a forward pass per input. Adding the
//! slopes to it gave 3177, 2497, 1477, 369.

use crate::float::bound::Hidden;
use crate::float::range::Range;
use crate::float::search::clip::single_below;
use crate::float::search::evaluator::Evaluator;

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

/// What fixing the neurons of a region would gain, `[layer][neuron]`, and the region's ranges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gains<'h> {
    pub(crate) neurons: &'h [Vec<f64>],
    pub(crate) hidden: &'h Hidden,
}

impl Evaluator {
    /// Per input, how much of the relaxations' cost depends on it.
    ///
    /// A neuron's gain counts in proportion to how much of its range the input alone spans, through
    /// the chords of the neurons before it.
    pub(crate) fn influence(&mut self, input: &[Range], gains: Gains<'_>) -> Vec<f64> {
        let scores = (0..input.len()).map(|place| {
            if input[place].low >= input[place].high {
                return 0.0;
            }
            let mut score = 0.0;
            self.values[0].fill(0.0);
            self.values[0][place] = input[place].width() as f32;
            for (number, layer) in self.layers.iter().enumerate() {
                let (before, after) = self.values.split_at_mut(number + 1);
                layer.linear(&before[number], &mut after[0]);
                let ranges = gains.hidden.layers[number].iter();
                let neurons = ranges.zip(&gains.neurons[number]).zip(&layer.activations);
                for (spread, ((range, gain), activation)) in after[0].iter_mut().zip(neurons) {
                    if *gain > 0.0 {
                        score += gain * f64::from(spread.abs()) / range.width();
                    }
                    *spread *= chord(*range, activation.negative_slope()) as f32;
                }
            }
            if score.is_finite() { score } else { 0.0 }
        });
        scores.collect()
    }
}

/// Slope of the line through an activation's values at the ends of a range.
fn chord(range: Range, negative_slope: f64) -> f64 {
    if range.low >= 0.0 {
        1.0
    } else if range.high <= 0.0 {
        negative_slope
    } else {
        (range.high - negative_slope * range.low) / range.width()
    }
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
