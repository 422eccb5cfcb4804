//! The pair domain: every neuron at both inputs, and what it has more at the second one.

use super::line::{Band, Pair};
use super::problem::PairProblem;
use super::row::{Of, Row, Through};
use crate::interval::Interval;
use crate::network::Network;
use crate::objective::Halfspace;
use crate::op::affine;
use crate::op::relu::{self, LINE_BITS};

/// Bounds boxes of pairs, in exact integers; keeps its buffers between them.
///
/// # Soundness
/// For every pair of inputs in the box, each value lies within its bounds at either input and each
/// difference within that of the two. The suite checks it with no slack.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairBounds {
    sides: [Side; 2],
    pairs: Vec<Vec<Pair>>,
    bands: Vec<Vec<Band>>,
    outputs: Vec<Pair>,
    row: Row,
    /// Per hidden neuron, its coefficient in the last bound of the objective.
    pub(super) weights: Vec<Vec<f64>>,
    /// Per place of the box, its coefficient in the last bound of the objective.
    pub(super) slopes: Vec<f64>,
    /// Facts in the last bound of the objective, with their weights in 2⁻¹⁶.
    pub(super) chosen: Vec<(usize, u32)>,
}

/// One of the two inputs.
#[derive(Clone, Debug, Default)]
struct Side {
    before: Vec<Vec<Interval>>,
    bands: Vec<Vec<Band>>,
    outputs: Vec<Interval>,
}

impl PairBounds {
    /// An upper bound of the objective's excess over a box of pairs; `None` where there is none in
    /// 128 bits or no second input.
    pub(crate) fn excess(
        &mut self,
        problem: &PairProblem<'_>,
        region: &[Interval],
    ) -> Option<i128> {
        let network = problem.network;
        let (first, second) = problem.sides(region)?;
        for (side, input) in self.sides.iter_mut().zip([&first, &second]) {
            side.run(network, input, &problem.objective.heads, &mut self.row)?;
        }
        self.run(network, region)?;
        let mut most = -i128::from(problem.objective.bound);
        for &(place, d) in &problem.objective.features {
            let end = if d > 0 {
                region[place].high
            } else {
                region[place].low
            };
            most += i128::from(d) * i128::from(end);
        }
        self.outputs.clear();
        for &(head, c) in &problem.objective.heads {
            let ends = [0, 1].map(|side: usize| self.sides[side].outputs[head]);
            let mut pair = Pair::new(ends[0], ends[1]);
            self.narrow(network, network.hidden_count(), head, &mut pair, region)?;
            let pair = if c > 0 { pair } else { pair.swapped() };
            most += i128::from(c.abs()) * i128::from(pair.clamped_most());
            self.outputs.push(pair);
        }
        self.chosen.clear();
        self.descend_objective(problem, region)?;
        self.choose(problem, region);
        let chosen = std::mem::take(&mut self.chosen);
        let done = self.row.subtract(&problem.facts, &chosen);
        self.chosen = chosen;
        done?;
        let lines = self.row.concretize(region)? - i128::from(problem.objective.bound);
        Some(most.min(lines))
    }

    /// Bounds of a hidden neuron before its activation: first input, second one, difference.
    #[cfg(test)]
    pub(crate) fn hidden(&self, layer: usize, neuron: usize) -> [Interval; 3] {
        let pair = self.pairs[layer][neuron];
        [pair.first, pair.second, pair.difference]
    }

    /// How far apart the lines of a hidden neuron are, in the middle of its differences.
    pub(super) fn gap(&self, layer: usize, neuron: usize) -> f64 {
        let d = self.pairs[layer][neuron].difference;
        self.bands[layer][neuron].gap(f64::midpoint(d.low as f64, d.high as f64))
    }

    /// Bounds and lines of the differences, layer by layer.
    fn run(&mut self, network: &Network, region: &[Interval]) -> Option<()> {
        let layers = network.hidden_count();
        self.pairs.resize(layers, vec![]);
        self.bands.resize(layers, vec![]);
        for (layer, affine) in network.hidden().iter().enumerate() {
            self.pairs[layer].clear();
            self.bands[layer].clear();
            for neuron in 0..affine.outputs {
                let ends = [0, 1].map(|side: usize| self.sides[side].before[layer][neuron]);
                let mut pair = Pair::new(ends[0], ends[1]);
                if !pair.is_stable() {
                    self.narrow(network, layer, neuron, &mut pair, region)?;
                }
                self.pairs[layer].push(pair);
                self.bands[layer].push(pair.band());
            }
        }
        Some(())
    }

    /// Intersects a difference with its backward bounds.
    fn narrow(
        &mut self,
        network: &Network,
        layer: usize,
        neuron: usize,
        pair: &mut Pair,
        region: &[Interval],
    ) -> Option<()> {
        let bands = &self.bands;
        let known = pair.difference;
        pair.difference = narrow(&mut self.row, network, (layer, neuron), known, |row| {
            let through = Through {
                of: Of::Difference,
                network,
                bands,
                input: region,
            };
            row.descend(through, layer, |_, _, _| {})?;
            row.concretize(region)
        })?;
        Some(())
    }

    /// The objective as a row over differences and the first input's features.
    fn descend_objective(&mut self, problem: &PairProblem<'_>, region: &[Interval]) -> Option<()> {
        let network = problem.network;
        let row = &mut self.row;
        row.start(network.heads().len(), region.len());
        for (&(head, c), pair) in problem.objective.heads.iter().zip(&self.outputs) {
            let (slope, offset) = pair.above_clamp();
            row.coefficients[head] += i128::from(c) * i128::from(slope);
            row.constant += i128::from(c).abs() * i128::from(offset);
        }
        for &(place, d) in &problem.objective.features {
            row.direct[place] += i128::from(d) << LINE_BITS;
        }
        row.bits = LINE_BITS;
        self.weights.resize(network.hidden_count(), vec![]);
        let weights = &mut self.weights;
        let seen = |layer: usize, coefficients: &[i128], bits: u32| {
            let unit = unit_of(bits);
            weights[layer].clear();
            weights[layer].extend(coefficients.iter().map(|&c| c as f64 * unit));
        };
        let through = Through {
            of: Of::Difference,
            network,
            bands: &self.bands,
            input: region,
        };
        row.descend(through, network.hidden_count(), seen)
    }

    /// Weights of the facts that lower the bound: coordinate descent over the kinks.
    fn choose(&mut self, problem: &PairProblem<'_>, region: &[Interval]) {
        let unit = unit_of(self.row.bits);
        self.slopes.clear();
        let slopes = self.row.direct.iter().map(|&slope| slope as f64 * unit);
        self.slopes.extend(slopes);
        let mut weights = vec![0u32; problem.facts.len()];
        for _ in 0..ROUNDS {
            for (fact, weight) in problem.facts.iter().zip(&mut weights) {
                if fact.is_implied(region) {
                    continue;
                }
                shift(&mut self.slopes, fact, f64::from(*weight));
                *weight = best_weight(&self.slopes, region, fact);
                shift(&mut self.slopes, fact, -f64::from(*weight));
            }
        }
        let used = weights
            .into_iter()
            .enumerate()
            .filter(|&(_, weight)| weight > 0);
        self.chosen.extend(used);
    }
}

impl Side {
    /// Bounds and lines at one input, with slopes chosen by area.
    fn run(
        &mut self,
        network: &Network,
        input: &[Interval],
        heads: &[(usize, i64)],
        row: &mut Row,
    ) -> Option<()> {
        let output = network.hidden_count();
        self.before.resize(output, vec![]);
        self.bands.resize(output, vec![]);
        let mut below = input.to_vec();
        for (layer, affine) in network.layers().iter().enumerate() {
            if layer == output {
                below.extend(&input[..network.skip_inputs()]);
            }
            let mut bounds = vec![Interval::default(); affine.outputs];
            affine::interval(affine, &below, &mut bounds);
            for (neuron, bound) in bounds.iter_mut().enumerate() {
                let is_asked = if layer == output {
                    heads.iter().any(|&(head, _)| head == neuron)
                } else {
                    layer > 0 && bound.low < 0 && bound.high > 0
                };
                if is_asked {
                    *bound = narrow(row, network, (layer, neuron), *bound, |row| {
                        let through = Through {
                            of: Of::Input,
                            network,
                            bands: &self.bands,
                            input,
                        };
                        row.descend(through, layer, |_, _, _| {})?;
                        row.concretize(input)
                    })?;
                }
            }
            if layer == output {
                self.outputs = bounds;
                break;
            }
            below.clear();
            below.extend(bounds.iter().map(|&z| relu::interval(z)));
            self.bands[layer].clear();
            self.bands[layer].extend(bounds.iter().map(|&z| Band::of_relu(z)));
            self.before[layer] = bounds;
        }
        Some(())
    }
}

/// Intersects bounds of one value with those that `upper` finds for it and for its negative.
fn narrow(
    row: &mut Row,
    network: &Network,
    (layer, neuron): (usize, usize),
    known: Interval,
    mut upper: impl FnMut(&mut Row) -> Option<i128>,
) -> Option<Interval> {
    let mut end = |sign: i128| {
        row.start(network.layers()[layer].outputs, network.inputs());
        row.coefficients[neuron] = sign;
        upper(row)
    };
    let (high, low) = (end(1)?, -end(-1)?);
    let bounds = Interval {
        low: i64::try_from(low.max(i128::from(known.low))).ok()?,
        high: i64::try_from(high.min(i128::from(known.high))).ok()?,
    };
    (bounds.low <= bounds.high).then_some(bounds)
}

fn best_weight(slopes: &[f64], region: &[Interval], fact: &Halfspace) -> u32 {
    let gain = |weight: f64| {
        let terms = fact.terms.iter().map(|&(place, c)| {
            let slope = slopes[place] - weight / WEIGHT_ONE * c as f64;
            let side = region[place];
            slope * if slope > 0.0 { side.high } else { side.low } as f64
        });
        terms.sum::<f64>() + weight / WEIGHT_ONE * fact.bound as f64
    };
    let mut best = (0u32, gain(0.0));
    for &(place, c) in &fact.terms {
        let kink = (slopes[place] / c as f64 * WEIGHT_ONE).round();
        if kink >= 1.0 && kink <= f64::from(u32::MAX) {
            let value = gain(kink);
            if value < best.1 {
                best = (kink as u32, value);
            }
        }
    }
    best.0
}

/// Adds `weight` times a fact to the slopes.
fn shift(slopes: &mut [f64], fact: &Halfspace, weight: f64) {
    for &(place, c) in &fact.terms {
        slopes[place] += weight / WEIGHT_ONE * c as f64;
    }
}

fn unit_of(bits: u32) -> f64 {
    // At most 127 bits: exact.
    1.0 / (1u128 << bits) as f64
}

const WEIGHT_ONE: f64 = 65_536.0;
const ROUNDS: usize = 2;
