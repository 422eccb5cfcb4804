//! Exact arithmetic where a verdict is decided: rounding of rationals, halfspaces at `f32` points.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use num_rational::BigRational;

use crate::float::network::FloatNetwork;
use crate::float::property::{Case, Halfspace};

/// The outputs of an input, where they are unsafe in a case: the input lies in the case's rounded
/// box, every number is finite, and all halfspaces of some conjunction hold exactly.
pub fn replay(network: &FloatNetwork, case: &Case, input: &[f32]) -> Option<Vec<f32>> {
    let inside = case.input.len() == input.len()
        && case.input.iter().zip(input).all(|((low, high), &value)| {
            value.is_finite() && nearest_single(low) <= value && value <= nearest_single(high)
        });
    if !inside {
        return None;
    }
    let output = network.forward(input);
    let finite = output.iter().all(|value| value.is_finite());
    let is_unsafe = finite
        && case.unsafe_any.iter().any(|conjunction| {
            conjunction
                .iter()
                .all(|halfspace| contains(halfspace, input, &output))
        });
    is_unsafe.then_some(output)
}

/// Whether finite values lie in a halfspace, decided exactly.
pub fn contains(halfspace: &Halfspace, input: &[f32], output: &[f32]) -> bool {
    let zero = BigRational::from_integer(BigInt::ZERO);
    let terms = |entries: &[(usize, BigRational)], values: &[f32]| {
        entries
            .iter()
            .filter_map(|(place, coefficient)| {
                Some(coefficient * BigRational::from_float(values[*place])?)
            })
            .fold(zero.clone(), |sum, term| sum + term)
    };
    terms(&halfspace.outputs, output) + terms(&halfspace.inputs, input) <= halfspace.bound
}

/// The nearest `f32`, ties to even; infinite beyond the largest.
pub fn nearest_single(number: &BigRational) -> f32 {
    let quotient = Quotient::of(number, 24, -149);
    let up = match quotient.rest {
        Rest::Zero | Rest::BelowHalf => 0,
        Rest::Half => quotient.digits & 1,
        Rest::AboveHalf => 1,
    };
    let magnitude = scale(quotient.digits + up, quotient.exponent);
    let single = magnitude as f32;
    if quotient.negative { -single } else { single }
}

/// The nearest `f64`, ties to even; infinite beyond the largest.
pub fn nearest_double(number: &BigRational) -> f64 {
    let quotient = Quotient::of(number, 53, -1074);
    let up = match quotient.rest {
        Rest::Zero | Rest::BelowHalf => 0,
        Rest::Half => quotient.digits & 1,
        Rest::AboveHalf => 1,
    };
    let magnitude = scale(quotient.digits + up, quotient.exponent);
    if quotient.negative {
        -magnitude
    } else {
        magnitude
    }
}

/// The largest `f64` that is at most the number; −∞ below the smallest finite one.
pub fn floor_double(number: &BigRational) -> f64 {
    let quotient = Quotient::of(number, 53, -1074);
    if quotient.negative {
        let up = u64::from(quotient.rest != Rest::Zero);
        -scale(quotient.digits + up, quotient.exponent)
    } else {
        scale(quotient.digits, quotient.exponent).min(f64::MAX)
    }
}

/// |n/d| = digits·2^exponent plus a rest below one unit of the last digit.
struct Quotient {
    negative: bool,
    digits: u64,
    exponent: i64,
    rest: Rest,
}

/// What is cut off, against half a unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Zero,
    BelowHalf,
    Half,
    AboveHalf,
}

impl Quotient {
    /// `bits` digits (at most 53), fewer where the exponent would fall below `smallest`.
    fn of(number: &BigRational, bits: i64, smallest: i64) -> Self {
        let numerator = number.numer().magnitude();
        let denominator = number.denom().magnitude();
        let negative = number.numer().sign() == Sign::Minus;
        if *numerator == BigUint::ZERO {
            return Self {
                negative: false,
                digits: 0,
                exponent: smallest,
                rest: Rest::Zero,
            };
        }
        // The quotient lies in [2^(size−1), 2^(size+1)).
        let size = numerator.bits() as i64 - denominator.bits() as i64;
        let mut exponent = (size - bits).max(smallest);
        loop {
            let (mut over, mut under) = (numerator.clone(), denominator.clone());
            if exponent < 0 {
                over <<= exponent.unsigned_abs();
            } else {
                under <<= exponent.unsigned_abs();
            }
            let digits = &over / &under;
            if digits.bits() as i64 > bits {
                exponent += 1;
                continue;
            }
            let twice = (over - &digits * &under) << 1u32;
            let rest = match twice.cmp(&under) {
                Ordering::Less if twice == BigUint::ZERO => Rest::Zero,
                Ordering::Less => Rest::BelowHalf,
                Ordering::Equal => Rest::Half,
                Ordering::Greater => Rest::AboveHalf,
            };
            let digits = digits.iter_u64_digits().next().unwrap_or(0);
            return Self {
                negative,
                digits,
                exponent,
                rest,
            };
        }
    }
}

/// digits·2^exponent for at most 2⁵³ digits and an exponent ≥ −1074; infinite beyond the largest.
fn scale(digits: u64, exponent: i64) -> f64 {
    if exponent > 1024 {
        return if digits == 0 { 0.0 } else { f64::INFINITY };
    }
    // Two steps, as 2^exponent itself may be no normal number; only the second can meet an end.
    let half = exponent / 2;
    digits as f64 * power_of_two(half) * power_of_two(exponent - half)
}

/// 2^exponent for an exponent in [−1022, 1023].
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rational(numerator: i64, denominator: i64) -> BigRational {
        BigRational::new(BigInt::from(numerator), BigInt::from(denominator))
    }

    fn exact(value: f64) -> BigRational {
        BigRational::from_float(value).unwrap()
    }

    #[test]
    fn numbers_known_from_decimals_round_as_the_standard_library_parses_them() {
        for text in [
            "0.1",
            "0.679857769",
            "-0.499999896",
            "3.9911256459",
            "16777217",
        ] {
            let digits = text.replace('.', "");
            let places = text.split_once('.').map_or(0, |(_, after)| after.len());
            let number = rational(digits.parse().unwrap(), 10i64.pow(places as u32));
            assert_eq!(nearest_single(&number), text.parse::<f32>().unwrap());
            assert_eq!(nearest_double(&number), text.parse::<f64>().unwrap());
        }
    }

    #[test]
    fn ends_of_the_range_and_ties_are_rounded_to_even() {
        let two = |power: i32| exact(2.0f64.powi(power));
        assert_eq!(nearest_single(&two(-150)), 0.0);
        assert_eq!(nearest_single(&(two(-150) + two(-300))), f32::from_bits(1));
        assert_eq!(nearest_single(&(two(-149) + two(-150))), f32::from_bits(2));
        assert_eq!(nearest_single(&exact(16_777_217.0)), 16_777_216.0);
        assert_eq!(nearest_single(&exact(-16_777_219.0)), -16_777_220.0);
        assert_eq!(nearest_single(&two(128)), f32::INFINITY);
        assert_eq!(nearest_double(&(two(1023) * two(2))), f64::INFINITY);
        assert_eq!(floor_double(&(two(1023) * two(2))), f64::MAX);
        assert_eq!(floor_double(&-(two(1023) * two(2))), f64::NEG_INFINITY);
        assert_eq!(nearest_double(&(two(-1074) / two(1))), 0.0);
        assert_eq!(floor_double(&-(two(-1074) / two(1))), -f64::from_bits(1));
    }

    #[test]
    fn a_point_on_the_boundary_is_unsafe_and_one_beyond_is_not() {
        let third = rational(1, 3);
        let halfspace = |bound| Halfspace {
            outputs: vec![(0, third.clone())],
            inputs: vec![(0, rational(-1, 1))],
            bound,
        };
        // 3/3 − 2 = −1, exactly; in binary a third of three need not be one.
        assert!(contains(&halfspace(rational(-1, 1)), &[2.0], &[3.0]));
        let below = rational(-1, 1) - rational(1, i64::MAX);
        assert!(!contains(&halfspace(below), &[2.0], &[3.0]));
    }

    proptest! {
        #[test]
        fn rounding_brackets_every_fraction(n in any::<i64>(), d in 1i64..i64::MAX) {
            let number = rational(n, d);
            let below = floor_double(&number);
            prop_assert!(exact(below) <= number);
            prop_assert!(exact(below.next_up()) > number);
            let nearest = nearest_double(&number);
            prop_assert!(nearest == below || nearest == below.next_up());
            let single = nearest_single(&number);
            let distance = |value: f32| {
                let difference = exact(f64::from(value)) - &number;
                if difference < rational(0, 1) { -difference } else { difference }
            };
            prop_assert!(distance(single) <= distance(single.next_up()));
            prop_assert!(distance(single) <= distance(single.next_down()));
        }

        #[test]
        fn every_single_is_its_own_nearest(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            if let Some(number) = BigRational::from_float(value) {
                prop_assert_eq!(nearest_single(&number), value);
            }
        }
    }
}
