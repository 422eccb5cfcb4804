//! A fingerprint of everything that happened in a run.

/// FNV-1a over words of 64 bits: not for adversaries, only to tell runs apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(u64);

/// What happened to a packet.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Happening {
    Sent = 1,
    Delivered = 2,
    Dropped = 3,
    RandomLost = 4,
    Acknowledged = 5,
}

impl Digest {
    pub(super) const fn new() -> Self {
        Self(OFFSET_BASIS)
    }

    #[inline]
    pub(super) const fn fold(&mut self, what: Happening, time_ns: u64, flow: u32, number: u64) {
        // The kind sits in bits that the number does not reach.
        let subject = number ^ ((flow as u64) << 40) ^ ((what as u64) << 61);
        self.0 = (self.0 ^ time_ns).wrapping_mul(PRIME);
        self.0 = (self.0 ^ subject).wrapping_mul(PRIME);
        self.0 ^= self.0 >> 32;
    }

    /// Takes another fingerprint in.
    pub(super) const fn absorb(&mut self, other: Self) {
        self.0 = (self.0 ^ other.0).wrapping_mul(PRIME);
        self.0 ^= self.0 >> 32;
    }

    pub(super) const fn value(self) -> u64 {
        self.0
    }
}

const OFFSET_BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01B3;
