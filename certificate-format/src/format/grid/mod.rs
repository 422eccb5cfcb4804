//! The payload of a rank-grid section: slices, each with its cells' ranks.
//!
//! | size | field |
//! | --- | --- |
//! | 2 | number of slices, 1 to [`MAX_SLICES`] |
//! | … | slices: length (4), bytes |
//!
//! A slice is log₂ of the bandwidth-delay product, least and largest (4 each, signed), the buffer's
//! least and most (4 each, unsigned; 2³²−1 for no bound), and of its grid the lower edge (4,
//! signed), width, windows, reach and falls (2 each), the number of edges of the average (2) and those (4
//! each, signed); then its ranks up to its end.

mod coder;
mod error;
mod ranks;

pub use error::SliceError;

use super::FormatError;
use crate::bytes::{Reader, Short};
use crate::closed_loop::{
    Buffer, Grid, MAX_BUFFER, MAX_LOG, MAX_LOG_BDP, MAX_SLICES, MEMORY_MAX, Slice,
};
use coder::{Decoder, Encoder};

/// The slices of a payload, whose ranks are still bytes.
#[derive(Clone, Debug)]
pub struct RankGrid<'a> {
    /// The slices, in file order.
    pub slices: Vec<SliceView<'a>>,
}

/// A slice whose ranks have not been read.
#[derive(Clone, Debug)]
pub struct SliceView<'a> {
    /// As in [`Slice`].
    pub log_bdp: (i32, i32),
    /// As in [`Slice`].
    pub buffer: Buffer,
    /// As in [`Slice`].
    pub grid: Grid,
    bytes: &'a [u8],
    ranks: &'a [u8],
}

impl<'a> RankGrid<'a> {
    /// Reads everything but the ranks.
    ///
    /// # Errors
    /// [`FormatError`] where the bytes are not slices, naming the slice.
    pub fn read(payload: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(payload);
        let short = |short: Short| FormatError::PayloadTruncated {
            needed: short.needed,
            got: short.got,
        };
        let count = usize::from(reader.u16().map_err(short)?);
        check_count(count)?;
        let mut slices = vec![];
        for slice in 0..count {
            let length = reader.length().map_err(short)?;
            let bytes = reader.slice(length).map_err(short)?;
            let view = SliceView::read(bytes);
            slices.push(view.map_err(|error| FormatError::Slice { slice, error })?);
        }
        match reader.remaining() {
            0 => Ok(Self { slices }),
            got => Err(FormatError::PayloadTrailing { got }),
        }
    }

    /// The payload of slices that [`Slice::encode`] wrote. Their ranks are read once to see that
    /// they are in their only form; at most one slice's at a time is in memory.
    ///
    /// # Errors
    /// [`FormatError`] where one is not a slice, or there are too many.
    pub fn payload<S: AsRef<[u8]>>(slices: &[S]) -> Result<Vec<u8>, FormatError> {
        check_count(slices.len())?;
        let mut out = vec![];
        out.extend(
            u16::try_from(slices.len())
                .unwrap_or_default()
                .to_le_bytes(),
        );
        for (slice, bytes) in slices.iter().enumerate() {
            let bytes = bytes.as_ref();
            let read = SliceView::read(bytes).and_then(|view| view.ranks());
            read.map_err(|error| FormatError::Slice { slice, error })?;
            let length = super::encode::length_u32("bytes of a slice", bytes.len())?;
            out.extend(length);
            out.extend(bytes);
        }
        Ok(out)
    }
}

impl<'a> SliceView<'a> {
    /// Reads everything but the ranks from the bytes of one slice.
    ///
    /// # Errors
    /// [`SliceError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, SliceError> {
        let mut reader = Reader::new(bytes);
        let log_bdp = (reader.i32()?, reader.i32()?);
        let (least, most) = (reader.u32()?, reader.u32()?);
        let (low, width) = (reader.i32()?, reader.u16()?);
        let (windows, reach, falls) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let edges = usize::from(reader.u16()?);
        // The bytes are there before room is made for what they say.
        let mut edges = Reader::new(reader.slice(edges.saturating_mul(4))?);
        let mut memory = vec![];
        while edges.remaining() > 0 {
            memory.push(edges.i32()?);
        }
        let view = Self {
            log_bdp,
            buffer: Buffer {
                least,
                most: (most != UNBOUNDED).then_some(most),
            },
            grid: Grid {
                low,
                width,
                windows,
                reach,
                falls,
                memory,
            },
            bytes,
            ranks: reader.slice(reader.remaining())?,
        };
        view.validate()?;
        Ok(view)
    }

    /// Reads the ranks: one byte per cell of the grid, and nothing else that grows with it.
    ///
    /// # Errors
    /// [`SliceError`] for anything that [`Slice::encode`] would not have written.
    pub fn ranks(&self) -> Result<Vec<u8>, SliceError> {
        let mut decoder = Decoder::new(self.ranks)?;
        let ranks = ranks::walk(&self.grid, &mut decoder, None)?;
        decoder.finish()?;
        Ok(ranks)
    }

    /// The bytes of the slice, ranks and all.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn validate(&self) -> Result<(), SliceError> {
        let (least, most) = self.log_bdp;
        field("log_bdp", least, 0, MAX_LOG_BDP)?;
        field("log_bdp", most, least, MAX_LOG_BDP)?;
        let (least, most) = (self.buffer.least, self.buffer.most.unwrap_or(MAX_BUFFER));
        field("buffer", least, 0, MAX_BUFFER)?;
        field("buffer", most, least, MAX_BUFFER)?;
        let grid = &self.grid;
        field("lower edge", grid.low, -MAX_LOG, MAX_LOG)?;
        field("width", grid.width, 1, u16::MAX)?;
        field("windows", grid.windows, 1, u16::MAX)?;
        let high = i64::from(grid.windows).saturating_mul(i64::from(grid.width));
        let high = high.saturating_add(i64::from(grid.low));
        field("upper edge", high, i64::from(grid.low), MAX_LOG.into())?;
        field("reach", grid.reach, 1, u16::MAX)?;
        field("falls", grid.falls, 1, grid.reach)?;
        let [first, inner @ ..] = grid.memory.as_slice() else {
            return field("edges of the average", 0, 2, i64::from(u16::MAX));
        };
        field("first edge of the average", *first, 0, 0)?;
        let mut edge = *first;
        for &next in inner {
            field(
                "edge of the average",
                next,
                edge.saturating_add(1),
                MEMORY_MAX,
            )?;
            edge = next;
        }
        field("last edge of the average", edge, MEMORY_MAX, MEMORY_MAX)?;
        grid.cells().map(|_| ()).ok_or(SliceError::Cells)
    }
}

impl Slice {
    /// The bytes of a slice, without their length.
    ///
    /// # Errors
    /// [`SliceError`] where the slice is not one that decoding would accept.
    pub fn encode(&self) -> Result<Vec<u8>, SliceError> {
        let view = SliceView {
            log_bdp: self.log_bdp,
            buffer: self.buffer,
            grid: self.grid.clone(),
            bytes: &[],
            ranks: &[],
        };
        view.validate()?;
        let (expected, got) = (self.grid.cells().unwrap_or_default(), self.ranks.len());
        if expected != got {
            return Err(SliceError::Ranks { expected, got });
        }
        let edges = u16::try_from(self.grid.memory.len());
        let Ok(edges) = edges else {
            let got = i64::try_from(self.grid.memory.len()).unwrap_or(i64::MAX);
            return field("edges of the average", got, 2, i64::from(u16::MAX)).map(|()| vec![]);
        };
        let mut out = vec![];
        for word in [self.log_bdp.0, self.log_bdp.1] {
            out.extend(word.to_le_bytes());
        }
        for word in [self.buffer.least, self.buffer.most.unwrap_or(UNBOUNDED)] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.grid.low.to_le_bytes());
        let grid = &self.grid;
        for word in [grid.width, grid.windows, grid.reach, grid.falls, edges] {
            out.extend(word.to_le_bytes());
        }
        for edge in &self.grid.memory {
            out.extend(edge.to_le_bytes());
        }
        let mut encoder = Encoder::new();
        ranks::walk(&self.grid, &mut encoder, Some(&self.ranks))?;
        out.extend(encoder.finish());
        Ok(out)
    }

    /// Reads the bytes of one slice.
    ///
    /// # Errors
    /// [`SliceError`] for anything that [`Slice::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, SliceError> {
        let view = SliceView::read(bytes)?;
        Ok(Self {
            ranks: view.ranks()?,
            log_bdp: view.log_bdp,
            buffer: view.buffer,
            grid: view.grid,
        })
    }
}

impl From<Short> for SliceError {
    fn from(short: Short) -> Self {
        Self::Truncated {
            needed: short.needed,
            got: short.got,
        }
    }
}

fn check_count(got: usize) -> Result<(), FormatError> {
    if (1..=MAX_SLICES).contains(&got) {
        return Ok(());
    }
    Err(FormatError::SliceCount {
        limit: MAX_SLICES,
        got,
    })
}

fn field<T: Into<i64>>(field: &'static str, got: T, low: T, high: T) -> Result<(), SliceError> {
    let (got, low, high) = (got.into(), low.into(), high.into());
    if (low..=high).contains(&got) {
        return Ok(());
    }
    Err(SliceError::Field {
        field,
        low,
        high,
        got,
    })
}

const UNBOUNDED: u32 = u32::MAX;
