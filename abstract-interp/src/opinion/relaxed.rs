//! A formula as a mixed-integer program in floats: a binary variable for every alternative, real
//! numbers for everything else.
//!
//! Every integer solution of the formula is one of the program, up to the solver's tolerances. So
//! `Infeasible` is an opinion and no proof, and values are candidates that the caller runs.

use good_lp::solvers::microlp::microlp;
use good_lp::solvers::{SolutionStatus, WithTimeLimit as _};
use good_lp::{Expression, ProblemVariables, Solution as _, SolverModel as _, Variable, variable};
use num_rational::BigRational;

use super::Doubt;
use super::formula::{Formula, Row};
use super::linear_program::{self, Failure};

/// What the solver says of a formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Relaxed {
    /// Nothing satisfies even the program.
    Infeasible,
    /// This does, one value per variable, and not necessarily integers.
    Values(Vec<BigRational>),
    /// No answer.
    Doubt(Doubt),
}

/// Looks for values that satisfy the rows of the last choice by as much as `margin`.
///
/// Floors are slacks of up to a unit, which a margin of some units makes good where there is room.
pub fn relaxed(formula: &Formula, margin: i64, seconds: f64) -> Relaxed {
    match linear_program::guarded(|| solve(formula, margin, seconds)) {
        Ok(values) => Relaxed::Values(values),
        Err(Failure::Infeasible) => Relaxed::Infeasible,
        Err(Failure::Doubt(doubt)) => Relaxed::Doubt(doubt),
    }
}

fn solve(formula: &Formula, margin: i64, seconds: f64) -> Result<Vec<BigRational>, Failure> {
    let mut program = Program {
        formula,
        variables: ProblemVariables::new(),
        values: vec![],
        constraints: vec![],
    };
    for declared in formula.variables() {
        let (low, high) = declared.bounds.ok_or_else(unbounded)?;
        let bounds = variable().min(low as f64 * UNIT).max(high as f64 * UNIT);
        let value = program.variables.add(bounds);
        program.values.push(value);
    }
    let most = variable().min(0.0).max(margin as f64 * UNIT);
    let room = program.variables.add(most);
    for row in formula.rows() {
        program.demand(row, None, None);
    }
    for (number, choice) in formula.choices().iter().enumerate() {
        let is_last = number + 1 == formula.choices().len();
        program.choose(choice, is_last.then_some(room))?;
    }
    let mut model = program
        .variables
        .maximise(room)
        .using(microlp)
        .with_time_limit(seconds);
    for constraint in program.constraints {
        model = model.with(constraint);
    }
    let solution = model.solve().map_err(linear_program::failure)?;
    if !matches!(solution.status(), SolutionStatus::Optimal) {
        return Err(Failure::Doubt(Doubt::SolverLimit));
    }
    let values = program
        .values
        .iter()
        .map(|&value| BigRational::from_float(solution.value(value) / UNIT));
    values
        .collect::<Option<_>>()
        .ok_or(Failure::Doubt(Doubt::NotReplayed))
}

struct Program<'f> {
    formula: &'f Formula,
    variables: ProblemVariables,
    values: Vec<Variable>,
    constraints: Vec<good_lp::Constraint>,
}

impl Program<'_> {
    /// The least and largest value of a row's left-hand side.
    fn range(&self, row: &Row) -> (f64, f64) {
        let start = row.sum.constant as f64;
        let terms = row.sum.terms.iter();
        terms.fold((start, start), |(low, high), &(place, c)| {
            let ends = self.formula.variables()[place].bounds.unwrap_or((0, 0));
            let ends = [ends.0 as f64 * c as f64, ends.1 as f64 * c as f64];
            (low + ends[0].min(ends[1]), high + ends[0].max(ends[1]))
        })
    }

    /// `sum + room ≤ most·(1 − side)`.
    fn demand(&mut self, row: &Row, side: Option<Variable>, room: Option<Variable>) {
        let scale = linear_program::power_above(row.sum.terms.iter().map(|&(_, c)| c.into()));
        let terms = row.sum.terms.iter();
        let mut left = Expression::from(row.sum.constant as f64 * UNIT / scale);
        for &(place, c) in terms {
            left.add_mul(c as f64 / scale, self.values[place]);
        }
        if let Some(room) = room {
            left.add_mul(1.0, room);
        }
        let mut right = Expression::from(0.0);
        if let Some(side) = side {
            let most = self.range(row).1 * UNIT / scale + if room.is_some() { 1.0 } else { 0.0 };
            right += most;
            right.add_mul(-most, side);
        }
        self.constraints.push(left.leq(right));
    }

    /// One binary variable per alternative that the variables' bounds leave open.
    fn choose(&mut self, choice: &[Vec<Row>], room: Option<Variable>) -> Result<(), Failure> {
        let open = choice
            .iter()
            .filter(|rows| rows.iter().all(|row| self.range(row).0 <= 0.0));
        let open: Vec<&Vec<Row>> = open.collect();
        match open.as_slice() {
            [] => return Err(Failure::Infeasible),
            [only] => {
                for row in *only {
                    self.demand(row, None, room);
                }
            }
            several => {
                let mut total = Expression::from(0.0);
                for &rows in several {
                    let side = self.variables.add(variable().binary());
                    total.add_mul(1.0, side);
                    for row in rows {
                        // What always holds needs no side, unless there is to be room.
                        if room.is_some() || self.range(row).1 > 0.0 {
                            self.demand(row, Some(side), room);
                        }
                    }
                }
                self.constraints.push(total.eq(1.0));
            }
        }
        Ok(())
    }
}

fn unbounded() -> Failure {
    Failure::Doubt(Doubt::Solver {
        message: "a variable has no bounds".to_owned(),
    })
}

/// Values count 2⁻¹⁶ in the formula and are of order one in the program.
const UNIT: f64 = 1.0 / 65_536.0;
