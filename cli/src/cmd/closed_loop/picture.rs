//! Pictures of slices that could not be proven: where states stay that should not.

use tautline_abstract_interp::closed_loop::{Failure, Projection};
use tautline_certificates::closed_loop::Grid;

use crate::plot::{Axis, Chart, Colour, Mark, Panel, Series, colour};
use crate::words;

/// Two maps over the window: against the average, and against the window before. A bar is a run of
/// cells whose worst rank lies in one band; blocking cells are drawn on top.
pub(super) fn chart(claim: &str, failure: &Failure) -> Chart {
    let grid = &failure.part.grid;
    let averages = &failure.explanation.averages;
    let befores = &failure.explanation.befores;
    let reach = f64::from(grid.reach);
    let low = -f64::from(grid.width) * (reach + 0.5) / 256.0;
    let average = |row: usize| {
        let (from, to) = grid.memory_range(row).unwrap_or_default();
        f64::midpoint(f64::from(from), f64::from(to)) / 65_536.0
    };
    let before = |row: usize| (row as f64 - reach) * f64::from(grid.width) / 256.0;
    Chart {
        title: format!("{claim}: why no proof"),
        subtitle: format!(
            "{}, {}",
            words::bdp(failure.part.log_bdp),
            words::buffer(failure.part.buffer)
        ),
        x_label: format!(
            "window above the lowest of the grid, 2^{} BDP (octaves)",
            words::octaves(grid.low)
        ),
        x_axis: Axis::UpTo(octaves(grid, usize::from(grid.windows))),
        panels: vec![
            Panel {
                y_label: "average queueing (base RTT)".to_owned(),
                y_start: 0.0,
                y_end: Some(2.0),
                series: series(grid, averages, average),
            },
            Panel {
                y_label: "window before (octaves)".to_owned(),
                y_start: low,
                y_end: Some(-low),
                series: series(grid, befores, before),
            },
        ],
    }
}

fn series(grid: &Grid, seen: &Projection, height: impl Fn(usize) -> f64) -> Vec<Series> {
    let most = seen.worst.iter().copied().max().unwrap_or(0);
    let band = |rank: u8| match rank {
        0 => None,
        rank if rank == most => Some(BANDS - 1),
        rank => Some(usize::from(rank - 1) * (BANDS - 1) / usize::from(most.max(1))),
    };
    let names = ["reached late", "", "", "never left"];
    let mut series: Vec<Series> = (0..BANDS)
        .map(|number| {
            let share = (number + 1) * usize::from(most) / BANDS;
            let name = match names[number] {
                "" => format!("rank up to about {share}"),
                name if number == 0 => format!("rank up to about {share} ({name})"),
                name => format!("rank {most} ({name})"),
            };
            let rows = runs(grid, seen, &height, |at| {
                band(seen.worst[at]) == Some(number)
            });
            bars(name, SHADES[number], rows)
        })
        .collect();
    let blocking = runs(grid, seen, &height, |at| seen.blocking[at] > 0);
    series.push(bars("blocks the proof".to_owned(), colour(1), blocking));
    series
}

fn bars(name: String, colour: Colour, bars: Vec<[(f64, f64); 2]>) -> Series {
    Series {
        name,
        colour,
        mark: Mark::Line(0),
        points: vec![],
        bars,
    }
}

/// Runs of cells in a row for which something holds, as bars.
fn runs(
    grid: &Grid,
    seen: &Projection,
    height: impl Fn(usize) -> f64,
    holds: impl Fn(usize) -> bool,
) -> Vec<[(f64, f64); 2]> {
    let mut bars = vec![];
    let columns = seen.columns.max(1);
    for row in 0..seen.worst.len() / columns {
        let mut from = None;
        for column in 0..=columns {
            let inside = column < columns && holds(row * columns + column);
            match (from, inside) {
                (None, true) => from = Some(column),
                (Some(first), false) => {
                    let y = height(row);
                    bars.push([(octaves(grid, first), y), (octaves(grid, column), y)]);
                    from = None;
                }
                _ => {}
            }
        }
    }
    bars
}

/// Where a cell of windows begins, above the lowest.
fn octaves(grid: &Grid, column: usize) -> f64 {
    column as f64 * f64::from(grid.width) / 256.0
}

const BANDS: usize = 4;
const SHADES: [Colour; BANDS] = [
    Colour(0xC6, 0xDB, 0xEF),
    Colour(0x9E, 0xCA, 0xE1),
    Colour(0x6B, 0xAE, 0xD6),
    Colour(0x21, 0x71, 0xB5),
];
