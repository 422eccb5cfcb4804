//! What happens at a fixed period, caught up with at the next call.

/// Multiples of a period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    period_ns: u64,
    next_ns: u64,
}

impl Timer {
    /// First due one period after the start; a period below [`SHORTEST_NS`] counts as that.
    pub(super) const fn new(period_ns: u64) -> Self {
        let period_ns = if period_ns < SHORTEST_NS {
            SHORTEST_NS
        } else {
            period_ns
        };
        Self {
            period_ns,
            next_ns: period_ns,
        }
    }

    /// The earliest time at or before `now_ns` that was not taken yet.
    #[inline]
    pub(super) const fn take(&mut self, now_ns: u64) -> Option<u64> {
        if self.next_ns > now_ns {
            return None;
        }
        let due_ns = self.next_ns;
        self.next_ns = due_ns.saturating_add(self.period_ns);
        Some(due_ns)
    }

    /// Takes all times up to `now_ns` at once: how many they were.
    pub(super) const fn skip(&mut self, now_ns: u64) -> u64 {
        if self.next_ns > now_ns {
            return 0;
        }
        let missed = (now_ns - self.next_ns) / self.period_ns + 1;
        self.next_ns = self
            .next_ns
            .saturating_add(missed.saturating_mul(self.period_ns));
        missed
    }
}

/// Scenarios ask for a millisecond or more; this only keeps any other caller from stalling.
const SHORTEST_NS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_takes_as_many_times_as_taking_one_by_one() {
        for now_ns in (0..100_000).step_by(500) {
            let (mut skipped, mut taken) = (Timer::new(7000), Timer::new(7000));
            let mut count = 0;
            while taken.take(now_ns).is_some() {
                count += 1;
            }
            assert_eq!(skipped.skip(now_ns), count);
            assert_eq!(skipped.next_ns, taken.next_ns);
            assert_eq!(count, now_ns / 7000);
        }
    }
}
