//! The smallest or largest value of a sliding time window, in constant space.

/// Windowed minimum after Kathleen Nichols, as in Linux's `win_minmax`: the best three values of
/// the window, each younger than the one before, so that when the best falls out the second is a
/// recent one. The answer is always a value of the window and never below its minimum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WindowedMin {
    best: [Sample; 3],
    known: bool,
}

/// As [`WindowedMin`], for the maximum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WindowedMax(WindowedMin);

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    time_ns: u64,
    value: u64,
}

impl WindowedMin {
    /// Takes `value` at `now_ns`; the minimum of the last `window_ns`.
    pub(super) fn update(&mut self, now_ns: u64, window_ns: u64, value: u64) -> u64 {
        let sample = Sample {
            time_ns: now_ns,
            value,
        };
        let stale = |of: Sample| now_ns.saturating_sub(of.time_ns) > window_ns;
        let [first, second, third] = &mut self.best;
        if !self.known || value <= first.value || stale(*third) {
            self.known = true;
            self.best = [sample; 3];
            return value;
        }
        if value <= second.value {
            (*second, *third) = (sample, sample);
        } else if value <= third.value {
            *third = sample;
        }
        if stale(*first) {
            (*first, *second, *third) = (*second, *third, sample);
            if stale(*first) {
                (*first, *second, *third) = (*second, *third, sample);
            }
        } else {
            let age_ns = now_ns - first.time_ns;
            if second.time_ns == first.time_ns && age_ns > window_ns / 4 {
                // A quarter of the window without a second best: take one from here on.
                (*second, *third) = (sample, sample);
            } else if third.time_ns == second.time_ns && age_ns > window_ns / 2 {
                *third = sample;
            }
        }
        self.best[0].value
    }

    /// The minimum as of the last update; zero before the first.
    pub(super) const fn value(&self) -> u64 {
        self.best[0].value
    }
}

impl WindowedMax {
    /// Takes `value` at `now_ns`; the maximum of the last `window_ns`.
    pub(super) fn update(&mut self, now_ns: u64, window_ns: u64, value: u64) -> u64 {
        u64::MAX - self.0.update(now_ns, window_ns, u64::MAX - value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_minimum_falls_out_of_the_window() {
        let mut min = WindowedMin::default();
        assert_eq!(min.update(0, 100, 40), 40);
        assert_eq!(min.update(30, 100, 60), 40);
        assert_eq!(min.update(60, 100, 50), 40);
        assert_eq!(min.update(100, 100, 70), 40);
        assert_eq!(min.update(101, 100, 80), 50);
        assert_eq!(min.value(), 50);
    }

    proptest! {
        #[test]
        fn the_answer_is_a_value_of_the_window(
            steps in prop::collection::vec((0_u64..50, 0_u64..1000), 1..200),
        ) {
            let (mut min, mut max) = (WindowedMin::default(), WindowedMax::default());
            let mut seen: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (wait, value) in steps {
                now += wait;
                seen.push((now, value));
                let (low, high) = (min.update(now, 100, value), max.update(now, 100, value));
                let window = seen.iter().filter(|(at, _)| now - at <= 100);
                let values: Vec<u64> = window.map(|&(_, value)| value).collect();
                prop_assert!(values.contains(&low) && low <= value);
                prop_assert!(values.contains(&high) && high >= value);
            }
        }
    }
}
