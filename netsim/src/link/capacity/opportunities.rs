//! Transmitters that pass 1504 bytes at single instants, as mahimahi's `mm-link` does.

use super::Capacity;

/// What one opportunity passes: a packet of 1500 bytes and the 4 bytes that a TUN device puts in
/// front (mahimahi, link_queue.hh).
pub(super) const OPPORTUNITY_BYTES: u32 = 1504;

/// Instants at which a transmitter may pass bytes.
pub(super) trait Instants {
    /// The next instant, not before the one before; `u64::MAX` where none follows.
    fn next_ns(&mut self) -> u64;

    /// How many lie in `from_ns..until_ns`, counted from the start of the simulation.
    fn count(&self, from_ns: u64, until_ns: u64) -> u64;
}

/// A transmitter over delivery opportunities.
///
/// An opportunity serves what waits at its instant: what one packet leaves of it serves the next,
/// and a packet that it does not finish goes on at the next opportunity. An opportunity, or the
/// rest of one, at which nothing waits is lost.
#[derive(Clone, Debug)]
pub(super) struct Opportunities<I> {
    instants: I,
    /// The first instant that is not used up.
    next_ns: u64,
    /// The instant that served last, and what is left of it.
    served_ns: u64,
    left: u32,
}

impl<I: Instants> Opportunities<I> {
    pub(super) fn new(mut instants: I) -> Self {
        let next_ns = instants.next_ns();
        Self {
            instants,
            next_ns,
            served_ns: 0,
            left: 0,
        }
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
        while self.next_ns < start_ns {
            self.next_ns = self.instants.next_ns();
        }
        while self.next_ns < pause_ns {
            self.served_ns = self.next_ns;
            self.next_ns = self.instants.next_ns();
            if needed <= OPPORTUNITY_BYTES {
                self.left = OPPORTUNITY_BYTES - needed;
                return self.served_ns;
            }
            needed -= OPPORTUNITY_BYTES;
        }
        u64::MAX
    }

    fn capacity_bytes(&self, from_ns: u64, until_ns: u64) -> u64 {
        let opportunities = self.instants.count(from_ns, until_ns);
        opportunities.saturating_mul(u64::from(OPPORTUNITY_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Given instants, then none.
    #[derive(Clone, Debug)]
    struct Given(Vec<u64>);

    impl Instants for Given {
        fn next_ns(&mut self) -> u64 {
            if self.0.is_empty() {
                return u64::MAX;
            }
            self.0.remove(0)
        }

        fn count(&self, from_ns: u64, until_ns: u64) -> u64 {
            let within = |&&at: &&u64| from_ns <= at && at < until_ns;
            self.0.iter().filter(within).count() as u64
        }
    }

    fn link(instants: &[u64]) -> Opportunities<Given> {
        Opportunities::new(Given(instants.to_vec()))
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
