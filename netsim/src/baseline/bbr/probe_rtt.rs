//! The minimum round-trip time and the state that refreshes it (draft-ietf-ccwg-bbr §5.3.4), and
//! restarts from idle (§5.4).

use super::phase::PROBE_RTT_WINDOW_GAIN;
use super::probe_bw::AckPhase;
use super::{Bbr, NANOS_PER_SEC, Phase, UNBOUNDED};

/// BBR.min_rtt and the schedule of ProbeRTT.
#[derive(Clone, Copy, Debug)]
pub(super) struct MinRtt {
    /// BBR.min_rtt.
    pub(super) value_ns: u64,
    stamp_ns: u64,
    /// BBR.probe_rtt_min_delay: the minimum since the last ProbeRTT was due.
    recent_ns: u64,
    /// BBR.probe_rtt_min_stamp.
    recent_stamp_ns: u64,
    /// BBR.probe_rtt_expired.
    is_due: bool,
    /// BBR.probe_rtt_done_stamp; none while the flight is still too large.
    done_ns: Option<u64>,
    /// BBR.probe_rtt_round_done.
    is_round_done: bool,
    /// BBR.probe_rtt_cwnd.
    pub(super) probe_window: u64,
    /// BBR.idle_restart.
    is_idle_restart: bool,
}

impl MinRtt {
    pub(super) const fn new(window: u64) -> Self {
        Self {
            value_ns: UNBOUNDED,
            stamp_ns: 0,
            recent_ns: UNBOUNDED,
            recent_stamp_ns: 0,
            is_due: false,
            done_ns: None,
            is_round_done: false,
            probe_window: window,
            is_idle_restart: false,
        }
    }
}

impl Bbr {
    /// UpdateMinRTT (§5.3.4.3).
    pub(super) fn update_min_rtt(&mut self, now_ns: u64) {
        let rtt_ns = self.sample.rtt_ns;
        let due_ns = (self.min_rtt.recent_stamp_ns).saturating_add(PROBE_RTT_INTERVAL_NS);
        self.min_rtt.is_due = self.min_rtt.recent_ns != UNBOUNDED && now_ns > due_ns;
        if self.min_rtt.is_due && self.phase != Phase::ProbeRtt {
            // SaveProbeRTTCwnd (§5.6.4.5): before a round-trip time with a queue can replace it.
            let window = self.bdp_multiple(self.bw, PROBE_RTT_WINDOW_GAIN);
            self.min_rtt.probe_window = window.max(self.minimum_window());
        }
        let state = &mut self.min_rtt;
        if rtt_ns < state.recent_ns || state.is_due {
            state.recent_ns = rtt_ns;
            state.recent_stamp_ns = now_ns;
        }
        let expired = now_ns > state.stamp_ns.saturating_add(MIN_RTT_FILTER_NS);
        if state.recent_ns < state.value_ns || expired {
            state.value_ns = state.recent_ns;
            state.stamp_ns = state.recent_stamp_ns;
        }
    }

    /// CheckProbeRTT (§5.3.4.3).
    pub(super) fn check_probe_rtt(&mut self, now_ns: u64) {
        let due = self.min_rtt.is_due && !self.min_rtt.is_idle_restart;
        if due && self.phase != Phase::ProbeRtt {
            self.save_window();
            self.phase = Phase::ProbeRtt;
            self.min_rtt.done_ns = None;
            self.cycle.acks = AckPhase::ProbeStopping;
            self.start_round();
        }
        if self.phase == Phase::ProbeRtt {
            self.handle_probe_rtt(now_ns);
        }
        if self.sample.delivered > 0 {
            self.min_rtt.is_idle_restart = false;
        }
    }

    /// HandleProbeRTT (§5.3.4.3).
    fn handle_probe_rtt(&mut self, now_ns: u64) {
        // Low rates while little is in flight say nothing about the path.
        self.sampler.mark_app_limited(self.in_flight);
        if self.min_rtt.done_ns.is_none() {
            if self.in_flight <= self.min_rtt.probe_window {
                self.min_rtt.done_ns = Some(now_ns + PROBE_RTT_DURATION_NS);
                self.min_rtt.is_round_done = false;
                self.start_round();
            }
            return;
        }
        self.min_rtt.is_round_done |= self.round.starts;
        if self.min_rtt.is_round_done {
            self.check_probe_rtt_done(now_ns);
        }
    }

    /// CheckProbeRTTDone (§5.3.4.3) and ExitProbeRTT (§5.3.4.4).
    fn check_probe_rtt_done(&mut self, now_ns: u64) {
        if self.min_rtt.done_ns.is_none_or(|done_ns| now_ns <= done_ns) {
            return;
        }
        self.min_rtt.recent_stamp_ns = now_ns;
        self.restore_window();
        self.congestion.reset_short_term_model();
        if self.full_pipe.reached {
            self.start_down(now_ns);
            // The flight is small enough already.
            self.phase = Phase::ProbeBwCruise;
        } else {
            self.phase = Phase::Startup;
        }
    }

    /// HandleRestartFromIdle (§5.4.1), with nothing in flight.
    pub(super) fn handle_restart_from_idle(&mut self, now_ns: u64) {
        if !self.sampler.is_app_limited() {
            return;
        }
        self.min_rtt.is_idle_restart = true;
        self.aggregation.interval_start_ns = now_ns;
        if self.phase.is_probe_bw() {
            self.set_pacing_rate_with_gain(1.0);
        } else if self.phase == Phase::ProbeRtt {
            self.check_probe_rtt_done(now_ns);
        }
    }
}

/// §2.15: BBR.ProbeRTTInterval.
const PROBE_RTT_INTERVAL_NS: u64 = 5 * NANOS_PER_SEC;
/// §2.14: BBR.MinRTTFilterLen.
const MIN_RTT_FILTER_NS: u64 = 10 * NANOS_PER_SEC;
/// §2.15: BBR.ProbeRTTDuration.
const PROBE_RTT_DURATION_NS: u64 = NANOS_PER_SEC / 5;
