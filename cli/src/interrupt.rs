//! Ctrl-C and SIGTERM as a flag that long work asks for.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use crate::output;

/// The user pressed Ctrl-C, or the process was asked to terminate.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Turns the first interrupt into the flag; a second one ends the process at once with 130, also
/// inside of a simulation, which does not ask for the flag.
pub(crate) fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "the user insists; nothing is half-written")]
            std::process::exit(130);
        }
        // On a thread of its own: standard error may take nothing while its reader sleeps, and the
        // second signal must be heard all the same.
        let said = std::thread::Builder::new().spawn(|| {
            output::note("\ninterrupted: finishing the step at work; Ctrl-C again quits at once");
        });
        // Where no thread starts, the interrupt still counts.
        drop(said);
    })
    .context("cannot handle Ctrl-C")
}

/// True once an interrupt was asked for.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// An error once an interrupt was asked for.
pub(crate) fn check() -> Result<(), Interrupted> {
    if requested() {
        Err(Interrupted)
    } else {
        Ok(())
    }
}
