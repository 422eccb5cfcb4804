//! What a round can show: queue, round trips and losses, from the windows that bear on it.
//!
//! Shares of the base RTT and of the bandwidth-delay product count 2⁻¹⁶ here as in a claim. Every
//! interval is a unit or two wider than the formulas of `docs/closed-loop.md`, so that a checker
//! that rounds in other places finds its own inside.

use tautline_certificate_format::closed_loop::{Buffer, LOG_BITS, Losses};
use tautline_core::features::{LOG_WINDOW_MAX, LOG_WINDOW_MIN, OWN_QUEUE_FLOOR};
use tautline_core::fixed::Q16;
use tautline_core::log2::{exp2_scaled, log2};

/// Least and largest value, both included.
pub type Range = (i64, i64);

/// One, in units of 2⁻¹⁶.
pub(crate) const ONE: i64 = 1 << Q16::FRACTION_BITS;
/// From units of 2⁻⁸ octaves to units of 2⁻¹⁶.
pub(crate) const EDGE_SHIFT: u32 = Q16::FRACTION_BITS - LOG_BITS;
/// Upper end of both features of the queue.
const EXCESS_MAX: i64 = 2 * ONE;
/// Upper end of x/(1 + x) in the feature of the own queue.
const SHARE_MAX: i64 = 43_690;
/// How much wider than the formulas.
pub(crate) const SLACK: i64 = 3;

/// How X, what is gone and not yet known, is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drops {
    /// As assumption A6 has it, which bounds the share of a round's losses too.
    Assumed,
    /// No burst overflows a buffer, where windows that are held stay below this edge (2⁻⁸ octaves):
    /// lemma X. [`Paths::room`] and [`Seen::room`] say whether that is so; the rest does not depend on
    /// the edge.
    Below(i32),
}

impl Drops {
    /// For a claim that assumes this of losses and holds windows below `highest` (2⁻⁸ octaves).
    pub const fn of(losses: Losses, highest: i32) -> Self {
        match losses {
            Losses::Assumed => Self::Assumed,
            Losses::Any => Self::Below(highest),
        }
    }
}

/// The constants of a slice's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paths {
    /// g of the smallest bandwidth-delay product, rounded up.
    datagram: i64,
    /// D.
    jitter: i64,
    /// The shallowest buffer.
    least: i64,
    /// The deepest.
    most: Option<i64>,
    /// log₂ of the bandwidth-delay product, in units of 2⁻¹⁶.
    log_bdp: Range,
    /// The largest window that is held, where lemma X is used.
    highest: Option<i64>,
}

/// The windows that bear on a judged round, in units of 2⁻¹⁶ of the bandwidth-delay product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// λ: what was in flight, but for g and P, at least.
    pub least: i64,
    /// ω: the window that its packets left under, at most.
    pub most: i64,
    /// ω̂: the larger of that and the one before, at most.
    pub over: i64,
    /// The largest of these and the one before them, at most.
    pub past: i64,
}

/// What one round can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// q of any of its packets.
    pub queue: Range,
    /// r/m − 1, clamped to the features `queueing` and `standing_queue`.
    pub excess: Range,
    /// log₂ of the own share of the queue, as `own_queue` adds it, at most zero.
    pub share: Range,
    /// `loss`.
    pub loss: Range,
    /// What may be dropped and not yet known: the larger of X and E, where anything is dropped.
    pub unknown: i64,
    /// What a full buffer has left at the end of the longest burst; where that is negative and A6 is
    /// not assumed, nothing here is proved.
    pub room: i64,
}

impl Paths {
    /// The constants for D, a range of log₂ BDP (2⁻⁸ octaves) and a range of buffers.
    pub fn new(jitter: u32, log_bdp: (i32, i32), buffer: Buffer, drops: Drops) -> Self {
        let datagram = power(-log_bdp.0).1;
        let jitter = i64::from(jitter);
        Self {
            datagram,
            jitter,
            least: i64::from(buffer.least),
            most: buffer.most.map(i64::from),
            log_bdp: (
                i64::from(log_bdp.0) << EDGE_SHIFT,
                i64::from(log_bdp.1) << EDGE_SHIFT,
            ),
            highest: match drops {
                Drops::Assumed => None,
                Drops::Below(edge) => Some(power(edge).1),
            },
        }
    }

    /// By how much the shallowest buffer exceeds what lemma X asks of it for the bursts after a
    /// window was held, on an empty queue or from other hands; negative where it is too shallow.
    /// Nothing is asked under A6.
    pub fn room(&self) -> i64 {
        let Some(highest) = self.highest else {
            return 0;
        };
        let (g, jitter, beta) = (self.datagram, self.jitter, self.least);
        let soon = 2 * beta - (ONE + 4 * jitter + 7 * g);
        let late = 3 * beta - (highest + 4 * jitter + 8 * g);
        soon.min(late) - SLACK
    }

    /// The windows that bear on a round, from cells' edges (2⁻⁸ octaves): what was in flight at
    /// least, the window it left under at most, the larger of that and the one before, and the
    /// largest of these and the one before them.
    pub fn windows(&self, low: i32, high: i32, over: i32, past: i32) -> Windows {
        Windows {
            least: self.in_flight(power(low).0),
            most: power(high).1,
            over: power(over).1,
            past: power(past).1,
        }
    }

    /// The window in bytes is rounded down, for datagrams of 512 bytes or more.
    const fn in_flight(&self, window: i64) -> i64 {
        window - (self.datagram >> 9) - 1
    }

    /// P: what a pacer at 2·W/m holds back while at least `least` is in flight.
    fn held_back(&self, least: i64) -> i64 {
        let whole = ONE + self.jitter;
        let train = if 2 * least >= whole {
            0
        } else if 4 * least <= whole {
            (whole >> 3) + 1
        } else {
            least - 2 * least * least / whole + SLACK
        };
        self.jitter + self.datagram + train
    }

    /// What a round under these windows shows.
    pub fn seen(&self, windows: Windows) -> Seen {
        let Windows {
            least,
            most,
            over,
            past,
        } = windows;
        let (g, jitter, beta) = (self.datagram, self.jitter, self.least);
        let held_back = self.held_back(least);
        let unknown_of = |window: i64, left: i64| (window + 3 * g + SLACK - beta - left).max(0);
        let (unknown, before) = match self.highest {
            None => {
                let idle = ONE.min(least - held_back - g - jitter);
                let unknown = unknown_of(over, idle);
                (unknown, unknown)
            }
            Some(_) => (unknown_of(over, ONE), unknown_of(past, ONE)),
        };
        let burst = most.min(jitter + (most - least) + before + held_back + g);
        let ahead = burst.max(most - ONE + g);
        let overflow = (burst.max(over - ONE + g) - beta).max(0);
        let standing = least - held_back - g - ONE - jitter - 2 * g;
        let mut low = standing.min(beta);
        if overflow > 0 {
            low = low.min(beta - jitter - held_back - 3 * g - (over - least));
        }
        if burst > beta {
            low = low.min(standing - (burst - beta) - unknown);
        }
        let high = self.most.map_or(ahead, |buffer| ahead.min(buffer + g));
        let queue = ((low - SLACK).max(0), (high + SLACK).max(0));
        let excess = (
            (((ONE + queue.0) << 16) / (ONE + jitter) - ONE - SLACK).clamp(0, EXCESS_MAX),
            (queue.1 + jitter + SLACK).clamp(0, EXCESS_MAX),
        );
        let surely = self
            .most
            .map_or(0, |buffer| (standing - g - buffer - SLACK).max(0));
        let loss = match self.highest {
            _ if overflow == 0 => (0, 0),
            Some(_) => (0, ONE),
            None => {
                let lost = (((overflow + SLACK) << 16) / least.max(1) + SLACK).min(ONE);
                (((surely << 16) / most - SLACK).clamp(0, lost), lost)
            }
        };
        Seen {
            queue,
            excess,
            share: (share(excess.0, -2), share(excess.1, 2)),
            loss,
            room: beta - burst - SLACK,
            unknown: if overflow > 0 {
                unknown.max(overflow)
            } else {
                0
            },
        }
    }

    /// The share of the capacity that is carried where at least `windows.least` is in flight, some
    /// of it dropped and not yet known: units of 2⁻¹⁶, rounded down.
    pub fn utilisation(&self, windows: Windows, seen: &Seen) -> i64 {
        let held_back = self.held_back(windows.least) + self.datagram;
        let carried = windows.least - held_back - seen.unknown - SLACK;
        ((carried.max(0) << 16) / (ONE + self.jitter)).min(ONE)
    }

    /// The largest window of a drain that starts at a window with these edges (2⁻⁸ octaves) after a
    /// round that showed `seen`, in units of 2⁻¹⁶.
    pub fn drained(&self, edges: (i32, i32), seen: &Seen) -> i64 {
        // mean RTT over min RTT, and one where it seems below.
        let ratio = ONE + seen.excess.0;
        let half = (power(edges.1).1 << (16 - DRAIN_MARGIN)) / ratio;
        (half + (half >> 12) + SLACK).max(LEAST_WINDOW * self.datagram)
    }

    /// log₂ of the window in datagrams, where that over the bandwidth-delay product lies in a cell
    /// with these edges; units of 2⁻¹⁶.
    pub fn log_window(&self, edges: (i32, i32)) -> Range {
        let low = (i64::from(edges.0) << EDGE_SHIFT) + self.log_bdp.0;
        let high = (i64::from(edges.1) << EDGE_SHIFT) + self.log_bdp.1;
        let (floor, ceiling) = window_limits();
        (
            (low - 16).clamp(floor, ceiling),
            (high + 16).clamp(floor, ceiling),
        )
    }

    /// True where X is bounded by lemma X and not by assumption A6.
    pub(crate) const fn proves_drops(&self) -> bool {
        self.highest.is_some()
    }

    /// D.
    pub const fn jitter(&self) -> i64 {
        self.jitter
    }

    /// g.
    pub const fn datagram(&self) -> i64 {
        self.datagram
    }
}

/// 2^(`edge`/256) from below and above, in units of 2⁻¹⁶.
///
/// The controller interpolates between the entries of its table, which stays within 2⁻¹⁸ of the
/// power.
pub(crate) fn power(edge: i32) -> Range {
    let exponent = edge.clamp(-(20 << LOG_BITS), 20 << LOG_BITS) << EDGE_SHIFT;
    let units = exp2_scaled(Q16::from_units(exponent), 1 << 16) as i64;
    (units - 1 - (units >> 17), units + 2 + (units >> 17))
}

/// log₂ max(x/(1 + x), floor) in units of 2⁻¹⁶, the share moved by `by` units before.
fn share(excess: i64, by: i64) -> i64 {
    let units = (excess << 16) / (ONE + excess) + by;
    let floor = i64::from(OWN_QUEUE_FLOOR.units());
    let units = units.clamp(floor, SHARE_MAX);
    i64::from(log2(units as u64).units()) - (16 << 16)
}

/// Octaves that a drain goes below the window that empties the queue.
const DRAIN_MARGIN: u32 = 1;
/// Datagrams in the controller's smallest window.
const LEAST_WINDOW: i64 = 4;

fn window_limits() -> Range {
    (
        i64::from(LOG_WINDOW_MIN.units()),
        i64::from(LOG_WINDOW_MAX.units()),
    )
}
