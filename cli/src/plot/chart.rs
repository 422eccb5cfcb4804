//! Panels of lines or points above each other, over one horizontal axis.

use super::font::Font;
use super::legend::Legend;
use super::scale::Scale;
use super::sketch::{Anchor, Colour, Point, Sketch, Style};

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// What it shows.
    pub(crate) title: String,
    /// A second line with what else is to be known; may be empty.
    pub(crate) subtitle: String,
    /// Label of the horizontal axis, with its unit.
    pub(crate) x_label: String,
    /// The horizontal axis.
    pub(crate) x_axis: Axis,
    /// From top to bottom.
    pub(crate) panels: Vec<Panel>,
}

/// What a horizontal axis shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Axis {
    /// From zero to a round number behind the last point.
    FromZero,
    /// From zero to this value.
    UpTo(f64),
    /// From the first value to the second.
    Between(f64, f64),
    /// Equal ratios from this value, above zero; points below it are at the left end.
    Ratios(f64),
}

/// One plane of a chart.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Label of the vertical axis, with its unit.
    pub(crate) y_label: String,
    /// Where the vertical axis begins; mostly at zero.
    pub(crate) y_start: f64,
    /// Where the vertical axis ends; at a round number above the largest value where not said.
    pub(crate) y_end: Option<f64>,
    /// What is drawn, the last on top.
    pub(crate) series: Vec<Series>,
}

/// Values that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Its name in the legend; equal names with equal looks appear once.
    pub(crate) name: String,
    /// Its colour.
    pub(crate) colour: Colour,
    /// How it is drawn.
    pub(crate) mark: Mark,
    /// The points; a line breaks where there is none.
    pub(crate) points: Vec<Option<(f64, f64)>>,
    /// Straight lines from one point to another, for intervals; opposite corners of areas.
    pub(crate) bars: Vec<[(f64, f64); 2]>,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A line from point to point, dashed by number: 0 is without gaps.
    Line(usize),
    /// A line that is level up to the next point.
    Step,
    /// A dot per point, shaped by number.
    Dot(usize),
    /// Rectangles between the ends of the bars.
    Area,
}

/// The colour of series number `at`: those of Okabe and Ito, which people with any kind of colour
/// vision can tell apart, without the pale yellow.
pub(crate) const fn colour(at: usize) -> Colour {
    PALETTE[at % PALETTE.len()]
}

impl Chart {
    /// Draws it.
    pub(super) fn draw(&self, font: &Font) -> Sketch {
        let legend = Legend::of(self, font);
        let x = self.x_scale();
        let scales: Vec<Scale> = self
            .panels
            .iter()
            .map(|panel| panel.y_scale(self))
            .collect();
        let widest = scales.iter().flat_map(Scale::ticks);
        let widest = widest.map(|(_, word)| font.width(&word, SMALL));
        let left = 38.0 + widest.fold(0.0, f32::max);
        let top = legend.bottom + 14.0;
        let panel_height = self.panel_height();
        let count = self.panels.len() as f32;
        let height = top + count * (panel_height + GAP) - GAP + 50.0;
        let mut sketch = Sketch {
            width: WIDTH,
            height,
            title: self.title.clone(),
            shapes: Vec::new(),
        };
        self.headings(&mut sketch, font);
        legend.draw(&mut sketch);
        for (at, (panel, y)) in self.panels.iter().zip(scales).enumerate() {
            let top = top + at as f32 * (panel_height + GAP);
            let plane = Plane {
                left,
                right: WIDTH - 18.0,
                top,
                bottom: top + panel_height,
                x,
                y,
            };
            plane.axes(&mut sketch, &panel.y_label, at + 1 == self.panels.len());
            for series in &panel.series {
                plane.series(&mut sketch, series);
            }
        }
        let middle = f32::midpoint(left, WIDTH - 18.0);
        let style = Style::new(NORMAL, Anchor::Middle, INK);
        sketch.words((middle, height - 12.0), &self.x_label, style);
        sketch
    }

    /// Title and subtitle; long titles in smaller letters, and without their middle where even
    /// those do not fit.
    fn headings(&self, sketch: &mut Sketch, font: &Font) {
        let room = WIDTH - 2.0 * MARGIN;
        let wanted = font.width(&self.title, LARGE);
        let size = (LARGE * room / wanted.max(room)).max(NORMAL);
        let size = (10.0 * size).floor() / 10.0;
        let title = font.fitted(&self.title, size, room);
        let first = Style::new(size, Anchor::Start, INK);
        sketch.words((MARGIN, 26.0), &title, first);
        let subtitle = font.fitted(&self.subtitle, SMALL, room);
        let second = Style::new(SMALL, Anchor::Start, PALE_INK);
        sketch.words((MARGIN, 44.0), &subtitle, second);
    }

    fn panel_height(&self) -> f32 {
        if self.panels.len() == 1 { 380.0 } else { 150.0 }
    }

    fn x_scale(&self) -> Scale {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        let values = series.flat_map(Series::places).map(|(x, _)| x);
        let largest = values.fold(0.0, f64::max);
        match self.x_axis {
            Axis::FromZero => Scale::from_zero(largest, 10.0),
            Axis::UpTo(end) => Scale::between(0.0, end, 10.0),
            Axis::Between(from, to) => Scale::between(from, to, 10.0),
            Axis::Ratios(least) => Scale::logarithmic(least, largest),
        }
    }
}

impl Panel {
    fn y_scale(&self, chart: &Chart) -> Scale {
        let ticks = f64::from(chart.panel_height() / 34.0);
        if let Some(end) = self.y_end {
            return Scale::between(self.y_start, end, ticks);
        }
        let largest = self.series.iter().flat_map(Series::places).map(|(_, y)| y);
        Scale::from_zero(largest.fold(0.0, f64::max), ticks)
    }
}

impl Series {
    /// A line through `points`.
    pub(crate) fn line(name: &str, at: usize, points: Vec<Option<(f64, f64)>>) -> Self {
        Self {
            name: name.to_owned(),
            colour: colour(at),
            mark: Mark::Line(at / PALETTE.len()),
            points,
            bars: Vec::new(),
        }
    }

    /// Everything that must be within the axes.
    fn places(&self) -> impl Iterator<Item = (f64, f64)> {
        let ends = self.bars.iter().flatten().copied();
        let all = self.points.iter().flatten().copied().chain(ends);
        all.filter(|(x, y)| x.is_finite() && y.is_finite())
    }
}

/// A rectangle with scales.
struct Plane {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
    x: Scale,
    y: Scale,
}

impl Plane {
    fn place(&self, (x, y): (f64, f64)) -> Point {
        (
            self.left + (self.right - self.left) * self.x.share(x),
            self.bottom - (self.bottom - self.top) * self.y.share(y),
        )
    }

    fn axes(&self, sketch: &mut Sketch, y_label: &str, lowest: bool) {
        let numbers = Style::new(SMALL, Anchor::End, PALE_INK);
        for (value, word) in self.y.ticks() {
            let (_, y) = self.place((self.x.low, value));
            sketch.line((self.left, y), (self.right, y), GRID);
            sketch.words((self.left - 7.0, y + 4.0), &word, numbers);
        }
        let numbers = Style::new(SMALL, Anchor::Middle, PALE_INK);
        for (value, word) in self.x.ticks() {
            let (x, _) = self.place((value, self.y.low));
            sketch.line((x, self.bottom), (x, self.bottom + 4.0), AXIS);
            if lowest {
                sketch.words((x, self.bottom + 18.0), &word, numbers);
            }
        }
        let foot = [(self.left, self.bottom), (self.right, self.bottom)];
        sketch.line(foot[0], foot[1], AXIS);
        let middle = f32::midpoint(self.top, self.bottom);
        let label = Style::new(NORMAL, Anchor::Middle, INK).upwards();
        sketch.words((18.0, middle), y_label, label);
    }

    fn series(&self, sketch: &mut Sketch, series: &Series) {
        for &[from, to] in &series.bars {
            let ends = [self.place(from), self.place(to)];
            if series.mark == Mark::Area {
                sketch.area(rectangle(ends), series.colour);
            } else {
                sketch.stroke(ends.to_vec(), series.colour, 1.2, &[]);
            }
        }
        let finite = |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        for run in series
            .points
            .split(|point| !point.as_ref().is_some_and(finite))
        {
            let run: Vec<Point> = run.iter().flatten().map(|&at| self.place(at)).collect();
            let is_line = matches!(series.mark, Mark::Line(_) | Mark::Step);
            if let Some(&at) = run.first().filter(|_| is_line)
                && run.iter().all(|&other| other == at)
            {
                // A line without length would not be seen.
                sketch.area(corners(at, 12, 2.2, 0.0), series.colour);
                continue;
            }
            match series.mark {
                Mark::Line(dash) => {
                    sketch.stroke(
                        thinned(&run),
                        series.colour,
                        1.5,
                        DASHES[dash % DASHES.len()],
                    );
                }
                Mark::Step => {
                    sketch.stroke(thinned(&stepped(&run)), series.colour, 1.5, &[]);
                }
                Mark::Dot(shape) => {
                    for &at in &run {
                        sketch.area(dot(at, shape), series.colour);
                    }
                }
                Mark::Area => {}
            }
        }
    }
}

/// The same line level up to each next point.
fn stepped(run: &[Point]) -> Vec<Point> {
    let mut line = Vec::with_capacity(2 * run.len());
    for &(x, y) in run {
        if let Some(&(_, before)) = line.last() {
            line.push((x, before));
        }
        line.push((x, y));
    }
    line
}

/// At most four points per half pixel: the first, the lowest, the highest and the last one.
fn thinned(run: &[Point]) -> Vec<Point> {
    let mut line = Vec::new();
    for column in run.chunk_by(|a, b| (2.0 * a.0).floor() == (2.0 * b.0).floor()) {
        if column.len() <= 4 {
            line.extend_from_slice(column);
            continue;
        }
        let (first, last) = (column[0], column[column.len() - 1]);
        let highest = column.iter().map(|point| point.1).fold(first.1, f32::min);
        let lowest = column.iter().map(|point| point.1).fold(first.1, f32::max);
        line.extend([first, (first.0, highest), (first.0, lowest), last]);
    }
    line
}

/// Between opposite corners.
pub(super) fn rectangle([(left, top), (right, bottom)]: [Point; 2]) -> Vec<Point> {
    vec![(left, top), (right, top), (right, bottom), (left, bottom)]
}

/// A disc, a square, a diamond or a triangle around `at`.
pub(super) fn dot(at: Point, shape: usize) -> Vec<Point> {
    match shape % 4 {
        0 => corners(at, 20, 5.0, 0.0),
        1 => corners(at, 4, 6.4, core::f32::consts::FRAC_PI_4),
        2 => corners(at, 4, 6.8, 0.0),
        _ => corners(at, 3, 6.8, -core::f32::consts::FRAC_PI_2),
    }
}

/// The regular polygon around a point with `count` corners, the first at the angle `turned`.
fn corners((x, y): Point, count: usize, radius: f32, turned: f32) -> Vec<Point> {
    let corner = |at: usize| {
        let angle = f64::from(turned) + core::f64::consts::TAU * at as f64 / count as f64;
        let (dx, dy) = (libm::cos(angle) as f32, libm::sin(angle) as f32);
        (x + radius * dx, y + radius * dy)
    };
    (0..count).map(corner).collect()
}

const PALETTE: [Colour; 7] = [
    Colour(0x00, 0x72, 0xB2),
    Colour(0xD5, 0x5E, 0x00),
    Colour(0x00, 0x9E, 0x73),
    Colour(0xCC, 0x79, 0xA7),
    Colour(0xE6, 0x9F, 0x00),
    Colour(0x56, 0xB4, 0xE9),
    Colour(0x44, 0x44, 0x44),
];
pub(super) const DASHES: [&[f32]; 3] = [&[], &[7.0, 3.0], &[2.0, 3.0]];
pub(super) const INK: Colour = Colour(0x22, 0x22, 0x22);
const PALE_INK: Colour = Colour(0x55, 0x55, 0x55);
const AXIS: Colour = Colour(0x66, 0x66, 0x66);
const GRID: Colour = Colour(0xE3, 0xE3, 0xE3);
pub(super) const WIDTH: f32 = 900.0;
/// At the left and the right of words.
pub(super) const MARGIN: f32 = 14.0;
const GAP: f32 = 26.0;
const LARGE: f32 = 17.0;
pub(super) const NORMAL: f32 = 12.5;
const SMALL: f32 = 11.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Format;
    use crate::plot::sketch::Shape;

    fn chart(points: Vec<Option<(f64, f64)>>) -> Chart {
        Chart {
            title: "a < b".to_owned(),
            subtitle: "seed 1".to_owned(),
            x_label: "time (s)".to_owned(),
            x_axis: Axis::FromZero,
            panels: vec![Panel {
                y_label: "rate (Mbit/s)".to_owned(),
                y_start: 0.0,
                y_end: None,
                series: vec![Series::line("cubic", 0, points)],
            }],
        }
    }

    #[test]
    fn an_svg_has_words_and_breaks_lines_at_gaps() {
        let points = [
            Some(1.0),
            Some(2.0),
            None,
            Some(f64::NAN),
            Some(3.0),
            Some(1.0),
        ];
        let points = points.iter().enumerate();
        let points = points.map(|(x, y)| y.map(|y| (x as f64, y))).collect();
        let svg = Format::Svg.render(&chart(points)).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        for words in ["a &lt; b", "cubic", "rate (Mbit/s)", "time (s)", "seed 1"] {
            assert!(svg.contains(words), "{words} in {svg}");
        }
        let blue = svg
            .matches("stroke=\"#0072b2\" stroke-width=\"1.5\"")
            .count();
        assert_eq!(blue, 2, "{svg}");
    }

    #[test]
    fn a_png_holds_the_colours_of_its_lines() {
        let points = (0..100).map(|x| Some((f64::from(x), f64::from(x % 7))));
        let png = Format::Png.render(&chart(points.collect())).unwrap();
        let picture = tiny_skia::Pixmap::decode_png(&png).unwrap();
        assert_eq!(picture.width(), 1800);
        let blue = picture
            .pixels()
            .iter()
            .filter(|pixel| (pixel.red(), pixel.green(), pixel.blue()) == (0x00, 0x72, 0xB2));
        assert!(blue.count() > 1000);
    }

    #[test]
    fn thinning_keeps_first_last_and_extremes() {
        let run: Vec<Point> = (0..1000)
            .map(|at| (10.1, (at * 37 % 1000) as f32))
            .collect();
        assert_eq!(
            thinned(&run),
            [(10.1, 0.0), (10.1, 0.0), (10.1, 999.0), (10.1, 963.0)]
        );
    }

    #[test]
    fn an_empty_chart_is_drawn_too() {
        assert!(Format::Png.render(&chart(Vec::new())).is_ok());
    }

    #[test]
    fn words_that_are_too_long_stay_on_the_sheet() {
        let font = Font::embedded().unwrap();
        for length in [20, 100, 400] {
            let mut chart = chart(vec![Some((0.0, 1.0)), Some((1.0, 1.0))]);
            chart.title = format!("first {} last", "W".repeat(length));
            chart.subtitle = chart.title.clone();
            chart.panels[0].series[0].name = chart.title.clone();
            let sketch = chart.draw(&font);
            assert_eq!(sketch.title, chart.title);
            let mut long = 0;
            for shape in &sketch.shapes {
                if let Shape::Words { at, text, size, .. } = shape
                    && text.starts_with("first")
                {
                    assert!(text.ends_with("last"), "{text}");
                    assert!(at.0 + font.width(text, *size) <= WIDTH, "{text}");
                    long += 1;
                }
            }
            assert_eq!(long, 3);
        }
    }

    #[test]
    fn a_line_of_a_single_point_is_a_dot() {
        let points = [Some((0.0, 1.0)), None, Some((1.0, 2.0)), Some((2.0, 1.0))];
        for mark in [Mark::Line(0), Mark::Step] {
            let mut chart = chart(points.to_vec());
            chart.panels[0].series[0].mark = mark;
            let sketch = chart.draw(&Font::embedded().unwrap());
            let dots = sketch.shapes.iter().filter(
                |shape| matches!(shape, Shape::Area { colour: found, .. } if *found == colour(0)),
            );
            assert_eq!(dots.count(), 1);
        }
    }
}
