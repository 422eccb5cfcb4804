//! Dual ascent: slopes α and phases' weights β that lower the bound of an objective.

use super::{BETA_ONE, LinearBounds, Multiplier};
use crate::network::Network;
use crate::objective::{Halfspace, Objective};
use crate::op::relu::ALPHA_ONE;
use crate::phase::Side;

/// Slopes and weights of phases, as a leaf of a proof says them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duals {
    /// One per hidden neuron, in units of 1/128.
    pub alpha: Vec<u8>,
    /// One per phase, in units of 2⁻¹⁶.
    pub beta: Vec<u32>,
}

/// Real-valued duals and their subgradient.
#[derive(Clone, Debug, Default)]
struct Ascent {
    alpha: Vec<f64>,
    beta: Vec<f64>,
    alpha_slopes: Vec<f64>,
    beta_slopes: Vec<f64>,
    /// Per phase, the size of its neuron's coefficient: the natural unit of its weight.
    beta_units: Vec<f64>,
}

impl LinearBounds {
    /// Lowers the bound of an objective after [`Self::run`] and [`Self::excess`], by steps along its
    /// subgradient, with the neurons' bounds as they are; stops where nothing exceeds any more.
    ///
    /// Returns the best duals found. They count only after another run with them, because the
    /// slopes move the neurons' bounds too.
    ///
    /// # Source
    /// Xu et al. (α-CROWN), ICLR 2021; Wang et al. (β-CROWN), `NeurIPS` 2021; the length of a step is
    /// Polyak's, since the value to reach is known.
    pub fn ascend(
        &mut self,
        network: &Network,
        objective: &Objective,
        facts: &[Halfspace],
        start: (f64, &Duals),
        steps: u32,
    ) -> Duals {
        let (mut excess, duals) = start;
        let mut best = (excess, duals.clone());
        let mut ascent = Ascent {
            alpha: duals.alpha.iter().map(|&alpha| unit_alpha(alpha)).collect(),
            beta: duals
                .beta
                .iter()
                .map(|&beta| f64::from(beta) / BETA_ONE)
                .collect(),
            ..Ascent::default()
        };
        let mut chosen: Vec<Multiplier> = vec![];
        for _ in 0..steps {
            if excess <= 0.0 || !self.advance(network, excess, &mut ascent) {
                break;
            }
            let duals = ascent.rounded();
            self.set_duals(&duals);
            excess = self.excess(network, objective, facts, &mut chosen);
            if excess < best.0 {
                best = (excess, duals);
            }
        }
        best.1
    }

    /// Uses other duals in the next bounds of objectives, with the neurons' bounds as they are.
    fn set_duals(&mut self, duals: &Duals) {
        self.beta.clone_from(&duals.beta);
        let mut alpha = duals.alpha.iter();
        for state in &mut self.hidden {
            let neurons = state.lines.iter_mut().zip(&mut state.alpha);
            for ((lines, to), &alpha) in neurons.zip(alpha.by_ref()) {
                if lines.is_open() {
                    *to = alpha;
                    lines.lower = unit_alpha(alpha);
                }
            }
        }
    }

    /// One step; false where the bound has no slope left.
    fn advance(&mut self, network: &Network, excess: f64, ascent: &mut Ascent) -> bool {
        self.follow_worst(network);
        ascent.alpha_slopes.clear();
        let mut steepness = 0.0;
        let mut places = ascent.alpha.iter();
        for (state, trace) in self.hidden.iter().zip(&self.trace) {
            let neurons = trace.after.iter().zip(&trace.values).zip(&state.lines);
            for (((&coefficient, &value), lines), &alpha) in neurons.zip(places.by_ref()) {
                let slope = if lines.is_open() && coefficient < 0.0 {
                    coefficient * value
                } else {
                    0.0
                };
                let is_stopped = (slope > 0.0 && alpha <= 0.0) || (slope < 0.0 && alpha >= 1.0);
                let slope = if is_stopped { 0.0 } else { slope };
                steepness += slope * slope;
                ascent.alpha_slopes.push(slope);
            }
        }
        ascent.beta_slopes.clear();
        ascent.beta_units.clear();
        for (phase, &beta) in self.phases.iter().zip(&ascent.beta) {
            let trace = &self.trace[phase.layer];
            let value = trace.values[phase.neuron];
            let slope = match phase.side {
                Side::Active => value - 1.0,
                Side::Inactive => -value,
            };
            let unit = trace.after[phase.neuron].abs().max(LEAST_UNIT);
            let is_stopped = slope > 0.0 && beta <= 0.0;
            let slope = if is_stopped { 0.0 } else { slope };
            steepness += slope * slope * unit * unit;
            ascent.beta_slopes.push(slope);
            ascent.beta_units.push(unit);
        }
        if steepness <= 0.0 {
            return false;
        }
        ascent.step((excess + TO_SPARE) / steepness);
        true
    }
}

impl Ascent {
    fn step(&mut self, length: f64) {
        for (alpha, slope) in self.alpha.iter_mut().zip(&self.alpha_slopes) {
            *alpha = (*alpha - length * slope).clamp(0.0, 1.0);
        }
        let slopes = self.beta_slopes.iter().zip(&self.beta_units);
        for (beta, (slope, unit)) in self.beta.iter_mut().zip(slopes) {
            let largest = f64::from(u32::MAX) / BETA_ONE;
            *beta = (*beta - length * slope * unit * unit).clamp(0.0, largest);
        }
    }

    fn rounded(&self) -> Duals {
        let alpha = |&alpha: &f64| (alpha * f64::from(ALPHA_ONE)).round() as u8;
        let beta = |&beta: &f64| (beta * BETA_ONE).round() as u32;
        Duals {
            alpha: self.alpha.iter().map(alpha).collect(),
            beta: self.beta.iter().map(beta).collect(),
        }
    }
}

fn unit_alpha(alpha: u8) -> f64 {
    f64::from(alpha) / f64::from(ALPHA_ONE)
}

/// What a step aims to leave below the bound, in units of 2⁻¹⁶.
const TO_SPARE: f64 = 1.0;
/// Least unit of a phase's weight, for neurons that the bound does not use yet.
const LEAST_UNIT: f64 = 1.0 / 64.0;
