//! A cellular link: its rate in Brownian motion, its service a Poisson process.

use core::f64::consts::{FRAC_1_SQRT_2, PI};

use tautline_core::units::duration_nanos;

use super::opportunities::{Instants, OPPORTUNITY_BYTES};
use super::random::{exponential, exponential_ns, normal};
use super::spec::CellularSpec;
use crate::rng::Stream;

/// The rate as a share of its mean: Brownian motion that is drawn back (Ornstein–Uhlenbeck) and
/// reflected at zero, in steps of [`TICK_NS`].
#[derive(Clone, Copy, Debug)]
struct Level {
    now: f64,
    /// What the motion is drawn to: below one, since the reflection at zero lifts the mean.
    centre: f64,
    /// What a tick leaves of the distance to the centre.
    kept: f64,
    /// Standard deviation of a tick's step.
    step: f64,
}

impl Level {
    fn new(volatility: f64) -> Self {
        let volatility = volatility.clamp(0.0, 4.0);
        let pull = |seconds: f64| 1.0 - libm::exp(-2.0 * seconds / RELAXATION_S);
        // In the long run, without the reflection; after one second it is the volatility.
        let deviation = volatility / libm::sqrt(pull(1.0));
        Self {
            now: 1.0,
            centre: centre(deviation),
            kept: libm::exp(-TICK_S / RELAXATION_S),
            step: deviation * libm::sqrt(pull(TICK_S)),
        }
    }

    fn tick(&mut self, stream: &mut Stream) {
        let moved = self.centre + (self.now - self.centre) * self.kept;
        self.now = (moved + self.step * normal(stream)).abs();
    }
}

/// The centre for which the motion has mean one: in the long run it is normal around the centre
/// with `deviation`, cut off below zero, so its mean is centre + deviation · φ(z)/Φ(z) with
/// z = centre/deviation.
fn centre(deviation: f64) -> f64 {
    let (mut low, mut high) = (-30.0, 10.0);
    if deviation * high < 1.0 {
        // Zero is more than ten deviations away.
        return 1.0;
    }
    for _ in 0..60 {
        let z = f64::midpoint(low, high);
        let density = libm::exp(-z * z / 2.0) / libm::sqrt(2.0 * PI);
        let probability = libm::erfc(-z * FRAC_1_SQRT_2) / 2.0;
        if deviation * (z + density / probability) < 1.0 {
            low = z;
        } else {
            high = z;
        }
    }
    deviation * f64::midpoint(low, high)
}

/// The opportunities of a [`CellularSpec`].
#[derive(Clone, Debug)]
pub(super) struct CellularInstants {
    /// To count from the start again.
    spec: CellularSpec,
    origin: Stream,
    stream: Stream,
    level: Level,
    /// Opportunities per nanosecond at level one.
    mean_per_ns: f64,
    now_ns: u64,
    tick_ns: u64,
    /// What the rate must still add up to before the next opportunity; exponential with mean one.
    owed: f64,
    in_outage: bool,
    /// When an outage begins or ends.
    turn_ns: u64,
}

impl CellularInstants {
    pub(super) fn new(spec: &CellularSpec, origin: Stream) -> Self {
        let mut stream = origin.clone();
        let mean = spec.mean.as_bytes_per_sec().max(LEAST_BYTES_PER_SEC) as f64;
        let mut instants = Self {
            spec: *spec,
            origin,
            level: Level::new(spec.volatility),
            mean_per_ns: mean / f64::from(OPPORTUNITY_BYTES) / 1e9,
            now_ns: 0,
            tick_ns: TICK_NS,
            owed: exponential(&mut stream),
            stream,
            in_outage: false,
            turn_ns: u64::MAX,
        };
        if !spec.outage_every.is_zero() {
            instants.turn_ns = instants.turn_length_ns();
        }
        instants
    }

    /// Length of the outage, or of the time without one, that begins now.
    fn turn_length_ns(&mut self) -> u64 {
        let mean_ns = if self.in_outage {
            duration_nanos(self.spec.outage)
        } else {
            duration_nanos(self.spec.outage_every).max(SHORTEST_TURN_NS)
        };
        exponential_ns(&mut self.stream, mean_ns)
    }

    /// The next opportunity before the rate or the outage changes.
    fn next_in_step(&mut self, until_ns: u64) -> Option<u64> {
        let per_ns = self.level.now * self.mean_per_ns;
        let span_ns = until_ns - self.now_ns;
        let offered = per_ns * span_ns as f64;
        if self.owed > offered {
            self.owed -= offered;
            return None;
        }
        let wait_ns = if self.owed > 0.0 {
            // Up to the next whole nanosecond.
            ((self.owed / per_ns) as u64 + 1).min(span_ns)
        } else {
            0
        };
        // What the rounding to whole nanoseconds gave too much belongs to the next one.
        self.owed += exponential(&mut self.stream) - per_ns * wait_ns as f64;
        self.now_ns += wait_ns;
        Some(self.now_ns)
    }
}

impl Instants for CellularInstants {
    fn next_before_ns(&mut self, bound_ns: u64) -> u64 {
        loop {
            let until_ns = self.tick_ns.min(self.turn_ns);
            if self.now_ns >= bound_ns || until_ns == u64::MAX {
                return u64::MAX;
            }
            if !self.in_outage
                && let Some(opportunity_ns) = self.next_in_step(until_ns)
            {
                return opportunity_ns;
            }
            self.now_ns = until_ns;
            if until_ns == self.turn_ns {
                self.in_outage = !self.in_outage;
                self.turn_ns = until_ns.saturating_add(self.turn_length_ns());
            }
            if until_ns == self.tick_ns {
                self.level.tick(&mut self.stream);
                self.tick_ns = until_ns.saturating_add(TICK_NS);
            }
        }
    }

    fn restarted(&self) -> Self {
        Self::new(&self.spec, self.origin.clone())
    }
}

/// Time between two steps of the rate.
const TICK_NS: u64 = 5_000_000;
const TICK_S: f64 = 0.005;
/// Time constant with which the rate is drawn back to its mean.
const RELAXATION_S: f64 = 10.0;
/// A lower mean is taken as this one, 1 kbit/s.
const LEAST_BYTES_PER_SEC: u64 = 125;
/// A shorter mean time between outages is taken as this one.
const SHORTEST_TURN_NS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use tautline_core::units::Bandwidth;

    use super::*;
    use crate::rng::Component;

    const SECOND_NS: u64 = 1_000_000_000;
    const SPEC: CellularSpec = CellularSpec {
        mean: Bandwidth::from_bits_per_sec(6_016_000),
        volatility: 0.0,
        outage_every: Duration::ZERO,
        outage: Duration::ZERO,
    };

    fn instants(volatility: f64, seed: u64) -> CellularInstants {
        let spec = CellularSpec { volatility, ..SPEC };
        CellularInstants::new(&spec, Stream::new(seed, Component::Capacity))
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|value| (value - mean) * (value - mean));
        let variance = squares.sum::<f64>() / values.len() as f64;
        (mean, libm::sqrt(variance))
    }

    #[test]
    fn service_at_a_constant_rate_is_a_poisson_process() {
        let mut instants = instants(0.0, 1);
        let times: Vec<u64> = (0..100_000)
            .map(|_| instants.next_before_ns(u64::MAX))
            .collect();
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64 / 1e6)
            .collect();
        // 500 opportunities per second: exponential with mean and deviation 2 ms.
        let (mean, deviation) = moments(&gaps);
        assert!((mean - 2.0).abs() < 0.02, "{mean}");
        assert!((deviation - 2.0).abs() < 0.03, "{deviation}");
        let longer = gaps.iter().filter(|&&gap| gap > 4.0).count() as f64;
        let share = longer / gaps.len() as f64;
        assert!((share - libm::exp(-2.0)).abs() < 0.004, "{share}");
    }

    #[test]
    fn the_spread_of_the_rate_grows_as_that_of_brownian_motion() {
        for seconds in [0.25, 1.0, 4.0] {
            let ticks = (seconds / TICK_S) as u32;
            let levels: Vec<f64> = (0..4000)
                .map(|seed| {
                    let mut stream = Stream::new(seed, Component::Capacity);
                    let mut level = Level::new(0.1);
                    for _ in 0..ticks {
                        level.tick(&mut stream);
                    }
                    level.now
                })
                .collect();
            // Drawn back, the spread after four seconds is less than twice that after one.
            let growth = (1.0 - libm::exp(-0.2 * seconds)) / (1.0 - libm::exp(-0.2));
            let (mean, deviation) = moments(&levels);
            assert!((mean - 1.0).abs() < 0.01, "{mean}");
            assert!(
                (deviation / (0.1 * libm::sqrt(growth)) - 1.0).abs() < 0.04,
                "{deviation}"
            );
        }
    }

    #[test]
    fn the_mean_is_kept_at_any_volatility_and_the_rate_never_negative() {
        for volatility in [0.1, 0.5, 4.0] {
            let mut stream = Stream::new(2, Component::Capacity);
            let mut level = Level::new(volatility);
            let mut sum = 0.0;
            let ticks = 20_000_000;
            for _ in 0..ticks {
                level.tick(&mut stream);
                assert!(level.now >= 0.0);
                sum += level.now;
            }
            let mean = sum / f64::from(ticks);
            assert!((mean - 1.0).abs() < 0.03, "{mean} at {volatility}");
        }
    }

    #[test]
    fn outages_take_their_share_and_have_their_mean_length() {
        let spec = CellularSpec {
            outage_every: Duration::from_secs(2),
            outage: Duration::from_millis(500),
            ..SPEC
        };
        let mut instants = CellularInstants::new(&spec, Stream::new(4, Component::Capacity));
        let mut last_ns = 0;
        let mut lengths = Vec::new();
        while last_ns < 20_000 * SECOND_NS {
            let next_ns = instants.next_before_ns(u64::MAX);
            // At 500 per second, no other gap is so long.
            if next_ns - last_ns > 40_000_000 {
                lengths.push((next_ns - last_ns) as f64 / 1e9);
            }
            last_ns = next_ns;
        }
        // One begins every 2.5 s, and exp(-38/500) of them are longer than 40 ms less a gap.
        let share = lengths.iter().sum::<f64>() / 20_000.0;
        assert!((share - 0.2).abs() < 0.01, "{share}");
        let (mean, deviation) = moments(&lengths);
        assert!((mean - 0.54).abs() < 0.02, "{mean}");
        assert!((deviation - 0.5).abs() < 0.02, "{deviation}");
    }

    #[test]
    fn counts_agree_with_the_opportunities_themselves() {
        let mut ahead = instants(0.7, 8);
        let times: Vec<u64> = (0..5000).map(|_| ahead.next_before_ns(u64::MAX)).collect();
        let (from_ns, until_ns) = (times[100], times[4000]);
        let within = |&&at: &&u64| from_ns <= at && at < until_ns;
        let expected = times.iter().filter(within).count() as u64;
        assert_eq!(ahead.count_between(&[from_ns, until_ns]), [expected]);
    }

    #[test]
    fn a_search_that_ends_at_a_bound_goes_on_as_if_there_were_none() {
        let spec = CellularSpec {
            volatility: 1.0,
            outage_every: Duration::from_millis(20),
            outage: Duration::from_millis(10),
            ..SPEC
        };
        let mut whole = CellularInstants::new(&spec, Stream::new(6, Component::Capacity));
        let mut bounded = whole.clone();
        for _ in 0..2000 {
            let mut found_ns = u64::MAX;
            while found_ns == u64::MAX {
                found_ns = bounded.next_before_ns(bounded.now_ns + 1_000_000);
            }
            assert_eq!(found_ns, whole.next_before_ns(u64::MAX));
        }
    }

    // In the mean, a packet takes 12 s at this rate, of which the outages leave every 3.6 millionth
    // part: without a bound, the search would draw ten billion steps.
    #[test]
    fn the_search_ends_at_the_bound_where_outages_leave_hardly_any_time() {
        let spec = CellularSpec {
            mean: Bandwidth::from_bits_per_sec(1000),
            outage_every: Duration::from_millis(1),
            outage: Duration::from_hours(1),
            ..SPEC
        };
        let mut instants = CellularInstants::new(&spec, Stream::new(1, Component::Capacity));
        assert_eq!(instants.next_before_ns(SECOND_NS), u64::MAX);
        assert!(instants.now_ns >= SECOND_NS && instants.now_ns <= SECOND_NS + TICK_NS);
        assert_eq!(instants.count_between(&[0, SECOND_NS]), [0]);
    }

    #[test]
    fn equal_seeds_give_equal_opportunities_and_other_seeds_others() {
        let times = |seed| {
            let mut instants = instants(1.0, seed);
            (0..1000)
                .map(|_| instants.next_before_ns(u64::MAX))
                .collect::<Vec<_>>()
        };
        assert_eq!(times(5), times(5));
        assert_ne!(times(5), times(6));
    }
}
