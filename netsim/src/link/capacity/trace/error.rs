//! What can be wrong with a trace.

use std::path::PathBuf;

use thiserror::Error;

/// A trace that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TraceError {
    /// The file cannot be opened or read.
    #[error("{}: cannot read the trace: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// A line is not a whole number of milliseconds.
    #[error(
        "{}:{line}: expected a time in whole milliseconds, 0 to {max}, got {found:?}",
        file.display(), max = u32::MAX
    )]
    NotATime {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The start of what stands there.
        found: String,
    },
    /// A line without content.
    #[error("{}:{line}: expected a time in milliseconds, got an empty line", file.display())]
    EmptyLine {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
    },
    /// A time before the one of the line before.
    #[error(
        "{}:{line}: times must not decrease: got {found_ms} ms after {previous_ms} ms",
        file.display()
    )]
    Decreasing {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Time of the line before, in milliseconds.
        previous_ms: u32,
        /// Time of this line, in milliseconds.
        found_ms: u32,
    },
    /// No line at all.
    #[error("{}: the trace is empty: expected at least one time in milliseconds", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The last time is zero, so the trace would start over for ever at the same instant.
    #[error(
        "{}:{line}: the last time is the length of the trace and must be above 0 ms, got 0 ms",
        file.display()
    )]
    NoLength {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
    },
    /// The file is not the one that was checked.
    #[error("{}: the trace changed after it was checked", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
}
