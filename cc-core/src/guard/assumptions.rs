//! What closed-loop claims take for granted about the path, in the units of the controller.

use crate::fixed::Q16;
use crate::log2::exp2_scaled;

/// The assumptions of one model's closed-loop claims, `docs/closed-loop.md` §1.
///
/// # Units
/// Q16 throughout. Shares are of the base round-trip time or of the bandwidth-delay product;
/// logarithms are binary, of datagrams or of windows over the bandwidth-delay product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopAssumptions {
    /// D: how much longer than its queueing a round trip may take, as a share of the base.
    pub jitter: Q16,
    /// log₂ of the bandwidth-delay product in datagrams: least and largest.
    pub log_bdp: (Q16, Q16),
    /// β: the shallowest buffer, and the deepest unless there is no bound.
    pub buffer: (Q16, Option<Q16>),
    /// log₂ of window over bandwidth-delay product at the start: from the first to the second.
    pub start: (Q16, Q16),
    /// log₂ of the window in datagrams: what the claims say something about, over all paths.
    pub log_window: (Q16, Q16),
}

impl LoopAssumptions {
    /// True if the claims say something about windows of `log_window`.
    pub fn covers(&self, log_window: Q16) -> bool {
        (self.log_window.0..=self.log_window.1).contains(&log_window)
    }

    /// g: a datagram's share of the least bandwidth-delay product, rounded up.
    pub(super) fn largest_datagram(&self) -> Q16 {
        let least = Q16::ZERO.saturating_sub(self.log_bdp.0);
        let share = exp2_scaled(least, ONE).saturating_add(1);
        i32::try_from(share).map_or(Q16::MAX, Q16::from_units)
    }
}

/// What a closed-loop claim assumes about the path, and the guard monitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Assumption {
    /// Round trips vary by more than queueing and D explain.
    Jitter,
    /// Round trips are shorter than the base that the minimum vouched for.
    BaseRtt,
    /// The bottleneck's rate: another capacity, another flow, or a longer path.
    Rate,
    /// The bandwidth-delay product lies in the declared range.
    Range,
    /// Only a full buffer of the declared depth drops.
    Buffer,
    /// Nothing is marked.
    Marks,
    /// Packets arrive in the order in which they left.
    Order,
}

impl Assumption {
    /// Every assumption, in the order of [`Assumption::index`].
    pub const ALL: [Self; 7] = [
        Self::Jitter,
        Self::BaseRtt,
        Self::Rate,
        Self::Range,
        Self::Buffer,
        Self::Marks,
        Self::Order,
    ];

    /// Its position in [`Assumption::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Jitter => 0,
            Self::BaseRtt => 1,
            Self::Rate => 2,
            Self::Range => 3,
            Self::Buffer => 4,
            Self::Marks => 5,
            Self::Order => 6,
        }
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jitter => "jitter",
            Self::BaseRtt => "base-rtt",
            Self::Rate => "rate",
            Self::Range => "range",
            Self::Buffer => "buffer",
            Self::Marks => "marks",
            Self::Order => "order",
        }
    }

    /// Of the last 32 rounds, those with evidence against it that make the guard act.
    ///
    /// Evidence is proof within the model, so one round would do there; a real path has a hiccup
    /// now and then, and what is asked of round-trip times is asked more often.
    pub const fn rounds(self) -> u32 {
        match self {
            Self::Jitter | Self::BaseRtt | Self::Rate | Self::Range => 4,
            Self::Buffer | Self::Order => 3,
            Self::Marks => 2,
        }
    }
}

const ONE: u64 = 1 << Q16::FRACTION_BITS;
