//! Runs a sequence of events; callgrind counts the instructions of each, this program names them.
//!
//! `icount (learned|reno) (path|adversary) SEED CONNECTIONS STEPS` prints one line per step: the
//! phase before it, its kind, and `decision` if a decision fell in it.

use std::env;
use std::error::Error;
use std::fmt::Write as _;

use no_std_check::model::{HEADER, weights};
use no_std_check::sequence::{Manner, Sequence};
use tautline_core::controller::{Controller, Learned, NewReno};
use tautline_core::features::TABLE_1;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::Policy;
use tautline_core::units::Bytes;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [controller, manner, seed, connections, steps] = arguments.as_slice() else {
        return Err("expected (learned|reno) (path|adversary) SEED CONNECTIONS STEPS".into());
    };
    let manner = match manner.as_str() {
        "path" => Manner::Path,
        "adversary" => Manner::Adversary,
        other => return Err(format!("{other}: expected path or adversary").into()),
    };
    let (seed, connections): (u32, u32) = (seed.parse()?, connections.parse()?);
    let steps: u32 = steps.parse()?;
    let mut lines = String::new();
    for connection in 0..connections {
        let seed = seed.wrapping_mul(1000).wrapping_add(connection);
        let sequence = Sequence::new(manner, seed.into());
        match controller.as_str() {
            "learned" => learned(seed, sequence, steps, &mut lines)?,
            "reno" => {
                let reno = NewReno::new(DATAGRAM);
                run(reno, sequence, steps, |_| "reno", &mut lines)?;
            }
            other => return Err(format!("{other}: expected learned or reno").into()),
        }
    }
    print!("{lines}");
    Ok(())
}

fn learned(
    seed: u32,
    sequence: Sequence,
    steps: u32,
    lines: &mut String,
) -> Result<(), Box<dyn Error>> {
    let parameters = weights(seed);
    let policy = Policy::new(HEADER, &parameters[..])?;
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    let learned = Learned::new(policy, envelope, DATAGRAM)?;
    let phase = |learned: &Learned<_, _>| {
        let counters = learned.counters();
        match () {
            () if learned.policy_in_charge() => "policy",
            () if counters.fallbacks > counters.returns => "fallback",
            () if counters.decisions == 0 => "startup",
            () => "drain",
        }
    };
    Ok(run(learned, sequence, steps, phase, lines)?)
}

fn run<C: Controller>(
    mut controller: C,
    mut sequence: Sequence,
    steps: u32,
    phase: impl Fn(&C) -> &'static str,
    lines: &mut String,
) -> std::fmt::Result {
    for _ in 0..steps {
        let (now, step) = sequence.step(controller.decision());
        let (phase, before) = (phase(&controller), controller.counters().decisions);
        step.tautline_counted(now, &mut controller);
        let decided = controller.counters().decisions != before;
        let decided = if decided { "decision" } else { "-" };
        writeln!(lines, "{phase} {} {decided}", step.name())?;
    }
    Ok(())
}

const DATAGRAM: Bytes = Bytes::new(1200);
