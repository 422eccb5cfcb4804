//! Nested sets: which cells are left after how many steps.

use core::ops::Range;

use rayon::prelude::*;
use tautline_certificate_format::closed_loop::{Grid, Slice};

use super::ClosedLoopError;
use super::image::{Image, RowAt, Step};
use super::rate::Rate;

/// What the search for ranks says of a slice.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// One per cell, as in a certificate.
    pub ranks: Vec<u8>,
    /// N, the largest.
    pub last: u8,
    /// Cells whose images were computed.
    pub imaged: usize,
    /// Cells that can leave the grid.
    pub leaving: Vec<usize>,
}

impl Ranked {
    /// The ranks of a finished slice; none where they do not fit its grid.
    pub(crate) fn of(slice: &Slice) -> Option<Self> {
        let fits = slice.grid.cells() == Some(slice.ranks.len());
        fits.then(|| Self {
            ranks: slice.ranks.clone(),
            last: slice.ranks.iter().copied().max().unwrap_or(0),
            imaged: 0,
            leaving: vec![],
        })
    }

    /// The upper edge of the largest window that is ever held, in 2⁻⁸ octaves: of settled cells, where
    /// drains begin, and of the start, which ends at `start`.
    pub(crate) fn largest_held(&self, grid: &Grid, start: i32) -> i32 {
        let settled = self.ranks.iter().rposition(|&rank| rank == self.last);
        let layout = Layout::new(grid);
        let row = settled.unwrap_or(0) / layout.memories();
        grid.edges(layout.row_at(row).window).1.max(start)
    }
}

/// Grid arithmetic in machine words, for cells that are known to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    windows: i32,
    reach: i32,
    falls: i32,
    fall_width: i32,
    memories: usize,
}

impl Layout {
    pub(crate) fn new(grid: &Grid) -> Self {
        Self {
            windows: i32::from(grid.windows),
            reach: i32::from(grid.reach),
            falls: i32::from(grid.falls),
            fall_width: grid.fall_width().max(1),
            memories: grid.memories(),
        }
    }

    const fn sides(&self) -> usize {
        2 * self.reach as usize + 1
    }

    const fn turns(&self) -> usize {
        (self.reach + self.falls) as usize + 1
    }

    pub(crate) const fn memories(&self) -> usize {
        self.memories
    }

    pub(crate) const fn rows(&self) -> usize {
        self.windows as usize * self.sides() * self.turns()
    }

    pub(crate) const fn row_at(&self, row: usize) -> RowAt {
        RowAt {
            window: (row / self.turns() / self.sides()) as i32,
            before: (row / self.turns() % self.sides()) as i32 - self.reach,
            turn: (row % self.turns()) as i32 - self.falls,
        }
    }

    /// The window's cell of a numbered cell, and the turn that its successors have: p′ is the cell
    /// of a and o′ that of p.
    pub(crate) const fn from(&self, cell: usize) -> (i32, i32) {
        let at = self.row_at(cell / self.memories);
        (at.window, self.turn_after(at.before))
    }

    const fn turn_after(&self, before: i32) -> i32 {
        if before <= 0 {
            -before
        } else {
            -((before + self.fall_width - 1) / self.fall_width)
        }
    }

    const fn row_number(&self, at: RowAt) -> usize {
        let group = at.window as usize * self.sides() + (at.before + self.reach) as usize;
        group * self.turns() + (at.turn + self.falls) as usize
    }

    /// Calls `each` with the numbers of the cells that an image meets, one range per window; false
    /// where some lie outside the grid, which are left out. `from` is the window's cell before the
    /// step and the turn after it.
    pub(crate) fn targets(
        &self,
        from: (i32, i32),
        image: Image,
        mut each: impl FnMut(Range<usize>),
    ) -> bool {
        let mut inside = true;
        let (at, turn) = from;
        for window in at + i32::from(image.first)..=at + i32::from(image.last) {
            let before = at - window;
            if !(0..self.windows).contains(&window) || before.abs() > self.reach {
                inside = false;
                continue;
            }
            let row = self.row_number(RowAt {
                window,
                before,
                turn,
            });
            let start = row * self.memories;
            each(
                start + usize::from(image.memory_first)..start + usize::from(image.memory_last) + 1,
            );
        }
        inside
    }
}

/// How a search is watched.
#[derive(Clone, Copy)]
pub struct SliceWatch<'a> {
    /// Called with the cells imaged so far.
    pub imaged: &'a (dyn Fn(usize) + Sync),
    /// Asked now and then whether to give up.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl core::fmt::Debug for SliceWatch<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SliceWatch").finish_non_exhaustive()
    }
}

/// Ranks the cells of a slice from those that meet `start` (2⁻⁸ octaves, the second exclusive).
///
/// R₁ is the start set with all that it can reach, R_{i+1} what one step from R_i reaches; a cell's
/// rank is the number of the last set that has it. Where cells can leave the grid, ranks are about
/// what stays and prove nothing. Ends at the first set that keeps itself or at
/// `most`, every one of which contains its own image.
///
/// # Errors
/// [`ClosedLoopError::Stopped`].
pub fn rank<R: Rate>(
    step: &Step<'_, R>,
    start: (i32, i32),
    most: u8,
    watch: SliceWatch<'_>,
) -> Result<Ranked, ClosedLoopError> {
    let layout = Layout::new(step.grid);
    let mut search = Search {
        layout,
        images: vec![Image::NONE; layout.rows() * layout.memories],
        ranks: vec![0; layout.rows() * layout.memories],
        leaving: vec![],
        imaged: 0,
    };
    search.close(step, start, watch)?;
    let last = search.peel(most, watch)?;
    Ok(Ranked {
        ranks: search.ranks,
        last,
        imaged: search.imaged,
        leaving: search.leaving,
    })
}

struct Search {
    layout: Layout,
    images: Vec<Image>,
    ranks: Vec<u8>,
    leaving: Vec<usize>,
    imaged: usize,
}

impl Search {
    /// R₁: every cell of it gets the mark of those that stay.
    fn close<R: Rate>(
        &mut self,
        step: &Step<'_, R>,
        start: (i32, i32),
        watch: SliceWatch<'_>,
    ) -> Result<(), ClosedLoopError> {
        let layout = self.layout;
        let mut frontier = vec![];
        for row in 0..layout.rows() {
            let edges = step.grid.edges(layout.row_at(row).window);
            if edges.1 > start.0 && edges.0 < start.1 {
                frontier.extend(row * layout.memories..(row + 1) * layout.memories);
            }
        }
        for &cell in &frontier {
            self.ranks[cell] = STAYS;
        }
        while !frontier.is_empty() {
            self.image(step, &frontier, watch)?;
            let mut next = vec![];
            for &cell in &frontier {
                let from = layout.from(cell);
                let ranks = &mut self.ranks;
                let inside = layout.targets(from, self.images[cell], |targets| {
                    for target in targets {
                        if ranks[target] == 0 {
                            ranks[target] = STAYS;
                            next.push(target);
                        }
                    }
                });
                if !inside {
                    self.leaving.push(cell);
                }
            }
            next.sort_unstable();
            frontier = next;
        }
        self.leaving.sort_unstable();
        Ok(())
    }

    /// Computes the rows of the cells in `frontier`, which is sorted, where that was not done.
    fn image<R: Rate>(
        &mut self,
        step: &Step<'_, R>,
        frontier: &[usize],
        watch: SliceWatch<'_>,
    ) -> Result<(), ClosedLoopError> {
        let layout = self.layout;
        let mut rows: Vec<usize> = frontier.iter().map(|cell| cell / layout.memories).collect();
        rows.dedup();
        rows.retain(|row| self.images[row * layout.memories] == Image::NONE);
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            if (watch.stop)() {
                return Err(ClosedLoopError::Stopped);
            }
            let images: Vec<Vec<Image>> = chunk
                .par_iter()
                .with_min_len(16)
                .map(|&row| {
                    let mut images = vec![Image::NONE; layout.memories];
                    step.row(layout.row_at(row), &mut images);
                    images
                })
                .collect();
            for (row, images) in chunk.iter().zip(images) {
                let start = row * layout.memories;
                self.images[start..start + layout.memories].copy_from_slice(&images);
            }
            self.imaged += chunk.len() * layout.memories;
            (watch.imaged)(self.imaged);
        }
        Ok(())
    }

    /// R₂, R₃, …: a cell stays as long as a cell of the set before reaches it. Counts of those
    /// are kept, so every cell is looked at once when it goes.
    fn peel(&mut self, most: u8, watch: SliceWatch<'_>) -> Result<u8, ClosedLoopError> {
        let layout = self.layout;
        let mut sources = vec![0u32; self.ranks.len()];
        for cell in 0..self.ranks.len() {
            if self.ranks[cell] != 0 {
                let from = layout.from(cell);
                layout.targets(from, self.images[cell], |targets| {
                    for source in &mut sources[targets] {
                        *source += 1;
                    }
                });
            }
        }
        let mut going: Vec<usize> = (0..self.ranks.len())
            .filter(|&cell| self.ranks[cell] != 0 && sources[cell] == 0)
            .collect();
        let mut last = 1;
        while !going.is_empty() && last < most {
            if (watch.stop)() {
                return Err(ClosedLoopError::Stopped);
            }
            let mut next = vec![];
            for &cell in &going {
                self.ranks[cell] = last;
                let from = layout.from(cell);
                layout.targets(from, self.images[cell], |targets| {
                    for target in targets {
                        sources[target] -= 1;
                        if sources[target] == 0 {
                            next.push(target);
                        }
                    }
                });
            }
            last += 1;
            going = next;
        }
        for rank in self.ranks.iter_mut().filter(|rank| **rank == STAYS) {
            *rank = last;
        }
        Ok(last)
    }
}

/// In the last set so far. Cells that went have smaller ranks, whatever the last set's number.
const STAYS: u8 = u8::MAX;
const ROWS_AT_ONCE: usize = 1 << 14;
