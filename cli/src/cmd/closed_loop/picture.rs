//! Pictures of slices that could not be proven: where states stay that should not.

use tautline_abstract_interp::closed_loop::{Failure, Projection};
use tautline_certificates::closed_loop::Grid;

use crate::plot::{Axis, Chart, Colour, Mark, Panel, Series, colour};
use crate::words;

/// A corner of a rectangle: octaves, and what the panel shows.
type Corner = (f64, f64);

/// Two maps over the window: against the average, and against the window before. A row's cells of one
/// colour are those that states stay in about as long; blocking cells are drawn on top.
pub(super) fn chart(claim: &str, failure: &Failure) -> Chart {
    let grid = &failure.part.grid;
    let found = &failure.explanation;
    let average = |row: usize| {
        let (from, to) = grid.memory_range(row).unwrap_or_default();
        (f64::from(from) / 65_536.0, f64::from(to) / 65_536.0)
    };
    let cell = f64::from(grid.width) / 256.0;
    let reach = f64::from(grid.reach);
    let before = |row: usize| {
        let middle = (row as f64 - reach) * cell;
        (middle - cell / 2.0, middle + cell / 2.0)
    };
    let beyond = (reach + 0.5) * cell;
    let panel = |y_label: &str, (low, high), series| Panel {
        y_label: y_label.to_owned(),
        y_start: low,
        y_end: Some(high),
        series,
    };
    Chart {
        title: format!("{claim}: why no proof"),
        subtitle: format!(
            "{}, {}; {}",
            words::bdp(failure.part.log_bdp),
            words::buffer(failure.part.buffer),
            blame(failure)
        ),
        x_label: "log2 of the window over the bandwidth-delay product".to_owned(),
        x_axis: Axis::Between(octaves(grid, 0), octaves(grid, usize::from(grid.windows))),
        panels: vec![
            panel(
                "average queue (RTTs)",
                (0.0, 2.0),
                series(grid, &found.averages, average),
            ),
            panel(
                "window before (octaves)",
                (-beyond, beyond),
                series(grid, &found.befores, before),
            ),
        ],
    }
}

/// What blocks, and which feature most.
fn blame(failure: &Failure) -> String {
    let found = &failure.explanation;
    let cells = match found.blocking {
        1 => "1 cell blocks".to_owned(),
        count => format!("{count} cells block"),
    };
    match found.features.first() {
        Some(feature) => format!("{cells}, mostly for what is open of {}", feature.name),
        None => cells,
    }
}

/// Cells by how long states stay in them, from light to dark, and those that block.
fn series(grid: &Grid, seen: &Projection, rows: impl Fn(usize) -> (f64, f64)) -> Vec<Series> {
    let most = usize::from(seen.longest.iter().copied().max().unwrap_or(0));
    // A rank counts from one; the largest has a band of its own.
    let end = |band: usize| most.saturating_sub(1) * (band + 1) / (BANDS - 1);
    let mut series = vec![];
    for (band, shade) in SHADES.into_iter().enumerate() {
        let (name, from, to) = if band + 1 == BANDS {
            ("for ever".to_owned(), most.max(1), most)
        } else {
            let from = if band == 0 { 1 } else { end(band - 1) + 1 };
            (
                format!("up to round {}", end(band).saturating_sub(1)),
                from,
                end(band),
            )
        };
        let held = areas(grid, seen, &rows, |at| {
            (from..=to).contains(&usize::from(seen.longest[at]))
        });
        if !held.is_empty() {
            series.push(area(name, shade, held));
        }
    }
    let mut blocking = areas(grid, seen, &rows, |at| seen.blocking[at] > 0);
    // Few cells are not to be missed: at least a hundredth of the width.
    let least = f64::from(grid.windows) * f64::from(grid.width) / 256.0 / 100.0;
    for [(from, _), (to, _)] in &mut blocking {
        let missing = (least - (*to - *from)).max(0.0);
        *to = (*to + missing).min(octaves(grid, usize::from(grid.windows)));
        *from = from.min(*to - least);
    }
    series.push(area("blocks the proof".to_owned(), colour(1), blocking));
    series
}

fn area(name: String, colour: Colour, bars: Vec<[Corner; 2]>) -> Series {
    Series {
        name,
        colour,
        mark: Mark::Area,
        points: vec![],
        bars,
    }
}

/// Runs of cells in a row for which something holds, as rectangles.
fn areas(
    grid: &Grid,
    seen: &Projection,
    rows: impl Fn(usize) -> (f64, f64),
    holds: impl Fn(usize) -> bool,
) -> Vec<[Corner; 2]> {
    let mut found = vec![];
    let columns = seen.columns.max(1);
    for row in 0..seen.longest.len() / columns {
        let (low, high) = rows(row);
        let mut from = None;
        for column in 0..=columns {
            let inside = column < columns && holds(row * columns + column);
            match (from, inside) {
                (None, true) => from = Some(column),
                (Some(first), false) => {
                    found.push([(octaves(grid, first), high), (octaves(grid, column), low)]);
                    from = None;
                }
                _ => {}
            }
        }
    }
    found
}

/// Where a cell of windows begins.
fn octaves(grid: &Grid, column: usize) -> f64 {
    (f64::from(grid.low) + column as f64 * f64::from(grid.width)) / 256.0
}

const BANDS: usize = 4;
const SHADES: [Colour; BANDS] = [
    Colour(0xDE, 0xEB, 0xF7),
    Colour(0xAF, 0xCF, 0xE8),
    Colour(0x6B, 0xAE, 0xD6),
    Colour(0x21, 0x71, 0xB5),
];
