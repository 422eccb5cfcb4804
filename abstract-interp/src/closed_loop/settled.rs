//! What a slice's last set says: utilisation, queue, windows, and whether drains fit.

use tautline_certificate_format::closed_loop::LoopBounds;

use super::image::{Image, RowAt, Step};
use super::path::ONE;
use super::ranks::{Layout, Ranked};
use super::rate::Rate;

/// The cells of the largest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// K: steps from rank one to the last.
    pub rounds: u8,
    /// How many cells.
    pub cells: usize,
    /// The share of the capacity that is carried, at least; units of 2⁻¹⁶.
    pub utilisation: i64,
    /// Queueing delay over the base RTT, at most; units of 2⁻¹⁶.
    pub queue: i64,
    /// The range of a: lower edge of the first cell, upper edge of the last; 2⁻⁸ octaves.
    pub windows: (i32, i32),
    /// Some of them may overflow the buffer.
    pub may_drop: bool,
    /// What the shallowest buffer has left where lemma X asks most of it, in any ranked cell; units
    /// of 2⁻¹⁶. Negative where the lemma does not hold; nothing is asked under A6.
    pub room: i64,
    /// Drains from them.
    pub drain: Drain,
}

/// Drains that begin in a settled cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// The largest window of a drain over the bandwidth-delay product, and one datagram; units of
    /// 2⁻¹⁶. The queue empties where it is one at most.
    pub window: i64,
    /// Settled cells from which the first decision after a drain can lead to a cell without a rank.
    pub lost: usize,
}

/// A way in which a slice misses its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Cells that can leave the grid.
    Leaves {
        /// How many.
        cells: usize,
    },
    /// Settled states carry less than claimed.
    Utilisation {
        /// Units of 2⁻¹⁶.
        got: i64,
    },
    /// Settled states queue more than claimed.
    Queue {
        /// Units of 2⁻¹⁶.
        got: i64,
    },
    /// A burst may overflow the buffer, after which nothing is known without assumption A6.
    Bursts {
        /// How much deeper the buffer would have to be, units of 2⁻¹⁶ bandwidth-delay products.
        short: i64,
    },
    /// A drain does not empty the queue.
    DrainTooWide {
        /// Its window and a datagram over the bandwidth-delay product, units of 2⁻¹⁶.
        got: i64,
    },
    /// A drain ends outside the ranked cells.
    DrainLost {
        /// How many settled cells it starts from.
        cells: usize,
    },
}

impl Settled {
    /// Where this falls short of a claim.
    pub fn troubles(&self, claimed: &LoopBounds) -> Vec<Trouble> {
        let mut troubles = vec![];
        if self.utilisation < i64::from(claimed.utilisation) {
            troubles.push(Trouble::Utilisation {
                got: self.utilisation,
            });
        }
        if self.queue > i64::from(claimed.queue) {
            troubles.push(Trouble::Queue { got: self.queue });
        }
        if self.room < 0 {
            troubles.push(Trouble::Bursts { short: -self.room });
        }
        if self.drain.window > ONE {
            troubles.push(Trouble::DrainTooWide {
                got: self.drain.window,
            });
        }
        if self.drain.lost > 0 {
            troubles.push(Trouble::DrainLost {
                cells: self.drain.lost,
            });
        }
        troubles
    }
}

/// Reads the last set of a ranked slice.
pub fn settled<R: Rate>(step: &Step<'_, R>, ranked: &Ranked) -> Settled {
    let layout = Layout::new(step.grid);
    let memories = layout.memories();
    let mut found = Settled {
        rounds: ranked.last.saturating_sub(1),
        cells: 0,
        utilisation: ONE,
        queue: 0,
        windows: (i32::MAX, i32::MIN),
        may_drop: false,
        room: step.paths.room(),
        drain: Drain { window: 0, lost: 0 },
    };
    let mut images = vec![Image::NONE; memories];
    for (row, ranks) in ranked.ranks.chunks_exact(memories).enumerate() {
        let cells: usize = ranks
            .iter()
            .map(|&rank| usize::from(rank == ranked.last))
            .sum();
        let at = layout.row_at(row);
        if ranks.iter().any(|&rank| rank > 0) && step.paths.proves_drops() {
            found.room = found.room.min(step.seen_at(at).room);
        }
        if cells == 0 {
            continue;
        }
        let figures = RowFigures::new(step, at);
        found.cells += cells;
        found.utilisation = found.utilisation.min(figures.utilisation);
        found.queue = found.queue.max(figures.queue);
        found.may_drop |= figures.may_drop;
        let edges = step.grid.edges(at.window);
        found.windows = (found.windows.0.min(edges.0), found.windows.1.max(edges.1));
        found.drain.window = found
            .drain
            .window
            .max(figures.drain + step.paths.datagram());
        after_drain(step, at, &mut images);
        let from = (at.window, 0);
        for (image, _) in images
            .iter()
            .zip(ranks)
            .filter(|&(_, &rank)| rank == ranked.last)
        {
            let mut safe = true;
            let inside = layout.targets(from, *image, |targets| {
                safe &= ranked.ranks[targets].iter().all(|&rank| rank > 0);
            });
            found.drain.lost += usize::from(!(inside && safe));
        }
    }
    found
}

/// Figures of a row's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFigures {
    /// Share carried, at least; units of 2⁻¹⁶.
    pub utilisation: i64,
    /// Queueing, at most; units of 2⁻¹⁶.
    pub queue: i64,
    /// The buffer may overflow.
    pub may_drop: bool,
    /// The largest window of a drain from here; units of 2⁻¹⁶.
    pub drain: i64,
}

impl RowFigures {
    /// The figures of a row.
    pub fn new<R: Rate>(step: &Step<'_, R>, at: RowAt) -> Self {
        let windows = step.windows_at(at);
        let seen = step.paths.seen(windows);
        Self {
            utilisation: step.paths.utilisation(windows, &seen),
            queue: seen.queue.1,
            may_drop: seen.unknown > 0,
            drain: step.paths.drained(step.grid.edges(at.window), &seen),
        }
    }
}

/// The images of the first decision after a drain, by which time the window has been held so long
/// that all is as if p and o were the same; the last step is still the one before the drain.
fn after_drain<R: Rate>(step: &Step<'_, R>, at: RowAt, images: &mut [Image]) {
    let held = RowAt {
        before: 0,
        turn: 0,
        ..at
    };
    step.row_in(&step.row_box(at, &step.seen_at(held)), images);
}
