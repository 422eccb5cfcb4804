//! What packets carry, kept beside their flow while the network carries their numbers.

use std::collections::VecDeque;

/// Contents by packet number, numbered in the order in which they are put in.
#[derive(Debug)]
pub(super) struct Parcels<T> {
    contents: VecDeque<Option<T>>,
    /// Number of the first.
    base: u64,
}

impl<T> Parcels<T> {
    pub(super) const fn new() -> Self {
        Self {
            contents: VecDeque::new(),
            base: 0,
        }
    }

    /// Puts `content` in and names it.
    pub(super) fn put(&mut self, content: T) -> u64 {
        self.contents.push_back(Some(content));
        self.base + self.contents.len() as u64 - 1
    }

    /// Takes the content of packet `number` out: it arrived, or it never will.
    pub(super) fn take(&mut self, number: u64) -> Option<T> {
        let place = usize::try_from(number.checked_sub(self.base)?).ok()?;
        let content = self.contents.get_mut(place)?.take();
        while let Some(None) = self.contents.front() {
            self.contents.pop_front();
            self.base += 1;
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_found_in_any_order_and_only_once() {
        let mut parcels = Parcels::new();
        let numbers: Vec<u64> = "abc".chars().map(|letter| parcels.put(letter)).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(parcels.take(1), Some('b'));
        assert_eq!(parcels.take(1), None);
        assert_eq!(parcels.take(0), Some('a'));
        assert_eq!(parcels.put('d'), 3);
        assert_eq!(parcels.take(9), None);
        assert_eq!((parcels.take(2), parcels.take(3)), (Some('c'), Some('d')));
        assert_eq!((parcels.contents.len(), parcels.base), (0, 4));
    }
}
