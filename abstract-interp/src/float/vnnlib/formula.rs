//! Assertions, and their union of conjunctions.

use num_rational::BigRational;

use crate::float::vnnlib::error::{Problem, VnnlibError};
use crate::float::vnnlib::sexpr::{Position, Sexpr, shorten};
use crate::float::vnnlib::term::{BIT_LIMIT, Linear, Scope, Variable, integer};

/// Σ coefficient·variable ≤ bound.
#[derive(Clone, Debug)]
pub(super) struct Constraint {
    pub(super) terms: Vec<(Variable, BigRational)>,
    pub(super) bound: BigRational,
    pub(super) position: Position,
}

/// What is asserted; a constraint is named by its number in the list of all.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    Constraint(usize),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// Conjunctions that a property may have at most, and constraints in all of them together.
const CASE_LIMIT: usize = 100_000;
const MEMBER_LIMIT: usize = 10_000_000;

impl Formula {
    /// Reads an assertion; its constraints are added to `constraints`.
    pub(super) fn read(
        text: &Sexpr<'_>,
        scope: &impl Scope,
        constraints: &mut Vec<Constraint>,
    ) -> Result<Self, VnnlibError> {
        const EXPECTED: &str = "(<= …), (>= …), (= …), (and …) or (or …)";
        let position = text.position();
        let Sexpr::List(items, _) = text else {
            return Err(position.expected(EXPECTED, text.describe()));
        };
        let Some((Sexpr::Word(operator, place), operands)) = items.split_first() else {
            return Err(position.expected(EXPECTED, text.describe()));
        };
        if operands.is_empty() {
            return Err(place.expected("an operand", "`)`"));
        }
        let mut parts = || -> Result<Vec<Self>, VnnlibError> {
            let parts = operands.iter();
            parts
                .map(|part| Self::read(part, scope, constraints))
                .collect()
        };
        match *operator {
            "and" => parts().map(Self::And),
            "or" => parts().map(Self::Or),
            "<=" | ">=" | "=" => compare(operator, operands, position, scope, constraints),
            "<" | ">" => Err(place.error(Problem::Unsupported {
                name: (*operator).to_owned(),
                hint: "VNN-LIB 1.0 compares by <= and >=",
            })),
            "not" | "=>" | "ite" | "let" | "xor" | "distinct" | "forall" | "exists" => Err(place
                .error(Problem::Unsupported {
                    name: (*operator).to_owned(),
                    hint: "VNN-LIB 1.0 joins comparisons by `and` and `or`",
                })),
            other => Err(place.expected(EXPECTED, format!("`{}`", shorten(other)))),
        }
    }

    /// The union of conjunctions, each a list of numbers of constraints, in the order of the text.
    pub(super) fn cases(&self, position: Position) -> Result<Vec<Vec<usize>>, VnnlibError> {
        let limit = || position.error(Problem::TooManyCases { limit: CASE_LIMIT });
        match self {
            Self::Constraint(number) => Ok(vec![vec![*number]]),
            Self::Or(parts) => {
                let mut cases = Vec::new();
                for part in parts {
                    cases.extend(part.cases(position)?);
                    if cases.len() > CASE_LIMIT {
                        return Err(limit());
                    }
                }
                Ok(cases)
            }
            Self::And(parts) => {
                let mut product: Vec<Vec<usize>> = vec![Vec::new()];
                for part in parts {
                    let factors = part.cases(position)?;
                    let count = product.len().saturating_mul(factors.len());
                    let members = |cases: &[Vec<usize>]| cases.iter().map(Vec::len).sum::<usize>();
                    let total = members(&product).saturating_mul(factors.len())
                        + members(&factors).saturating_mul(product.len());
                    if count > CASE_LIMIT || total > MEMBER_LIMIT {
                        return Err(limit());
                    }
                    if let [factor] = &factors[..] {
                        for case in &mut product {
                            case.extend(factor);
                        }
                        continue;
                    }
                    product = product
                        .iter()
                        .flat_map(|case| factors.iter().map(|factor| [&case[..], factor].concat()))
                        .collect();
                }
                Ok(product)
            }
        }
    }
}

/// `(<= a b …)`: every operand compares to the next.
fn compare(
    operator: &str,
    operands: &[Sexpr<'_>],
    position: Position,
    scope: &impl Scope,
    constraints: &mut Vec<Constraint>,
) -> Result<Formula, VnnlibError> {
    if operands.len() < 2 {
        return Err(position.expected("two terms to compare", "one"));
    }
    let terms = operands.iter().map(|operand| Linear::read(operand, scope));
    let terms = terms.collect::<Result<Vec<_>, _>>()?;
    let mut parts = Vec::new();
    let mut at_most = |low: &Linear, high: &Linear| -> Result<(), VnnlibError> {
        let limit = BIT_LIMIT;
        let difference = low.clone().plus(&integer(-1), high);
        let difference = difference.ok_or_else(|| position.error(Problem::TermSize { limit }))?;
        parts.push(Formula::Constraint(constraints.len()));
        constraints.push(Constraint {
            terms: difference.terms.into_iter().collect(),
            bound: -difference.constant,
            position,
        });
        Ok(())
    };
    for pair in terms.windows(2) {
        if operator != ">=" {
            at_most(&pair[0], &pair[1])?;
        }
        if operator != "<=" {
            at_most(&pair[1], &pair[0])?;
        }
    }
    Ok(Formula::And(parts))
}
