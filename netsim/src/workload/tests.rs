//! Every kind under random pacing.

use core::time::Duration;

use tautline_core::units::Timestamp;

use super::Span;
use crate::rng::{Component, Stream};

/// The instant `millis` milliseconds after the start of a run.
pub(super) fn at_ms(millis: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(Duration::from_millis(millis))
}

/// From one instant to another, without limit.
pub(super) fn span_ms(start_ms: u64, stop_ms: u64) -> Span {
    Span {
        start: at_ms(start_ms),
        stop: at_ms(stop_ms),
        limit: u64::MAX,
    }
}

/// A stream of random numbers.
pub(super) fn seeded(seed: u64) -> Stream {
    Stream::new(seed, Component::Jitter)
}
