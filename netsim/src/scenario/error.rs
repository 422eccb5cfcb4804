//! Why a scenario is refused.

use core::fmt;

/// Where in which file something stands; empty for scenarios built in code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Name of the file.
    pub file: Option<String>,
    /// Line from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: "),
            (Some(file), None) => write!(f, "{file}: "),
            (None, _) => Ok(()),
        }
    }
}

/// A scenario that cannot be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The text is no TOML, or a key or type is not known there.
    #[error("{place}{field}: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// The key on that line, or "scenario" where there is none.
        field: String,
        /// What the TOML reader says.
        message: String,
    },
    /// A value is outside its range or set.
    #[error("{place}`{field}`: expected {expected}, got {got}")]
    Value {
        /// Where.
        place: Place,
        /// Path of the field, for example `flow[1].start_s`.
        field: String,
        /// What is allowed.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A field without a default is absent.
    #[error("{place}`{field}` is missing: {expected}")]
    Missing {
        /// Where its table starts.
        place: Place,
        /// Path of the field.
        field: String,
        /// What is expected there.
        expected: String,
    },
    /// Two fields exclude each other.
    #[error("{place}`{field}` and `{other}` exclude each other: give one of them")]
    Exclusive {
        /// Where the first stands.
        place: Place,
        /// Path of the first.
        field: String,
        /// Path of the other.
        other: String,
    },
}

impl ScenarioError {
    /// A value outside its range.
    pub(super) fn value(field: &str, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self::Value {
            place: Place::default(),
            field: field.to_owned(),
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    /// The field that is concerned.
    pub fn field(&self) -> &str {
        match self {
            Self::Syntax { field, .. }
            | Self::Value { field, .. }
            | Self::Missing { field, .. }
            | Self::Exclusive { field, .. } => field,
        }
    }

    /// Where it stands.
    pub const fn place(&self) -> &Place {
        match self {
            Self::Syntax { place, .. }
            | Self::Value { place, .. }
            | Self::Missing { place, .. }
            | Self::Exclusive { place, .. } => place,
        }
    }

    /// The same error at `new_place`.
    #[must_use]
    pub(super) fn at(mut self, new_place: Place) -> Self {
        match &mut self {
            Self::Syntax { place, .. }
            | Self::Value { place, .. }
            | Self::Missing { place, .. }
            | Self::Exclusive { place, .. } => *place = new_place,
        }
        self
    }
}
