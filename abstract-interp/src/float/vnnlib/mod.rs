//! VNN-LIB 1.0: properties in a subset of SMT-LIB 2.
//!
//! Read are `declare-const` and `declare-fun` of reals X_0, X_1, … (inputs, flattened) and Y_0, Y_1, …
//! (outputs), and `assert` of `<=`, `>=` and `=` between linear terms (`+ - * /`, decimal numbers with or
//! without exponent, all exact), joined by `and` and `or` in any nesting, over inputs and outputs.
//! What only concerns solvers (`set-logic`, `check-sat` and the like) is passed over.
//!
//! The assertions describe what must not occur. They become a union of conjunctions; in each, the
//! constraints on a single input make its box, every other one is a halfspace. An input without
//! bounds, and a region without inputs, is an error: neither has a verdict. (One empty branch of
//! a disjunction is left out as long as there are others.) That there is no input is noticed where a
//! single constraint excludes the whole box, or two of them bound the same sum from both sides; a
//! region that is empty only by three or more constraints, or by numbers between those of `f32`, has
//! the verdict `Holds`.
//!
//! # Source
//! Guidotti, Demarchi, Tacchella and Pulina, "The VNN-LIB standard 1.0", <https://www.vnnlib.org>; the
//! benchmarks of VNN-COMP.

mod cases;
mod error;
mod formula;
mod sexpr;
mod term;

use std::collections::BTreeMap;

pub use error::{Problem, VnnlibError};

use crate::float::property::Property;
use crate::float::vnnlib::formula::{Constraint, Formula};
use crate::float::vnnlib::sexpr::{Position, Sexpr, shorten};
use crate::float::vnnlib::term::{Scope, Variable};

/// Bytes of a property file that are read at most.
const SIZE_LIMIT: usize = 16 << 20;
/// Inputs, and outputs, at most.
const VARIABLE_LIMIT: usize = 1 << 20;

const START: Position = Position { line: 1, column: 1 };

/// Reads a property.
///
/// # Errors
/// [`VnnlibError`] with line and column where the text is not of the form above.
pub fn read(bytes: &[u8]) -> Result<Property, VnnlibError> {
    if bytes.len() > SIZE_LIMIT {
        return Err(START.error(Problem::TooLarge {
            limit: SIZE_LIMIT,
            got: bytes.len(),
        }));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let line = valid.matches('\n').count() + 1;
        let column = valid.rsplit('\n').next().unwrap_or(valid).chars().count() + 1;
        Position { line, column }.error(Problem::Encoding)
    })?;
    let mut file = File::default();
    for command in &sexpr::parse(text)? {
        file.command(command)?;
    }
    file.property()
}

/// What the commands have said so far.
#[derive(Default)]
struct File {
    inputs: BTreeMap<usize, Position>,
    outputs: BTreeMap<usize, Position>,
    constraints: Vec<Constraint>,
    asserted: Vec<Formula>,
}

impl Scope for File {
    fn lookup(&self, name: &str) -> Option<Variable> {
        parse_name(name).filter(|variable| match variable {
            Variable::Input(number) => self.inputs.contains_key(number),
            Variable::Output(number) => self.outputs.contains_key(number),
        })
    }
}

/// `X_i` or `Y_i`, the number written without leading zeros.
fn parse_name(name: &str) -> Option<Variable> {
    let (kind, digits) = name.split_once('_')?;
    let number: usize = digits.parse().ok()?;
    if number >= VARIABLE_LIMIT || number.to_string() != digits {
        return None;
    }
    match kind {
        "X" => Some(Variable::Input(number)),
        "Y" => Some(Variable::Output(number)),
        _ => None,
    }
}

impl File {
    fn command(&mut self, command: &Sexpr<'_>) -> Result<(), VnnlibError> {
        const EXPECTED: &str = "(declare-const …), (declare-fun …) or (assert …)";
        let position = command.position();
        let Sexpr::List(items, _) = command else {
            return Err(position.expected(EXPECTED, command.describe()));
        };
        let Some((Sexpr::Word(name, place), arguments)) = items.split_first() else {
            return Err(position.expected(EXPECTED, command.describe()));
        };
        match (*name, arguments) {
            ("declare-const", [name, sort]) => self.declare(name, sort),
            ("declare-const", _) => {
                let got = format!("{} arguments", arguments.len());
                Err(place.expected("a name and a sort", got))
            }
            ("declare-fun", [name, Sexpr::List(parameters, _), sort]) if parameters.is_empty() => {
                self.declare(name, sort)
            }
            ("declare-fun", _) => {
                Err(place.expected("a name, `()` and a sort", command.describe()))
            }
            ("assert", [formula]) => {
                let mut constraints = std::mem::take(&mut self.constraints);
                let formula = Formula::read(formula, self, &mut constraints)?;
                self.constraints = constraints;
                self.asserted.push(formula);
                Ok(())
            }
            ("assert", _) => {
                let got = format!("{} formulas", arguments.len());
                Err(place.expected("one formula", got))
            }
            (
                "set-logic" | "set-info" | "set-option" | "check-sat" | "get-model" | "get-value"
                | "exit",
                _,
            ) => Ok(()),
            (other, _) => Err(place.expected(EXPECTED, format!("`({} …)`", shorten(other)))),
        }
    }

    fn declare(&mut self, name: &Sexpr<'_>, sort: &Sexpr<'_>) -> Result<(), VnnlibError> {
        if !matches!(sort, Sexpr::Word("Real", _)) {
            return Err(sort.position().expected("the sort Real", sort.describe()));
        }
        let Sexpr::Word(word, position) = *name else {
            return Err(name.position().expected("X_i or Y_i", name.describe()));
        };
        let known = match parse_name(word) {
            Some(Variable::Input(number)) => self.inputs.insert(number, position),
            Some(Variable::Output(number)) => self.outputs.insert(number, position),
            None => return Err(position.expected("X_i or Y_i", name.describe())),
        };
        if known.is_some() {
            let name = shorten(word);
            return Err(position.error(Problem::Redeclared { name }));
        }
        Ok(())
    }

    fn property(self) -> Result<Property, VnnlibError> {
        let inputs = without_gaps(&self.inputs, "X", "X_0")?;
        let outputs = without_gaps(&self.outputs, "Y", "Y_0")?.len();
        let is_output = |variable| matches!(variable, Variable::Output(_));
        let mut terms = self.constraints.iter().flat_map(|it| &it.terms);
        if !terms.any(|&(variable, _)| is_output(variable)) {
            return Err(START.error(Problem::NoOutput));
        }
        let conjunctions = Formula::And(self.asserted).cases(START)?;
        let cases = cases::cases(&conjunctions, &self.constraints, &inputs)?;
        Ok(Property {
            inputs: inputs.len(),
            outputs,
            cases,
        })
    }
}

/// The places of the variables, in order.
fn without_gaps(
    declared: &BTreeMap<usize, Position>,
    kind: &'static str,
    first: &'static str,
) -> Result<Vec<Position>, VnnlibError> {
    if declared.is_empty() {
        return Err(START.error(Problem::NoVariable { expected: first }));
    }
    for (expected, (&number, position)) in declared.iter().enumerate() {
        if number != expected {
            return Err(position.error(Problem::Gap {
                name: format!("{kind}_{number}"),
                missing: format!("{kind}_{expected}"),
            }));
        }
    }
    Ok(declared.values().copied().collect())
}
