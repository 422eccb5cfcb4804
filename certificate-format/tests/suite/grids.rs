//! Rank grids as bytes: one form per slice, whatever the ranks are.

use proptest::prelude::*;
use tautline_certificate_format::claim::ClaimSet;
use tautline_certificate_format::closed_loop::{Buffer, Cell, Grid, MEMORY_MAX, Slice};
use tautline_certificate_format::format::{
    Certificate, FormatError, Layout, RankGrid, Section, SliceError,
};
use tautline_core::policy::Digest;

const CLAIMS: &str = include_str!("../../../claims/closed-loop.toml");

fn grid(windows: u16, reach: u16, memories: i32) -> Grid {
    let edges = (0..=memories).map(|edge| MEMORY_MAX / memories * edge);
    let mut memory: Vec<_> = edges.collect();
    *memory.last_mut().unwrap() = MEMORY_MAX;
    Grid {
        low: -300,
        width: 4,
        windows,
        reach,
        falls: reach.min(2),
        memory,
    }
}

fn slice(grid: Grid, rank: impl Fn(Cell) -> u8) -> Slice {
    let cells = 0..grid.cells().unwrap();
    let ranks = cells.map(|number| rank(grid.cell(number).unwrap()));
    Slice {
        log_bdp: (1024, 1280),
        buffer: Buffer {
            least: 65_536,
            most: None,
        },
        ranks: ranks.collect(),
        grid,
    }
}

type Change = (&'static str, fn(&mut Slice));

/// Ranks that rise towards the middle of the windows, as those of a loop that settles do.
fn hill(cell: Cell) -> u8 {
    let (memory, window) = (i32::try_from(cell.memory).unwrap(), cell.window);
    let off = (3 * (window - 40) + 5 * cell.before - cell.turn + 2 * memory).abs();
    u8::try_from(110 - (off / 4).min(110)).unwrap()
}

#[test]
fn ranks_that_vary_smoothly_take_little_room() {
    let slice = slice(grid(80, 9, 32), hill);
    let bytes = slice.encode().unwrap();
    assert_eq!(Slice::decode(&bytes).unwrap(), slice);
    let cells = slice.ranks.len();
    assert!(
        cells > 580_000 && bytes.len() * 12 < cells,
        "{} of {cells}",
        bytes.len()
    );
}

#[test]
fn every_changed_byte_is_another_slice_or_none() {
    let slice = slice(grid(6, 3, 5), hill);
    let bytes = slice.encode().unwrap();
    let mut others = 0;
    for place in 0..bytes.len() {
        for flip in [1, 0x80, 0x55, 0xff] {
            let mut changed = bytes.clone();
            changed[place] ^= flip;
            if let Ok(other) = Slice::decode(&changed) {
                assert_ne!(other, slice, "byte {place}");
                assert_eq!(other.encode().unwrap(), changed, "byte {place}");
                others += 1;
            }
        }
        assert!(Slice::decode(&bytes[..place]).is_err(), "cut at {place}");
    }
    assert!(others > 0, "the header at least has other values");
    let longer = [&bytes[..], &[0]].concat();
    let trailing = SliceError::Trailing { got: 1 };
    assert_eq!(Slice::decode(&longer).unwrap_err(), trailing);
}

#[test]
fn a_slice_outside_its_limits_is_refused_before_its_ranks_are_read() {
    let good = slice(grid(6, 3, 5), hill);
    let cases: [Change; 12] = [
        ("log_bdp", |it| it.log_bdp.0 = -1),
        ("log_bdp", |it| it.log_bdp = (1280, 1024)),
        ("buffer", |it| it.buffer.most = Some(65_535)),
        ("buffer", |it| it.buffer.most = Some(u32::MAX)),
        ("lower edge", |it| it.grid.low = i32::MIN),
        ("width", |it| it.grid.width = 0),
        ("upper edge", |it| it.grid.width = u16::MAX),
        ("windows", |it| it.grid.windows = 0),
        ("reach", |it| it.grid.reach = 0),
        ("falls", |it| it.grid.falls = 4),
        ("edge of the average", |it| it.grid.memory[2] = 7),
        ("last edge", |it| *it.grid.memory.last_mut().unwrap() -= 1),
    ];
    for (field, change) in cases {
        let mut bad = good.clone();
        change(&mut bad);
        let error = bad.encode().unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    let mut bad = good.clone();
    bad.ranks.pop();
    let (expected, got) = (good.ranks.len(), bad.ranks.len());
    assert_eq!(bad.encode(), Err(SliceError::Ranks { expected, got }));
    let mut bytes = good.encode().unwrap();
    // Windows, reach and falls at their largest: far beyond the limit of cells.
    bytes[20..28].copy_from_slice(&[1, 0, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(Slice::decode(&bytes).unwrap_err(), SliceError::Cells);
}

fn certificate(slices: &[Slice]) -> Certificate {
    let slices = slices.iter().map(|slice| slice.encode().unwrap());
    let slices: Vec<_> = slices.collect();
    let sections = (0..2).map(|claim| Section::RankGrid {
        claim,
        slices: slices.clone(),
    });
    let mut claims = ClaimSet::from_toml(CLAIMS, "f").unwrap();
    claims.loops.truncate(2);
    Certificate {
        model: Digest::of(b"model"),
        claims,
        sections: sections.collect(),
    }
}

#[test]
fn a_certificate_carries_one_rank_grid_per_loop_claim() {
    let slices = [slice(grid(6, 3, 5), hill), slice(grid(3, 1, 2), |_| 7)];
    let whole = certificate(&slices);
    let bytes = whole.encode().unwrap();
    assert_eq!(Certificate::decode(&bytes).unwrap(), whole);
    let layout = Layout::read(&bytes).unwrap();
    layout.expect_all_sections().unwrap();
    let got = 2;
    assert_eq!(
        layout.expect_sections(),
        Err(FormatError::LoopClaims { got })
    );
    let read = layout.sections[1].expect_grid(1).unwrap();
    for (view, slice) in read.slices.iter().zip(&slices) {
        assert_eq!(view.ranks().unwrap(), slice.ranks);
        assert_eq!(view.grid, slice.grid);
    }
    let (section, expected, got) = (0, 0, 1);
    let order = FormatError::SectionOrder {
        section,
        expected,
        got,
    };
    assert_eq!(layout.sections[1].expect_grid(0).unwrap_err(), order);
    let mut short = whole;
    short.sections.pop();
    let (expected, got) = (2, 1);
    let count = FormatError::SectionCount { expected, got };
    assert_eq!(Certificate::decode(&short.encode().unwrap()), Err(count));
}

#[test]
fn payloads_of_no_slice_or_of_damaged_ones_are_refused_by_number() {
    let (limit, got) = (1024, 0);
    let none = FormatError::SliceCount { limit, got };
    assert_eq!(RankGrid::read(&[0, 0]).unwrap_err(), none);
    assert_eq!(RankGrid::payload::<Vec<u8>>(&[]).unwrap_err(), none);
    let (needed, got) = (2, 1);
    let short = FormatError::PayloadTruncated { needed, got };
    assert_eq!(RankGrid::read(&[1]).unwrap_err(), short);
    let good = slice(grid(6, 3, 5), hill).encode().unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    let error = SliceError::NotCanonical;
    let damaged = FormatError::Slice { slice: 1, error };
    assert_eq!(RankGrid::payload(&[&good, &bad]).unwrap_err(), damaged);
    let mut payload = RankGrid::payload(&[&good]).unwrap();
    assert_eq!(RankGrid::read(&payload).unwrap().slices[0].bytes(), good);
    payload.push(1);
    let trailing = FormatError::PayloadTrailing { got: 1 };
    assert_eq!(RankGrid::read(&payload).unwrap_err(), trailing);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the ranks are: smooth, noisy or of few kinds.
    #[test]
    fn any_ranks_come_back_from_their_bytes(
        (windows, reach, memories) in (1u16..9, 1u16..4, 1i32..9),
        noise in prop::collection::vec(any::<u8>(), 1..40),
        mask in prop::sample::select(vec![0u8, 1, 3, 0xff]),
    ) {
        let mut slice = slice(grid(windows, reach, memories), hill);
        for (rank, noise) in slice.ranks.iter_mut().zip(noise.iter().cycle()) {
            *rank ^= noise & mask;
        }
        let bytes = slice.encode().unwrap();
        prop_assert_eq!(Slice::decode(&bytes).unwrap(), slice);
    }

    /// Any bytes where the ranks should be are refused or have exactly that form.
    #[test]
    fn any_bytes_for_ranks_are_refused_or_written_again(
        junk in prop::collection::vec(any::<u8>(), 0..64),
        (windows, reach, memories) in (1u16..4, 1u16..3, 1i32..4),
    ) {
        let slice = slice(grid(windows, reach, memories), |_| 0);
        let mut bytes = slice.encode().unwrap();
        let header = 30 + 4 * slice.grid.memory.len();
        bytes.truncate(header);
        bytes.extend(junk);
        if let Ok(read) = Slice::decode(&bytes) {
            prop_assert_eq!(read.encode().unwrap(), bytes);
        }
    }
}
