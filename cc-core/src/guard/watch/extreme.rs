//! The largest value seen of late, without the one that stands alone.

/// The second largest value of this epoch and of the one before.
///
/// Leaving out the largest keeps one odd round from being held against all that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Largest {
    first: u64,
    second: u64,
    previous: u64,
}

impl Largest {
    pub(super) const fn note(&mut self, value: u64) {
        if value > self.first {
            self.second = self.first;
            self.first = value;
        } else if value > self.second {
            self.second = value;
        }
    }

    /// Begins another epoch.
    pub(super) const fn turn(&mut self) {
        *self = Self {
            previous: self.second,
            first: 0,
            second: 0,
        };
    }

    /// Two values of an epoch were at least this; zero before that.
    pub(super) fn get(self) -> u64 {
        self.previous.max(self.second)
    }

    /// The largest without exception.
    pub(super) fn once(self) -> u64 {
        self.previous.max(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_stands_alone_is_not_believed() {
        let mut largest = Largest::default();
        for value in [5, 90, 7] {
            largest.note(value);
        }
        assert_eq!((largest.get(), largest.once()), (7, 90));
    }

    #[test]
    fn values_are_forgotten_after_the_next_epoch() {
        let mut largest = Largest::default();
        for value in [9, 9] {
            largest.note(value);
        }
        largest.turn();
        assert_eq!(largest.get(), 9);
        for value in [4, 4] {
            largest.note(value);
        }
        assert_eq!(largest.get(), 9);
        largest.turn();
        assert_eq!(largest.get(), 4);
    }
}
