//! Charts as files: described once, drawn as SVG and as PNG by the same strokes.
//!
//! There is no crate for charts below this. The best known one draws bitmaps without
//! anti-aliasing and needs the system's fonts for text; here tiny-skia fills shapes and the letters
//! of an embedded DejaVu Sans.

mod chart;
mod font;
mod legend;
mod png;
mod scale;
mod sketch;
mod svg;

pub(crate) use chart::{Axis, Chart, Mark, Panel, Series, colour};
pub(crate) use sketch::Colour;

use anyhow::Context as _;

/// How a chart is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Scalable vector graphics.
    Svg,
    /// Portable network graphics.
    Png,
}

impl Format {
    /// Its file extension.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// The bytes of a file with `chart`.
    pub(crate) fn render(self, chart: &Chart) -> anyhow::Result<Vec<u8>> {
        let font = font::Font::embedded().context("cannot use the embedded font")?;
        let sketch = chart.draw(&font);
        match self {
            Self::Svg => Ok(svg::write(&sketch).into_bytes()),
            Self::Png => png::write(&sketch, &font),
        }
    }
}
