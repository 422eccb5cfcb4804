//! The cycle that probes for bandwidth (draft-ietf-ccwg-bbr §5.3.3).

use super::{Bbr, NANOS_PER_SEC, Phase, UNBOUNDED};

/// Where the probe of bandwidth stands (§2.11).
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    /// BBR.cycle_stamp.
    stamp_ns: u64,
    /// BBR.bw_probe_wait.
    wait_ns: u64,
    /// BBR.rounds_since_probe_up.
    pub(super) rounds_since_probe_up: u64,
    /// BBR.ack_phase.
    pub(super) acks: AckPhase,
    /// BBR.bw_probe_up_rounds.
    pub(super) up_rounds: u32,
    /// BBR.bw_probe_up_acked.
    pub(super) up_acked: u64,
    /// BBR.probe_up_acked_per_inc.
    pub(super) acked_per_increase: u64,
    /// BBR.is_bw_probe_sample.
    pub(super) is_probe_sample: bool,
    /// BBR.prev_probe_too_high.
    pub(super) was_too_high: bool,
    /// BBR.prev_probe_precautionary.
    pub(super) was_precautionary: bool,
}

/// BBR.ack_phase: what acknowledgements say about the probe of bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckPhase {
    /// ACKS_INIT: nothing.
    Idle,
    /// ACKS_REFILLING: the pipe is being filled.
    Refilling,
    /// ACKS_PROBE_STARTING: the probe has begun, without an answer yet.
    ProbeStarting,
    /// ACKS_PROBE_FEEDBACK: the probe is answered.
    ProbeFeedback,
    /// ACKS_PROBE_STOPPING: the probe is over, its last answers arrive.
    ProbeStopping,
}

impl Cycle {
    pub(super) const fn new() -> Self {
        Self {
            stamp_ns: 0,
            wait_ns: 0,
            rounds_since_probe_up: 0,
            acks: AckPhase::Idle,
            up_rounds: 0,
            up_acked: 0,
            acked_per_increase: UNBOUNDED,
            is_probe_sample: false,
            was_too_high: false,
            was_precautionary: false,
        }
    }
}

impl Bbr {
    /// UpdateProbeBWCyclePhase (§5.3.3.9).
    pub(super) fn update_probe_bw_cycle_phase(&mut self, now_ns: u64) {
        if !self.full_pipe.reached || self.adapt_long_term_model() {
            return;
        }
        match self.phase {
            Phase::ProbeBwDown => {
                if !self.try_probe_bw(now_ns) && self.is_time_to_cruise() {
                    self.phase = Phase::ProbeBwCruise;
                }
            }
            Phase::ProbeBwCruise => {
                self.try_probe_bw(now_ns);
            }
            Phase::ProbeBwRefill => {
                if self.round.starts {
                    self.cycle.is_probe_sample = true;
                    self.start_up();
                }
            }
            Phase::ProbeBwUp => {
                if self.is_time_to_go_down() {
                    self.cycle.was_too_high = false;
                    self.start_down(now_ns);
                }
            }
            Phase::Startup | Phase::Drain | Phase::ProbeRtt => {}
        }
    }

    /// StartProbeBW_DOWN.
    pub(super) fn start_down(&mut self, now_ns: u64) {
        self.congestion.reset_signals();
        self.cycle.acked_per_increase = UNBOUNDED;
        self.pick_probe_wait();
        self.cycle.stamp_ns = now_ns;
        self.cycle.acks = AckPhase::ProbeStopping;
        self.start_round();
        self.phase = Phase::ProbeBwDown;
    }

    /// StartProbeBW_REFILL.
    pub(super) const fn start_refill(&mut self) {
        self.congestion.reset_short_term_model();
        self.cycle.up_rounds = 0;
        self.cycle.up_acked = 0;
        self.cycle.was_precautionary = false;
        self.cycle.acks = AckPhase::Refilling;
        self.start_round();
        self.phase = Phase::ProbeBwRefill;
    }

    /// StartProbeBW_UP.
    fn start_up(&mut self) {
        self.cycle.acks = AckPhase::ProbeStarting;
        self.start_round();
        self.full_pipe.restart(self.sample.delivery_rate);
        self.phase = Phase::ProbeBwUp;
        self.raise_inflight_longterm_slope();
    }

    /// PickProbeWait (§5.3.3.8): two to three seconds, and at most 62 or 63 rounds.
    fn pick_probe_wait(&mut self) {
        self.cycle.rounds_since_probe_up = self.random.up_to(1);
        self.cycle.wait_ns = 2 * NANOS_PER_SEC + self.random.up_to(NANOS_PER_SEC);
    }

    /// IsTimeToProbeBW (§5.3.3.8).
    fn try_probe_bw(&mut self, now_ns: u64) -> bool {
        let waited = now_ns > self.cycle.stamp_ns.saturating_add(self.cycle.wait_ns);
        let due = waited || self.is_reno_coexistence_probe_time();
        if due {
            self.start_refill();
        }
        due
    }

    /// IsRenoCoexistenceProbeTime (§5.3.3.8).
    fn is_reno_coexistence_probe_time(&self) -> bool {
        let packets = self.target_inflight() / self.max_datagram_size;
        self.cycle.rounds_since_probe_up >= packets.min(RENO_ROUNDS)
    }

    /// IsTimeToCruise (§5.3.3.9).
    fn is_time_to_cruise(&self) -> bool {
        self.in_flight <= self.inflight_with_headroom()
            && self.in_flight <= self.inflight(self.max_bw.value(), 1.0)
    }

    /// IsTimeToGoDown (§5.3.3.7, §5.3.3.9).
    fn is_time_to_go_down(&mut self) -> bool {
        if self.cycle.was_too_high && self.has_reached_inflight_longterm() {
            self.cycle.was_precautionary = true;
            return true;
        }
        if self.uses_inflight_longterm() {
            // The bound, not the path, limits the rate.
            self.full_pipe.restart(self.sample.delivery_rate);
            return false;
        }
        self.full_pipe.now
    }
}

/// §5.3.3.8: the bound on the wait, in rounds, for coexistence with Reno and CUBIC.
const RENO_ROUNDS: u64 = 63;
