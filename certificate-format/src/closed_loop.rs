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

/// What the loop does on every path of a family, from every start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopClaim {
    /// Its name in reports.
    pub name: String,
    /// What it says, in one sentence.
    pub says: String,
    /// The paths.
    pub family: PathFamily,
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
    /// Rounds after which it has settled, from the start and from the end of every drain.
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
/// sign, of which `windows` are ranked. A window differs from the one before by G at most, so p is
/// numbered by its distance from a and o by how many cells it lies below p; all o that lie no cell
/// below p are one, since only a rise matters ([`Cell::rise`]).
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
    /// Cells that o lies below p, from 0 to reach; 0 for every o that lies no cell below.
    pub rise: i32,
    /// Cell of the average.
    pub memory: usize,
}

impl Grid {
    /// Cells of the average.
    pub const fn memories(&self) -> usize {
        self.memory.len().saturating_sub(1)
    }

    /// How many cells there are; none where that exceeds [`MAX_CELLS`].
    pub fn cells(&self) -> Option<usize> {
        let reach = u64::from(self.reach);
        let per_window = reach
            .checked_mul(2)?
            .checked_add(1)?
            .checked_mul(reach.checked_add(1)?)?
            .checked_mul(u64::try_from(self.memories()).ok()?)?;
        let cells = u64::from(self.windows).checked_mul(per_window)?;
        if cells > MAX_CELLS {
            return None;
        }
        usize::try_from(cells).ok()
    }

    /// The number of a cell, if the grid has it.
    pub fn number(&self, cell: Cell) -> Option<usize> {
        let reach = i32::from(self.reach);
        let before = usize::try_from(cell.before.checked_add(reach)?).ok()?;
        let (window, rise) = (
            usize::try_from(cell.window).ok()?,
            usize::try_from(cell.rise).ok()?,
        );
        let (sides, rises) = (
            usize::from(self.reach).checked_mul(2)?.checked_add(1)?,
            usize::from(self.reach).checked_add(1)?,
        );
        let inside = window < usize::from(self.windows)
            && before < sides
            && rise < rises
            && cell.memory < self.memories();
        if !inside {
            return None;
        }
        window
            .checked_mul(sides)?
            .checked_add(before)?
            .checked_mul(rises)?
            .checked_add(rise)?
            .checked_mul(self.memories())?
            .checked_add(cell.memory)
    }

    /// The cell of a number below [`Grid::cells`].
    pub fn cell(&self, number: usize) -> Option<Cell> {
        let reach = usize::from(self.reach);
        let memory = number.checked_rem(self.memories())?;
        let rest = number.checked_div(self.memories())?;
        let rises = reach.checked_add(1)?;
        let rise = rest.checked_rem(rises)?;
        let rest = rest.checked_div(rises)?;
        let sides = reach.checked_mul(2)?.checked_add(1)?;
        let before = rest.checked_rem(sides)?;
        let window = rest.checked_div(sides)?;
        let cell = Cell {
            window: i32::try_from(window).ok()?,
            before: i32::try_from(before)
                .ok()?
                .checked_sub(i32::from(self.reach))?,
            rise: i32::try_from(rise).ok()?,
            memory,
        };
        (window < usize::from(self.windows)).then_some(cell)
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
