//! A transmitter that stands still in blackouts.

use super::Capacity;
use crate::link::impair::Pauses;

/// Lets a transmitter work outside of `pauses` only; what a pause cuts starts anew at its end.
#[derive(Clone, Debug)]
pub(super) struct Gate<C> {
    capacity: C,
    pauses: Pauses,
}

impl<C: Capacity> Gate<C> {
    pub(super) const fn new(capacity: C, pauses: Pauses) -> Self {
        Self { capacity, pauses }
    }

    pub(super) const fn capacity(&self) -> &C {
        &self.capacity
    }

    pub(super) const fn capacity_mut(&mut self) -> &mut C {
        &mut self.capacity
    }
}

impl<C: Capacity> Capacity for Gate<C> {
    fn finish_ns(&mut self, start_ns: u64, bytes: u32) -> u64 {
        self.finish_before_ns(start_ns, bytes, u64::MAX)
    }

    fn finish_before_ns(&mut self, start_ns: u64, bytes: u32, pause_ns: u64) -> u64 {
        let mut start_ns = start_ns;
        while start_ns < pause_ns {
            let pause = self.pauses.at_or_after(start_ns);
            if start_ns < pause.start_ns {
                let before_ns = pause.start_ns.min(pause_ns);
                let finish_ns = self.capacity.finish_before_ns(start_ns, bytes, before_ns);
                if finish_ns != u64::MAX || before_ns == pause_ns {
                    return finish_ns;
                }
            }
            start_ns = pause.end_ns;
        }
        u64::MAX
    }

    fn capacity_between(&self, times_ns: &[u64]) -> Vec<u64> {
        // The given times, and the ends of pauses between them: pauses take nothing from what
        // passes outside of them.
        let mut bounds_ns = times_ns.to_vec();
        let (Some(&first_ns), Some(&last_ns)) = (times_ns.first(), times_ns.last()) else {
            return Vec::new();
        };
        let ends = self
            .pauses
            .iter()
            .flat_map(|pause| [pause.start_ns, pause.end_ns]);
        bounds_ns.extend(ends.filter(|&end_ns| first_ns < end_ns && end_ns < last_ns));
        bounds_ns.sort_unstable();
        let passed = self.capacity.capacity_between(&bounds_ns);
        let mut pauses = self.pauses.restarted();
        let mut pieces = bounds_ns.iter().zip(passed).peekable();
        let untils = times_ns.iter().skip(1);
        untils
            .map(|&until_ns| {
                let mut bytes = 0;
                while let Some((&from_ns, passed)) = pieces.next_if(|piece| *piece.0 < until_ns) {
                    if !pauses.covers(from_ns) {
                        bytes += passed;
                    }
                }
                bytes
            })
            .collect()
    }
}
