//! Who hands over to whom: drains, fallback, probation, the end of startup.

use super::state::{Drain, Phase};
use super::{Learned, Proposer};
use crate::controller::{BrokenAssumption, NewReno};
use crate::features::{FEATURE_COUNT, LOG_WINDOW_MAX, LOG_WINDOW_MIN};
use crate::fixed::Q16;
use crate::guard::{
    Assumption, Envelope, Monitor, Verdict, Watch, WatchedRound, Watching as _, covered,
};
use crate::log2::log2_ratio;
use crate::observe::View;
use crate::units::{Bytes, Timestamp, duration_nanos};

impl<P: Proposer, E: Envelope> Learned<P, E> {
    /// Empties the queue: below the measured excess by a quarter, or by half of the window where
    /// closed-loop claims rely on it although the window has just grown, for as long as it takes to
    /// see the packets that left meanwhile.
    pub(super) fn start_drain(&mut self, view: &View<'_>, entry: bool) {
        self.counters.drains = self.counters.drains.saturating_add(1);
        let mean = duration_nanos(view.observation.mean_rtt);
        let excess = log2_ratio(mean, duration_nanos(view.min_rtt));
        let margin = match self.watch.get() {
            Some(_) => CLAIMED_DRAIN_MARGIN,
            None => DRAIN_MARGIN,
        };
        let depth = excess.max(Q16::ZERO).saturating_add(margin);
        self.phase = Phase::Drain(Drain {
            restore: self.log_window,
            entry,
            rounds: 0,
            last: self.last_held_round(),
        });
        self.log_window = self.log_window.saturating_sub(depth).max(LOG_WINDOW_MIN);
    }

    /// The decisions of a drain: hold, restore, hold until the judged packets left under the restored
    /// window again, and where closed-loop claims rely on it until no loss of before is unknown.
    pub(super) fn drain(&mut self, drain: Drain) -> Q16 {
        match drain.rounds {
            0 => self.phase = Phase::Drain(Drain { rounds: 1, ..drain }),
            1 => {
                self.min_rtt.end_epoch();
                if let Some(watch) = self.watch.get_mut() {
                    watch.on_drained();
                }
                self.log_window = drain.restore;
                if drain.entry {
                    let window = self.entry_window(self.window());
                    self.log_window = self.log_of(window);
                }
                self.phase = Phase::Drain(Drain {
                    rounds: RESTORED_ROUND,
                    ..drain
                });
            }
            rounds if rounds < drain.last => {
                self.phase = Phase::Drain(Drain {
                    rounds: rounds.saturating_add(1),
                    ..drain
                });
            }
            _ => {
                self.judged_window = self.decision.congestion_window;
                self.rounds_since_drain = 0;
                self.phase = Phase::Policy;
            }
        }
        Q16::ZERO
    }

    fn last_held_round(&self) -> u8 {
        if self.watch.get().is_some() {
            CLAIMED_LAST_HELD_ROUND
        } else {
            LAST_HELD_ROUND
        }
    }

    /// The policy gets the window back after enough rounds inside the region without heavy loss
    /// and without evidence against an assumption of closed-loop claims.
    pub(super) fn serve_probation(
        &mut self,
        features: &[i32; FEATURE_COUNT],
        view: &View<'_>,
        path: Verdict,
    ) {
        let calm = self.memory.slow_loss() < self.envelope.heavy_loss();
        let Phase::Fallback { reno, clean_rounds } = &mut self.phase else {
            return;
        };
        let log_window = log2_ratio(reno.window().as_u64(), self.max_datagram_size.as_u64());
        let inside = calm && !path.evidence && covered(&self.envelope, features, log_window);
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
            // The minimum may be that of a path of before.
            if self.watch.get().is_some_and(Watch::doubts_min_rtt) {
                self.start_drain(view, true);
            }
        }
    }

    pub(super) fn enter_policy(&mut self, window: Bytes) {
        let window = self.entry_window(window);
        self.watch_anew();
        self.log_window = self.log_of(window);
        self.judged_window = window;
        self.memory.restart();
        self.monitor = Monitor::default();
        self.rounds_since_drain = 0;
        self.begin_policy();
    }

    /// The policy decides from here on, of a window that it did not choose. Where closed-loop claims
    /// rely on it the window is held first, as at the end of a drain, until packets of no other
    /// window are judged.
    pub(super) fn begin_policy(&mut self) {
        self.phase = Phase::Policy;
        if self.watch.get().is_some() {
            self.rounds_since_drain = 0;
            self.phase = Phase::Drain(Drain {
                restore: self.log_window,
                entry: false,
                rounds: RESTORED_ROUND,
                last: CLAIMED_ENTRY_LAST_ROUND,
            });
        }
    }

    /// `window`, moved into what closed-loop claims start from as far as the path is known.
    fn entry_window(&self, window: Bytes) -> Bytes {
        let gain = self.proposer.header().step_gain;
        match (self.watch.get(), self.min_rtt.get()) {
            (Some(watch), Some(base)) => watch.entry_window(window, base, gain),
            _ => window,
        }
    }

    fn log_of(&self, window: Bytes) -> Q16 {
        log2_ratio(window.as_u64(), self.max_datagram_size.as_u64())
            .clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX)
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

    /// Shows the round to the watch over the assumptions of closed-loop claims, if there is one.
    pub(super) fn watch_path(&mut self, now: Timestamp, view: &View<'_>) -> Verdict {
        let by_policy = matches!(self.phase, Phase::Policy);
        let Some(watch) = self.watch.get_mut() else {
            return Verdict::default();
        };
        let verdict = watch.on_round(&WatchedRound {
            now,
            observation: view.observation,
            min_rtt: view.min_rtt,
            window: view.window,
            datagram: self.max_datagram_size,
            by_policy,
        });
        let rounds = self.counters.evidence_rounds;
        self.counters.evidence_rounds = rounds.saturating_add(u64::from(verdict.evidence));
        verdict
    }

    /// The window was moved by something that is no decision.
    pub(super) fn watch_anew(&mut self) {
        if let Some(watch) = self.watch.get_mut() {
            watch.on_moved();
        }
    }

    /// What was proven does not hold on this path: hands over to the fallback.
    pub(super) fn stop_relying_on(&mut self, assumption: Assumption, now: Timestamp) {
        match self.phase {
            Phase::Startup(_) | Phase::Fallback { .. } => return,
            Phase::Drain(drain) => self.log_window = drain.restore,
            Phase::Policy => {}
        }
        let count = self.counters.broken_assumptions;
        self.counters.broken_assumptions = count.saturating_add(1);
        self.counters.last_broken = Some(BrokenAssumption {
            assumption,
            decision: self.counters.decisions,
            at: now,
        });
        if let Some(watch) = self.watch.get_mut() {
            watch.on_fallback();
        }
        self.min_rtt.end_epoch();
        self.intervene();
        self.enter_fallback();
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
/// log₂(2): the same where closed-loop claims rely on the empty queue.
pub const CLAIMED_DRAIN_MARGIN: Q16 = Q16::ONE;
/// The decision of a drain that ends it, from zero.
const LAST_HELD_ROUND: u8 = 2;
/// The same where closed-loop claims rely on it: five decisions hold the restored window.
const CLAIMED_LAST_HELD_ROUND: u8 = 6;
/// The decision after the one that restores the window.
const RESTORED_ROUND: u8 = 2;
/// What startup or the fallback leaves is held for two decisions more: its first round began under
/// other windows, and may end with the very acknowledgement that ended startup.
const CLAIMED_ENTRY_LAST_ROUND: u8 = 8;
/// The longest probation.
const PROBATION_MAX: u32 = 1024;
