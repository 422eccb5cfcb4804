//! Counterexamples: corners, samples and gradient ascent, all evaluated on the integer program.

use crate::interval::Interval;
use crate::network::{Affine, Network};
use crate::objective::Halfspace;
use crate::op::{affine, clamp, relu};
use crate::problem::Problem;
use crate::signs::Sign;

/// The point with the largest excess that the search comes across, with that excess; only points of
/// the region at which the facts hold. The first one that exceeds the bound ends the search.
pub(crate) fn candidate(problem: &Problem<'_>) -> Option<(i128, Vec<i64>)> {
    let mut random = Random(SEED);
    let extreme = |raise: bool| -> Vec<i64> {
        let ends = problem.region.iter().zip(&problem.signs);
        ends.map(|(bounds, sign)| match sign {
            Sign::Rising => bounds.high,
            Sign::Falling => bounds.low,
            _ if raise => bounds.high,
            _ => bounds.low,
        })
        .collect()
    };
    let starts = [extreme(false), extreme(true)].into_iter();
    let samples = (0..SAMPLES).map(|_| sample(&mut random, &problem.region));
    let mut best = None;
    for start in starts.chain(samples) {
        ascend(problem, start, &mut best);
        if matches!(best, Some((excess, _)) if excess > 0) {
            break;
        }
    }
    best
}

/// Projected gradient ascent from a point, with shrinking steps.
///
/// # Source
/// Madry et al., "Towards deep learning models resistant to adversarial attacks", 2018, §2.1; sign
/// steps over the box, each candidate repaired to satisfy the facts.
fn ascend(problem: &Problem<'_>, start: Vec<i64>, best: &mut Option<(i128, Vec<i64>)>) {
    let mut point = start;
    for step in 0..STEPS {
        let mut candidate = point.clone();
        if repair(&problem.facts, &problem.region, &mut candidate, REPAIRS) {
            let excess = problem.excess_at(&candidate);
            if best.as_ref().is_none_or(|&(highest, _)| excess > highest) {
                *best = Some((excess, candidate));
            }
            if excess > 0 {
                return;
            }
        }
        let slopes = gradient(problem, &point);
        for ((value, slope), bounds) in point.iter_mut().zip(slopes).zip(&problem.region) {
            let stride = (bounds.width() >> (step + 1)).max(1);
            let moved = if slope > 0.0 {
                *value + stride
            } else if slope < 0.0 {
                *value - stride
            } else {
                *value
            };
            *value = moved.clamp(bounds.low, bounds.high);
        }
    }
}

/// Moves a point within a box until the facts hold, in at most `rounds` passes over them; false
/// where that does not succeed.
pub(crate) fn repair(
    facts: &[Halfspace],
    region: &[Interval],
    point: &mut [i64],
    rounds: usize,
) -> bool {
    for _ in 0..rounds {
        let mut held = true;
        for fact in facts {
            let products = fact
                .terms
                .iter()
                .map(|&(place, c)| i128::from(c) * i128::from(point[place]));
            let mut over = products.sum::<i128>() - i128::from(fact.bound);
            for &(place, c) in &fact.terms {
                if over <= 0 {
                    break;
                }
                held = false;
                let size = i128::from(c.abs());
                let room = if c > 0 {
                    point[place] - region[place].low
                } else {
                    region[place].high - point[place]
                };
                let step = ((over + size - 1) / size).min(i128::from(room));
                over -= step * size;
                point[place] -= step as i64 * c.signum();
            }
        }
        if held {
            return true;
        }
    }
    facts.iter().all(|fact| fact.holds(point))
}

/// Slopes of the objective at a point, of the network without its floors.
fn gradient(problem: &Problem<'_>, point: &[i64]) -> Vec<f64> {
    let network = problem.network;
    let (active, outputs) = activity(network, point);
    let output = network.hidden_count();
    let mut row = vec![0.0; outputs.len()];
    for &(head, c) in &problem.objective.heads {
        if outputs[head].abs() <= clamp::ONE || (outputs[head] > 0) != (c > 0) {
            row[head] = c as f64;
        }
    }
    let mut slopes = vec![0.0; network.inputs()];
    for &(feature, d) in &problem.objective.features {
        slopes[feature] += d as f64;
    }
    for index in (0..=output).rev() {
        row = transpose(&network.layers()[index], &row);
        if index == output {
            let skipped = row.split_off(row.len() - network.skip_inputs());
            slopes
                .iter_mut()
                .zip(skipped)
                .for_each(|(slope, part)| *slope += part);
        }
        if index > 0 {
            for (coefficient, &is_active) in row.iter_mut().zip(&active[index - 1]) {
                if !is_active {
                    *coefficient = 0.0;
                }
            }
        }
    }
    slopes
        .iter_mut()
        .zip(row)
        .for_each(|(slope, part)| *slope += part);
    slopes
}

/// Which hidden neurons are active at a point, and the outputs before the clamp.
pub(crate) fn activity(network: &Network, point: &[i64]) -> (Vec<Vec<bool>>, Vec<i64>) {
    let mut values = point.to_vec();
    let mut active = vec![];
    for layer in network.hidden() {
        values = affine::concrete(layer, &values);
        active.push(values.iter().map(|&value| value > 0).collect());
        for value in &mut values {
            *value = relu::concrete(*value);
        }
    }
    values.extend(point.iter().take(network.skip_inputs()));
    let outputs = network
        .layers()
        .last()
        .map(|output| affine::concrete(output, &values));
    (active, outputs.unwrap_or_default())
}

fn transpose(layer: &Affine, row: &[f64]) -> Vec<f64> {
    let mut inputs = vec![0.0; layer.inputs];
    for (neuron, &coefficient) in row.iter().enumerate() {
        for (input, &weight) in inputs.iter_mut().zip(layer.scaled_row(neuron)) {
            *input += coefficient * weight;
        }
    }
    inputs
}

/// A point of the box, uniform per feature.
pub(crate) fn sample(random: &mut Random, region: &[Interval]) -> Vec<i64> {
    region
        .iter()
        .map(|bounds| random.between(bounds.low, bounds.high))
        .collect()
}

/// `SplitMix64`: candidates need spread, not strength.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    ///
    /// # Source
    /// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from `low` to `high`.
    pub(crate) const fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low) as u64 + 1;
        low + (self.next() % span) as i64
    }
}

const SEED: u64 = 0x7a61_7574;
const SAMPLES: usize = 48;
const STEPS: u32 = 12;
/// Passes over the facts of a claim about single inputs.
pub(crate) const REPAIRS: usize = 4;
