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

/// Since when the sender could send and does not, as far as events tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SendingGap {
    /// When the next departure is overdue; none while the window is closed or before the first.
    overdue_ns: Option<u64>,
    pacing_rate: u64,
}

impl SendingGap {
    /// Whether a sender with data would have sent before `now_ns`.
    pub(super) fn is_open_since(&self, now_ns: u64) -> bool {
        self.overdue_ns.is_some_and(|due_ns| now_ns > due_ns)
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

    /// A packet left: the next one is overdue after a quantum's and its own time, if the window
    /// admits one.
    pub(super) fn note_departure(&mut self, now_ns: u64) {
        let open = self.has_room();
        self.control.limited[0] |= !open;
        self.gap.pacing_rate = self.control.pacing_rate;
        self.gap.overdue_ns = open.then(|| self.overdue_ns(now_ns));
    }

    /// Window, rate or flight changed: a window that opens, or a slower rate, postpones.
    pub(super) fn note_window(&mut self, now_ns: u64) {
        if self.round.count == 0 && self.gap.pacing_rate == 0 {
            return;
        }
        if !self.has_room() {
            self.gap.overdue_ns = None;
            return;
        }
        let slower = self.control.pacing_rate < self.gap.pacing_rate;
        let due_ns = self.gap.overdue_ns;
        if due_ns.is_none() || slower {
            self.gap.pacing_rate = self.control.pacing_rate;
            let due_ns = due_ns.unwrap_or(0).max(self.overdue_ns(now_ns));
            self.gap.overdue_ns = Some(due_ns);
        }
    }

    const fn has_room(&self) -> bool {
        self.in_flight.saturating_add(self.max_datagram_size) <= self.control.window
    }

    fn overdue_ns(&self, now_ns: u64) -> u64 {
        let slack = self.control.send_quantum + self.max_datagram_size;
        let wait = u128::from(slack) * u128::from(NANOS_PER_SEC);
        let wait_ns = wait / u128::from(self.control.pacing_rate.max(1));
        now_ns.saturating_add(u64::try_from(wait_ns).unwrap_or(u64::MAX))
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
