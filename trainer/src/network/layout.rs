//! Shapes, places and sign pattern of the weights.

use tautline_core::features::{FEATURE_COUNT, MAX_INPUTS, index};
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Head, HeadKind, Hidden, LayerShape, MAX_HEADS, MAX_HIDDEN_LAYERS, MAX_SHIFT, MAX_WIDTH,
    ModelHeader, Skip,
};

use super::pattern::Pattern;
use crate::law;
use crate::rng::{Purpose, Stream};

/// Why shapes were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The deployed format has no room for that many layers.
    #[error("{got} hidden layers, expected 1 to {max}")]
    Layers {
        /// Most layers.
        max: usize,
        /// Layers asked for.
        got: usize,
    },
    /// A width is out of range.
    #[error("hidden layer {layer} has width {got}, expected 2 to {max}")]
    Width {
        /// The layer, from zero.
        layer: usize,
        /// Largest width.
        max: usize,
        /// Width asked for.
        got: usize,
    },
    /// The list of heads is empty, or one occurs twice.
    #[error("heads must name each action at most once and the rate first, got {got:?}")]
    Heads {
        /// The list.
        got: Vec<HeadKind>,
    },
    /// The shift is out of range.
    #[error("weight shift {got}, expected 8 to {max}")]
    Shift {
        /// Largest shift.
        max: u8,
        /// The shift asked for.
        got: u8,
    },
}

/// Shapes and constraints of the weights of one network over feature table 1.
///
/// # Sign pattern
/// Hidden unit `j` has σ_j = ±1, alternating. Weights from falling features into unit `j` have
/// the sign σ_j, from rising ones −σ_j, weights between hidden units `i` and `j` the sign σ_i σ_j,
/// weights from unit `j` to the rate the sign −σ_j, and its skip has the features' signs: then the
/// rate never rises with a falling feature nor falls with a rising one, and the network is still an
/// ordinary ReLU network. The skip from the log window is bounded away from zero, so the raw rate
/// falls with the own window. All weights of a masked feature are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    header: ModelHeader,
    pattern: Pattern,
    layers: Vec<LayerShape>,
    bounds: Vec<(f64, f64)>,
}

impl Layout {
    /// The layout of a network with hidden layers of `widths`, a linear skip and `heads`, weights
    /// in units of 2^-`shift`.
    ///
    /// # Errors
    /// A [`LayoutError`] names the shape that is out of range.
    pub fn new(widths: &[usize], heads: &[HeadKind], shift: u8) -> Result<Self, LayoutError> {
        Self::with_pattern(widths, heads, shift, Pattern::default())
    }

    /// The same with another step gain.
    #[must_use]
    pub(crate) const fn with_step_gain(mut self, gain: Q16) -> Self {
        self.header.step_gain = gain;
        self
    }

    /// The same with another design jitter.
    #[must_use]
    pub(crate) const fn with_jitter(mut self, jitter: Q16) -> Self {
        self.header.jitter = jitter;
        self
    }

    /// The same with the features' signs and masks of `pattern`.
    ///
    /// # Errors
    /// A [`LayoutError`] names the shape that is out of range.
    pub fn with_pattern(
        widths: &[usize],
        heads: &[HeadKind],
        shift: u8,
        pattern: Pattern,
    ) -> Result<Self, LayoutError> {
        if widths.is_empty() || widths.len() > MAX_HIDDEN_LAYERS {
            return Err(LayoutError::Layers {
                max: MAX_HIDDEN_LAYERS,
                got: widths.len(),
            });
        }
        if !(8..=MAX_SHIFT.min(15)).contains(&shift) {
            return Err(LayoutError::Shift {
                max: MAX_SHIFT.min(15),
                got: shift,
            });
        }
        let header = header(widths, heads, shift, &pattern)?;
        let layers = header.layers().collect::<Vec<_>>();
        let mut layout = Self {
            header,
            pattern,
            layers,
            bounds: Vec::new(),
        };
        layout.bounds = layout.sign_pattern();
        Ok(layout)
    }

    /// The header of the deployed model.
    pub const fn header(&self) -> &ModelHeader {
        &self.header
    }

    /// Which features the network sees, and which way each may move the rate.
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// The affine layers, the output layer last.
    pub fn layers(&self) -> &[LayerShape] {
        &self.layers
    }

    /// How many weights there are, biases included.
    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    /// True for a network without weights; there is none.
    pub fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }

    /// The range of every weight, in weight order.
    pub fn bounds(&self) -> &[(f64, f64)] {
        &self.bounds
    }

    /// Moves every weight to the nearest value that the sign pattern and the format allow.
    pub fn project(&self, weights: &mut [f64]) {
        for (weight, &(low, high)) in weights.iter_mut().zip(&self.bounds) {
            *weight = weight.clamp(low, high);
        }
    }

    /// Random starting weights inside the pattern.
    pub(crate) fn initial(&self, seed: u64) -> Vec<f64> {
        let mut stream = Stream::new(seed, Purpose::Weights, 0);
        let mut weights = vec![0.0; self.len()];
        let last = self.layers.len() - 1;
        for (number, layer) in self.layers.iter().enumerate() {
            let gain = if number == last { 0.3 } else { 1.0 };
            let scale = gain / libm::sqrt(layer.inputs as f64);
            let rows = &mut weights[layer.offset..layer.offset + layer.parameter_count()];
            for row in rows.chunks_exact_mut(layer.row_len()) {
                for weight in &mut row[..layer.inputs] {
                    *weight = scale * stream.normal();
                }
                row[layer.inputs] = if number == last {
                    0.0
                } else {
                    0.3 * stream.normal()
                };
            }
        }
        // A weight with the wrong sign is mirrored rather than lost.
        for (weight, &(low, high)) in weights.iter_mut().zip(&self.bounds) {
            if (low >= 0.0 && *weight < 0.0) || (high <= 0.0 && *weight > 0.0) {
                *weight = -*weight;
            }
        }
        self.project(&mut weights);
        weights
    }

    fn sign_pattern(&self) -> Vec<(f64, f64)> {
        let last = self.layers.len() - 1;
        let rate_signs = self.pattern.signs();
        let mut bounds = Vec::with_capacity(self.header.parameter_count());
        for (number, layer) in self.layers.iter().enumerate() {
            let limit = f64::from(i16::MAX) / f64::from(1u32 << layer.shift);
            for neuron in 0..layer.outputs {
                for input in 0..layer.row_len() {
                    let sign = if input == layer.inputs {
                        0
                    } else if number == last {
                        self.output_sign(neuron, input, layer)
                    } else if number == 0 {
                        -rate_signs[input] * unit_sign(neuron)
                    } else {
                        unit_sign(neuron) * unit_sign(input)
                    };
                    let feature = match number {
                        0 => Some(input),
                        _ if number == last => (input + FEATURE_COUNT).checked_sub(layer.inputs),
                        _ => None,
                    };
                    if feature.is_some_and(|feature| self.pattern.hides(feature)) {
                        bounds.push((0.0, 0.0));
                        continue;
                    }
                    bounds.push(match sign {
                        1 => (0.0, limit),
                        -1 => (-limit, 0.0),
                        _ => (-limit, limit),
                    });
                }
                if number == last && self.falls_with_window(neuron) {
                    let skip = layer.inputs - FEATURE_COUNT + index::LOG_WINDOW;
                    let place = layer.offset + neuron * layer.row_len() + skip;
                    bounds[place].1 = -FAIRNESS_SKIP;
                }
            }
        }
        bounds
    }

    fn output_sign(&self, head: usize, input: usize, layer: &LayerShape) -> i8 {
        let signs = self.header.heads[head].signs;
        let units = layer.inputs - FEATURE_COUNT;
        if input >= units {
            return signs[input - units];
        }
        // Units carry all monotone features at once, so one falling feature binds them all.
        if signs.contains(&-1) {
            -unit_sign(input)
        } else {
            0
        }
    }

    fn falls_with_window(&self, head: usize) -> bool {
        self.header.heads[head].signs[index::LOG_WINDOW] == -1
    }
}

fn header(
    widths: &[usize],
    heads: &[HeadKind],
    shift: u8,
    pattern: &Pattern,
) -> Result<ModelHeader, LayoutError> {
    let refuse_heads = || LayoutError::Heads {
        got: heads.to_vec(),
    };
    if heads.first() != Some(&HeadKind::Rate) || heads.len() > MAX_HEADS {
        return Err(refuse_heads());
    }
    let mut header = ModelHeader {
        feature_table: FEATURE_TABLE,
        inputs: FEATURE_COUNT as u16,
        hidden_count: widths.len() as u8,
        hidden: [Hidden::default(); MAX_HIDDEN_LAYERS],
        output_shift: shift,
        skip: Skip::Linear,
        head_count: heads.len() as u8,
        heads: [Head::free(HeadKind::Rate); MAX_HEADS],
        step_gain: STEP_GAIN,
        pacing_gain: PACING_GAIN,
        jitter: DESIGN_JITTER,
        cadence: tautline_core::policy::Cadence::EveryRound,
    };
    for (layer, (&width, place)) in widths.iter().zip(&mut header.hidden).enumerate() {
        if !(2..=MAX_WIDTH).contains(&width) {
            return Err(LayoutError::Width {
                layer,
                max: MAX_WIDTH,
                got: width,
            });
        }
        *place = Hidden {
            width: width as u16,
            shift,
        };
    }
    for (place, (&kind, head)) in heads.iter().zip(&mut header.heads).enumerate() {
        if heads[..place].contains(&kind) {
            return Err(refuse_heads());
        }
        let mut signs = [0; MAX_INPUTS];
        if kind == HeadKind::Rate {
            signs[..FEATURE_COUNT].copy_from_slice(&pattern.signs());
        }
        *head = Head { kind, signs };
    }
    Ok(header)
}

/// σ of a hidden unit.
const fn unit_sign(unit: usize) -> i8 {
    if unit.is_multiple_of(2) { 1 } else { -1 }
}

/// The feature table that is trained for.
pub(crate) const FEATURE_TABLE: u16 = 1;
/// Upper bound of the skip from the log window; a little below −16 · 0.006, so that rounding to
/// the grid cannot cross it.
const FAIRNESS_SKIP: f64 = 16.0 * law::FAIRNESS_SLOPE + 0.001;
/// G = 1/4: growth fits quinn's pacer at 5 % jitter.
const STEP_GAIN: Q16 = Q16::from_units(1 << 14);
/// P = 5/4, quinn's bucket.
const PACING_GAIN: Q16 = Q16::from_units(5 << 14);
/// D = 5 %.
const DESIGN_JITTER: Q16 = Q16::from_units(3277);
