//! Rates that hold from given times on.

use super::{Capacity, RateStep};

/// Rates that hold from given times on.
#[derive(Clone, Debug)]
pub struct RateSchedule {
    /// (start in nanoseconds, rate in bits per second), the first at zero, times increasing.
    steps: Vec<(u64, u64)>,
    /// The step in force at the last query; time only moves forwards.
    current: usize,
    /// When the step after the current one starts.
    change_ns: u64,
    /// Transmission time of the last size at the current rate.
    cached: (u32, u64),
}

impl RateSchedule {
    /// The schedule of `steps`; an empty one transmits nothing, ever.
    pub fn new(steps: &[RateStep]) -> Self {
        let steps: Vec<(u64, u64)> = steps
            .iter()
            .map(|step| (step.at.as_nanos(), step.rate.as_bits_per_sec()))
            .collect();
        let change_ns = steps.get(1).map_or(u64::MAX, |step| step.0);
        Self {
            steps,
            current: 0,
            change_ns,
            cached: (0, 0),
        }
    }

    fn capacity_of(&self, from_ns: u64, until_ns: u64) -> u64 {
        let mut bit_nanos = 0_u128;
        for (index, &(start_ns, rate)) in self.steps.iter().enumerate() {
            let end_ns = self.steps.get(index + 1).map_or(u64::MAX, |next| next.0);
            let time_ns = end_ns.min(until_ns).saturating_sub(start_ns.max(from_ns));
            bit_nanos += u128::from(time_ns) * u128::from(rate);
        }
        (bit_nanos / (8 * u128::from(NANOS_PER_SEC))) as u64
    }

    #[cold]
    fn finish_across_steps(&mut self, start_ns: u64, bytes: u32) -> u64 {
        while start_ns >= self.change_ns {
            self.current += 1;
            self.change_ns = self
                .steps
                .get(self.current + 1)
                .map_or(u64::MAX, |step| step.0);
            self.cached = (0, 0);
        }
        let mut bits = u64::from(bytes) * 8;
        let mut now_ns = start_ns;
        for index in self.current..self.steps.len() {
            let rate = self.rate(index);
            let end_ns = self.steps.get(index + 1).map_or(u64::MAX, |step| step.0);
            let finish_ns = now_ns.saturating_add(time_ns(bits, rate));
            if finish_ns <= end_ns {
                return finish_ns;
            }
            let passed = u128::from(end_ns - now_ns) * u128::from(rate) / u128::from(NANOS_PER_SEC);
            bits = bits.saturating_sub(passed as u64);
            now_ns = end_ns;
        }
        u64::MAX
    }

    fn rate(&self, index: usize) -> u64 {
        self.steps.get(index).map_or(0, |step| step.1)
    }
}

impl Capacity for RateSchedule {
    /// Rounded up to whole nanoseconds.
    #[inline]
    fn finish_ns(&mut self, start_ns: u64, bytes: u32) -> u64 {
        if start_ns < self.change_ns {
            if self.cached.0 != bytes {
                let bits = u64::from(bytes) * 8;
                self.cached = (bytes, time_ns(bits, self.rate(self.current)));
            }
            let finish_ns = start_ns.saturating_add(self.cached.1);
            if finish_ns <= self.change_ns {
                return finish_ns;
            }
        }
        self.finish_across_steps(start_ns, bytes)
    }

    fn finish_before_ns(&mut self, start_ns: u64, bytes: u32, pause_ns: u64) -> u64 {
        // Looking ahead changes nothing, so the whole transmission may be tried.
        let finish_ns = self.finish_ns(start_ns, bytes);
        if finish_ns <= pause_ns {
            finish_ns
        } else {
            u64::MAX
        }
    }

    fn capacity_between(&self, times_ns: &[u64]) -> Vec<u64> {
        let pairs = times_ns.windows(2);
        pairs
            .map(|pair| match *pair {
                [from_ns, until_ns] => self.capacity_of(from_ns, until_ns),
                _ => 0,
            })
            .collect()
    }
}

/// Time for `bits` at `rate` bits per second, rounded up; `u64::MAX` where it is longer.
const fn time_ns(bits: u64, rate: u64) -> u64 {
    if rate == 0 {
        return u64::MAX;
    }
    if bits < 1 << 34 {
        return (bits * NANOS_PER_SEC).div_ceil(rate);
    }
    long_time_ns(bits, rate)
}

/// The same where the product does not fit into 64 bits: a packet of 2 GiB or more.
#[cold]
const fn long_time_ns(bits: u64, rate: u64) -> u64 {
    let time_ns = (bits as u128 * NANOS_PER_SEC as u128).div_ceil(rate as u128);
    if time_ns < u64::MAX as u128 {
        time_ns as u64
    } else {
        u64::MAX
    }
}

const NANOS_PER_SEC: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use tautline_core::units::{Bandwidth, Timestamp};

    use super::*;

    fn mbps(at_ms: u64, rate: u64) -> RateStep {
        RateStep {
            at: Timestamp::from_nanos(at_ms * 1_000_000),
            rate: Bandwidth::from_bits_per_sec(rate * 1_000_000),
        }
    }

    #[test]
    fn a_transmission_slows_down_where_the_rate_falls_inside_it() {
        let mut rates = RateSchedule::new(&[mbps(0, 12), mbps(10, 6)]);
        assert_eq!(rates.finish_ns(0, 1500), 1_000_000);
        // Half of the packet at 12 Mbit/s, the rest at 6.
        assert_eq!(rates.finish_ns(9_500_000, 1500), 11_000_000);
        assert_eq!(rates.finish_ns(11_000_000, 1500), 13_000_000);
    }

    #[test]
    fn steps_without_a_transmission_are_skipped() {
        let mut rates = RateSchedule::new(&[mbps(0, 12), mbps(10, 6), mbps(20, 24)]);
        assert_eq!(rates.finish_ns(25_000_000, 1500), 25_500_000);
    }

    #[test]
    fn the_largest_packets_pass_as_well_across_steps_and_at_the_slowest_rate() {
        // 2³² − 1 bytes are 34.36 Gbit.
        let mut rates = RateSchedule::new(&[mbps(0, 1000)]);
        assert_eq!(rates.finish_ns(5, u32::MAX), 34_359_738_360 + 5);
        assert_eq!(rates.finish_ns(34_359_738_365, 1 << 31), 51_539_607_549);
        let mut rates = RateSchedule::new(&[mbps(0, 1000), mbps(10_000, 2000)]);
        assert_eq!(rates.finish_ns(0, u32::MAX), 22_179_869_180);
        let slowest = RateStep::from_start(Bandwidth::from_bits_per_sec(1000));
        let mut rates = RateSchedule::new(&[slowest]);
        assert_eq!(rates.finish_ns(0, u32::MAX), 34_359_738_360_000_000);
        assert_eq!(rates.finish_before_ns(0, u32::MAX, 1 << 40), u64::MAX);
    }

    #[test]
    fn capacity_adds_up_over_steps() {
        let rates = RateSchedule::new(&[mbps(0, 8), mbps(1000, 4)]);
        assert_eq!(
            rates.capacity_bytes(500_000_000, 2_000_000_000),
            500_000 + 500_000
        );
    }
}
