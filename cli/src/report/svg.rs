//! Line charts over time, as SVG.

use super::escaped;

/// One line; colours come from the page's style by `class`.
#[derive(Clone, Debug)]
pub(super) struct Series<'a> {
    /// CSS class.
    pub(super) class: &'a str,
    /// One value per bin; the line breaks where there is none.
    pub(super) values: Vec<Option<f64>>,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart<'a> {
    /// For readers who do not see it.
    pub(super) title: String,
    /// With its unit.
    pub(super) y_axis: &'a str,
    /// Length of a bin, seconds.
    pub(super) bin_s: f64,
    /// A stepped line behind the others.
    pub(super) limit: Option<Series<'a>>,
    /// The lines, the last one on top.
    pub(super) lines: Vec<Series<'a>>,
}

impl Chart<'_> {
    /// The chart as an `<svg>` element.
    pub(super) fn render(&self) -> String {
        let all = self.limit.iter().chain(&self.lines);
        let values = all
            .clone()
            .flat_map(|series| series.values.iter().flatten());
        let largest = values.fold(0.0_f64, |largest, value| largest.max(*value));
        let bins = all.map(|series| series.values.len()).max().unwrap_or(0);
        let frame = Frame {
            seconds: (bins as f64 * self.bin_s).max(self.bin_s),
            y_step: step(largest.max(1e-3) / 5.0),
            largest: largest.max(1e-3),
        };
        let title = escaped(&self.title);
        let mut svg =
            format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n");
        frame.axes(&mut svg, self.y_axis);
        if let Some(limit) = &self.limit {
            let path = frame.stepped(&limit.values, self.bin_s);
            push_path(&mut svg, limit.class, &path);
        }
        for line in &self.lines {
            push_path(&mut svg, line.class, &frame.line(&line.values, self.bin_s));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The plane of a chart.
struct Frame {
    seconds: f64,
    y_step: f64,
    largest: f64,
}

impl Frame {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.seconds
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top()
    }

    /// The value at the upper edge: whole steps.
    fn top(&self) -> f64 {
        self.y_step * (self.largest / self.y_step).ceil()
    }

    fn axes(&self, svg: &mut String, y_axis: &str) {
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let count = (self.top() / self.y_step).round() as u32;
        for tick in 0..=count {
            let value = self.y_step * f64::from(tick);
            let y = self.y(value);
            let class = if tick == 0 { "axis" } else { "grid" };
            let text_y = y + 4.0;
            push(
                svg,
                format_args!(
                    "<line class=\"{class}\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" \
                     y2=\"{y:.1}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{text_y:.1}\" \
                     text-anchor=\"end\">{}</text>\n",
                    left - 8.0,
                    trimmed(value)
                ),
            );
        }
        let x_step = step(self.seconds / 10.0).max(0.5);
        let count = (self.seconds / x_step + 1e-6).floor() as u32;
        let foot = HEIGHT - BOTTOM;
        for tick in 0..=count {
            let seconds = x_step * f64::from(tick);
            let x = self.x(seconds);
            push(
                svg,
                format_args!(
                    "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{foot}\" y2=\"{}\"/>\
                     <text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                    foot + 4.0,
                    foot + 18.0,
                    trimmed(seconds)
                ),
            );
        }
        let middle = f64::midpoint(left, right);
        push(
            svg,
            format_args!(
                "<text class=\"label\" x=\"{left}\" y=\"14\" text-anchor=\"start\">{}</text>\
                 <text class=\"label\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">\
                 time (s)</text>\n",
                escaped(y_axis),
                HEIGHT - 4.0
            ),
        );
    }

    /// Through the middle of every bin.
    fn line(&self, values: &[Option<f64>], bin_s: f64) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for (bin, value) in values.iter().enumerate() {
            let Some(value) = value else {
                pen = 'M';
                continue;
            };
            let x = self.x((bin as f64 + 0.5) * bin_s);
            push(&mut path, format_args!("{pen}{x:.1} {:.1}", self.y(*value)));
            pen = 'L';
        }
        path
    }

    /// Level within every bin.
    fn stepped(&self, values: &[Option<f64>], bin_s: f64) -> String {
        let mut path = String::new();
        let mut last = None;
        for (bin, value) in values.iter().enumerate() {
            let Some(value) = *value else {
                last = None;
                continue;
            };
            let start = self.x(bin as f64 * bin_s);
            let y = self.y(value);
            match last {
                None => push(&mut path, format_args!("M{start:.1} {y:.1}")),
                Some(before) if before != value => {
                    push(&mut path, format_args!("H{start:.1}V{y:.1}"));
                }
                Some(_) => {}
            }
            last = Some(value);
            if bin + 1 == values.len() {
                let end = self.x((bin as f64 + 1.0) * bin_s);
                push(&mut path, format_args!("H{end:.1}"));
            }
        }
        path
    }
}

fn push_path(svg: &mut String, class: &str, path: &str) {
    if !path.is_empty() {
        push(
            svg,
            format_args!("<path class=\"line {class}\" d=\"{path}\"/>\n"),
        );
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.push_str(&what.to_string());
}

/// The first of 1, 2, 5, 10, … times a power of ten that is not below `least`.
fn step(least: f64) -> f64 {
    let mut power = 1e-3;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if factor * power >= least || power > 1e9 {
                return factor * power;
            }
        }
        power *= 10.0;
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 42.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_numbers() {
        for (least, expected) in [
            (0.7, 1.0),
            (1.1, 2.0),
            (3.0, 5.0),
            (7.0, 10.0),
            (40.0, 50.0),
        ] {
            assert!((step(least) - expected).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn a_gap_breaks_the_line_and_names_are_escaped() {
        let chart = Chart {
            title: "a < b".to_owned(),
            y_axis: "ms",
            bin_s: 1.0,
            limit: None,
            lines: vec![Series {
                class: "cubic",
                values: vec![Some(1.0), Some(2.0), None, Some(1.0)],
            }],
        };
        let svg = chart.render();
        let path = svg
            .split(" d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path.matches('L').count(), 1, "{path}");
        assert!(svg.contains("a &lt; b"));
    }

    #[test]
    fn a_constant_limit_is_one_level_line() {
        let frame = Frame {
            seconds: 4.0,
            y_step: 5.0,
            largest: 20.0,
        };
        let path = frame.stepped(&[Some(20.0); 4], 1.0);
        assert_eq!(path, "M46.0 26.0H866.0");
    }
}
