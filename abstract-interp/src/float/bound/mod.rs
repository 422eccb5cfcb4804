//! Sound bounds for `f32` networks: intervals, and linear bounds back to the inputs.
//!
//! # What a bound covers
//! Every evaluation in `f32`, sums in any order and with or without fused multiply-add, of every
//! `f32` input in the region's box whose pre-activations satisfy the region's phases: the value of
//! neuron j before its activation is z_j = w_j·v + b_j + e_j with |e_j| ≤ δ_j, where δ_j comes from
//! [`any_order_error`](crate::float::rounding::any_order_error) at the magnitudes that the box
//! allows. The bounds themselves are computed in `f64`, and what that may lose is part of the error term
//! (`Prepared::new` has the inequality). Where a magnitude exceeds the largest `f32`,
//! an evaluation could overflow, and nothing is ever proven.
//!
//! The same call gives the same bits on every machine: products and sums stay apart (no fused
//! multiply-add) and every sum has one order.

mod backward;
mod domains;
mod interval_batch;
mod kernel;
mod layer;
mod prepared;
mod rows;
mod score;
mod slopes;
mod zonotope;

use crate::float::network::FloatNetwork;
use crate::float::range::Range;

use backward::{Backward, Wanted};
use layer::LayerState;
use prepared::Prepared;
use rows::RowPass;
use slopes::Slopes;

pub use domains::{Intervals, LinearBounds};
pub use interval_batch::{Ends, IntervalBatch};
pub use score::NeuronScore;
pub use zonotope::Zonotope;

/// Inputs, and what is known of neurons on the way to a node of the search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Region {
    /// One range per input, low ≤ high.
    pub input: Vec<Range>,
    /// Phases that are fixed; may be empty.
    pub phases: Vec<Phase>,
}

/// One neuron's sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phase {
    /// The layer, counted from zero.
    pub layer: usize,
    /// The neuron in it.
    pub neuron: usize,
    /// Which side of zero.
    pub side: Side,
}

/// The side of zero that a pre-activation lies on; zero itself is on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// z ≤ 0.
    Inactive,
    /// z ≥ 0.
    Active,
}

/// A value to bound: Σ c·y + Σ d·x over outputs y and inputs x.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Positions of outputs, strictly increasing, and their coefficients.
    pub outputs: Vec<(usize, f64)>,
    /// Positions of inputs, strictly increasing, and their coefficients.
    pub inputs: Vec<(usize, f64)>,
}

/// How much work goes into a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Intervals only.
    Intervals,
    /// Linear bounds with adaptive lower slopes, for every neuron that intervals leave open.
    Crown,
    /// The same, then lower slopes (and β where phases are fixed) improved by gradient steps.
    Alpha {
        /// How many.
        steps: u32,
    },
}

/// Ranges of every pre-activation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hidden {
    /// `[layer][neuron]`; the output layer is the last.
    pub layers: Vec<Vec<Range>>,
    /// What they were found for by linear bounds, if they were.
    region: Option<Region>,
}

impl Hidden {
    /// The first layer that may gain from another pass over `region`: where only phases are new, layers up
    /// to the first of them stay as they are.
    fn first_to_tighten(&self, region: &Region) -> usize {
        match &self.region {
            Some(own) if own.input == region.input && region.phases.starts_with(&own.phases) => {
                let new = region.phases[own.phases.len()..].iter();
                new.map(|phase| phase.layer + 1).min().unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }
}

/// Computes bounds; holds the prepared network and every buffer.
#[derive(Clone, Debug)]
pub struct Bounder {
    prepared: Prepared,
    input: LayerState,
    layers: Vec<LayerState>,
    backward: Backward,
    pass: RowPass,
    chosen: Slopes,
    hidden: Hidden,
    lower: Vec<f64>,
    slopes: Vec<f64>,
    input_scores: Vec<f64>,
    neuron_scores: Vec<NeuronScore>,
}

/// What is known about a region.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The region has no evaluation: its phases contradict its box.
    pub infeasible: bool,
    /// Per row a lower bound of its value; −∞ where nothing could be said.
    pub lower: &'a [f64],
    /// `[rows, inputs]`: input coefficients of the linear function under each row that attains that bound.
    pub slopes: &'a [f64],
    /// Ranges of the pre-activations.
    pub hidden: &'a Hidden,
}

impl Bounder {
    /// Prepares a network.
    pub fn new(network: &FloatNetwork) -> Self {
        let prepared = Prepared::new(network);
        let layers = prepared.layers.iter();
        Self {
            input: LayerState::default(),
            layers: layers.map(|_| LayerState::default()).collect(),
            backward: Backward::default(),
            pass: RowPass::default(),
            chosen: Slopes::default(),
            hidden: Hidden::default(),
            lower: vec![],
            slopes: vec![],
            input_scores: vec![],
            neuron_scores: vec![],
            prepared,
        }
    }

    /// Bounds rows over a region.
    ///
    /// `known` holds for the region already, as a parent's ranges do; the new ranges lie within it.
    /// With a region that is infeasible, rows are bounded by −∞.
    pub fn bound(
        &mut self,
        region: &Region,
        rows: &[Row],
        effort: Effort,
        known: Option<&Hidden>,
    ) -> Outcome<'_> {
        let inputs = self.prepared.inputs;
        self.lower.clear();
        self.lower.resize(rows.len(), f64::NEG_INFINITY);
        self.slopes.clear();
        self.slopes.resize(rows.len() * inputs, 0.0);
        self.pass.clear();
        let state = self.enclose(region, effort, known);
        if state == State::Bounded && !rows.is_empty() {
            self.bound_rows(rows, effort);
        }
        self.publish();
        let linear = state == State::Bounded && effort != Effort::Intervals;
        self.hidden.region = linear.then(|| region.clone());
        Outcome {
            infeasible: state == State::Infeasible,
            lower: &self.lower,
            slopes: &self.slopes,
            hidden: &self.hidden,
        }
    }

    /// Ranges and relaxations of every layer.
    fn enclose(&mut self, region: &Region, effort: Effort, known: Option<&Hidden>) -> State {
        self.input.enter(&region.input);
        let first = known
            .map_or(0, |known| known.first_to_tighten(region))
            .max(1);
        for index in 0..self.layers.len() {
            let (before, rest) = self.layers.split_at_mut(index);
            let layer = &mut rest[0];
            let prepared = &self.prepared.layers[index];
            let below = before.last().unwrap_or(&self.input);
            if !layer.enclose(&self.prepared, prepared, below) {
                for layer in rest {
                    layer.pre.clear();
                }
                return State::Overflow;
            }
            if let Some(known) = known.and_then(|known| known.layers.get(index)) {
                layer.intersect(known);
            }
            layer.fix(region.phases.iter().filter(|phase| phase.layer == index));
            if effort != Effort::Intervals && index >= first && prepared.bends {
                let network = (&self.prepared, &*before, &self.input);
                self.backward.tighten(network, layer, index, Wanted::Open);
                layer.fix(region.phases.iter().filter(|phase| phase.layer == index));
            }
            if layer.pre.iter().any(|range| range.is_empty()) {
                return State::Infeasible;
            }
            layer.activate(prepared);
        }
        State::Bounded
    }

    fn bound_rows(&mut self, rows: &[Row], effort: Effort) {
        for (index, row) in rows.iter().enumerate() {
            let plain = self.interval_of(row);
            if plain.is_finite() {
                self.lower[index] = plain;
            }
        }
        let steps = match effort {
            Effort::Intervals => return,
            Effort::Crown => 0,
            Effort::Alpha { steps } => steps,
        };
        self.pass.start(&self.prepared, rows);
        let mut best = vec![f64::NEG_INFINITY; rows.len()];
        self.pass
            .run((&self.prepared, &self.layers, &self.input), None);
        self.keep(&mut best);
        if steps > 0 {
            self.chosen.start(&self.layers, self.pass.lanes);
        }
        if steps == 0 || self.chosen.is_empty() {
            return;
        }
        for number in 0..steps {
            let network = (&self.prepared, &*self.layers, &self.input);
            self.chosen.step(network, &self.pass, number);
            self.pass.run(network, Some(&self.chosen));
            self.keep(&mut best);
        }
    }

    /// Takes over what the last pass improved.
    fn keep(&mut self, best: &mut [f64]) {
        let (inputs, lanes) = (self.prepared.inputs, self.pass.lanes);
        for (row, best) in best.iter_mut().enumerate() {
            let found = self.pass.constant[row];
            // An infinity is an overflow of coefficients, on whichever side.
            if !found.is_finite() || found <= *best {
                continue;
            }
            *best = found;
            self.lower[row] = self.lower[row].max(found);
            for input in 0..inputs {
                let slope = self.pass.values[0][input * lanes + row];
                self.slopes[row * inputs + input] = if slope.is_finite() { slope } else { 0.0 };
            }
        }
    }

    /// A row's lower bound from the ranges of the values alone.
    fn interval_of(&self, row: &Row) -> f64 {
        let (mut sum, mut magnitude) = (0.0, 0.0);
        let last = self.layers.last().unwrap_or(&self.input);
        for (state, terms) in [(last, &row.outputs), (&self.input, &row.inputs)] {
            for &(index, factor) in terms {
                sum += (factor * state.low[index]).min(factor * state.high[index]);
                magnitude += factor.abs() * state.magnitude[index];
            }
        }
        sum - (magnitude * self.prepared.own_error + prepared::UNDERFLOW)
    }

    fn publish(&mut self) {
        self.hidden.layers.resize(self.layers.len(), vec![]);
        for ((ranges, layer), prepared) in self
            .hidden
            .layers
            .iter_mut()
            .zip(&self.layers)
            .zip(&self.prepared.layers)
        {
            ranges.clear();
            ranges.extend_from_slice(&layer.pre);
            ranges.resize(prepared.outputs, Range::ALL);
        }
    }
}

/// How a pass over the layers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Bounded,
    Infeasible,
    /// An evaluation may exceed the largest `f32`.
    Overflow,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::network::{Activation, Layer};
    use crate::float::rounding::Rounding;

    #[test]
    fn a_triangle_is_bounded_by_its_lines() {
        // y = relu(x) − 0.5·relu(x) + … over x in [−1, 1]: the chord of the second neuron decides.
        let hidden = Layer {
            inputs: 1,
            outputs: 2,
            weights: vec![1.0, 1.0],
            bias: vec![0.0, 0.0],
            rounding: Rounding::Exact,
            activations: vec![Activation::Relu; 2],
        };
        let output = Layer {
            inputs: 2,
            outputs: 1,
            weights: vec![1.0, -0.5],
            bias: vec![0.0],
            rounding: Rounding::Exact,
            activations: vec![Activation::Identity],
        };
        let network = FloatNetwork::new(1, vec![hidden, output]).unwrap();
        let row = Row {
            outputs: vec![(0, 1.0)],
            inputs: vec![],
        };
        let mut region = Region {
            input: vec![Range::new(-1.0, 1.0)],
            phases: vec![],
        };
        let mut bounder = Bounder::new(&network);
        let plain = bounder.bound(&region, std::slice::from_ref(&row), Effort::Intervals, None);
        assert!((plain.lower[0] + 0.5).abs() < 1e-12);
        let crown = bounder.bound(&region, std::slice::from_ref(&row), Effort::Crown, None);
        // 0·x − 0.5·(0.5·x + 0.5) at x = 1.
        assert!((crown.lower[0] + 0.5).abs() < 1e-12);
        assert!((crown.slopes[0] + 0.25).abs() < 1e-12);
        region.phases = vec![Phase {
            layer: 0,
            neuron: 1,
            side: Side::Inactive,
        }];
        let split = bounder.bound(&region, std::slice::from_ref(&row), Effort::Crown, None);
        assert!(!split.infeasible && split.lower[0].abs() < 1e-12);
        region.input = vec![Range::new(0.5, 1.0)];
        assert!(
            bounder
                .bound(&region, &[row], Effort::Crown, None)
                .infeasible
        );
    }
}
