//! Rule *affine*: an upper bound carried backwards through rows, floors and lines.
//!
//! The bound is `(Σ coefficient·v + Σ feature·x + constant) / 2^bits`, where v are the values of one
//! layer after the other, from the values bounded down, and at the end nothing but features is left.

use super::exact::{Overflow, product, shifted, sum};
use super::phase::Phase;
use super::region::{Place, Weighted, maximum};
use super::relaxation::{Of, Relaxation};
use super::relu::{Lines, SLOPE_BITS};
use crate::claim::LinearConstraint;
use crate::semantics::{Layer, ONE, Range};

/// `(Σ coefficient·v + Σ feature·x + constant) / 2^bits`.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    coefficients: Vec<i128>,
    features: Vec<i128>,
    constant: i128,
    bits: u32,
}

impl Relaxation {
    /// The largest integer that an expression over the values of a layer, before ReLU and clamp,
    /// reaches in a place where what is weighed holds; the layers in front of it are relaxed.
    pub(super) fn bound(
        &self,
        place: &Place<'_>,
        layer: usize,
        mut expression: Expression,
        weighted: &Weighted<'_>,
    ) -> Result<i128, Overflow> {
        let layers = place.program.layers().get(..=layer).unwrap_or_default();
        for (number, rows) in layers.iter().enumerate().rev() {
            if number < layer {
                let lines = self.lines.get(number).ok_or(Overflow)?;
                let values = self.values.get(number).ok_or(Overflow)?;
                expression.relax(lines)?;
                expression.add_phases(number, &weighted.phases)?;
                expression.round(rows.column_sum, values, &place.input)?;
            }
            expression.substitute(rows, self.of)?;
            if place.program.reads_features_again(number) {
                let inputs = place.program.table().features.len();
                let values = expression.coefficients.len().saturating_sub(inputs);
                expression.values_are_features(values)?;
            }
        }
        expression.values_are_features(0)?;
        for &(fact, weight) in &weighted.facts {
            expression.subtract_fact(fact, weight)?;
        }
        let features = expression.features.iter().copied().enumerate();
        let largest = sum(maximum(&place.input, features)?, expression.constant)?;
        // What is bounded is an integer.
        largest.checked_shr(expression.bits).ok_or(Overflow)
    }
}

impl Expression {
    /// Zero, in units of 2^−`bits`.
    pub(super) fn new(place: &Place<'_>, layer: usize, bits: u32) -> Self {
        let values = place.program.layers().get(layer);
        Self {
            coefficients: vec![0; values.map_or(0, |layer| layer.rows().len())],
            features: vec![0; place.input.len()],
            constant: 0,
            bits,
        }
    }

    /// Adds `term·v`.
    pub(super) fn add_value(&mut self, index: usize, term: i128) -> Result<(), Overflow> {
        let coefficient = self.coefficients.get_mut(index).ok_or(Overflow)?;
        *coefficient = sum(*coefficient, term)?;
        Ok(())
    }

    /// Adds `term·x`.
    pub(super) fn add_feature(&mut self, index: usize, term: i128) -> Result<(), Overflow> {
        let feature = self.features.get_mut(index).ok_or(Overflow)?;
        *feature = sum(*feature, term)?;
        Ok(())
    }

    /// Adds a number.
    pub(super) fn add_constant(&mut self, term: i128) -> Result<(), Overflow> {
        self.constant = sum(self.constant, term)?;
        Ok(())
    }

    /// The values from `start` on are the features.
    fn values_are_features(&mut self, start: usize) -> Result<(), Overflow> {
        let features = self.coefficients.split_off(start);
        let mut terms = features.into_iter().enumerate();
        terms.try_for_each(|(index, term)| self.add_feature(index, term))
    }

    /// Replaces neurons by what they read: `z = (Σ w·h + bias·2¹⁶ − e) / 2ˢ` with
    /// `0 ≤ e ≤ 2ˢ − 1`, where e = 0 is the worst for a positive coefficient and the largest e for
    /// a negative one. A difference has no bias and two such e, so |e| ≤ 2ˢ − 1.
    fn substitute(&mut self, layer: &Layer, of: Of) -> Result<(), Overflow> {
        let mut next = self.multiply(layer)?;
        let mut bias = next.pop().unwrap_or(0);
        let mut lost = 0i128;
        for &coefficient in &self.coefficients {
            let worst = match of {
                Of::Input => coefficient.min(0),
                Of::Difference => coefficient,
            };
            lost = sum(lost, worst.saturating_abs())?;
        }
        if of == Of::Difference {
            bias = 0;
        }
        self.scale_rest(layer.shift)?;
        let error = sum(shifted(lost, layer.shift)?, lost.saturating_neg())?;
        self.coefficients = next;
        self.add_constant(sum(product(bias, ONE)?, error)?)
    }

    /// `coefficients · rows`.
    fn multiply(&self, layer: &Layer) -> Result<Vec<i128>, Overflow> {
        // Every partial sum of a column is at most this.
        let reach = product(largest(&self.coefficients), layer.column_sum)?;
        if reach > i128::from(i64::MAX) {
            return Err(Overflow);
        }
        let mut row = vec![0i64; layer.row_len];
        for (&coefficient, weights) in self.coefficients.iter().zip(layer.rows()) {
            if let (Ok(coefficient), true) = (i64::try_from(coefficient), coefficient != 0) {
                accumulate(coefficient, weights, &mut row);
            }
        }
        Ok(row.into_iter().map(i128::from).collect())
    }

    /// Replaces activations by neurons: the upper line for positive coefficients, the lower one
    /// for negative ones.
    fn relax(&mut self, lines: &[Lines]) -> Result<(), Overflow> {
        self.scale_rest(SLOPE_BITS)?;
        for (coefficient, lines) in self.coefficients.iter_mut().zip(lines) {
            let (slope, offset) = if *coefficient > 0 {
                (lines.upper, lines.offset)
            } else {
                (lines.lower, lines.below)
            };
            self.constant = sum(self.constant, product(*coefficient, offset)?)?;
            *coefficient = product(*coefficient, slope)?;
        }
        Ok(())
    }

    /// Adds `weight/2¹⁶` times what a phase in this layer says is not negative.
    fn add_phases(&mut self, layer: usize, phases: &[(Phase, u32)]) -> Result<(), Overflow> {
        for &(phase, weight) in phases.iter().filter(|(phase, _)| phase.layer == layer) {
            let weight = self.weight(weight)?;
            let (slope, offset) = phase.excess();
            self.add_value(phase.neuron, product(weight, slope)?)?;
            self.add_constant(product(weight, offset)?)?;
        }
        Ok(())
    }

    /// Subtracts `weight/2¹⁶ · (Σ c·x − b)` of a fact, which is at most zero in the region.
    fn subtract_fact(&mut self, fact: &LinearConstraint, weight: u32) -> Result<(), Overflow> {
        let weight = self.weight(weight)?;
        for &(index, coefficient) in &fact.terms {
            self.add_feature(index, product(weight, coefficient)?.saturating_neg())?;
        }
        self.add_constant(product(weight, fact.bound)?)
    }

    /// `weight/2¹⁶` in units of the bound, whose denominator grows where it is smaller than 2¹⁶.
    fn weight(&mut self, weight: u32) -> Result<i128, Overflow> {
        let missing = WEIGHT_BITS.saturating_sub(self.bits);
        for coefficient in &mut self.coefficients {
            *coefficient = shifted(*coefficient, missing)?;
        }
        self.scale_rest(missing)?;
        shifted(i128::from(weight), self.bits.saturating_sub(WEIGHT_BITS))
    }

    /// Multiplies the denominator and everything but the coefficients by 2^`bits`.
    fn scale_rest(&mut self, bits: u32) -> Result<(), Overflow> {
        for value in self.features.iter_mut().chain([&mut self.constant]) {
            *value = shifted(*value, bits)?;
        }
        self.bits = self.bits.saturating_add(bits);
        Ok(())
    }

    /// Drops low bits of coefficients whose products would leave 64 bits, and of everything else
    /// before it leaves 128: λ becomes ⌊λ/2^r⌋, and the rest ρ ≥ 0 counts at most
    /// ρ·max(v's upper bound, 0).
    fn round(
        &mut self,
        column_sum: i64,
        values: &[Range],
        input: &[Range],
    ) -> Result<(), Overflow> {
        let column = bits_of(i128::from(column_sum));
        let coefficients = bits_of(largest(&self.coefficients)).saturating_add(column);
        let features = bits_of(largest(&self.features));
        let constant = bits_of(self.constant);
        let drop = (coefficients.saturating_sub(COEFFICIENT_BITS))
            .max(features.saturating_sub(FEATURE_BITS))
            .max(constant.saturating_sub(CONSTANT_BITS));
        if drop == 0 {
            return Ok(());
        }
        self.bits = self.bits.checked_sub(drop).ok_or(Overflow)?;
        let coefficients = self.coefficients.iter_mut().zip(values);
        for (coefficient, range) in coefficients.chain(self.features.iter_mut().zip(input)) {
            let floor = coefficient.checked_shr(drop).ok_or(Overflow)?;
            let rest = sum(*coefficient, shifted(floor, drop)?.saturating_neg())?;
            self.constant = sum(self.constant, product(rest, range.high.max(0))?)?;
            *coefficient = floor;
        }
        let floor = self.constant.checked_shr(drop).ok_or(Overflow)?;
        self.constant = sum(floor, 1)?;
        Ok(())
    }
}

/// `to += coefficient · weights`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the largest coefficient times the largest column sum fits, see Expression::multiply"
)]
fn accumulate(coefficient: i64, weights: &[i16], to: &mut [i64]) {
    for (to, &weight) in to.iter_mut().zip(weights) {
        *to += coefficient * i64::from(weight);
    }
}

/// The largest magnitude.
fn largest(values: &[i128]) -> i128 {
    let magnitudes = values.iter().map(|value| value.saturating_abs());
    magnitudes.max().unwrap_or(0)
}

/// Bits of a magnitude.
const fn bits_of(value: i128) -> u32 {
    u128::BITS.saturating_sub(value.unsigned_abs().leading_zeros())
}

/// Denominator of weights, as a shift.
const WEIGHT_BITS: u32 = 16;
/// Bits that a coefficient times a column sum keeps.
const COEFFICIENT_BITS: u32 = 62;
/// Bits that the coefficient of a feature keeps.
const FEATURE_BITS: u32 = 72;
/// Bits that the constant keeps.
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
            let value = |expression: &Expression| {
                let all = expression.coefficients.iter().chain(&expression.features);
                let ends = high.iter().zip(&below).map(|(high, below)| i128::from(high - below));
                all.zip(ends).map(|(c, v)| c * v).sum::<i128>() + expression.constant
            };
            let mut expression = Expression { coefficients, features, constant, bits: 90 };
            let before = value(&expression);
            let ranges = |high: &[i64]| {
                high.iter().map(|&high| Range { low: i64::MIN, high }).collect::<Vec<_>>()
            };
            let column_sum = (1 << 15) - 1;
            expression.round(column_sum, &ranges(&high[..4]), &ranges(&high[4..])).unwrap();
            let dropped = 90 - expression.bits;
            prop_assert!(dropped > 0, "something is dropped");
            prop_assert!(before <= value(&expression) << dropped);
            prop_assert!(product(largest(&expression.coefficients), column_sum).unwrap() <= i64::MAX.into());
        }
    }
}
