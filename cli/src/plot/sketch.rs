//! What both formats draw: strokes, areas and words on a white sheet.

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// A place on the sheet: pixels from the left and from the top.
pub(super) type Point = (f32, f32);

/// Where a text stands in relation to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Which way a text runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Level,
    /// From bottom to top.
    Upwards,
}

/// One thing that is drawn.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A line through at least two points.
    Stroke {
        points: Vec<Point>,
        colour: Colour,
        width: f32,
        /// Lengths drawn and left out in turn; none for a line without gaps.
        dash: &'static [f32],
    },
    /// A filled polygon.
    Area { points: Vec<Point>, colour: Colour },
    /// Words on a base line.
    Words {
        at: Point,
        text: String,
        size: f32,
        anchor: Anchor,
        turn: Turn,
        colour: Colour,
    },
}

/// A sheet with what is on it, in the order of drawing.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    pub(super) width: f32,
    pub(super) height: f32,
    /// What it shows, for readers who do not see it.
    pub(super) title: String,
    pub(super) shapes: Vec<Shape>,
}

impl Sketch {
    pub(super) fn stroke(
        &mut self,
        points: Vec<Point>,
        colour: Colour,
        width: f32,
        dash: &'static [f32],
    ) {
        if points.len() > 1 {
            self.shapes.push(Shape::Stroke {
                points,
                colour,
                width,
                dash,
            });
        }
    }

    pub(super) fn line(&mut self, from: Point, to: Point, colour: Colour) {
        self.stroke(vec![from, to], colour, 1.0, &[]);
    }

    pub(super) fn area(&mut self, points: Vec<Point>, colour: Colour) {
        self.shapes.push(Shape::Area { points, colour });
    }

    pub(super) fn words(&mut self, at: Point, text: &str, style: Style) {
        self.shapes.push(Shape::Words {
            at,
            text: text.to_owned(),
            size: style.size,
            anchor: style.anchor,
            turn: style.turn,
            colour: style.colour,
        });
    }
}

/// How words are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) size: f32,
    pub(super) anchor: Anchor,
    pub(super) turn: Turn,
    pub(super) colour: Colour,
}

impl Style {
    pub(super) const fn new(size: f32, anchor: Anchor, colour: Colour) -> Self {
        Self {
            size,
            anchor,
            turn: Turn::Level,
            colour,
        }
    }

    pub(super) const fn upwards(self) -> Self {
        Self {
            turn: Turn::Upwards,
            ..self
        }
    }
}
