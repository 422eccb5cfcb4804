//! A shared medium: modulation steps, and pauses while others send.

use super::pieces::{Piece, Pieces};
use super::random::exponential_ns;
use super::spec::WifiSpec;
use crate::rng::Stream;
use tautline_core::units::duration_nanos;

/// Rates of MCS 0 to 7 of 802.11n (IEEE 802.11-2020 table 19-27), in twentieths of MCS 7's.
const MODULATIONS: [u64; 8] = [2, 4, 6, 8, 12, 16, 18, 20];

/// The process of a [`WifiSpec`]: the modulation goes one step up or down at exponential
/// intervals, and the medium alternates between free and held by others, each for an exponential
/// time. Both start as they are in the long run.
#[derive(Clone, Debug)]
pub(super) struct WifiPieces {
    stream: Stream,
    peak: u64,
    modulation: usize,
    change_every_ns: u64,
    change_ns: u64,
    held: bool,
    mean_held_ns: u64,
    /// `u64::MAX` where nobody else sends.
    mean_free_ns: u64,
    turn_ns: u64,
}

impl WifiPieces {
    pub(super) fn new(spec: &WifiSpec, mut stream: Stream) -> Self {
        let contention = spec.contention.clamp(0.0, WifiSpec::MAX_CONTENTION);
        let mean_held_ns = duration_nanos(spec.pause).max(SHORTEST_NS);
        let mean_free_ns = if contention > 0.0 {
            (mean_held_ns as f64 * (1.0 - contention) / contention) as u64
        } else {
            u64::MAX
        };
        // The inner modulations are entered from both sides, the outer ones from one.
        let modulation = (stream.up_to(13) as usize).div_ceil(2);
        let held = super::random::unit(&mut stream) < contention;
        let change_every_ns = duration_nanos(spec.change_every).max(SHORTEST_NS);
        let mut pieces = Self {
            change_ns: exponential_ns(&mut stream, change_every_ns),
            stream,
            peak: spec.peak.as_bits_per_sec(),
            modulation,
            change_every_ns,
            held,
            mean_held_ns,
            mean_free_ns,
            turn_ns: 0,
        };
        pieces.turn_ns = pieces.turn_after(0);
        pieces
    }

    /// When the medium changes hands next.
    fn turn_after(&mut self, now_ns: u64) -> u64 {
        let mean_ns = if self.held {
            self.mean_held_ns
        } else {
            self.mean_free_ns
        };
        if mean_ns == u64::MAX {
            return u64::MAX;
        }
        now_ns.saturating_add(exponential_ns(&mut self.stream, mean_ns))
    }

    fn change_modulation(&mut self) {
        let last = MODULATIONS.len() - 1;
        self.modulation = match self.modulation {
            0 => 1,
            top if top == last => last - 1,
            between if self.stream.up_to(1) == 0 => between - 1,
            between => between + 1,
        };
        let interval_ns = exponential_ns(&mut self.stream, self.change_every_ns);
        self.change_ns = self.change_ns.saturating_add(interval_ns);
    }
}

impl Pieces for WifiPieces {
    fn next_piece(&mut self) -> Piece {
        let end_ns = self.change_ns.min(self.turn_ns);
        let share = MODULATIONS.get(self.modulation).copied().unwrap_or(0);
        let rate = if self.held {
            0
        } else {
            // Twentieths.
            (u128::from(self.peak) * u128::from(share) / 20) as u64
        };
        if self.turn_ns == end_ns && end_ns != u64::MAX {
            self.held = !self.held;
            self.turn_ns = self.turn_after(end_ns);
        }
        if self.change_ns == end_ns && end_ns != u64::MAX {
            self.change_modulation();
        }
        Piece { end_ns, rate }
    }
}

/// Means below this are taken as this, so that every process moves on.
const SHORTEST_NS: u64 = 1000;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use tautline_core::units::Bandwidth;

    use super::*;
    use crate::link::capacity::Capacity as _;
    use crate::link::capacity::pieces::Piecewise;
    use crate::rng::Component;

    const SECOND_NS: u64 = 1_000_000_000;

    fn spec(contention: f64) -> WifiSpec {
        WifiSpec {
            peak: Bandwidth::from_bits_per_sec(80_000_000),
            change_every: Duration::from_millis(100),
            contention,
            pause: Duration::from_millis(2),
        }
    }

    fn process(contention: f64, seed: u64) -> WifiPieces {
        WifiPieces::new(&spec(contention), Stream::new(seed, Component::Capacity))
    }

    /// (start, end, rate) until `until_ns`.
    fn pieces(mut process: WifiPieces, until_ns: u64) -> Vec<(u64, u64, u64)> {
        let mut start_ns = 0;
        let mut pieces = Vec::new();
        while start_ns < until_ns {
            let piece = process.next_piece();
            assert!(piece.end_ns > start_ns);
            pieces.push((start_ns, piece.end_ns, piece.rate));
            start_ns = piece.end_ns;
        }
        pieces
    }

    #[test]
    fn others_hold_the_medium_for_their_share_of_the_time() {
        for contention in [0.1, 0.5, 0.9] {
            let pieces = pieces(process(contention, 3), 2000 * SECOND_NS);
            let total: u64 = pieces.iter().map(|piece| piece.1 - piece.0).sum();
            let paused = pieces.iter().filter(|piece| piece.2 == 0);
            let paused: u64 = paused.map(|piece| piece.1 - piece.0).sum();
            let share = paused as f64 / total as f64;
            assert!((share - contention).abs() < 0.01, "{share} of {contention}");
        }
    }

    #[test]
    fn pauses_have_the_given_mean_and_the_spread_of_an_exponential_law() {
        let mut lengths: Vec<f64> = Vec::new();
        let mut paused_ns = 0_u64;
        for (start_ns, end_ns, rate) in pieces(process(0.3, 5), 600 * SECOND_NS) {
            if rate == 0 {
                paused_ns += end_ns - start_ns;
            } else if paused_ns > 0 {
                lengths.push(paused_ns as f64 / 1e6);
                paused_ns = 0;
            }
        }
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        let squares: f64 = lengths.iter().map(|ms| (ms - mean) * (ms - mean)).sum();
        let deviation = libm::sqrt(squares / lengths.len() as f64);
        assert!((mean - 2.0).abs() < 0.04, "{mean}");
        assert!((deviation / mean - 1.0).abs() < 0.03, "{deviation}");
    }

    #[test]
    fn the_modulation_moves_by_one_step_at_the_given_mean_interval() {
        let until_ns = 4000 * SECOND_NS;
        let pieces = pieces(process(0.0, 9), until_ns);
        let step = |rate: u64| {
            let at = MODULATIONS
                .iter()
                .position(|&share| 4_000_000 * share == rate);
            at.unwrap() as i64
        };
        for pair in pieces.windows(2) {
            assert_eq!((step(pair[0].2) - step(pair[1].2)).abs(), 1);
        }
        let mean_ms = until_ns as f64 / 1e6 / pieces.len() as f64;
        assert!((mean_ms - 100.0).abs() < 2.0, "{mean_ms}");
    }

    #[test]
    fn the_mean_rate_is_the_share_that_the_specification_states() {
        let seconds = 20_000;
        let link = Piecewise::new(process(0.25, 1));
        let bytes = link.capacity_bytes(0, seconds * SECOND_NS);
        let mean = bytes as f64 * 8.0 / seconds as f64;
        let expected = spec(0.25).mean().as_bits_per_sec() as f64;
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} of {expected}");
    }

    #[test]
    fn equal_seeds_give_equal_pieces_and_other_seeds_others() {
        let until_ns = 10 * SECOND_NS;
        assert_eq!(
            pieces(process(0.2, 7), until_ns),
            pieces(process(0.2, 7), until_ns)
        );
        assert_ne!(
            pieces(process(0.2, 7), until_ns),
            pieces(process(0.2, 8), until_ns)
        );
    }
}
