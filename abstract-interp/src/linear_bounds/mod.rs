//! Linear bounds: every value is enclosed by lines in the features, found backwards.
//!
//! The bounds are searched in floats with the very lines that a certificate's checker will use
//! (dyadic slopes), and pre-activation bounds are rounded to integers as it rounds them. Where a
//! float is too close to an integer to tell which way that goes, [`LinearBounds::certain`] is false
//! and [`exact`] decides.
//!
//! Where a path of the search has fixed phases of neurons, their bounds are cut there, and the
//! bound of an objective may weigh what the phases say (β).
//!
//! # Source
//! Zhang et al., "Efficient neural network robustness certification with general activation
//! functions" (CROWN), 2018, §3; Singh et al. (`DeepPoly`), 2019; Wang et al. (β-CROWN), 2021, §3.

mod ascent;
pub mod exact;
mod multipliers;
mod objective;
mod scores;

pub use ascent::Duals;
pub use multipliers::Multiplier;

use crate::domain::AbstractDomain;
use crate::interval::Interval;
use crate::network::Network;
use crate::op::relu::{self, Lines};
use crate::op::{Offset, affine, clamp};
use crate::phase::{Phase, Side};

/// How the lower slopes of open neurons are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Slopes {
    /// By the smaller area.
    #[default]
    Adaptive,
    /// As given, in units of 1/128, hidden layers in order.
    Given(Vec<u8>),
}

/// The linear-bounds domain.
#[derive(Clone, Debug, Default)]
pub struct LinearBounds {
    /// Choice of the lower slopes for the next run.
    pub slopes: Slopes,
    /// What is known about neurons in the next runs' boxes, in path order.
    pub phases: Vec<Phase>,
    /// Weights of the phases in the bounds of objectives, in units of 2⁻¹⁶; missing ones are zero.
    pub beta: Vec<u32>,
    input: Vec<Interval>,
    hidden: Vec<Hidden>,
    outputs: Vec<Interval>,
    heads: Vec<Interval>,
    stage: Stage,
    row: Vec<f64>,
    next: Vec<f64>,
    coefficients: Vec<f64>,
    trace: Vec<Trace>,
    certain: bool,
    empty: bool,
}

/// Which values [`AbstractDomain::bounds`] encloses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Features,
    Before(usize),
    After(usize),
    Outputs,
    Heads,
}

#[derive(Clone, Debug, Default)]
struct Hidden {
    before: Vec<Interval>,
    after: Vec<Interval>,
    lines: Vec<Lines>,
    alpha: Vec<u8>,
}

/// What the last bound of an objective did at a hidden layer.
#[derive(Clone, Debug, Default)]
struct Trace {
    /// Coefficients of the activations h.
    after: Vec<f64>,
    /// Coefficients of z, with β.
    before: Vec<f64>,
    /// What the bound puts in the place of z at its worst corner.
    values: Vec<f64>,
}

/// What a backward pass bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// A neuron or an output: neither facts nor phases' weights.
    Neuron,
    /// The objective.
    Objective,
}

/// An upper bound, and how far rounding may have moved it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Upper {
    value: f64,
    error: f64,
}

impl LinearBounds {
    /// False if some rounding to integers in the last run was too close to call.
    pub const fn certain(&self) -> bool {
        self.certain
    }

    /// True if the last run found that no point of the box has the phases.
    pub const fn is_empty(&self) -> bool {
        self.empty
    }

    /// The lower slopes of the last run: one per hidden neuron, zero where the sign is known.
    pub fn alpha(&self) -> Vec<u8> {
        self.hidden
            .iter()
            .flat_map(|layer| layer.alpha.iter().copied())
            .collect()
    }

    /// The last bound's coefficients of the features.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// Pre-activation enclosures of a hidden layer.
    pub fn pre_activations(&self, layer: usize) -> &[Interval] {
        &self.hidden[layer].before
    }

    /// Bounds every hidden neuron over a box; ends early where [`Self::is_empty`].
    pub fn run(&mut self, network: &Network, input: &[Interval]) {
        self.enter(network, input);
        for layer in 0..network.hidden_count() {
            self.affine(network, layer);
            if self.empty {
                return;
            }
            self.activation(network, layer);
        }
    }

    fn output_intervals(&mut self, network: &Network) {
        let skip = network.skip_inputs();
        let affine = &network.layers()[network.hidden_count()];
        if let Some(last) = self.hidden.last_mut() {
            let width = affine.inputs - skip;
            last.after[width..width + skip].copy_from_slice(&self.input[..skip]);
            affine::interval(affine, &last.after, &mut self.outputs);
        } else {
            let below = [self.input.as_slice(), &self.input[..skip]].concat();
            affine::interval(affine, &below, &mut self.outputs);
        }
    }

    /// Carries `self.row` over the pre-activations of `layer` down to the features.
    fn descend(&mut self, network: &Network, layer: usize, offset: &mut Offset, subject: Subject) {
        self.coefficients.fill(0.0);
        for index in (0..=layer).rev() {
            let affine = &network.layers()[index];
            affine::backward(affine, &self.row, &mut self.next, offset);
            if index == network.hidden_count() {
                let start = affine.inputs - network.skip_inputs();
                let direct = &self.next[start..affine.inputs];
                for (coefficient, value) in self.coefficients.iter_mut().zip(direct) {
                    *coefficient += value;
                }
            }
            if let Some(below) = index.checked_sub(1) {
                let width = network.layers()[below].outputs;
                if subject == Subject::Objective {
                    self.trace[below].after.copy_from_slice(&self.next[..width]);
                }
                relu::backward(&self.hidden[below].lines, &mut self.next, offset);
                if subject == Subject::Objective {
                    self.weigh_phases(below, offset);
                    self.trace[below]
                        .before
                        .copy_from_slice(&self.next[..width]);
                }
            }
            std::mem::swap(&mut self.row, &mut self.next);
        }
        for (coefficient, value) in self.coefficients.iter_mut().zip(&self.row) {
            *coefficient += value;
        }
    }

    /// Adds what the phases of a layer say, weighted: f ≤ f + β(z − 1) where z ≥ 1 and
    /// f ≤ f − β·z where z ≤ 0.
    fn weigh_phases(&mut self, layer: usize, offset: &mut Offset) {
        for (phase, &beta) in self.phases.iter().zip(&self.beta) {
            if phase.layer != layer || beta == 0 {
                continue;
            }
            let weight = f64::from(beta) / BETA_ONE;
            match phase.side {
                Side::Active => {
                    self.next[phase.neuron] += weight;
                    offset.add(-weight);
                }
                Side::Inactive => self.next[phase.neuron] -= weight,
            }
        }
    }

    fn upper_of_neuron(
        &mut self,
        network: &Network,
        layer: usize,
        neuron: usize,
        sign: f64,
    ) -> Upper {
        let mut offset = Offset::default();
        let outputs = network.layers()[layer].outputs;
        self.row[..outputs].fill(0.0);
        self.row[neuron] = sign;
        self.descend(network, layer, &mut offset, Subject::Neuron);
        concretize(&self.coefficients, &self.input, offset)
    }

    /// Narrows an enclosure found by intervals with the backward bounds.
    fn narrow(
        &mut self,
        network: &Network,
        layer: usize,
        neuron: usize,
        known: Interval,
    ) -> Interval {
        let upper = self.upper_of_neuron(network, layer, neuron, 1.0);
        let lower = self.upper_of_neuron(network, layer, neuron, -1.0);
        let high = self.floor(upper);
        let low = -self.floor(lower);
        known.intersection(Interval { low, high })
    }

    /// Cuts a layer's bounds where the phases say so.
    fn restrict(&mut self, layer: usize) {
        let before = &mut self.hidden[layer].before;
        for phase in self.phases.iter().filter(|phase| phase.layer == layer) {
            before[phase.neuron] = phase.restrict(before[phase.neuron]);
        }
        self.empty |= before.iter().any(|bounds| bounds.low > bounds.high);
    }

    fn floor(&mut self, upper: Upper) -> i64 {
        let high = (upper.value + upper.error).floor();
        if (upper.value - upper.error).floor() != high {
            self.certain = false;
        }
        high as i64
    }
}

impl AbstractDomain<Network> for LinearBounds {
    type Bound = Interval;

    fn enter(&mut self, network: &Network, input: &[Interval]) {
        self.input.clear();
        self.input.extend_from_slice(input);
        self.hidden
            .resize(network.hidden_count(), Hidden::default());
        let mut start = 0;
        for (state, layer) in self.hidden.iter_mut().zip(network.hidden()) {
            state.before.resize(layer.outputs, Interval::default());
            state
                .after
                .resize(layer.outputs + network.inputs(), Interval::default());
            state.lines.resize(layer.outputs, Lines::default());
            state.alpha.clear();
            match &self.slopes {
                Slopes::Adaptive => state.alpha.resize(layer.outputs, 0),
                Slopes::Given(alpha) => {
                    state
                        .alpha
                        .extend_from_slice(&alpha[start..start + layer.outputs]);
                }
            }
            start += layer.outputs;
        }
        self.trace.resize(network.hidden_count(), Trace::default());
        for (trace, layer) in self.trace.iter_mut().zip(network.hidden()) {
            for row in [&mut trace.after, &mut trace.before, &mut trace.values] {
                row.resize(layer.outputs, 0.0);
            }
        }
        self.outputs
            .resize(network.heads().len(), Interval::default());
        self.heads
            .resize(network.heads().len(), Interval::default());
        self.row.resize(network.widest(), 0.0);
        self.next.resize(network.widest(), 0.0);
        self.coefficients.resize(network.inputs(), 0.0);
        self.stage = Stage::Features;
        self.certain = true;
        self.empty = false;
    }

    fn affine(&mut self, network: &Network, layer: usize) {
        if layer == network.hidden_count() {
            self.output_intervals(network);
            for head in 0..self.outputs.len() {
                self.outputs[head] = self.narrow(network, layer, head, self.outputs[head]);
            }
            self.stage = Stage::Outputs;
            return;
        }
        let affine = &network.layers()[layer];
        if layer == 0 {
            // Attained already.
            affine::interval(affine, &self.input, &mut self.hidden[0].before);
        } else {
            let (lower, upper) = self.hidden.split_at_mut(layer);
            affine::interval(affine, &lower[layer - 1].after, &mut upper[0].before);
            for neuron in 0..affine.outputs {
                let known = self.hidden[layer].before[neuron];
                if known.low < 0 && known.high > 0 {
                    let narrowed = self.narrow(network, layer, neuron, known);
                    self.hidden[layer].before[neuron] = narrowed;
                }
            }
        }
        self.restrict(layer);
        self.stage = Stage::Before(layer);
    }

    fn activation(&mut self, network: &Network, layer: usize) {
        if layer == network.hidden_count() {
            for (head, &output) in self.heads.iter_mut().zip(&self.outputs) {
                *head = clamp::interval(output);
            }
            self.stage = Stage::Heads;
            return;
        }
        let state = &mut self.hidden[layer];
        for (neuron, &before) in state.before.iter().enumerate() {
            state.after[neuron] = relu::interval(before);
            let is_open = before.low < 0 && before.high > 0;
            if !is_open {
                state.alpha[neuron] = 0;
            } else if self.slopes == Slopes::Adaptive {
                state.alpha[neuron] = relu::adaptive_alpha(before);
            }
            state.lines[neuron] = relu::lines(before, state.alpha[neuron]);
        }
        self.stage = Stage::After(layer);
    }

    fn bounds(&self) -> &[Interval] {
        match self.stage {
            Stage::Features => &self.input,
            Stage::Before(layer) => &self.hidden[layer].before,
            Stage::After(layer) => {
                let state = &self.hidden[layer];
                &state.after[..state.before.len()]
            }
            Stage::Outputs => &self.outputs,
            Stage::Heads => &self.heads,
        }
    }
}

fn concretize(coefficients: &[f64], input: &[Interval], mut offset: Offset) -> Upper {
    for (&slope, input) in coefficients.iter().zip(input) {
        let end = if slope > 0.0 { input.high } else { input.low };
        let reach = input.high.abs().max(input.low.abs());
        offset.value += slope * end as f64;
        offset.magnitude += (slope * reach as f64).abs();
    }
    Upper {
        value: offset.value,
        error: offset.magnitude * RELATIVE_ERROR + ABSOLUTE_ERROR,
    }
}

/// Far above what a few hundred roundings of 2⁻⁵³ can add up to, including cancellation.
const RELATIVE_ERROR: f64 = 1.0 / (1u64 << 38) as f64;
/// Floor of the error, in units of 2⁻¹⁶.
const ABSOLUTE_ERROR: f64 = 1.0 / (1u64 << 20) as f64;
/// A phase's weight that means one.
const BETA_ONE: f64 = 65_536.0;
