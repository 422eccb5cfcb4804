//! Why parameters were refused.

use crate::network::{LayoutError, PatternError};

/// Why parameters were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// The text is not TOML, or a field is missing, unknown or of the wrong type.
    #[error("{file}:{line}: {message}")]
    Syntax {
        /// The file as named by the caller.
        file: String,
        /// Line, from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A single setting is no assignment to a parameter.
    #[error("{setting}: {reason}")]
    Setting {
        /// As it was given.
        setting: String,
        /// What is wrong.
        reason: String,
    },
    /// A whole number is out of range.
    #[error("{field} is {got}, expected {low} to {high}")]
    Count {
        /// The field, dotted.
        field: &'static str,
        /// Smallest value.
        low: u64,
        /// Largest value.
        high: u64,
        /// The value there is.
        got: u64,
    },
    /// A real number is out of range.
    #[error("{field} is {got}, expected {low} to {high}")]
    Real {
        /// The field, dotted.
        field: &'static str,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// The value there is.
        got: f64,
    },
    /// Several fields together ask for too much memory.
    #[error("{fields} is {got}, expected at most {high}")]
    Product {
        /// The fields, dotted, and how they combine.
        fields: &'static str,
        /// Largest value.
        high: u64,
        /// The value there is.
        got: u64,
    },
    /// A head's name is unknown.
    #[error("network.heads names {got:?}, expected rate, pacing, buffer or retry")]
    UnknownHead {
        /// The name.
        got: String,
    },
    /// A feature that the closed loop's model leaves open has an effect.
    #[error(
        "closed_loop.hinge_weight is above 0, but {feature} is neither masked nor of one direction; \
         name it in network.masked, or last_step in network.rising"
    )]
    Direction {
        /// The feature.
        feature: &'static str,
    },
    /// A list of features does not fit the table or the law.
    #[error("{field} {reason}")]
    Pattern {
        /// The list.
        field: &'static str,
        /// What is wrong.
        reason: PatternError,
    },
    /// The shapes do not fit the deployed format.
    #[error("network: {0}")]
    Layout(#[from] LayoutError),
    /// TOML cannot hold a value.
    #[error("parameters cannot be written: {message}")]
    Unwritable {
        /// What is wrong.
        message: String,
    },
}
