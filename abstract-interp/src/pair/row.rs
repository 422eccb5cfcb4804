//! An upper bound carried backwards, in exact dyadic rationals, over values or differences.

use super::line::Band;
use crate::interval::Interval;
use crate::network::{Affine, Network};
use crate::objective::Halfspace;
use crate::op::relu::LINE_BITS;

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Those of one input.
    Input,
    /// What those of the second input have more than those of the first one.
    Difference,
}

/// What a row is carried through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Through<'a> {
    pub(super) of: Of,
    pub(super) network: &'a Network,
    /// Lines around every activation in front of the row.
    pub(super) bands: &'a [Vec<Band>],
    /// The box of the features.
    pub(super) input: &'a [Interval],
}

/// `(Σ coefficient·value + Σ direct·feature + constant) / 2^bits`; its room is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Of the values reached so far; of the features at the end.
    pub(super) coefficients: Vec<i128>,
    /// Of the features, past the hidden layers.
    pub(super) direct: Vec<i128>,
    pub(super) constant: i128,
    pub(super) bits: u32,
    narrow: Vec<i64>,
}

impl Row {
    /// Zero over some values.
    pub(super) fn start(&mut self, values: usize, features: usize) {
        self.coefficients.clear();
        self.coefficients.resize(values, 0);
        self.direct.clear();
        self.direct.resize(features, 0);
        self.constant = 0;
        self.bits = 0;
    }

    /// From the values of `layer` before its activation down to the features; `None` where 128 bits
    /// do not suffice. `seen` is told the coefficients in front of every activation, as floats.
    pub(super) fn descend(
        &mut self,
        through: Through<'_>,
        layer: usize,
        mut seen: impl FnMut(usize, &[i128], u32),
    ) -> Option<()> {
        let Through {
            of,
            network,
            bands,
            input,
        } = through;
        for index in (0..=layer).rev() {
            if index < layer {
                seen(index, &self.coefficients, self.bits);
                self.relax(&bands[index])?;
                self.round(network.layers()[index].reach, &bands[index], input)?;
            }
            self.affine(&network.layers()[index], of)?;
            if index == network.hidden_count() {
                let inputs = network.layers()[index].inputs;
                let start = inputs - network.skip_inputs();
                let skipped = &self.coefficients[start..];
                for (direct, &coefficient) in self.direct.iter_mut().zip(skipped) {
                    *direct = direct.checked_add(coefficient)?;
                }
                self.coefficients.truncate(start);
            }
        }
        for (direct, &coefficient) in self.direct.iter_mut().zip(&self.coefficients) {
            *direct = direct.checked_add(coefficient)?;
        }
        Some(())
    }

    /// `z = (W·h + b − e)/2^s` with 0 ≤ e ≤ 2^s − 1; differences have no b and |e| ≤ 2^s − 1.
    fn affine(&mut self, layer: &Affine, of: Of) -> Option<()> {
        let bits = u32::from(layer.shift);
        let (mut lost, mut constant) = (0i128, scale(self.constant, bits)?);
        for (&coefficient, &bias) in self.coefficients.iter().zip(&layer.bias) {
            match of {
                Of::Input => {
                    constant = constant.checked_add(coefficient.checked_mul(i128::from(bias))?)?;
                    lost = lost.checked_add(coefficient.min(0).checked_neg()?)?;
                }
                Of::Difference => lost = lost.checked_add(coefficient.checked_abs()?)?,
            }
        }
        self.constant = constant.checked_add(lost.checked_mul((1i128 << bits) - 1)?)?;
        self.multiply(layer)?;
        self.scale_direct(bits)
    }

    /// The product with a layer's weights, in 64 bits.
    fn multiply(&mut self, layer: &Affine) -> Option<()> {
        let most = self.coefficients.iter().map(|c| c.unsigned_abs()).max()?;
        let reach = most.checked_mul(u128::from(layer.reach))?;
        if reach > i64::MAX as u128 {
            return None;
        }
        self.narrow.clear();
        self.narrow.resize(layer.inputs, 0);
        for (neuron, &coefficient) in self.coefficients.iter().enumerate() {
            let coefficient = coefficient as i64;
            if coefficient != 0 {
                for (to, &weight) in self.narrow.iter_mut().zip(layer.row(neuron)) {
                    *to += coefficient * weight;
                }
            }
        }
        self.coefficients.clear();
        let narrow = self.narrow.iter().map(|&value| i128::from(value));
        self.coefficients.extend(narrow);
        Some(())
    }

    /// Drops low bits so that the next product fits 64 bits and the rest 128, as the checker does: a
    /// coefficient λ becomes ⌊λ/2^r⌋, and the rest ρ ≥ 0 counts at most ρ·max(high, 0).
    fn round(&mut self, reach: u64, bands: &[Band], input: &[Interval]) -> Option<()> {
        let coefficients = largest(&self.coefficients) + bits_of(i128::from(reach));
        let drop = coefficients
            .saturating_sub(COEFFICIENT_BITS)
            .max(largest(&self.direct).saturating_sub(DIRECT_BITS))
            .max(bits_of(self.constant).saturating_sub(CONSTANT_BITS));
        if drop == 0 {
            return Some(());
        }
        self.bits = self.bits.checked_sub(drop)?;
        let values = self.coefficients.iter_mut();
        let values = values.zip(bands.iter().map(|band| band.high));
        let direct = self
            .direct
            .iter_mut()
            .zip(input.iter().map(|side| side.high));
        for (coefficient, high) in values.chain(direct) {
            let floor = *coefficient >> drop;
            let rest = *coefficient - (floor << drop);
            let term = rest.checked_mul(i128::from(high.max(0)))?;
            self.constant = self.constant.checked_add(term)?;
            *coefficient = floor;
        }
        self.constant = (self.constant >> drop) + 1;
        Some(())
    }

    fn relax(&mut self, bands: &[Band]) -> Option<()> {
        self.constant = scale(self.constant, LINE_BITS)?;
        for (coefficient, band) in self.coefficients.iter_mut().zip(bands) {
            let (slope, offset) = if *coefficient > 0 {
                band.upper
            } else {
                band.lower
            };
            let term = coefficient.checked_mul(i128::from(offset))?;
            self.constant = self.constant.checked_add(term)?;
            *coefficient = coefficient.checked_mul(i128::from(slope))?;
        }
        self.scale_direct(LINE_BITS)
    }

    fn scale_direct(&mut self, bits: u32) -> Option<()> {
        for value in self.direct.iter_mut().filter(|value| **value != 0) {
            *value = scale(*value, bits)?;
        }
        self.bits += bits;
        Some(())
    }

    /// Subtracts `weight/2¹⁶·(a·x − b)` of facts.
    pub(super) fn subtract(&mut self, facts: &[Halfspace], chosen: &[(usize, u32)]) -> Option<()> {
        if chosen.is_empty() {
            return Some(());
        }
        if self.bits < WEIGHT_BITS {
            let missing = WEIGHT_BITS - self.bits;
            self.constant = scale(self.constant, missing)?;
            self.scale_direct(missing)?;
        }
        for &(fact, weight) in chosen {
            let weight = scale(i128::from(weight), self.bits - WEIGHT_BITS)?;
            for &(place, c) in &facts[fact].terms {
                let term = weight.checked_mul(i128::from(c))?;
                self.direct[place] = self.direct[place].checked_sub(term)?;
            }
            let term = weight.checked_mul(i128::from(facts[fact].bound))?;
            self.constant = self.constant.checked_add(term)?;
        }
        Some(())
    }

    /// The largest value over a box of features, rounded down to an integer.
    pub(super) fn concretize(&self, input: &[Interval]) -> Option<i128> {
        let mut total = self.constant;
        for (&slope, input) in self.direct.iter().zip(input) {
            let end = if slope > 0 { input.high } else { input.low };
            total = total.checked_add(slope.checked_mul(i128::from(end))?)?;
        }
        Some(total >> self.bits)
    }
}

/// `value · 2^bits`, if it fits.
fn scale(value: i128, bits: u32) -> Option<i128> {
    let moved = value.checked_shl(bits)?;
    (moved >> bits == value).then_some(moved)
}

/// Bits of the largest magnitude.
fn largest(values: &[i128]) -> u32 {
    values
        .iter()
        .map(|&value| bits_of(value))
        .max()
        .unwrap_or(0)
}

/// Bits of a magnitude.
const fn bits_of(value: i128) -> u32 {
    u128::BITS - value.unsigned_abs().leading_zeros()
}

const WEIGHT_BITS: u32 = 16;
/// Bits that a coefficient times the next layer's reach keeps.
const COEFFICIENT_BITS: u32 = 62;
/// Bits that the coefficient of a feature keeps.
const DIRECT_BITS: u32 = 72;
/// Bits that the constant keeps.
const CONSTANT_BITS: u32 = 80;
