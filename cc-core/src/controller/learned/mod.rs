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

mod events;
mod proposer;
mod state;
mod transitions;

pub use proposer::Proposer;
pub use transitions::CLAIMED_DRAIN_MARGIN;

use state::{Phase, Startup};

use core::time::Duration;

use super::{Controller as _, Counters, Decision, RetryTiming, pacing_rate};
use crate::action::Proposal;
use crate::features::{FEATURE_COUNT, LOG_WINDOW_MIN};
use crate::fixed::Q16;
use crate::guard::{Envelope, Monitor, PathAssumptions, Ruling, Usage, Watching as _, rule};
use crate::log2::exp2_scaled;
use crate::observe::{Memory, MinRtt, Observation, Rounds, SmoothedRtt, View};
use crate::policy::{Cadence, Digest};
use crate::units::{Bytes, Timestamp};

/// A policy `P` under the guard, which relies on what `E` vouches for.
#[derive(Clone, Debug)]
pub struct Learned<P, E: Envelope> {
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
    /// Where closed-loop claims were made, whether their assumptions hold.
    watch: <E::Assumptions as PathAssumptions>::Watch,
    /// w = log₂(window / datagram).
    log_window: Q16,
    /// Window under which the packets of the judged round left.
    judged_window: Bytes,
    phase: Phase,
    rounds_since_drain: u32,
    /// The last decision's window has not been judged yet, and the model asks to wait for that.
    settling: bool,
    probation_rounds: u32,
    /// Of the acknowledgement under way: its largest packet's, the others waited for that one.
    sample: Option<Duration>,
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
        let watch = envelope.loop_assumptions().watch();
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
            watch,
            log_window: LOG_WINDOW_MIN,
            judged_window: window,
            phase: Phase::Startup(start),
            rounds_since_drain: 0,
            settling: false,
            probation_rounds: PROBATION_ROUNDS,
            sample: None,
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

    /// w = log₂(window / datagram) of the policy and of drains; what startup and the fallback hold
    /// does not show here.
    pub const fn log_window(&self) -> Q16 {
        self.log_window
    }

    fn on_round(&mut self, now: Timestamp, round: &Observation) {
        let Some(base) = self.min_rtt.get() else {
            return;
        };
        let view = View {
            observation: round,
            min_rtt: base,
            log_window: self.log_window,
            window: self.decision.congestion_window,
        };
        let path = self.watch_path(now, &view);
        if matches!(self.phase, Phase::Startup(_)) {
            return;
        }
        self.memory.count_loss(round);
        if let Some(assumption) = path.broken {
            self.stop_relying_on(assumption, now);
        }
        if core::mem::take(&mut self.settling) && matches!(self.phase, Phase::Policy) {
            return;
        }
        let features = self.memory.features(&view);
        let by_policy = matches!(self.phase, Phase::Policy);
        self.counters.decisions = self.counters.decisions.saturating_add(1);
        let applied = match self.phase {
            Phase::Startup(_) => Q16::ZERO,
            Phase::Policy => self.decide(round, &features, &view),
            Phase::Drain(drain) => self.drain(drain),
            Phase::Fallback { .. } => {
                self.serve_probation(&features, &view, path);
                Q16::ZERO
            }
        };
        // What a drain or the fallback made of the window is nothing for the policy to remember.
        if by_policy && matches!(self.phase, Phase::Policy) {
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
            self.start_drain(view, false);
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
            _ if self.watch.get().is_some() => CLAIMED_PACING_GAIN,
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
    ///
    /// Closed-loop claims assume that pacing holds back no more than jitter does; a round's RTT is
    /// too old for that where the queue has just fallen, the minimum never is.
    fn pacing_rtt(&self) -> Duration {
        if self.watch.get().is_some()
            && matches!(self.phase, Phase::Policy | Phase::Drain(_))
            && let Some(base) = self.min_rtt.get()
        {
            return base;
        }
        let smoothed = self.smoothed_rtt.get();
        if self.round_rtt.is_zero() {
            smoothed
        } else {
            smoothed.min(self.round_rtt)
        }
    }
}

/// Rounds between drains.
pub const DRAIN_PERIOD_ROUNDS: u32 = 128;
/// Rounds inside the region before the first return to the policy.
const PROBATION_ROUNDS: u32 = 32;
/// RFC 9002 §7.7 leaves the gain to the sender; slow start doubles per round.
const STARTUP_PACING_GAIN: Q16 = Q16::from_units(2 << 16);
/// Closed-loop claims rely on it in place of the model's: a smaller one holds small windows back.
const CLAIMED_PACING_GAIN: Q16 = Q16::from_units(2 << 16);
