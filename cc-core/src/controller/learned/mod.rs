//! The guarded learned controller: classical startup, learned steps, classical fallback.
//!
//! ```text
//!            HyStart++ done, loss          every 128 rounds
//!  Startup ───────────────────────► Policy ◄──────────────► Drain
//!                                     │  ▲
//!             region left, anomaly,   ▼  │  probation served
//!             persistent congestion  Fallback (NewReno)
//! ```
//!
//! A decision falls once a round. Its state is the log window w, the last two applied steps, one
//! average, and loss counts; nothing else is remembered.

mod proposer;
mod state;

pub use proposer::Proposer;

use state::{Drain, Phase, Startup};

use core::time::Duration;

use super::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Counters, Decision,
    NewReno, RetryTiming, SentPacket, SlowStart, Timeout, pacing_rate,
};
use crate::action::Proposal;
use crate::features::{FEATURE_COUNT, LOG_WINDOW_MAX, LOG_WINDOW_MIN};
use crate::fixed::Q16;
use crate::guard::{Envelope, Monitor, Ruling, Usage, rule};
use crate::log2::{exp2_scaled, log2_ratio};
use crate::observe::{Memory, MinRtt, Observation, Rounds, SmoothedRtt, View};
use crate::policy::{Cadence, Digest};
use crate::units::{Bytes, Timestamp};

/// A policy `P` under the guard, which relies on what `E` vouches for.
#[derive(Clone, Debug)]
pub struct Learned<P, E> {
    proposer: P,
    envelope: E,
    max_datagram_size: Bytes,
    rounds: Rounds,
    smoothed_rtt: SmoothedRtt,
    /// Mean of the last round; zero before the first.
    round_rtt: Duration,
    min_rtt: MinRtt,
    memory: Memory,
    monitor: Monitor,
    /// w = log₂(window / datagram).
    log_window: Q16,
    /// Window under which the packets of the judged round left.
    judged_window: Bytes,
    phase: Phase,
    rounds_since_drain: u32,
    /// The last decision's window has not been judged yet, and the model asks to wait for that.
    settling: bool,
    probation_rounds: u32,
    last_acked: Option<AckedPacket>,
    acked_in_batch: Bytes,
    proposal: Proposal,
    decision: Decision,
    counters: Counters,
}

/// The envelope vouches for another model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is about model {vouched_for}, the model is {model}")]
pub struct ForeignEnvelope {
    /// Digest that the envelope names.
    pub vouched_for: Digest,
    /// Digest of the model.
    pub model: Digest,
}

impl<P: Proposer, E: Envelope> Learned<P, E> {
    /// A controller at the start of a connection.
    ///
    /// # Errors
    /// [`ForeignEnvelope`] if the envelope is not about this proposer's model.
    pub fn new(
        proposer: P,
        envelope: E,
        max_datagram_size: Bytes,
    ) -> Result<Self, ForeignEnvelope> {
        let (vouched_for, model) = (envelope.model_digest(), proposer.digest());
        if vouched_for != model {
            return Err(ForeignEnvelope { vouched_for, model });
        }
        let start = Startup::new(max_datagram_size);
        let proposal = Proposal::from_heads(proposer.header(), &[0; crate::policy::MAX_HEADS]);
        let window = start.window;
        let mut controller = Self {
            proposer,
            envelope,
            max_datagram_size,
            rounds: Rounds::default(),
            smoothed_rtt: SmoothedRtt::default(),
            round_rtt: Duration::ZERO,
            min_rtt: MinRtt::new(),
            memory: Memory::default(),
            monitor: Monitor::default(),
            log_window: LOG_WINDOW_MIN,
            judged_window: window,
            phase: Phase::Startup(start),
            rounds_since_drain: 0,
            settling: false,
            probation_rounds: PROBATION_ROUNDS,
            last_acked: None,
            acked_in_batch: Bytes::ZERO,
            proposal,
            decision: Decision {
                congestion_window: window,
                pacing_rate: crate::units::Bandwidth::MAX,
                send_quantum: window,
                buffer_cap: window.saturating_mul(2),
                retry: RetryTiming::RFC9002,
            },
            counters: Counters::default(),
        };
        controller.refresh();
        Ok(controller)
    }

    /// What proposes.
    pub const fn proposer(&self) -> &P {
        &self.proposer
    }

    /// Gives the proposer back.
    pub fn into_proposer(self) -> P {
        self.proposer
    }

    /// True while the policy, and not startup, a drain or the fallback, is in charge.
    pub const fn policy_in_charge(&self) -> bool {
        matches!(self.phase, Phase::Policy)
    }

    fn on_round(&mut self, round: &Observation) {
        let Some(base) = self.min_rtt.get() else {
            return;
        };
        let view = View {
            observation: round,
            min_rtt: base,
            log_window: self.log_window,
            window: self.decision.congestion_window,
        };
        if matches!(self.phase, Phase::Startup(_)) {
            return;
        }
        self.memory.count_loss(round);
        if core::mem::take(&mut self.settling) && matches!(self.phase, Phase::Policy) {
            return;
        }
        let features = self.memory.features(&view);
        self.counters.decisions = self.counters.decisions.saturating_add(1);
        let applied = match self.phase {
            Phase::Startup(_) => Q16::ZERO,
            Phase::Policy => self.decide(round, &features, &view),
            Phase::Drain(drain) => self.drain(drain),
            Phase::Fallback { .. } => {
                self.serve_probation(&features);
                Q16::ZERO
            }
        };
        if matches!(self.phase, Phase::Policy) {
            let gain = self.proposer.header().step_gain;
            self.memory.end_round(&features, applied, gain);
        }
    }

    /// One decision of the policy: proposal, ruling, applied step.
    fn decide(
        &mut self,
        round: &Observation,
        features: &[i32; FEATURE_COUNT],
        view: &View<'_>,
    ) -> Q16 {
        self.rounds_since_drain = self.rounds_since_drain.saturating_add(1);
        if self.rounds_since_drain >= DRAIN_PERIOD_ROUNDS {
            self.start_drain(round, view);
            return Q16::ZERO;
        }
        self.settling = self.proposer.header().cadence == Cadence::Settled;
        let heads = self.proposer.propose(features);
        self.proposal = Proposal::from_heads(self.proposer.header(), &heads);
        let usage = self.usage(round);
        let step = self.proposal.step;
        let ruling = rule(&self.envelope, features, usage, self.log_window, step);
        match ruling {
            Ruling::Granted(_) => {
                let certified = self.counters.certified_decisions;
                self.counters.certified_decisions = certified.saturating_add(1);
            }
            Ruling::Altered(_) => self.intervene(),
            Ruling::OutsideRegion => {
                self.intervene();
                self.enter_fallback();
                return Q16::ZERO;
            }
        }
        let applied = ruling.step();
        self.judged_window = self.decision.congestion_window;
        self.log_window = self.log_window.saturating_add(applied);
        let gain = self.proposer.header().step_gain;
        if self
            .monitor
            .on_decision(features, self.log_window, ruling, gain)
            .is_some()
        {
            self.intervene();
            self.enter_fallback();
        }
        applied
    }

    /// The round used its window if in-flight bytes came within an eighth and three datagrams.
    fn usage(&self, round: &Observation) -> Usage {
        let slack = self.judged_window.scale(1, 8);
        let reached = round
            .max_bytes_in_flight
            .saturating_add(slack)
            .saturating_add(self.max_datagram_size.saturating_mul(3));
        if reached >= self.judged_window {
            Usage::WindowLimited
        } else {
            Usage::AppLimited
        }
    }

    /// Empties the queue: below the measured excess by a quarter, for as long as it takes to see
    /// the packets that left meanwhile.
    fn start_drain(&mut self, round: &Observation, view: &View<'_>) {
        self.counters.drains = self.counters.drains.saturating_add(1);
        let excess = log2_ratio(
            crate::units::duration_nanos(round.mean_rtt),
            crate::units::duration_nanos(view.min_rtt),
        );
        let depth = excess.max(Q16::ZERO).saturating_add(DRAIN_MARGIN);
        self.phase = Phase::Drain(Drain {
            restore: self.log_window,
            rounds: 0,
        });
        self.log_window = self.log_window.saturating_sub(depth).max(LOG_WINDOW_MIN);
    }

    /// Decisions one to three of a drain: hold, restore, hold until the judged packets left under
    /// the restored window again.
    fn drain(&mut self, drain: Drain) -> Q16 {
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
    fn serve_probation(&mut self, features: &[i32; FEATURE_COUNT]) {
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

    fn enter_policy(&mut self, window: Bytes) {
        let datagram = self.max_datagram_size.as_u64();
        self.log_window =
            log2_ratio(window.as_u64(), datagram).clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX);
        self.judged_window = window;
        self.memory.restart();
        self.monitor = Monitor::default();
        self.rounds_since_drain = 0;
        self.phase = Phase::Policy;
    }

    fn enter_fallback(&mut self) {
        self.counters.fallbacks = self.counters.fallbacks.saturating_add(1);
        let mut reno = NewReno::new(self.max_datagram_size);
        reno.resume(self.window(), self.smoothed_rtt);
        self.phase = Phase::Fallback {
            reno,
            clean_rounds: 0,
        };
    }

    const fn intervene(&mut self) {
        self.counters.guard_interventions = self.counters.guard_interventions.saturating_add(1);
    }

    fn window(&self) -> Bytes {
        match &self.phase {
            Phase::Startup(start) => start.window,
            Phase::Policy | Phase::Drain(_) => Bytes::new(exp2_scaled(
                self.log_window,
                self.max_datagram_size.as_u64(),
            )),
            Phase::Fallback { reno, .. } => reno.window(),
        }
    }

    /// Recomputes the decision from the phase.
    fn refresh(&mut self) {
        if let Phase::Fallback { reno, .. } = &self.phase {
            self.decision = reno.decision();
            return;
        }
        let floor = self
            .max_datagram_size
            .saturating_mul(2)
            .saturating_add(Bytes::new(1));
        let window = self.window().max(floor);
        let gain = match self.phase {
            Phase::Startup(_) => STARTUP_PACING_GAIN,
            _ => self.proposer.header().pacing_gain,
        };
        self.decision = Decision {
            congestion_window: window,
            pacing_rate: pacing_rate(window, self.pacing_rtt(), gain),
            send_quantum: self
                .max_datagram_size
                .saturating_mul(self.proposal.burst_datagrams),
            buffer_cap: Bytes::new(self.proposal.buffer_factor.scale(window.as_u64())),
            retry: self.proposal.retry,
        };
    }

    /// The smoothed RTT, or the last round's where that is shorter: after an outage the smoothed
    /// one stays high for long, and pacing by it would keep the rounds few and the window unused.
    fn pacing_rtt(&self) -> Duration {
        let smoothed = self.smoothed_rtt.get();
        if self.round_rtt.is_zero() {
            smoothed
        } else {
            smoothed.min(self.round_rtt)
        }
    }

    /// A congestion signal ends startup.
    fn leave_startup_on_congestion(&mut self) {
        if let Phase::Startup(start) = &mut self.phase {
            start.on_congestion();
            let window = start.window;
            self.enter_policy(window);
        }
    }
}

impl<P: Proposer, E: Envelope> Controller for Learned<P, E> {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.rounds.on_packet_sent(packet);
        match &mut self.phase {
            Phase::Startup(start) => start.on_packet_sent(packet.number),
            Phase::Fallback { reno, .. } => reno.on_packet_sent(now, packet),
            Phase::Policy | Phase::Drain(_) => {}
        }
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.rounds.on_packet_acked(now, packet);
        self.last_acked = Some(packet);
        self.acked_in_batch = self.acked_in_batch.saturating_add(packet.bytes);
        match &mut self.phase {
            Phase::Startup(start) => {
                let sample = now.saturating_since(packet.time_sent);
                let base = self.min_rtt.get().unwrap_or(sample);
                start.on_packet_acked(now, packet, base);
            }
            Phase::Fallback { reno, .. } => reno.on_packet_acked(now, packet),
            Phase::Policy | Phase::Drain(_) => {}
        }
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        let acked = core::mem::take(&mut self.acked_in_batch);
        if let Some(packet) = self.last_acked.take() {
            let sample = now.saturating_since(packet.time_sent);
            self.smoothed_rtt.update(sample);
            self.min_rtt.update(sample);
        }
        let round = self.rounds.on_ack_end(batch.ecn_ce_count);
        let per_batch = match &mut self.phase {
            Phase::Startup(start) => {
                let in_flight = batch.bytes_in_flight.saturating_add(acked);
                let size = self.max_datagram_size;
                if start.on_ack_end(acked, in_flight, size) == SlowStart::Finished {
                    let window = start.window;
                    self.enter_policy(window);
                }
                true
            }
            Phase::Fallback { reno, .. } => {
                reno.on_ack_end(now, batch);
                true
            }
            Phase::Policy | Phase::Drain(_) => false,
        };
        if let Some(round) = &round {
            self.round_rtt = round.mean_rtt;
            self.on_round(round);
        }
        if per_batch || round.is_some() {
            self.refresh();
        }
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        if let CongestionTrigger::Loss { packets, .. } = event.trigger {
            self.rounds.on_lost(packets);
        }
        match event.trigger {
            CongestionTrigger::Loss { .. } | CongestionTrigger::EcnCe => {
                self.leave_startup_on_congestion();
            }
            CongestionTrigger::Persistent => {
                // RFC 9002 §7.6.2: at once, whatever the policy thinks of it.
                let count = self.counters.persistent_congestion;
                self.counters.persistent_congestion = count.saturating_add(1);
                self.intervene();
                if !matches!(self.phase, Phase::Fallback { .. }) {
                    self.enter_fallback();
                    // The loss that established it was left to the policy; the slow start to come
                    // ends at half the window (RFC 9002 §7.3.2).
                    let bytes = Bytes::ZERO;
                    let trigger = CongestionTrigger::Loss { packets: 0, bytes };
                    if let Phase::Fallback { reno, .. } = &mut self.phase {
                        reno.on_congestion_event(now, CongestionEvent { trigger, ..event });
                    }
                }
            }
        }
        if let Phase::Fallback { reno, .. } = &mut self.phase {
            reno.on_congestion_event(now, event);
        }
        self.refresh();
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        match &mut self.phase {
            // RFC 9002 §6.2: one probe timeout is no sign of loss. RFC 8085 §3.1: without any
            // feedback the rate must fall, so each further one halves the window.
            Phase::Policy | Phase::Drain(_) if timeout.count >= 2 => {
                if let Phase::Drain(drain) = self.phase {
                    self.log_window = drain.restore;
                    self.rounds_since_drain = 0;
                }
                let halved = self.log_window.saturating_sub(Q16::ONE).max(LOG_WINDOW_MIN);
                self.intervene();
                self.log_window = halved;
                self.memory.restart();
                self.phase = Phase::Policy;
            }
            Phase::Startup(_) if timeout.count >= 2 => {
                self.intervene();
                self.leave_startup_on_congestion();
            }
            Phase::Fallback { reno, .. } => reno.on_timeout(now, timeout),
            _ => {}
        }
        self.refresh();
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        // The window in bytes stays; w and the memory are expressed anew.
        let change = log2_ratio(self.max_datagram_size.as_u64(), max_datagram_size.as_u64());
        self.log_window = self
            .log_window
            .saturating_add(change)
            .clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX);
        self.memory.restart();
        self.max_datagram_size = max_datagram_size;
        match &mut self.phase {
            Phase::Fallback { reno, .. } => reno.on_mtu_update(now, max_datagram_size),
            Phase::Drain(drain) => {
                drain.restore = drain
                    .restore
                    .saturating_add(change)
                    .clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX);
            }
            Phase::Startup(_) | Phase::Policy => {}
        }
        self.refresh();
    }

    fn decision(&self) -> Decision {
        self.decision
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

/// Rounds between drains.
const DRAIN_PERIOD_ROUNDS: u32 = 128;
/// log₂(5/4): how far below the measured excess a drain goes.
const DRAIN_MARGIN: Q16 = Q16::from_units(21_098);
/// Rounds inside the region before the first return to the policy.
const PROBATION_ROUNDS: u32 = 32;
/// The longest probation.
const PROBATION_MAX: u32 = 1024;
/// RFC 9002 §7.7 leaves the gain to the sender; slow start doubles per round.
const STARTUP_PACING_GAIN: Q16 = Q16::from_units(2 << 16);
