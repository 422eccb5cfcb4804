//! Claims that can be phrased over a published actor's inputs.

use crate::actor::Actor;
use crate::state::{Follows, State};

/// A claim in one state: unknown measurements ⇒ the value before tanh lies in an interval.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Ranges of the unknowns.
    pub(crate) input: Vec<(f64, f64)>,
    /// The features that follow from them.
    pub(crate) follows: Vec<(usize, Follows)>,
    /// The features that the anchor's released code lets move; the others stay as in the state.
    pub(crate) released: Vec<(usize, Follows)>,
    /// What the value before tanh may be; ends may be infinite.
    pub(crate) allowed: (f64, f64),
    /// The unknown that is sliced.
    pub(crate) sliced: usize,
}

/// The claims, named after Canopy's properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// P1: low delay ⇒ the window does not shrink, and grows by at most 25 packets.
    LowDelay,
    /// P2: high delay ⇒ the window does not grow, and shrinks by at most 25 packets.
    HighDelay,
    /// P3: almost no queue and no loss ⇒ as P1.
    IdleLink,
    /// P4: almost no queue and heavy loss ⇒ as P2.
    HeavyLoss,
    /// Noise of 5 % on the newest round-trip time ⇒ the window moves by at most 1 %.
    Noise,
}

impl Claim {
    pub(crate) const ALL: [Self; 5] = [
        Self::LowDelay,
        Self::HighDelay,
        Self::IdleLink,
        Self::HeavyLoss,
        Self::Noise,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LowDelay => "P1 low delay ⇒ ΔW in [0, 25]",
            Self::HighDelay => "P2 high delay ⇒ ΔW in [−25, 0]",
            Self::IdleLink => "P3 no queue, no loss ⇒ ΔW in [0, 25]",
            Self::HeavyLoss => "P4 no queue, heavy loss ⇒ ΔW in [−25, 0]",
            Self::Noise => "±5 % noise ⇒ ±1 % window",
        }
    }

    /// The claim for Orca: u₀ is the newest inverse round-trip time, u₁ the newest loss.
    ///
    /// # Source
    /// Yang et al., "Canopy", EuroSys 2026; thresholds of its released code: 0.25 and 25 packets.
    pub(crate) fn for_orca(self, state: &State, at: &dyn Fn(&[f64]) -> f64) -> Question {
        let linked = vec![(5, Follows::Unknown(0)), (6, Follows::DelayMetric)];
        let released = vec![(5, Follows::Unknown(0))];
        let noisy = state.step[5];
        let (input, allowed) = match self {
            Self::LowDelay => (vec![(0.75, 1.0)], orca_window(0.0, 25.0)),
            Self::HighDelay => (vec![(0.0, 0.25)], orca_window(-25.0, 0.0)),
            Self::IdleLink => (vec![(0.99, 1.0)], orca_window(0.0, 25.0)),
            Self::HeavyLoss => (vec![(0.99, 1.0), (0.25, 1.0)], orca_window(-25.0, 0.0)),
            Self::Noise => {
                let value = libm::tanh(at(&[noisy]));
                let step = libm::log2(1.01) / 2.0;
                let back = libm::log2(0.99) / 2.0;
                let range = (0.95 * noisy, (1.05 * noisy).min(1.0));
                (vec![range], (inverse(value + back), inverse(value + step)))
            }
        };
        self.question(input, allowed, linked, released, 2)
    }

    /// The claim for Astraea: u₀ is the newest round-trip time (and smoothed one) over the base
    /// one, u₁ the newest loss.
    pub(crate) fn for_astraea(self, state: &State, at: &dyn Fn(&[f64]) -> f64) -> Question {
        let linked = vec![(1, Follows::Unknown(0)), (2, Follows::Unknown(0))];
        let noisy = state.step[1];
        // No step of 2.5 % reaches 25 packets of this window, so only the sign is asked.
        let (grow, shrink) = ((0.0, f64::INFINITY), (f64::NEG_INFINITY, 0.0));
        let (input, allowed) = match self {
            Self::LowDelay => (vec![(1.0, 4.0 / 3.0)], grow),
            Self::HighDelay => (vec![(2.0, 4.0)], shrink),
            Self::IdleLink => (vec![(1.0, 1.0 / 0.99)], grow),
            Self::HeavyLoss => (vec![(1.0, 1.0 / 0.99), (0.25, 1.0)], shrink),
            Self::Noise => {
                let factor = astraea_factor(libm::tanh(at(&[noisy])));
                let range = ((0.95 * noisy).max(1.0), 1.05 * noisy);
                let end = |share: f64| inverse(astraea_action(factor * share));
                (vec![range], (end(0.99), end(1.01)))
            }
        };
        self.question(input, allowed, linked.clone(), linked, 6)
    }

    fn question(
        self,
        input: Vec<(f64, f64)>,
        allowed: (f64, f64),
        mut follows: Vec<(usize, Follows)>,
        mut released: Vec<(usize, Follows)>,
        loss: usize,
    ) -> Question {
        let mut sliced = 0;
        if self == Self::HeavyLoss {
            follows.push((loss, Follows::Unknown(1)));
            released.push((loss, Follows::Unknown(1)));
            sliced = 1;
        }
        Question {
            input,
            follows,
            released,
            allowed,
            sliced,
        }
    }

    /// The claim for an actor, by its number of features.
    pub(crate) fn for_actor(
        self,
        actor: &Actor,
        state: &State,
        at: &dyn Fn(&[f64]) -> f64,
    ) -> Question {
        if actor.name == "Orca" {
            self.for_orca(state, at)
        } else {
            self.for_astraea(state, at)
        }
    }
}

/// Values before tanh for which a window of 4ᵃ·W packets differs from the last one, W, by `low` to
/// `high` packets.
fn orca_window(low: f64, high: f64) -> (f64, f64) {
    let end = |change: f64| inverse(libm::log2(1.0 + change / WINDOW) / 2.0);
    (end(low), end(high))
}

/// What a window is multiplied with.
fn astraea_factor(action: f64) -> f64 {
    if action >= 0.0 {
        1.0 + 0.025 * action
    } else {
        1.0 / (1.0 - 0.025 * action)
    }
}

/// The action that multiplies a window with `factor`.
fn astraea_action(factor: f64) -> f64 {
    if factor >= 1.0 {
        (factor - 1.0) / 0.025
    } else {
        (1.0 - 1.0 / factor) / 0.025
    }
}

/// The value whose tanh is `action`; infinite beyond ±1.
fn inverse(action: f64) -> f64 {
    if action >= 1.0 {
        f64::INFINITY
    } else if action <= -1.0 {
        f64::NEG_INFINITY
    } else {
        libm::atanh(action)
    }
}

/// The window, in packets, that both the kernel and the actor had before: 24 Mbit/s for 20 ms, the
/// base round-trip time of the anchor's evaluation.
const WINDOW: f64 = 40.0;
