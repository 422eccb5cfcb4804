//! Pacing rate, send quantum and congestion window (draft-ietf-ccwg-bbr §5.6).

use super::phase::STARTUP_PACING_GAIN;
use super::{Bbr, NANOS_PER_SEC, Phase, UNBOUNDED};

/// What the transport is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    /// C.cwnd.
    pub(super) window: u64,
    /// C.pacing_rate in bytes per second.
    pub(super) pacing_rate: u64,
    /// C.send_quantum.
    pub(super) send_quantum: u64,
    initial_window: u64,
    has_seen_rtt: bool,
    /// BBR.prior_cwnd.
    prior_window: u64,
    /// C.is_cwnd_limited, of this round trip and the one before.
    limited: [bool; 2],
}

impl Control {
    pub(super) fn new(window: u64, max_datagram_size: u64) -> Self {
        Self {
            window,
            pacing_rate: initial_pacing_rate(window, NOMINAL_RTT_NS),
            send_quantum: max_datagram_size.saturating_mul(2),
            initial_window: window,
            has_seen_rtt: false,
            prior_window: 0,
            limited: [false; 2],
        }
    }

    /// C.is_cwnd_limited: the window was used up within the last round trip.
    pub(super) const fn is_window_limited(&self) -> bool {
        self.limited[0] || self.limited[1]
    }
}

/// What a sender with data would have sent by now and this one did not: the transport's token
/// bucket, filled only while the window is open.
///
/// A sender with data takes every token as soon as there is one datagram of them, so it never
/// leaves more than a datagram here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SendingGap {
    /// Whether the window admits another datagram; false before the first departure.
    is_open: bool,
    /// Billionths of a byte.
    tokens: u64,
    filled_ns: u64,
    bytes_per_sec: u64,
}

impl SendingGap {
    fn fill(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.filled_ns);
        self.filled_ns = now_ns;
        if self.is_open {
            let earned = elapsed_ns.saturating_mul(self.bytes_per_sec);
            self.tokens = self.tokens.saturating_add(earned);
        }
    }

    const fn spend(&mut self, bytes: u64) {
        self.tokens = self
            .tokens
            .saturating_sub(bytes.saturating_mul(NANOS_PER_SEC));
    }

    /// Window or rate changed; a window that opens starts anew.
    const fn follow(&mut self, is_open: bool, bytes_per_sec: u64) {
        self.bytes_per_sec = bytes_per_sec;
        if !is_open {
            self.tokens = 0;
        }
        self.is_open = is_open;
    }
}

impl Bbr {
    /// UpdateControlParameters (§5.2.3).
    pub(super) fn update_control(&mut self) {
        if self.round.starts {
            self.control.limited = [false, self.control.limited[0]];
        }
        if !self.control.has_seen_rtt {
            // InitPacingRate (§5.6.2), now that there is a round-trip time.
            self.control.has_seen_rtt = true;
            let rate = initial_pacing_rate(self.control.initial_window, self.sample.rtt_ns);
            self.control.pacing_rate = rate;
        }
        self.set_pacing_rate();
        self.set_send_quantum();
        self.set_window();
    }

    /// SetPacingRate (§5.6.2).
    pub(super) fn set_pacing_rate(&mut self) {
        self.set_pacing_rate_with_gain(self.phase.pacing_gain());
    }

    /// SetPacingRateWithGain (§5.6.2).
    pub(super) fn set_pacing_rate_with_gain(&mut self, gain: f64) {
        let rate = (gain * self.bw as f64 * (1.0 - PACING_MARGIN)) as u64;
        if self.full_pipe.reached || rate > self.control.pacing_rate {
            self.control.pacing_rate = rate.max(1);
        }
    }

    /// SetSendQuantum (§5.6.3): a millisecond's worth, from two datagrams to 64 kB.
    pub(super) fn set_send_quantum(&mut self) {
        let millisecond = self.control.pacing_rate / 1000;
        let least = self.max_datagram_size.saturating_mul(2);
        self.control.send_quantum = millisecond.min(MAX_SEND_QUANTUM).max(least);
    }

    /// BDPMultiple (§5.6.4.2) for a rate of `bw` bytes per second.
    pub(super) fn bdp_multiple(&self, bw: u64, gain: f64) -> u64 {
        if self.min_rtt.value_ns == UNBOUNDED {
            return self.control.initial_window;
        }
        let seconds = self.min_rtt.value_ns as f64 / NANOS_PER_SEC as f64;
        (gain * bw as f64 * seconds) as u64
    }

    /// QuantizationBudget (§5.6.4.2), with QUIC's offload budget of one quantum (§5.5.8).
    fn quantization_budget(&self, inflight: u64) -> u64 {
        let least = self.control.send_quantum.max(self.minimum_window());
        let probe = if self.phase == Phase::ProbeBwUp {
            self.max_datagram_size.saturating_mul(2)
        } else {
            0
        };
        inflight.max(least).saturating_add(probe)
    }

    /// Inflight (§5.6.4.2) for a rate of `bw` bytes per second.
    pub(super) fn inflight(&self, bw: u64, gain: f64) -> u64 {
        self.quantization_budget(self.bdp_multiple(bw, gain))
    }

    /// UpdateMaxInflight (§5.6.4.2).
    fn max_inflight(&self) -> u64 {
        let base = self.bdp_multiple(self.bw, self.phase.window_gain());
        self.quantization_budget(base.saturating_add(self.aggregation.extra_acked()))
    }

    /// SetCwnd (§5.6.4.6).
    fn set_window(&mut self) {
        let max_inflight = self.max_inflight();
        let grown = self.control.window.saturating_add(self.sample.newly_acked);
        let early = self.sampler.delivered() < self.control.initial_window;
        if self.full_pipe.reached {
            self.control.window = grown.min(max_inflight);
        } else if self.control.window < max_inflight || early {
            self.control.window = grown;
        }
        self.control.window = self.control.window.max(self.minimum_window());
        self.bound_window_for_model();
    }

    /// BoundCwndForProbeRTT (§5.6.4.5) and BoundCwndForModel (§5.6.4.7).
    pub(super) fn bound_window_for_model(&mut self) {
        let cap = match self.phase {
            Phase::ProbeBwDown | Phase::ProbeBwRefill | Phase::ProbeBwUp => self.inflight_longterm,
            Phase::ProbeBwCruise => self.inflight_with_headroom(),
            Phase::ProbeRtt => self.inflight_with_headroom().min(self.min_rtt.probe_window),
            Phase::Startup | Phase::Drain => UNBOUNDED,
        };
        let cap = cap.min(self.congestion.inflight_shortterm);
        self.control.window = self.control.window.min(cap.max(self.minimum_window()));
    }

    /// SaveCwnd (§5.6.4.4).
    pub(super) fn save_window(&mut self) {
        let window = self.control.window;
        let held_down = self.is_in_recovery() || self.phase == Phase::ProbeRtt;
        self.control.prior_window = if held_down {
            self.control.prior_window.max(window)
        } else {
            window
        };
    }

    /// RestoreCwnd (§5.6.4.4).
    pub(super) fn restore_window(&mut self) {
        self.control.window = self.control.window.max(self.control.prior_window);
    }

    /// CheckIfApplicationLimited (§4.1.2.4), at the moments that the draft names: more than a
    /// quantum and a datagram could have left and did not.
    pub(super) fn check_if_app_limited(&mut self, now_ns: u64) {
        self.gap.fill(now_ns);
        let slack = self.control.send_quantum + self.max_datagram_size;
        let limit = slack.saturating_mul(NANOS_PER_SEC);
        if self.gap.tokens > limit {
            self.gap.tokens = limit;
            self.sampler.mark_app_limited(self.in_flight);
        }
    }

    /// A packet of `bytes` left.
    pub(super) fn note_departure(&mut self, bytes: u64) {
        let is_open = self.has_room();
        self.control.limited[0] |= !is_open;
        self.gap.spend(bytes);
        self.gap.follow(is_open, self.control.pacing_rate);
    }

    /// Window, rate or bytes in flight changed.
    pub(super) fn note_window(&mut self, now_ns: u64) {
        self.gap.fill(now_ns);
        self.gap.follow(self.has_room(), self.control.pacing_rate);
    }

    const fn has_room(&self) -> bool {
        self.in_flight.saturating_add(self.max_datagram_size) <= self.control.window
    }
}

/// InitPacingRate (§5.6.2).
fn initial_pacing_rate(window: u64, rtt_ns: u64) -> u64 {
    let nominal = window as f64 * NANOS_PER_SEC as f64 / rtt_ns.max(1) as f64;
    (STARTUP_PACING_GAIN * nominal) as u64
}

/// §2.3: BBR.PacingMarginPercent, as a fraction.
const PACING_MARGIN: f64 = 0.01;
/// §5.6.2: before there is a round-trip time.
const NOMINAL_RTT_NS: u64 = 1_000_000;
/// §5.6.3.
const MAX_SEND_QUANTUM: u64 = 64 * 1024;
