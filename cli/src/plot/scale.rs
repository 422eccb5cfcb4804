//! From values to places on an axis.

/// An axis from `low` to `high`, with ticks at multiples of `step`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) step: f64,
}

impl Scale {
    /// From zero to a whole number of about `ticks` steps, not below `largest`.
    pub(super) fn from_zero(largest: f64, ticks: f64) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let step = round_step(largest / ticks);
        Self {
            low: 0.0,
            high: step * (largest / step - 1e-9).ceil(),
            step,
        }
    }

    /// From `low` to just `high`, as for time; one unit long where `high` is not above.
    pub(super) fn between(low: f64, high: f64, ticks: f64) -> Self {
        let span = if high > low { high - low } else { 1.0 };
        Self {
            low,
            high: low + span,
            step: round_step(span / ticks),
        }
    }

    /// Share of the axis at which `value` lies, 0 to 1.
    pub(super) fn share(&self, value: f64) -> f32 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) as f32
    }

    /// Values and words of the ticks.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step - 1e-6).ceil() as i64;
        let last = (self.high / self.step + 1e-6).floor() as i64;
        let decimals = (-libm::log10(self.step) - 1e-9).ceil().max(0.0) as usize;
        let ticks = (first..=last).map(|tick| {
            let value = tick as f64 * self.step;
            (value, format!("{value:.decimals$}"))
        });
        ticks.collect()
    }
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
    fn nothing_to_show_is_still_an_axis() {
        for scale in [Scale::from_zero(0.0, 5.0), Scale::between(0.0, 0.0, 5.0)] {
            assert!(scale.high > scale.low && scale.ticks().len() > 2);
        }
    }
}
