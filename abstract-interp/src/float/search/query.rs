//! A case of a property, made ready for bounds in `f64`.

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::float::bound::Row;
use crate::float::property::{Case, Halfspace};
use crate::float::replay::{floor_double, nearest_double, nearest_single};

/// A case in `f64`: rows to bound, and what their bounds have to exceed.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// Inclusive ends of the rounded box.
    pub(crate) low: Vec<f32>,
    pub(crate) high: Vec<f32>,
    /// The distinct linear functions of its halfspaces.
    pub(crate) rows: Vec<Row>,
    /// Per conjunction its halfspaces.
    pub(crate) conjunctions: Vec<Vec<Limit>>,
}

/// A halfspace: row ≤ bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) row: usize,
    /// The halfspace is excluded exactly where its row has a lower bound > this.
    pub(crate) bound: f64,
    /// The row is the halfspace's left-hand side times this, more than zero.
    pub(crate) scale: f64,
}

impl Query {
    /// `magnitudes` bounds the absolute values of the outputs over the box. None where `stop`,
    /// which is asked before every conjunction, says so.
    pub(crate) fn new(
        case: &Case,
        magnitudes: &[f64],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Self> {
        let ends = case.input.iter();
        let low: Vec<f32> = ends.clone().map(|(low, _)| nearest_single(low)).collect();
        let high: Vec<f32> = ends.map(|(_, high)| nearest_single(high)).collect();
        let largest = low.iter().zip(&high);
        let inputs: Vec<f64> = largest
            .map(|(low, high)| f64::from(low.abs().max(high.abs())))
            .collect();
        let mut query = Self {
            low,
            high,
            rows: vec![],
            conjunctions: vec![],
        };
        for conjunction in &case.unsafe_any {
            if stop() {
                return None;
            }
            let limits = conjunction
                .iter()
                .map(|halfspace| query.add(halfspace, &inputs, magnitudes))
                .collect();
            query.conjunctions.push(limits);
        }
        Some(query)
    }

    fn add(&mut self, halfspace: &Halfspace, inputs: &[f64], outputs: &[f64]) -> Limit {
        let factor = whole_numbers(halfspace);
        let zero = BigRational::from_integer(BigInt::ZERO);
        let mut slack = zero.clone();
        let mut round = |entries: &[(usize, BigRational)], magnitudes: &[f64]| {
            let rounded = entries.iter().map(|(place, coefficient)| {
                let exact = coefficient * &factor;
                let double = nearest_double(&exact);
                let number = BigRational::from_float(double).unwrap_or_else(|| zero.clone());
                let largest = BigRational::from_float(magnitudes[*place]);
                let away = number - exact;
                let away = if away < zero { -away } else { away };
                // Rounded up: sums of the exact numbers would have ever longer denominators.
                let error = away * largest.unwrap_or_else(|| zero.clone());
                let most = BigRational::from_float(floor_double(&-&error));
                slack += most.map_or(error, |most| -most);
                (*place, double)
            });
            rounded.collect()
        };
        let row = Row {
            outputs: round(&halfspace.outputs, outputs),
            inputs: round(&halfspace.inputs, inputs),
        };
        let bound = floor_double(&(&halfspace.bound * &factor + slack));
        let scale = nearest_double(&factor);
        let known = self.rows.iter().position(|other| *other == row);
        let row = known.unwrap_or_else(|| {
            self.rows.push(row);
            self.rows.len() - 1
        });
        Limit { row, bound, scale }
    }

    /// How far the worst halfspace of a conjunction is from holding, from the values of the rows;
    /// −∞ for the empty conjunction, which always holds.
    pub(crate) fn margin(&self, conjunction: usize, values: &[f64]) -> f64 {
        self.conjunctions[conjunction]
            .iter()
            .map(|limit| limit.margin(values))
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// The values of the rows at a point, rounded.
    pub(crate) fn values(&self, input: &[f32], output: &[f32], values: &mut Vec<f64>) {
        values.clear();
        values.extend(self.rows.iter().map(|row| {
            let outputs = row.outputs.iter().map(|&(i, c)| c * f64::from(output[i]));
            let inputs = row.inputs.iter().map(|&(i, c)| c * f64::from(input[i]));
            outputs.chain(inputs).fold(0.0, |sum, term| sum + term)
        }));
    }
}

/// What makes whole numbers of all coefficients instead of fractions such as 1/10, or one where that
/// is too large.
fn whole_numbers(halfspace: &Halfspace) -> BigRational {
    let one = BigRational::from_integer(BigInt::from(1));
    let mut factor = one.clone();
    for (_, coefficient) in halfspace.outputs.iter().chain(&halfspace.inputs) {
        let rest = (coefficient * &factor).denom().clone();
        factor *= BigRational::from_integer(rest);
        if factor.numer().bits() > LARGEST_BITS {
            return one;
        }
    }
    if nearest_double(&factor) > LARGEST_FACTOR {
        return one;
    }
    factor
}

impl Limit {
    pub(crate) fn margin(&self, values: &[f64]) -> f64 {
        (values[self.row] - self.bound) / self.scale
    }
}

/// Beyond this, coefficients are rounded and their errors are added to the bound instead.
const LARGEST_FACTOR: f64 = 1e30;
/// No factor with more bits is at most [`LARGEST_FACTOR`].
const LARGEST_BITS: u64 = 100;
