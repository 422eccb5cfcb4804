//! The question over one case as linear inequalities with integer coefficients.
//!
//! Every integer point of the case that breaks nothing satisfies all of them, so whatever bounds
//! the objective over their real solutions bounds it over the case. What is lost is that values are
//! integers (each floor is a slack of up to `1 − 2^-s`), and at [`Gate`]s the kink.

use super::enclosure::{Enclosures, affine};
use super::{ONE, Question};
use crate::interval::Interval;

/// `Σ coefficient·variable + constant`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Linear {
    pub(super) terms: Vec<(usize, i128)>,
    pub(super) constant: i128,
}

/// `Σ coefficient·variable ≤ bound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) terms: Vec<(usize, i128)>,
    pub(super) bound: i128,
}

/// `after = max(before + offset, 0)` whose sign is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// A variable.
    pub(super) before: usize,
    /// Added to it.
    pub(super) offset: i64,
    /// A variable.
    pub(super) after: usize,
    /// The row `after ≤ upper line`, one of three.
    pub(super) upper: usize,
    /// The neuron whose sign it is.
    pub(super) neuron: Neuron,
}

/// A place in [`Enclosures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neuron {
    pub(super) layer: usize,
    pub(super) place: usize,
}

/// One case of a question.
#[derive(Clone, Debug, Default)]
pub(super) struct System {
    /// What encloses each variable.
    pub(super) variables: Vec<Interval>,
    pub(super) rows: Vec<Row>,
    pub(super) gates: Vec<Gate>,
    /// To be maximised.
    pub(super) objective: Linear,
    /// The features, each a variable or constant.
    pub(super) features: Vec<Linear>,
    /// The pre-activations, each a variable or constant, or absent where nothing needs it.
    pub(super) before: Vec<Vec<Option<Linear>>>,
}

impl System {
    /// The whole of a case; its objective is the question's excess.
    pub(super) fn of_case(
        question: &Question<'_>,
        region: &[Interval],
        known: &Enclosures,
    ) -> Self {
        let network = question.network;
        let mut system = Self::up_to(question, region, known, network.hidden_count());
        let heads: Vec<_> = (0..network.heads().len())
            .map(|head| system.head(network.hidden_count(), head, known))
            .collect();
        let mut objective = Linear::constant(-i128::from(question.objective.bound));
        for &(head, c) in &question.objective.heads {
            objective.add(&heads[head], c.into());
        }
        for &(place, d) in &question.objective.features {
            objective.add(&system.features[place], d.into());
        }
        system.objective = objective;
        system
    }

    /// Everything up to the pre-activations of `last`; no objective.
    pub(super) fn up_to(
        question: &Question<'_>,
        region: &[Interval],
        known: &Enclosures,
        last: usize,
    ) -> Self {
        let network = question.network;
        let mut system = Self::default();
        for &side in region {
            let feature = system.value(side);
            system.features.push(feature);
        }
        for fact in &question.facts {
            let mut left = Linear::default();
            for &(place, c) in &fact.terms {
                left.add(&system.features[place], c.into());
            }
            system.at_most(left, fact.bound.into());
        }
        let mut below = system.features.clone();
        let mut ranges = region.to_vec();
        for layer in 0..=last {
            if layer == network.hidden_count() {
                let skip = network.skip_inputs();
                below.extend_from_slice(&system.features[..skip]);
                ranges.extend_from_slice(&region[..skip]);
            }
            system.affine_layer(question, layer, &below, &ranges, known);
            if layer < network.hidden_count() {
                below = (0..network.layers()[layer].outputs)
                    .map(|place| system.relu(Neuron { layer, place }, 0, known))
                    .collect();
                ranges = known.layers[layer].iter().map(|&z| positive(z)).collect();
            }
        }
        system
    }

    fn affine_layer(
        &mut self,
        question: &Question<'_>,
        number: usize,
        below: &[Linear],
        ranges: &[Interval],
        known: &Enclosures,
    ) {
        let layer = &question.network.layers()[number];
        let reached = affine(layer, ranges);
        let mut neurons = Vec::with_capacity(layer.outputs);
        for (neuron, &bounds) in known.layers[number].iter().enumerate() {
            let is_output = number == question.network.hidden_count();
            if reached[neuron].high <= 0 && !is_output {
                // Always off, and nothing is to be learnt from that.
                neurons.push(None);
                continue;
            }
            let z = self.value(bounds);
            let mut sum = Linear::constant(layer.bias[neuron].into());
            for (input, &weight) in below.iter().zip(layer.row(neuron)) {
                sum.add(input, weight.into());
            }
            // 2^s·z ≤ sum ≤ 2^s·z + 2^s − 1
            let unit = 1i128 << layer.shift;
            let mut above = Linear::default();
            above.add(&z, unit);
            above.add(&sum, -1);
            let mut under = Linear::default();
            under.add(&sum, 1);
            under.add(&z, -unit);
            self.at_most(above, 0);
            self.at_most(under, unit - 1);
            neurons.push(Some(z));
        }
        self.before.push(neurons);
    }

    /// `clamp(y, −1, 1)` as `−1 + max(y + 1, 0) − max(y − 1, 0)`.
    fn head(&mut self, layer: usize, place: usize, known: &Enclosures) -> Linear {
        let neuron = Neuron { layer, place };
        let mut head = Linear::constant(-i128::from(ONE));
        let rising = self.relu(neuron, ONE, known);
        let stopped = self.relu(neuron, -ONE, known);
        head.add(&rising, 1);
        head.add(&stopped, -1);
        head
    }

    /// `max(z + offset, 0)`.
    fn relu(&mut self, neuron: Neuron, offset: i64, known: &Enclosures) -> Linear {
        let bounds = known.layers[neuron.layer][neuron.place];
        let Some(z) = self.before[neuron.layer][neuron.place].clone() else {
            return Linear::default();
        };
        let (low, high) = (bounds.low + offset, bounds.high + offset);
        if high <= 0 {
            return Linear::default();
        }
        let mut shifted = z;
        shifted.constant += i128::from(offset);
        let &[(before, _)] = shifted.terms.as_slice() else {
            // A constant, and a positive one.
            return shifted;
        };
        if low >= 0 {
            return shifted;
        }
        let value = self.value(Interval { low: 0, high });
        let mut over = shifted.clone();
        over.add(&value, -1);
        self.at_most(over, 0);
        // after ≤ high·(before + offset − low)/(high − low)
        let mut under = Linear::default();
        under.add(&value, i128::from(high) - i128::from(low));
        under.add(&shifted, -i128::from(high));
        let upper = self.rows.len();
        self.at_most(under, -i128::from(high) * i128::from(low));
        if let &[(after, _)] = value.terms.as_slice() {
            self.gates.push(Gate {
                before,
                offset,
                after,
                upper,
                neuron,
            });
        }
        value
    }

    fn value(&mut self, bounds: Interval) -> Linear {
        if bounds.low == bounds.high {
            return Linear::constant(bounds.low.into());
        }
        self.variables.push(bounds);
        Linear {
            terms: vec![(self.variables.len() - 1, 1)],
            constant: 0,
        }
    }

    fn at_most(&mut self, left: Linear, bound: i128) {
        self.rows.push(Row {
            terms: left.terms,
            bound: bound - left.constant,
        });
    }
}

impl Linear {
    pub(super) fn constant(constant: i128) -> Self {
        Self {
            terms: vec![],
            constant,
        }
    }

    /// Adds `factor · other`; terms stay in order and without zeros.
    pub(super) fn add(&mut self, other: &Self, factor: i128) {
        self.constant += factor * other.constant;
        for &(variable, c) in &other.terms {
            let found = self
                .terms
                .binary_search_by_key(&variable, |&(variable, _)| variable);
            match found {
                Ok(place) => self.terms[place].1 += factor * c,
                Err(place) => self.terms.insert(place, (variable, factor * c)),
            }
        }
        self.terms.retain(|&(_, c)| c != 0);
    }
}

fn positive(value: Interval) -> Interval {
    Interval {
        low: value.low.max(0),
        high: value.high.max(0),
    }
}
