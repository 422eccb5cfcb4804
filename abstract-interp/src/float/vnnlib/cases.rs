//! From conjunctions of constraints to boxes of inputs and what is unsafe there.

use std::collections::BTreeMap;

use num_rational::BigRational;

use crate::float::property::{Case, Halfspace};
use crate::float::replay::floor_double;
use crate::float::vnnlib::error::{Problem, VnnlibError};
use crate::float::vnnlib::formula::Constraint;
use crate::float::vnnlib::sexpr::Position;
use crate::float::vnnlib::term::{BIT_LIMIT, Variable, integer};

/// Joins conjunctions with the same box; the order of the first ones is kept.
///
/// A conjunction that no input satisfies is left out, as long as there are others.
pub(super) fn cases(
    conjunctions: &[Vec<usize>],
    constraints: &[Constraint],
    inputs: &[Position],
) -> Result<Vec<Case>, VnnlibError> {
    let mut cases: Vec<Case> = Vec::new();
    let mut numbers: BTreeMap<Vec<(BigRational, BigRational)>, usize> = BTreeMap::new();
    let mut contradiction = None;
    for conjunction in conjunctions {
        let members = conjunction.iter().map(|&number| &constraints[number]);
        match conjunction_case(members, inputs)? {
            Ok((region, halfspaces)) => {
                let number = *numbers.entry(region.clone()).or_insert(cases.len());
                if number == cases.len() {
                    cases.push(Case {
                        input: region,
                        unsafe_any: Vec::new(),
                    });
                }
                let known = &mut cases[number].unsafe_any;
                // Comparing with the last one is enough for the copies that products of
                // disjunctions over inputs make, and cheap.
                if known.last() != Some(&halfspaces) {
                    known.push(halfspaces);
                }
            }
            Err(error) => contradiction = contradiction.or(Some(error)),
        }
    }
    match contradiction {
        Some(error) if cases.is_empty() => Err(error),
        _ => Ok(cases),
    }
}

struct Bounds<'a> {
    low: Option<BigRational>,
    high: Option<BigRational>,
    /// Where the last of them was tightened.
    last: Option<&'a Constraint>,
}

type Region = (Vec<(BigRational, BigRational)>, Vec<Halfspace>);

/// The outer error is about the file, the inner one says why no input satisfies the conjunction.
fn conjunction_case<'a>(
    members: impl Iterator<Item = &'a Constraint>,
    inputs: &[Position],
) -> Result<Result<Region, VnnlibError>, VnnlibError> {
    let zero = integer(0);
    let none = || Bounds {
        low: None,
        high: None,
        last: None,
    };
    let mut bounds: Vec<Bounds<'_>> = inputs.iter().map(|_| none()).collect();
    let mut general = Vec::new();
    for constraint in members {
        match &constraint.terms[..] {
            [] if zero <= constraint.bound => {}
            [] => {
                let reason = format!("0 <= {} does not hold", constraint.bound);
                return Ok(Err(empty(constraint.position, reason)));
            }
            [(Variable::Input(input), coefficient)] => {
                bounds[*input].tighten(constraint, coefficient);
            }
            _ => general.push(constraint),
        }
    }
    let mut region = Vec::with_capacity(inputs.len());
    for (input, (bounds, declared)) in bounds.into_iter().zip(inputs).enumerate() {
        let name = format!("X_{input}");
        let missing = |side| {
            let name = format!("X_{input}");
            declared.error(Problem::Unbounded { name, side })
        };
        let low = bounds.low.ok_or_else(|| missing("lower"))?;
        let high = bounds.high.ok_or_else(|| missing("upper"))?;
        if low > high {
            let position = bounds.last.map_or(*declared, |last| last.position);
            let reason = format!("{name} >= {low} and {name} <= {high}");
            return Ok(Err(empty(position, reason)));
        }
        region.push((low, high));
    }
    for constraint in &general {
        if let Some(least) = least_over(constraint, &region)
            && least > constraint.bound
        {
            let reason = format!(
                "a sum of inputs is at least {least} in the box, and at most {}",
                constraint.bound
            );
            return Ok(Err(empty(constraint.position, reason)));
        }
    }
    if let Err(error) = opposite(&general) {
        return Ok(Err(error));
    }
    let halfspaces = general.into_iter().map(halfspace).collect();
    Ok(Ok((region, halfspaces)))
}

/// The greatest lower and the least upper bound of a sum of inputs.
type Between = (Option<BigRational>, Option<BigRational>);

/// Fails where two constraints bound the same sum of inputs, or multiples of it, from both sides and
/// leave nothing in between.
fn opposite(constraints: &[&Constraint]) -> Result<(), VnnlibError> {
    let mut known: BTreeMap<Vec<(Variable, BigRational)>, Between> = BTreeMap::new();
    for constraint in constraints {
        let is_input = |(variable, _): &(Variable, _)| matches!(variable, Variable::Input(_));
        let Some((_, first)) = constraint.terms.first() else {
            continue;
        };
        if !constraint.terms.iter().all(is_input) {
            continue;
        }
        let terms = constraint.terms.iter();
        let direction = terms.map(|(variable, coefficient)| (*variable, coefficient / first));
        let bound = &constraint.bound / first;
        let (low, high) = known.entry(direction.collect()).or_default();
        if *first > integer(0) {
            if high.as_ref().is_none_or(|high| bound < *high) {
                *high = Some(bound);
            }
        } else if low.as_ref().is_none_or(|low| bound > *low) {
            *low = Some(bound);
        }
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            let reason = format!("a sum of inputs is at least {low}, and at most {high}");
            return Err(empty(constraint.position, reason));
        }
    }
    Ok(())
}

fn empty(position: Position, reason: String) -> VnnlibError {
    position.error(Problem::EmptyRegion { reason })
}

impl<'a> Bounds<'a> {
    /// coefficient·x ≤ bound.
    fn tighten(&mut self, constraint: &'a Constraint, coefficient: &BigRational) {
        let value = &constraint.bound / coefficient;
        let is_upper = *coefficient > integer(0);
        let side = if is_upper {
            &mut self.high
        } else {
            &mut self.low
        };
        let is_tighter = side.as_ref().is_none_or(|known| {
            if is_upper {
                value < *known
            } else {
                value > *known
            }
        });
        if is_tighter {
            *side = Some(value);
            self.last = Some(constraint);
        }
    }
}

/// The least left-hand side over a box, of a constraint on inputs only; rounded down where the exact
/// number becomes too long.
fn least_over(
    constraint: &Constraint,
    region: &[(BigRational, BigRational)],
) -> Option<BigRational> {
    // Outputs come last.
    if let Some((Variable::Output(_), _)) = constraint.terms.last() {
        return None;
    }
    let mut least = integer(0);
    for (variable, coefficient) in &constraint.terms {
        let Variable::Input(input) = *variable else {
            return None;
        };
        let (low, high) = &region[input];
        let end = if *coefficient > integer(0) { low } else { high };
        least += coefficient * end;
        if least.denom().bits() > BIT_LIMIT {
            least = BigRational::from_float(floor_double(&least))?;
        }
    }
    Some(least)
}

fn halfspace(constraint: &Constraint) -> Halfspace {
    let mut outputs = Vec::new();
    let mut inputs = Vec::new();
    for (variable, coefficient) in &constraint.terms {
        match *variable {
            Variable::Input(input) => inputs.push((input, coefficient.clone())),
            Variable::Output(output) => outputs.push((output, coefficient.clone())),
        }
    }
    Halfspace {
        outputs,
        inputs,
        bound: constraint.bound.clone(),
    }
}
