//! Times in which nothing passes.

use tautline_core::units::duration_nanos;

use super::spec::{Blacked, Blackout};

/// A time from its start on, before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Pause {
    const NEVER: Self = Self {
        start_ns: u64::MAX,
        end_ns: u64::MAX,
    };
}

/// Disjoint pauses in order; queries do not go back in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses {
    pauses: Vec<Pause>,
    /// The first that had not ended at the last query.
    current: usize,
}

impl Pauses {
    /// Those of `blackouts` that treat packets as `packets` says, overlapping ones joined.
    pub(crate) fn new(blackouts: &[Blackout], packets: Blacked) -> Self {
        let mut sorted: Vec<Pause> = blackouts
            .iter()
            .filter(|blackout| blackout.packets == packets && !blackout.length.is_zero())
            .map(|blackout| {
                let start_ns = blackout.at.as_nanos();
                Pause {
                    start_ns,
                    end_ns: start_ns.saturating_add(duration_nanos(blackout.length)),
                }
            })
            .collect();
        sorted.sort_unstable_by_key(|pause| pause.start_ns);
        let mut pauses: Vec<Pause> = Vec::with_capacity(sorted.len());
        for pause in sorted {
            match pauses.last_mut() {
                Some(last) if pause.start_ns <= last.end_ns => {
                    last.end_ns = last.end_ns.max(pause.end_ns);
                }
                _ => pauses.push(pause),
            }
        }
        Self { pauses, current: 0 }
    }

    /// The same pauses for queries from time zero on.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            pauses: self.pauses.clone(),
            current: 0,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.pauses.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Pause> {
        self.pauses.iter().copied()
    }

    /// The pause that goes on at `now_ns`, or the one that comes next; at the end of time where
    /// none follows.
    #[inline]
    pub(crate) fn at_or_after(&mut self, now_ns: u64) -> Pause {
        while let Some(&pause) = self.pauses.get(self.current) {
            if now_ns < pause.end_ns {
                return pause;
            }
            self.current += 1;
        }
        Pause::NEVER
    }

    /// Whether a pause goes on at `now_ns`.
    #[inline]
    pub(crate) fn covers(&mut self, now_ns: u64) -> bool {
        self.at_or_after(now_ns).start_ns <= now_ns
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use tautline_core::units::Timestamp;

    use super::*;

    fn blackout(at_ns: u64, length_ns: u64, packets: Blacked) -> Blackout {
        Blackout {
            at: Timestamp::from_nanos(at_ns),
            length: Duration::from_nanos(length_ns),
            packets,
        }
    }

    #[test]
    fn only_the_kind_asked_for_counts_and_overlaps_are_joined() {
        let blackouts = [
            blackout(50, 10, Blacked::Held),
            blackout(10, 10, Blacked::Held),
            blackout(15, 20, Blacked::Held),
            blackout(35, 1, Blacked::Held),
            blackout(70, 0, Blacked::Held),
            blackout(0, 100, Blacked::Lost),
        ];
        let pauses: Vec<(u64, u64)> = Pauses::new(&blackouts, Blacked::Held)
            .iter()
            .map(|pause| (pause.start_ns, pause.end_ns))
            .collect();
        assert_eq!(pauses, [(10, 36), (50, 60)]);
    }

    #[test]
    fn a_pause_covers_its_start_but_not_its_end() {
        let blackouts = [
            blackout(10, 10, Blacked::Lost),
            blackout(30, 10, Blacked::Lost),
        ];
        let mut pauses = Pauses::new(&blackouts, Blacked::Lost);
        let covered: Vec<u64> = (0..50).filter(|&now_ns| pauses.covers(now_ns)).collect();
        let expected: Vec<u64> = (10..20).chain(30..40).collect();
        assert_eq!(covered, expected);
    }
}
