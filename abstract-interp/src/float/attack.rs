//! Search for counterexamples: projected gradient descent on the margin of a conjunction.

use crate::float::search::evaluator::Evaluator;
use crate::float::search::query::Query;

/// How many points gradient descent starts from, and how far it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attack {
    /// Starting points before branch and bound, shared by the conjunctions that are open; half as many
    /// follow after every batch of regions.
    pub starts: u32,
    /// Steps from each.
    pub steps: u32,
}

/// A point and how far it is from being unsafe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) input: Vec<f32>,
    pub(crate) margin: f64,
}

/// A box and one conjunction over it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'q> {
    pub(crate) query: &'q Query,
    pub(crate) conjunction: usize,
    pub(crate) low: &'q [f32],
    pub(crate) high: &'q [f32],
}

impl Evaluator {
    /// The margin of a conjunction at an input; infinite where an output is not finite.
    pub(crate) fn margin(&mut self, query: &Query, conjunction: usize, input: &[f32]) -> f64 {
        self.forward(input);
        let output = &self.values[self.layers.len()];
        if !output.iter().all(|value| value.is_finite()) {
            return f64::INFINITY;
        }
        query.values(input, output, &mut self.rows);
        query.margin(conjunction, &self.rows)
    }

    /// Descends from a point, and returns the best one on the way; it ends early at a margin ≤ 0.
    pub(crate) fn descend(&mut self, target: Target<'_>, start: Vec<f32>, plan: Plan) -> Point {
        let mut input = start;
        let mut best = Point {
            margin: self.margin(target.query, target.conjunction, &input),
            input: input.clone(),
        };
        let mut step = plan.reach;
        for _ in 0..plan.steps {
            if best.margin <= 0.0 {
                break;
            }
            self.slope(target, &input, plan.blame);
            let sides = target.low.iter().zip(target.high);
            let moves = sides.clone().zip(&self.gradient);
            let largest = moves
                .map(|((low, high), slope)| (slope * (high - low)).abs())
                .fold(0.0f32, f32::max);
            if largest == 0.0 {
                break;
            }
            for (value, ((low, high), slope)) in input.iter_mut().zip(sides.zip(&self.gradient)) {
                let width = high - low;
                let push = match plan.direction {
                    Direction::Sign if *slope == 0.0 => 0.0,
                    Direction::Sign => slope.signum(),
                    Direction::Gradient => slope * width / largest,
                };
                *value = (*value - step * width * push).clamp(*low, *high);
            }
            let margin = self.margin(target.query, target.conjunction, &input);
            if margin < best.margin {
                best.margin = margin;
                best.input.copy_from_slice(&input);
            } else {
                step *= SHRINK;
            }
        }
        best
    }

    /// The gradient of the blamed halfspaces' margins at the input evaluated last.
    fn slope(&mut self, target: Target<'_>, input: &[f32], blame: Blame) {
        let query = target.query;
        let limits = &query.conjunctions[target.conjunction];
        let output = &self.values[self.layers.len()];
        query.values(input, output, &mut self.rows);
        let worst = query.margin(target.conjunction, &self.rows);
        self.gradient.clear();
        self.gradient.resize(output.len(), 0.0);
        let mut direct = vec![0.0; input.len()];
        for limit in limits {
            let margin = limit.margin(&self.rows);
            let counts = match blame {
                Blame::Worst => margin >= worst,
                Blame::Positive => margin > 0.0,
            };
            if counts {
                let row = &query.rows[limit.row];
                for &(place, coefficient) in &row.outputs {
                    self.gradient[place] += (coefficient / limit.scale) as f32;
                }
                for &(place, coefficient) in &row.inputs {
                    direct[place] += (coefficient / limit.scale) as f32;
                }
            }
        }
        for (number, layer) in self.layers.iter().enumerate().rev() {
            layer.backward(&self.values[number + 1], &mut self.gradient, &mut self.next);
            std::mem::swap(&mut self.gradient, &mut self.next);
        }
        for (slope, direct) in self.gradient.iter_mut().zip(direct) {
            *slope += direct;
        }
    }
}

/// One descent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: u32,
    /// The first step, as a share of the box.
    pub(crate) reach: f32,
    pub(crate) direction: Direction,
    pub(crate) blame: Blame,
}

impl Plan {
    /// Plans alternate with the number of the start.
    pub(crate) fn numbered(number: u32, steps: u32) -> Self {
        Self {
            steps,
            reach: if number % 3 == 1 {
                NEAR_STEP
            } else {
                FIRST_STEP
            },
            direction: if number.is_multiple_of(2) {
                Direction::Sign
            } else {
                Direction::Gradient
            },
            blame: if number % 4 < 2 {
                Blame::Worst
            } else {
                Blame::Positive
            },
        }
    }
}

/// Where a step goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// The same share of every side of the box.
    Sign,
    /// Along the gradient in the unit cube.
    Gradient,
}

/// Which halfspaces of a conjunction are pushed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blame {
    /// The one that is farthest from holding.
    Worst,
    /// All that do not hold.
    Positive,
}

/// A reproducible point of a box: its centre for number zero, else uniform in it, or uniform with some
/// inputs at their ends, or near the best point so far.
pub(crate) fn start(target: Target<'_>, best: Option<&[f32]>, seed: u64, number: u32) -> Vec<f32> {
    let mut state = seed ^ (u64::from(number) << 32);
    let mut uniform = || (splitmix(&mut state) >> 40) as f32 / (1u32 << 24) as f32;
    let sides = target.low.iter().zip(target.high).enumerate();
    // Radii from half of the box downwards.
    let radius = 0.5f32.powi(1 + (number / 3 % RADII) as i32);
    sides
        .map(|(place, (low, high))| {
            let (share, coin) = (uniform(), uniform());
            let value = match (number % 3, best) {
                (0, _) if number == 0 => low + (high - low) * 0.5,
                (1, Some(best)) => best[place] + (high - low) * radius * (2.0 * share - 1.0),
                (2, _) if coin < AT_ENDS => *if share < 0.5 { low } else { high },
                _ => low + (high - low) * share,
            };
            value.clamp(*low, *high)
        })
        .collect()
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How many radii there are around the best point.
const RADII: u32 = 12;
/// Share of inputs at an end, where any are.
const AT_ENDS: f32 = 0.4;
/// The first step, as a share of the box.
const FIRST_STEP: f32 = 0.25;
/// The first step near the best point.
const NEAR_STEP: f32 = 0.02;
/// A step that does not help shrinks the next one.
const SHRINK: f32 = 0.7;
