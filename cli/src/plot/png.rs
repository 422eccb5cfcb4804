//! A sketch as PNG, at twice the size for screens of today.

use anyhow::Context as _;
use tiny_skia::{
    Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform,
};
use ttf_parser::OutlineBuilder;

use super::font::Font;
use super::sketch::{Anchor, Colour, Point, Shape, Sketch, Turn};

/// The whole file.
pub(super) fn write(sketch: &Sketch, font: &Font) -> anyhow::Result<Vec<u8>> {
    let pixels = |length: f32| (length * SCALE).ceil() as u32;
    let mut pixmap = Pixmap::new(pixels(sketch.width), pixels(sketch.height))
        .context("the chart is too large for a picture")?;
    pixmap.fill(Color::WHITE);
    for shape in &sketch.shapes {
        draw(&mut pixmap, shape, font);
    }
    pixmap.encode_png().context("cannot encode a PNG")
}

fn draw(pixmap: &mut Pixmap, shape: &Shape, font: &Font) {
    let scale = Transform::from_scale(SCALE, SCALE);
    match shape {
        Shape::Stroke {
            points,
            colour,
            width,
            dash,
        } => {
            let stroke = Stroke {
                width: *width,
                line_join: LineJoin::Round,
                dash: StrokeDash::new(dash.to_vec(), 0.0),
                ..Stroke::default()
            };
            if let Some(path) = through(points).finish() {
                pixmap.stroke_path(&path, &paint(*colour), &stroke, scale, None);
            }
        }
        Shape::Area { points, colour } => {
            let mut path = through(points);
            path.close();
            if let Some(path) = path.finish() {
                pixmap.fill_path(&path, &paint(*colour), FillRule::Winding, scale, None);
            }
        }
        Shape::Words {
            at: (x, y),
            text,
            size,
            anchor,
            turn,
            colour,
        } => {
            let width = font.width(text, *size);
            let shift = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => -width / 2.0,
                Anchor::End => -width,
            };
            let turn = match turn {
                Turn::Level => 0.0,
                Turn::Upwards => -90.0,
            };
            let place = scale
                .pre_translate(*x, *y)
                .pre_concat(Transform::from_rotate(turn));
            if let Some(path) = letters(text, *size, shift, font) {
                pixmap.fill_path(&path, &paint(*colour), FillRule::Winding, place, None);
            }
        }
    }
}

fn through(points: &[Point]) -> PathBuilder {
    let mut path = PathBuilder::new();
    for (at, &(x, y)) in points.iter().enumerate() {
        if at == 0 {
            path.move_to(x, y);
        } else {
            path.line_to(x, y);
        }
    }
    path
}

fn letters(text: &str, size: f32, shift: f32, font: &Font) -> Option<Path> {
    let mut pen = Pen {
        path: PathBuilder::new(),
        x: shift,
        scale: font.scale(size),
    };
    font.for_each_glyph(text, size, |glyph, x| {
        pen.x = shift + x;
        font.outline(glyph, &mut pen);
    });
    pen.path.finish()
}

/// Takes outlines over, y downwards.
struct Pen {
    path: PathBuilder,
    x: f32,
    scale: f32,
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> Point {
        (self.x + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2)) = (self.place(x1, y1), self.place(x2, y2));
        let (x, y) = self.place(x, y);
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

fn paint(Colour(red, green, blue): Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, u8::MAX);
    paint
}

const SCALE: f32 = 2.0;
