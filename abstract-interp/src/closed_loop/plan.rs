//! Which slices a family is cut into, and how one that fails is cut further.

use tautline_certificate_format::closed_loop::{
    Buffer, Grid, LOG_BITS, LoopClaim, MEMORY_MAX, PathFamily, Slice,
};
use tautline_core::features::{LOG_WINDOW_MAX, LOG_WINDOW_MIN, index};
use tautline_core::fixed::Q16;

use super::ClosedLoopError;
use super::path::{EDGE_SHIFT, power};
use super::rate::Rate;
use super::settled::Trouble;
use crate::signs::Sign;

/// How slices and cells are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Width of a cell of windows at first, in 2⁻⁸ octaves.
    pub width: u16,
    /// The narrowest that refinement goes to.
    pub narrowest: u16,
    /// Classes of windows above the one before, where the reach allows as many.
    pub falls: u16,
    /// Cells of the average up to `bend`, and from there; none from there: they end with its range.
    pub averages: (u16, u16),
    /// Where the cells of the average become coarser, units of 2⁻¹⁶.
    pub bend: i32,
    /// What is ranked beside the start set, below and above it, in 2⁻⁸ octaves.
    pub margins: (u16, u16),
    /// The widest range of log₂ bandwidth-delay products in a slice, in 2⁻⁸ octaves.
    pub widest: u16,
    /// The narrowest that refinement goes to.
    pub thinnest: u16,
    /// How much a datagram's share of the bandwidth-delay product may differ within a slice, in
    /// 2⁻¹⁶.
    pub grain: u32,
    /// How often one part of the plan may be cut or refined.
    pub refinements: u8,
    /// What all slices in work may take together, in bytes.
    pub memory: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            width: 4,
            narrowest: 2,
            falls: 3,
            averages: (24, 8),
            bend: 52_429,
            margins: (154, 154),
            widest: 512,
            thinnest: 32,
            grain: 656,
            refinements: 4,
            memory: 4 << 30,
        }
    }
}

/// A slice that is yet to be ranked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// log₂ of the bandwidth-delay product, in 2⁻⁸ octaves.
    pub log_bdp: (i32, i32),
    /// The buffers.
    pub buffer: Buffer,
    /// The cells.
    pub grid: Grid,
    /// How often it was cut or refined.
    pub(crate) depth: u8,
    /// What is ranked beside the start set.
    margins: (u16, u16),
}

impl Part {
    /// True for a slice of the same paths and cells.
    pub(crate) fn plans(&self, slice: &Slice) -> bool {
        (self.log_bdp, self.buffer, &self.grid) == (slice.log_bdp, slice.buffer, &slice.grid)
    }

    /// The slice with the ranks of its cells.
    pub(crate) fn slice(&self, ranks: Vec<u8>) -> Slice {
        Slice {
            log_bdp: self.log_bdp,
            buffer: self.buffer,
            grid: self.grid.clone(),
            ranks,
        }
    }

    /// The same with more cells around the start set.
    fn roomier(&self) -> Self {
        let wider = |margin: u16| margin.saturating_mul(2).clamp(1, MOST_MARGIN);
        Self {
            margins: (wider(self.margins.0), wider(self.margins.1)),
            ..self.clone()
        }
    }

    /// The two halves of its range of log₂ bandwidth-delay products.
    fn bdp_halves(&self) -> Vec<Self> {
        let middle = self.log_bdp.0.midpoint(self.log_bdp.1);
        let half = |low, high| Self {
            log_bdp: (low, high),
            ..self.clone()
        };
        vec![half(self.log_bdp.0, middle), half(middle, self.log_bdp.1)]
    }

    /// Its buffers up to `middle` and from there.
    fn buffer_halves(&self, middle: u32) -> Vec<Self> {
        let half = |least, most| Self {
            buffer: Buffer { least, most },
            ..self.clone()
        };
        vec![
            half(self.buffer.least, Some(middle)),
            half(middle, self.buffer.most),
        ]
    }

    /// What a search for its ranks takes, in bytes.
    fn memory(&self) -> u64 {
        let cells = self.grid.cells().unwrap_or(usize::MAX) as u64;
        cells.saturating_mul(BYTES_PER_CELL)
    }
}

/// Cuts the family of a claim into slices: narrow ones where a datagram is a large share of the
/// path, wide ones elsewhere.
///
/// # Errors
/// [`ClosedLoopError::Tuning`] where a width is zero, [`ClosedLoopError::TooManyCells`].
pub fn plan(claim: &LoopClaim, gain: Q16, tuning: &Tuning) -> Result<Vec<Part>, ClosedLoopError> {
    tuning.check()?;
    let PathFamily {
        log_bdp, buffer, ..
    } = claim.family;
    let mut parts = vec![];
    let mut low = log_bdp.0;
    loop {
        let high = tuning.end_of_slice(low).min(log_bdp.1);
        let slice = (low, high);
        let (width, margins) = (tuning.width, tuning.margins);
        parts.push(Part {
            log_bdp: slice,
            buffer,
            grid: tuning.grid(claim.start, slice, gain, width, margins)?,
            depth: 0,
            margins,
        });
        if high >= log_bdp.1 {
            return Ok(parts);
        }
        low = high;
    }
}

impl Tuning {
    /// The default tuning; where the rate does not read the average, with one cell of it and
    /// narrower windows in place of many.
    pub fn for_rate<R: Rate>(rate: &R) -> Self {
        let default = Self::default();
        if rate.signs()[index::QUEUEING_EWMA] != Sign::Zero {
            return default;
        }
        Self {
            width: 2,
            narrowest: 1,
            falls: 6,
            averages: (1, 0),
            ..default
        }
    }

    fn check(&self) -> Result<(), ClosedLoopError> {
        let named = [
            ("width", u32::from(self.width)),
            ("narrowest", u32::from(self.narrowest)),
            ("falls", u32::from(self.falls)),
            ("averages below the bend", u32::from(self.averages.0)),
            ("widest", u32::from(self.widest)),
            ("thinnest", u32::from(self.thinnest)),
        ];
        match named.into_iter().find(|&(_, value)| value == 0) {
            Some((name, _)) => Err(ClosedLoopError::Tuning { name }),
            None => Ok(()),
        }
    }

    /// How many of the first parts may be in work together.
    ///
    /// # Errors
    /// [`ClosedLoopError::Memory`] where not even one may.
    pub(crate) fn at_once(&self, parts: &[Part]) -> Result<usize, ClosedLoopError> {
        let mut taken = 0u64;
        let fits = |part: &&Part| {
            taken = taken.saturating_add(part.memory());
            taken <= self.memory
        };
        let count = parts.iter().take_while(fits).count();
        match parts.first() {
            Some(part) if count == 0 => Err(ClosedLoopError::Memory {
                log_bdp: part.log_bdp,
                needed: part.memory(),
                limit: self.memory,
            }),
            _ => Ok(count),
        }
    }

    /// Where a slice ends that begins at `low`, in steps of an eighth octave.
    fn end_of_slice(&self, low: i32) -> i32 {
        let share = power(-low).1;
        let mut high = low + STEP;
        while high + STEP <= low + i32::from(self.widest)
            && share - power(-high - STEP).0 <= i64::from(self.grain)
        {
            high += STEP;
        }
        high
    }

    /// The cells for a start set, with as much beside it as the margins say and the controller's
    /// floor and ceiling leave.
    fn grid(
        &self,
        start: (i32, i32),
        log_bdp: (i32, i32),
        gain: Q16,
        width: u16,
        margins: (u16, u16),
    ) -> Result<Grid, ClosedLoopError> {
        let floor = (LOG_WINDOW_MIN.units() >> EDGE_SHIFT) - log_bdp.0;
        let ceiling = (LOG_WINDOW_MAX.units() >> EDGE_SHIFT) - log_bdp.1;
        let low = (start.0 - i32::from(margins.0)).max(floor);
        let high = (start.1 + i32::from(margins.1)).min(ceiling);
        let cells = (high - low).max(0) / i32::from(width);
        let steps = gain.units().unsigned_abs();
        let reach = steps.div_ceil(u32::from(width) << EDGE_SHIFT);
        let reach = u16::try_from(reach).unwrap_or(u16::MAX);
        let grid = Grid {
            low,
            width,
            windows: u16::try_from(cells).unwrap_or(u16::MAX),
            reach,
            falls: self.falls.min(reach),
            memory: self.averages(),
        };
        let fits = grid.cells().is_some() && reach <= MOST_REACH && grid.memories() <= 256;
        if fits {
            Ok(grid)
        } else {
            Err(ClosedLoopError::TooManyCells {
                log_bdp,
                width,
                reach,
            })
        }
    }

    /// Edges of the average's cells.
    fn averages(&self) -> Vec<i32> {
        let (fine, coarse) = self.averages;
        let bend = match coarse {
            0 => MEMORY_MAX,
            _ => self.bend.clamp(1, MEMORY_MAX - 1),
        };
        let part = |from: i32, to: i32, of: u16, number: u16| {
            from + ((i64::from(to - from) * i64::from(number)) / i64::from(of.max(1))) as i32
        };
        let mut edges: Vec<i32> = (0..fine)
            .map(|number| part(0, bend, fine, number))
            .collect();
        edges.extend((0..=coarse).map(|number| part(bend, MEMORY_MAX, coarse, number)));
        edges.dedup();
        edges
    }

    /// What to try instead of a part that failed; empty where the limits are reached.
    ///
    /// Cells that leave get more room first, and buffers are divided where drops drive them out.
    /// Else wide slices are thinned, then cells are halved, which tightens everything and costs
    /// most, and at last slices and buffers are cut as far as they may.
    pub(crate) fn refine(
        &self,
        part: &Part,
        claim: &LoopClaim,
        gain: Q16,
        troubles: &[Trouble],
        may_drop: bool,
    ) -> Result<Vec<Part>, ClosedLoopError> {
        if part.depth >= self.refinements {
            return Ok(vec![]);
        }
        let leaves = troubles
            .iter()
            .any(|trouble| matches!(trouble, Trouble::Leaves { .. }));
        let span = part.log_bdp.1 - part.log_bdp.0;
        let by_buffer = || middle_buffer(part.buffer).filter(|_| may_drop);
        let next = if leaves && part.margins.0.max(part.margins.1) < MOST_MARGIN {
            vec![part.roomier()]
        } else if leaves && let Some(middle) = by_buffer() {
            part.buffer_halves(middle)
        } else if span > WIDE {
            part.bdp_halves()
        } else if part.grid.width > self.narrowest {
            let mut finer = part.clone();
            finer.grid.width = (part.grid.width / 2).max(self.narrowest);
            vec![finer]
        } else if span >= 2 * i32::from(self.thinnest) {
            part.bdp_halves()
        } else if let Some(middle) = by_buffer() {
            part.buffer_halves(middle)
        } else {
            vec![]
        };
        let finished = next.into_iter().map(|mut part| {
            let width = part.grid.width;
            part.grid = self.grid(claim.start, part.log_bdp, gain, width, part.margins)?;
            part.depth += 1;
            Ok(part)
        });
        finished.collect()
    }
}

/// Where a range of buffers is divided: at their geometric mean, or at twice the shallowest; none
/// where they hardly differ.
fn middle_buffer(buffer: Buffer) -> Option<u32> {
    let least = u64::from(buffer.least).max(1);
    let middle = match buffer.most {
        Some(most) => (least * u64::from(most)).isqrt(),
        None => 2 * least,
    };
    let apart = middle > least + (least >> 4);
    apart.then(|| u32::try_from(middle).ok())?
}

/// Grid arithmetic of images counts windows in a byte.
const MOST_REACH: u16 = 120;
/// An eighth octave.
const STEP: i32 = 1 << (LOG_BITS - 3);
/// Slices wider than half an octave are thinned before cells are.
const WIDE: i32 = 1 << (LOG_BITS - 1);
/// Two octaves.
const MOST_MARGIN: u16 = 2 << LOG_BITS;
/// Image and count of predecessors, rank, and places in two lists of cells to come.
const BYTES_PER_CELL: u64 = 4 + 4 + 1 + 16;

#[cfg(test)]
mod tests {
    use tautline_core::features::FEATURE_COUNT;

    use super::super::rate::Features;
    use super::*;

    /// A rate of zero that moves with the average as it says.
    struct Still([Sign; FEATURE_COUNT]);

    impl Rate for Still {
        type Row = ();
        fn signs(&self) -> &[Sign; FEATURE_COUNT] {
            &self.0
        }
        fn gain(&self) -> Q16 {
            Q16::from_units(9216)
        }
        fn row(&self, _: &Features) {}
        fn at(&self, (): &(), _: i32) -> i32 {
            0
        }
    }

    #[test]
    fn an_average_that_the_rate_does_not_read_has_one_cell() {
        let tuned = |sign: Sign| {
            let mut signs = [Sign::Zero; FEATURE_COUNT];
            signs[index::QUEUEING_EWMA] = sign;
            Tuning::for_rate(&Still(signs))
        };
        assert_eq!(tuned(Sign::Falling), Tuning::default());
        assert_eq!(Tuning::default().averages().len(), 24 + 8 + 1);
        let one = tuned(Sign::Zero);
        assert_eq!(one.averages(), [0, MEMORY_MAX]);
        assert!(one.width < Tuning::default().width);
        let slice = (2560, 2816);
        let grid = one.grid(
            (-192, 384),
            slice,
            Q16::from_units(9216),
            one.width,
            (77, 77),
        );
        assert_eq!(grid.unwrap().memories(), 1);
    }
}
