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

/// Random extra delay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JitterSpec {
    /// Largest extra delay, uniform from zero on; 0 to 10 s.
    pub max: Duration,
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
