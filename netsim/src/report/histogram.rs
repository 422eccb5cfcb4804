//! A histogram of times with a fixed size and relative precision.

/// Counts of nanosecond values in buckets that are at most 1/64 of their value wide, up to 2⁴² ns
/// (73 minutes); larger values count as the largest.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum_ns: u128,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            sum_ns: 0,
        }
    }
}

impl Histogram {
    /// Counts `value_ns`.
    #[inline]
    pub fn record(&mut self, value_ns: u64) {
        self.counts[bucket(value_ns)] += 1;
        self.total += 1;
        self.sum_ns += u128::from(value_ns);
    }

    /// Number of values.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Mean in nanoseconds, exact; zero without values.
    pub fn mean_ns(&self) -> f64 {
        if self.total == 0 {
            0.0
        } else {
            self.sum_ns as f64 / self.total as f64
        }
    }

    /// The value below which the share `quantile` of all values lies, to 1/64; zero without values.
    pub fn quantile_ns(&self, quantile: f64) -> f64 {
        let target = quantile.clamp(0.0, 1.0) * self.total as f64;
        let mut seen = 0_u64;
        for (index, &count) in self.counts.iter().enumerate() {
            let reached = seen + count;
            if count > 0 && reached as f64 >= target {
                let (low, width) = bounds(index);
                let share = (target - seen as f64).max(0.0) / count as f64;
                return low as f64 + share * width as f64;
            }
            seen = reached;
        }
        0.0
    }
}

/// Values below 64 have a bucket each; above, every octave has 64.
#[inline]
const fn bucket(value_ns: u64) -> usize {
    if value_ns < SUB_BUCKETS {
        return value_ns as usize;
    }
    if value_ns >> MAX_BITS != 0 {
        return BUCKETS - 1;
    }
    let octave = value_ns.ilog2() - SUB_BITS;
    ((octave as usize) << SUB_BITS) + (value_ns >> octave) as usize
}

/// Smallest value and width of a bucket.
const fn bounds(index: usize) -> (u64, u64) {
    if index < 2 * SUB_BUCKETS as usize {
        return (index as u64, 1);
    }
    let octave = (index >> SUB_BITS) - 1;
    let mantissa = (index - (octave << SUB_BITS)) as u64;
    (mantissa << octave, 1 << octave)
}

const SUB_BITS: u32 = 6;
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
const MAX_BITS: u32 = 42;
const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) as usize) << SUB_BITS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for shift in 0..MAX_BITS {
            for value in [
                1_u64 << shift,
                (1 << shift) + (1 << shift) / 3,
                (2 << shift) - 1,
            ] {
                if value >> MAX_BITS == 0 {
                    let (low, width) = bounds(bucket(value));
                    assert!(low <= value && value < low + width, "{value} {low} {width}");
                    assert!(width <= 1 || width * 64 <= value);
                }
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_a_bucket() {
        let mut histogram = Histogram::default();
        for value in 1..=100_000_u64 {
            histogram.record(value * 1000);
        }
        for quantile in [0.01, 0.5, 0.95, 0.99, 1.0] {
            let exact = quantile * 1e8;
            let found = histogram.quantile_ns(quantile);
            assert!(
                (found / exact - 1.0).abs() < 1.0 / 64.0,
                "{quantile}: {found}"
            );
        }
        assert!((histogram.mean_ns() - 50_000_500.0).abs() < 1e-3);
    }

    #[test]
    fn an_empty_histogram_is_all_zero() {
        let empty = Histogram::default();
        assert!(empty.mean_ns().abs() + empty.quantile_ns(0.99).abs() < f64::MIN_POSITIVE);
    }
}
