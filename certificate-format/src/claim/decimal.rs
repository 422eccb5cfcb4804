//! Exact decimals, from text to integers without a float in between.

/// `digits / 10^places`, with the fewest places that write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    places: u32,
}

impl Decimal {
    pub(super) const ONE: Self = Self {
        digits: 1,
        places: 0,
    };
    pub(super) const ZERO: Self = Self {
        digits: 0,
        places: 0,
    };

    /// Reads `-?digits(.digits)?` with at most nine digits on either side.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (unsigned, None),
        };
        let mut digits = 0i128;
        for part in [Some(whole), fraction].into_iter().flatten() {
            if part.is_empty() || part.len() > MAX_DIGITS {
                return None;
            }
            for character in part.chars() {
                let digit = i128::from(character.to_digit(10)?);
                digits = digits.saturating_mul(10).saturating_add(digit);
            }
        }
        let places = u32::try_from(fraction.map_or(0, str::len)).ok()?;
        Some(Self::shortest(
            if negative {
                digits.saturating_neg()
            } else {
                digits
            },
            places,
        ))
    }

    pub(super) const fn negated(self) -> Self {
        Self {
            digits: self.digits.saturating_neg(),
            places: self.places,
        }
    }

    /// The sum; both sides have few digits, so nothing saturates.
    pub(super) fn plus(self, other: Self) -> Self {
        let places = self.places.max(other.places);
        let sum = self.scaled(places).saturating_add(other.scaled(places));
        Self::shortest(sum, places)
    }

    /// Decimal places needed.
    pub(super) const fn places(self) -> u32 {
        self.places
    }

    /// `self · 10^places`, for at least [`Self::places`] places.
    pub(super) const fn scaled(self, places: u32) -> i128 {
        let shift = places.saturating_sub(self.places);
        self.digits.saturating_mul(10i128.saturating_pow(shift))
    }

    /// ⌊self · 2¹⁶ · 10^places⌋.
    pub(super) fn floor_units(self, places: u32) -> i128 {
        let scaled = self.digits.saturating_mul(10i128.saturating_pow(places));
        // A power of ten is positive, so this is the floor.
        let denominator = 10i128.saturating_pow(self.places).max(1);
        scaled.saturating_mul(UNITS).div_euclid(denominator)
    }

    /// ⌈self · 2¹⁶⌉.
    pub(super) fn ceil_units(self) -> i128 {
        self.negated().floor_units(0).saturating_neg()
    }

    /// The integer that this is.
    pub(super) fn whole(self) -> Option<i128> {
        (self.places == 0).then_some(self.digits)
    }

    fn shortest(mut digits: i128, mut places: u32) -> Self {
        while places > 0 && digits.checked_rem(10) == Some(0) {
            digits = digits.checked_div(10).unwrap_or_default();
            places = places.saturating_sub(1);
        }
        Self { digits, places }
    }
}

const MAX_DIGITS: usize = 9;
const UNITS: i128 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_units_by_the_rounding_that_keeps_a_region_inside() {
        let tenth = Decimal::parse("0.10").unwrap();
        assert_eq!(tenth.places(), 1);
        assert_eq!((tenth.ceil_units(), tenth.floor_units(0)), (6554, 6553));
        let minus = Decimal::parse("-0.1").unwrap();
        assert_eq!((minus.ceil_units(), minus.floor_units(0)), (-6553, -6554));
        assert_eq!(Decimal::parse("2").unwrap().ceil_units(), 131_072);
        assert_eq!(Decimal::parse("0.02").unwrap().floor_units(1), 13_107);
    }

    #[test]
    fn only_plain_decimals_are_read() {
        for bad in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "1e3",
            "0x1",
            "1_0",
            "1.2.3",
            "٣",
            "1234567890",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }
}
