//! Impairments as a scenario describes them.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, Timestamp};

/// Random loss behind the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossSpec {
    /// Each packet on its own with this probability; 0 to 1.
    Bernoulli(f64),
    /// Gilbert–Elliott: a good and a bad state with a loss probability each; it starts in the good
    /// one. A packet is lost by the state that it finds, then the state may change, so that bursts
    /// of the bad state have a mean length of one over `to_good`. All from 0 to 1.
    GilbertElliott {
        /// Probability per packet to go from good to bad.
        to_bad: f64,
        /// Probability per packet to go from bad to good.
        to_good: f64,
        /// Loss in the good state.
        loss_good: f64,
        /// Loss in the bad state.
        loss_bad: f64,
    },
}

impl Default for LossSpec {
    fn default() -> Self {
        Self::Bernoulli(0.0)
    }
}

/// Whether packets may overtake each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// They come out as they went in.
    #[default]
    Kept,
    /// Each has a delay of its own.
    Free,
}

/// How extra delay is chosen, from none to the most there is.
///
/// All but the first are deterministic: what an adversary of the controller would do. With order
/// kept, a packet comes out with the one before where the law alone would let it overtake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JitterLaw {
    /// At random, each value as likely as the others.
    #[default]
    Uniform,
    /// Always the most: a longer way.
    Constant,
    /// The most in the first half of every period, none in the second.
    Square {
        /// Above zero, at most one minute.
        period: Duration,
    },
    /// From none to the most within every period, and down at once.
    Sawtooth {
        /// Above zero, at most one minute.
        period: Duration,
    },
    /// Packets are held until the next multiple of the most and released together, as an
    /// aggregating medium does.
    Bursts,
    /// The most for packets that found less of a queue than those lately, none for the others: a
    /// short queue looks long.
    ShortQueue,
    /// The reverse: a long queue looks longer.
    LongQueue,
}

impl JitterLaw {
    /// The period of a wave.
    pub const fn period(self) -> Option<Duration> {
        match self {
            Self::Square { period } | Self::Sawtooth { period } => Some(period),
            Self::Uniform | Self::Constant | Self::Bursts | Self::ShortQueue | Self::LongQueue => {
                None
            }
        }
    }
}

/// Extra delay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JitterSpec {
    /// Largest extra delay; 0 to 10 s.
    pub max: Duration,
    /// How it is chosen from zero to that.
    pub law: JitterLaw,
    /// Whether it may reorder.
    pub order: Order,
    /// Share of packets that are held back by `held_for`, which reorders; 0 to 1.
    pub held: f64,
    /// How long those are held back.
    pub held_for: Duration,
}

impl JitterSpec {
    /// Whether packets may come out in another order.
    pub fn reorders(&self) -> bool {
        (self.order == Order::Free && !self.max.is_zero())
            || (self.held > 0.0 && !self.held_for.is_zero())
    }
}

/// A token bucket that drops what comes too fast, before the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicerSpec {
    /// Rate of the tokens.
    pub rate: Bandwidth,
    /// Size of the bucket; at least one packet.
    pub burst: Bytes,
}

/// A time in which nothing passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blackout {
    /// Start.
    pub at: Timestamp,
    /// Length.
    pub length: Duration,
    /// What happens to packets meanwhile.
    pub packets: Blacked,
}

/// What a blackout does to packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blacked {
    /// They leave the transmitter and are lost.
    #[default]
    Lost,
    /// The transmitter stands still; a transmission that is cut starts anew.
    Held,
}
