//! Hash buckets that take memory with their first packet.

use super::codel::CoDelState;
use super::fifo::Fifo;

/// Buckets with numbers below [`Buckets::count`], in the order of their first use.
#[derive(Debug)]
pub(super) struct Buckets {
    count: u32,
    used: Vec<Bucket>,
    /// Where the buckets of each [`PAGE`] numbers are in `used`; `None` where none of them is.
    pages: Vec<Option<Box<[u32; PAGE]>>>,
}

/// A queue of its own.
#[derive(Debug)]
pub(super) struct Bucket {
    /// What flows are hashed to.
    pub(super) number: u32,
    /// Its place in the order of first use.
    pub(super) place: u32,
    pub(super) fifo: Fifo,
    pub(super) codel: CoDelState,
    pub(super) credits: i64,
    /// Whether it is in one of the two lists.
    pub(super) active: bool,
}

impl Buckets {
    /// `count` buckets, none in use.
    pub(super) fn new(count: u32) -> Self {
        let pages = (count as usize).div_ceil(PAGE);
        Self {
            count,
            used: Vec::new(),
            pages: (0..pages).map(|_| None).collect(),
        }
    }

    /// All of them, used or not.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// The place of bucket `number`, which is in use from now on; `None` for a number out of range.
    #[inline]
    pub(super) fn place_of(&mut self, number: u32) -> Option<u32> {
        let page = self.pages.get_mut(number as usize / PAGE)?;
        let page = page.get_or_insert_with(|| Box::new([UNUSED; PAGE]));
        let place = page.get_mut(number as usize % PAGE)?;
        if *place == UNUSED {
            *place = self.used.len() as u32;
            self.used.push(Bucket {
                number,
                place: *place,
                fifo: Fifo::new(),
                codel: CoDelState::default(),
                credits: 0,
                active: false,
            });
        }
        Some(*place)
    }

    #[inline]
    pub(super) fn at(&self, place: u32) -> Option<&Bucket> {
        self.used.get(place as usize)
    }

    #[inline]
    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Bucket> {
        self.used.get_mut(place as usize)
    }

    /// Those in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.used.iter()
    }
}

#[cfg(test)]
impl Buckets {
    /// How many had a packet.
    pub(super) fn in_use(&self) -> usize {
        self.used.len()
    }

    /// Bucket `number` where it is in use.
    pub(super) fn of_number(&self, number: u32) -> Option<&Bucket> {
        self.iter().find(|bucket| bucket.number == number)
    }
}

/// Numbers per page of places: at 65,536 buckets, 8 KiB are taken before the first packet.
const PAGE: usize = 64;
const UNUSED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_place_for_ever() {
        let mut buckets = Buckets::new(130);
        let numbers = [129, 0, 63, 64, 129, 0];
        let places: Vec<_> = numbers.map(|number| buckets.place_of(number)).into();
        assert_eq!(places, [0, 1, 2, 3, 0, 1].map(Some));
        let used: Vec<u32> = buckets.iter().map(|bucket| bucket.number).collect();
        assert_eq!(used, [129, 0, 63, 64]);
        assert_eq!(buckets.count(), 130);
    }
}
