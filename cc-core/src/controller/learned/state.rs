//! Who is in charge, with the data that only that phase needs.

use crate::controller::NewReno;
use crate::controller::hystart::HyStart;
use crate::fixed::Q16;

/// The phase of a learned controller.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Slow start until its own rules or a congestion signal end it.
    Startup(HyStart),
    /// The policy proposes every round.
    Policy,
    /// The guard empties the queue for a fresh minimum RTT.
    Drain(Drain),
    /// NewReno until probation is served.
    Fallback {
        /// The controller in charge.
        reno: NewReno,
        /// Consecutive rounds whose features lay in the certified region.
        clean_rounds: u32,
    },
}

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// The log window to come back to.
    pub(super) restore: Q16,
    /// Decisions since it began.
    pub(super) rounds: u8,
}
