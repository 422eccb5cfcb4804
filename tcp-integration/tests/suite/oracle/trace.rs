//! What a sniffer sees, line by line, where `SIM_TRACE` is set.

use super::ledger::Ledger;
use super::wire::Seen;

/// Prints segments, or not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trace {
    /// Prints.
    On,
    /// Prints nothing.
    Off,
}

impl Trace {
    /// On where `SIM_TRACE` is set.
    pub(crate) fn from_environment() -> Self {
        match std::env::var_os("SIM_TRACE") {
            Some(_) => Self::On,
            None => Self::Off,
        }
    }

    /// A segment leaves.
    pub(crate) fn departure(self, now: i64, seen: &Seen, ledger: &Ledger) {
        if matches!(self, Self::On) {
            println!(
                "{now} > {}:{} seq {} len {} ack {:?} win {} fin {} una {} outstanding {}",
                seen.source.port,
                seen.target.port,
                ledger.offset(seen.sequence),
                seen.payload,
                seen.acknowledgement,
                seen.window,
                seen.fin,
                ledger.una(),
                ledger.outstanding(),
            );
        }
    }

    /// A segment arrives.
    pub(crate) fn arrival(self, now: i64, seen: &Seen, ledger: &Ledger) {
        if matches!(self, Self::On) {
            let offset = |sequence| ledger.offset(sequence);
            let blocks = seen.sack.iter();
            println!(
                "{now} < {}:{} ack {:?} win {} len {} sack {:?}",
                seen.source.port,
                seen.target.port,
                seen.acknowledgement.map(offset),
                seen.window,
                seen.payload,
                blocks
                    .map(|&(a, b)| (offset(a), offset(b)))
                    .collect::<Vec<_>>(),
            );
        }
    }
}
