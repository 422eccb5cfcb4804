//! A binary arithmetic coder with adaptive chances, in integers.
//!
//! The coder keeps an interval of 32-bit numbers. Each bit cuts it in two, in proportion to the
//! chance of that bit, and keeps one part; a leading byte on which both ends agree is written. The
//! end is written as the interval's lower end, in full. So a decoder that walks the same intervals
//! knows at the end whether the bytes are those of the encoder: what is left must be that lower end.

use super::SliceError;

/// The chance that a bit is set, in 2⁻¹⁶.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u16);

/// One side of the coder.
pub(super) trait Bits {
    /// Writes `bit` and returns it, or ignores it and returns the one that is read.
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> Result<bool, SliceError>;
}

pub(super) struct Encoder {
    ends: Ends,
    out: Vec<u8>,
}

pub(super) struct Decoder<'a> {
    ends: Ends,
    number: u32,
    bytes: core::slice::Iter<'a, u8>,
    length: usize,
}

/// The interval, both ends included; the first bytes of the two differ.
#[derive(Clone, Copy, Debug)]
struct Ends {
    low: u32,
    high: u32,
}

impl Chance {
    pub(super) const EVEN: Self = Self(1 << 15);

    const fn learn(&mut self, bit: bool) {
        let step = if bit {
            self.0.wrapping_add((u16::MAX ^ self.0) >> RATE)
        } else {
            self.0.wrapping_sub(self.0 >> RATE)
        };
        self.0 = step;
    }
}

impl Ends {
    const WHOLE: Self = Self {
        low: 0,
        high: u32::MAX,
    };

    /// The last number of a set bit; at least `low` and below `high`.
    fn cut(self, chance: Chance) -> u32 {
        let (width, chance) = (self.high.wrapping_sub(self.low), u32::from(chance.0));
        // (width · chance) / 2¹⁶ in two parts that fit.
        let share = (width >> 16)
            .wrapping_mul(chance)
            .wrapping_add((width & 0xffff).wrapping_mul(chance) >> 16);
        self.low.wrapping_add(share)
    }

    const fn keep(&mut self, cut: u32, bit: bool) {
        if bit {
            self.high = cut;
        } else {
            self.low = cut.wrapping_add(1);
        }
    }

    /// The leading byte, if it is settled; it is dropped.
    fn settled(&mut self) -> Option<u8> {
        let [first, ..] = self.low.to_be_bytes();
        if (self.low ^ self.high) >> 24 != 0 {
            return None;
        }
        self.low <<= 8;
        self.high = (self.high << 8) | 0xff;
        Some(first)
    }
}

impl Encoder {
    pub(super) const fn new() -> Self {
        Self {
            ends: Ends::WHOLE,
            out: vec![],
        }
    }

    /// The bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.extend(self.ends.low.to_be_bytes());
        self.out
    }
}

impl Bits for Encoder {
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> Result<bool, SliceError> {
        let cut = self.ends.cut(*chance);
        self.ends.keep(cut, bit);
        chance.learn(bit);
        while let Some(byte) = self.ends.settled() {
            self.out.push(byte);
        }
        Ok(bit)
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, SliceError> {
        let mut decoder = Self {
            ends: Ends::WHOLE,
            number: 0,
            bytes: bytes.iter(),
            length: bytes.len(),
        };
        for _ in 0..4 {
            decoder.take()?;
        }
        Ok(decoder)
    }

    fn take(&mut self) -> Result<(), SliceError> {
        let byte = self.bytes.next().ok_or_else(|| SliceError::Truncated {
            needed: self.length.saturating_add(1),
            got: self.length,
        })?;
        self.number = (self.number << 8) | u32::from(*byte);
        Ok(())
    }

    /// Accepts that the bytes end here as the encoder ends them.
    pub(super) fn finish(&self) -> Result<(), SliceError> {
        match self.bytes.len() {
            0 if self.number == self.ends.low => Ok(()),
            0 => Err(SliceError::NotCanonical),
            got => Err(SliceError::Trailing { got }),
        }
    }
}

impl Bits for Decoder<'_> {
    fn bit(&mut self, chance: &mut Chance, _: bool) -> Result<bool, SliceError> {
        let cut = self.ends.cut(*chance);
        let bit = self.number <= cut;
        self.ends.keep(cut, bit);
        chance.learn(bit);
        while self.ends.settled().is_some() {
            self.take()?;
        }
        Ok(bit)
    }
}

/// How slowly chances move: by 2⁻⁵ of what is missing.
const RATE: u32 = 5;
