//! The policy proposes, the guard decides.

mod envelope;

pub use envelope::{DEFAULT_HEAVY_LOSS, Envelope, UncheckedEnvelope};
