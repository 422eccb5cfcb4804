//! Who hands over to whom: drains, fallback, probation, the end of startup.

use super::state::{Drain, Phase};
use super::{Learned, Proposer};
use crate::controller::NewReno;
use crate::features::{FEATURE_COUNT, LOG_WINDOW_MAX, LOG_WINDOW_MIN};
use crate::fixed::Q16;
use crate::guard::{Envelope, Monitor};
use crate::log2::log2_ratio;
use crate::observe::{Observation, View};
use crate::units::{Bytes, duration_nanos};

impl<P: Proposer, E: Envelope> Learned<P, E> {
    /// Empties the queue: below the measured excess by a quarter, for as long as it takes to see
    /// the packets that left meanwhile.
    pub(super) fn start_drain(&mut self, round: &Observation, view: &View<'_>) {
        self.counters.drains = self.counters.drains.saturating_add(1);
        let excess = log2_ratio(duration_nanos(round.mean_rtt), duration_nanos(view.min_rtt));
        let depth = excess.max(Q16::ZERO).saturating_add(DRAIN_MARGIN);
        self.phase = Phase::Drain(Drain {
            restore: self.log_window,
            rounds: 0,
        });
        self.log_window = self.log_window.saturating_sub(depth).max(LOG_WINDOW_MIN);
    }

    /// Decisions one to three of a drain: hold, restore, hold until the judged packets left under
    /// the restored window again.
    pub(super) fn drain(&mut self, drain: Drain) -> Q16 {
        match drain.rounds {
            0 => self.phase = Phase::Drain(Drain { rounds: 1, ..drain }),
            1 => {
                self.min_rtt.end_epoch();
                self.log_window = drain.restore;
                self.phase = Phase::Drain(Drain { rounds: 2, ..drain });
            }
            _ => {
                self.judged_window = self.decision.congestion_window;
                self.rounds_since_drain = 0;
                self.phase = Phase::Policy;
            }
        }
        Q16::ZERO
    }

    /// The policy gets the window back after enough rounds inside the region without heavy loss.
    pub(super) fn serve_probation(&mut self, features: &[i32; FEATURE_COUNT]) {
        let calm = self.memory.slow_loss() < self.envelope.heavy_loss();
        let inside = calm && self.envelope.contains(features);
        let Phase::Fallback { reno, clean_rounds } = &mut self.phase else {
            return;
        };
        *clean_rounds = if inside {
            clean_rounds.saturating_add(1)
        } else {
            0
        };
        if *clean_rounds >= self.probation_rounds {
            let window = reno.window();
            self.counters.returns = self.counters.returns.saturating_add(1);
            // Each further stay lasts twice as long.
            self.probation_rounds = self.probation_rounds.saturating_mul(2).min(PROBATION_MAX);
            self.enter_policy(window);
        }
    }

    pub(super) fn enter_policy(&mut self, window: Bytes) {
        let datagram = self.max_datagram_size.as_u64();
        self.log_window =
            log2_ratio(window.as_u64(), datagram).clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX);
        self.judged_window = window;
        self.memory.restart();
        self.monitor = Monitor::default();
        self.rounds_since_drain = 0;
        self.phase = Phase::Policy;
    }

    pub(super) fn enter_fallback(&mut self) {
        self.counters.fallbacks = self.counters.fallbacks.saturating_add(1);
        let mut reno = NewReno::new(self.max_datagram_size);
        reno.resume(self.window(), self.smoothed_rtt);
        self.phase = Phase::Fallback {
            reno,
            clean_rounds: 0,
        };
    }

    pub(super) const fn intervene(&mut self) {
        self.counters.guard_interventions = self.counters.guard_interventions.saturating_add(1);
    }

    /// A congestion signal ends startup.
    pub(super) fn leave_startup_on_congestion(&mut self) {
        if let Phase::Startup(start) = &mut self.phase {
            start.on_congestion();
            let window = start.window;
            self.enter_policy(window);
        }
    }
}

/// log₂(5/4): how far below the measured excess a drain goes.
const DRAIN_MARGIN: Q16 = Q16::from_units(21_098);
/// The longest probation.
const PROBATION_MAX: u32 = 1024;
