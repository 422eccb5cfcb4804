//! Static memory for one controller.

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::mem::MaybeUninit;

use tautline_core::controller::Learned;
use tautline_core::features::TABLE_1;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::Policy;
use tautline_core::units::Bytes;

use crate::model::{HEADER, TAUTLINE_WEIGHTS};

/// The controller that is measured.
pub type Embedded = Learned<Policy<&'static [i16]>, UncheckedEnvelope>;

struct Room(UnsafeCell<MaybeUninit<Embedded>>);

// SAFETY: one program, one thread, no interrupts.
unsafe impl Sync for Room {}

static ROOM: Room = Room(UnsafeCell::new(MaybeUninit::uninit()));

/// The controller in its place; none if the model is refused.
#[inline(never)]
pub fn controller() -> Option<&'static mut Embedded> {
    let weights: &'static [i16] = &TAUTLINE_WEIGHTS;
    let policy = Policy::new(HEADER, black_box(weights)).ok()?;
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    let learned = Learned::new(policy, envelope, Bytes::new(black_box(1200))).ok()?;
    // SAFETY: called once, so nobody else holds a reference.
    Some(unsafe { (*ROOM.0.get()).write(learned) })
}
