//! One layer's ranges, error terms and relaxation.

use crate::float::network::Activation;
use crate::float::range::Range;

use super::kernel::{self, Enclose};
use super::prepared::{Prepared, PreparedLayer, padded};
use super::{Phase, Side};

/// What is known about a layer in the region at hand.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerState {
    /// Pre-activations.
    pub(super) pre: Vec<Range>,
    /// Values after the activation, `[lanes]`, zero beyond the outputs.
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
    pub(super) magnitude: Vec<f64>,
    /// D_j = δ_j + κ·Z_j: how far z_j may be from w_j·v + b_j, own arithmetic included; `[lanes]`.
    pub(super) error: Vec<f64>,
    /// Sides that phases fix.
    pub(super) fixed: Vec<Option<Side>>,
    /// Lines below and above each activation.
    pub(super) lines: Vec<Lines>,
    /// Neurons whose activation is one line through the origin with a slope that is not zero.
    pub(super) passing: Vec<u32>,
    /// Those among them that no phase fixes.
    pub(super) free: Vec<u32>,
    /// Neurons that phases fix.
    pub(super) held: Vec<u32>,
    /// Neurons whose activation needs two lines.
    pub(super) open: Vec<u32>,
    /// The least slope of a sound lower line, per neuron.
    pub(super) flattest: Vec<f64>,
}

/// `lower`·z − `slip` ≤ v ≤ `upper`·z + `intercept` + `slip`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lines {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) intercept: f64,
    /// Rounding of the activation itself.
    pub(super) slip: f64,
}

impl LayerState {
    /// The inputs as values of a layer before the first.
    pub(super) fn enter(&mut self, input: &[Range]) {
        self.low.clear();
        self.high.clear();
        self.magnitude.clear();
        for range in input {
            self.low.push(range.low);
            self.high.push(range.high);
            self.magnitude.push(range.magnitude());
        }
        for values in [&mut self.low, &mut self.high, &mut self.magnitude] {
            values.resize(padded(input.len()), 0.0);
        }
    }

    /// Interval step: ranges and error terms from the values of the layer below. False where an
    /// evaluation may exceed the largest `f32`.
    pub(super) fn enclose(
        &mut self,
        prepared: &Prepared,
        layer: &PreparedLayer,
        below: &Self,
    ) -> bool {
        let lanes = layer.lanes();
        for sums in [&mut self.low, &mut self.high, &mut self.magnitude] {
            sums.clear();
            sums.extend_from_slice(&layer.bias);
        }
        for sum in &mut self.magnitude {
            *sum = sum.abs();
        }
        let enclose = Enclose {
            columns: &layer.columns,
            from: [&below.low, &below.high, &below.magnitude],
            low: &mut self.low,
            high: &mut self.high,
            magnitude: &mut self.magnitude,
        };
        kernel::run(prepared.arch, enclose);
        let (low, high, magnitude) = (&self.low, &self.high, &self.magnitude);
        self.pre.clear();
        self.error.clear();
        self.error.resize(lanes, 0.0);
        let mut fits = true;
        for lane in 0..layer.outputs {
            let rounding = layer.relative[lane] * magnitude[lane] + layer.absolute[lane];
            let reach = magnitude[lane] + rounding;
            let error = (rounding + prepared.own_error * reach) * SLACK;
            self.error[lane] = error;
            // Written so that what is not a number does not fit.
            fits &= reach + error <= f64::from(f32::MAX);
            self.pre
                .push(Range::new(low[lane] - error, high[lane] + error));
        }
        self.fixed.clear();
        self.fixed.resize(layer.outputs, None);
        fits
    }

    /// Cuts the ranges with others that hold too.
    pub(super) fn intersect(&mut self, known: &[Range]) {
        for (range, &known) in self.pre.iter_mut().zip(known) {
            *range = range.intersection(known);
        }
    }

    /// Cuts the ranges with phases.
    pub(super) fn fix<'p>(&mut self, phases: impl Iterator<Item = &'p Phase>) {
        for phase in phases {
            if let Some(range) = self.pre.get_mut(phase.neuron) {
                match phase.side {
                    Side::Inactive => range.high = range.high.min(0.0),
                    Side::Active => range.low = range.low.max(0.0),
                }
                self.fixed[phase.neuron] = Some(phase.side);
            }
        }
    }

    /// Values after the activation, and its relaxation, from the ranges.
    pub(super) fn activate(&mut self, layer: &PreparedLayer) {
        let lanes = layer.lanes();
        for values in [&mut self.low, &mut self.high, &mut self.magnitude] {
            values.clear();
            values.resize(lanes, 0.0);
        }
        self.lines.clear();
        self.flattest.clear();
        for list in [
            &mut self.passing,
            &mut self.free,
            &mut self.held,
            &mut self.open,
        ] {
            list.clear();
        }
        for (neuron, (&range, &activation)) in self.pre.iter().zip(&layer.activations).enumerate() {
            let value = activation.image(range);
            self.low[neuron] = value.low;
            self.high[neuron] = value.high;
            self.magnitude[neuron] = value.magnitude();
            let lines = activation.lines(range);
            self.lines.push(lines);
            self.flattest.push(activation.negative_slope());
            let held = self.fixed[neuron].is_some();
            if held {
                self.held.push(neuron as u32);
            }
            if activation.is_open(range) {
                self.open.push(neuron as u32);
            } else if lines.lower != 0.0 {
                self.passing.push(neuron as u32);
                if !held {
                    self.free.push(neuron as u32);
                }
            }
        }
    }

    /// +1 for a neuron that is fixed to z ≥ 0, −1 for z ≤ 0, 0 for others.
    pub(super) fn side_sign(&self, neuron: usize) -> f64 {
        match self.fixed[neuron] {
            Some(Side::Active) => 1.0,
            Some(Side::Inactive) => -1.0,
            None => 0.0,
        }
    }
}

impl Activation {
    /// True if the range needs two lines.
    pub(super) fn is_open(self, range: Range) -> bool {
        self != Self::Identity && range.low < 0.0 && range.high > 0.0
    }

    /// Interval transformer; concrete map: [`Activation::concrete`].
    ///
    /// # Soundness
    /// The activation is monotone, and so is its rounding; a product with a leaky slope is off by at most
    /// 2⁻²⁴ of itself and 2⁻¹²⁶.
    pub(super) fn image(self, range: Range) -> Range {
        match self {
            Self::Identity => range,
            Self::Relu => Range::new(range.low.max(0.0), range.high.max(0.0)),
            Self::LeakyRelu(slope) => {
                let down = |z: f64| z * (slope * (1.0 + ROUNDING)) - SMALLEST;
                let up = |z: f64| (z * (slope * (1.0 - ROUNDING)) + SMALLEST).min(0.0);
                Range::new(
                    if range.low < 0.0 {
                        down(range.low)
                    } else {
                        range.low
                    },
                    if range.high < 0.0 {
                        up(range.high)
                    } else {
                        range.high
                    },
                )
            }
        }
    }

    /// Linear transformer: the lines of a range, the lower one with the slope (that of either side) that
    /// leaves less area; concrete map: [`Activation::concrete`].
    ///
    /// # Soundness
    /// On l ≤ z ≤ u with l < 0 < u and slope σ below zero, v = max(σ·z, z) is convex, so it lies
    /// above a·z for σ ≤ a ≤ 1, and below the chord, which is s·z + t with q = u/(u − l), s = σ + (1 − σ)·q and
    /// t = (1 − σ)·q·(−l). Rounding moves the chord's ends by less than 8·ε·(u + σ·|l|), which is added to t;
    /// ends closer to zero than `TINY` are moved there, so that nothing underflows.
    pub(super) fn lines(self, range: Range) -> Lines {
        let slope = self.negative_slope();
        if !self.is_open(range) {
            let side = if range.low >= 0.0 { 1.0 } else { slope };
            return Lines {
                lower: side,
                upper: side,
                intercept: 0.0,
                slip: self.slip(range),
            };
        }
        let (low, high) = (range.low.min(-TINY), range.high.max(TINY));
        let part = high / (high - low);
        let slack = 8.0 * f64::EPSILON * (high - slope * low);
        Lines {
            lower: if high > -low { 1.0 } else { slope },
            upper: slope + (1.0 - slope) * part,
            intercept: (1.0 - slope) * (part * -low) + slack,
            slip: self.slip(range),
        }
    }

    fn slip(self, range: Range) -> f64 {
        match self {
            Self::LeakyRelu(slope) if range.low < 0.0 => ROUNDING * slope * -range.low + SMALLEST,
            Self::LeakyRelu(_) | Self::Identity | Self::Relu => 0.0,
        }
    }
}

/// Covers the few roundings of the error terms' own computation.
const SLACK: f64 = 1.0 + 1.0 / (1u64 << 20) as f64;
/// Twice what a rounding to `f32` may lose, relative to the value.
const ROUNDING: f64 = 1.0 / (1u64 << 23) as f64;
/// The smallest normal `f32`.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;
/// Ends of open ranges are at least this far from zero: 2⁻²⁰⁰.
const TINY: f64 = 6.223_015_277_861_142e-61;
