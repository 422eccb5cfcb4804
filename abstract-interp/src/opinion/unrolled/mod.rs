//! The closed loop written out for a few rounds, for complete solvers.
//!
//! A prover of closed loops follows cells; here one trajectory is followed, whose start and
//! observations are unknowns. What a round may show is an *inner* interval: whatever the solver
//! finds is a behaviour of the model of `docs/closed-loop.md` §2, so no proof may exclude it.
//! Shared with the prover are the description of the network and the controller's power of two.
//!
//! # Units
//! All values count 2⁻¹⁶.

mod encode;
mod round;

pub use encode::Unrolled;

use tautline_core::features::{FEATURE_COUNT, index};
use tautline_core::fixed::Q16;
use tautline_core::log2::exp2_scaled;

use super::ONE;
use crate::interval::Interval;
use crate::network::Network;

/// A policy on a path.
#[derive(Clone, Copy, Debug)]
pub struct Plant<'p> {
    /// The policy.
    pub network: &'p Network,
    /// G is 2^−this.
    pub gain_shift: u32,
    /// D.
    pub jitter: i64,
    /// g, rounded up.
    pub datagram: i64,
    /// log₂ of the bandwidth-delay product in datagrams.
    pub log_bdp: i64,
    /// β, if the queue is bounded.
    pub buffer: Option<i64>,
}

/// The state before a decision: logarithms of windows over the bandwidth-delay product, and the
/// remembered average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// a: the window in force.
    pub window: i64,
    /// p: the one before, under which the judged packets left.
    pub before: i64,
    /// o: the one before that.
    pub earlier: i64,
    /// e.
    pub memory: i64,
}

/// What a round shows, and whether the guard held the window for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `queueing`.
    pub queueing: i64,
    /// `standing_queue`.
    pub standing: i64,
    /// `loss`.
    pub loss: i64,
    /// The guard refused to grow.
    pub held: bool,
}

/// Some states: one interval per coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// a.
    pub window: Interval,
    /// p.
    pub before: Interval,
    /// o.
    pub earlier: Interval,
    /// e.
    pub memory: Interval,
}

impl Part {
    /// Smaller by as much on every side.
    #[must_use]
    pub const fn shrunk(self, by: i64) -> Self {
        const fn shrunk(side: Interval, by: i64) -> Interval {
            Interval {
                low: side.low + by,
                high: side.high - by,
            }
        }
        Self {
            window: shrunk(self.window, by),
            before: shrunk(self.before, by),
            earlier: shrunk(self.earlier, by),
            memory: shrunk(self.memory, by),
        }
    }

    /// Whether a state is one of these.
    pub const fn contains(&self, state: &State) -> bool {
        self.window.contains(state.window)
            && self.before.contains(state.before)
            && self.earlier.contains(state.earlier)
            && self.memory.contains(state.memory)
    }
}

/// What one round may show at a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Of `queueing` and `standing_queue`.
    pub excess: Interval,
    /// Of `loss`.
    pub loss: Interval,
}

impl Plant<'_> {
    /// Whether the policy reads only what is modelled here: neither logarithm of queued packets
    /// nor anything that the model of the path leaves free.
    pub fn is_modelled(&self) -> bool {
        let features = self.network.inputs();
        let layers = self.network.layers();
        let reads = |place: usize| {
            let direct = layers.first().is_some_and(|layer| {
                (0..layer.outputs).any(|neuron| layer.row(neuron)[place] != 0)
            });
            let skipped = self.network.skip_inputs() > place
                && layers.last().is_some_and(|layer| {
                    let offset = layer.inputs - self.network.skip_inputs();
                    (0..layer.outputs).any(|neuron| layer.row(neuron)[offset + place] != 0)
                });
            direct || skipped
        };
        features == FEATURE_COUNT && !(0..features).any(|it| !READ.contains(&it) && reads(it))
    }

    /// G.
    pub const fn gain(&self) -> i64 {
        ONE >> self.gain_shift
    }

    /// What the last round may show at a state, by the formulas of `docs/closed-loop.md` §2.
    pub fn shown(&self, state: &State) -> Shown {
        let (most, least) = (power(state.before), power(state.before.min(state.earlier)));
        let over = power(state.before.max(state.earlier));
        let (g, back) = (self.datagram, self.jitter + self.datagram);
        let beta = self.buffer.unwrap_or(UNBOUNDED);
        let idle = ONE.min(least - back - g - self.jitter);
        let unknown = (over + 3 * g - beta - idle).max(0);
        let burst = most.min(self.jitter + (most - least) + unknown + back + g);
        let overflow = (burst.max(over - ONE + g) - beta).max(0);
        let standing = least - back - g - ONE - self.jitter - 2 * g;
        let mut low = standing.min(beta);
        if overflow > 0 {
            low = low.min(beta - self.jitter - back - 3 * g - (over - least));
        }
        if burst > beta {
            low = low.min(standing - (burst - beta) - unknown);
        }
        let high = burst.max(most - ONE + g).min(beta + g);
        let low = ((ONE + low.max(0)) * ONE).div_euclid(ONE + self.jitter) + 1 - ONE;
        let surely = (standing - g - beta).max(0);
        Shown {
            excess: Interval {
                low: low.clamp(0, EXCESS_MAX),
                high: (high + self.jitter).clamp(0, EXCESS_MAX),
            },
            loss: Interval {
                low: (surely * ONE).div_euclid(most) + i64::from(surely > 0),
                high: (overflow * ONE).div_euclid(least).min(ONE),
            },
        }
    }

    /// The features that the policy is given.
    pub fn features(&self, state: &State, seen: &Seen) -> [i64; FEATURE_COUNT] {
        let mut features = [0; FEATURE_COUNT];
        features[index::QUEUEING] = seen.queueing;
        features[index::STANDING_QUEUE] = seen.standing;
        features[index::QUEUEING_EWMA] = state.memory;
        features[index::LOSS] = seen.loss;
        features[index::LOG_WINDOW] = (state.window + self.log_bdp) >> 4;
        features[index::LAST_STEP] =
            ((state.window - state.before) << self.gain_shift).clamp(-ONE, ONE);
        features
    }

    /// One step, if a round may show this.
    pub fn next(&self, state: &State, seen: &Seen) -> Option<State> {
        let Shown { excess, loss } = self.shown(state);
        let allowed = excess.contains(seen.queueing)
            && excess.contains(seen.standing)
            && seen.standing <= seen.queueing
            && loss.contains(seen.loss);
        let rate = self.network.forward(&self.features(state, seen))[0];
        let step = rate >> self.gain_shift;
        // Only growth is held, and only where something was lost.
        if !allowed || (seen.held && (step < 0 || seen.loss == 0)) {
            return None;
        }
        Some(State {
            window: state.window + if seen.held { 0 } else { step },
            before: state.window,
            earlier: state.before,
            memory: state.memory + ((seen.standing - state.memory) >> 2),
        })
    }

    /// The states from `start` on, if every round may show what it does.
    pub fn run(&self, start: State, seen: &[Seen]) -> Option<Vec<State>> {
        let mut states = vec![start];
        for seen in seen {
            states.push(self.next(states.last()?, seen)?);
        }
        Some(states)
    }

    /// [`Plant::run`] with every observation moved to the nearest that its round may show; none
    /// where some round may show nothing.
    pub fn follow(&self, start: State, seen: &[Seen]) -> Option<Vec<State>> {
        let mut states = vec![start];
        for wanted in seen {
            let state = states.last()?;
            let Shown { excess, loss } = self.shown(state);
            let within = |value: i64, range: Interval| {
                (range.low <= range.high).then(|| value.clamp(range.low, range.high))
            };
            let queueing = within(wanted.queueing, excess)?;
            let mut seen = Seen {
                queueing,
                standing: within(wanted.standing, excess)?.min(queueing),
                loss: within(wanted.loss, loss)?,
                held: wanted.held,
            };
            let next = self.next(state, &seen).or_else(|| {
                seen.held = false;
                self.next(state, &seen)
            });
            states.push(next?);
        }
        Some(states)
    }
}

/// 2^x, rounded down.
fn power(x: i64) -> i64 {
    let x = Q16::from_units(i32::try_from(x).unwrap_or(if x < 0 { i32::MIN } else { i32::MAX }));
    i64::try_from(exp2_scaled(x, 1 << Q16::FRACTION_BITS)).unwrap_or(i64::MAX)
}

/// The features that [`Plant::features`] fills.
const READ: [usize; 6] = [
    index::QUEUEING,
    index::STANDING_QUEUE,
    index::QUEUEING_EWMA,
    index::LOSS,
    index::LOG_WINDOW,
    index::LAST_STEP,
];
/// A buffer that nothing fills.
const UNBOUNDED: i64 = 1 << 32;
/// Upper end of the features of the queue.
const EXCESS_MAX: i64 = 2 * ONE;
