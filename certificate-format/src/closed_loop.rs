//! Closed-loop claims and the grid that their proof ranks, as data.
//!
//! A closed-loop claim speaks of the loop of policy, guard and path, for ever, and not of one
//! decision. `docs/closed-loop.md` has the model of the path and the lemmas; here are its
//! parameters, the cells of the state space and how they are numbered.
//!
//! # Units
//! - logarithms of windows and bandwidth-delay products: 2⁻⁸ octaves, so that every edge of a cell
//!   is an entry of the controller's table of powers of two;
//! - shares of the base RTT or of the bandwidth-delay product: 2⁻¹⁶;
//! - the average that the policy remembers: its own units of 2⁻¹⁶.

use tautline_core::fixed::Q16;

/// Fractional bits of logarithms.
pub const LOG_BITS: u32 = 8;
/// Largest value of the remembered average, the upper end of its feature.
pub const MEMORY_MAX: i32 = 2 * Q16::ONE.units();
/// Most cells of one slice.
pub const MAX_CELLS: u64 = 1 << 28;
/// Most slices of one claim.
pub const MAX_SLICES: usize = 1024;
/// Largest share of a base RTT or of a bandwidth-delay product: 1024.
pub const MAX_BUFFER: u32 = 1 << 26;
/// Largest log₂ of a bandwidth-delay product: 24 octaves.
pub const MAX_LOG_BDP: i32 = 24 << LOG_BITS;
/// Largest magnitude of log₂ of window over bandwidth-delay product: 64 octaves.
pub const MAX_LOG: i32 = 64 << LOG_BITS;
/// Largest number of rounds: ranks are bytes, and zero says nothing.
pub const MAX_ROUNDS: u8 = 254;

/// The paths that a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathFamily {
    /// D: how much longer than its queueing any packet's round trip may take, by jitter or by
    /// acknowledgements that wait for each other, as a share of the base RTT.
    pub jitter: u32,
    /// log₂ of the bandwidth-delay product in datagrams: least and largest.
    pub log_bdp: (i32, i32),
    /// β, what the queue holds at most, in bandwidth-delay products.
    pub buffer: Buffer,
}

/// The buffers of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// The shallowest.
    pub least: u32,
    /// The deepest; none for no bound.
    pub most: Option<u32>,
}

/// What a claim takes for granted of datagrams that a full queue drops, beside the assumptions of
/// every closed-loop claim (`docs/closed-loop.md`, section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Losses {
    /// Nothing.
    #[default]
    Any,
    /// A6: how much is gone and not yet known, and the share of a round's losses, are within the
    /// bounds that simulation confirms and no lemma proves.
    Assumed,
}

impl Losses {
    /// The names of the assumptions made, as a claims file has them.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Any => &[],
            Self::Assumed => &["A6"],
        }
    }
}

/// What the loop does on every path of a family, from every start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopClaim {
    /// Its name in reports.
    pub name: String,
    /// What it says, in one sentence.
    pub says: String,
    /// The paths.
    pub family: PathFamily,
    /// What is assumed of losses.
    pub losses: Losses,
    /// log₂ of window over bandwidth-delay product at the start, with any memory: from the first
    /// to below the second.
    pub start: (i32, i32),
    /// What holds.
    pub then: LoopBounds,
}

/// The bounds of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopBounds {
    /// Once settled, the share of the capacity that is carried, at least.
    pub utilisation: u32,
    /// Once settled, queueing delay over the base RTT, at most.
    pub queue: u32,
    /// Rounds after which it has settled, from the start and from the policy's first decision after
    /// every drain.
    pub rounds: u8,
}

/// A part of a family with the ranks of its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// log₂ of the bandwidth-delay product: least and largest.
    pub log_bdp: (i32, i32),
    /// The buffers.
    pub buffer: Buffer,
    /// The cells.
    pub grid: Grid,
    /// One per cell, in the order of their numbers: zero where nothing is said, else how far the
    /// state is on its way, up to the slice's largest.
    pub ranks: Vec<u8>,
}

/// How the state space is cut into cells.
///
/// The state before a decision is (a, p, o, e): log₂ over the bandwidth-delay product of the
/// window in force, of the one before and of the one before that, and the remembered average.
/// Windows are cut into cells of one width, `[low + i·width, low + (i+1)·width)` for i of any
/// sign, of which `windows` are ranked as cells of a. A window differs from the one before by G at
/// most, so p is numbered by its distance from a, and o by its distance from p ([`Cell::turn`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Lower edge of the first cell of a.
    pub low: i32,
    /// Width of a cell, not zero.
    pub width: u16,
    /// Cells of a.
    pub windows: u16,
    /// The largest distance between neighbouring windows, in cells: ⌈G/width⌉.
    pub reach: u16,
    /// Classes of o above p, at least one.
    pub falls: u16,
    /// Edges of the average's cells: strictly increasing from 0; the last is [`MEMORY_MAX`] and
    /// belongs to the last cell.
    pub memory: Vec<i32>,
}

/// A cell by its coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Cell of a, from the grid's first.
    pub window: i32,
    /// Cell of p less cell of a, from −reach to reach.
    pub before: i32,
    /// Where o lies, from −falls to reach: that many cells below p where it is not negative; where
    /// it is −k, from (k−1)·f + 1 to k·f cells above p, f = ⌈reach/falls⌉.
    pub turn: i32,
    /// Cell of the average.
    pub memory: usize,
}

impl Grid {
    /// Cells of the average.
    pub const fn memories(&self) -> usize {
        self.memory.len().saturating_sub(1)
    }

    /// Values that [`Cell::before`] has.
    fn sides(&self) -> usize {
        usize::from(self.reach).saturating_mul(2).saturating_add(1)
    }

    /// Values that [`Cell::turn`] has.
    fn turns(&self) -> usize {
        let around = usize::from(self.reach).saturating_add(usize::from(self.falls));
        around.saturating_add(1)
    }

    /// Cells of windows in one class of o above p.
    pub fn fall_width(&self) -> i32 {
        i32::from(self.reach.div_ceil(self.falls.max(1)))
    }

    /// The class of o where it lies `above` cells above p, which may be negative; the deepest
    /// class for anything further than the reach.
    pub fn turn_of(&self, above: i32) -> i32 {
        if above <= 0 {
            return above.saturating_neg();
        }
        let width = self.fall_width().max(1);
        let class = above.saturating_add(width.saturating_sub(1));
        class.checked_div(width).unwrap_or(0).saturating_neg()
    }

    /// How many cells there are; none where that exceeds [`MAX_CELLS`].
    pub fn cells(&self) -> Option<usize> {
        let counts = [
            usize::from(self.windows),
            self.sides(),
            self.turns(),
            self.memories(),
        ];
        let cells = counts.into_iter().try_fold(1usize, usize::checked_mul)?;
        (u64::try_from(cells).ok()? <= MAX_CELLS).then_some(cells)
    }

    /// The number of a cell, if the grid has it.
    pub fn number(&self, cell: Cell) -> Option<usize> {
        let before = cell.before.checked_add(i32::from(self.reach))?;
        let turn = cell.turn.checked_add(i32::from(self.falls))?;
        let places = [
            (
                usize::try_from(cell.window).ok()?,
                usize::from(self.windows),
            ),
            (usize::try_from(before).ok()?, self.sides()),
            (usize::try_from(turn).ok()?, self.turns()),
            (cell.memory, self.memories()),
        ];
        places.into_iter().try_fold(0usize, |number, (place, of)| {
            let inside = place < of;
            inside.then(|| number.checked_mul(of)?.checked_add(place))?
        })
    }

    /// The cell of a number below [`Grid::cells`].
    pub fn cell(&self, number: usize) -> Option<Cell> {
        let (rest, memory) = split(number, self.memories())?;
        let (rest, turn) = split(rest, self.turns())?;
        let (window, before) = split(rest, self.sides())?;
        let signed = |place: usize, zero: u16| {
            let place = i32::try_from(place).ok()?;
            place.checked_sub(i32::from(zero))
        };
        let inside = window < usize::from(self.windows);
        inside.then_some(Cell {
            window: i32::try_from(window).ok()?,
            before: signed(before, self.reach)?,
            turn: signed(turn, self.falls)?,
            memory,
        })
    }

    /// Edges of a cell of windows: from the first to below the second, in 2⁻⁸ octaves.
    pub fn edges(&self, window: i32) -> (i32, i32) {
        let width = i32::from(self.width);
        let low = self.low.saturating_add(window.saturating_mul(width));
        (low, low.saturating_add(width))
    }

    /// Least and largest value of a cell of the average, both included.
    pub fn memory_range(&self, memory: usize) -> Option<(i32, i32)> {
        let low = *self.memory.get(memory)?;
        let next = *self.memory.get(memory.checked_add(1)?)?;
        let last = memory.checked_add(1)? == self.memories();
        Some((low, if last { next } else { next.checked_sub(1)? }))
    }

    /// The cell of the average that holds `value`, clamped to its range.
    pub fn memory_of(&self, value: i32) -> usize {
        let above = self.memory.partition_point(|&edge| edge <= value);
        above
            .saturating_sub(1)
            .min(self.memories().saturating_sub(1))
    }
}

/// Quotient and remainder.
fn split(number: usize, by: usize) -> Option<(usize, usize)> {
    Some((number.checked_div(by)?, number.checked_rem(by)?))
}
