//! What can be wrong with a slice.

use crate::closed_loop::MAX_CELLS;

/// Why bytes, or a value in memory, are not a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SliceError {
    /// The slice ends in the middle of a field or of its ranks.
    #[error("it ends at byte {got}, a field needs {needed}")]
    Truncated {
        /// Where the field would have ended, or the next byte.
        needed: usize,
        /// Bytes there are.
        got: usize,
    },
    /// Bytes follow the last rank.
    #[error("it has {got} bytes after its last rank")]
    Trailing {
        /// How many.
        got: usize,
    },
    /// A number is outside its range.
    #[error("{field} is {got}, expected {low} to {high}")]
    Field {
        /// The field.
        field: &'static str,
        /// Smallest value allowed.
        low: i64,
        /// Largest value allowed.
        high: i64,
        /// The value there is.
        got: i64,
    },
    /// The grid is too fine.
    #[error("its grid has more than {MAX_CELLS} cells")]
    Cells,
    /// A slice in memory has not one rank per cell.
    #[error("it has {got} ranks, its grid has {expected} cells")]
    Ranks {
        /// Cells.
        expected: usize,
        /// Ranks.
        got: usize,
    },
    /// The ranks are not written in their only form.
    #[error("its ranks are not written in their only form")]
    NotCanonical,
}
