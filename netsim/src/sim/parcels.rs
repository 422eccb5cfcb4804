//! What packets carry, kept beside their flow while the network carries their numbers.

use std::collections::{BTreeMap, VecDeque};

/// Contents by packet number, numbered in the order in which they are put in.
#[derive(Debug)]
pub(super) struct Parcels<T> {
    contents: VecDeque<Option<T>>,
    /// Number of the first.
    base: u64,
    /// How many of them are there.
    present: usize,
    /// What was left behind by most of its time: memory stays in proportion to what is there.
    stragglers: BTreeMap<u64, T>,
}

impl<T> Parcels<T> {
    pub(super) const fn new() -> Self {
        Self {
            contents: VecDeque::new(),
            base: 0,
            present: 0,
            stragglers: BTreeMap::new(),
        }
    }

    /// Puts `content` in and names it.
    pub(super) fn put(&mut self, content: T) -> u64 {
        if self.contents.len() >= FEWEST && self.contents.len() / 4 >= self.present {
            self.set_aside();
        }
        self.contents.push_back(Some(content));
        self.present += 1;
        self.base + self.contents.len() as u64 - 1
    }

    /// The content of packet `number`, which stays.
    pub(super) fn peek(&self, number: u64) -> Option<&T> {
        let Some(place) = number.checked_sub(self.base) else {
            return self.stragglers.get(&number);
        };
        let place = usize::try_from(place).ok()?;
        self.contents.get(place)?.as_ref()
    }

    /// Takes the content of packet `number` out: it arrived, or it never will.
    pub(super) fn take(&mut self, number: u64) -> Option<T> {
        let Some(place) = number.checked_sub(self.base) else {
            return self.stragglers.remove(&number);
        };
        let place = usize::try_from(place).ok()?;
        let content = self.contents.get_mut(place)?.take();
        self.present -= usize::from(content.is_some());
        while let Some(None) = self.contents.front() {
            self.contents.pop_front();
            self.base += 1;
        }
        content
    }

    /// Packets that are held up keep their contents elsewhere.
    #[cold]
    fn set_aside(&mut self) {
        for content in self.contents.drain(..) {
            if let Some(content) = content {
                self.stragglers.insert(self.base, content);
            }
            self.base += 1;
        }
        self.present = 0;
    }
}

/// Contents below which stragglers may stay among the others.
const FEWEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_found_in_any_order_and_only_once() {
        let mut parcels = Parcels::new();
        let numbers: Vec<u64> = "abc".chars().map(|letter| parcels.put(letter)).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!((parcels.peek(2), parcels.peek(3)), (Some(&'c'), None));
        assert_eq!(parcels.take(1), Some('b'));
        assert_eq!(parcels.take(1), None);
        assert_eq!(parcels.take(0), Some('a'));
        assert_eq!(parcels.put('d'), 3);
        assert_eq!(parcels.take(9), None);
        assert_eq!((parcels.take(2), parcels.take(3)), (Some('c'), Some('d')));
        assert_eq!((parcels.contents.len(), parcels.base), (0, 4));
    }

    #[test]
    fn one_packet_that_is_held_up_does_not_hold_memory() {
        let mut parcels = Parcels::new();
        let held = parcels.put(0);
        for content in 1..100_000 {
            let number = parcels.put(content);
            assert_eq!(parcels.take(number), Some(content));
        }
        assert!(parcels.contents.len() <= FEWEST);
        assert_eq!(parcels.peek(held), Some(&0));
        assert_eq!(parcels.take(held), Some(0));
        assert_eq!(parcels.take(held), None);
        assert!(parcels.stragglers.is_empty());
    }
}
