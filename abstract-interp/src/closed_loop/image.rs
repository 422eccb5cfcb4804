//! Where a cell goes in one step.

use tautline_certificate_format::closed_loop::Grid;
use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};

use super::path::{EDGE_SHIFT, ONE, Paths, Range, SLACK, Seen, Windows};
use super::rate::{Features, Rate};
use crate::signs::Sign;

/// The cells that a cell's successors lie in: those of its windows (as a distance from its own)
/// and averages, with p and o as the step shifts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// First cell of a′, less the cell of a.
    pub first: i8,
    /// Last.
    pub last: i8,
    /// First cell of the average.
    pub memory_first: u8,
    /// Last.
    pub memory_last: u8,
}

impl Image {
    /// What stands where nothing was computed: an empty range.
    pub(crate) const NONE: Self = Self {
        first: 1,
        last: 0,
        memory_first: 0,
        memory_last: 0,
    };
}

/// Cells that differ in their average alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowAt {
    /// Cell of a.
    pub window: i32,
    /// Cell of p less cell of a.
    pub before: i32,
    /// Where o lies, as in a cell of the grid.
    pub turn: i32,
}

/// A slice with the map that its states follow.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a, R> {
    /// The policy.
    pub rate: &'a R,
    /// The paths.
    pub paths: Paths,
    /// The cells.
    pub grid: &'a Grid,
}

/// The features of a row but `queueing_ewma`: least and largest of each, in units of 2⁻¹⁶.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowBox {
    /// Least and largest of each.
    pub features: [(i32, i32); FEATURE_COUNT],
    /// The range of `standing_queue` before rounding to the feature's.
    pub standing: Range,
    /// The round may have lost packets, so the guard may refuse growth.
    pub may_lose: bool,
}

impl<R: Rate> Step<'_, R> {
    /// The windows that bear on the round that a row's states judge.
    pub fn windows_at(&self, at: RowAt) -> Windows {
        let p = at.window + at.before;
        let edges = self.grid.edges(p);
        let low = self.grid.edges(p - at.turn.max(0)).0;
        let above = (-at.turn).max(0) * self.grid.fall_width();
        // The window before o is within a step of it.
        let past = (above - at.turn.max(0) + i32::from(self.grid.reach)).max(0);
        let over = self.grid.edges(p + above).1;
        self.paths
            .windows(low, edges.1, over, self.grid.edges(p + past).1)
    }

    /// What the round shows that a row's states judge.
    pub fn seen_at(&self, at: RowAt) -> Seen {
        self.paths.seen(self.windows_at(at))
    }

    /// The interval of every feature but `queueing_ewma` in a row after a round that showed `seen`.
    pub fn row_box(&self, at: RowAt, seen: &Seen) -> RowBox {
        let (a, p) = (
            self.grid.edges(at.window),
            self.grid.edges(at.window + at.before),
        );
        let mut features = [(0, 0); FEATURE_COUNT];
        for (place, feature) in features.iter_mut().zip(TABLE_1.features) {
            *place = (feature.low.units(), feature.high.units());
        }
        let log_window = self.paths.log_window(a);
        let mut set = |index: usize, range: Range| {
            let (low, high) = features[index];
            let clamp = |value: i64| value.clamp(i64::from(low), i64::from(high)) as i32;
            features[index] = (clamp(range.0), clamp(range.1));
        };
        set(index::QUEUEING, seen.excess);
        set(index::STANDING_QUEUE, seen.excess);
        set(index::LOSS, seen.loss);
        set(index::CE, (0, 0));
        set(index::LOG_WINDOW, (log_window.0 >> 4, log_window.1 >> 4));
        set(
            index::OWN_QUEUE,
            (
                (log_window.0 + seen.share.0) >> 4,
                (log_window.1 + seen.share.1) >> 4,
            ),
        );
        let gain = i64::from(self.rate.gain().units());
        let step = |units: i32| (i64::from(units) << EDGE_SHIFT) * ONE / gain;
        set(index::LAST_STEP, (step(a.0 - p.1) - 1, step(a.1 - p.0) + 1));
        RowBox {
            features,
            may_lose: seen.loss.1 > 0,
            standing: seen.excess,
        }
    }

    /// The images of a row's cells, by their averages.
    pub fn row(&self, at: RowAt, images: &mut [Image]) {
        let bounds = self.row_box(at, &self.seen_at(at));
        self.row_in(&bounds, images);
    }

    /// The images of cells that differ in their average alone and whose other features lie in `bounds`.
    pub fn row_in(&self, bounds: &RowBox, images: &mut [Image]) {
        let corners = Corners::new(self.rate, bounds);
        let ends = |memory: usize| self.grid.memory_range(memory).unwrap_or((0, 0));
        let mut lows = vec![0; images.len()];
        let mut highs = vec![0; images.len()];
        fill(&|memory| corners.lowest(ends(memory)), &mut lows);
        fill(&|memory| corners.highest(ends(memory)), &mut highs);
        for (memory, image) in images.iter_mut().enumerate() {
            let (first, last) = self.moved((lows[memory], highs[memory]));
            let (memory_first, memory_last) = self.memories(memory, bounds.standing);
            *image = Image {
                first,
                last,
                memory_first,
                memory_last,
            };
        }
    }

    /// The image of one cell where the rate sees `average` of the remembered average, in a row with
    /// these bounds.
    pub(crate) fn cell_in(&self, bounds: &RowBox, memory: usize, average: (i32, i32)) -> Image {
        let corners = Corners::new(self.rate, bounds);
        let (first, last) = self.moved((corners.lowest(average), corners.highest(average)));
        let (memory_first, memory_last) = self.memories(memory, bounds.standing);
        Image {
            first,
            last,
            memory_first,
            memory_last,
        }
    }

    /// The cells of a′, less that of a, after a step in `step`.
    fn moved(&self, step: Range) -> (i8, i8) {
        let gain = i64::from(self.rate.gain().units());
        let width = i64::from(self.grid.width) << EDGE_SHIFT;
        // The end of a cell does not belong to it.
        let first = (step.0 - SLACK).max(-gain).div_euclid(width);
        let last = (width + (step.1 + SLACK).min(gain) - 1).div_euclid(width);
        let narrow = |cells: i64| cells.clamp(i64::from(i8::MIN), i64::from(i8::MAX)) as i8;
        (narrow(first), narrow(last))
    }

    /// The cells of the average after a round that showed `standing`.
    fn memories(&self, memory: usize, standing: Range) -> (u8, u8) {
        let ends = self.grid.memory_range(memory).unwrap_or((0, 0));
        let next = |average: i32, standing: i64| {
            let average = i64::from(average);
            self.grid
                .memory_of((average + ((standing - average) >> 2)) as i32) as u8
        };
        (next(ends.0, standing.0), next(ends.1, standing.1))
    }
}

/// The two corners of a row's features at which the rate is least and largest.
struct Corners<'a, R: Rate> {
    rate: &'a R,
    low: R::Row,
    high: R::Row,
    may_lose: bool,
}

impl<'a, R: Rate> Corners<'a, R> {
    fn new(rate: &'a R, bounds: &RowBox) -> Self {
        let corner = |rising: bool| -> Features {
            let mut corner = [0; FEATURE_COUNT];
            let signs = rate.signs().iter();
            for ((place, &sign), ends) in corner.iter_mut().zip(signs).zip(bounds.features) {
                let high = (sign == Sign::Rising) == rising;
                *place = if high { ends.1 } else { ends.0 };
            }
            corner
        };
        Self {
            rate,
            low: rate.row(&corner(false)),
            high: rate.row(&corner(true)),
            may_lose: bounds.may_lose,
        }
    }

    fn falls(&self) -> bool {
        self.rate.signs()[index::QUEUEING_EWMA] != Sign::Rising
    }

    fn step(&self, rate: i32) -> i64 {
        (i64::from(rate) * i64::from(self.rate.gain().units())) >> 16
    }

    /// The least step where the average lies between `ends`; the guard may refuse growth in a
    /// round that lost packets.
    fn lowest(&self, ends: (i32, i32)) -> i64 {
        let average = if self.falls() { ends.1 } else { ends.0 };
        let step = self.step(self.rate.at(&self.low, average));
        if self.may_lose { step.min(0) } else { step }
    }

    /// The largest step.
    fn highest(&self, ends: (i32, i32)) -> i64 {
        let average = if self.falls() { ends.0 } else { ends.1 };
        self.step(self.rate.at(&self.high, average))
    }
}

/// Fills `values` with a monotone function of the place, asking only where its ends differ.
fn fill(function: &impl Fn(usize) -> i64, values: &mut [i64]) {
    let Some(last) = values.len().checked_sub(1) else {
        return;
    };
    values[0] = function(0);
    values[last] = function(last);
    between(function, values, 0, last);
}

fn between(function: &impl Fn(usize) -> i64, values: &mut [i64], first: usize, last: usize) {
    if values[first] == values[last] {
        let value = values[first];
        values[first..last].fill(value);
    } else if last - first > 1 {
        let middle = first.midpoint(last);
        values[middle] = function(middle);
        between(function, values, first, middle);
        between(function, values, middle, last);
    }
}
