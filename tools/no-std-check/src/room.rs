//! Static memory for what is made once.

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::mem::MaybeUninit;

use tautline_core::controller::Learned;
use tautline_core::features::TABLE_1;
use tautline_core::fixed::Q16;
use tautline_core::guard::{LoopAssumptions, UncheckedEnvelope};
use tautline_core::policy::Policy;
use tautline_core::units::Bytes;

use crate::model::{HEADER, TAUTLINE_WEIGHTS};

/// A policy with its weights in read-only memory.
pub type FlashPolicy = Policy<&'static [i16]>;

/// Room for one value.
pub struct Room<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: one program, one thread, no interrupts.
unsafe impl<T> Sync for Room<T> {}

impl<T> Room<T> {
    /// Empty room.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Puts the value there.
    ///
    /// # Safety
    /// Must be called once.
    pub unsafe fn put(&'static self, value: T) -> &'static mut T {
        // SAFETY: nobody else holds a reference, as the caller promises.
        unsafe { (*self.0.get()).write(value) }
    }
}

/// What closed-loop claims assume in the programs that watch for it: 5 % of jitter, 2⁴ to 2¹⁰
/// datagrams, a buffer of half a bandwidth-delay product at least.
pub const ASSUMED: LoopAssumptions = LoopAssumptions {
    jitter: Q16::from_units(3277),
    log_bdp: (Q16::from_units(4 << 16), Q16::from_units(10 << 16)),
    buffer: (Q16::from_units(1 << 15), None),
    start: (Q16::NEG_ONE, Q16::from_units(3 << 15)),
    log_window: (Q16::from_units(2 << 16), Q16::from_units(12 << 16)),
};

static CONTROLLER: Room<Learned<FlashPolicy, UncheckedEnvelope>> = Room::new();
static WATCHED: Room<Learned<FlashPolicy, UncheckedEnvelope<LoopAssumptions>>> = Room::new();

/// The policy that is measured, with its envelope; none if the model is refused.
#[inline(never)]
pub fn policy() -> Option<(FlashPolicy, UncheckedEnvelope)> {
    let weights: &'static [i16] = &TAUTLINE_WEIGHTS;
    let policy = Policy::new(HEADER, black_box(weights)).ok()?;
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    Some((policy, envelope))
}

/// The controller in its place; none if the model is refused.
#[inline(never)]
pub fn controller() -> Option<&'static mut Learned<FlashPolicy, UncheckedEnvelope>> {
    let (policy, envelope) = policy()?;
    let learned = Learned::new(policy, envelope, Bytes::new(black_box(1200))).ok()?;
    // SAFETY: each program calls this once.
    Some(unsafe { CONTROLLER.put(learned) })
}

/// The same under closed-loop claims, with the watch over what they assume.
#[inline(never)]
pub fn watched() -> Option<&'static mut Learned<FlashPolicy, UncheckedEnvelope<LoopAssumptions>>> {
    let (policy, envelope) = policy()?;
    let envelope = envelope.with_loop_assumptions(black_box(ASSUMED));
    let learned = Learned::new(policy, envelope, Bytes::new(black_box(1200))).ok()?;
    // SAFETY: each program calls this once.
    Some(unsafe { WATCHED.put(learned) })
}
