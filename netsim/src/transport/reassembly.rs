//! Which bytes of a stream arrived.

use std::collections::BTreeMap;

/// Ranges of a stream: everything below `next`, and islands above it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reassembly {
    next: u64,
    /// Ranges above `next` from start to end, disjoint, with gaps between them. A tree, since there
    /// may be one per packet in flight, and holes are filled anywhere.
    islands: BTreeMap<u64, u64>,
}

impl Reassembly {
    /// Bytes that arrived without a gap.
    pub(super) const fn contiguous(&self) -> u64 {
        self.next
    }

    /// Adds `bytes` at `offset`; answers how many of them are new.
    #[inline]
    pub(super) fn insert(&mut self, offset: u64, bytes: u64) -> u64 {
        if offset == self.next && self.islands.is_empty() {
            self.next += bytes;
            return bytes;
        }
        self.insert_apart(offset, offset.saturating_add(bytes))
    }

    fn insert_apart(&mut self, offset: u64, end: u64) -> u64 {
        let start = offset.max(self.next);
        if start >= end {
            return 0;
        }
        // Mostly the newest packet continues the newest island, or lies behind it.
        if let Some(mut newest) = self.islands.last_entry()
            && start > *newest.key()
        {
            let newest_end = *newest.get();
            let fresh = end.saturating_sub(start.max(newest_end));
            if start <= newest_end {
                newest.insert(newest_end.max(end));
            } else {
                self.islands.insert(start, end);
            }
            return fresh;
        }
        self.join(start, end)
    }

    /// Joins `start..end` with the islands that it touches, and with the front where it reaches it.
    fn join(&mut self, start: u64, end: u64) -> u64 {
        let (mut low, mut high, mut fresh) = (start, end, end - start);
        // The last island that starts by `end`, as long as it touches.
        while let Some((&island, &island_end)) = self.islands.range(..=end).next_back()
            && island_end >= start
        {
            fresh -= island_end.min(end).saturating_sub(island.max(start));
            low = low.min(island);
            high = high.max(island_end);
            self.islands.remove(&island);
        }
        if low <= self.next {
            self.next = high;
        } else {
            self.islands.insert(low, high);
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stride that visits every number below 2¹⁸ in an order without a pattern.
    const STRIDE: u64 = 103_927;
    const HOLES: u64 = 1 << 18;

    /// Every second byte arrived: as many islands as holes.
    fn islands() -> Reassembly {
        let mut stream = Reassembly::default();
        for hole in 0..HOLES {
            assert_eq!(stream.insert(2 * hole + 1, 1), 1);
        }
        assert_eq!(stream.islands.len() as u64, HOLES);
        stream
    }

    #[test]
    fn very_many_holes_are_filled_from_the_front() {
        let mut stream = islands();
        for hole in 0..HOLES {
            assert_eq!(stream.insert(2 * hole, 1), 1);
            assert_eq!(stream.contiguous(), 2 * hole + 2);
        }
        assert_eq!(stream.islands.len(), 0);
    }

    #[test]
    fn very_many_holes_are_filled_in_any_order() {
        let mut stream = islands();
        for step in 1..=HOLES {
            let hole = step * STRIDE % HOLES;
            assert_eq!(stream.insert(2 * hole, 2), 1);
        }
        assert_eq!(stream.contiguous(), 2 * HOLES);
        assert_eq!(stream.islands.len(), 0);
    }

    proptest! {
        #[test]
        fn every_byte_is_new_once_and_the_front_is_the_first_gap(
            pieces in prop::collection::vec((0_u64..60, 1_u64..12), 1..60),
        ) {
            let mut stream = Reassembly::default();
            let mut seen = [false; 80];
            for (offset, bytes) in pieces {
                let mut fresh = 0;
                for at in offset..offset + bytes {
                    fresh += u64::from(!seen[at as usize]);
                    seen[at as usize] = true;
                }
                prop_assert_eq!(stream.insert(offset, bytes), fresh);
                let front = seen.iter().position(|&here| !here).unwrap();
                prop_assert_eq!(stream.contiguous(), front as u64);
            }
        }
    }
}
