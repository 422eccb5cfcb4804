//! The cells of a slice: where a step leads from one, and where a drain does.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "Cells::new bounds edges by 24 octaves, 2^21 in units of 2^-16; numbers of cells are \
              below 2^28; windows below 2^55 are scaled in 128 bits"
)]

use tautline_core::features::{LOG_WINDOW_MAX, LOG_WINDOW_MIN};

use super::features::State;
use super::path::{Path, Round, Sent};
use super::policy::Policy;
use super::{ONE, in_range};
use crate::Reason;
use crate::closed_loop::{Cell, Grid, MEMORY_MAX};

/// Units of a step in one of 2⁻⁸ octaves.
const STEP_UNITS: i32 = 1 << 8;
/// Edges of cells, with room for the windows before them.
pub(super) const EDGE_MOST: i64 = 23 << 8;
/// The controller's logarithms of round-trip times are within 2⁻¹⁴ of a factor.
const DRAIN_ERROR_BITS: u32 = 14;

/// A slice's cells under a policy.
#[derive(Clone, Debug)]
pub struct Cells<'a> {
    policy: &'a Policy,
    /// The paths.
    pub(super) path: Path,
    /// How the state space is cut.
    pub(super) grid: &'a Grid,
}

/// What is known in all cells of one number but for the average's.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Where the windows lie.
    pub state: State,
    /// What the round shows.
    pub round: Round,
    cell: Cell,
}

/// The cells that a set of successors meets: all with the windows and averages in these ranges, both
/// ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    windows: (i32, i32),
    /// The cell that p′ = a lies in.
    before: i32,
    turn: i32,
    memories: (usize, usize),
}

impl Image {
    /// The cells, some of which the grid may not have.
    pub fn cells(self) -> impl Iterator<Item = Cell> {
        (self.windows.0..=self.windows.1).flat_map(move |window| {
            let (first, last) = self.memories;
            (first..=last).map(move |memory| Cell {
                window,
                before: self.before - window,
                turn: self.turn,
                memory,
            })
        })
    }
}

impl<'a> Cells<'a> {
    /// Rule *grid*: the grid cuts the whole range of the average, and every step stays within its
    /// reach.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] with the number that is wrong.
    pub fn new(policy: &'a Policy, path: Path, grid: &'a Grid) -> Result<Self, Reason> {
        in_range("width of a cell", grid.width, 1, EDGE_MOST)?;
        in_range("number of windows", grid.windows, 1, EDGE_MOST)?;
        let width = i64::from(grid.width) * i64::from(STEP_UNITS);
        let reach = (i64::from(policy.gain.units()) + width - 1) / width;
        in_range("reach", grid.reach, reach, reach)?;
        in_range("classes of falls", grid.falls, 1, reach)?;
        // Two steps from the grid, and the rest of a class.
        let beyond = 3 * reach * i64::from(grid.width);
        in_range("lower edge", grid.low, beyond - EDGE_MOST, EDGE_MOST)?;
        let high = i64::from(grid.low) + i64::from(grid.windows) * i64::from(grid.width);
        in_range("upper edge", high, i64::from(grid.low), EDGE_MOST - beyond)?;
        let memory = &grid.memory;
        let first = memory.first().copied().unwrap_or(-1);
        in_range("first edge of the average", first, 0, 0)?;
        let most = i64::from(MEMORY_MAX);
        for (&edge, &next) in memory.iter().zip(memory.iter().skip(1)) {
            in_range("an edge of the average", next, i64::from(edge) + 1, most)?;
        }
        let last = memory.last().copied().unwrap_or(-1);
        in_range("last edge of the average", last, most, most)?;
        grid.cells().ok_or(Reason::Overflow)?;
        Ok(Self { policy, path, grid })
    }

    /// What is known in a cell, whatever its average.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] where the window may leave the range within which no clamp cuts it.
    pub fn judge(&self, cell: Cell) -> Result<Judged, Reason> {
        let now = self.grid.edges(cell.window);
        let before = self.grid.edges(cell.window + cell.before);
        // Where o lies in a class above p, its edge is the class's.
        let (below, above) = (cell.turn.max(0), (-cell.turn).max(0));
        let least = self.grid.edges(cell.window + cell.before - below).0;
        let peak = cell.window + cell.before + above * self.grid.fall_width();
        let peak = self.grid.edges(peak).1;
        // The window before o is within a step of it.
        let step = i32::from(self.grid.reach) - below + above * self.grid.fall_width();
        let past = cell.window + cell.before + step.max(0);
        let (_, past) = self.path.window(self.grid.edges(past))?;
        let state = State {
            now,
            before,
            memory: (0, 0),
        };
        let clamps = |at: i32| i64::from(at / STEP_UNITS);
        let (low, high) = (
            clamps(LOG_WINDOW_MIN.units()),
            clamps(LOG_WINDOW_MAX.units()),
        );
        in_range(
            "log2 of the least window",
            now.0 + self.path.log_bdp.0,
            low,
            high,
        )?;
        in_range(
            "log2 of the largest window",
            now.1 + self.path.log_bdp.1,
            low,
            high,
        )?;
        let (least, peak) = self.path.window((least, peak))?;
        let (_, most) = self.path.window(before)?;
        let round = self.path.round(Sent {
            most,
            least,
            peak,
            past,
        });
        Ok(Judged { state, round, cell })
    }

    /// Where a decision leads from a cell with the average's cell `memory`.
    ///
    /// # Errors
    /// [`Reason::MixedSign`] of the policy.
    pub fn image(&self, judged: &Judged, memory: usize) -> Result<Image, Reason> {
        let Cell { window, before, .. } = judged.cell;
        self.step(judged, &judged.round, memory).map(|image| Image {
            before: window,
            turn: self.grid.turn_of(before),
            ..image
        })
    }

    /// Where the first decision after a drain leads, which judges packets that left when the window
    /// had come back for more than a round.
    ///
    /// # Soundness
    /// A drain leaves half of W·m/r, or of W where that is less, which is below what the path holds
    /// without a queue; so a datagram finds none and the minimum stays at 1 + D or below.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] where the queue may not empty; as [`Cells::image`].
    pub fn drained(&self, judged: &Judged, memory: usize) -> Result<Image, Reason> {
        let path = &self.path;
        let (least, most) = path.window(judged.state.now)?;
        let whole = i128::from(ONE + path.jitter);
        let fast = whole.max(i128::from(judged.round.rtt.0));
        let held = i128::from(most) * whole / (2 * fast);
        let held = i64::try_from(held).map_err(|_| Reason::Overflow)?;
        let held = held + (held >> DRAIN_ERROR_BITS) + 1;
        let held = held.max(4 * path.datagram);
        in_range("window of a drain", held, 0, ONE - path.datagram)?;
        let round = path.round(Sent {
            most,
            least,
            peak: most,
            past: most,
        });
        self.step(judged, &round, memory).map(|image| Image {
            before: judged.cell.window,
            turn: 0,
            ..image
        })
    }

    /// The windows and averages after a decision that judged `round`; the guard refuses growth only
    /// where something was lost.
    fn step(&self, judged: &Judged, round: &Round, memory: usize) -> Result<Image, Reason> {
        let memory = self.grid.memory_range(memory).ok_or(Reason::Overflow)?;
        let state = State {
            memory,
            ..judged.state
        };
        let features = self.path.features(&state, round, self.policy.gain);
        let (mut least, most) = self.policy.steps(&features)?;
        if round.loss.1 > 0 {
            least = least.min(0);
        }
        let cell_of = |units: i32| {
            let width = STEP_UNITS * i32::from(self.grid.width);
            (units - STEP_UNITS * self.grid.low).div_euclid(width)
        };
        let (low, high) = state.now;
        let [_, (calm, full), ..] = features;
        let next = |average: i32, seen: i32| self.grid.memory_of(average + ((seen - average) >> 2));
        Ok(Image {
            // A cell ends below its upper edge, and so do its successors.
            windows: (
                cell_of(STEP_UNITS * low + least),
                cell_of(STEP_UNITS * high + most - 1),
            ),
            before: 0,
            turn: 0,
            memories: (next(memory.0, calm), next(memory.1, full)),
        })
    }
}
