//! A link over satellites in low orbits.

use tautline_core::units::duration_nanos;

use super::pieces::{Piece, Pieces};
use super::random::unit;
use super::spec::LeoSpec;
use crate::rng::Stream;

/// The process of a [`LeoSpec`]: handovers at the multiples of their interval, each followed by a
/// gap; a satellite's rate is uniform around the mean.
#[derive(Clone, Debug)]
pub(super) struct LeoPieces {
    stream: Stream,
    mean: f64,
    spread: f64,
    handover_every_ns: u64,
    gap_ns: u64,
    /// When the present satellite took over.
    handover_ns: u64,
    in_gap: bool,
}

impl LeoPieces {
    pub(super) fn new(spec: &LeoSpec, stream: Stream) -> Self {
        let handover_every_ns = duration_nanos(spec.handover_every).max(SHORTEST_NS);
        Self {
            stream,
            mean: spec.mean.as_bits_per_sec() as f64,
            spread: spec.spread.clamp(0.0, LeoSpec::MAX_SPREAD),
            handover_every_ns,
            // Something of each pass remains, so that every transmission ends.
            gap_ns: duration_nanos(spec.gap).min(handover_every_ns / 2),
            handover_ns: 0,
            in_gap: false,
        }
    }
}

impl Pieces for LeoPieces {
    fn next_piece(&mut self) -> Piece {
        if self.in_gap {
            self.in_gap = false;
            return Piece {
                end_ns: self.handover_ns.saturating_add(self.gap_ns),
                rate: 0,
            };
        }
        let deviation = self.spread * (2.0 * unit(&mut self.stream) - 1.0);
        self.handover_ns = self.handover_ns.saturating_add(self.handover_every_ns);
        self.in_gap = self.gap_ns > 0;
        Piece {
            end_ns: self.handover_ns,
            rate: libm::round(self.mean * (1.0 + deviation)) as u64,
        }
    }
}

/// A shorter interval is taken as this one.
const SHORTEST_NS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use tautline_core::units::Bandwidth;

    use super::*;
    use crate::link::capacity::Capacity as _;
    use crate::link::capacity::pieces::Piecewise;
    use crate::rng::Component;

    const SECOND_NS: u64 = 1_000_000_000;
    const SPEC: LeoSpec = LeoSpec {
        mean: Bandwidth::from_bits_per_sec(100_000_000),
        spread: 0.5,
        handover_every: Duration::from_secs(15),
        gap: Duration::from_millis(100),
    };

    fn process(seed: u64) -> LeoPieces {
        LeoPieces::new(&SPEC, Stream::new(seed, Component::Capacity))
    }

    #[test]
    fn handovers_are_at_multiples_of_15_s_and_gaps_follow_them() {
        let mut process = process(1);
        for pass in 1..=100 {
            let piece = process.next_piece();
            assert_eq!(piece.end_ns, pass * 15 * SECOND_NS);
            assert!(
                (50_000_000..=150_000_000).contains(&piece.rate),
                "{piece:?}"
            );
            let gap = process.next_piece();
            assert_eq!(
                (gap.end_ns, gap.rate),
                (pass * 15 * SECOND_NS + 100_000_000, 0)
            );
        }
    }

    #[test]
    fn rates_of_satellites_are_uniform_around_the_mean() {
        let mut process = process(2);
        let mut rates = Vec::new();
        while rates.len() < 20_000 {
            let rate = process.next_piece().rate;
            if rate > 0 {
                rates.push(rate as f64 / 1e6);
            }
        }
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        let squares: f64 = rates.iter().map(|rate| (rate - mean) * (rate - mean)).sum();
        let deviation = libm::sqrt(squares / rates.len() as f64);
        assert!((mean - 100.0).abs() < 1.0, "{mean}");
        // Uniform over a width of 100: 100/√12.
        assert!((deviation - 28.87).abs() < 0.5, "{deviation}");
    }

    #[test]
    fn nothing_passes_in_a_gap_and_a_cut_packet_goes_on_behind_it() {
        let mut link = Piecewise::new(process(3));
        let gap_start_ns = 15 * SECOND_NS;
        let gap_end_ns = gap_start_ns + 100_000_000;
        assert_eq!(link.capacity_bytes(gap_start_ns, gap_end_ns), 0);
        assert!(link.capacity_bytes(gap_start_ns - 1_000_000, gap_end_ns) > 6000);
        let finish_ns = link.finish_ns(gap_start_ns - 1000, 1500);
        assert!(finish_ns > gap_end_ns, "{finish_ns}");
        assert!(finish_ns < gap_end_ns + 240_000, "{finish_ns}");
    }

    #[test]
    fn equal_seeds_give_equal_satellites_and_other_seeds_others() {
        let rates = |seed| {
            let mut process = process(seed);
            (0..20).map(|_| process.next_piece()).collect::<Vec<_>>()
        };
        assert_eq!(rates(4), rates(4));
        assert_ne!(rates(4), rates(5));
    }
}
