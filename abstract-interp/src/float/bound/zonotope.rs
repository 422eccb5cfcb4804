//! Zonotopes: every value is an affine form over the same noise symbols.

use crate::domain::AbstractDomain;
use crate::float::network::FloatNetwork;
use crate::float::range::Range;

use super::domains::Machine;
use super::kernel::{self, Product};
use super::layer::LayerState;
use super::prepared::{Prepared, PreparedLayer, padded};

/// The zonotope domain: v_j = c_j + Σ_g G_jg·ε_g + r_j·ε'_j with all symbols in [−1, 1].
///
/// The first symbols belong to the inputs; every open neuron adds one, so that there are never more than
/// inputs and neurons together. The remainder r_j takes what rounding may do and is shared with nothing.
/// Ranges are cut with those of intervals, which zonotopes alone may exceed.
///
/// # Source
/// Singh et al., "Fast and effective robustness certification" (DeepZ), 2018, theorem 3.1.
#[derive(Clone, Debug, Default)]
pub struct Zonotope {
    machine: Machine,
    /// Centre and generators per value, `[value, lanes]`; lane 0 is the centre.
    forms: Vec<f64>,
    lanes: usize,
    /// Lanes in use.
    used: usize,
    rest: Vec<f64>,
}

impl Zonotope {
    /// Symbols in use.
    pub const fn order(&self) -> usize {
        self.used.saturating_sub(1)
    }

    /// |c| + Σ|G| + r of a value.
    fn reach(&self, value: usize) -> f64 {
        let form = &self.forms[value * self.lanes..][..self.used];
        form.iter()
            .fold(self.rest[value], |sum, part| sum + part.abs())
    }

    /// The range of a form, outward by what the sums here lose.
    fn range(&self, value: usize, own_error: f64) -> Range {
        let centre = self.forms[value * self.lanes];
        let reach = self.reach(value);
        let radius = reach - centre.abs() + own_error * reach;
        Range::new(centre - radius, centre + radius)
    }

    fn cut(&self, ranges: &mut [Range], own_error: f64) {
        for (value, range) in ranges.iter_mut().enumerate() {
            let own = self.range(value, own_error);
            if own.low.is_finite() && own.high.is_finite() {
                *range = range.intersection(own);
            }
        }
    }

    /// Transformer of the affine map; concrete map: `Layer::forward`.
    ///
    /// # Soundness
    /// Forms map exactly but for this arithmetic, which loses less than κ·Σ|w|·reach (as in
    /// `Prepared::new`), and the evaluation's own error, D; both go to the remainder.
    fn map(&mut self, prepared: &Prepared, layer: &PreparedLayer, error: &[f64]) {
        let list: Vec<u32> = (0..layer.inputs as u32).collect();
        let own_error = prepared.own_error;
        let rest: Vec<f64> = (0..layer.inputs)
            .map(|input| self.rest[input] + own_error * self.reach(input))
            .collect();
        let mut next = vec![0.0; layer.lanes() * self.lanes];
        for (form, &bias) in next.chunks_exact_mut(self.lanes).zip(&layer.bias) {
            form[0] = bias;
        }
        let product = Product {
            list: &list,
            bent: &self.forms,
            rows: &layer.columns,
            inputs: layer.lanes(),
            lanes: self.lanes,
            next: &mut next,
        };
        kernel::run(prepared.arch, product);
        self.forms = next;
        self.rest = (0..layer.outputs)
            .map(|output| {
                let row = &layer.rows[output * layer.inputs..][..layer.inputs];
                let terms = row.iter().zip(&rest);
                let sum = terms.fold(0.0, |sum, (weight, rest)| sum + weight.abs() * rest);
                (sum + error[output]) * (1.0 + own_error)
            })
            .collect();
    }

    /// Transformer of the activations; concrete map: `Activation::concrete`.
    ///
    /// # Soundness
    /// On the range, v − s·z lies in [0, t] for the chord's slope s and intercept t: at most t as v is below
    /// the chord, and at least 0 as s lies between the slopes of the two sides. Half of t becomes the
    /// centre's, half a new symbol's; the slip of a rounded slope and κ·reach go to the remainder.
    fn bend(&mut self, state: &LayerState, own_error: f64) {
        let used = self.used;
        let lanes = padded(used + state.open.len());
        let mut next = vec![0.0; state.pre.len() * lanes];
        for (neuron, lines) in state.lines.iter().enumerate() {
            let (form, into) = (
                &self.forms[neuron * self.lanes..][..used],
                &mut next[neuron * lanes..][..used],
            );
            for (into, part) in into.iter_mut().zip(form) {
                *into = lines.upper * part;
            }
            let lost = own_error * (self.reach(neuron) + lines.intercept);
            self.rest[neuron] = (lines.upper * self.rest[neuron] + lines.slip) + lost;
        }
        for (symbol, &neuron) in state.open.iter().enumerate() {
            let neuron = neuron as usize;
            let half = state.lines[neuron].intercept / 2.0;
            next[neuron * lanes] += half;
            next[neuron * lanes + used + symbol] = half;
        }
        self.forms = next;
        self.lanes = lanes;
        self.used = used + state.open.len();
    }
}

impl AbstractDomain<FloatNetwork> for Zonotope {
    type Bound = Range;

    fn enter(&mut self, network: &FloatNetwork, input: &[Range]) {
        self.machine.enter(network, input);
        let own_error = self.machine.own_error();
        self.used = input.len() + 1;
        self.lanes = padded(self.used);
        kernel::zero(&mut self.forms, input.len() * self.lanes);
        self.rest.clear();
        for (index, range) in input.iter().enumerate() {
            let form = &mut self.forms[index * self.lanes..][..self.lanes];
            form[0] = range.low.midpoint(range.high);
            form[index + 1] = range.width() / 2.0;
            self.rest.push(own_error * range.magnitude());
        }
    }

    fn affine(&mut self, _: &FloatNetwork, layer: usize) {
        let mut machine = std::mem::take(&mut self.machine);
        machine.affine(layer, |prepared, _, _, state| {
            self.map(prepared, &prepared.layers[layer], &state.error);
            self.cut(&mut state.pre, prepared.own_error);
        });
        self.machine = machine;
    }

    fn activation(&mut self, _: &FloatNetwork, layer: usize) {
        if !self.machine.activation(layer) {
            return;
        }
        let own_error = self.machine.own_error();
        let mut machine = std::mem::take(&mut self.machine);
        if let Some(state) = machine.layers.last() {
            self.bend(state, own_error);
        }
        self.cut(&mut machine.bounds, own_error);
        self.machine = machine;
    }

    fn bounds(&self) -> &[Range] {
        &self.machine.bounds
    }
}
