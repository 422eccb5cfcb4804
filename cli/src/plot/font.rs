//! The embedded font.

use ttf_parser::{Face, FaceParsingError, GlyphId, OutlineBuilder};

/// DejaVu Sans (licence of Bitstream Vera).
pub(super) struct Font(Face<'static>);

impl Font {
    /// The font that is part of the program.
    pub(super) fn embedded() -> Result<Self, FaceParsingError> {
        Face::parse(dejavu::sans::regular(), 0).map(Self)
    }

    /// Width of `text` at `size` pixels per em.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        text.chars()
            .map(|letter| self.advance(self.glyph(letter)))
            .sum::<f32>()
            * self.scale(size)
    }

    /// `text`, or as much of its start and its end as fits into `room` pixels, with an ellipsis
    /// between.
    pub(super) fn fitted(&self, text: &str, size: f32, room: f32) -> String {
        if self.width(text, size) <= room {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let shortened = |kept: usize| -> String {
            let (start, end) = (kept.div_ceil(2), letters.len() - kept / 2);
            let (start, end) = (letters.iter().take(start), letters.iter().skip(end));
            start.chain(&['…']).chain(end).collect()
        };
        let counts: Vec<usize> = (1..letters.len()).collect();
        let kept = counts.partition_point(|&kept| self.width(&shortened(kept), size) <= room);
        shortened(kept)
    }

    /// Calls `outline` with every glyph of `text` that has one, and the place of its origin from
    /// the start of the text.
    pub(super) fn for_each_glyph(&self, text: &str, size: f32, mut each: impl FnMut(GlyphId, f32)) {
        let mut x = 0.0;
        for letter in text.chars() {
            let glyph = self.glyph(letter);
            each(glyph, x);
            x += self.advance(glyph) * self.scale(size);
        }
    }

    /// The outline of `glyph` in font units, y upwards.
    pub(super) fn outline(&self, glyph: GlyphId, builder: &mut impl OutlineBuilder) {
        // Blanks have none.
        let _bounds = self.0.outline_glyph(glyph, builder);
    }

    /// Pixels per font unit at `size`.
    pub(super) fn scale(&self, size: f32) -> f32 {
        size / f32::from(self.0.units_per_em())
    }

    /// The glyph of `letter`, or the one for letters that are missing.
    fn glyph(&self, letter: char) -> GlyphId {
        self.0.glyph_index(letter).unwrap_or(GlyphId(0))
    }

    fn advance(&self, glyph: GlyphId) -> f32 {
        f32::from(self.0.glyph_hor_advance(glyph).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_that_charts_use_is_in_the_font() {
        let font = Font::embedded().unwrap();
        for letter in "azAZ09 .,:;+-–—×·µ%()[]/≤≥…".chars() {
            assert!(font.0.glyph_index(letter).is_some(), "{letter}");
        }
        let narrow = font.width("iiii", 10.0);
        assert!(narrow > 5.0 && font.width("WWWW", 10.0) > 2.0 * narrow);
    }

    #[test]
    fn a_text_that_is_too_long_keeps_its_start_and_end() {
        let font = Font::embedded().unwrap();
        let text: String = ('a'..='z').chain('A'..='Z').collect();
        assert_eq!(font.fitted(&text, 10.0, 1000.0), text);
        let mut last = usize::MAX;
        for room in [300.0, 120.0, 40.0, 20.0] {
            let fitted = font.fitted(&text, 10.0, room);
            assert!(font.width(&fitted, 10.0) <= room, "{fitted}");
            let (start, end) = fitted.split_once('…').unwrap();
            assert!(text.starts_with(start) && text.ends_with(end), "{fitted}");
            assert!(start.len() - end.len() <= 1 && fitted.len() < last);
            last = fitted.len();
        }
        assert_eq!(font.fitted(&text, 10.0, 0.0), "…");
    }
}
