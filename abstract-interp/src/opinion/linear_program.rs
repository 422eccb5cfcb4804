//! Systems as linear and mixed-integer programs in floats, and `good_lp` with its backend microlp.
//!
//! Nothing that comes out of here is believed: values are candidates, duals are weights.

use std::panic::{AssertUnwindSafe, catch_unwind};

use good_lp::solvers::microlp::microlp;
use good_lp::solvers::{SolutionStatus, WithTimeLimit as _};
use good_lp::{
    Expression, ProblemVariables, ResolutionError, Solution as _, SolverModel as _, Variable,
    variable,
};

use super::Doubt;
use super::system::{Gate, Linear, System};

/// What a solver says instead of a solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No point satisfies everything.
    Infeasible,
    /// No answer, or none that could be used.
    Doubt(Doubt),
}

/// Whether a program knows on which side of its kink a gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinks {
    /// A binary variable per gate.
    Exact,
    /// Anything within the triangle.
    Relaxed,
}

/// Maximises the objective; the features of a maximiser, in units of 2⁻¹⁶.
pub(super) fn maximizer(system: &System, kinks: Kinks, seconds: f64) -> Result<Vec<f64>, Failure> {
    guarded(|| {
        let mut variables = ProblemVariables::new();
        let values: Vec<Variable> = system
            .variables
            .iter()
            .map(|bounds| {
                let bounds = (bounds.low as f64 * UNIT, bounds.high as f64 * UNIT);
                variables.add(variable().min(bounds.0).max(bounds.1))
            })
            .collect();
        let gates = match kinks {
            Kinks::Exact => system.gates.as_slice(),
            Kinks::Relaxed => &[],
        };
        let sides: Vec<Variable> = gates
            .iter()
            .map(|_| variables.add(variable().binary()))
            .collect();
        let objective = expression(&system.objective.terms, &values, norm(&system.objective));
        let mut model = variables
            .maximise(objective)
            .using(microlp)
            .with_time_limit(seconds);
        for row in &system.rows {
            let scale = power_above(row.terms.iter().map(|&(_, c)| c));
            let left = expression(&row.terms, &values, scale);
            model = model.with(left.leq(row.bound as f64 * UNIT / scale));
        }
        for (gate, &side) in gates.iter().zip(&sides) {
            for constraint in kink(system, gate, &values, side) {
                model = model.with(constraint);
            }
        }
        let solution = model.solve().map_err(failure)?;
        if !matches!(solution.status(), SolutionStatus::Optimal) {
            return Err(Failure::Doubt(Doubt::SolverLimit));
        }
        let features = system
            .features
            .iter()
            .map(|feature| match feature.terms.as_slice() {
                &[(place, _)] => solution.value(values[place]) / UNIT,
                _ => feature.constant as f64,
            });
        Ok(features.collect())
    })
}

/// `after ≤ high·side` and `after ≤ before + offset − low·(1 − side)`.
fn kink(
    system: &System,
    gate: &Gate,
    values: &[Variable],
    side: Variable,
) -> [good_lp::Constraint; 2] {
    let bounds = system.variables[gate.before];
    let low = (bounds.low + gate.offset) as f64 * UNIT;
    let high = (bounds.high + gate.offset) as f64 * UNIT;
    let offset = gate.offset as f64 * UNIT;
    let (before, after) = (values[gate.before], values[gate.after]);
    let off = Expression::from(after) - high * side;
    let on = Expression::from(after) - before - low * side;
    [off.leq(0.0), on.leq(offset - low)]
}

/// Weights for the rows whose combination bounds the objective best, non-negative; in the units of
/// [`row_scale`] and [`norm`].
///
/// The dual program: `min b·y + Σ max(ru, rl)` with `r = c − Aᵀy`, `y` below [`MOST_WEIGHT`] so that
/// a system without solutions gives a very low bound instead of none.
pub(super) fn weights(
    system: &System,
    objective: &Linear,
    seconds: f64,
) -> Result<Vec<f64>, Failure> {
    guarded(|| {
        let mut variables = ProblemVariables::new();
        let weights: Vec<Variable> = system
            .rows
            .iter()
            .map(|_| variables.add(variable().min(0.0).max(MOST_WEIGHT)))
            .collect();
        let mut total = Expression::with_capacity(system.rows.len() + 2 * system.variables.len());
        let mut columns: Vec<Expression> = vec![];
        for bounds in &system.variables {
            let rest = [
                variables.add(variable().min(0.0)),
                variables.add(variable().min(0.0)),
            ];
            total.add_mul(bounds.high as f64 * UNIT, rest[0]);
            total.add_mul(-bounds.low as f64 * UNIT, rest[1]);
            columns.push(Expression::from(rest[0]) - rest[1]);
        }
        for (row, &weight) in system.rows.iter().zip(&weights) {
            let scale = row_scale(&row.terms);
            total.add_mul(row.bound as f64 * UNIT / scale, weight);
            for &(place, c) in &row.terms {
                columns[place].add_mul(c as f64 / scale, weight);
            }
        }
        let mut model = variables
            .minimise(total)
            .using(microlp)
            .with_time_limit(seconds);
        let size = norm(objective);
        let mut slopes = vec![0.0; columns.len()];
        for &(place, c) in &objective.terms {
            slopes[place] = c as f64 / size;
        }
        for (column, slope) in columns.into_iter().zip(slopes) {
            model = model.with(column.eq(slope));
        }
        let solution = model.solve().map_err(failure)?;
        if !matches!(solution.status(), SolutionStatus::Optimal) {
            return Err(Failure::Doubt(Doubt::SolverLimit));
        }
        Ok(weights
            .iter()
            .map(|&weight| solution.value(weight))
            .collect())
    })
}

/// The power of two by which a row is divided before floats see it.
pub(super) fn row_scale(terms: &[(usize, i128)]) -> f64 {
    power_above(terms.iter().map(|&(_, c)| c))
}

/// The power of two by which an objective is divided.
pub(super) fn norm(objective: &Linear) -> f64 {
    row_scale(&objective.terms)
}

pub(super) fn power_above(coefficients: impl Iterator<Item = i128>) -> f64 {
    let largest = coefficients.map(i128::unsigned_abs).max().unwrap_or(0);
    largest.max(1).next_power_of_two() as f64
}

fn expression(terms: &[(usize, i128)], values: &[Variable], scale: f64) -> Expression {
    let mut sum = Expression::with_capacity(terms.len());
    for &(place, c) in terms {
        sum.add_mul(c as f64 / scale, values[place]);
    }
    sum
}

/// The backend has assertions of its own; one that fails is a doubt, not the end of the program.
pub(super) fn guarded<T>(solve: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(solve)).unwrap_or(Err(Failure::Doubt(Doubt::Panicked)))
}

pub(super) fn failure(error: ResolutionError) -> Failure {
    match error {
        ResolutionError::Infeasible => Failure::Infeasible,
        ResolutionError::Other(message) if message.starts_with("Time limit") => {
            Failure::Doubt(Doubt::SolverLimit)
        }
        other => Failure::Doubt(Doubt::Solver {
            message: other.to_string(),
        }),
    }
}

/// Values count 2⁻¹⁶ in the system and are of order one in the programs.
const UNIT: f64 = 1.0 / 65_536.0;
/// Largest weight of a row.
const MOST_WEIGHT: f64 = (1u64 << 20) as f64;
