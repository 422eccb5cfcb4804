//! Linear inequalities with alternatives, as text for a solver and as a check of its answer.
//!
//! A formula is a conjunction of rows `Σ c·v ≤ b` (or `<`) and of choices, each a disjunction of
//! conjunctions of rows. Whatever a solver finds is put into the rows again, in exact rationals.

use std::fmt::{self, Display, Formatter};

use num_bigint::BigInt;
use num_rational::BigRational;

/// What the variables range over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Integers: `QF_LIA`.
    Int,
    /// Real numbers: `QF_LRA`.
    Real,
}

/// `Σ coefficient · variable + constant`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Variables in ascending order, none with a coefficient of zero.
    pub terms: Vec<(usize, i64)>,
    /// Added to them.
    pub constant: i64,
}

/// `sum ≤ 0`, or `sum < 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The left-hand side.
    pub sum: Sum,
    /// Whether zero itself is excluded.
    pub strict: bool,
}

/// One of these conjunctions holds.
pub type Choice = Vec<Vec<Row>>;

/// A variable with its name and, where it has any, its least and largest value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Letters, digits and `_`.
    pub name: String,
    /// Both included.
    pub bounds: Option<(i64, i64)>,
}

/// Variables, rows and choices.
#[derive(Clone, Debug)]
pub struct Formula {
    sort: Sort,
    variables: Vec<Declared>,
    rows: Vec<Row>,
    choices: Vec<Choice>,
}

/// What a solver's output says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No values satisfy the formula.
    Unsat,
    /// These do: one per variable, in the order of declaration.
    Sat(Vec<BigRational>),
    /// The solver gave up, or its output is none of these.
    Other(String),
}

impl Sum {
    /// A number.
    pub const fn constant(constant: i64) -> Self {
        Self {
            terms: vec![],
            constant,
        }
    }

    /// A variable.
    pub fn variable(place: usize) -> Self {
        Self {
            terms: vec![(place, 1)],
            constant: 0,
        }
    }

    /// `self + factor · other`.
    #[must_use]
    pub fn plus(mut self, factor: i64, other: &Self) -> Self {
        self.constant += factor * other.constant;
        for &(variable, c) in &other.terms {
            match self.terms.binary_search_by_key(&variable, |term| term.0) {
                Ok(place) => self.terms[place].1 += factor * c,
                Err(place) => self.terms.insert(place, (variable, factor * c)),
            }
        }
        self.terms.retain(|&(_, c)| c != 0);
        self
    }

    /// `self − other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.clone().plus(-1, other)
    }

    /// `self + number`.
    #[must_use]
    pub fn offset(&self, number: i64) -> Self {
        self.clone().plus(1, &Self::constant(number))
    }

    /// `factor · self`.
    #[must_use]
    pub fn times(&self, factor: i64) -> Self {
        Self::default().plus(factor, self)
    }

    /// `self ≤ other`.
    pub fn at_most(&self, other: &Self) -> Row {
        Row {
            sum: self.minus(other),
            strict: false,
        }
    }

    /// `self < other`.
    pub fn below(&self, other: &Self) -> Row {
        Row {
            sum: self.minus(other),
            strict: true,
        }
    }

    fn value(&self, values: &[BigRational]) -> BigRational {
        let mut total = BigRational::from(BigInt::from(self.constant));
        for &(place, c) in &self.terms {
            total += &values[place] * BigInt::from(c);
        }
        total
    }
}

impl Row {
    fn holds(&self, values: &[BigRational]) -> bool {
        let value = self.sum.value(values);
        let zero = BigRational::from(BigInt::ZERO);
        value < zero || (!self.strict && value == zero)
    }
}

impl Formula {
    /// True of everything.
    pub const fn new(sort: Sort) -> Self {
        Self {
            sort,
            variables: vec![],
            rows: vec![],
            choices: vec![],
        }
    }

    /// The same over the real numbers: where nothing satisfies that, nothing satisfies this.
    #[must_use]
    pub fn over_the_reals(&self) -> Self {
        Self {
            sort: Sort::Real,
            ..self.clone()
        }
    }

    /// A new variable.
    pub fn declare(&mut self, name: String, bounds: Option<(i64, i64)>) -> Sum {
        self.variables.push(Declared { name, bounds });
        Sum::variable(self.variables.len() - 1)
    }

    /// Demands a row.
    pub fn assert(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Demands one alternative of a choice.
    pub fn assert_one(&mut self, choice: Choice) {
        self.choices.push(choice);
    }

    /// The variables, in the order of declaration.
    pub fn variables(&self) -> &[Declared] {
        &self.variables
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The choices.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Whether these values satisfy everything, in exact arithmetic.
    pub fn is_satisfied(&self, values: &[BigRational]) -> bool {
        values.len() == self.variables.len()
            && self.variables.iter().zip(values).all(|(variable, value)| {
                let whole = self.sort == Sort::Real || value.is_integer();
                let within = variable.bounds.is_none_or(|(low, high)| {
                    BigRational::from(BigInt::from(low)) <= *value
                        && *value <= BigRational::from(BigInt::from(high))
                });
                whole && within
            })
            && self.rows.iter().all(|row| row.holds(values))
            && self.choices.iter().all(|choice| {
                let mut alternatives = choice.iter();
                alternatives.any(|rows| rows.iter().all(|row| row.holds(values)))
            })
    }

    /// Reads what a solver printed for the text of this formula.
    pub fn answer(&self, printed: &str) -> Answer {
        let (verdict, rest) = printed.split_once('\n').unwrap_or((printed, ""));
        match verdict.trim() {
            "unsat" => Answer::Unsat,
            "sat" => match values(rest) {
                Some(values) if values.len() == self.variables.len() => Answer::Sat(values),
                _ => Answer::Other(format!("sat, with values that cannot be read: {rest}")),
            },
            _ => Answer::Other(printed.to_owned()),
        }
    }
}

/// SMT-LIB 2, ending with `check-sat` and `get-value`.
///
/// # Source
/// Barrett, Fontaine, Tinelli, "The SMT-LIB standard, version 2.6", 2017.
impl Display for Formula {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (logic, sort) = match self.sort {
            Sort::Int => ("QF_LIA", "Int"),
            Sort::Real => ("QF_LRA", "Real"),
        };
        writeln!(f, "(set-option :produce-models true)\n(set-logic {logic})")?;
        for Declared { name, bounds } in &self.variables {
            writeln!(f, "(declare-const {name} {sort})")?;
            if let &Some((low, high)) = bounds {
                writeln!(f, "(assert (<= {} {name} {}))", Number(low), Number(high))?;
            }
        }
        for row in &self.rows {
            writeln!(f, "(assert {})", self.row(row))?;
        }
        for choice in &self.choices {
            let alternatives = choice.iter().map(|rows| {
                let rows: Vec<String> = rows.iter().map(|row| self.row(row)).collect();
                // `and` of nothing is `true` in the standard, and an error in some solvers.
                format!(" (and true {})", rows.join(" "))
            });
            writeln!(f, "(assert (or false{}))", alternatives.collect::<String>())?;
        }
        writeln!(f, "(check-sat)")?;
        let names = self.variables.iter().map(|it| format!(" {}", it.name));
        writeln!(f, "(get-value ({}))", names.collect::<String>().trim())
    }
}

impl Formula {
    /// Terms with negative coefficients stand on the right.
    fn row(&self, row: &Row) -> String {
        let side = |sign: i64| {
            let mut parts = vec![];
            let constant = row.sum.constant * sign;
            if constant > 0 {
                parts.push(constant.to_string());
            }
            for &(place, c) in &row.sum.terms {
                let name = &self.variables[place].name;
                match c * sign {
                    1 => parts.push(name.clone()),
                    c if c > 0 => parts.push(format!("(* {c} {name})")),
                    _ => {}
                }
            }
            match parts.as_slice() {
                [] => "0".to_owned(),
                [only] => only.clone(),
                _ => format!("(+ {})", parts.join(" ")),
            }
        };
        let relation = if row.strict { "<" } else { "<=" };
        format!("({relation} {} {})", side(1), side(-1))
    }
}

/// SMT-LIB has no negative literals.
struct Number(i64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            write!(f, "(- {})", self.0.unsigned_abs())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// Values of `((name value) …)`, where a value is a number, `(- value)` or `(/ value value)`.
fn values(text: &str) -> Option<Vec<BigRational>> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut tokens = spaced.split_whitespace();
    let mut values = vec![];
    (tokens.next()? == "(").then_some(())?;
    loop {
        match tokens.next()? {
            ")" => return Some(values),
            "(" => {
                tokens.next()?;
                values.push(value(&mut tokens)?);
                (tokens.next()? == ")").then_some(())?;
            }
            _ => return None,
        }
    }
}

fn value<'t>(tokens: &mut impl Iterator<Item = &'t str>) -> Option<BigRational> {
    let token = tokens.next()?;
    if token != "(" {
        let (whole, fraction) = token.split_once('.').unwrap_or((token, "0"));
        let zeros = fraction.bytes().all(|digit| digit == b'0');
        let whole: BigInt = whole.parse().ok()?;
        return zeros.then(|| whole.into());
    }
    let result = match tokens.next()? {
        "-" => -value(tokens)?,
        "/" => {
            let (numerator, denominator) = (value(tokens)?, value(tokens)?);
            let zero = BigRational::from(BigInt::ZERO);
            (denominator != zero).then(|| numerator / denominator)?
        }
        _ => return None,
    };
    (tokens.next()? == ")").then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(numerator: i64, denominator: i64) -> BigRational {
        BigRational::new(numerator.into(), denominator.into())
    }

    #[test]
    fn values_of_every_form_are_read_and_others_are_not() {
        let text = "((a 3)\n (b (- 2.0)) (c (/ 1.0 4.0)) (d (- (/ 5 2))))\n";
        let read = [ratio(3, 1), ratio(-2, 1), ratio(1, 4), ratio(-5, 2)];
        assert_eq!(values(text), Some(read.to_vec()));
        for bad in [
            "",
            "((a 3)",
            "((a))",
            "((a (/ 1 0)))",
            "((a 1.5))",
            "((a x))",
        ] {
            assert_eq!(values(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_text_says_what_is_checked() {
        let mut formula = Formula::new(Sort::Int);
        let x = formula.declare("x".to_owned(), Some((-4, 9)));
        let y = formula.declare("y".to_owned(), None);
        formula.assert(x.times(2).offset(-3).below(&y));
        formula.assert_one(vec![
            vec![x.at_most(&Sum::constant(0))],
            vec![y.at_most(&x), Sum::constant(5).at_most(&y)],
        ]);
        let text = formula.to_string();
        for line in [
            "(assert (<= (- 4) x 9))",
            "(assert (< (* 2 x) (+ 3 y)))",
            "(assert (or false (and true (<= x 0)) (and true (<= y x) (<= 5 y))))",
            "(get-value (x y))",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
        let holds = |x, y| formula.is_satisfied(&[x, y]);
        assert!(holds(ratio(-1, 1), ratio(-4, 1)));
        assert!(!holds(ratio(-1, 1), ratio(-5, 1)));
        assert!(!holds(ratio(-5, 1), ratio(9, 1)));
        assert!(!holds(ratio(1, 1), ratio(9, 1)));
        assert!(!holds(ratio(-1, 2), ratio(9, 1)));
        assert_eq!(formula.answer("unsat\n(error)"), Answer::Unsat);
        assert!(matches!(formula.answer("sat\n((x 1))"), Answer::Other(_)));
        assert!(matches!(formula.answer("unknown\n"), Answer::Other(_)));
    }
}
