//! From a network and a property to a verdict.

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::float::attack::Attack;
use crate::float::network::FloatNetwork;
use crate::float::property::{Case, Property};
use crate::float::replay::nearest_single;
use crate::float::rounding::{Rounding, any_order_error};
use crate::float::search::Search;
use crate::float::search::query::Query;
use crate::float::verdict::{Answer, CaseStatus, Reason, Verdict};

/// How to search; the same options give the same answer, unless [`Watch::stop`] ends it early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Regions to bound at most.
    pub max_boxes: u64,
    /// Gradient descent before branch and bound.
    pub attack: Attack,
    /// Where descents start.
    pub seed: u64,
    /// What regions are split by.
    pub branching: Branching,
}

/// What regions are split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branching {
    /// Inputs where there are few, else phases.
    Auto,
    /// Inputs only.
    Inputs,
    /// Phases of neurons, and inputs where no phase is open.
    Phases,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_boxes: u64::MAX,
            attack: Attack {
                starts: 48,
                steps: 30,
            },
            seed: 1,
            branching: Branching::Auto,
        }
    }
}

/// Who looks on: progress goes out, a wish to stop comes in. Time itself is the caller's affair.
#[derive(Clone, Copy)]
pub struct Watch<'w> {
    /// Called after every batch of regions.
    pub progress: &'w (dyn Fn(Progress) + Sync),
    /// Asked before every region, from any thread, and before that before every case and
    /// conjunction; true ends the work with what there is.
    pub stop: &'w (dyn Fn() -> bool + Sync),
}

impl Watch<'static> {
    /// Nobody.
    pub fn none() -> Self {
        Self {
            progress: &|_| {},
            stop: &|| false,
        }
    }
}

/// Where the work stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Regions bounded so far.
    pub boxes: u64,
    /// Regions still open.
    pub open: usize,
    /// Proven fraction, rounded; the mean over cases.
    pub proven: f64,
}

/// Why a question cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The property is about networks of another shape.
    #[error("the property is about {expected} {field}, the network has {got}")]
    Shape {
        /// `inputs` or `outputs`.
        field: &'static str,
        /// What the property says.
        expected: usize,
        /// What the network has.
        got: usize,
    },
    /// A case's box has another number of sides, or a halfspace a place beyond the last.
    #[error("case {case}: {field} {got} does not fit {expected} declared ones")]
    Case {
        /// The case, counted from zero.
        case: usize,
        /// `inputs` or `outputs`.
        field: &'static str,
        /// How many there are.
        expected: usize,
        /// Sides of the box, or the place of a coefficient.
        got: usize,
    },
    /// A box contains nothing.
    #[error("case {case}: the lower bound of input {input} is above the upper one")]
    Empty {
        /// The case.
        case: usize,
        /// The input.
        input: usize,
    },
    /// A bound beyond the largest `f32`.
    #[error("case {case}: a bound of input {input} is beyond the largest f32")]
    Range {
        /// The case.
        case: usize,
        /// The input.
        input: usize,
    },
    /// Values may overflow `f32`, where no bound of rounding holds.
    #[error("case {case}: sums of layer {layer} may exceed the largest f32")]
    Overflow {
        /// The case.
        case: usize,
        /// The layer, counted from zero.
        layer: usize,
    },
}

/// Decides a property about a network.
///
/// # Soundness
/// `Holds`: no `f32` input in the rounded box of any case gives, in any order of summation, outputs
/// in one of its unsafe conjunctions. `Violated`: the input lies in the rounded box of its case, and
/// [`FloatNetwork::forward`] gives outputs that lie in one.
///
/// # Errors
/// [`VerifyError`] where the property does not fit the network, or where sums may overflow; cases
/// are looked at in order, so that one after a wish to stop goes unnoticed.
pub fn verify(
    network: &FloatNetwork,
    property: &Property,
    options: &Options,
    watch: Watch<'_>,
) -> Result<Answer, VerifyError> {
    fits(network, property)?;
    let mut queries = vec![];
    for (case, content) in property.cases.iter().enumerate() {
        if (watch.stop)() {
            return Ok(not_started(property));
        }
        case_fits(property, case, content)?;
        let ends = content.input.iter();
        let inputs: Vec<f64> = ends
            .map(|(low, high)| f64::from(nearest_single(low).abs().max(nearest_single(high).abs())))
            .collect();
        let outputs =
            magnitudes(network, inputs).map_err(|layer| VerifyError::Overflow { case, layer })?;
        let Some(query) = Query::new(content, &outputs, watch.stop) else {
            return Ok(not_started(property));
        };
        queries.push(query);
    }
    let mut search = Search::new(network, property, queries, options, watch);
    let verdict = search.run();
    Ok(Answer {
        verdict,
        cases: search.cases(),
        best: search.best(),
        boxes: search.boxes(),
    })
}

/// Stopped before anything was bounded.
fn not_started(property: &Property) -> Answer {
    let whole = CaseStatus {
        proven: BigRational::from_integer(BigInt::ZERO),
        remaining: 1,
        largest: vec![],
    };
    Answer {
        verdict: Verdict::Unknown(Reason::Stopped),
        cases: vec![whole; property.cases.len()],
        best: None,
        boxes: 0,
    }
}

fn fits(network: &FloatNetwork, property: &Property) -> Result<(), VerifyError> {
    for (field, expected, got) in [
        ("inputs", property.inputs, network.inputs()),
        ("outputs", property.outputs, network.outputs()),
    ] {
        if expected != got {
            return Err(VerifyError::Shape {
                field,
                expected,
                got,
            });
        }
    }
    Ok(())
}

fn case_fits(property: &Property, number: usize, case: &Case) -> Result<(), VerifyError> {
    let misfit = |field, expected, got| VerifyError::Case {
        case: number,
        field,
        expected,
        got,
    };
    if case.input.len() != property.inputs {
        return Err(misfit("inputs", property.inputs, case.input.len()));
    }
    for (input, (low, high)) in case.input.iter().enumerate() {
        if low > high {
            let case = number;
            return Err(VerifyError::Empty { case, input });
        }
        if !(nearest_single(low).is_finite() && nearest_single(high).is_finite()) {
            let case = number;
            return Err(VerifyError::Range { case, input });
        }
    }
    for halfspace in case.unsafe_any.iter().flatten() {
        let entries = [
            ("outputs", property.outputs, &halfspace.outputs),
            ("inputs", property.inputs, &halfspace.inputs),
        ];
        for (field, count, entries) in entries {
            if let Some((place, _)) = entries.iter().find(|(place, _)| *place >= count) {
                return Err(misfit(field, count, *place));
            }
        }
    }
    Ok(())
}

/// Bounds of the absolute values of the outputs in any order of summation, or the first layer whose
/// sums may overflow.
fn magnitudes(network: &FloatNetwork, inputs: Vec<f64>) -> Result<Vec<f64>, usize> {
    let mut values = inputs;
    for (number, layer) in network.layers().iter().enumerate() {
        let rows = (0..layer.outputs).map(|output| {
            let products = layer.row(output).iter().zip(&values);
            let sum = products.fold(layer.bias[output].abs(), |sum, (weight, value)| {
                sum + weight.abs() * value
            });
            // The sum itself is rounded, by less than this in every order.
            let sum = sum * (1.0 + 1e-9);
            match layer.rounding {
                Rounding::Exact => sum,
                Rounding::AnyOrder => sum + any_order_error(layer.inputs, sum),
            }
        });
        values = rows.collect();
        if values.iter().any(|&value| value > LARGEST_SUM) {
            return Err(number);
        }
    }
    Ok(values)
}

/// Half the largest `f32`.
const LARGEST_SUM: f64 = f32::MAX as f64 / 2.0;
