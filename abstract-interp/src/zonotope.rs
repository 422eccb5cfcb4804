//! Zonotopes: affine forms over shared noise symbols, with sound rounding terms.
//!
//! A value is `center + Σ gᵢ·εᵢ + r·ε` with every ε in [−1, 1]: the symbols of the features are shared
//! by all values, each floor and each open ReLU or clamp adds one of its own, and `r` collects what
//! floats may have lost. The checker has no rule for zonotopes; they are a second, independent
//! enclosure whose cost does not depend on how many neurons are open backwards.
//!
//! # Source
//! Ghorbal, Goubault, Putot, "The zonotope abstract domain Taylor1+", CAV 2009; ReLU as in Singh et
//! al., "Fast and effective robustness certification" (`DeepZ`), `NeurIPS` 2018, §3.

use crate::domain::AbstractDomain;
use crate::interval::{Interval, Intervals};
use crate::network::{Affine, Network};
use crate::op::{affine, clamp, relu, rescale};

/// Affine forms of the values of one layer.
///
/// # Shapes
/// `coefficients`: [values, symbols].
#[derive(Clone, Debug, Default)]
pub struct Forms {
    symbols: usize,
    centers: Vec<f64>,
    coefficients: Vec<f64>,
    rests: Vec<f64>,
    /// Symbols that belong to one value so far: value and coefficient.
    fresh: Vec<(usize, f64)>,
}

impl Forms {
    /// How many values.
    pub const fn values(&self) -> usize {
        self.centers.len()
    }

    /// Adds a constant to a value.
    pub fn shift(&mut self, place: usize, by: f64) {
        self.centers[place] += by;
        self.rests[place] += ULP * self.centers[place].abs();
    }

    /// Adds a symbol of its own to a value.
    pub fn add_symbol(&mut self, place: usize, coefficient: f64) {
        if coefficient != 0.0 {
            self.fresh.push((place, coefficient));
        }
    }

    /// Replaces a value v by `slope·v + offset` plus a symbol of its own within ±`deviation`.
    pub fn scale(&mut self, place: usize, slope: f64, offset: f64, deviation: f64) {
        let row = &mut self.coefficients[place * self.symbols..(place + 1) * self.symbols];
        let mut magnitude = 0.0;
        for coefficient in row {
            *coefficient *= slope;
            magnitude += coefficient.abs();
        }
        for (_, coefficient) in self.fresh.iter_mut().filter(|(own, _)| *own == place) {
            *coefficient *= slope;
            magnitude += coefficient.abs();
        }
        let center = self.centers[place] * slope;
        magnitude += center.abs() + offset.abs();
        self.centers[place] = center + offset;
        self.rests[place] =
            self.rests[place] * slope.abs() * (1.0 + 4.0 * ULP) + 4.0 * ULP * magnitude;
        self.add_symbol(place, deviation);
    }

    /// Makes a value a constant.
    pub fn set(&mut self, place: usize, value: f64) {
        self.coefficients[place * self.symbols..(place + 1) * self.symbols].fill(0.0);
        self.fresh.retain(|(own, _)| *own != place);
        self.centers[place] = value;
        self.rests[place] = 0.0;
    }

    /// Integers that the value of a form can be: its range, rounded inwards, as every value of the
    /// program is an integer.
    pub fn range(&self, place: usize) -> Interval {
        let row = &self.coefficients[place * self.symbols..(place + 1) * self.symbols];
        let own = self.fresh.iter().filter(|(own, _)| *own == place);
        let radius = row.iter().map(|coefficient| coefficient.abs()).sum::<f64>()
            + own.map(|(_, coefficient)| coefficient.abs()).sum::<f64>()
            + self.rests[place];
        let count = (self.symbols + self.fresh.len() + 4) as f64;
        let error = count * ULP * (radius + self.centers[place].abs());
        Interval {
            low: (self.centers[place] - radius - error).ceil() as i64,
            high: (self.centers[place] + radius + error).floor() as i64,
        }
    }

    /// The forms of a box: one symbol per feature.
    fn enter(&mut self, input: &[Interval]) {
        self.symbols = input.len();
        self.fresh.clear();
        self.rests.clear();
        self.rests.resize(input.len(), 0.0);
        self.centers.clear();
        // Halves of integers below 2⁵²: exact.
        let center = |side: &Interval| (side.low + side.high) as f64 * 0.5;
        self.centers.extend(input.iter().map(center));
        self.coefficients.clear();
        self.coefficients.resize(input.len() * input.len(), 0.0);
        for (place, side) in input.iter().enumerate() {
            self.coefficients[place * self.symbols + place] = side.width() as f64 * 0.5;
        }
    }

    /// Appends the values of other forms over the same first symbols.
    fn append(&mut self, others: &Self) {
        self.spread();
        self.centers.extend(&others.centers);
        self.rests.extend(&others.rests);
        for row in others.coefficients.chunks_exact(others.symbols.max(1)) {
            self.coefficients.extend(row);
            let missing = self.symbols - others.symbols;
            self.coefficients.extend(std::iter::repeat_n(0.0, missing));
        }
    }

    /// Gives every fresh symbol a column.
    fn spread(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let (old, new) = (self.symbols, self.symbols + self.fresh.len());
        let mut coefficients = vec![0.0; self.values() * new];
        for place in 0..self.values() {
            coefficients[place * new..place * new + old]
                .copy_from_slice(&self.coefficients[place * old..(place + 1) * old]);
        }
        for (column, &(place, coefficient)) in self.fresh.iter().enumerate() {
            coefficients[place * new + old + column] = coefficient;
        }
        (self.symbols, self.coefficients) = (new, coefficients);
        self.fresh.clear();
    }

    /// The scaled affine map without its floor, with what floats lose in it.
    fn through(&self, layer: &Affine) -> Self {
        let mut image = Self {
            symbols: self.symbols,
            centers: Vec::with_capacity(layer.outputs),
            coefficients: vec![0.0; layer.outputs * self.symbols],
            rests: Vec::with_capacity(layer.outputs),
            fresh: vec![],
        };
        let terms = (layer.inputs + 2) as f64;
        for neuron in 0..layer.outputs {
            let mut center = layer.scaled_bias[neuron];
            let (mut rest, mut magnitude) = (0.0, center.abs());
            let start = neuron * self.symbols;
            let row = &mut image.coefficients[start..start + self.symbols];
            for (place, &weight) in layer.scaled_row(neuron).iter().enumerate() {
                if weight == 0.0 {
                    continue;
                }
                center += weight * self.centers[place];
                magnitude += (weight * self.centers[place]).abs();
                rest += weight.abs() * self.rests[place];
                let from = &self.coefficients[place * self.symbols..(place + 1) * self.symbols];
                for (to, &coefficient) in row.iter_mut().zip(from) {
                    let term = weight * coefficient;
                    *to += term;
                    magnitude += term.abs();
                }
            }
            image.centers.push(center);
            // Each sum has at most `terms` roundings of parts that `magnitude` bounds together.
            image
                .rests
                .push((rest + 2.0 * terms * ULP * magnitude) * (1.0 + 2.0 * terms * ULP));
        }
        image
    }
}

/// The zonotope domain; its enclosures are never wider than those of intervals.
#[derive(Clone, Debug, Default)]
pub struct Zonotope {
    features: Forms,
    forms: Forms,
    intervals: Intervals,
    bounds: Vec<Interval>,
}

impl Zonotope {
    /// Encloses every value by its form and by its interval.
    fn enclose(&mut self, outputs: usize) {
        self.bounds.clear();
        let known = &self.intervals.bounds()[..outputs];
        let both = known.iter().enumerate();
        self.bounds
            .extend(both.map(|(place, known)| known.intersection(self.forms.range(place))));
    }
}

impl AbstractDomain<Network> for Zonotope {
    type Bound = Interval;

    fn enter(&mut self, network: &Network, input: &[Interval]) {
        self.intervals.enter(network, input);
        self.features.enter(input);
        self.forms.clone_from(&self.features);
        self.bounds.clear();
        self.bounds.extend_from_slice(input);
    }

    fn affine(&mut self, network: &Network, layer: usize) {
        let affine = &network.layers()[layer];
        self.forms.spread();
        if layer == network.hidden_count() && network.skip_inputs() > 0 {
            self.forms.append(&self.features);
        }
        self.intervals.affine(network, layer);
        self.forms = affine::zonotope(affine, &self.forms);
        rescale::zonotope(&mut self.forms, affine.floor_loss);
        self.enclose(affine.outputs);
    }

    fn activation(&mut self, network: &Network, layer: usize) {
        let is_output = layer == network.hidden_count();
        for (place, &bounds) in self.bounds.iter().enumerate() {
            if is_output {
                clamp::zonotope(&mut self.forms, place, bounds);
            } else {
                relu::zonotope(&mut self.forms, place, bounds);
            }
        }
        // The interval of an activation follows from the narrower one before it.
        let activation = if is_output {
            clamp::interval
        } else {
            relu::interval
        };
        self.intervals.narrow(&self.bounds);
        self.intervals.activation(network, layer);
        for (place, bounds) in self.bounds.iter_mut().enumerate() {
            *bounds = activation(*bounds).intersection(self.forms.range(place));
        }
    }

    fn bounds(&self) -> &[Interval] {
        &self.bounds
    }
}

impl Affine {
    /// See [`affine::zonotope`].
    pub(crate) fn image(&self, forms: &Forms) -> Forms {
        forms.through(self)
    }
}

/// Twice the unit roundoff of a float.
const ULP: f64 = f64::EPSILON;
