//! Rates that are drawn piece by piece.

use super::Capacity;

/// A rate up to a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where the next piece begins; later than where this one does.
    pub(super) end_ns: u64,
    /// In bits per second, at most 10¹³; zero for a pause.
    pub(super) rate: u64,
}

/// A process whose rate is constant between its changes.
pub(super) trait Pieces: Clone {
    /// The next piece; the first begins at zero.
    fn next_piece(&mut self) -> Piece;
}

/// A transmitter whose rate is such a process.
#[derive(Clone, Debug)]
pub(super) struct Piecewise<P> {
    /// The process before its first piece, to count from the start again.
    origin: P,
    process: P,
    start_ns: u64,
    piece: Piece,
    /// Transmissions that would end later are not followed.
    end_ns: u64,
}

impl<P: Pieces> Piecewise<P> {
    pub(super) fn new(origin: P) -> Self {
        let mut process = origin.clone();
        let piece = process.next_piece();
        Self {
            origin,
            process,
            start_ns: 0,
            piece,
            end_ns: u64::MAX,
        }
    }

    /// Leaves out what lies behind `end_ns`.
    pub(super) const fn stop_after(&mut self, end_ns: u64) {
        self.end_ns = end_ns;
    }

    fn advance(&mut self) {
        self.start_ns = self.piece.end_ns;
        self.piece = self.process.next_piece();
    }
}

impl<P: Pieces> Capacity for Piecewise<P> {
    fn finish_ns(&mut self, start_ns: u64, bytes: u32) -> u64 {
        self.finish_before_ns(start_ns, bytes, u64::MAX)
    }

    fn finish_before_ns(&mut self, start_ns: u64, bytes: u32, pause_ns: u64) -> u64 {
        if start_ns > self.end_ns {
            return u64::MAX;
        }
        let pause_ns = pause_ns.min(self.end_ns);
        // In bits times nanoseconds per second, of which a nanosecond at 1 bit/s passes one.
        let mut needed = u128::from(bytes) * 8 * u128::from(NANOS_PER_SEC);
        let mut now_ns = start_ns;
        loop {
            while self.piece.end_ns <= now_ns {
                self.advance();
            }
            let rate = u128::from(self.piece.rate);
            let passed = rate * u128::from(self.piece.end_ns - now_ns);
            if needed <= passed {
                // At most the length of the piece.
                let time_ns = if rate == 0 { 0 } else { needed.div_ceil(rate) };
                let finish_ns = now_ns + time_ns as u64;
                return if finish_ns <= pause_ns {
                    finish_ns
                } else {
                    u64::MAX
                };
            }
            needed -= passed;
            now_ns = self.piece.end_ns;
            if now_ns >= pause_ns {
                return u64::MAX;
            }
        }
    }

    fn capacity_between(&self, times_ns: &[u64]) -> Vec<u64> {
        let mut process = self.origin.clone();
        let mut piece = process.next_piece();
        let mut now_ns = 0;
        let mut advance_to = |time_ns: u64| {
            let mut bit_nanos = 0_u128;
            while now_ns < time_ns {
                let until_ns = piece.end_ns.min(time_ns);
                bit_nanos += u128::from(until_ns - now_ns) * u128::from(piece.rate);
                now_ns = until_ns;
                if now_ns == piece.end_ns {
                    piece = process.next_piece();
                }
            }
            (bit_nanos / (8 * u128::from(NANOS_PER_SEC))) as u64
        };
        let bytes: Vec<u64> = times_ns.iter().map(|&at_ns| advance_to(at_ns)).collect();
        // The first counts what passes before all of them.
        bytes.into_iter().skip(1).collect()
    }
}

const NANOS_PER_SEC: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// 8 Mbit/s for 1 ms, then 1 ms of pause, and so on.
    #[derive(Clone, Debug, Default)]
    struct Alternating(u64);

    impl Pieces for Alternating {
        fn next_piece(&mut self) -> Piece {
            self.0 += 1;
            Piece {
                end_ns: self.0 * 1_000_000,
                rate: 8_000_000 * (self.0 % 2),
            }
        }
    }

    /// 1 kbit/s in pieces of 125 ns.
    #[derive(Clone, Debug)]
    struct Short(u64);

    impl Pieces for Short {
        fn next_piece(&mut self) -> Piece {
            self.0 += 125;
            Piece {
                end_ns: self.0,
                rate: 1000,
            }
        }
    }

    #[test]
    fn a_transmission_goes_on_after_a_pause_of_the_process() {
        let mut link = Piecewise::new(Alternating::default());
        assert_eq!(link.finish_ns(0, 1000), 1_000_000);
        assert_eq!(link.finish_ns(1_000_000, 1500), 4_500_000);
        assert_eq!(link.finish_ns(5_500_000, 1), 6_001_000);
    }

    #[test]
    fn a_transmission_cut_by_a_pause_starts_anew() {
        let mut link = Piecewise::new(Alternating::default());
        assert_eq!(link.finish_before_ns(0, 600, 500_000), u64::MAX);
        assert_eq!(link.finish_before_ns(0, 1500, 1_500_000), u64::MAX);
        assert_eq!(link.finish_ns(2_000_000, 600), 2_600_000);
    }

    // 2³² − 1 bytes at 1 kbit/s would take four million seconds, of which the process has eight
    // million pieces per second.
    #[test]
    fn a_transmission_is_not_followed_behind_the_end() {
        let mut link = Piecewise::new(Short(0));
        link.stop_after(NANOS_PER_SEC);
        assert_eq!(link.finish_ns(0, 1), 8_000_000);
        assert_eq!(link.finish_ns(8_000_000, 124), NANOS_PER_SEC);
        assert_eq!(link.finish_ns(NANOS_PER_SEC, u32::MAX), u64::MAX);
        assert_eq!(link.finish_ns(u64::MAX - 1, 1), u64::MAX);
        assert!(link.start_ns <= NANOS_PER_SEC);
    }

    #[test]
    fn capacity_is_counted_from_the_start_whatever_was_transmitted() {
        let mut link = Piecewise::new(Alternating::default());
        link.finish_ns(0, 20_000);
        assert_eq!(link.capacity_bytes(500_000, 2_500_000), 1000);
        let between = link.capacity_between(&[0, 500_000, 500_000, 3_000_000, 4_000_000]);
        assert_eq!(between, [500, 0, 1500, 0]);
    }
}
