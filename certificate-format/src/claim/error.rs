//! What can be wrong with claims.

/// A claims file says something that is not a claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {field}: expected {expected}, got {got}")]
pub struct ClaimError {
    /// The file.
    pub file: String,
    /// Line, counted from one.
    pub line: usize,
    /// The field, with the claim's name where there is one.
    pub field: String,
    /// What would have been right.
    pub expected: String,
    /// What is there.
    pub got: String,
}

/// Bytes, or a value in memory, that are not a canonical claim set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// The claims end in the middle of a field.
    #[error("claim set ends at byte {got}, a field needs {needed}")]
    Truncated {
        /// Where the field would have ended.
        needed: usize,
        /// Bytes there are.
        got: usize,
    },
    /// Bytes follow the last claim.
    #[error("claim set has {got} bytes after its last claim")]
    Trailing {
        /// How many.
        got: usize,
    },
    /// The feature table is not one that this program knows.
    #[error("claims are about feature table {got}, which this program does not know")]
    UnknownFeatureTable {
        /// The table named.
        got: u16,
    },
    /// A number is outside its range.
    #[error("claim {claim}: {field} is {got}, expected {low} to {high}")]
    Field {
        /// Claim, counted from zero.
        claim: usize,
        /// The field.
        field: &'static str,
        /// Smallest value allowed.
        low: i64,
        /// Largest value allowed.
        high: i64,
        /// The value there is.
        got: i64,
    },
    /// What is known of two inputs names the change of a feature that does not differ.
    #[error(
        "claim {claim}: a constraint between the inputs names the change of feature {feature}, which does not differ"
    )]
    NoDifference {
        /// Claim, counted from zero.
        claim: usize,
        /// The feature, as a position in the table.
        feature: usize,
    },
    /// A name or sentence is not UTF-8.
    #[error("claim {claim}: {field} is not UTF-8 text")]
    Text {
        /// Claim, counted from zero.
        claim: usize,
        /// The field.
        field: &'static str,
    },
    /// Two claims have one name.
    #[error("claims {first} and {second} have the same name")]
    DuplicateName {
        /// The earlier claim.
        first: usize,
        /// The later claim.
        second: usize,
    },
}
