//! Closed-loop training: images that leave their successors, and the loss on them.
//!
//! The reference law is the target. Its rate, moved by a disturbance of up to a margin in either
//! direction, gives every cell of a coarse grid a rank; a cell's successors are the cells of a
//! higher rank that a step can reach. A network none of whose images leaves its successors has these
//! ranks for a certificate, with the utilisation and the queue of the disturbed law. Where an image
//! leaves them, the loss asks for a bound of the rate over the cell's features, by the same
//! differentiable bounds as for claims about decisions.
//!
//! The ranks depend on the parameters alone, so an interrupted run finds them again.

mod law_rate;

use rayon::prelude::*;
use tautline_abstract_interp::closed_loop::image::{Image, RowAt, RowBox, Step};
use tautline_abstract_interp::closed_loop::path::{Drops, Paths};
use tautline_abstract_interp::closed_loop::ranks::{SliceWatch, rank};
use tautline_abstract_interp::closed_loop::{ClosedLoopError, ModelRate, Rate};
use tautline_certificate_format::closed_loop::{Buffer, Cell, Grid, LOG_BITS, MEMORY_MAX};
use tautline_core::features::{FEATURE_COUNT, index};
use tautline_core::fixed::Q16;

use crate::law::Law;
use crate::network::Layout;
use crate::obligation::{ONE, Obligation};
use crate::params::ClosedLoopParams;
use crate::rollout::SharedPolicy;
use law_rate::LawRate;

/// Ranks of the disturbed law, slice by slice.
#[derive(Debug)]
pub(crate) struct Target {
    slices: Vec<Slice>,
    law: LawRate,
    /// Most obligations that one search returns.
    most: usize,
}

#[derive(Debug)]
struct Slice {
    paths: Paths,
    grid: Grid,
    ranks: Vec<u8>,
    last: u8,
}

/// What one search found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaving {
    /// Cells that have a rank.
    pub(crate) ranked: usize,
    /// Those of them whose image leaves its successors.
    pub(crate) cells: usize,
    /// Bounds of the rate that would keep them, evenly chosen where there are too many.
    pub(crate) obligations: Vec<Obligation>,
}

impl Target {
    /// The ranks of `law` with `gain`, disturbed by the margin.
    pub(crate) fn new(
        params: &ClosedLoopParams,
        law: &Law,
        gain: Q16,
    ) -> Result<Self, ClosedLoopError> {
        let disturbed = LawRate::new(law.clone(), gain, params.margin);
        let buffer = Buffer {
            least: units(params.least_buffer) as u32,
            most: None,
        };
        let slices = params
            .log_bdp
            .iter()
            .map(|&(low, high)| {
                let paths = Paths::new(
                    units(params.jitter) as u32,
                    (log_units(low), log_units(high)),
                    buffer,
                    // A6 bounds what is lost in one round, which a target of training may use.
                    Drops::Assumed,
                );
                let averages = if law.ewma_part == 0.0 {
                    (1, 1)
                } else {
                    (NARROW_AVERAGES, WIDE_AVERAGES)
                };
                let grid = grid(params, gain, averages);
                let start = (log_units(params.start.0), log_units(params.start.1));
                let step = Step {
                    rate: &disturbed,
                    paths,
                    grid: &grid,
                };
                let ranked = rank(&step, start, MOST_RANKS, UNWATCHED)?;
                Ok(Slice {
                    paths,
                    ranks: ranked.ranks,
                    last: ranked.last,
                    grid,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            slices,
            law: LawRate::new(law.clone(), gain, 0.0),
            most: params.cells,
        })
    }

    /// The cells of every slice whose image under `policy` leaves its successors.
    pub(crate) fn leaving(
        &self,
        layout: &Layout,
        policy: &SharedPolicy,
    ) -> Result<Leaving, ClosedLoopError> {
        let mut found = self.leaving_of(&ModelRate::new(policy)?);
        let stride = found.obligations.len().div_ceil(self.most).max(1);
        let chosen = found.obligations.into_iter().step_by(stride);
        found.obligations = chosen.map(|o| o.at_corner(layout)).collect();
        Ok(found)
    }

    fn leaving_of<R: Rate>(&self, rate: &R) -> Leaving {
        let mut found = Leaving::default();
        for slice in &self.slices {
            let rows = slice.rows();
            let parts = rows
                .par_iter()
                .map(|&row| slice.leaving_row(row, rate, &self.law))
                .collect::<Vec<_>>();
            for part in parts {
                found.ranked += part.ranked;
                found.cells += part.cells;
                found.obligations.extend(part.obligations);
            }
        }
        found
    }
}

impl Slice {
    /// Rows with a ranked cell, by the number of their first cell.
    fn rows(&self) -> Vec<usize> {
        let memories = self.grid.memories();
        let rows = self.ranks.chunks_exact(memories).enumerate();
        rows.filter(|(_, row)| row.iter().any(|&rank| rank > 0))
            .map(|(row, _)| row * memories)
            .collect()
    }

    fn leaving_row<R: Rate>(&self, first: usize, rate: &R, law: &LawRate) -> Leaving {
        let mut found = Leaving::default();
        let Some(cell) = self.grid.cell(first) else {
            return found;
        };
        let at = RowAt {
            window: cell.window,
            before: cell.before,
            turn: cell.turn,
        };
        let of_model = self.step(rate);
        let bounds = of_model.row_box(at, &of_model.seen_at(at));
        let mut images = vec![NOWHERE; self.grid.memories()];
        let mut aims = images.clone();
        of_model.row_in(&bounds, &mut images);
        self.step(law).row_in(&bounds, &mut aims);
        for (memory, (image, aim)) in images.iter().zip(&aims).enumerate() {
            let cell = Cell { memory, ..cell };
            let rank = self.ranks[first + memory];
            if rank == 0 {
                continue;
            }
            found.ranked += 1;
            // Without a successor for the law there is nothing to ask for.
            let Some((low, high)) = self.successors(cell, rank, *aim) else {
                continue;
            };
            if i32::from(image.first) >= low && i32::from(image.last) <= high {
                continue;
            }
            found.cells += 1;
            let region = self.region(&bounds, memory);
            let gain = f64::from(rate.gain().units());
            let width = f64::from(i32::from(self.grid.width) << (16 - LOG_BITS));
            if i32::from(image.first) < low {
                let least = (f64::from(low) * width + SLACK) / gain;
                found.obligations.push(bound(-1.0, -least, region));
            }
            if i32::from(image.last) > high {
                let most = (f64::from(high) * width - SLACK) / gain;
                found.obligations.push(bound(1.0, most, region));
            }
        }
        found
    }

    const fn step<'a, R>(&'a self, rate: &'a R) -> Step<'a, R> {
        Step {
            rate,
            paths: self.paths,
            grid: &self.grid,
        }
    }

    /// Cells of a′ (less that of a) around the law's image that have a high enough rank, whatever
    /// the average; none where the law's own image has not.
    fn successors(&self, cell: Cell, rank: u8, aim: Image) -> Option<(i32, i32)> {
        let enough = rank.saturating_add(1).min(self.last);
        let allowed = |move_by: i32| {
            (aim.memory_first..=aim.memory_last).all(|memory| {
                let next = Cell {
                    window: cell.window + move_by,
                    before: -move_by,
                    turn: self.grid.turn_of(cell.before),
                    memory: usize::from(memory),
                };
                let number = self.grid.number(next);
                number.is_some_and(|number| self.ranks[number] >= enough)
            })
        };
        let (mut low, mut high) = (i32::from(aim.first), i32::from(aim.last));
        if !(low..=high).all(allowed) {
            return None;
        }
        while allowed(low - 1) {
            low -= 1;
        }
        while allowed(high + 1) {
            high += 1;
        }
        Some((low, high))
    }

    fn region(&self, bounds: &RowBox, memory: usize) -> [(f64, f64); FEATURE_COUNT] {
        let mut region = bounds.features;
        region[index::QUEUEING_EWMA] = self.grid.memory_range(memory).unwrap_or_default();
        region.map(|(low, high)| (f64::from(low) / ONE, f64::from(high) / ONE))
    }
}

fn bound(coefficient: f64, bound: f64, region: [(f64, f64); FEATURE_COUNT]) -> Obligation {
    Obligation {
        claim: 0,
        heads: vec![(0, coefficient)],
        features: Vec::new(),
        bound,
        region,
    }
}

/// Cells of one width from well below the start set to well above, and averages that are narrow
/// where queues settle: as many up to the bend, and from there, as `averages` says.
fn grid(params: &ClosedLoopParams, gain: Q16, averages: (i32, i32)) -> Grid {
    let width = i32::from(params.width);
    let (low, high) = (params.start.0 - BELOW_START, params.start.1 + ABOVE_START);
    let low = log_units(low).div_euclid(width) * width;
    let windows = (log_units(high) - low + width - 1) / width;
    let reach = gain.units().div_euclid(1 << (16 - LOG_BITS)) + width;
    let bend = units(AVERAGE_BEND);
    let narrow = (0..averages.0).map(|place| bend / averages.0 * place);
    let wide = (0..=averages.1).map(|place| bend + (MEMORY_MAX - bend) / averages.1 * place);
    let mut memory = narrow.chain(wide).collect::<Vec<_>>();
    if let Some(last) = memory.last_mut() {
        *last = MEMORY_MAX;
    }
    Grid {
        low,
        width: params.width,
        windows: windows as u16,
        reach: (reach / width) as u16,
        falls: ((reach / width) as u16).min(FALLS),
        memory,
    }
}

fn units(value: f64) -> i32 {
    libm::round(value * ONE) as i32
}

fn log_units(octaves: f64) -> i32 {
    libm::round(octaves * f64::from(1 << LOG_BITS)) as i32
}

const NOWHERE: Image = Image {
    first: 1,
    last: 0,
    memory_first: 0,
    memory_last: 0,
};
const UNWATCHED: SliceWatch<'static> = SliceWatch {
    imaged: &|_| {},
    stop: &|| false,
};
/// The prover widens a step by three units; one more for the floor of the step.
const SLACK: f64 = 4.0;
/// As many as a drain after 128 decisions leaves room for.
const MOST_RANKS: u8 = 127;
const BELOW_START: f64 = 0.4;
const ABOVE_START: f64 = 0.5;
const FALLS: u16 = 3;
const AVERAGE_BEND: f64 = 0.8;
const NARROW_AVERAGES: i32 = 24;
const WIDE_AVERAGES: i32 = 8;

#[cfg(test)]
mod tests;
