//! The bound of an objective, where it is attained, and what it is made of.

use super::{LinearBounds, Multiplier, Subject, concretize, multipliers};
use crate::network::Network;
use crate::objective::{Halfspace, Objective};
use crate::op::{Offset, clamp};

impl LinearBounds {
    /// An upper bound of the objective's excess after [`Self::run`]; at most zero proves it.
    ///
    /// Facts that make it smaller enter as multipliers, which are written to `chosen`.
    pub fn excess(
        &mut self,
        network: &Network,
        objective: &Objective,
        facts: &[Halfspace],
        chosen: &mut Vec<Multiplier>,
    ) -> f64 {
        self.row.fill(0.0);
        if let Some((head, c)) = objective.single_head() {
            // One head alone: its bound before the clamp, clamped.
            self.row[head] = c as f64;
            let highest = (c.unsigned_abs() as f64) * clamp::ONE as f64;
            let upper = self.bound_row(network, objective, facts, chosen, Offset::default());
            return upper.clamp(-highest, highest) - objective.bound as f64;
        }
        self.output_intervals(network);
        for &(head, _) in &objective.heads {
            let output = network.hidden_count();
            self.outputs[head] = self.narrow(network, output, head, self.outputs[head]);
        }
        chosen.clear();
        let clamped = objective.heads.iter().map(|&(head, c)| {
            let bounds = clamp::interval(self.outputs[head]);
            (c * if c > 0 { bounds.high } else { bounds.low }) as f64
        });
        let clamped = clamped.sum::<f64>();
        let mut offset = Offset::default();
        self.row.fill(0.0);
        for &(head, c) in &objective.heads {
            let (coefficient, constant) = clamp::backward(c, self.outputs[head]);
            self.row[head] += coefficient;
            offset.add(constant);
        }
        let upper = self.bound_row(network, objective, facts, chosen, offset);
        let direct = objective.features.iter().map(|&(feature, d)| {
            let side = self.input[feature];
            (d * if d > 0 { side.high } else { side.low }) as f64
        });
        upper.min(clamped + direct.sum::<f64>()) - objective.bound as f64
    }

    /// Carries `self.row` over the outputs down to the features, with the objective's own terms and
    /// the facts' multipliers; the result is an upper bound including rounding.
    fn bound_row(
        &mut self,
        network: &Network,
        objective: &Objective,
        facts: &[Halfspace],
        chosen: &mut Vec<Multiplier>,
        mut offset: Offset,
    ) -> f64 {
        let outputs = network.hidden_count();
        self.descend(network, outputs, &mut offset, Subject::Objective);
        for &(feature, d) in &objective.features {
            self.coefficients[feature] += d as f64;
        }
        multipliers::choose(&self.coefficients, &self.input, facts, chosen);
        multipliers::apply(&mut self.coefficients, facts, chosen, &mut offset);
        let upper = concretize(&self.coefficients, &self.input, offset);
        // What is bounded is an integer.
        (upper.value + upper.error + SAFETY).floor()
    }

    /// The corner of the box at which the last bound is largest.
    pub fn maximizer(&self, point: &mut [i64]) {
        for ((value, input), &slope) in point.iter_mut().zip(&self.input).zip(&self.coefficients) {
            *value = if slope > 0.0 { input.high } else { input.low };
        }
    }

    /// Follows the worst corner of the last bound through the lines that it used, so that
    /// `trace.values` is what the bound puts in the place of every z.
    pub(super) fn follow_worst(&mut self, network: &Network) {
        self.next.clear();
        let ends = self.input.iter().zip(&self.coefficients);
        self.next.extend(ends.map(|(input, &slope)| {
            if slope > 0.0 {
                input.high as f64
            } else {
                input.low as f64
            }
        }));
        for (index, layer) in network.hidden().iter().enumerate() {
            let trace = &mut self.trace[index];
            for (neuron, value) in trace.values.iter_mut().enumerate() {
                let products = layer.scaled_row(neuron).iter().zip(&self.next);
                let floor = if trace.before[neuron] < 0.0 {
                    layer.floor_loss
                } else {
                    0.0
                };
                *value =
                    products.map(|(w, x)| w * x).sum::<f64>() + layer.scaled_bias[neuron] - floor;
            }
            self.next.clear();
            let lines = self.hidden[index].lines.iter().zip(&trace.after);
            self.next
                .extend(lines.zip(&trace.values).map(|((line, &coefficient), z)| {
                    if coefficient > 0.0 {
                        line.upper * z + line.offset
                    } else {
                        line.lower * z
                    }
                }));
        }
        self.next.resize(network.widest(), 0.0);
    }
}

/// What a proof must have to spare, so that the exact check agrees.
const SAFETY: f64 = 1.0 / (1u64 << 6) as f64;
