//! From values to places on an axis.

/// An axis from `low` to `high`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    spacing: Spacing,
}

/// Which values have the same distance.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spacing {
    /// Those of the same difference; ticks at multiples of `step`.
    Even { step: f64 },
    /// Those of the same ratio.
    Logarithmic,
}

impl Scale {
    /// From zero to a whole number of about `ticks` steps, not below `largest`.
    pub(super) fn from_zero(largest: f64, ticks: f64) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let step = round_step(largest / ticks);
        Self {
            low: 0.0,
            high: step * (largest / step - 1e-9).ceil(),
            spacing: Spacing::Even { step },
        }
    }

    /// From `low` to just `high`, as for time; one unit long where `high` is not above.
    pub(super) fn between(low: f64, high: f64, ticks: f64) -> Self {
        let span = if high > low { high - low } else { 1.0 };
        Self {
            low,
            high: low + span,
            spacing: Spacing::Even {
                step: round_step(span / ticks),
            },
        }
    }

    /// From the power of ten at or below `least` to a round number at or above `most`, in equal
    /// ratios; both above zero.
    pub(super) fn logarithmic(least: f64, most: f64) -> Self {
        let least = least.clamp(1e-9, 1e15);
        let low = libm::pow(10.0, (libm::log10(least) + 1e-9).floor());
        Self {
            low,
            high: round_step(most.clamp(2.0 * low, 1e16)),
            spacing: Spacing::Logarithmic,
        }
    }

    /// Share of the axis at which `value` lies, 0 to 1; what lies outside is moved to its end.
    pub(super) fn share(&self, value: f64) -> f32 {
        let share = match self.spacing {
            Spacing::Even { .. } => (value - self.low) / (self.high - self.low),
            Spacing::Logarithmic => {
                let value = value.max(self.low);
                libm::log(value / self.low) / libm::log(self.high / self.low)
            }
        };
        share.clamp(0.0, 1.0) as f32
    }

    /// Values and words of the ticks.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        match self.spacing {
            Spacing::Even { step } => {
                let first = (self.low / step - 1e-6).ceil() as i64;
                let last = (self.high / step + 1e-6).floor() as i64;
                let ticks = (first..=last).map(|tick| worded(tick as f64 * step, step));
                ticks.collect()
            }
            Spacing::Logarithmic => {
                let first = libm::log10(self.low).round() as i32;
                let last = libm::log10(self.high).floor() as i32;
                let ticks = (first..=last).flat_map(|power| {
                    let decade = libm::pow(10.0, f64::from(power));
                    [1.0, 2.0, 5.0].map(|factor| worded(factor * decade, decade))
                });
                let within = ticks.filter(|(value, _)| *value <= self.high * (1.0 + 1e-9));
                within.collect()
            }
        }
    }
}

/// `value` with as many decimals as `step` has.
fn worded(value: f64, step: f64) -> (f64, String) {
    let decimals = (-libm::log10(step) - 1e-9).ceil().max(0.0) as usize;
    (value, format!("{value:.decimals$}"))
}

/// The first of 1, 2, 5, 10, … times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = libm::pow(10.0, libm::log10(least.clamp(1e-12, 1e18)).floor());
    for factor in [1.0, 2.0, 5.0] {
        if factor * power >= least * (1.0 - 1e-9) {
            return factor * power;
        }
    }
    10.0 * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let scale = Scale::from_zero(19.3, 5.0);
        let words: Vec<_> = scale.ticks().into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["0", "5", "10", "15", "20"]);
        let scale = Scale::from_zero(0.013, 4.0);
        let words: Vec<_> = scale.ticks().into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["0.000", "0.005", "0.010", "0.015"]);
        assert!((scale.share(0.0075) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn equal_ratios_have_equal_distances() {
        let scale = Scale::logarithmic(0.3, 41.0);
        let words: Vec<_> = scale.ticks().into_iter().map(|(_, word)| word).collect();
        assert_eq!(
            words,
            ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50"]
        );
        let step = |from: f64, to: f64| scale.share(to) - scale.share(from);
        assert!((step(0.2, 0.4) - step(10.0, 20.0)).abs() < 1e-6);
        assert_eq!((scale.share(0.0), scale.share(50.0)), (0.0, 1.0));
    }

    #[test]
    fn nothing_to_show_is_still_an_axis() {
        for scale in [Scale::from_zero(0.0, 5.0), Scale::between(0.0, 0.0, 5.0)] {
            assert!(scale.high > scale.low && scale.ticks().len() > 2);
        }
    }
}
