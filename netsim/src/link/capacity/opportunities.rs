//! Transmitters that pass 1504 bytes at single instants, as mahimahi's `mm-link` does.

use super::Capacity;

/// What one opportunity passes: a packet of 1500 bytes and the 4 bytes that a TUN device puts in
/// front (mahimahi, link_queue.hh).
pub(super) const OPPORTUNITY_BYTES: u32 = 1504;

/// Instants at which a transmitter may pass bytes.
pub(super) trait Instants: Sized {
    /// The next instant, not before the one before; `u64::MAX` where none follows. Where it is not
    /// before `bound_ns`, the search may end there with `u64::MAX`; a call with a later bound goes
    /// on from where it ended.
    fn next_before_ns(&mut self, bound_ns: u64) -> u64;

    /// The same instants from the first one on.
    fn restarted(&self) -> Self;

    /// How many lie between each of `times_ns` and the next, the end not included.
    fn count_between(&self, times_ns: &[u64]) -> Vec<u64> {
        count_one_by_one(self.restarted(), times_ns)
    }
}

/// Counts fresh `instants` between each of `times_ns` and the next.
pub(super) fn count_one_by_one(mut instants: impl Instants, times_ns: &[u64]) -> Vec<u64> {
    let bound_ns = times_ns.last().copied().unwrap_or(0);
    let mut next_ns = instants.next_before_ns(bound_ns);
    let mut count_before = |time_ns| {
        let mut count = 0;
        while next_ns < time_ns {
            next_ns = instants.next_before_ns(bound_ns);
            count += 1;
        }
        count
    };
    let counts: Vec<u64> = times_ns.iter().map(|&at_ns| count_before(at_ns)).collect();
    // The first counts what lies before all of them.
    counts.into_iter().skip(1).collect()
}

/// A transmitter over delivery opportunities.
///
/// An opportunity serves what waits at its instant: what one packet leaves of it serves the next,
/// and a packet that it does not finish goes on at the next opportunity. An opportunity, or the
/// rest of one, at which nothing waits is lost.
#[derive(Clone, Debug)]
pub(super) struct Opportunities<I> {
    instants: I,
    /// Instants from here on are not looked for.
    bound_ns: u64,
    /// Whether the first instant was looked for.
    has_begun: bool,
    /// The first instant that is not used up.
    next_ns: u64,
    /// The instant that served last, and what is left of it.
    served_ns: u64,
    left: u32,
}

impl<I: Instants> Opportunities<I> {
    pub(super) const fn new(instants: I) -> Self {
        Self {
            instants,
            bound_ns: u64::MAX,
            has_begun: false,
            next_ns: 0,
            served_ns: 0,
            left: 0,
        }
    }

    /// Leaves out what lies behind `end_ns`; to be called before the first transmission.
    pub(super) fn stop_after(&mut self, end_ns: u64) {
        self.bound_ns = end_ns.saturating_add(1);
        self.begin();
    }

    fn begin(&mut self) {
        if !self.has_begun {
            self.has_begun = true;
            self.advance();
        }
    }

    fn advance(&mut self) {
        self.next_ns = self.instants.next_before_ns(self.bound_ns);
    }

    pub(super) const fn instants(&self) -> &I {
        &self.instants
    }
}

impl<I: Instants> Capacity for Opportunities<I> {
    fn finish_ns(&mut self, start_ns: u64, bytes: u32) -> u64 {
        self.finish_before_ns(start_ns, bytes, u64::MAX)
    }

    fn finish_before_ns(&mut self, start_ns: u64, bytes: u32, pause_ns: u64) -> u64 {
        if self.served_ns < start_ns {
            self.left = 0;
        }
        if bytes <= self.left {
            self.left -= bytes;
            return start_ns;
        }
        let mut needed = bytes - self.left;
        self.left = 0;
        self.begin();
        while self.next_ns < start_ns {
            self.advance();
        }
        while self.next_ns < pause_ns {
            self.served_ns = self.next_ns;
            self.advance();
            if needed <= OPPORTUNITY_BYTES {
                self.left = OPPORTUNITY_BYTES - needed;
                return self.served_ns;
            }
            needed -= OPPORTUNITY_BYTES;
        }
        u64::MAX
    }

    fn capacity_between(&self, times_ns: &[u64]) -> Vec<u64> {
        let mut counts = self.instants.count_between(times_ns);
        for count in &mut counts {
            *count = count.saturating_mul(u64::from(OPPORTUNITY_BYTES));
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Given instants, then none.
    #[derive(Clone, Debug)]
    struct Given {
        instants: Vec<u64>,
        next: usize,
    }

    impl Instants for Given {
        fn next_before_ns(&mut self, _bound_ns: u64) -> u64 {
            self.next += 1;
            self.instants
                .get(self.next - 1)
                .copied()
                .unwrap_or(u64::MAX)
        }

        fn restarted(&self) -> Self {
            Self {
                next: 0,
                ..self.clone()
            }
        }
    }

    fn link(instants: &[u64]) -> Opportunities<Given> {
        Opportunities::new(Given {
            instants: instants.to_vec(),
            next: 0,
        })
    }

    #[test]
    fn capacity_counts_instants_from_each_time_on_and_before_the_next() {
        let mut link = link(&[0, 10, 10, 20, 30]);
        link.finish_ns(15, 1504);
        let between = link.capacity_between(&[0, 10, 10, 20, 31, 90]);
        assert_eq!(between, [1504, 0, 2 * 1504, 2 * 1504, 0]);
        assert_eq!(link.capacity_bytes(10, 30), 3 * 1504);
        assert!(link.capacity_between(&[5]).is_empty());
    }

    #[test]
    fn small_packets_share_an_opportunity_and_the_rest_is_lost() {
        let mut link = link(&[10, 20, 30]);
        assert_eq!(link.finish_ns(0, 700), 10);
        assert_eq!(link.finish_ns(10, 700), 10);
        // 104 bytes are left of the first, 46 remain for the second.
        assert_eq!(link.finish_ns(10, 150), 20);
        assert_eq!(link.finish_ns(21, 1504), 30);
        assert_eq!(link.finish_ns(30, 1), u64::MAX);
    }

    #[test]
    fn a_large_packet_goes_on_at_the_next_opportunity() {
        let mut link = link(&[10, 20, 20, 30]);
        assert_eq!(link.finish_ns(5, 4000), 20);
        assert_eq!(link.finish_ns(20, 512), 20);
        assert_eq!(link.finish_ns(20, 1), 30);
    }

    #[test]
    fn opportunities_before_a_packet_are_lost_and_one_at_its_instant_serves() {
        let mut link = link(&[0, 1, 2, 3, 3]);
        assert_eq!(link.finish_ns(0, 1500), 0);
        assert_eq!(link.finish_ns(3, 1500), 3);
        // The 4 bytes that are left count, too.
        assert_eq!(link.finish_ns(3, 1508), 3);
        assert_eq!(link.finish_ns(3, 1), u64::MAX);
    }

    #[test]
    fn a_pause_cuts_a_packet_before_the_opportunity_at_its_start() {
        let mut link = link(&[10, 20, 30, 40]);
        assert_eq!(link.finish_before_ns(0, 3000, 20), u64::MAX);
        assert_eq!(link.finish_before_ns(20, 1504, 21), 20);
        assert_eq!(link.finish_ns(25, 3000), 40);
    }
}
