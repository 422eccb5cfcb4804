//! What happens to packets behind a transmitter: loss, blackouts, delay, reordering, aggregation.

mod blackout;
mod chance;
mod jitter;
mod loss;
mod policer;
mod spec;

pub(crate) use blackout::Pauses;
pub use policer::Policer;
pub use spec::{Blacked, Blackout, JitterLaw, JitterSpec, LossSpec, Order, PolicerSpec};

use core::time::Duration;

use tautline_core::units::duration_nanos;

use self::chance::Chance;
use self::jitter::Jitter;
use self::loss::Loss;
use crate::rng::{Component, Stream};

/// Loses packets and delays the others.
///
/// In this order: random loss; loss in blackouts; jitter; holding back; aggregation. Loss, jitter
/// and holding back have a random stream each, so that none changes what another draws.
#[derive(Clone, Debug)]
pub struct Impairments {
    loss: Loss,
    jitter: Jitter,
    /// Whether anything but loss and jitter is to be done.
    has_more: bool,
    lost: Pauses,
    reorder: Stream,
    held: Chance,
    held_for_ns: u64,
    /// Zero for none.
    aggregation_ns: u64,
}

impl Impairments {
    /// The impairments behind link `link` in a run with `seed`. Of `blackouts`, those that lose
    /// packets count ([`Blacked::Lost`]); with `aggregation`, packets come out together at
    /// multiples of that time.
    pub fn new(
        loss: &LossSpec,
        jitter: &JitterSpec,
        aggregation: Option<Duration>,
        blackouts: &[Blackout],
        (seed, link): (u64, u32),
    ) -> Self {
        let stream = |component| Stream::at_place(seed, component, link);
        let lost = Pauses::new(blackouts, Blacked::Lost);
        let held = Chance::new(jitter.held);
        let aggregation_ns = aggregation.map_or(0, duration_nanos);
        Self {
            loss: Loss::new(loss, stream(Component::Loss)),
            jitter: Jitter::new(jitter, stream(Component::Jitter)),
            has_more: !lost.is_empty() || !held.is_impossible() || aggregation_ns > 0,
            lost,
            reorder: stream(Component::Reorder),
            held,
            held_for_ns: duration_nanos(jitter.held_for),
            aggregation_ns,
        }
    }

    /// Whether packets may come out in another order than they went in.
    pub fn reorders(&self) -> bool {
        self.jitter.reorders() || (!self.held.is_impossible() && self.held_for_ns > 0)
    }

    /// When a packet that enters now, `stay_ns` after it came to the link, comes out, before
    /// propagation; `None` where it is lost. Calls must not go back in time.
    #[inline]
    pub fn exit_ns(&mut self, now_ns: u64, stay_ns: u64) -> Option<u64> {
        if self.loss.happens() {
            return None;
        }
        if self.has_more {
            return self.exit_of_more_ns(now_ns, stay_ns);
        }
        Some(self.jitter.exit_ns(now_ns, stay_ns))
    }

    #[inline(never)]
    fn exit_of_more_ns(&mut self, now_ns: u64, stay_ns: u64) -> Option<u64> {
        if self.lost.covers(now_ns) {
            return None;
        }
        let mut exit_ns = self.jitter.exit_ns(now_ns, stay_ns);
        if !self.held.is_impossible() && self.held.happens(&mut self.reorder) {
            exit_ns = exit_ns.saturating_add(self.held_for_ns);
        }
        if self.aggregation_ns > 0 {
            let intervals = exit_ns.div_ceil(self.aggregation_ns);
            exit_ns = intervals.saturating_mul(self.aggregation_ns);
        }
        Some(exit_ns)
    }
}

#[cfg(test)]
mod tests;
