//! Which line is whose.

use super::chart::{Chart, DASHES, INK, MARGIN, Mark, NORMAL, Series, WIDTH, dot, rectangle};
use super::font::Font;
use super::sketch::{Anchor, Point, Sketch, Style};

/// The names with their looks, in rows below the title.
pub(super) struct Legend<'a> {
    entries: Vec<Entry<'a>>,
    /// Base line of the last row.
    pub(super) bottom: f32,
}

struct Entry<'a> {
    series: &'a Series,
    /// As much of its name as fits into a row.
    name: String,
    at: Point,
}

impl<'a> Legend<'a> {
    pub(super) fn of(chart: &'a Chart, font: &Font) -> Self {
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let room = WIDTH - 2.0 * MARGIN - 34.0;
        let (mut x, mut y) = (
            MARGIN,
            if chart.subtitle.is_empty() {
                50.0
            } else {
                68.0
            },
        );
        for series in chart.panels.iter().flat_map(|panel| &panel.series) {
            let same = |other: &Entry<'_>| other.series.name == series.name;
            if series.name.is_empty() || entries.iter().any(same) {
                continue;
            }
            let name = font.fitted(&series.name, NORMAL, room);
            let width = 34.0 + font.width(&name, NORMAL) + 18.0;
            if x + width > WIDTH && x > MARGIN {
                (x, y) = (MARGIN, y + 20.0);
            }
            let at = (x, y);
            entries.push(Entry { series, name, at });
            x += width;
        }
        Self {
            bottom: if entries.is_empty() { y - 20.0 } else { y },
            entries,
        }
    }

    pub(super) fn draw(&self, sketch: &mut Sketch) {
        for Entry { series, name, at } in &self.entries {
            let &(x, y) = at;
            let middle = y - 4.0;
            match series.mark {
                Mark::Line(dash) => {
                    let line = vec![(x, middle), (x + 26.0, middle)];
                    sketch.stroke(line, series.colour, 2.5, DASHES[dash % DASHES.len()]);
                }
                Mark::Step => {
                    let line = vec![(x, middle), (x + 26.0, middle)];
                    sketch.stroke(line, series.colour, 2.5, &[]);
                }
                Mark::Area => {
                    let ends = [(x, middle - 5.0), (x + 26.0, middle + 5.0)];
                    sketch.area(rectangle(ends), series.colour);
                }
                Mark::Dot(shape) => sketch.area(dot((x + 18.0, middle), shape), series.colour),
            }
            let style = Style::new(NORMAL, Anchor::Start, INK);
            sketch.words((x + 34.0, y), name, style);
        }
    }
}
