//! Pairs that break a constraint, evaluated on the integer program.

use rayon::prelude::*;

use super::problem::PairProblem;
use crate::interval::Interval;
use crate::search::{Random, repair, sample};

/// The pair with the largest excess that coordinate ascent finds from samples, the first of equals,
/// behind that excess; the facts hold for it.
pub(super) fn strongest(problem: &PairProblem<'_>) -> Option<(i128, Vec<i64>)> {
    let found: Vec<_> = (0..STARTS)
        .into_par_iter()
        .filter_map(|number| {
            let mut random = Random(SEED + number);
            let mut pair = sample(&mut random, &problem.region);
            for (value, side) in pair.iter_mut().zip(&problem.region) {
                // Two of three places at an end, where policies do what they do at all.
                *value = [side.low, side.high, *value][random.between(0, 2) as usize];
            }
            let is_pair = repair(&problem.facts, &problem.region, &mut pair, REPAIRS);
            is_pair.then(|| {
                let excess = climb(problem, &mut pair);
                (excess, pair)
            })
        })
        .collect();
    let better = |best: Option<(i128, Vec<i64>)>, next: (i128, Vec<i64>)| match best {
        Some(best) if best.0 >= next.0 => Some(best),
        _ => Some(next),
    };
    found.into_iter().fold(None, better)
}

/// A pair of a box to which a bound's slopes point, behind its excess.
pub(super) fn near(
    problem: &PairProblem<'_>,
    region: &[Interval],
    slopes: &[f64],
) -> Option<(i128, Vec<i64>)> {
    let ends = region.iter().zip(slopes);
    let mut pair: Vec<i64> = ends
        .map(|(side, &slope)| {
            if slope > 0.0 {
                side.high
            } else if slope < 0.0 {
                side.low
            } else {
                side.low + side.width() / 2
            }
        })
        .collect();
    let is_pair = repair(&problem.facts, region, &mut pair, REPAIRS);
    is_pair.then(|| (problem.excess_at(&pair), pair))
}

/// Moves one place at a time to where the excess is largest, while that helps.
fn climb(problem: &PairProblem<'_>, pair: &mut [i64]) -> i128 {
    let mut most = problem.excess_at(pair);
    for round in 0..ROUNDS {
        let before = most;
        for place in 0..pair.len() {
            let side = problem.region[place];
            let stride = (side.width() >> (2 * round + 1)).max(1);
            let old = pair[place];
            for value in [side.low, side.high, old - stride, old + stride] {
                let kept = pair[place];
                pair[place] = value.clamp(side.low, side.high);
                if pair[place] == kept {
                    continue;
                }
                let excess = problem.excess_at(pair);
                if excess > most && problem.facts_hold(pair) {
                    most = excess;
                } else {
                    pair[place] = kept;
                }
            }
        }
        if most == before && round >= 2 {
            break;
        }
    }
    most
}

const SEED: u64 = 0x7061_6972;
const STARTS: u64 = 256;
const ROUNDS: u32 = 6;
/// Passes over the facts of a claim about pairs.
const REPAIRS: usize = 8;
