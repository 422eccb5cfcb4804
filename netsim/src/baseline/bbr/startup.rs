//! Startup and Drain (draft-ietf-ccwg-bbr §5.3.1, §5.3.2).

use super::long_term::is_inflight_too_high;
use super::{Bbr, Phase};

/// Looking for a plateau of the delivery rate (§5.3.1.2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FullPipe {
    /// BBR.full_bw in bytes per second.
    pub(super) baseline: u64,
    /// BBR.full_bw_count.
    rounds: u32,
    /// BBR.full_bw_now.
    pub(super) now: bool,
    /// BBR.full_bw_reached.
    pub(super) reached: bool,
}

impl FullPipe {
    /// ResetFullBW, with the rate to compare with from now on.
    pub(super) const fn restart(&mut self, baseline: u64) {
        self.baseline = baseline;
        self.rounds = 0;
        self.now = false;
    }
}

/// What only startup and drain remember.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Startup {
    /// Runs of consecutive numbers that were lost in this round.
    pub(super) lost_ranges: u32,
    /// BBR.drain_start_round.
    drain_start_round: u64,
}

impl Bbr {
    /// CheckFullBWReached (§5.3.1.2).
    pub(super) fn check_full_bw_reached(&mut self) {
        let limited = self.sample.load.is_app_limited;
        if self.full_pipe.now || !self.round.starts || limited {
            return;
        }
        let rate = self.sample.delivery_rate;
        if rate as f64 >= self.full_pipe.baseline as f64 * FULL_BW_GROWTH {
            self.full_pipe.restart(rate);
            return;
        }
        self.full_pipe.rounds += 1;
        self.full_pipe.now = self.full_pipe.rounds >= FULL_BW_ROUNDS;
        self.full_pipe.reached |= self.full_pipe.now;
    }

    /// CheckStartupDone (§5.3.1.1).
    pub(super) fn check_startup_done(&mut self) {
        self.check_startup_high_loss();
        if self.phase == Phase::Startup && self.full_pipe.reached {
            self.phase = Phase::Drain;
            self.startup.drain_start_round = self.round.count;
        }
    }

    /// CheckStartupHighLoss (§5.3.1.3): judged at the end of a round that began with a loss.
    fn check_startup_high_loss(&mut self) {
        if !self.congestion.round_starts {
            return;
        }
        let ranges = core::mem::take(&mut self.startup.lost_ranges);
        if self.full_pipe.reached || !self.is_in_recovery() {
            return;
        }
        if is_inflight_too_high(self.sample.load) && ranges >= STARTUP_FULL_LOSS_COUNT {
            self.full_pipe.reached = true;
            self.full_pipe.now = true;
            let latest = self.congestion.inflight_latest;
            self.inflight_longterm = self.bdp_multiple(self.bw, 1.0).max(latest);
        }
    }

    /// CheckDrainDone (§5.3.2).
    pub(super) fn check_drain_done(&mut self, now_ns: u64) {
        if self.phase != Phase::Drain {
            return;
        }
        let drained = self.in_flight <= self.inflight(self.bw, 1.0);
        if drained || self.round.count > self.startup.drain_start_round + DRAIN_ROUNDS {
            self.start_down(now_ns);
        }
    }
}

/// §5.3.1.2: less growth than by a quarter is a plateau.
const FULL_BW_GROWTH: f64 = 1.25;
/// §5.3.1.2.
const FULL_BW_ROUNDS: u32 = 3;
/// §5.3.1.3: BBRStartupFullLossCnt.
const STARTUP_FULL_LOSS_COUNT: u32 = 6;
/// §5.3.2.
const DRAIN_ROUNDS: u64 = 3;
