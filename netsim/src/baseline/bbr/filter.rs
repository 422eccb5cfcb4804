//! Windowed maxima (draft-ietf-ccwg-bbr §5.5.3, §5.5.9).

/// The largest bandwidth of this bandwidth-probing cycle and the one before: BBR.max_bw_filter
/// with BBR.MaxBwFilterLen of two.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaxBandwidth {
    before: u64,
    current: u64,
}

impl MaxBandwidth {
    /// BBR.max_bw, in bytes per second.
    pub(super) fn value(self) -> u64 {
        self.before.max(self.current)
    }

    pub(super) fn update(&mut self, bytes_per_sec: u64) {
        self.current = self.current.max(bytes_per_sec);
    }

    /// AdvanceMaxBwFilter (§5.5.6): a cycle is over. One without a sample leaves the window as
    /// it is, so that an estimate always exists.
    pub(super) fn advance(&mut self) {
        if self.current == 0 {
            return;
        }
        self.before = core::mem::take(&mut self.current);
    }
}

/// The largest value of the last rounds, in constant space: the three best of the window's
/// thirds, after K. Nichols's filter that §5.5.5 names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WindowedMax {
    /// (round, value), newest last, values never increasing.
    best: [(u64, u64); 3],
}

impl WindowedMax {
    /// The largest value of the window.
    pub(super) const fn value(&self) -> u64 {
        self.best[0].1
    }

    /// Takes `value` of `round`; answers the largest over `length` rounds.
    pub(super) fn update(&mut self, round: u64, value: u64, length: u64) -> u64 {
        let newest = (round, value);
        if value >= self.best[0].1 || round.saturating_sub(self.best[2].0) > length {
            self.best = [newest; 3];
            return value;
        }
        if value >= self.best[1].1 {
            self.best[1] = newest;
            self.best[2] = newest;
        } else if value >= self.best[2].1 {
            self.best[2] = newest;
        }
        self.expire(newest, length);
        self.best[0].1
    }

    fn expire(&mut self, newest: (u64, u64), length: u64) {
        let round = newest.0;
        if round.saturating_sub(self.best[0].0) > length {
            // The best is too old: the second takes its place.
            self.best = [self.best[1], self.best[2], newest];
            if round.saturating_sub(self.best[0].0) > length {
                self.best = [self.best[1], self.best[2], newest];
            }
            return;
        }
        let age = round.saturating_sub(self.best[0].0);
        if self.best[1].0 == self.best[0].0 && age > length / 4 {
            // A quarter of the window without a better second: take a fresh one.
            self.best[1] = newest;
            self.best[2] = newest;
        } else if self.best[2].0 == self.best[1].0 && age > length / 2 {
            self.best[2] = newest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bandwidth_is_forgotten_after_two_cycles() {
        let mut filter = MaxBandwidth::default();
        filter.update(100);
        filter.update(80);
        filter.advance();
        filter.update(50);
        assert_eq!(filter.value(), 100);
        filter.advance();
        assert_eq!(filter.value(), 50);
    }

    #[test]
    fn a_cycle_without_samples_keeps_the_estimate() {
        let mut filter = MaxBandwidth::default();
        filter.update(100);
        for _ in 0..5 {
            filter.advance();
        }
        assert_eq!(filter.value(), 100);
    }

    #[test]
    fn a_maximum_over_ten_rounds_lives_about_ten_rounds() {
        let mut filter = WindowedMax::default();
        filter.update(0, 900, 10);
        for round in 1..=10 {
            assert_eq!(filter.update(round, 100 + round, 10), 900, "{round}");
        }
        let after = filter.update(11, 50, 10);
        assert!((100..=110).contains(&after), "{after}");
    }

    #[test]
    fn a_larger_value_replaces_the_maximum_at_once() {
        let mut filter = WindowedMax::default();
        filter.update(0, 10, 10);
        assert_eq!(filter.update(1, 11, 10), 11);
        assert_eq!(filter.value(), 11);
    }
}
