//! Packets that left and are not settled yet, in a ring indexed by packet number.

/// What became of a packet so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Neither acknowledged nor declared lost.
    Outstanding,
    /// Acknowledged or declared lost.
    Settled,
}

/// A packet that left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) time_ns: u64,
    /// Where its payload starts in the stream.
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) fate: Fate,
}

/// Packets `base..next`, in a power-of-two ring that grows and never shrinks.
#[derive(Clone, Debug)]
pub(super) struct SentPackets {
    slots: Vec<Sent>,
    mask: u64,
    base: u64,
    next: u64,
}

impl SentPackets {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![EMPTY; FIRST_SLOTS],
            mask: FIRST_SLOTS as u64 - 1,
            base: 0,
            next: 0,
        }
    }

    /// The oldest packet that is not settled, or the next number.
    pub(super) const fn base(&self) -> u64 {
        self.base
    }

    /// True for packets that left.
    #[inline]
    pub(super) const fn includes(&self, number: u64) -> bool {
        number < self.next
    }

    /// Records a departure and names it.
    #[inline]
    pub(super) fn push(&mut self, time_ns: u64, offset: u64, bytes: u32) -> u64 {
        if self.next - self.base > self.mask {
            self.grow();
        }
        let number = self.next;
        self.slots[(number & self.mask) as usize] = Sent {
            time_ns,
            offset,
            bytes,
            fate: Fate::Outstanding,
        };
        self.next += 1;
        number
    }

    /// The packet `number`, which must lie in `base..next`.
    #[inline]
    pub(super) fn at(&mut self, number: u64) -> &mut Sent {
        debug_assert!((self.base..self.next).contains(&number));
        &mut self.slots[(number & self.mask) as usize]
    }

    /// Drops settled packets from the front.
    #[inline]
    pub(super) fn advance(&mut self) {
        while self.base < self.next
            && self.slots[(self.base & self.mask) as usize].fate == Fate::Settled
        {
            self.base += 1;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = self.slots.len() * 2;
        let mask = larger as u64 - 1;
        let mut slots = vec![EMPTY; larger];
        for number in self.base..self.next {
            slots[(number & mask) as usize] = self.slots[(number & self.mask) as usize];
        }
        self.slots = slots;
        self.mask = mask;
    }
}

const EMPTY: Sent = Sent {
    time_ns: 0,
    offset: 0,
    bytes: 0,
    fate: Fate::Settled,
};
const FIRST_SLOTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_packets_while_it_grows() {
        let mut sent = SentPackets::new();
        for number in 0..10 {
            assert_eq!(sent.push(number, 0, 1500), number);
            sent.at(number).fate = Fate::Settled;
        }
        sent.advance();
        assert_eq!(sent.base(), 10);
        for number in 10..300 {
            assert_eq!(sent.push(number * 7, 0, 1), number);
        }
        for number in 10..300 {
            assert_eq!(sent.at(number).time_ns, number * 7);
        }
        sent.advance();
        assert_eq!((sent.base(), sent.next), (10, 300));
    }
}
