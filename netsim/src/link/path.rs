//! The path behind a bottleneck: random loss, then delay, first in first out.

use tautline_core::units::duration_nanos;

use crate::rng::{Bernoulli, Component, Stream};
use crate::scenario::LinkSpec;

/// Loses packets at random and delays the others by up to the jitter, without reordering.
#[derive(Debug)]
pub struct Path {
    loss: Bernoulli,
    jitter: Stream,
    jitter_max_ns: u64,
    last_exit_ns: u64,
}

impl Path {
    /// The path behind `link` in a run with `seed`.
    pub fn new(link: &LinkSpec, seed: u64) -> Self {
        Self {
            loss: Bernoulli::new(link.loss, Stream::new(seed, Component::Loss)),
            jitter: Stream::new(seed, Component::Jitter),
            jitter_max_ns: duration_nanos(link.jitter),
            last_exit_ns: 0,
        }
    }

    /// When a packet that enters now comes out, before propagation; `None` where it is lost.
    #[inline]
    pub fn exit_ns(&mut self, now_ns: u64) -> Option<u64> {
        if self.loss.happens() {
            return None;
        }
        if self.jitter_max_ns > 0 {
            let exit_ns = now_ns + self.jitter.up_to(self.jitter_max_ns);
            self.last_exit_ns = self.last_exit_ns.max(exit_ns);
            return Some(self.last_exit_ns);
        }
        Some(now_ns)
    }
}
