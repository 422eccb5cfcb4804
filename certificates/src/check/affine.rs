//! Rule *affine*: an upper bound carried backwards through floors, lines and rows.
//!
//! The bound is `(Σ coefficient·v + Σ feature·x + constant) / 2^bits`, where v are first the
//! outputs, then the hidden values, and at the end nothing but features is left.

use tautline_core::policy::Skip;

use super::exact::{Overflow, product, shifted, sum};
use super::region::InputBox;
use super::relu::{Lines, SLOPE_BITS};
use crate::claim::LinearConstraint;
use crate::semantics::{Layer, ONE, Program};

/// An upper bound under way; its room is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Backward {
    coefficients: Vec<i128>,
    features: Vec<i128>,
    constant: i128,
    bits: u32,
    row: Vec<i128>,
    narrow: Vec<i64>,
    narrow_row: Vec<i64>,
    rounding: Rounding,
}

/// What to do when coefficients grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rounding {
    /// Nothing; the bound is exact or overflows.
    #[default]
    Exact,
    /// Drop low bits, outward.
    Outward,
}

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Those of one input.
    Input,
    /// What those of a second input have more than those of a first one.
    Difference,
}

/// Lines and upper bounds of the hidden layers in front of the values bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relaxed<'a> {
    pub(super) of: Of,
    pub(super) program: &'a Program,
    pub(super) input: &'a InputBox,
    pub(super) lines: &'a [Vec<Lines>],
    pub(super) high: &'a [Vec<i64>],
}

impl Backward {
    /// A bound without rounding, or, where that leaves 128 bits (in networks with more than two or
    /// three hidden layers), the bound with coefficients rounded outward.
    pub(super) fn bound(
        &mut self,
        mut build: impl FnMut(&mut Self) -> Result<i128, Overflow>,
    ) -> Result<i128, Overflow> {
        self.rounding = Rounding::Exact;
        build(self).or_else(|Overflow| {
            self.rounding = Rounding::Outward;
            build(self)
        })
    }

    /// Starts with `sign · z` for one neuron of a layer.
    pub(super) fn start_neuron(&mut self, layer: &Layer, neuron: usize, inputs: usize, sign: i64) {
        self.start(layer.outputs(), inputs);
        if let Some(coefficient) = self.coefficients.get_mut(neuron) {
            *coefficient = i128::from(sign);
        }
    }

    /// Starts with zero over `outputs` values and `inputs` features.
    pub(super) fn start(&mut self, outputs: usize, inputs: usize) {
        self.coefficients.clear();
        self.coefficients.resize(outputs, 0);
        self.features.clear();
        self.features.resize(inputs, 0);
        self.constant = 0;
        self.bits = 0;
    }

    /// Adds `slope·v + offset` to the bound.
    pub(super) fn add_output(
        &mut self,
        output: usize,
        slope: i128,
        offset: i128,
    ) -> Result<(), Overflow> {
        if let Some(coefficient) = self.coefficients.get_mut(output) {
            *coefficient = sum(*coefficient, slope)?;
        }
        self.constant = sum(self.constant, offset)?;
        Ok(())
    }

    /// Adds `coefficient·x` to the bound.
    pub(super) fn add_feature(&mut self, index: usize, coefficient: i128) -> Result<(), Overflow> {
        if let Some(feature) = self.features.get_mut(index) {
            *feature = sum(*feature, coefficient)?;
        }
        Ok(())
    }

    /// Declares that everything added so far counts 2^−`bits`.
    pub(super) const fn set_denominator(&mut self, bits: u32) {
        self.bits = bits;
    }

    /// From outputs to features: the output layer, then as [`Self::through_hidden`].
    pub(super) fn through_output(&mut self, relaxed: Relaxed<'_>) -> Result<(), Overflow> {
        let program = relaxed.program;
        self.substitute(program.output(), relaxed.of)?;
        if program.skip() == Skip::Linear {
            let inputs = program.table().features.len();
            let start = self.coefficients.len().saturating_sub(inputs);
            self.coefficients_to_features(start)?;
        }
        self.below(program.hidden().len(), relaxed)
    }

    /// From the neurons of a hidden layer to features.
    pub(super) fn through_hidden(
        &mut self,
        layer: usize,
        relaxed: Relaxed<'_>,
    ) -> Result<(), Overflow> {
        if let Some(rows) = relaxed.program.hidden().get(layer) {
            self.substitute(rows, relaxed.of)?;
        }
        self.below(layer, relaxed)
    }

    /// From the activations of the first `layers` hidden layers to features.
    fn below(&mut self, layers: usize, relaxed: Relaxed<'_>) -> Result<(), Overflow> {
        let hidden = relaxed.program.hidden().iter();
        let bounds = relaxed.lines.iter().zip(relaxed.high);
        for (rows, (lines, high)) in hidden.zip(bounds).take(layers).rev() {
            self.relax(lines)?;
            self.round(rows.column_sum(), high, &relaxed.input.high)?;
            self.substitute(rows, relaxed.of)?;
        }
        self.coefficients_to_features(0)
    }

    /// What is left of the coefficients from `start` on belongs to features.
    fn coefficients_to_features(&mut self, start: usize) -> Result<(), Overflow> {
        let from = self.coefficients.get(start..).unwrap_or_default();
        for (feature, &coefficient) in self.features.iter_mut().zip(from) {
            *feature = sum(*feature, coefficient)?;
        }
        self.coefficients.truncate(start);
        Ok(())
    }

    /// Replaces neurons by their inputs: `z = (Σ w·h + bias·2¹⁶ − e) / 2ˢ` with
    /// `0 ≤ e ≤ 2ˢ − 1`, where e = 0 is the worst for a positive coefficient and the largest e for
    /// a negative one. A difference has no bias and two such e, so |e| ≤ 2ˢ − 1.
    fn substitute(&mut self, layer: &Layer, of: Of) -> Result<(), Overflow> {
        self.multiply(layer)?;
        let shift = layer.shift();
        let mut bias = self.row.pop().unwrap_or(0);
        let mut lost = 0i128;
        for &coefficient in &self.coefficients {
            lost = sum(lost, coefficient.min(0).saturating_neg())?;
            if of == Of::Difference {
                lost = sum(lost, coefficient.max(0))?;
            }
        }
        if of == Of::Difference {
            bias = 0;
        }
        let error = sum(shifted(lost, shift)?, lost.saturating_neg())?;
        let constant = sum(shifted(self.constant, shift)?, product(bias, ONE)?)?;
        self.constant = sum(constant, error)?;
        self.scale_features(shift)?;
        core::mem::swap(&mut self.coefficients, &mut self.row);
        Ok(())
    }

    /// `row = coefficients · weights`, in 64 bits where that provably suffices.
    fn multiply(&mut self, layer: &Layer) -> Result<(), Overflow> {
        // Every partial sum of a column is at most this.
        let reach = product(self.largest(), layer.column_sum())?;
        let length = layer.row_len();
        if reach <= i128::from(i64::MAX) {
            self.narrow.clear();
            // A coefficient is at most `reach`, unless the layer has no weight but zero.
            let fits = |&value: &i128| i64::try_from(value).unwrap_or(0);
            self.narrow.extend(self.coefficients.iter().map(fits));
            self.narrow_row.clear();
            self.narrow_row.resize(length, 0);
            accumulate(layer, &self.narrow, &mut self.narrow_row);
            self.row.clear();
            self.row
                .extend(self.narrow_row.iter().map(|&value| i128::from(value)));
        } else {
            self.row.clear();
            self.row.resize(length, 0);
            accumulate(layer, &self.coefficients, &mut self.row);
        }
        Ok(())
    }

    /// The largest magnitude of a coefficient.
    fn largest(&self) -> i128 {
        let magnitudes = self.coefficients.iter().map(|value| value.saturating_abs());
        magnitudes.max().unwrap_or(0)
    }

    /// Replaces activations by neurons: the upper line for positive coefficients, the lower one
    /// for negative ones.
    fn relax(&mut self, lines: &[Lines]) -> Result<(), Overflow> {
        self.constant = shifted(self.constant, SLOPE_BITS)?;
        for (coefficient, lines) in self.coefficients.iter_mut().zip(lines) {
            if *coefficient > 0 {
                self.constant = sum(self.constant, product(*coefficient, lines.offset)?)?;
                *coefficient = product(*coefficient, lines.upper)?;
            } else {
                self.constant = sum(self.constant, product(*coefficient, lines.below)?)?;
                *coefficient = product(*coefficient, lines.lower)?;
            }
        }
        self.scale_features(SLOPE_BITS)
    }

    /// Multiplies denominator and feature coefficients by 2^`bits`.
    fn scale_features(&mut self, bits: u32) -> Result<(), Overflow> {
        for feature in self.features.iter_mut().filter(|feature| **feature != 0) {
            *feature = shifted(*feature, bits)?;
        }
        self.bits = self.bits.saturating_add(bits);
        Ok(())
    }

    /// In deep networks, drops low bits before they leave 128: a coefficient λ becomes ⌊λ/2^r⌋,
    /// and the rest ρ ≥ 0 counts at most ρ·max(v's upper bound, 0).
    fn round(&mut self, column_sum: i64, high: &[i64], input_high: &[i64]) -> Result<(), Overflow> {
        if self.rounding == Rounding::Exact {
            return Ok(());
        }
        let features = self.features.iter().map(|value| value.saturating_abs());
        let column = bits_of(i128::from(column_sum));
        let drop = [
            bits_of(self.largest())
                .saturating_add(column)
                .saturating_sub(COEFFICIENT_BITS),
            bits_of(features.max().unwrap_or(0)).saturating_sub(COEFFICIENT_BITS),
            bits_of(self.constant).saturating_sub(CONSTANT_BITS),
        ];
        let drop = drop.into_iter().max().unwrap_or(0);
        if drop == 0 {
            return Ok(());
        }
        self.bits = self.bits.checked_sub(drop).ok_or(Overflow)?;
        let values = self.coefficients.iter_mut().zip(high);
        for (coefficient, &high) in values.chain(self.features.iter_mut().zip(input_high)) {
            let floor = coefficient.checked_shr(drop).ok_or(Overflow)?;
            let rest = sum(*coefficient, shifted(floor, drop)?.saturating_neg())?;
            self.constant = sum(self.constant, product(rest, high.max(0))?)?;
            *coefficient = floor;
        }
        let floor = self.constant.checked_shr(drop).ok_or(Overflow)?;
        self.constant = sum(floor, 1)?;
        Ok(())
    }

    /// Subtracts `multiplier/2¹⁶ · (Σ c·x − b)` of a fact, which is at most zero in the region.
    pub(super) fn subtract_fact(
        &mut self,
        fact: &LinearConstraint,
        multiplier: u32,
    ) -> Result<(), Overflow> {
        if self.bits < MULTIPLIER_BITS {
            let missing = MULTIPLIER_BITS.saturating_sub(self.bits);
            self.constant = shifted(self.constant, missing)?;
            self.scale_features(missing)?;
        }
        let scale = self.bits.saturating_sub(MULTIPLIER_BITS);
        let weight =
            |value: i64| shifted(product(i128::from(value), i64::from(multiplier))?, scale);
        for &(index, coefficient) in &fact.terms {
            self.add_feature(index, weight(coefficient)?.saturating_neg())?;
        }
        self.constant = sum(self.constant, weight(fact.bound)?)?;
        Ok(())
    }

    /// The largest value of the bound in the box, rounded down: what it bounds is an integer.
    pub(super) fn concretize(&self, input: &InputBox) -> Result<i128, Overflow> {
        let terms = self.features.iter().copied().enumerate();
        let largest = sum(input.maximum(terms)?, self.constant)?;
        largest.checked_shr(self.bits).ok_or(Overflow)
    }
}

/// `to = Σ from · row`. The caller has shown that no partial sum leaves `T`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the largest coefficient times the largest column sum fits, see Backward::multiply"
)]
fn accumulate<T>(layer: &Layer, from: &[T], to: &mut [T])
where
    T: Copy + Default + PartialEq + From<i16> + core::ops::Mul<Output = T> + core::ops::AddAssign,
{
    for (&coefficient, row) in from.iter().zip(layer.rows()) {
        if coefficient != T::default() {
            for (to, &weight) in to.iter_mut().zip(row) {
                *to += coefficient * T::from(weight);
            }
        }
    }
}

/// Bits of a magnitude.
const fn bits_of(value: i128) -> u32 {
    u128::BITS.saturating_sub(value.unsigned_abs().leading_zeros())
}

/// Denominator of multipliers, as a shift.
const MULTIPLIER_BITS: u32 = 16;
/// Bits that a coefficient times a column sum keeps when rounding.
const COEFFICIENT_BITS: u32 = 60;
/// Bits that the constant keeps when rounding.
const CONSTANT_BITS: u32 = 80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Values up to their upper bounds; the expression times its old denominator.
        #[test]
        fn rounding_never_lowers_the_expression(
            coefficients in prop::collection::vec(-(1i128 << 90)..1 << 90, 4),
            features in prop::collection::vec(-(1i128 << 90)..1 << 90, 2),
            high in prop::collection::vec(-100_000i64..100_000, 6),
            below in prop::collection::vec(0i64..3, 6),
            constant in -(1i128 << 100)..1 << 100,
        ) {
            let value = |backward: &Backward| {
                let all = backward.coefficients.iter().chain(&backward.features);
                let ends = high.iter().zip(&below).map(|(high, below)| i128::from(high - below));
                all.zip(ends).map(|(c, v)| c * v).sum::<i128>() + backward.constant
            };
            let mut backward = Backward {
                coefficients,
                features,
                constant,
                bits: 90,
                rounding: Rounding::Outward,
                ..Backward::default()
            };
            let before = value(&backward);
            backward.round(1 << 15, &high[..4], &high[4..]).unwrap();
            let dropped = 90 - backward.bits;
            prop_assert!(dropped > 0, "something is dropped");
            prop_assert!(before <= value(&backward) << dropped);
            let column = bits_of(1 << 15);
            prop_assert!(bits_of(backward.largest()) + column <= COEFFICIENT_BITS + 1);
        }
    }
}
