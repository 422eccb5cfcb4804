//! Why a run failed.

/// A run that could not be made or finished.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Not one carrier per flow.
    #[error("expected one controller or stack for each of the {expected} flows, got {got}")]
    Carriers {
        /// Flows of the scenario.
        expected: usize,
        /// Carriers that were given.
        got: usize,
    },
    /// A link's trace could be read when the scenario was checked and no longer can.
    #[error("link {link}: {reason}")]
    Capacity {
        /// The link's name, or its place where it has none.
        link: String,
        /// What went wrong.
        reason: String,
    },
}
