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

    /// Per open neuron that no phase fixes, what its relaxation costs row `row`'s bound.
    pub fn neuron_scores(&mut self, _row: usize) -> &[NeuronScore] {
        self.neuron_scores.clear();
        for (layer, state) in self.layers.iter().enumerate() {
            for &neuron in &state.open {
                let range = state.pre[neuron as usize];
                let score = -range.low * range.high / range.width();
                self.neuron_scores.push(NeuronScore {
                    layer,
                    neuron: neuron as usize,
                    score,
                });
            }
        }
        &self.neuron_scores
    }
}
