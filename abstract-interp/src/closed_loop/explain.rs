//! Why a slice fails: where its states stay that should not, and which feature keeps them there.

use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};

use super::image::{Image, Step};
use super::path::ONE;
use super::ranks::{Layout, Ranked};
use super::rate::Rate;
use super::settled::RowFigures;
use tautline_certificate_format::closed_loop::LoopBounds;

/// What a picture of a failed slice needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Columns: cells of a. Rows: cells of the average.
    pub averages: Projection,
    /// Columns: cells of a. Rows: cells of p less that of a, from −reach.
    pub befores: Projection,
    /// Cells that block: the slice holds if none of them could do what it does.
    pub blocking: usize,
    /// How many of them were looked at for the features.
    pub examined: usize,
    /// Features that block, those that matter most first.
    pub features: Vec<BlockingFeature>,
}

/// A map of a slice, seen along all but two coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Cells per row.
    pub columns: usize,
    /// Row by row: the largest rank of any cell behind a pixel, so how long states stay there; zero
    /// where none is reachable.
    pub longest: Vec<u8>,
    /// Blocking cells behind a pixel.
    pub blocking: Vec<u32>,
}

/// A feature whose interval keeps cells from where they should go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockingFeature {
    /// Its name.
    pub name: &'static str,
    /// Examined cells that would not block if its interval were its middle.
    pub cells: usize,
    /// Share of the cells in their images that these would not have then, from 0 to 1.
    pub share: f64,
}

impl Projection {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            longest: vec![0; columns * rows],
            blocking: vec![0; columns * rows],
        }
    }

    fn see(&mut self, column: usize, row: usize, rank: u8) {
        let longest = &mut self.longest[row * self.columns + column];
        *longest = rank.max(*longest);
    }
}

/// Explains a slice that misses a claim.
///
/// A cell blocks if it can leave the grid or, where none can, if it is settled and can go to a
/// settled cell that misses a bound.
pub fn explain<R: Rate>(step: &Step<'_, R>, ranked: &Ranked, claimed: &LoopBounds) -> Explanation {
    let layout = Layout::new(step.grid);
    let bad = bad_cells(step, ranked, claimed, layout);
    let blocking = if ranked.leaving.is_empty() {
        into(step, ranked, &bad, layout)
    } else {
        ranked.leaving.clone()
    };
    let columns = usize::from(step.grid.windows);
    let memories = layout.memories();
    let mut averages = Projection::new(columns, memories);
    let mut befores = Projection::new(columns, 2 * usize::from(step.grid.reach) + 1);
    let place = |cell: usize| {
        let at = layout.row_at(cell / memories);
        let before = (at.before + i32::from(step.grid.reach)) as usize;
        (at.window as usize, cell % memories, before)
    };
    for (cell, &rank) in ranked
        .ranks
        .iter()
        .enumerate()
        .filter(|&(_, &rank)| rank > 0)
    {
        let (window, memory, before) = place(cell);
        averages.see(window, memory, rank);
        befores.see(window, before, rank);
    }
    for &cell in &blocking {
        let (window, memory, before) = place(cell);
        averages.blocking[memory * columns + window] += 1;
        befores.blocking[before * columns + window] += 1;
    }
    let stride = blocking.len().div_ceil(EXAMINED).max(1);
    let examined: Vec<usize> = blocking.iter().copied().step_by(stride).collect();
    Explanation {
        averages,
        befores,
        blocking: blocking.len(),
        examined: examined.len(),
        features: features(step, &examined, &bad, layout),
    }
}

/// Settled cells that miss a bound, one flag per cell.
fn bad_cells<R: Rate>(
    step: &Step<'_, R>,
    ranked: &Ranked,
    claimed: &LoopBounds,
    layout: Layout,
) -> Vec<bool> {
    let mut bad = vec![false; ranked.ranks.len()];
    let rows = ranked.ranks.chunks_exact(layout.memories());
    let marks = bad.chunks_exact_mut(layout.memories());
    for ((row, ranks), marks) in rows.enumerate().zip(marks) {
        if !ranks.contains(&ranked.last) {
            continue;
        }
        let figures = RowFigures::new(step, layout.row_at(row));
        let misses = figures.utilisation < i64::from(claimed.utilisation)
            || figures.queue > i64::from(claimed.queue)
            || figures.drain + step.paths.datagram() > ONE;
        for (mark, &rank) in marks.iter_mut().zip(ranks) {
            *mark = misses && rank == ranked.last;
        }
    }
    bad
}

/// Settled cells whose image meets a bad one.
fn into<R: Rate>(step: &Step<'_, R>, ranked: &Ranked, bad: &[bool], layout: Layout) -> Vec<usize> {
    let memories = layout.memories();
    let mut images = vec![Image::NONE; memories];
    let mut found = vec![];
    for (row, ranks) in ranked.ranks.chunks_exact(memories).enumerate() {
        if !ranks.contains(&ranked.last) {
            continue;
        }
        step.row(layout.row_at(row), &mut images);
        for (memory, image) in images.iter().enumerate() {
            let cell = row * memories + memory;
            if ranks[memory] == ranked.last && !fits(layout, cell, *image, bad) {
                found.push(cell);
            }
        }
    }
    found
}

/// True if an image stays inside the grid and meets no bad cell.
fn fits(layout: Layout, cell: usize, image: Image, bad: &[bool]) -> bool {
    let mut clean = true;
    let inside = layout.targets(layout.from(cell), image, |targets| {
        clean &= !bad[targets].contains(&true);
    });
    inside && clean
}

/// For every feature, how many cells would do no harm if it were known exactly, and how much smaller
/// their images would be.
fn features<R: Rate>(
    step: &Step<'_, R>,
    cells: &[usize],
    bad: &[bool],
    layout: Layout,
) -> Vec<BlockingFeature> {
    let mut freed = [0; FEATURE_COUNT];
    let mut fewer = [0; FEATURE_COUNT];
    let mut all = 0;
    for &cell in cells {
        let memory = cell % layout.memories();
        let at = layout.row_at(cell / layout.memories());
        let bounds = step.row_box(at, &step.seen_at(at));
        let average = step.grid.memory_range(memory).unwrap_or((0, 0));
        let whole = size(step.cell_in(&bounds, memory, average));
        all += whole;
        for feature in 0..FEATURE_COUNT {
            let (mut bounds, mut average) = (bounds, average);
            if feature == index::QUEUEING_EWMA {
                average = middle(average);
            } else {
                bounds.features[feature] = middle(bounds.features[feature]);
            }
            let image = step.cell_in(&bounds, memory, average);
            freed[feature] += usize::from(fits(layout, cell, image, bad));
            fewer[feature] += whole.saturating_sub(size(image));
        }
    }
    let names = TABLE_1.features.iter().map(|feature| feature.name);
    let counted = names.zip(freed).zip(fewer);
    let counted = counted.map(|((name, cells), fewer)| BlockingFeature {
        name,
        cells,
        share: fewer as f64 / all.max(1) as f64,
    });
    let mut found: Vec<_> = counted
        .filter(|it| it.cells > 0 || it.share > 0.0)
        .collect();
    found.sort_by(|one, other| {
        let cells = other.cells.cmp(&one.cells);
        cells.then(other.share.total_cmp(&one.share))
    });
    found
}

fn middle((low, high): (i32, i32)) -> (i32, i32) {
    let middle = low.midpoint(high);
    (middle, middle)
}

/// How many cells an image has.
fn size(image: Image) -> usize {
    let windows = i32::from(image.last) - i32::from(image.first) + 1;
    let memories = i32::from(image.memory_last) - i32::from(image.memory_first) + 1;
    (windows.max(0) * memories.max(0)) as usize
}

/// Cells looked at for the features at most.
const EXAMINED: usize = 4096;
