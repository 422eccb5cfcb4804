//! Lower slopes α and multipliers β, improved row by row.
//!
//! # Source
//! Xu et al., "Fast and complete: enabling complete neural network verification with rapid and massively
//! parallel incomplete verifiers" (α-CROWN), 2021, §3; Wang et al., "Beta-CROWN", 2021, §3.2; steps as in
//! Kingma, Ba, "Adam", 2015, projected. Bounds of neurons stay as they are.

use super::backward::{Network, grow};
use super::kernel::{self, Product};
use super::layer::LayerState;
use super::rows::RowPass;

/// What is chosen in every layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Slopes {
    pub(super) layers: Vec<Chosen>,
    forward: Forward,
}

/// One layer's choices.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    /// α of open neurons.
    pub(super) lower: Variables,
    /// β of neurons that phases fix.
    pub(super) beta: Variables,
}

/// Numbers, `[position in the list, lanes]`, with their moments.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    pub(super) values: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

/// The relaxation followed forward from each row's minimising corner.
#[derive(Clone, Debug, Default)]
struct Forward {
    values: Vec<f64>,
    sums: Vec<f64>,
    list: Vec<u32>,
}

impl Slopes {
    /// Starts with the adaptive slopes, and no β.
    pub(super) fn start(&mut self, states: &[LayerState], lanes: usize) {
        self.layers.resize(states.len(), Chosen::default());
        for (chosen, state) in self.layers.iter_mut().zip(states) {
            chosen.lower.start(state.open.len() * lanes);
            chosen.beta.start(state.held.len() * lanes);
            for (values, &neuron) in chosen.lower.values.chunks_exact_mut(lanes).zip(&state.open) {
                values.fill(state.lines[neuron as usize].lower);
            }
        }
    }

    /// True where there is nothing to choose.
    pub(super) fn is_empty(&self) -> bool {
        let mut layers = self.layers.iter();
        layers.all(|chosen| chosen.lower.values.is_empty() && chosen.beta.values.is_empty())
    }

    /// One step up the gradient of every row's bound, from the pass that used these choices.
    ///
    /// The bound is Σ Λ·v at the minimising corner x, with every v on the line that its coefficient's sign
    /// chose; so ∂/∂α_j = max(Λ_j, 0)·z_j and ∂/∂β_j = ∓z_j, with z from x through those lines.
    pub(super) fn step(&mut self, network: Network<'_>, pass: &RowPass, number: u32) {
        let (prepared, states, input) = network;
        let lanes = pass.lanes;
        let rate = Rate::of(number);
        self.forward.corner(pass, input, lanes);
        for (index, (state, chosen)) in states.iter().zip(&mut self.layers).enumerate() {
            let layer = &prepared.layers[index];
            let Forward { values, sums, list } = &mut self.forward;
            kernel::zero(sums, layer.lanes() * lanes);
            for (sums, &bias) in sums.chunks_exact_mut(lanes).zip(&layer.bias) {
                sums.fill(bias);
            }
            let product = Product {
                list,
                bent: &values[..list.len() * lanes],
                rows: &layer.columns,
                inputs: layer.lanes(),
                lanes,
                next: sums,
            };
            kernel::run(prepared.arch, product);
            list.clear();
            let coefficients = &pass.values[index + 1];
            let stable = state.passing.iter().chain(&state.open);
            grow(values, stable.clone().count() * lanes);
            for (&neuron, into) in stable.zip(values.chunks_exact_mut(lanes)) {
                let lines = state.lines[neuron as usize];
                let position = list.len().checked_sub(state.passing.len());
                list.push(neuron);
                for (lane, into) in into.iter_mut().enumerate() {
                    let at = neuron as usize * lanes + lane;
                    let z = sums[at];
                    let lower = position.map_or(lines.lower, |position| {
                        chosen.lower.values[position * lanes + lane]
                    });
                    *into = if coefficients[at] >= 0.0 {
                        lower * z
                    } else {
                        lines.upper * z + lines.intercept
                    };
                }
            }
            chosen.ascend(state, (coefficients, sums, lanes), rate);
        }
    }
}

impl Chosen {
    fn ascend(
        &mut self,
        state: &LayerState,
        (coefficients, sums, lanes): (&[f64], &[f64], usize),
        rate: Rate,
    ) {
        for (position, &neuron) in state.open.iter().enumerate() {
            let least = state.flattest[neuron as usize];
            for lane in 0..lanes {
                let at = neuron as usize * lanes + lane;
                let gradient = coefficients[at].max(0.0) * sums[at];
                self.lower
                    .move_by(position * lanes + lane, gradient, rate, (least, 1.0));
            }
        }
        let rate = Rate {
            length: rate.length * BETA_LENGTH,
            ..rate
        };
        for (position, &neuron) in state.held.iter().enumerate() {
            let sign = state.side_sign(neuron as usize);
            for lane in 0..lanes {
                let gradient = -sign * sums[neuron as usize * lanes + lane];
                self.beta
                    .move_by(position * lanes + lane, gradient, rate, (0.0, f64::MAX));
            }
        }
    }
}

impl Variables {
    fn start(&mut self, length: usize) {
        for numbers in [&mut self.values, &mut self.first, &mut self.second] {
            kernel::zero(numbers, length);
        }
    }

    fn move_by(&mut self, at: usize, gradient: f64, rate: Rate, (least, most): (f64, f64)) {
        let (first, second) = (&mut self.first[at], &mut self.second[at]);
        *first = FIRST * *first + (1.0 - FIRST) * gradient;
        *second = SECOND * *second + (1.0 - SECOND) * gradient * gradient;
        let scale = (*second * rate.second).sqrt();
        // No gradient, none yet, or one that is not a number: stay.
        if scale > 0.0 && scale.is_finite() {
            let moved = self.values[at] + rate.length * (*first * rate.first) / scale;
            self.values[at] = moved.clamp(least, most);
        }
    }
}

impl Forward {
    fn corner(&mut self, pass: &RowPass, input: &LayerState, lanes: usize) {
        self.list.clear();
        self.values.clear();
        for (index, coefficients) in pass.values[0].chunks_exact(lanes).enumerate() {
            self.list.push(index as u32);
            let (low, high) = (input.low[index], input.high[index]);
            let corner = coefficients
                .iter()
                .map(|&value| if value >= 0.0 { low } else { high });
            self.values.extend(corner);
        }
    }
}

/// How far a step goes, and what corrects moments that start at zero.
#[derive(Clone, Copy, Debug)]
struct Rate {
    length: f64,
    first: f64,
    second: f64,
}

impl Rate {
    fn of(number: u32) -> Self {
        let power = |base: f64| (0..=number).fold(1.0, |product, _| product * base);
        Self {
            length: LENGTH * power(DECAY),
            first: 1.0 / (1.0 - power(FIRST)),
            second: 1.0 / (1.0 - power(SECOND)),
        }
    }
}

/// Weights of past gradients and of their squares.
const FIRST: f64 = 0.9;
const SECOND: f64 = 0.999;
/// First step of α, how steps shrink, and β's step relative to α's.
const LENGTH: f64 = 0.4;
const DECAY: f64 = 0.97;
const BETA_LENGTH: f64 = 0.5;
