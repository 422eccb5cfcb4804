//! The long-term model: how much may be in flight (draft-ietf-ccwg-bbr §5.3.3.9, §5.5.10.2).

use super::loss::LOSS_THRESHOLD;
use super::probe_bw::AckPhase;
use super::rate_sample::Load;
use super::{Bbr, Phase, UNBOUNDED, scaled};

impl Bbr {
    /// AdaptLongTermModel: true where it decided on the next state.
    pub(super) fn adapt_long_term_model(&mut self) -> bool {
        let round_starts = self.round.starts;
        if self.cycle.acks == AckPhase::ProbeStarting && round_starts {
            self.cycle.acks = AckPhase::ProbeFeedback;
        }
        if self.cycle.acks == AckPhase::ProbeStopping && round_starts {
            self.cycle.is_probe_sample = false;
            self.cycle.acks = AckPhase::Idle;
            if self.phase.is_probe_bw() && !self.sample.load.is_app_limited {
                self.max_bw.advance();
            }
            let safe = self.cycle.was_precautionary && !self.cycle.was_too_high;
            if self.phase.is_probe_bw() && safe {
                self.start_refill();
                return true;
            }
        }
        if is_inflight_too_high(self.sample.load) || self.inflight_longterm == UNBOUNDED {
            return false;
        }
        let proven = self.sample.load.tx_in_flight;
        self.inflight_longterm = self.inflight_longterm.max(proven);
        if self.phase == Phase::ProbeBwUp {
            self.probe_inflight_longterm_upward();
        }
        false
    }

    /// ProbeInflightLongtermUpward (§5.3.3.9).
    fn probe_inflight_longterm_upward(&mut self) {
        if !self.uses_inflight_longterm() {
            return;
        }
        self.cycle.up_acked = self.cycle.up_acked.saturating_add(self.sample.newly_acked);
        let steps = self.cycle.up_acked / self.cycle.acked_per_increase;
        if steps > 0 {
            self.cycle.up_acked -= steps * self.cycle.acked_per_increase;
            let raise = steps.saturating_mul(self.max_datagram_size);
            self.inflight_longterm = self.inflight_longterm.saturating_add(raise);
        }
        if self.round.starts {
            self.raise_inflight_longterm_slope();
        }
    }

    /// RaiseInflightLongtermSlope (§5.3.3.9): 1, 2, 4, … datagrams per round.
    pub(super) fn raise_inflight_longterm_slope(&mut self) {
        let growth = 1_u64 << self.cycle.up_rounds;
        self.cycle.up_rounds = (self.cycle.up_rounds + 1).min(MAX_UP_ROUNDS);
        self.cycle.acked_per_increase = (self.control.window / growth).max(self.max_datagram_size);
    }

    /// Whether the window is used up and the long-term bound may be what limits it.
    pub(super) const fn uses_inflight_longterm(&self) -> bool {
        self.control.is_window_limited() && self.control.window >= self.inflight_longterm
    }

    /// Whether the acknowledgement found as much in flight as the long-term bound admits.
    pub(super) const fn has_reached_inflight_longterm(&self) -> bool {
        let before = self.in_flight.saturating_add(self.sample.newly_acked);
        before.saturating_add(self.max_datagram_size) > self.inflight_longterm
    }

    /// HandleInflightTooHigh (§5.5.10.2).
    pub(super) fn handle_inflight_too_high(&mut self, now_ns: u64, load: Load) {
        self.cycle.was_too_high = true;
        self.cycle.is_probe_sample = false;
        if !load.is_app_limited {
            let floor = scaled(self.target_inflight(), BETA);
            self.inflight_longterm = load.tx_in_flight.max(floor);
        }
        if self.phase == Phase::ProbeBwUp {
            self.start_down(now_ns);
        }
    }

    /// InflightWithHeadroom (§5.3.3.9).
    pub(super) fn inflight_with_headroom(&self) -> u64 {
        if self.inflight_longterm == UNBOUNDED {
            return UNBOUNDED;
        }
        let headroom = scaled(self.inflight_longterm, HEADROOM).max(self.max_datagram_size);
        let target = self.inflight_longterm.saturating_sub(headroom);
        target.max(self.minimum_window())
    }

    /// TargetInflight (§5.3.3.8).
    pub(super) fn target_inflight(&self) -> u64 {
        self.bdp_multiple(self.bw, 1.0).min(self.control.window)
    }
}

/// IsInflightTooHigh (§5.5.10.2).
pub(super) fn is_inflight_too_high(load: Load) -> bool {
    load.lost as f64 > load.tx_in_flight as f64 * LOSS_THRESHOLD
}

/// InflightAtLoss (§5.5.10.2): where within a packet of `bytes` the losses crossed the threshold.
/// Losses that were too many before it put that point at its start.
pub(super) fn inflight_at_loss(load: Load, bytes: u64) -> u64 {
    let before = load.tx_in_flight.saturating_sub(bytes);
    let lost_before = load.lost.saturating_sub(bytes);
    let prefix = (LOSS_THRESHOLD * before as f64 - lost_before as f64) / (1.0 - LOSS_THRESHOLD);
    before + prefix.max(0.0) as u64
}

/// §2.5: BBR.Beta.
pub(super) const BETA: f64 = 0.7;
/// §2.5: BBR.Headroom.
const HEADROOM: f64 = 0.15;
/// §5.3.3.9.
const MAX_UP_ROUNDS: u32 = 30;
