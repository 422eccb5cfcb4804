//! A sketch as SVG; words stay words.

use std::fmt::Write as _;

use super::sketch::{Anchor, Colour, Point, Shape, Sketch, Turn};

/// The whole file.
pub(super) fn write(sketch: &Sketch) -> String {
    let (width, height) = (sketch.width, sketch.height);
    let title = escaped(&sketch.title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"DejaVu Sans, Verdana, \
         Geneva, sans-serif\">\n<title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for shape in &sketch.shapes {
        push(&mut svg, shape);
    }
    svg.push_str("</svg>\n");
    svg
}

fn push(svg: &mut String, shape: &Shape) {
    // Writing to a string cannot fail.
    let _written = match shape {
        Shape::Stroke {
            points,
            colour,
            width,
            dash,
        } => {
            let dashes: Vec<_> = dash.iter().map(f32::to_string).collect();
            let dashes = if dashes.is_empty() {
                String::new()
            } else {
                format!(" stroke-dasharray=\"{}\"", dashes.join(" "))
            };
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\"{dashes}/>",
                list(points),
                hex(*colour),
            )
        }
        Shape::Area { points, colour } => writeln!(
            svg,
            "<polygon points=\"{}\" fill=\"{}\"/>",
            list(points),
            hex(*colour)
        ),
        Shape::Words {
            at: (x, y),
            text,
            size,
            anchor,
            turn,
            colour,
        } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let turn = match turn {
                Turn::Level => String::new(),
                Turn::Upwards => format!(" transform=\"rotate(-90 {x:.1} {y:.1})\""),
            };
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
                 fill=\"{}\"{turn}>{}</text>",
                hex(*colour),
                escaped(text)
            )
        }
    };
}

fn list(points: &[Point]) -> String {
    let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
    points.collect::<Vec<_>>().join(" ")
}

fn hex(Colour(red, green, blue): Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    // XML has no control characters.
    let text = text.replace(char::is_control, "\u{FFFD}");
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
