//! Which bytes of a stream arrived.

/// Ranges of a stream: everything below `next`, and islands above it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reassembly {
    next: u64,
    /// Ranges `start..end` above `next`, ascending, disjoint, with gaps between them.
    islands: Vec<(u64, u64)>,
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
        if let Some(last) = self.islands.last_mut()
            && start > last.0
        {
            // Mostly the newest packet continues the newest island.
            let fresh = end.saturating_sub(start.max(last.1));
            if start <= last.1 {
                last.1 = last.1.max(end);
                return fresh;
            }
            self.islands.push((start, end));
            return fresh;
        }
        let first = self.islands.partition_point(|island| island.1 < start);
        let after = self.islands.partition_point(|island| island.0 <= end);
        let (mut low, mut high, mut known) = (start, end, 0);
        for island in &self.islands[first..after] {
            known += island.1.min(end).saturating_sub(island.0.max(start));
            low = low.min(island.0);
            high = high.max(island.1);
        }
        if low <= self.next {
            self.next = high;
            self.islands.drain(first..after);
        } else if first < after {
            self.islands[first] = (low, high);
            self.islands.drain(first + 1..after);
        } else {
            self.islands.insert(first, (low, high));
        }
        end - start - known
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
