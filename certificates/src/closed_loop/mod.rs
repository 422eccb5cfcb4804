//! The checker of closed-loop claims: what the loop of policy, guard and path does for ever.
//!
//! A proof is one byte per cell of a cut of the state space: how far the state is on its way. Every
//! cell's successors, over all paths of the slice, must lie in cells that are further, until the
//! largest rank, where the claim's bounds hold and from which no step leads back. Nothing of this is
//! shared with the prover; `docs/closed-loop.md` has the model of the path and the lemmas.
//!
//! [`LoopChecker`] checks slice by slice, so that its caller may use as many threads as it likes;
//! [`CheckedLoop`] takes them all.

mod assumptions;
mod cells;
mod checker;
mod cover;
mod features;
mod path;
mod policy;
mod power;
mod ranks;
mod verdict;

pub use assumptions::ForeignLoop;
pub use cells::{Cells, Image, Judged};
pub use checker::LoopChecker;
pub use features::{Features, State};
pub use path::{Path, Round, Sent};
pub use policy::Policy;
pub use power::Powers;
pub use tautline_certificate_format::closed_loop::*;
pub use verdict::{CheckedLoop, CheckedLoopClaim, CheckedSlice, Shown};

use crate::Reason;

/// Fraction bits of windows, queues and round-trip times.
const ONE_BITS: u32 = 30;
/// One base RTT, and one bandwidth-delay product.
const ONE: i64 = 1 << ONE_BITS;

/// Accepts a number within bounds, both included.
fn in_range(what: &'static str, got: impl Into<i64>, low: i64, high: i64) -> Result<(), Reason> {
    let got = got.into();
    if (low..=high).contains(&got) {
        return Ok(());
    }
    Err(Reason::OutOfRange {
        what,
        low,
        high,
        got,
    })
}
