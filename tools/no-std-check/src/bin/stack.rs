//! The deepest stack of a step, by painting the memory below and looking how far it changed.
//!
//! Prints one line per kind of step: kind, `decision` or `-`, bytes; and `load`. With the argument
//! `watched` the controller has closed-loop claims and watches for what they assume.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::ptr;

use no_std_check::model::{HEADER, weights};
use no_std_check::room::ASSUMED;
use no_std_check::sequence::{Manner, Sequence};
use tautline_core::controller::{Controller as _, Learned};
use tautline_core::features::TABLE_1;
use tautline_core::guard::{NoAssumptions, PathAssumptions, UncheckedEnvelope};
use tautline_core::policy::Policy;
use tautline_core::units::Bytes;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure(NoAssumptions),
        ["watched"] => measure(ASSUMED),
        _ => Err(format!("expected nothing or `watched`, got {arguments:?}").into()),
    }
}

fn measure<A: PathAssumptions>(assumptions: A) -> Result<(), Box<dyn Error>> {
    let mut deepest: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for manner in [Manner::Path, Manner::Adversary] {
        for seed in 1..=SEEDS {
            let parameters = weights(seed);
            let mut made = None;
            let load = depth(&mut || {
                let policy = Policy::new(HEADER, black_box(&parameters[..])).ok();
                made = policy.and_then(|policy| {
                    let digest = policy.digest();
                    let envelope = UncheckedEnvelope::dangerously_unchecked(digest, &TABLE_1)
                        .with_loop_assumptions(assumptions);
                    Learned::new(policy, envelope, Bytes::new(1200)).ok()
                });
            });
            let mut controller = made.ok_or("the model was refused")?;
            note(&mut deepest, ("load", "-"), load);
            let mut sequence = Sequence::new(manner, seed.into());
            for _ in 0..STEPS {
                let (now, step) = sequence.step(controller.decision());
                let before = controller.counters().decisions;
                let used = depth(&mut || step.tautline_counted(now, &mut controller));
                let decided = controller.counters().decisions != before;
                let decided = if decided { "decision" } else { "-" };
                note(&mut deepest, (step.name(), decided), used);
            }
        }
    }
    for ((kind, decided), bytes) in deepest {
        println!("{kind} {decided} {bytes}");
    }
    Ok(())
}

fn note<'a>(
    deepest: &mut BTreeMap<(&'a str, &'a str), usize>,
    of: (&'a str, &'a str),
    used: usize,
) {
    let most = deepest.entry(of).or_default();
    *most = used.max(*most);
}

/// Bytes of stack that `call` touches below this function's frame; the frame's own are counted.
#[inline(never)]
fn depth(call: &mut dyn FnMut()) -> usize {
    let marker = black_box(0usize);
    let top = ptr::from_ref(&marker).addr() & !7;
    paint(top);
    call();
    lowest_changed(top).map_or(UNPAINTED, |lowest| top - lowest)
}

#[inline(never)]
fn paint(top: usize) {
    for address in (top - PAINTED..top - UNPAINTED).step_by(8) {
        // SAFETY: the memory below the stack's end belongs to this thread's stack, of which the
        // system gives megabytes, and no frame is there: `UNPAINTED` is more than this one has.
        unsafe { ptr::with_exposed_provenance_mut::<u64>(address).write_volatile(PAINT) };
    }
}

#[inline(never)]
fn lowest_changed(top: usize) -> Option<usize> {
    (top - PAINTED..top - UNPAINTED)
        .step_by(8)
        .find(|&address| {
            // SAFETY: as in `paint`.
            let word = unsafe { ptr::with_exposed_provenance::<u64>(address).read_volatile() };
            word != PAINT
        })
}

/// Bytes below the frame that are painted.
const PAINTED: usize = 1 << 16;
/// Bytes below the frame that the painting itself may need.
const UNPAINTED: usize = 512;
const PAINT: u64 = 0xa5a5_5a5a_c3c3_3c3c;
const SEEDS: u32 = 8;
const STEPS: u32 = 20_000;
