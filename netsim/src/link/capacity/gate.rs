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

    fn capacity_bytes(&self, from_ns: u64, until_ns: u64) -> u64 {
        let mut bytes = 0_u64;
        let mut open_ns = from_ns;
        for pause in self.pauses.iter() {
            if pause.start_ns >= until_ns {
                break;
            }
            if open_ns < pause.start_ns {
                bytes += self.capacity.capacity_bytes(open_ns, pause.start_ns);
            }
            open_ns = open_ns.max(pause.end_ns);
        }
        if open_ns < until_ns {
            bytes += self.capacity.capacity_bytes(open_ns, until_ns);
        }
        bytes
    }
}
