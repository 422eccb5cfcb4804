//! Why a text is not a VNN-LIB property, and where.

/// Something wrong with a property file, at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct VnnlibError {
    /// Line, counted from one.
    pub line: usize,
    /// Column in characters, counted from one.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a property file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file is larger than is read.
    #[error("the file has {got} bytes, expected at most {limit}")]
    TooLarge {
        /// Bytes that are read at most.
        limit: usize,
        /// Bytes of the file.
        got: usize,
    },
    /// The text has more words than are read.
    #[error("the file has more than {limit} words and parentheses")]
    TooManyTokens {
        /// Words and parentheses at most.
        limit: usize,
    },
    /// The file is no text.
    #[error("expected UTF-8 text, found another byte")]
    Encoding,
    /// Lists inside of lists without end.
    #[error("lists are nested deeper than {limit}")]
    Depth {
        /// Lists inside of each other at most.
        limit: usize,
    },
    /// The text ends in the middle of a list.
    #[error("this list is never closed: expected `)`, found the end of the file")]
    Unclosed,
    /// Something else than what the grammar asks for.
    #[error("expected {expected}, found {got}")]
    Expected {
        /// What belongs here.
        expected: &'static str,
        /// What stands here.
        got: String,
    },
    /// A valid SMT-LIB construct outside of VNN-LIB 1.0.
    #[error("`{name}` is not supported: {hint}")]
    Unsupported {
        /// The construct.
        name: String,
        /// What is.
        hint: &'static str,
    },
    /// A name that was not declared.
    #[error("unknown variable `{name}`: expected a declared X_i or Y_i")]
    UnknownVariable {
        /// The name.
        name: String,
    },
    /// A variable is declared twice.
    #[error("variable `{name}` is declared twice")]
    Redeclared {
        /// The name.
        name: String,
    },
    /// The variables X_0 … X_n (or Y_0 …) are not numbered without gaps.
    #[error("`{name}` is declared but `{missing}` is not: expected numbers without gaps")]
    Gap {
        /// A declared variable.
        name: String,
        /// The one missing below it.
        missing: String,
    },
    /// No input or no output is declared.
    #[error("no variable {expected} is declared")]
    NoVariable {
        /// `X_0` or `Y_0`.
        expected: &'static str,
    },
    /// A product of variables, or a division by one.
    #[error("`{operator}` of two terms with variables is not linear")]
    NotLinear {
        /// `*` or `/`.
        operator: &'static str,
    },
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A number with more digits or a larger exponent than is read.
    #[error("number `{number}` is out of range: at most {limit} digits and powers of ten are read")]
    NumberSize {
        /// The number as written.
        number: String,
        /// Digits, and powers of ten, at most.
        limit: usize,
    },
    /// An exact number in a term grows beyond what is computed with.
    #[error("a number in this term has more than {limit} bits")]
    TermSize {
        /// Bits at most.
        limit: u64,
    },
    /// Writing the property as a union of conjunctions takes too many.
    #[error("the disjunctions multiply to more than {limit} cases")]
    TooManyCases {
        /// Cases at most.
        limit: usize,
    },
    /// An input without a lower or an upper bound.
    #[error("input {name} has no {side} bound in at least one case")]
    Unbounded {
        /// The input.
        name: String,
        /// `lower` or `upper`.
        side: &'static str,
    },
    /// No input satisfies the assertions about inputs.
    #[error("the region of inputs is empty: {reason}")]
    EmptyRegion {
        /// Which bounds contradict each other.
        reason: String,
    },
    /// Nothing is said about outputs.
    #[error("no assertion is about an output: expected a condition on Y_0 … that is unsafe")]
    NoOutput,
}
