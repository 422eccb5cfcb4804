//! Linear terms over the variables, with exact coefficients.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::float::vnnlib::error::{Problem, VnnlibError};
use crate::float::vnnlib::sexpr::{Position, Sexpr, shorten};

/// An input or an output of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variable {
    Input(usize),
    Output(usize),
}

/// Σ coefficient·variable + constant.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// No coefficient is zero.
    pub(super) terms: BTreeMap<Variable, BigRational>,
    pub(super) constant: BigRational,
}

/// What a name stands for, where it is declared.
pub(super) trait Scope {
    fn lookup(&self, name: &str) -> Option<Variable>;
}

/// Digits of a number, and powers of ten, that are read at most.
const NUMBER_LIMIT: usize = 400;
/// Bits of numerators and denominators at most: sums and products of many numbers grow.
pub(super) const BIT_LIMIT: u64 = 1 << 12;

pub(super) fn integer(value: i64) -> BigRational {
    BigRational::from_integer(BigInt::from(value))
}

impl Linear {
    fn constant(constant: BigRational) -> Self {
        let terms = BTreeMap::new();
        Self { terms, constant }
    }

    fn variable(variable: Variable) -> Self {
        Self {
            terms: BTreeMap::from([(variable, integer(1))]),
            constant: integer(0),
        }
    }

    /// `self + factor·other`; none where an exact number becomes too long.
    pub(super) fn plus(mut self, factor: &BigRational, other: &Self) -> Option<Self> {
        let zero = integer(0);
        for (variable, coefficient) in &other.terms {
            let known = self.terms.remove(variable).unwrap_or_else(|| zero.clone());
            let sum = bounded(known + factor * coefficient)?;
            if sum != zero {
                self.terms.insert(*variable, sum);
            }
        }
        self.constant = bounded(self.constant + factor * &other.constant)?;
        Some(self)
    }

    /// `factor·self`; none where an exact number becomes too long.
    fn times(self, factor: &BigRational) -> Option<Self> {
        Self::constant(integer(0)).plus(factor, &self)
    }

    /// Reads a term.
    pub(super) fn read(term: &Sexpr<'_>, scope: &impl Scope) -> Result<Self, VnnlibError> {
        match term {
            Sexpr::Word(word, position) => Self::word(word, *position, scope),
            Sexpr::List(items, position) => {
                let Some((Sexpr::Word(operator, place), operands)) = items.split_first() else {
                    let got = term.describe();
                    return Err(position.expected("a number, a variable or (+ …)", got));
                };
                let operands = operands.iter().map(|operand| Self::read(operand, scope));
                let operands = operands.collect::<Result<Vec<_>, _>>()?;
                Self::apply(operator, *place, operands)
            }
        }
    }

    fn word(word: &str, position: Position, scope: &impl Scope) -> Result<Self, VnnlibError> {
        if word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
            return number(word, position).map(Self::constant);
        }
        let variable = scope.lookup(word).ok_or_else(|| {
            let name = shorten(word);
            position.error(Problem::UnknownVariable { name })
        })?;
        Ok(Self::variable(variable))
    }

    fn apply(operator: &str, position: Position, operands: Vec<Self>) -> Result<Self, VnnlibError> {
        let count = operands.len();
        let mut operands = operands.into_iter();
        let Some(first) = operands.next() else {
            return Err(position.expected("an operand", "`)`"));
        };
        let too_long = || {
            let limit = BIT_LIMIT;
            position.error(Problem::TermSize { limit })
        };
        let sum = |first: Self, operands: std::vec::IntoIter<Self>, sign: i64| {
            let sign = integer(sign);
            let mut operands = operands;
            let sum = operands.try_fold(first, |sum, term| sum.plus(&sign, &term));
            sum.ok_or_else(too_long)
        };
        match operator {
            "+" => sum(first, operands, 1),
            "-" if count == 1 => first.times(&integer(-1)).ok_or_else(too_long),
            "-" => sum(first, operands, -1),
            "*" => operands.try_fold(first, |product, term| {
                let product = if term.terms.is_empty() {
                    product.times(&term.constant)
                } else if product.terms.is_empty() {
                    term.times(&product.constant)
                } else {
                    return Err(position.error(Problem::NotLinear { operator: "*" }));
                };
                product.ok_or_else(too_long)
            }),
            "/" if count >= 2 => operands.try_fold(first, |quotient, divisor| {
                if !divisor.terms.is_empty() {
                    return Err(position.error(Problem::NotLinear { operator: "/" }));
                }
                if divisor.constant == integer(0) {
                    return Err(position.error(Problem::DivisionByZero));
                }
                let quotient = quotient.times(&divisor.constant.recip());
                quotient.ok_or_else(too_long)
            }),
            "/" => Err(position.expected("two operands of `/`", "one")),
            _ => Err(position.expected("one of + - * /", format!("`{}`", shorten(operator)))),
        }
    }
}

/// The number, unless it is longer than what any property needs.
fn bounded(number: BigRational) -> Option<BigRational> {
    let bits = number.numer().bits().max(number.denom().bits());
    (bits <= BIT_LIMIT).then_some(number)
}

/// A decimal number, with or without a sign, a fraction and an exponent; exact.
fn number(word: &str, position: Position) -> Result<BigRational, VnnlibError> {
    let malformed = || position.expected("a number", format!("`{}`", shorten(word)));
    let too_long = || {
        position.error(Problem::NumberSize {
            number: shorten(word),
            limit: NUMBER_LIMIT,
        })
    };
    if word.len() > 2 * NUMBER_LIMIT {
        return Err(too_long());
    }
    let (is_negative, magnitude) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(malformed());
            }
            (mantissa, exponent.parse::<i64>().map_err(|_| too_long())?)
        }
        None => (magnitude, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    if digits.len() > NUMBER_LIMIT || exponent.unsigned_abs() > NUMBER_LIMIT as u64 {
        return Err(too_long());
    }
    let value = BigInt::parse_bytes(digits.as_bytes(), 10).ok_or_else(malformed)?;
    let value = if is_negative { -value } else { value };
    let power = exponent - fraction.len() as i64;
    let scale = BigInt::from(10).pow(power.unsigned_abs() as u32);
    Ok(if power < 0 {
        BigRational::new(value, scale)
    } else {
        BigRational::from_integer(value * scale)
    })
}
