//! Persistent congestion (RFC 9002 §7.6).

use super::NEVER;

/// The longest run of consecutive lost packets seen last.
///
/// Packets are declared lost in number order and acknowledgements come first, so a run of
/// consecutive numbers is a period in which nothing was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossRun {
    first_sent_ns: u64,
    next_number: u64,
}

impl LossRun {
    pub(super) const fn new() -> Self {
        Self {
            first_sent_ns: 0,
            next_number: NEVER,
        }
    }

    /// Adds a lost packet; packets that left before the first round-trip time sample do not count
    /// (RFC 9002 §7.6.2). Answers how long the run lasts.
    pub(super) fn extend(
        &mut self,
        number: u64,
        sent_ns: u64,
        first_sample_ns: Option<u64>,
    ) -> u64 {
        if first_sample_ns.is_none_or(|first| sent_ns < first) {
            self.next_number = NEVER;
            return 0;
        }
        if self.next_number != number {
            self.first_sent_ns = sent_ns;
        }
        self.next_number = number + 1;
        sent_ns - self.first_sent_ns
    }

    /// Forgets the run, once it has been answered.
    pub(super) const fn reset(&mut self) {
        self.next_number = NEVER;
    }
}

/// RFC 9002 §7.6.1: the duration in probe timeouts.
pub(super) const THRESHOLD: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_lasts_from_its_first_to_its_last_packet() {
        let mut run = LossRun::new();
        assert_eq!(run.extend(4, 100, Some(50)), 0);
        assert_eq!(run.extend(5, 170, Some(50)), 70);
        assert_eq!(run.extend(7, 300, Some(50)), 0, "packet 6 was acknowledged");
    }

    #[test]
    fn packets_from_before_the_first_sample_do_not_count() {
        let mut run = LossRun::new();
        assert_eq!(run.extend(4, 100, None), 0);
        assert_eq!(run.extend(5, 170, Some(160)), 0);
        assert_eq!(run.extend(6, 200, Some(160)), 30);
    }
}
