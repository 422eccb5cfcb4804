//! Losses, and the short-term model that they bound (draft-ietf-ccwg-bbr §5.5.10, §5.6.4.4).

use super::long_term::{BETA, inflight_at_loss, is_inflight_too_high};
use super::rate_sample::Load;
use super::{Bbr, UNBOUNDED, scaled};

/// The latest delivery, the bounds from this cycle's losses, and the recovery episode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    /// BBR.bw_shortterm in bytes per second.
    pub(super) bw_shortterm: u64,
    /// BBR.inflight_shortterm.
    pub(super) inflight_shortterm: u64,
    /// BBR.bw_latest: the largest rate of this round.
    bw_latest: u64,
    /// BBR.inflight_latest: the most that was delivered per round trip in this round.
    pub(super) inflight_latest: u64,
    /// BBR.loss_round_delivered.
    round_delivered: u64,
    /// BBR.loss_round_start.
    pub(super) round_starts: bool,
    /// BBR.is_loss_in_round.
    is_loss_in_round: bool,
    /// C.delivered at the latest detection of the current recovery episode.
    recovery: Option<u64>,
    /// Packets newly marked by the acknowledgement in hand.
    pub(super) new_marks: u64,
}

impl Congestion {
    pub(super) const fn new() -> Self {
        Self {
            bw_shortterm: UNBOUNDED,
            inflight_shortterm: UNBOUNDED,
            bw_latest: 0,
            inflight_latest: 0,
            round_delivered: 0,
            round_starts: false,
            is_loss_in_round: false,
            recovery: None,
            new_marks: 0,
        }
    }

    /// ResetCongestionSignals.
    pub(super) const fn reset_signals(&mut self) {
        self.is_loss_in_round = false;
        self.bw_latest = 0;
        self.inflight_latest = 0;
    }

    /// ResetShortTermModel.
    pub(super) const fn reset_short_term_model(&mut self) {
        self.bw_shortterm = UNBOUNDED;
        self.inflight_shortterm = UNBOUNDED;
    }
}

impl Bbr {
    /// UpdateLatestDeliverySignals (§5.5.10.3).
    pub(super) fn update_latest_delivery_signals(&mut self) {
        let signals = &mut self.congestion;
        signals.bw_latest = signals.bw_latest.max(self.sample.delivery_rate);
        signals.inflight_latest = signals.inflight_latest.max(self.sample.delivered);
        signals.round_starts = self.sample.prior_delivered >= signals.round_delivered;
        if signals.round_starts {
            signals.round_delivered = self.sampler.delivered();
        }
    }

    /// AdvanceLatestDeliverySignals (§5.5.10.3).
    pub(super) const fn advance_latest_delivery_signals(&mut self) {
        if self.congestion.round_starts {
            self.congestion.bw_latest = self.sample.delivery_rate;
            self.congestion.inflight_latest = self.sample.delivered;
        }
    }

    /// UpdateCongestionSignals and AdaptLowerBoundsFromCongestion (§5.5.10.3).
    pub(super) fn update_congestion_signals(&mut self) {
        self.update_max_bw();
        if !self.congestion.round_starts {
            return;
        }
        let lost = core::mem::take(&mut self.congestion.is_loss_in_round);
        if lost && !self.phase.is_accelerating() {
            self.lower_bounds();
        }
    }

    /// InitLowerBounds and LossLowerBounds (§5.5.10.3).
    fn lower_bounds(&mut self) {
        let signals = &mut self.congestion;
        if signals.bw_shortterm == UNBOUNDED {
            signals.bw_shortterm = self.max_bw.value();
        }
        if signals.inflight_shortterm == UNBOUNDED {
            signals.inflight_shortterm = self.control.window;
        }
        signals.bw_shortterm = signals.bw_latest.max(scaled(signals.bw_shortterm, BETA));
        signals.inflight_shortterm =
            (signals.inflight_latest).max(scaled(signals.inflight_shortterm, BETA));
    }

    /// BoundBWForModel (§5.5.10.3).
    pub(super) fn bound_bw_for_model(&mut self) {
        self.bw = self.max_bw.value().min(self.congestion.bw_shortterm);
    }

    /// HandleLostPacket (§5.5.10.2) for every packet of one detection.
    pub(super) fn handle_losses(&mut self, now_ns: u64, number: u64, bytes: u64) {
        self.note_loss();
        let mut rest = bytes;
        while let Some(lost) = self.sampler.next_lost(number, rest) {
            rest -= lost.bytes;
            self.startup.lost_ranges += u32::from(lost.opens_range);
            self.judge_probe(now_ns, lost.load, lost.bytes);
        }
        self.sampler.count_lost(rest);
        self.bound_now();
    }

    /// Marks stand for as many lost datagrams (§3.6).
    pub(super) fn handle_marks(&mut self, now_ns: u64, number: u64) {
        let marks = core::mem::take(&mut self.congestion.new_marks).max(1);
        let bytes = marks.saturating_mul(self.max_datagram_size);
        self.note_loss();
        self.sampler.count_lost(bytes);
        self.startup.lost_ranges += 1;
        if let Some(load) = self.sampler.load_of(number) {
            self.judge_probe(now_ns, load, self.max_datagram_size);
        }
        self.bound_now();
    }

    /// NoteLoss (§5.5.10.2), and OnEnterFastRecovery (§5.6.4.4) with the first of an episode.
    fn note_loss(&mut self) {
        let delivered = self.sampler.delivered();
        if !self.congestion.is_loss_in_round {
            self.congestion.round_delivered = delivered;
            self.congestion.is_loss_in_round = true;
        }
        if !self.is_in_recovery() {
            self.save_window();
        }
        self.congestion.recovery = Some(delivered);
    }

    fn judge_probe(&mut self, now_ns: u64, load: Load, bytes: u64) {
        if !self.cycle.is_probe_sample || !is_inflight_too_high(load) {
            return;
        }
        let tx_in_flight = inflight_at_loss(load, bytes);
        let load = Load {
            tx_in_flight,
            ..load
        };
        self.handle_inflight_too_high(now_ns, load);
    }

    /// Losses are reported after the acknowledgement: what they changed applies at once.
    fn bound_now(&mut self) {
        self.set_pacing_rate();
        self.set_send_quantum();
        self.bound_window_for_model();
    }

    /// OnEnterRTO (§5.6.4.4), at persistent congestion.
    pub(super) fn enter_timeout(&mut self) {
        self.save_window();
        self.congestion.recovery = Some(self.sampler.delivered());
        self.control.window = self.in_flight.saturating_add(self.max_datagram_size);
    }

    /// Whether losses are still being repaired.
    pub(super) const fn is_in_recovery(&self) -> bool {
        self.congestion.recovery.is_some()
    }

    /// Restores the window once a packet arrived that left after the last detection (§5.6.4.4).
    pub(super) fn leave_recovery(&mut self) {
        let prior = self.sample.prior_delivered;
        let over = (self.congestion.recovery).is_some_and(|delivered| prior >= delivered);
        if over {
            self.congestion.recovery = None;
            self.restore_window();
        }
    }
}

/// §2.5: BBR.LossThresh.
pub(super) const LOSS_THRESHOLD: f64 = 0.02;
