//! What to split next: how much features and open neurons loosen the last bound.

use super::LinearBounds;
use crate::network::Network;

impl LinearBounds {
    /// Per feature, how much cutting it may lower the last bound, per unit of width: its own slope,
    /// and what it moves through the open neurons of the first layer.
    pub fn influence(&self, network: &Network, scores: &mut Vec<f64>) {
        scores.clear();
        scores.extend(self.coefficients.iter().map(|slope| slope.abs()));
        let (Some(state), Some(trace)) = (self.hidden.first(), self.trace.first()) else {
            return;
        };
        let layer = &network.layers()[0];
        for (neuron, (&coefficient, lines)) in trace.after.iter().zip(&state.lines).enumerate() {
            let is_open = lines.offset > 0.0;
            if !is_open || coefficient == 0.0 {
                continue;
            }
            let gap = lines.upper.min(1.0 - lines.upper).max(LEAST_GAP);
            let weight = OPEN_NEURONS * coefficient.abs() * gap;
            for (score, &scaled) in scores.iter_mut().zip(layer.scaled_row(neuron)) {
                *score += weight * scaled.abs();
            }
        }
    }

    /// Per hidden neuron, by how much its lines loosen the last bound: at the bound's worst corner,
    /// and at the point where they are furthest from the ReLU. Zero where the phase is known.
    ///
    /// # Source
    /// The second part is `BaBSR`: Bunel et al., JMLR 2020, §5.
    pub fn neuron_scores(&mut self, network: &Network, scores: &mut Vec<f64>) {
        self.follow_worst(network);
        scores.clear();
        for (state, trace) in self.hidden.iter().zip(&self.trace) {
            let neurons = state.lines.iter().zip(&state.before).enumerate();
            scores.extend(neurons.map(|(neuron, (line, bounds))| {
                if bounds.low >= 0 || bounds.high <= 0 {
                    return 0.0;
                }
                let (coefficient, z) = (trace.after[neuron], trace.values[neuron]);
                let (low, high) = (bounds.low as f64, bounds.high as f64);
                let (at_worst, furthest) = if coefficient > 0.0 {
                    (line.upper * z + line.offset - z.max(0.0), line.offset)
                } else {
                    let below = (1.0 - line.lower) * high;
                    (z.max(0.0) - line.lower * z, below.max(-line.lower * low))
                };
                coefficient.abs() * (at_worst + FURTHEST * furthest)
            }));
        }
    }
}

/// Weight of open neurons against a feature's own slope when a cut is chosen. Measured on random
/// nets from 8-8 to 64-64 and 8-8-8-8: 4 needs 7 % to 65 % fewer boxes than 0, and fewer than 1.
const OPEN_NEURONS: f64 = 4.0;
/// Least gap of an open neuron's lines, as a share of its slope.
const LEAST_GAP: f64 = 0.05;
/// Share of the largest gap in a neuron's score.
const FURTHEST: f64 = 0.1;
