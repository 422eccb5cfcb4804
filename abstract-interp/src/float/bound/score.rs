//! Where to split next.

use super::Bounder;

/// What fixing one open neuron may gain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronScore {
    /// The layer, counted from zero.
    pub layer: usize,
    /// The neuron in it.
    pub neuron: usize,
    /// Higher is better; at least zero.
    pub score: f64,
}

impl Bounder {
    /// Per input, how much of row `row`'s bound its range costs: |slope|·width.
    ///
    /// Of the last call of [`Bounder::bound`].
    pub fn input_scores(&mut self, row: usize) -> &[f64] {
        let inputs = self.prepared.inputs;
        self.input_scores.clear();
        let slopes = self.slopes.iter().skip(row * inputs).take(inputs);
        for (slope, (low, high)) in slopes.zip(self.input.low.iter().zip(&self.input.high)) {
            self.input_scores.push(slope.abs() * (high - low));
        }
        &self.input_scores
    }

    /// Per open neuron, what its relaxation costs row `row`'s bound: |Λ|·u·(−l)/(u − l), the height of the
    /// triangle over its two lines' meeting point, times the coefficient of its value.
    ///
    /// Of the last call of [`Bounder::bound`], with linear bounds and a feasible region; empty otherwise.
    ///
    /// # Source
    /// Bunel et al., "Branch and bound for piecewise linear neural network verification", 2020, §5.2 (the
    /// intercept's part), for coefficients of either sign.
    pub fn neuron_scores(&mut self, row: usize) -> &[NeuronScore] {
        self.neuron_scores.clear();
        let coefficients = self.pass.values.iter().skip(1);
        for (layer, (state, values)) in self.layers.iter().zip(coefficients).enumerate() {
            for &neuron in &state.open {
                let neuron = neuron as usize;
                let Some(value) = values.get(neuron * self.pass.lanes + row) else {
                    continue;
                };
                let range = state.pre[neuron];
                let height = -range.low * (range.high / range.width());
                let rise = 1.0 - state.flattest[neuron];
                let score = value.abs() * height * rise;
                self.neuron_scores.push(NeuronScore {
                    layer,
                    neuron,
                    score,
                });
            }
        }
        &self.neuron_scores
    }
}
